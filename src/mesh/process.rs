//! What a fault does to this process itself: it dies, or stands still for a while.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::faults::MachineEffect;

/// Brings the effect about. The log must be with the operating system already. Returns from a pause at its end, and
/// from nothing else that signals do.
///
/// # Errors
/// What the system says of a signal, or of the child that is to stop and wake this process.
pub(super) fn execute(effect: MachineEffect, lasts: Option<Duration>) -> io::Result<()> {
    match effect {
        MachineEffect::Kill | MachineEffect::Restart => kill_process(getpid(), Signal::KILL)?,
        MachineEffect::Pause => stand_still(getpid(), lasts.unwrap_or_default())?,
        // These are orders to the node.
        MachineEffect::Rate { .. } | MachineEffect::Jump { .. } => {}
    }
    Ok(())
}

/// A process that stands still cannot wake itself: a child does. The child stops it, too, so that however short the
/// pause is, the signal to go on comes behind the one to stop.
fn stand_still(process: Pid, lasts: Duration) -> io::Result<()> {
    let (process, seconds) = (process.as_raw_nonzero(), lasts.as_secs_f64());
    let script = format!("kill -STOP {process}; sleep {seconds:.6}; kill -CONT {process}");
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(script)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C at a terminal goes to this process' group: the child has another, or nobody would wake this one.
        .process_group(0)
        .spawn()?;
    child.wait()?;
    Ok(())
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
            stand_still(process, Duration::ZERO).unwrap();
            assert!(!state(process).starts_with('T'), "it is not woken");
        }
        let pause = std::thread::Builder::new()
            .spawn(move || stand_still(process, Duration::from_millis(300)))
            .unwrap();
        while !state(process).starts_with('T') {
            assert!(!pause.is_finished(), "it was not stopped");
        }
        pause.join().unwrap().unwrap();
        assert!(!state(process).starts_with('T'), "it is not woken");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
