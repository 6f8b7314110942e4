//! What each consumer demands of its file, in the order in which it demands it; each rule is shown to fail in
//! `broken.rs`. Where the rules come from is said at each.

use std::collections::BTreeMap;

use serde_json::Value;

/// One event of a vector-clock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamped {
    pub(super) host: String,
    pub(super) vector: BTreeMap<String, u64>,
    pub(super) text: String,
}

type Checked<T> = Result<T, String>;

/// The first line, the second one (which must be there and is empty), and the rest.
fn head(text: &str) -> Checked<(&str, &str)> {
    let (expression, rest) = text.split_once('\n').ok_or("no first line")?;
    let rest = rest
        .strip_prefix('\n')
        .ok_or("no second line for the delimiter")?;
    // ShiViz, js/util/regexp.js, NamedRegExp: every `(` that does not begin a group of its own becomes `(?:`,
    // an escaped one as well.
    if expression.contains(r"\(") {
        return Err("an escaped bracket in the expression".into());
    }
    for group in ["event", "host", "clock"] {
        // js/model/parser.js, LogParser: the three names must be there.
        if !expression.contains(&format!("(?<{group}>")) {
            return Err(format!("no group `{group}`"));
        }
    }
    Ok((expression, rest))
}

/// A clock as js/model/parser.js reads it: a JSON object of numbers.
fn clock(text: &str) -> Checked<BTreeMap<String, u64>> {
    serde_json::from_str(text).map_err(|error| format!("{text}: {error}"))
}

/// `HOST {CLOCK} DATE lamport=N queue=Q TEXT`
pub(super) fn shiviz(text: &str) -> Checked<Vec<Stamped>> {
    let (_, rest) = head(text)?;
    let events = rest.lines().map(|line| {
        let (host, rest) = line.split_once(' ').ok_or("no host")?;
        let (vector, rest) = rest.split_once("} ").ok_or("no clock")?;
        let (_date, text) = rest.split_once(' ').ok_or("no date")?;
        stamped(host, &format!("{vector}}}"), text)
    });
    vector_clocks(events.collect::<Checked<_>>()?)
}

/// `HOST NANOSECONDS {CLOCK} lamport=N queue=Q TEXT`; TSViz, js/model/parser.js: the group `timestamp` must be
/// there; js/model/modelGraph.js compares it as text.
pub(super) fn tsviz(text: &str) -> Checked<Vec<Stamped>> {
    let (expression, rest) = head(text)?;
    if !expression.contains("(?<timestamp>") {
        return Err("no group `timestamp`".into());
    }
    let events = rest.lines().map(|line| {
        let (host, rest) = line.split_once(' ').ok_or("no host")?;
        let (nanoseconds, rest) = rest.split_once(' ').ok_or("no timestamp")?;
        if nanoseconds.len() != 19 || !nanoseconds.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{nanoseconds} does not have 19 digits"));
        }
        let (vector, text) = rest.split_once("} ").ok_or("no clock")?;
        stamped(host, &format!("{vector}}}"), text)
    });
    vector_clocks(events.collect::<Checked<_>>()?)
}

/// Two lines an event: `HOST {CLOCK}`, `LEVEL TEXT`.
pub(super) fn govector(text: &str) -> Checked<Vec<Stamped>> {
    let (expression, rest) = head(text)?;
    if expression != r"(?<host>\S*) (?<clock>{.*})\n(?<event>.*)" {
        return Err("not the expression of GoVector's merged logs".into());
    }
    let lines: Vec<&str> = rest.lines().collect();
    let events = lines.chunks(2).map(|pair| match pair {
        [first, second] => {
            let (host, vector) = first.split_once(' ').ok_or("no host")?;
            let text = second.strip_prefix("INFO ").ok_or("no level")?;
            stamped(host, vector, text)
        }
        _ => Err("half an event".into()),
    });
    vector_clocks(events.collect::<Checked<_>>()?)
}

fn stamped(host: &str, vector: &str, text: &str) -> Checked<Stamped> {
    if host.is_empty() || text.is_empty() {
        return Err(format!(
            "an event without a host or a text: {host} {vector} {text}"
        ));
    }
    Ok(Stamped {
        host: host.to_owned(),
        vector: clock(vector)?,
        text: text.to_owned(),
    })
}

