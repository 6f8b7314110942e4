//! One line, both ways (protocol.md, section 7).

use super::{
    event::{Event, Footer, Header, Kind, Recipients, Record},
    fields::{KeyValues, number, numbers, split_word},
    wall_time::{TimeText, WallTime},
};
use crate::{
    clock::ClockKind,
    units::MachineId,
    wire::{Reason, RunId},
};

/// The first line of every log.
pub const FORMAT_LINE: &str = "# clocklab-log 1";

/// The keys of a header that this version knows.
const HEADER_KEYS: [&str; 9] = [
    "machine", "machines", "rate", "draw", "phase_us", "clock", "seed", "run", "started",
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
        optional(" phase_us=", header.phase_us, output);
        output.extend_from_slice(b" clock=");
        output.extend_from_slice(header.clock.name().as_bytes());
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
            Record::LinkUp { peer } => {
                self.remark("# link-up=", at, output);
                pair(" peer=", u64::from(peer.0), output);
            }
            Record::LinkLost { peer } => {
                self.remark("# link-lost=", at, output);
                pair(" peer=", u64::from(peer.0), output);
            }
            Record::Stall { late_us, skipped } => {
                self.remark("# stall=", at, output);
                pair(" late_us=", *late_us, output);
                pair(" skipped=", *skipped, output);
            }
            Record::Ended(footer) => self.write_footer(at, footer, output),
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
            Kind::Send { to, dropped } => {
                list(" to=", to.iter().map(|machine| u64::from(machine.0)), output);
                if !dropped.is_empty() {
                    list(
                        " dropped=",
                        dropped.iter().map(|machine| u64::from(machine.0)),
                        output,
                    );
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
    }

    fn write_footer(&mut self, at: WallTime, footer: &Footer, output: &mut Vec<u8>) {
        self.remark("# ended=", at, output);
        if let Some(reason) = footer.reason {
            output.extend_from_slice(b" reason=");
            output.extend_from_slice(reason.name().as_bytes());
        }
        optional(" peer=", footer.peer.map(|peer| u64::from(peer.0)), output);
        pair(" ticks=", footer.ticks, output);
        pair(" queued=", footer.queued, output);
        if !footer.waiting.is_empty() {
            list(" waiting=", footer.waiting.iter().copied(), output);
        }
        if !footer.goodbye.is_empty() {
            list(
                " goodbye=",
                footer.goodbye.iter().map(|machine| u64::from(machine.0)),
                output,
            );
        }
        optional(" ticking_us=", footer.ticking_us, output);
        optional(" tick_error_us_mean=", footer.tick_error_us_mean, output);
        optional(" tick_error_us_max=", footer.tick_error_us_max, output);
        optional(" stalls=", footer.stalls, output);
        optional(" suspended_us=", footer.suspended_us, output);
    }

    fn remark(&mut self, start: &str, at: WallTime, output: &mut Vec<u8>) {
        output.extend_from_slice(start.as_bytes());
        self.time.write(at, output);
    }
}

fn pair(key: &str, value: u64, output: &mut Vec<u8>) {
    output.extend_from_slice(key.as_bytes());
    output.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn optional(key: &str, value: Option<u64>, output: &mut Vec<u8>) {
    if let Some(value) = value {
        pair(key, value, output);
    }
}

fn list(key: &str, values: impl Iterator<Item = u64>, output: &mut Vec<u8>) {
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
    vector: Option<Box<[u64]>>,
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
            b"vector" => put(&mut self.vector, key, numbers(value).collect(), value),
            _ => Ok(()),
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
                    dropped: self.dropped.unwrap_or_default(),
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
                    kind: Kind::Other,
                });
            }
        };
        Ok(Event {
            tick: need(self.tick, "tick")?,
            clock: need(self.clock, "clock")?,
            vector: self.vector,
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
        phase_us: None,
        clock: ClockKind::Lamport,
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
            "phase_us" => header.phase_us = Some(whole()?),
            "clock" => header.clock = String::from_utf8_lossy(value).parse()?,
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

/// Reads a remark behind the header; `None` for one that this version does not know.
pub(super) fn parse_remark(
    line: &[u8],
    time: &mut TimeText,
) -> Result<Option<(WallTime, Record)>, LineError> {
    let rest = line.strip_prefix(b"# ").ok_or("a remark begins with `# `")?;
    let mut pairs = KeyValues::new(rest);
    let Some(Ok((name, when))) = pairs.next() else {
        return Ok(None);
    };
    if !matches!(name, b"link-up" | b"link-lost" | b"stall" | b"ended") {
        return Ok(None);
    }
    let at = time.parse(when).ok_or_else(|| no_time(when))?;
    let (mut peer, mut late_us, mut skipped) = (None, None, None);
    let mut footer = Footer {
        ended: at,
        ..Footer::default()
    };
    let (mut ticks, mut queued, mut waiting, mut goodbye) = (None, None, None, None);
    for pair in pairs {
        let (key, value) = pair.map_err(|word| format!("`{}` is no key=value", shown(word)))?;
        match key {
            b"peer" => put(
                &mut peer,
                key,
                number(value).and_then(|n| u16::try_from(n).ok()).map(MachineId),
                value,
            )?,
            b"late_us" => put(&mut late_us, key, number(value), value)?,
            b"skipped" => put(&mut skipped, key, number(value), value)?,
            b"reason" => {
                put(
                    &mut footer.reason,
                    key,
                    std::str::from_utf8(value).ok().and_then(Reason::from_name),
                    value,
                )?;
            }
            b"ticks" => put(&mut ticks, key, number(value), value)?,
            b"queued" => put(&mut queued, key, number(value), value)?,
            b"waiting" => put(&mut waiting, key, numbers(value).collect(), value)?,
            b"goodbye" => put(&mut goodbye, key, machines(value), value)?,
            b"tick_error_us_mean" => put(&mut footer.tick_error_us_mean, key, number(value), value)?,
            b"tick_error_us_max" => put(&mut footer.tick_error_us_max, key, number(value), value)?,
            b"stalls" => put(&mut footer.stalls, key, number(value), value)?,
            b"ticking_us" => put(&mut footer.ticking_us, key, number(value), value)?,
            b"suspended_us" => put(&mut footer.suspended_us, key, number(value), value)?,
            _ => {}
        }
    }
    let record = match name {
        b"link-up" => Record::LinkUp {
            peer: need(peer, "peer")?,
        },
        b"link-lost" => Record::LinkLost {
            peer: need(peer, "peer")?,
        },
        b"stall" => Record::Stall {
            late_us: need(late_us, "late_us")?,
            skipped: need(skipped, "skipped")?,
        },
        _ => {
            footer.peer = peer;
            footer.waiting = waiting.unwrap_or_default();
            footer.goodbye = goodbye.map(Recipients::into_vec).unwrap_or_default();
            footer.ticks = need(ticks, "ticks")?;
            footer.queued = need(queued, "queued")?;
            need(footer.reason, "reason")?;
            Record::Ended(Box::new(footer))
        }
    };
    Ok(Some((at, record)))
}

/// Machines separated by commas, ascending.
fn machines(value: &[u8]) -> Option<Recipients> {
    let machines: Recipients = numbers(value)
        .map(|n| n.and_then(|n| u16::try_from(n).ok()).map(MachineId))
        .collect::<Option<_>>()?;
    machines.is_sorted_by(|a, b| a < b).then_some(machines)
}

fn machine(key: &str, number: u64) -> Result<MachineId, LineError> {
    u16::try_from(number)
        .map(MachineId)
        .map_err(|_| format!("`{key}={number}` is too large: machines end at {}", u16::MAX))
}

#[inline]
fn put<T>(place: &mut Option<T>, key: &[u8], read: Option<T>, value: &[u8]) -> Result<(), LineError> {
    if place.is_some() {
        return Err(twice(key));
    }
    *place = Some(read.ok_or_else(|| bad_value(key, value))?);
    Ok(())
}

#[inline]
fn need<T>(value: Option<T>, key: &str) -> Result<T, LineError> {
    value.ok_or_else(|| format!("the key `{key}` is missing"))
}

#[cold]
fn twice(key: &[u8]) -> LineError {
    format!("the key `{}` stands twice", shown(key))
}

#[cold]
fn bad_value(key: &[u8], value: &[u8]) -> LineError {
    format!(
        "`{}={}` has a value that cannot be read",
        shown(key),
        shown(value)
    )
}

#[cold]
fn no_time(text: &[u8]) -> LineError {
    format!(
        "`{}` is no time of the form 2026-11-20T23:16:01.373456Z",
        shown(text)
    )
}

/// At most 40 characters of what a file holds, safe to print.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .take(40)
        .flat_map(char::escape_debug)
        .collect()
}
