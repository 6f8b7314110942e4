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
/// What the system says of a signal, or of the child that is to wake this process.
pub(super) fn execute(effect: MachineEffect, lasts: Option<Duration>) -> io::Result<()> {
    match effect {
        MachineEffect::Kill | MachineEffect::Restart => kill_process(getpid(), Signal::KILL)?,
        MachineEffect::Pause => stand_still(getpid(), lasts.unwrap_or_default())?,
        // These are orders to the node.
        MachineEffect::Rate { .. } | MachineEffect::Jump { .. } => {}
    }
    Ok(())
}

/// A process that stands still cannot wake itself: a child does, which is there before.
fn stand_still(me: Pid, lasts: Duration) -> io::Result<()> {
    let mut waker = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "sleep {:.6}; kill -CONT {}",
            lasts.as_secs_f64(),
            me.as_raw_nonzero()
        ))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C at a terminal goes to this process' group: the child has another, or nobody would wake this one.
        .process_group(0)
        .spawn()?;
    kill_process(me, Signal::STOP)?;
    waker.wait()?;
    Ok(())
}
