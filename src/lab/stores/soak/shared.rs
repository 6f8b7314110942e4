//! What the threads of a soak share: the clock, the replicas' states, the counts, and of each chapter the book.
#![allow(clippy::disallowed_methods, reason = "reads the clock")]

use std::{
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use super::{tally::Tally, world::World};
use crate::{lab::stores::book::Book, units::Time};

/// What lasts for the whole soak.
#[derive(Debug)]
pub(super) struct Shared {
    began: Instant,
    pub(super) world: World,
    tally: Mutex<Tally>,
    pub(super) addresses: Vec<SocketAddr>,
    /// Time between two requests of a client, on average, in microseconds.
    pub(super) think_us: u64,
}

/// A chapter: keys, sessions and a book of its own.
pub(super) struct Chapter {
    /// What its keys begin with.
    pub(super) prefix: String,
    book: Mutex<Book>,
    /// When its clients stop.
    until: Time,
    /// They are to stop at once.
    is_over: AtomicBool,
    /// Watches are to come to their ends.
    has_settled: AtomicBool,
}

impl Shared {
    pub(super) fn new(world: World, addresses: Vec<SocketAddr>, think_us: u64) -> Self {
        Self {
            began: Instant::now(),
            world,
            tally: Mutex::new(Tally::default()),
            addresses,
            think_us,
        }
    }

    /// Since the soak began.
    pub(super) fn now(&self) -> Time {
        Time(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn tally<T>(&self, work: impl FnOnce(&mut Tally) -> T) -> T {
        work(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Something is wrong.
    pub(super) fn breaks(&self, what: &str) {
        let now = self.now();
        self.tally(|tally| tally.breaks(now, what));
    }
}

impl Chapter {
    pub(super) fn new(prefix: String, book: Book, until: Time) -> Self {
        Self {
            prefix,
            book: Mutex::new(book),
            until,
            is_over: AtomicBool::new(false),
            has_settled: AtomicBool::new(false),
        }
    }

    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether clients have stopped, or are to.
    pub(super) fn is_quiet(&self, now: Time) -> bool {
        now >= self.until || self.is_over.load(Ordering::SeqCst)
    }

    pub(super) fn end_clients(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn settle(&self) {
        self.has_settled.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_settled(&self) -> bool {
        self.has_settled.load(Ordering::SeqCst)
    }

    pub(super) fn into_book(self) -> Book {
        self.book.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
