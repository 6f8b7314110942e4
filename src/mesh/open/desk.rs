//! Requests of other threads of this process: handed in here, answered on the loop's thread.
//!
//! ```text
//!   any thread: submit, cancel ---> queue (bounded by DESK_MAX requests that wait for their last answer) ---> loop
//! ```

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use mio::Waker;

use super::{DESK_A_ROUND, DESK_MAX};
use crate::service::{Answered, Desk, Last, Service, Ticket};

/// Where other threads hand requests in. At [`DESK_MAX`] requests that wait for their last answer, and once the loop has
/// ended, a request is dropped without an answer.
pub struct OpenDesk<S: Service> {
    queue: Arc<Mutex<Queue<S>>>,
    next: AtomicU64,
    waker: Arc<Waker>,
}

struct Queue<S: Service> {
    said: VecDeque<Said<S>>,
    /// Requests that were handed in and have not had their last answer.
    open: usize,
    is_closed: bool,
}

/// What other threads say.
pub(super) enum Said<S: Service> {
    Request(Ticket, S::Request, Answered<S>),
    Cancel(Ticket),
}

/// The loop's side of the desk.
pub(super) struct Counter<S: Service> {
    queue: Arc<Mutex<Queue<S>>>,
    answered: BTreeMap<Ticket, Answered<S>>,
    /// Answers that leave when the log is settled.
    told: Vec<(Ticket, S::Reply, Last)>,
    /// Something was left in the queue.
    pub(super) has_more: bool,
}

impl<S: Service> fmt::Debug for OpenDesk<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenDesk")
    }
}

impl<S: Service> fmt::Debug for Said<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Said::Request(ticket, request, _) => write!(f, "Request({ticket:?}, {request:?})"),
            Said::Cancel(ticket) => write!(f, "Cancel({ticket:?})"),
        }
    }
}

impl<S: Service> fmt::Debug for Counter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Counter({} wait)", self.answered.len())
    }
}

/// Both sides.
pub(super) fn desk<S: Service>(waker: Arc<Waker>) -> (OpenDesk<S>, Counter<S>) {
    let queue = Arc::new(Mutex::new(Queue {
        said: VecDeque::new(),
        open: 0,
        is_closed: false,
    }));
    let desk = OpenDesk {
        queue: Arc::clone(&queue),
        next: AtomicU64::new(1),
        waker,
    };
    let counter = Counter {
        queue,
        answered: BTreeMap::new(),
        told: Vec::new(),
        has_more: false,
    };
    (desk, counter)
}

fn lock<S: Service>(queue: &Mutex<Queue<S>>) -> MutexGuard<'_, Queue<S>> {
    // Nothing panics while it is held.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Service<Request: Send>> Desk<S> for OpenDesk<S> {
    fn submit(&self, request: S::Request, answered: Answered<S>) -> Ticket {
        let ticket = Ticket::of(Ticket::DESK, self.next.fetch_add(1, Ordering::Relaxed));
        let mut queue = lock(&self.queue);
        if queue.is_closed || queue.open >= DESK_MAX {
            // Outside the lock: what is dropped may call back.
            drop(queue);
            drop(answered);
            return ticket;
        }
        queue.open += 1;
        let was_empty = queue.said.is_empty();
        queue.said.push_back(Said::Request(ticket, request, answered));
        drop(queue);
        self.wake(was_empty);
        ticket
    }

    fn cancel(&self, ticket: Ticket) {
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            return;
        }
        let was_empty = queue.said.is_empty();
        queue.said.push_back(Said::Cancel(ticket));
        drop(queue);
        self.wake(was_empty);
    }
}

impl<S: Service> OpenDesk<S> {
    fn wake(&self, was_empty: bool) {
        if was_empty {
            // It fails only when the loop is gone, which has closed the desk then.
            let _ = self.waker.wake();
        }
    }
}

impl<S: Service> Counter<S> {
    /// Takes what was said, up to a round's budget.
    pub(super) fn take(&mut self, said: &mut Vec<Said<S>>) {
        let mut queue = lock(&self.queue);
        let count = queue.said.len().min(DESK_A_ROUND);
        said.extend(queue.said.drain(..count));
        self.has_more = !queue.said.is_empty();
    }

    /// Remembers whom to tell.
    pub(super) fn expect(&mut self, ticket: Ticket, answered: Answered<S>) {
        self.answered.insert(ticket, answered);
    }

    /// A client has gone; says whether its request still waited.
    pub(super) fn forget(&mut self, ticket: Ticket) -> bool {
        let answered = self.answered.remove(&ticket);
        if answered.is_some() {
            lock(&self.queue).open -= 1;
        }
        answered.is_some()
    }

    /// Keeps an answer until the log is settled.
    pub(super) fn keep(&mut self, ticket: Ticket, reply: S::Reply, last: Last) {
        self.told.push((ticket, reply, last));
    }

    /// Gives the answers that were kept.
    pub(super) fn tell(&mut self) {
        if self.told.is_empty() {
            return;
        }
        let mut ended = 0;
        for (ticket, reply, last) in self.told.drain(..) {
            match last {
                Last::No => {
                    if let Some(answered) = self.answered.get_mut(&ticket) {
                        answered(reply, last);
                    }
                }
                Last::Yes => {
                    if let Some(mut answered) = self.answered.remove(&ticket) {
                        answered(reply, last);
                        ended += 1;
                    }
                }
            }
        }
        if ended > 0 {
            lock(&self.queue).open -= ended;
        }
    }
}

impl<S: Service> Drop for Counter<S> {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        queue.is_closed = true;
        let said = std::mem::take(&mut queue.said);
        drop(queue);
        // Outside the lock: what is dropped may call back.
        drop(said);
    }
}
