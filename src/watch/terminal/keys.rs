//! Keys, read on a thread of their own: where a terminal hangs up, crossterm 0.29 reads its end over and over, and
//! whoever called it never returns. So nobody waits for that thread; it ends with the program.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use ratatui::crossterm::event::{self, Event};

/// How often the thread looks whether it is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What comes from the terminal.
#[derive(Debug)]
pub(super) struct Keys {
    events: Receiver<io::Result<Event>>,
    is_over: Arc<AtomicBool>,
}

impl Keys {
    /// Begins to read.
    pub(super) fn start() -> io::Result<Self> {
        let (give, events) = channel();
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || read(&give, &until))?;
        Ok(Self { events, is_over })
    }

    /// The next key or change of size that comes within `wait`.
    pub(super) fn next(&self, wait: Duration) -> Option<io::Result<Event>> {
        match self.events.recv_timeout(wait) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                Some(Err(io::Error::other("nobody reads the keys any more")))
            }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
    }
}

fn read(give: &Sender<io::Result<Event>>, is_over: &AtomicBool) {
    while !is_over.load(Ordering::SeqCst) {
        let came = match event::poll(LOOK_EVERY) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = came.is_err();
        if give.send(came).is_err() || is_last {
            return;
        }
    }
}
