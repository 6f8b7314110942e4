//! What goes on for as long as somebody listens (a watch, the event log) ends when its caller may not go on: its token was
//! revoked, reaches less, or there is a first token now and the caller has none. What waits is given up then.

use std::{
    future::{self, Future},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use super::{
    access::{Caller, Reach, Scope},
    problem::Problem,
    server::Shared,
};
use crate::kv::Key;

/// Waits until a caller may not read any more what it began to read.
pub(super) struct Revoked(Pin<Box<dyn Future<Output = Problem> + Send>>);

impl Revoked {
    /// Of a caller that reads the keys that begin with `prefix`, or no keys at all (`None`).
    pub(super) fn new(shared: &Arc<Shared>, caller: Caller, prefix: Option<Key>) -> Self {
        let shared = Arc::clone(shared);
        Self(Box::pin(async move {
            let mut changes = shared.access.changes();
            loop {
                // The first time, too: the tokens may have become others since the caller was let in.
                let reach = prefix.as_deref().map_or(Reach::NoKey, Reach::Prefix);
                let judged = shared.access.judge_again(&caller);
                if let Err(problem) = judged.and_then(|caller| caller.may(Scope::Read, reach)) {
                    return problem;
                }
                if changes.changed().await.is_err() {
                    // There is nobody who would change them.
                    return future::pending().await;
                }
            }
        }))
    }

    /// What the caller is told once it may not go on. Not to be polled again then.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Problem> {
        self.0.as_mut().poll(context)
    }
}

/// What was asked and waits, unless its caller may not ask anything any more before it has come: then it is given up.
///
/// # Errors
/// What the caller is told.
pub(super) async fn unless_revoked<T>(
    shared: &Arc<Shared>,
    caller: &Caller,
    asked: impl Future<Output = T>,
) -> Result<T, Problem> {
    let mut revoked = Revoked::new(shared, caller.clone(), None);
    let mut asked = pin!(asked);
    future::poll_fn(|context| match revoked.poll(context) {
        Poll::Ready(problem) => Poll::Ready(Err(problem)),
        Poll::Pending => asked.as_mut().poll(context).map(Ok),
    })
    .await
}
