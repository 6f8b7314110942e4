//! What a fault does to this process itself: it dies, or stands still for a while.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};

use crate::faults::MachineEffect;

/// Brings the effect about. The log must be with the operating system already. Returns from a pause at its end, and
/// from nothing else that signals do.
///
/// # Errors
/// What the system says of a signal, or of the child that is to stop and wake this process.
pub(super) fn execute(effect: MachineEffect, lasts: Option<Duration>) -> io::Result<()> {
    match effect {
        MachineEffect::Kill | MachineEffect::Restart => kill_process(getpid(), Signal::KILL)?,
        MachineEffect::Pause => stand_still(lasts.unwrap_or_default())?,
        // These are orders to the node.
        MachineEffect::Rate { .. } | MachineEffect::Jump { .. } => {}
    }
    Ok(())
}

/// Stands still until the time is over, or until somebody else lets this process go on: a launcher that is to end it.
fn stand_still(lasts: Duration) -> io::Result<()> {
    let mut waker = waker(getpid(), lasts)?;
    // The line comes when this process was stopped, so that it is read when it goes on.
    let mut line = [0];
    let told = waker
        .stdout
        .take()
        .map_or(Ok(0), |mut stdout| stdout.read(&mut line));
    // Only for who goes on early is there somebody left.
    let _ = kill_process_group(Pid::from_child(&waker), Signal::KILL);
    waker.wait()?;
    told.map(drop)
}

/// A process that stands still cannot wake itself: a child does. The child stops it, too, and then writes a line; so however
/// short the pause is, the signal to go on comes behind the one to stop.
fn waker(process: Pid, lasts: Duration) -> io::Result<Child> {
    let (process, seconds) = (process.as_raw_nonzero(), lasts.as_secs_f64());
    let script = format!("kill -STOP {process}; echo; sleep {seconds:.6}; kill -CONT {process}");
    Command::new("sh")
        .arg("-c")
        .arg(script)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Ctrl-C at a terminal goes to this process' group: the child has another, or nobody would wake this one.
        .process_group(0)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The letter of a process's state, such as T while it is stopped.
    fn state(process: Pid) -> String {
        let process = process.as_raw_nonzero().to_string();
        let output = Command::new("ps").args(["-o", "stat=", "-p", &process]).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    #[test]
    fn a_process_stands_still_and_goes_on_however_short_the_time() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Pid::from_child(&child);
        for _ in 0..20 {
            waker(process, Duration::ZERO).unwrap().wait().unwrap();
            assert!(!state(process).starts_with('T'), "it is not woken");
        }
        let mut waker = waker(process, Duration::from_millis(300)).unwrap();
        let mut line = [0];
        waker.stdout.take().unwrap().read_exact(&mut line).unwrap();
        assert!(state(process).starts_with('T'), "it is told before it is stopped");
        waker.wait().unwrap();
        assert!(!state(process).starts_with('T'), "it is not woken");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
