//! A trace for ui.perfetto.dev, in the JSON of Chrome's traces (the Trace Event Format).
//!
//! Each machine is a process with a track of events, a track of messages in its queue, and two counters.
//!
//! | `ph` | what it is |
//! |---|---|
//! | M | names of machines and tracks, and their order |
//! | X | an event: a slice short enough to end before the next one begins |
//! | s, f | a message: an arrow from the slice that sends to the one that receives |
//! | b, e | a message in the queue, from its arrival until it was taken |
//! | C | the clock; messages waiting, where the log says |
//!
//! Times are microseconds since the start of the run with three decimals. Slices on one track must not
//! overlap, so an event that the log puts at or before the one before it is drawn a nanosecond behind that.
//! All is in the order of time, arrows' starts before their ends. A message that arrives before it is sent, as
//! clocks of several computers have it, cannot be drawn as an arrow and is counted in a note.

use std::io::{self, Write};

use serde_json::json;

use super::{
    ExportError, Exported, names,
    part::{Excerpt, Part},
};
use crate::{
    inspect::{
        history::{EventId, Message},
        window::start_of,
        words::thousands,
    },
    trace::WallTime,
};

/// Events that are exported unless more are asked for: about 100 MB, which the page holds in memory.
pub const PERFETTO_EVENTS_MAX: u64 = 200_000;

/// Longest slice of an event, in nanoseconds: wide enough to be hit with a mouse in a view of some seconds.
const SLICE_NS_MAX: i64 = 20_000_000;

/// The track of events, and that of the queue, in each process.
const EVENTS_TRACK: u32 = 1;

/// One entry of the trace: what is said at a time. The order of variants is that of entries at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Slice(EventId),
    Counters(EventId),
    /// The message by its place in the excerpt.
    FlowStart(u32),
    FlowEnd(u32),
    WaitStart(u32),
    WaitEnd(u32),
}

/// The excerpt on the trace's time.
struct Trace<'a> {
    excerpt: &'a Excerpt<'a>,
    origin: WallTime,
    /// By process and event: nanoseconds since the origin, strictly rising on each process.
    times: Vec<Vec<i64>>,
    words: Vec<String>,
}

pub(super) fn write(
    part: &Part<'_>,
    exported: &mut Exported,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let excerpt = part.excerpt();
    exported.messages = excerpt.messages();
    exported.notes.extend(excerpt.note_of_loose_receives());
    let trace = Trace::new(&excerpt);
    let mut entries: Vec<(i64, What)> = Vec::new();
    for id in excerpt.history.ids() {
        entries.extend([
            (trace.time(id), What::Slice(id)),
            (trace.time(id), What::Counters(id)),
        ]);
    }
    let mut backwards = 0;
    for (place, message) in (0..).zip(excerpt.history.messages()) {
        let Some(receive) = message.receive() else {
            continue;
        };
        let (send, receive) = (trace.time(message.send), trace.time(receive));
        if send <= receive {
            entries.extend([(send, What::FlowStart(place)), (receive, What::FlowEnd(place))]);
        } else {
            backwards += 1;
        }
        if let Some(arrived) = trace.arrived(message).filter(|arrived| *arrived < receive) {
            entries.extend([(arrived, What::WaitStart(place)), (receive, What::WaitEnd(place))]);
        }
    }
    if backwards > 0 {
        exported.notes.push(format!(
            "arrows left out, because by these clocks the message arrives before it is sent: {}",
            thousands(backwards)
        ));
    }
    entries.sort_unstable();
    trace.write(&entries, output)?;
    Ok(())
}

impl<'a> Trace<'a> {
    fn new(excerpt: &'a Excerpt<'a>) -> Self {
        let history = &excerpt.history;
        let origin = start_of(history).unwrap_or_default();
        let times = history.process_ids().map(|process| {
            let mut last: i64 = -1;
            let events = history.ids_of(process).filter_map(|id| history.event(id));
            let times = events.map(|event| {
                let at = event.at.map_or(0, |at| at.us_since(origin)).saturating_mul(1000);
                last = at.max(last.saturating_add(1));
                last
            });
            times.collect()
        });
        Self {
            excerpt,
            origin,
            times: times.collect(),
            words: names::words(history),
        }
    }

    fn time(&self, id: EventId) -> i64 {
        let times = self.times.get(id.process as usize);
        times
            .and_then(|times| times.get(id.index as usize))
            .copied()
            .unwrap_or(0)
    }

    /// When a message arrived, at the start of the trace if that was before it.
    fn arrived(&self, message: &Message) -> Option<i64> {
        let arrived = self.excerpt.history.arrived(message)?;
        Some(arrived.us_since(self.origin).saturating_mul(1000).max(0))
    }

