//! Follows the logs of a run that goes on: the last clock and queue of each machine.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::{
    trace::{Kind, LogTail, Record},
    units::MachineId,
    wire::Reason,
};

/// Bytes read from one log in one look.
const LOOK_BYTES: u64 = 1 << 20;

/// What is known of a running machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveMachine {
    /// Its log is there: it has passed the start barrier.
    pub started: bool,
    /// Its footer is there, and says why.
    pub ended: Option<Reason>,
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
    /// Bytes up to the end of the last whole line that was read. What stands behind it is read again: a machine that
    /// is started again cuts a torn last line off.
    at: u64,
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
            at: 0,
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
        if let Some(Ok(lines)) = self.file.as_mut().map(|file| whole_lines(file, self.at)) {
            self.at += lines.len() as u64;
            self.known.started = true;
            let known = &mut self.known;
            self.tail.take(&lines, |_, _, record| match record {
                Record::Event(event) => {
                    (known.ticks, known.clock) = (event.tick, event.clock);
                    known.queue = if let Kind::Receive { queue, .. } = event.kind {
                        queue
                    } else {
                        0
                    };
                }
                Record::Ended(footer) => {
                    known.ended = Some(footer.reason.unwrap_or(Reason::Duration));
                    known.queue = footer.queued;
                }
                Record::Restarted { .. } => known.ended = None,
                _ => {}
            });
        }
        self.known
    }
}

/// The bytes of a log behind `at`, up to the end of the last whole line among them. A line that is longer than a look
/// is none of a log, and comes in pieces.
fn whole_lines(file: &mut File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    let read = file.take(LOOK_BYTES).read_to_end(&mut bytes)? as u64;
    match memchr::memrchr(b'\n', &bytes) {
        Some(last) => bytes.truncate(last + 1),
        None if read == LOOK_BYTES => {}
        None => bytes.clear(),
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_torn_line_that_a_further_life_cuts_off_hides_nothing_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("machine-0.log");
        let whole = "# clocklab-log 1\n\
            # machine=0 machines=1 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n\
            2026-11-20T23:16:01.100000Z internal tick=1 clock=1\n";
        fs::write(
            &path,
            format!("{whole}2026-11-20T23:16:01.200000Z internal tick=2 clo"),
        )
        .unwrap();
        let mut live = Live::new(folder.path(), 1);
        assert_eq!(live.look()[0].ticks, 1);
        // The further life writes in the same file, shorter than what was torn, and then on.
        let mut text = format!("{whole}# paused=2026-11-20T23:16:02.000000Z\n");
        fs::write(&path, &text).unwrap();
        assert_eq!(live.look()[0].ticks, 1);
        text += "2026-11-20T23:16:03.000000Z internal tick=2 clock=7\n";
        fs::write(&path, &text).unwrap();
        let known = live.look()[0];
        assert_eq!((known.ticks, known.clock), (2, 7));
    }
}
