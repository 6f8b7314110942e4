//! Follows the logs of a run that goes on: the last clock and queue of each machine.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{
    trace::{Kind, LogTail, Record},
    units::MachineId,
};

/// Bytes read from one log in one look.
const LOOK_BYTES: u64 = 1 << 20;

/// What is known of a running machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveMachine {
    /// Its log is there: it has passed the start barrier.
    pub started: bool,
    /// Its footer is there.
    pub ended: bool,
    /// Its last event's tick.
    pub ticks: u64,
    /// Its last event's clock.
    pub clock: u64,
    /// Messages waiting at its last event.
    pub queue: u64,
}

/// The logs of a run, followed.
#[derive(Debug)]
pub struct Live {
    logs: Vec<Followed>,
}

#[derive(Debug)]
struct Followed {
    path: PathBuf,
    file: Option<File>,
    tail: LogTail,
    known: LiveMachine,
}

impl Live {
    /// Follows the logs of `machines` machines in `folder`, which need not be there yet.
    #[must_use]
    pub fn new(folder: &Path, machines: u16) -> Self {
        let followed = |machine: MachineId| Followed {
            path: folder.join(format!("machine-{machine}.log")),
            file: None,
            tail: LogTail::default(),
            known: LiveMachine::default(),
        };
        Self {
            logs: MachineId::all(machines).map(followed).collect(),
        }
    }

    /// Reads what came since the last look; machine 0 first. A log that cannot be read stays as it was known:
    /// a progress view must not stop a run.
    pub fn look(&mut self) -> Vec<LiveMachine> {
        self.logs.iter_mut().map(Followed::look).collect()
    }
}

impl Followed {
    fn look(&mut self) -> LiveMachine {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let mut bytes = Vec::new();
        let read = self
            .file
            .as_mut()
            .map(|file| file.take(LOOK_BYTES).read_to_end(&mut bytes));
        if matches!(read, Some(Ok(_))) {
            self.known.started = true;
            let known = &mut self.known;
            self.tail.take(&bytes, |_, _, record| match record {
                Record::Event(event) => {
                    (known.ticks, known.clock) = (event.tick, event.clock);
                    known.queue = if let Kind::Receive { queue, .. } = event.kind {
                        queue
                    } else {
                        0
                    };
                }
                Record::Ended(footer) => (known.ended, known.queue) = (true, footer.queued),
                _ => {}
            });
        }
        self.known
    }
}
