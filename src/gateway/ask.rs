//! Requests on their way to the store, and their answers on the way back to a task that waits.
//!
//! The store answers on its driver's thread, which must not block: an answer is one hand-over to a waiting task, and what
//! a watch is told goes into a bounded queue. Whoever stops waiting cancels.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::sync::{mpsc, oneshot};

use crate::{
    kv::{Answer, Content, Item, Reply, Request, Value},
    service::{Desk, Last, Service, Ticket},
};

/// Replies that a watch may be behind: beyond it the watch ends, and its client comes back with its position.
const WATCH_QUEUE: usize = 1024;

/// Bytes of replies that a watch may be behind. One reply has room, however large it is.
const WATCH_BYTES_MAX: usize = 8 << 20;

/// Bytes that a watch may be behind whatever the others are: those who take what they are told are not ended because of those
/// who do not.
const WATCH_BYTES_SURE: usize = 256 << 10;

/// Bytes that all watches together may be behind, but for what each may be for sure.
const WATCHES_BYTES_MAX: usize = 64 << 20;

/// What a reply, a key and a value count for beside their bytes.
const OVERHEAD_BYTES: usize = 64;

const _: () = assert!(WATCH_BYTES_SURE < WATCH_BYTES_MAX && WATCH_BYTES_MAX < WATCHES_BYTES_MAX);

/// Is told the answers to a request.
type Answering = Box<dyn FnMut(Reply, Last) + Send>;

/// The store has ended: there is no answer, and none will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// Hands requests in, whatever service it is that takes them.
#[derive(Clone)]
pub(super) struct Asker {
    window: Arc<dyn Window>,
    /// Bytes of replies that watches are behind.
    behind: Arc<AtomicUsize>,
}

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
    /// Replies, and what they count for.
    replies: mpsc::Receiver<(Reply, usize)>,
    backlog: Arc<Backlog>,
    is_behind: Arc<AtomicBool>,
}

/// Bytes of replies that a watch is behind, counted in `all` too as long as this lives.
#[derive(Debug)]
struct Backlog {
    bytes: AtomicUsize,
    all: Arc<AtomicUsize>,
}

impl Backlog {
    /// Counts a reply, if there is room for it.
    fn add(&self, bytes: usize) -> bool {
        let own = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let all = self.all.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let has_room =
            own == bytes || own <= WATCH_BYTES_SURE || (own <= WATCH_BYTES_MAX && all <= WATCHES_BYTES_MAX);
        if !has_room {
            self.take(bytes);
        }
        has_room
    }

    /// A reply that was counted has been taken.
    fn take(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        let left = *self.bytes.get_mut();
        self.all.fetch_sub(left, Ordering::Relaxed);
    }
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
        Self {
            window: Arc::new(At(desk)),
            behind: Arc::default(),
        }
    }

    /// Bytes of replies that watches have not taken yet.
    pub(super) fn bytes_behind(&self) -> usize {
        self.behind.load(Ordering::Relaxed)
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
        let ticket = self.window.submit(request, Box::new(answered));
        let mut under_way = UnderWay {
            window: &*self.window,
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
        let backlog = Arc::new(Backlog {
            bytes: AtomicUsize::new(0),
            all: Arc::clone(&self.behind),
        });
        let (behind, mut sender) = (Arc::clone(&is_behind), Some(sender));
        let counted = Arc::clone(&backlog);
        let answered = move |reply, last| {
            // A receiver that has gone is cancelled soon.
            let is_full = match sender.as_ref().map(mpsc::Sender::try_reserve) {
                Some(Ok(room)) => {
                    let bytes = bytes_of(&reply);
                    let has_room = counted.add(bytes);
                    if has_room {
                        room.send((reply, bytes));
                    }
                    !has_room
                }
                Some(Err(mpsc::error::TrySendError::Full(()))) => true,
                Some(Err(mpsc::error::TrySendError::Closed(()))) | None => false,
            };
            if is_full {
                behind.store(true, Ordering::Relaxed);
            }
            if is_full || last == Last::Yes {
                // The receiver still takes what is there, then sees the end.
                sender = None;
            }
        };
        let ticket = self.window.submit(request, Box::new(answered));
        Watching {
            window: Arc::clone(&self.window),
            ticket,
            replies,
            backlog,
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
        let next = self.replies.poll_recv(context);
        next.map(|next| {
            next.map(|(reply, bytes)| {
                self.backlog.take(bytes);
                reply
            })
        })
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

/// What a reply counts for.
fn bytes_of(reply: &Reply) -> usize {
    let Answer::Changed(watched) = &reply.answer else {
        return OVERHEAD_BYTES;
    };
    let changes = watched.changes.iter().map(|(key, item)| {
        let item = item.as_ref().map_or(0, bytes_of_item);
        OVERHEAD_BYTES + key.len() + item
    });
    OVERHEAD_BYTES + changes.sum::<usize>()
}

fn bytes_of_item(item: &Item) -> usize {
    let bytes_of_all = |values: &[Value]| -> usize {
        let bytes = values.iter().map(|value| OVERHEAD_BYTES + value.bytes.len());
        bytes.sum()
    };
    match &item.content {
        Content::Values(values) | Content::Set(values) => bytes_of_all(values),
        Content::Counter(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(all: &Arc<AtomicUsize>) -> Backlog {
        Backlog {
            bytes: AtomicUsize::new(0),
            all: Arc::clone(all),
        }
    }

    #[test]
    fn those_who_take_are_not_ended_because_of_those_who_do_not() {
        const MIB: usize = 1 << 20;
        let all = Arc::new(AtomicUsize::new(0));
        let mut slow: Vec<Backlog> = (0..8).map(|_| backlog(&all)).collect();
        for one in &slow {
            assert!((0..8).all(|_| one.add(MIB)), "8 MiB each, 64 together");
            assert!(!one.add(1), "and no more");
        }
        assert_eq!(all.load(Ordering::Relaxed), WATCHES_BYTES_MAX);
        let quick = backlog(&all);
        for _ in 0..100 {
            assert!(quick.add(MIB), "one reply has room");
            assert!(!quick.add(MIB), "a second one has none, where all is full");
            quick.take(MIB);
        }
        assert!(quick.add(WATCH_BYTES_SURE / 2) && quick.add(WATCH_BYTES_SURE / 2));
        // One that goes gives back what it held.
        slow.pop();
        assert!(quick.add(MIB));
        drop(slow);
        drop(quick);
        assert_eq!(all.load(Ordering::Relaxed), 0);
    }
}