fn vector_clocks(events: Vec<Stamped>) -> Checked<Vec<Stamped>> {
    // js/model/parser.js, ExecutionParser: at least one event must be found.
    if events.is_empty() {
        return Err("no event".into());
    }
    let mut own: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for event in &events {
        // js/model/vectorTimestamp.js: the host's own entry must be there.
        let time = event.vector.get(&event.host);
        let time = time.ok_or_else(|| format!("{} has no entry of its own", event.host))?;
        own.entry(&event.host).or_default().push(*time);
    }
    for (host, times) in &mut own {
        // js/model/modelGraph.js, initPrevNext: sorted, the own entries are 1, 2, 3, …
        times.sort_unstable();
        if !times.iter().copied().eq(1..=times.len() as u64) {
            return Err(format!("{host}: own entries are not 1, 2, 3, …: {times:?}"));
        }
    }
    for event in &events {
        for (host, time) in &event.vector {
            // js/model/modelGraph.js, initParentChild: a host that has events, and one of its events.
            let times = own.get(host.as_str());
            let times = times.ok_or_else(|| format!("an entry for {host}, which has no event"))?;
            if *time < 1 || *time > times.len() as u64 {
                return Err(format!(
                    "entry {time} for {host}, which has {} events",
                    times.len()
                ));
            }
        }
    }
    Ok(events)
}

/// What a trace holds, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// Process, begin, end; in nanoseconds.
    pub(super) slices: Vec<(u64, i64, i64)>,
    pub(super) arrows: usize,
    pub(super) waits: usize,
    pub(super) counters: usize,
    named: Vec<u64>,
    last: i64,
    /// What has begun: category and id, its time and name.
    open: BTreeMap<(String, u64), (i64, String)>,
    /// Both ends of arrows.
    ends: Vec<(u64, i64)>,
}

/// The Trace Event Format: "JSON Object Format", "Complete Events", "Flow Events", "Async Events", "Counter
/// Events" and "Metadata Events" of its definition; and Perfetto's page on other formats: slices of a track
/// nest perfectly.
pub(super) fn perfetto(text: &str) -> Checked<Trace> {
    let trace: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let events = trace["traceEvents"].as_array().ok_or("no traceEvents")?;
    let mut read = Trace::default();
    for event in events {
        read.take(event).map_err(|error| format!("{error}: {event}"))?;
    }
    if let Some(left) = read.open.keys().next() {
        return Err(format!("never ended: {left:?}"));
    }
    for (process, at) in &read.ends {
        let inside = |slice: &&(u64, i64, i64)| slice.0 == *process && slice.1 <= *at && *at < slice.2;
        if read.slices.iter().filter(inside).count() != 1 {
            return Err(format!("an arrow's end at {at} is not in one slice of {process}"));
        }
    }
    Ok(read)
}

impl Trace {
    fn take(&mut self, event: &Value) -> Checked<()> {
        let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let process = event["pid"]
            .as_u64()
            .filter(|pid| *pid > 0)
            .ok_or("no pid, or 0")?;
        event["tid"].as_u64().ok_or("no tid")?;
        if word("name").is_empty() {
            return Err("no name".into());
        }
        if word("ph") == "M" {
            self.named.push(process);
            return Ok(());
        }
        if !self.named.contains(&process) {
            return Err(format!("process {process} has no name"));
        }
        let at = nanoseconds(&event["ts"]).ok_or("no time")?;
        if at < self.last {
            return Err("not in the order of time".into());
        }
        self.last = at;
        match word("ph").as_str() {
            "X" => {
                let duration = nanoseconds(&event["dur"]).filter(|duration| *duration > 0);
                let end = at + duration.ok_or("a slice without a duration")?;
                let before = self.slices.iter().rev().find(|slice| slice.0 == process);
                if before.is_some_and(|before| at <= before.1 || at < before.2) {
                    return Err(format!("slices overlap: {before:?}"));
                }
                self.slices.push((process, at, end));
            }
            "C" => {
                let values = event["args"].as_object().ok_or("a counter without args")?;
                if values.is_empty() || !values.values().all(Value::is_u64) {
                    return Err("a counter without a number".into());
                }
                self.counters += 1;
            }
            ph @ ("s" | "b") => {
                let id = event["id"].as_u64().ok_or("no id")?;
                if self.open.insert((word("cat"), id), (at, word("name"))).is_some() {
                    return Err("begun twice".into());
                }
                self.ends.extend((ph == "s").then_some((process, at)));
            }
            ph @ ("f" | "e") => {
                let id = event["id"].as_u64().ok_or("no id")?;
                let (begin, name) = self
                    .open
                    .remove(&(word("cat"), id))
                    .ok_or("an end without its begin")?;
                if begin > at || name != word("name") {
                    return Err("an end that does not fit its begin".into());
                }
                if ph == "e" {
                    self.waits += 1;
                } else if word("bp") == "e" {
                    self.arrows += 1;
                    self.ends.push((process, at));
                } else {
                    return Err("an arrow that ends at the next slice, not in its own".into());
                }
            }
            other => return Err(format!("phase {other}")),
        }
        Ok(())
    }
}

/// Microseconds of JSON, not negative, as nanoseconds.
fn nanoseconds(value: &Value) -> Option<i64> {
    let us = value.as_f64().filter(|us| *us >= 0.0)?;
    (us * 1000.0).round().to_string().parse().ok()
}

