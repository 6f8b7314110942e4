//! One line, both ways (protocol.md, section 7).

use super::{
    event::{Event, Header, Kind, Mishaps, Recipients, Record, Traffic},
    fields::{KeyValues, number, numbers, split_word},
    remark::write_remark,
    store::{self, StoreChange},
    wall_time::{TimeText, WallTime},
};
use crate::{
    clock::{ClockKind, HybridTime},
    units::{MachineId, Speed},
    wire::RunId,
};

/// The first line of every log.
pub const FORMAT_LINE: &str = "# clocklab-log 1";

/// The keys of a header that this version knows.
const HEADER_KEYS: [&str; 12] = [
    "machine",
    "machines",
    "rate",
    "draw",
    "traffic",
    "phase_us",
    "speed",
    "clock",
    "incarnation",
    "seed",
    "run",
    "started",
];

/// Appends lines to a buffer.
#[derive(Clone, Debug, Default)]
pub struct LineWriter {
    time: TimeText,
}

impl LineWriter {
    /// Appends the format line and the header.
    pub fn write_header(&mut self, header: &Header, output: &mut Vec<u8>) {
        output.extend_from_slice(FORMAT_LINE.as_bytes());
        output.extend_from_slice(b"\n#");
        pair(" machine=", u64::from(header.machine.0), output);
        pair(" machines=", u64::from(header.machines), output);
        optional(" rate=", header.rate.map(u64::from), output);
        optional(" draw=", header.draw.map(u64::from), output);
        if header.traffic != Traffic::Assignment {
            output.extend_from_slice(b" traffic=");
            output.extend_from_slice(header.traffic.name().as_bytes());
        }
        optional(" phase_us=", header.phase_us, output);
        if header.speed != Speed::NORMAL {
            output.extend_from_slice(b" speed=");
            output.extend_from_slice(header.speed.to_string().as_bytes());
        }
        output.extend_from_slice(b" clock=");
        output.extend_from_slice(header.clock.name().as_bytes());
        optional(" incarnation=", header.incarnation.map(u64::from), output);
        pair(" seed=", header.seed, output);
        output.extend_from_slice(b" run=");
        output.extend_from_slice(header.run.as_str().as_bytes());
        output.extend_from_slice(b" started=");
        self.time.write(header.started, output);
        output.push(b'\n');
    }

    /// Appends one record that happened at `at`. A footer's time is `at`, whatever its `ended` says.
    #[inline]
    pub fn write(&mut self, at: WallTime, record: &Record, output: &mut Vec<u8>) {
        match record {
            Record::Event(event) => self.write_event(at, event, output),
            remark => write_remark(&mut self.time, at, remark, output),
        }
        output.push(b'\n');
    }

    fn write_event(&mut self, at: WallTime, event: &Event, output: &mut Vec<u8>) {
        self.time.write(at, output);
        output.extend_from_slice(match event.kind {
            Kind::Internal => b" internal tick=",
            Kind::Send { .. } => b" send tick=",
            Kind::Receive { .. } => b" receive tick=",
            Kind::Other => b" other tick=",
        });
        output.extend_from_slice(itoa::Buffer::new().format(event.tick).as_bytes());
        pair(" clock=", event.clock, output);
        match &event.kind {
            Kind::Internal | Kind::Other => {}
            Kind::Send { to, mishaps } => {
                machine_list(" to=", to, output);
                if let Some(mishaps) = mishaps {
                    write_mishaps(mishaps, output);
                }
            }
            Kind::Receive {
                from,
                sent,
                queue,
                waited_us,
            } => {
                pair(" from=", u64::from(from.0), output);
                pair(" sent=", *sent, output);
                pair(" queue=", *queue, output);
                optional(" waited_us=", *waited_us, output);
            }
        }
        if let Some(vector) = &event.vector {
            list(" vector=", vector.iter().copied(), output);
        }
        if let Some(hybrid) = event.hybrid {
            pair(" hybrid=", hybrid.physical_us, output);
            output.push(b'.');
            output.extend_from_slice(itoa::Buffer::new().format(hybrid.logical).as_bytes());
        }
        if let Some(change) = &event.store {
            store::write_change(change, output);
        }
    }
}

