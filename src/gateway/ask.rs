//! Requests on their way to the store, and their answers on the way back to a task that waits.
//!
//! The store answers on its driver's thread, which must not block: an answer is one hand-over to a waiting task, and what
//! a watch is told goes into a bounded queue. Whoever stops waiting cancels.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    kv::{Reply, Request},
    service::{Desk, Last, Service, Ticket},
};

/// Replies that a watch may be behind: beyond it the watch ends, and its client comes back with its position.
const WATCH_QUEUE: usize = 1024;

/// Is told the answers to a request.
type Answering = Box<dyn FnMut(Reply, Last) + Send>;

/// The store has ended: there is no answer, and none will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// Hands requests in, whatever service it is that takes them.
#[derive(Clone)]
pub(super) struct Asker(Arc<dyn Window>);

/// A desk without the name of its service.
trait Window: Send + Sync {
    fn submit(&self, request: Request, answered: Answering) -> Ticket;
    fn cancel(&self, ticket: Ticket);
}

struct At<S: Service>(Arc<dyn Desk<S>>);

/// A request that is under way: dropped before its end it is cancelled.
struct UnderWay<'a> {
    window: &'a dyn Window,
    ticket: Option<Ticket>,
}

/// A watch that goes on until it is dropped.
pub(super) struct Watching {
    window: Arc<dyn Window>,
    ticket: Ticket,
    replies: mpsc::Receiver<Reply>,
    is_behind: Arc<AtomicBool>,
}

impl<S> Window for At<S>
where
    S: Service<Request = Request, Reply = Reply>,
{
    fn submit(&self, request: Request, answered: Answering) -> Ticket {
        self.0.submit(request, answered)
    }

    fn cancel(&self, ticket: Ticket) {
        self.0.cancel(ticket);
    }
}

impl Asker {
    pub(super) fn new<S>(desk: Arc<dyn Desk<S>>) -> Self
    where
        S: Service<Request = Request, Reply = Reply> + 'static,
    {
        Self(Arc::new(At(desk)))
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// [`Gone`]; whether a write was done is then not known.
    pub(super) async fn ask(&self, request: Request) -> Result<Reply, Gone> {
        let (sender, receiver) = oneshot::channel();
        let mut sender = Some(sender);
        let answered = move |reply, _| {
            if let Some(sender) = sender.take() {
                // Whoever asked may have gone.
                let _ = sender.send(reply);
            }
        };
        let ticket = self.0.submit(request, Box::new(answered));
        let mut under_way = UnderWay {
            window: &*self.0,
            ticket: Some(ticket),
        };
        let answer = receiver.await;
        under_way.ticket = None;
        answer.map_err(|_| Gone)
    }

    /// Asks for something that goes on.
    pub(super) fn watch(&self, request: Request) -> Watching {
        let (sender, replies) = mpsc::channel(WATCH_QUEUE);
        let is_behind = Arc::new(AtomicBool::new(false));
        let (behind, mut sender) = (Arc::clone(&is_behind), Some(sender));
        let answered = move |reply, last| {
            // A receiver that has gone is cancelled soon.
            let is_full = match sender.as_ref().map(mpsc::Sender::try_reserve) {
                Some(Ok(room)) => {
                    room.send(reply);
                    false
                }
                Some(Err(mpsc::error::TrySendError::Full(()))) => {
                    behind.store(true, Ordering::Relaxed);
                    true
                }
                Some(Err(mpsc::error::TrySendError::Closed(()))) | None => false,
            };
            if is_full || last == Last::Yes {
                // The receiver still takes what is there, then sees the end.
                sender = None;
            }
        };
        let ticket = self.0.submit(request, Box::new(answered));
        Watching {
            window: Arc::clone(&self.0),
            ticket,
            replies,
            is_behind,
        }
    }
}

impl Watching {
    /// The next reply; `None` at the end.
    pub(super) fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Reply>> {
        self.replies.poll_recv(context)
    }

    /// Whether it ended because its client took too little.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.window.cancel(self.ticket);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.window.cancel(ticket);
        }
    }
}
