//! The clock thread: sleeps until the next deadline and wakes the loop.
//!
//! The poll's own time-out counts milliseconds; a condition variable's counts nanoseconds, so ticks are met
//! some tens of microseconds late instead of up to a millisecond. Deadlines are absolute: what the thread
//! sleeps is the time from now to the deadline, whenever it was told.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use mio::Waker;

use super::mesh_clock::MeshClock;
use crate::units::Time;

/// The thread and the alarm that it waits for. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct ClockThread {
    shared: Arc<Shared>,
    /// The alarm as last set, so that an unchanged deadline costs no lock.
    alarm: Option<Time>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    alarm: Option<Time>,
    ended: bool,
}

impl ClockThread {
    /// Starts the thread.
    pub(super) fn start(clock: MeshClock, waker: Arc<Waker>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("clock".to_owned())
            .spawn(move || theirs.run(clock, &waker))?;
        Ok(Self {
            shared,
            alarm: None,
            thread: Some(thread),
        })
    }

    /// Wakes the loop at `alarm`, once; forgets an earlier alarm.
    #[inline]
    pub(super) fn set(&mut self, alarm: Option<Time>) {
        if self.alarm != alarm {
            self.alarm = alarm;
            self.shared.lock().alarm = alarm;
            self.shared.changed.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is two plain values: no panic can leave it half written.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, clock: MeshClock, waker: &Waker) {
        let mut state = self.lock();
        while !state.ended {
            let Some(alarm) = state.alarm else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let now = clock.now();
            if now < alarm {
                let waited = self.changed.wait_timeout(state, alarm.since(now));
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            state.alarm = None;
            // It fails only when the poll is gone, and then the loop is too.
            let _ = waker.wake();
        }
    }
}

impl Drop for ClockThread {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