/// RFC 4180: records end with CR LF, fields with a quote, comma or line end stand in quotes, quotes in them are
/// doubled, and every record has as many fields as the first.
pub(super) fn csv(text: &str) -> Checked<Vec<Vec<String>>> {
    let mut records = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut record = Vec::new();
        loop {
            let (field, behind) = match rest.strip_prefix('"') {
                Some(quoted) => quoted_field(quoted)?,
                None => {
                    let end = rest
                        .find([',', '\r', '\n'])
                        .ok_or("the last record does not end")?;
                    (rest[..end].to_owned(), &rest[end..])
                }
            };
            if !rest.starts_with('"') && field.contains('"') {
                return Err(format!("a quote in a field without quotes: {field}"));
            }
            record.push(field);
            match (behind.strip_prefix(','), behind.strip_prefix("\r\n")) {
                (Some(next), _) => rest = next,
                (None, Some(next)) => {
                    rest = next;
                    break;
                }
                (None, None) => return Err("a record that does not end with CR LF".into()),
            }
        }
        records.push(record);
    }
    let fields = records.first().ok_or("no heading")?.len();
    match records.iter().find(|record| record.len() != fields) {
        Some(record) => Err(format!("{} fields instead of {fields}: {record:?}", record.len())),
        None => Ok(records),
    }
}

fn quoted_field(text: &str) -> Checked<(String, &str)> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let (part, behind) = rest.split_once('"').ok_or("a quote that does not end")?;
        field += part;
        match behind.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, behind)),
        }
    }
}

/// A sequence diagram of this module's subset: participants first, then arrows and notes between them. Gives the
/// arrows as (from, to, text).
pub(super) fn mermaid(text: &str) -> Checked<Vec<(String, String, String)>> {
    if text.len() > 50_000 {
        return Err("longer than Mermaid's maxTextSize".into());
    }
    let mut lines = text.lines();
    if lines.next() != Some("sequenceDiagram") {
        return Err("not a sequence diagram".into());
    }
    let (mut participants, mut arrows) = (Vec::new(), Vec::new());
    for line in lines.map(str::trim) {
        if let Some(participant) = line.strip_prefix("participant ") {
            let (id, _) = participant
                .split_once(" as ")
                .ok_or("a participant without a name")?;
            participants.push(id.to_owned());
            continue;
        }
        let (ends, text) = line.split_once(": ").ok_or_else(|| format!("no text: {line}"))?;
        // An entity is the one place for these two.
        if text.replace(";", "").contains([':', '<', '>', '"', '%'])
            || text.matches('#').count() != text.matches(';').count()
        {
            return Err(format!("characters of Mermaid's own in {text}"));
        }
        let known = |id: &str| {
            let known = participants.iter().any(|participant| participant == id);
            known
                .then(|| id.to_owned())
                .ok_or_else(|| format!("{id} does not take part"))
        };
        match (
            ends.strip_prefix("Note over "),
            ends.split_once("->>"),
            ends.split_once("-x"),
        ) {
            (Some(id), _, _) => drop(known(id)?),
            (None, Some((from, to)), _) => arrows.push((known(from)?, known(to)?, text.to_owned())),
            (None, None, Some((from, to))) => drop((known(from)?, known(to)?)),
            (None, None, None) => return Err(format!("neither arrow nor note: {line}")),
        }
    }
    Ok(arrows)
}

/// The language of graphs, as far as this module's files use it: nodes are declared before edges name them.
/// Gives the numbers of nodes and edges.
pub(super) fn dot(text: &str) -> Checked<(usize, usize)> {
    let (mut nodes, mut edges, mut depth) = (Vec::new(), 0, 0_i32);
    for line in text.lines().map(str::trim) {
        depth += i32::from(line.ends_with('{')) - i32::from(line == "}");
        let name = line.split([' ', '[']).next().unwrap_or_default();
        let is_event = name.starts_with('p') && name.ends_with(|c: char| c.is_ascii_digit());
        if !is_event {
            continue;
        }
        match line.split_once(" -> ") {
            Some((from, rest)) => {
                let to = rest.split(' ').next().unwrap_or_default();
                for end in [from, to] {
                    if !nodes.iter().any(|node| node == end) {
                        return Err(format!("{end} is no node"));
                    }
                }
                edges += 1;
            }
            None if nodes.iter().any(|node| node == name) => return Err(format!("{name} twice")),
            None => nodes.push(name.to_owned()),
        }
        if line.replace("\\\"", "").matches('"').count() % 2 == 1 || !line.ends_with("];") {
            return Err(format!("a text that does not end: {line}"));
        }
    }
    if depth != 0 {
        return Err("brackets do not match".into());
    }
    Ok((nodes.len(), edges))
}
