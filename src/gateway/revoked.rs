//! What goes on for as long as somebody listens (a watch, the event log) ends when its caller may not go on: its token was
//! revoked, reaches less, or there is a first token now and the caller has none.

use std::{
    future::{self, Future},
    pin::Pin,
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