pub(super) fn pair(key: &str, value: u64, output: &mut Vec<u8>) {
    output.extend_from_slice(key.as_bytes());
    output.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn optional(key: &str, value: Option<u64>, output: &mut Vec<u8>) {
    if let Some(value) = value {
        pair(key, value, output);
    }
}

/// Recipients of which something is said, each list if it is not empty.
fn write_mishaps(mishaps: &Mishaps, output: &mut Vec<u8>) {
    let Mishaps {
        dropped,
        lost,
        duplicated,
        unordered,
    } = mishaps;
    for (key, machines) in [
        (" dropped=", dropped),
        (" lost=", lost),
        (" duplicated=", duplicated),
        (" unordered=", unordered),
    ] {
        if !machines.is_empty() {
            machine_list(key, machines, output);
        }
    }
}

pub(super) fn machine_list(key: &str, machines: &[MachineId], output: &mut Vec<u8>) {
    list(key, machines.iter().map(|machine| u64::from(machine.0)), output);
}

pub(super) fn list(key: &str, values: impl Iterator<Item = u64>, output: &mut Vec<u8>) {
    output.extend_from_slice(key.as_bytes());
    for (place, value) in values.enumerate() {
        if place > 0 {
            output.push(b',');
        }
        output.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

/// What is wrong with a line: a sentence without the place, which the reader knows.
pub(super) type LineError = String;

/// Reads an event line, without its line feed: its keys in any order, and unknown ones between them.
pub(super) fn parse_event(line: &[u8], time: &mut TimeText) -> Result<(WallTime, Event), LineError> {
    let (when, rest) = split_word(line);
    let at = time.parse(when).ok_or_else(|| no_time(when))?;
    let (kind, rest) = split_word(rest);
    if kind.is_empty() {
        return Err("the kind of the event is missing".to_owned());
    }
    let is_known = matches!(kind, b"internal" | b"send" | b"receive");
    let mut found = EventFields::default();
    for pair in KeyValues::new(rest) {
        let (key, value) = pair.map_err(|word| format!("`{}` is no key=value", shown(word)))?;
        match found.take(key, value) {
            Err(error) if is_known => return Err(error),
            // A kind of a later version may give a key another meaning.
            Ok(()) | Err(_) => {}
        }
    }
    found.finish(kind).map(|event| (at, event))
}

/// The fields of an event line as they are found.
#[derive(Default)]
struct EventFields {
    tick: Option<u64>,
    clock: Option<u64>,
    from: Option<u64>,
    sent: Option<u64>,
    queue: Option<u64>,
    waited_us: Option<u64>,
    to: Option<Recipients>,
    dropped: Option<Recipients>,
    lost: Option<Recipients>,
    duplicated: Option<Recipients>,
    unordered: Option<Recipients>,
    vector: Option<Box<[u64]>>,
    hybrid: Option<HybridTime>,
    store: Option<Box<StoreChange>>,
}

impl EventFields {
    #[inline]
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), LineError> {
        match key {
            b"tick" => put(&mut self.tick, key, number(value), value),
            b"clock" => put(&mut self.clock, key, number(value), value),
            b"from" => put(&mut self.from, key, number(value), value),
            b"sent" => put(&mut self.sent, key, number(value), value),
            b"queue" => put(&mut self.queue, key, number(value), value),
            b"waited_us" => put(&mut self.waited_us, key, number(value), value),
            b"to" => put(&mut self.to, key, machines(value), value),
            b"dropped" => put(&mut self.dropped, key, machines(value), value),
            b"lost" => put(&mut self.lost, key, machines(value), value),
            b"duplicated" => put(&mut self.duplicated, key, machines(value), value),
            b"unordered" => put(&mut self.unordered, key, machines(value), value),
            b"vector" => put(&mut self.vector, key, numbers(value).collect(), value),
            b"hybrid" => put(&mut self.hybrid, key, hybrid(value), value),
            _ => store::take(&mut self.store, key, value).unwrap_or(Ok(())),
        }
    }

    #[inline]
    fn finish(self, kind: &[u8]) -> Result<Event, LineError> {
        let kind = match kind {
            b"internal" => Kind::Internal,
            b"send" => {
                let to = need(self.to, "to")?;
                if to.is_empty() {
                    return Err("a send without a recipient".to_owned());
                }
                Kind::Send {
                    to,
                    mishaps: Mishaps {
                        dropped: self.dropped.unwrap_or_default(),
                        lost: self.lost.unwrap_or_default(),
                        duplicated: self.duplicated.unwrap_or_default(),
                        unordered: self.unordered.unwrap_or_default(),
                    }
                    .into_event(),
                }
            }
            b"receive" => Kind::Receive {
                from: machine("from", need(self.from, "from")?)?,
                sent: need(self.sent, "sent")?,
                queue: need(self.queue, "queue")?,
                waited_us: self.waited_us,
            },
            _ => {
                let (tick, clock) = (self.tick.unwrap_or_default(), self.clock.unwrap_or_default());
                return Ok(Event {
                    tick,
                    clock,
                    vector: self.vector,
                    hybrid: self.hybrid,
                    store: self.store,
                    kind: Kind::Other,
                });
            }
        };
        Ok(Event {
            tick: need(self.tick, "tick")?,
            clock: need(self.clock, "clock")?,
            vector: self.vector,
            hybrid: self.hybrid,
            store: self.store,
            kind,
        })
    }
}

/// Reads the header line, without its line feed.
pub(super) fn parse_header(line: &[u8]) -> Result<Header, LineError> {
    let rest = line
        .strip_prefix(b"# ")
        .ok_or("the second line of a log begins with `# machine=`")?;
    let mut header = Header {
        machine: MachineId(0),
        machines: 0,
        rate: None,
        draw: None,
        traffic: Traffic::Assignment,
        phase_us: None,
        speed: Speed::NORMAL,
        clock: ClockKind::Lamport,
        incarnation: None,
        seed: 0,
        run: "unknown".parse::<RunId>().map_err(|error| error.to_string())?,
        started: WallTime::default(),
    };
    let mut missing = vec!["machine", "machines", "clock", "seed", "run", "started"];
    let mut seen = Vec::new();
    for pair in KeyValues::new(rest) {
        let (key, value) = pair.map_err(|word| format!("`{}` is no key=value", shown(word)))?;
        let key = std::str::from_utf8(key).unwrap_or_default();
        if HEADER_KEYS.contains(&key) {
            if seen.contains(&key) {
                return Err(twice(key.as_bytes()));
            }
            seen.push(key);
        }
        missing.retain(|name| *name != key);
        let whole = || number(value).ok_or_else(|| bad_value(key.as_bytes(), value));
        let small = || whole().and_then(|n| u32::try_from(n).map_err(|_| bad_value(key.as_bytes(), value)));
        match key {
            "machine" => header.machine = machine(key, whole()?)?,
            "machines" => header.machines = machine(key, whole()?)?.0,
            "rate" => header.rate = Some(small()?),
            "draw" => header.draw = Some(small()?),
            "traffic" => header.traffic = String::from_utf8_lossy(value).parse()?,
            "phase_us" => header.phase_us = Some(whole()?),
            "speed" => header.speed = String::from_utf8_lossy(value).parse()?,
            "clock" => header.clock = String::from_utf8_lossy(value).parse()?,
            "incarnation" => header.incarnation = Some(small()?),
            "seed" => header.seed = whole()?,
            "run" => {
                header.run = String::from_utf8_lossy(value)
                    .parse::<RunId>()
                    .map_err(|error| error.to_string())?
            }
            "started" => header.started = TimeText::default().parse(value).ok_or_else(|| no_time(value))?,
            _ => {}
        }
    }
    if !missing.is_empty() {
        return Err(format!("the header lacks {}", missing.join(", ")));
    }
    if header.machine.0 >= header.machines {
        return Err(format!(
            "machine {} is none of {} machines (0 is the first)",
            header.machine, header.machines
        ));
    }
    Ok(header)
}

/// Machines separated by commas, ascending.
pub(super) fn machines(value: &[u8]) -> Option<Recipients> {
    let machines: Recipients = numbers(value)
        .map(|n| n.and_then(|n| u16::try_from(n).ok()).map(MachineId))
        .collect::<Option<_>>()?;
    machines.is_sorted_by(|a, b| a < b).then_some(machines)
}

/// Microseconds since 1970 and a count, with a point between them.
fn hybrid(value: &[u8]) -> Option<HybridTime> {
    let point = value.iter().position(|byte| *byte == b'.')?;
    let (physical, logical) = value.split_at_checked(point)?;
    Some(HybridTime {
        physical_us: number(physical)?,
        logical: u32::try_from(number(logical.get(1..)?)?).ok()?,
    })
}

fn machine(key: &str, number: u64) -> Result<MachineId, LineError> {
    u16::try_from(number)
        .map(MachineId)
        .map_err(|_| format!("`{key}={number}` is too large: machines end at {}", u16::MAX))
}

#[inline]
pub(super) fn put<T>(
    place: &mut Option<T>,
    key: &[u8],
    read: Option<T>,
    value: &[u8],
) -> Result<(), LineError> {
    if place.is_some() {
        return Err(twice(key));
    }
    *place = Some(read.ok_or_else(|| bad_value(key, value))?);
    Ok(())
}

#[inline]
pub(super) fn need<T>(value: Option<T>, key: &str) -> Result<T, LineError> {
    value.ok_or_else(|| format!("the key `{key}` is missing"))
}

#[cold]
fn twice(key: &[u8]) -> LineError {
    format!("the key `{}` stands twice", shown(key))
}

#[cold]
pub(super) fn bad_value(key: &[u8], value: &[u8]) -> LineError {
    format!(
        "`{}={}` has a value that cannot be read",
        shown(key),
        shown(value)
    )
}

#[cold]
pub(super) fn no_time(text: &[u8]) -> LineError {
    format!(
        "`{}` is no time of the form 2026-11-20T23:16:01.373456Z",
        shown(text)
    )
}

/// At most 40 characters of what a file holds, safe to print.
pub(super) fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .take(40)
        .flat_map(char::escape_debug)
        .collect()
}
