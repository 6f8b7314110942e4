//! A child process of this program: it holds the read end of a pipe from us as its standard input. A line on it is a
//! reason to stop, its end means that the launcher is gone; so no child outlives its launcher, however that ends, and
//! each still says its last words.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{units::MachineId, wire::Reason};

/// Lines of diagnostics that are shown of a machine that failed.
const LAST_LINES: usize = 12;

/// Lines of diagnostics that wait for who shows them while the machine runs; where nobody does, the oldest go.
const HEARD_LINES_MAX: usize = 100;

/// A child, until it is known to have ended.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) id: MachineId,
    child: Child,
    stdin: Option<ChildStdin>,
    /// Reads what the child says on standard error, and keeps the end of it.
    ear: Option<JoinHandle<VecDeque<String>>>,
    /// What it has said and nobody has asked for: at most [`HEARD_LINES_MAX`] lines.
    heard: Arc<Mutex<VecDeque<String>>>,
    ended: Option<MachineEnd>,
}

/// How a machine process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineEnd {
    /// Which.
    pub id: MachineId,
    /// Its exit status, in words if it was not 0.
    pub failure: Option<String>,
    /// The last lines that it wrote on standard error.
    pub last_lines: Vec<String>,
}

impl Process {
    /// Starts `command` as machine `id`.
    pub(super) fn start(id: MachineId, command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdin = child.stdin.take();
        let stderr = child.stderr.take();
        let mut process = Self {
            id,
            child,
            stdin,
            ear: None,
            heard: Arc::default(),
            ended: None,
        };
        if let Some(stderr) = stderr {
            let ear = thread::Builder::new().name(format!("ear-{id}"));
            let heard = Arc::clone(&process.heard);
            match ear.spawn(move || last_lines(stderr, &heard)) {
                Ok(ear) => process.ear = Some(ear),
                Err(error) => {
                    // Nobody would look after it.
                    process.kill()?;
                    return Err(error);
                }
            }
        }
        Ok(process)
    }

    /// What it has said on standard error since the last call.
    pub(super) fn heard(&self) -> VecDeque<String> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its process id.
    pub(super) fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if that is known.
    pub(super) fn ended(&self) -> Option<&MachineEnd> {
        self.ended.as_ref()
    }

    /// Its exit status, if it has ended by now.
    pub(super) fn look(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Asks it to stop in order. One that has ended hears nothing more, and need not.
    pub(super) fn ask_to_stop(&mut self, reason: Reason) {
        if let Some(stdin) = &mut self.stdin {
            let _ = writeln!(stdin, "{reason}").and_then(|()| stdin.flush());
        }
    }

    /// Ends a fault that lets it stand still. Of no effect on one that does not.
    pub(super) fn wake(&self) {
        // Nor on one that has just ended: it is not reaped yet, so that its id is nobody else's.
        let _ = kill_process(Pid::from_child(&self.child), Signal::CONT);
    }

    /// Lets it stand still until [`wake`](Self::wake).
    pub(super) fn suspend(&self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::STOP);
    }

    /// Ends it at once, and waits for its end.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }

    /// Takes note that it has ended, and so.
    pub(super) fn note_end(&mut self, failure: Option<String>) {
        // The stream ends with the process, so that this waits for nothing.
        let lines = self
            .ear
            .take()
            .and_then(|ear| ear.join().ok())
            .unwrap_or_default();
        self.ended = Some(MachineEnd {
            id: self.id,
            failure,
            last_lines: lines.into(),
        });
    }
}

/// The last lines of a stream that has come to its end. A machine cannot fill memory, nor block, by what it says.
fn last_lines(stderr: ChildStderr, heard: &Mutex<VecDeque<String>>) -> VecDeque<String> {
    let mut last = VecDeque::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        push(&mut heard, HEARD_LINES_MAX, line.clone());
        drop(heard);
        push(&mut last, LAST_LINES, line);
    }
    last
}

/// Keeps the last lines.
fn push(lines: &mut VecDeque<String>, lines_max: usize, line: String) {
    if lines.len() == lines_max {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// An exit status in words; `None` if it was 0.
pub(super) fn failure(status: ExitStatus) -> Option<String> {
    (!status.success()).then(|| status.to_string())
}
