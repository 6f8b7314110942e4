//! Clients by the wire: what a connection may ask, by the bearer token that it has presented (protocol.md, section 9).

use std::sync::{PoisonError, atomic::Ordering};

use super::{Access, Reach, Scope, TokenEntry, UNREADABLE, file};
use crate::{
    kv::{Action, Answer, Deny, Replica, Reply, Request},
    service::{Guard, Shown},
};

impl Guard<Replica> for Access {
    fn judge(&self, shown: &mut Shown, request: &Request) -> Option<Reply> {
        if let Action::Present { bearer } = &request.action {
            // Kept where none is needed, too: the first may be made while this connection stays.
            shown.text = bearer.text().trim().to_owned();
            shown.found = None;
        }
        if !self.is_needed() {
            return None;
        }
        let answer = match &request.action {
            Action::Present { .. } => self.with_holder(shown, |_| Ok(())).map(|()| Answer::Admitted),
            action => match self.with_holder(shown, |holder| may(holder, action)) {
                Ok(()) => return None,
                Err(why) => Err(why),
            },
        };
        Some(Reply {
            token: request.token.clone(),
            released: Vec::new(),
            answer: answer.unwrap_or_else(|why| Answer::Denied(Deny::Forbidden { why })),
        })
    }

    fn turn(&self) -> u64 {
        self.turn.load(Ordering::Acquire)
    }
}

impl Access {
    /// Asks something of the token that a connection has presented: it is looked for again when the file has changed.
    fn with_holder(
        &self,
        shown: &mut Shown,
        ask: impl FnOnce(&TokenEntry) -> Result<(), String>,
    ) -> Result<(), String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if known.is_unreadable {
            return Err(UNREADABLE.to_owned());
        }
        if shown.text.is_empty() {
            return Err(
                "this store needs a token: present one with --token or CLOCKLAB_TOKEN; \
                `clocklab kv token create` makes one"
                    .to_owned(),
            );
        }
        // Changed under the lock that is held here.
        let turn = self.turn.load(Ordering::Relaxed);
        let place = match shown.found {
            Some((found, place)) if found == turn => Some(place),
            _ => {
                let holder = file::find(&known.tokens, &shown.text);
                holder.and_then(|holder| known.tokens.iter().position(|entry| std::ptr::eq(entry, holder)))
            }
        };
        shown.found = place.map(|place| (turn, place));
        match place.and_then(|place| known.tokens.get(place)) {
            Some(holder) => ask(holder),
            None => Err("no such token, or it was revoked".to_owned()),
        }
    }
}

/// Whether a token lets its holder ask this: the same as over HTTP.
fn may(holder: &TokenEntry, action: &Action) -> Result<(), String> {
    match action {
        Action::Get { key } => holder.lets(Scope::Read, Reach::Key(key)),
        Action::Scan { prefix, .. } | Action::Watch { prefix, .. } => {
            holder.lets(Scope::Read, Reach::Prefix(prefix))
        }
        Action::Write { operations, .. } => operations
            .iter()
            .try_for_each(|operation| holder.lets(Scope::Write, Reach::Key(&operation.key))),
        Action::Why { key } if !key.is_empty() => holder.lets(Scope::Read, Reach::Key(key)),
        Action::Members | Action::Status | Action::Why { .. } => holder.lets(Scope::Read, Reach::NoKey),
        Action::Change(_) => holder.lets(Scope::Admin, Reach::NoKey),
        // All keys, and all that the store knows beside them.
        Action::Backup { .. } => holder.lets(Scope::Admin, Reach::Prefix(b"")),
        Action::Present { .. } => Ok(()),
    }
}