    /// How long the slice of an event is, in nanoseconds: half of the way to the next one at most.
    fn duration(&self, id: EventId) -> i64 {
        let next = EventId {
            index: id.index.saturating_add(1),
            ..id
        };
        if self.excerpt.history.event(next).is_none() {
            return SLICE_NS_MAX;
        }
        let gap = self.time(next).saturating_sub(self.time(id));
        (gap / 2 + gap % 2).clamp(1, SLICE_NS_MAX)
    }

    fn write(&self, entries: &[(i64, What)], output: &mut impl Write) -> io::Result<()> {
        let about = json!({
            "run": self.excerpt.whole.name,
            "source": self.excerpt.whole.source,
            "started": self.origin.to_string(),
        });
        write!(
            output,
            "{{\"displayTimeUnit\":\"ms\",\"otherData\":{about},\"traceEvents\":["
        )?;
        let mut separator = "\n";
        let mut line = |entry: String, output: &mut dyn Write| {
            let written = write!(output, "{separator}{entry}");
            separator = ",\n";
            written
        };
        for (process, word) in (1_u32..).zip(&self.words) {
            let rate = self
                .excerpt
                .history
                .processes
                .get(process as usize - 1)
                .and_then(|process| process.rate);
            let label = rate.map_or_else(|| word.clone(), |rate| format!("{word} ({rate}/s)"));
            for entry in [
                json!({"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": label}}),
                json!({"ph": "M", "name": "process_sort_index", "pid": process, "tid": 0, "args": {"sort_index": process}}),
                json!({"ph": "M", "name": "thread_name", "pid": process, "tid": EVENTS_TRACK, "args": {"name": "events"}}),
            ] {
                line(entry.to_string(), output)?;
            }
        }
        for (at, what) in entries {
            for entry in self.entry(*at, *what) {
                line(entry, output)?;
            }
        }
        writeln!(output, "\n]}}")
    }

    /// The lines of one entry.
    fn entry(&self, at: i64, what: What) -> Vec<String> {
        let history = &self.excerpt.history;
        let common = |ph: &str, process: u32| {
            let (pid, ts) = (process.saturating_add(1), Micros(at));
            format!("{{\"ph\":\"{ph}\",\"ts\":{ts},\"pid\":{pid},\"tid\":{EVENTS_TRACK}")
        };
        let message = |place: u32| history.messages().get(place as usize);
        // The name of a message is that of its send event: its sender, and the clock there.
        let name = |message: &Message| json!(history.name_of(message.send)).to_string();
        let of_message = |ph: &str, place: u32, process: u32, category: &str, more: &str| {
            let name = message(place).map_or_else(|| "\"\"".to_owned(), name);
            vec![format!(
                "{},\"cat\":\"{category}\",\"name\":{name},\"id\":{place}{more}}}",
                common(ph, process)
            )]
        };
        let sender = |place: u32| message(place).map_or(0, |message| message.send.process);
        let recipient = |place: u32| message(place).map_or(0, |message| message.to);
        match what {
            What::Slice(id) => {
                let Some(event) = history.event(id) else {
                    return Vec::new();
                };
                let args = json!({
                    "event": history.name_of(id),
                    "clock": event.clock,
                    "queue": event.queue,
                    "line": event.line,
                });
                let (name, duration) = (json!(self.excerpt.describe(id)), Micros(self.duration(id)));
                let start = common("X", id.process);
                vec![format!(
                    "{start},\"dur\":{duration},\"cat\":\"event\",\"name\":{name},\"args\":{args}}}"
                )]
            }
            What::Counters(id) => {
                let Some(event) = history.event(id) else {
                    return Vec::new();
                };
                let counter = |name: &str, value: u64| {
                    let start = common("C", id.process);
                    format!("{start},\"name\":\"{name}\",\"args\":{{\"{name}\":{value}}}}}")
                };
                let queue = event.queue.map(|queue| counter("queue", queue.into()));
                [counter("clock", event.clock)].into_iter().chain(queue).collect()
            }
            What::FlowStart(place) => of_message("s", place, sender(place), "message", ""),
            What::FlowEnd(place) => of_message("f", place, recipient(place), "message", ",\"bp\":\"e\""),
            What::WaitStart(place) => of_message("b", place, recipient(place), "queue", ""),
            What::WaitEnd(place) => of_message("e", place, recipient(place), "queue", ""),
        }
    }
}

/// Nanoseconds, shown as microseconds with three decimals.
struct Micros(i64);

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}
