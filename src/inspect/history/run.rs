//! A run folder as a [`History`].

use std::path::Path;

use super::{Event, EventKind, Fate, History, HistoryBuilder, Message, Process, Receipt, Sender, Stray};
use crate::{
    inspect::run::{InspectError, Item, RunReader},
    trace::{self, Kind, Mishaps, Record, WallTime},
    units::MachineId,
};

/// Reads a run's logs into memory.
pub(super) fn read(dir: &Path) -> Result<History, InspectError> {
    let mut run = RunReader::open(dir)?;
    let files = run.files();
    let mut builder = HistoryBuilder::default();
    // By machine: its process.
    let mut processes: Vec<Option<u32>> = vec![None; usize::from(run.machines())];
    let mut name = String::new();
    for header in run.headers() {
        header.run.as_str().clone_into(&mut name);
        let me = header.machine.index();
        if let (Some(process), Some(file)) = (processes.get_mut(me), files.get(me)) {
            *process = Some(builder.process(Process {
                name: header.machine.to_string(),
                rate: header.rate,
                started: Some(header.started),
                ended: None,
                waiting: None,
                file: file.clone(),
            }));
        }
    }
    for machine in run.headless() {
        let file = files.get(machine.index()).map_or("", |file| file);
        builder.note("logs without a header", || {
            format!("{file}: empty, or cut off before its header is complete; it says nothing")
        });
    }
    let missing: Vec<String> = MachineId::all(run.machines())
        .filter(|machine| processes.get(machine.index()).copied().flatten().is_none())
        .map(|machine| machine.to_string())
        .collect();
    // Ids of replicas may be any numbers: who has no log may never have been.
    if !missing.is_empty() && !run.is_open() {
        builder.note("missing logs", || {
            format!(
                "no log of machine {}: its events are not here",
                missing.join(", ")
            )
        });
    }
    let mut reading = Reading {
        builder,
        lasts: run.headers().map(|header| header.started).collect(),
        processes,
    };
    while let Some(item) = run.next_item()? {
        match item {
            Item::Record {
                machine,
                line,
                at,
                record,
            } => reading.take(machine, line, at, record),
            Item::Problem { machine, line, text } => {
                let file = files.get(machine.index()).map_or("", |file| file);
                reading.builder.note("unreadable lines", || {
                    format!("{file}:{line}: {text}; the line is left out")
                });
            }
        }
    }
    for (machine, bytes) in run.cut() {
        let file = files.get(machine.index()).map_or("", |file| file);
        reading.builder.note("logs cut off within a line", || {
            format!("{file}: ends within a line, as after kill -9; its last {bytes} bytes are left out")
        });
    }
    Ok(reading.builder.finish(name, dir.display().to_string()))
}

/// The records of all logs on their way into a history.
struct Reading {
    builder: HistoryBuilder,
    processes: Vec<Option<u32>>,
    /// By process: the time of its last record.
    lasts: Vec<WallTime>,
}

impl Reading {
    fn process(&self, machine: MachineId) -> Option<u32> {
        self.processes.get(machine.index()).copied().flatten()
    }

    fn take(&mut self, machine: MachineId, line: u64, at: WallTime, record: &Record) {
        let Some(process) = self.process(machine) else {
            return;
        };
        let last = self.lasts.get_mut(process as usize);
        let before = last.map_or(at, |last| std::mem::replace(last, at));
        match record {
            Record::Event(event) => self.event(process, line, at, event),
            Record::Ended(footer) => {
                if let Some(process) = self.builder.process_mut(process) {
                    process.ended = Some(at);
                    process.waiting = Some(footer.queued);
                }
                for (from, count) in (0..).map(MachineId).zip(&footer.waiting) {
                    if let Some(from) = self.process(from) {
                        self.builder.waiting(from, process, *count);
                    }
                }
            }
            Record::Fault(note) => self.builder.fault(process, at, note),
            Record::Mended { id } => self.builder.mended(process, at, *id),
            Record::LinkUp { peer, incarnation } => {
                if let Some(peer) = self.process(*peer) {
                    self.builder.linked(process, peer, *incarnation);
                }
            }
            Record::Restarted { .. } => {
                self.builder.restarted(process, before);
                if let Some(process) = self.builder.process_mut(process) {
                    (process.ended, process.waiting) = (None, None);
                }
            }
            Record::LinkLost { .. }
            | Record::Stall { .. }
            | Record::Paused
            | Record::Stepped { .. }
            | Record::Pace { .. }
            | Record::Jumped { .. }
            | Record::Data(_) => {}
        }
    }

    fn event(&mut self, process: u32, line: u64, at: WallTime, event: &trace::Event) {
        let Some((kind, queue)) = kind_of(event) else {
            return;
        };
        let added = self.builder.event(
            process,
            Event {
                clock: event.clock,
                at: Some(at),
                kind,
                queue,
                line: u32::try_from(line).unwrap_or(u32::MAX),
            },
        );
        let Some(id) = added else { return };
        if let Some(change) = &event.store {
            self.builder.text(id, &change.to_string());
        }
        match &event.kind {
            Kind::Send { to, mishaps } => {
                for recipient in to {
                    let Some(to) = self.process(*recipient) else {
                        continue;
                    };
                    let happened = |list: fn(&Mishaps) -> &[MachineId]| {
                        mishaps
                            .as_deref()
                            .is_some_and(|mishaps| list(mishaps).contains(recipient))
                    };
                    let fate = if happened(|mishaps| &mishaps.dropped) {
                        Fate::Dropped
                    } else if happened(|mishaps| &mishaps.lost) {
                        Fate::Lost
                    } else {
                        Fate::Unknown
                    };
                    // A message that was sent twice is two, of which each may be received.
                    for _ in 0..trace::copies(mishaps.as_deref(), *recipient).max(1) {
                        self.builder.message(Message {
                            send: id,
                            to,
                            fate,
                            waited_us: None,
                        });
                    }
                }
            }
            Kind::Receive {
                from,
                sent,
                waited_us,
                ..
            } => {
                let (sent, waited_us) = (*sent, *waited_us);
                match self.process(*from) {
                    Some(from) => self.builder.receipt(Receipt {
                        receive: id,
                        from,
                        sent,
                        waited_us,
                    }),
                    None => self.builder.stray(Stray {
                        receive: id,
                        from: Sender::Missing(*from),
                        sent,
                        waited_us,
                    }),
                }
            }
            Kind::Internal | Kind::Other => {}
        }
    }
}

/// What an event is, and what waits behind it. A kind of a later version without a tick is no event of the machine.
fn kind_of(event: &trace::Event) -> Option<(EventKind, Option<u32>)> {
    Some(match &event.kind {
        Kind::Internal => (EventKind::Internal, None),
        Kind::Send { .. } => (EventKind::Send, None),
        Kind::Receive { queue, .. } => (EventKind::Receive, u32::try_from(*queue).ok()),
        Kind::Other if event.tick == 0 => return None,
        Kind::Other => (EventKind::Other, None),
    })
}
