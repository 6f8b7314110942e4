//! A request that was let in, as its handler sees it.

use std::sync::Arc;

use hyper::{HeaderMap, body::Incoming, header::HeaderName};

use super::{
    access::Caller,
    body::{self, BodyError, Held},
    path::Style,
    problem::Problem,
    revoked::unless_revoked,
    server::{Place, Shared},
};
use crate::kv::{Action, Answer, Copies, Deny, Member, Reply, Request, Token};

/// A request, its caller, and what all requests share.
pub(super) struct Call<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) caller: Caller,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    pub(super) style: Style,
    pub(super) body: Option<Incoming>,
}

impl<'a> Call<'a> {
    /// The body; a second time it is empty.
    pub(super) async fn body(&mut self) -> Result<Held<'a>, Problem> {
        let shared = self.shared;
        let Some(incoming) = self.body.take() else {
            return Err(Problem::body(BodyError::Broken, self.style));
        };
        let within = shared.options.body_within;
        let most = shared.options.body_bytes_held_max;
        let read = body::read(incoming, within, &shared.load.body_bytes, most).await;
        read.map_err(|error| Problem::body(error, self.style))
    }

    /// Puts a request to the store, which may wait for what the token names as long as there is a place for those who wait.
    pub(super) async fn ask(&self, token: Token, wait_us: u64, action: Action) -> Result<Reply, Problem> {
        let most = self.shared.options.waits_max;
        let place = (wait_us > 0).then(|| Place::take(self.shared, |load| &load.waits, most));
        let wait_us = match place {
            None | Some(Some(_)) => wait_us,
            // It would also wait less long for the copies.
            Some(None) if wants_copies(&action) => return Err(Problem::busy(self.style)),
            Some(None) => 0,
        };
        let is_write = matches!(action, Action::Write { .. } | Action::Change(_));
        let request = Request {
            token,
            wait_us,
            action,
        };
        let asked = self.shared.asker.ask(request);
        let asked = match wait_us {
            0 => asked.await,
            _ => unless_revoked(self.shared, &self.caller, asked)
                .await
                .map_err(|problem| problem.of_given_up(is_write))?,
        };
        let reply = asked.map_err(|gone| Problem::gone(gone, is_write))?;
        match reply.answer {
            Answer::Denied(deny) => {
                // These tell what is there.
                let is_read = matches!(
                    deny,
                    Deny::Condition { .. } | Deny::WrongType { .. } | Deny::TooLarge { .. }
                );
                let problem = Problem::denied(deny, self.style);
                Err(match is_read {
                    true => problem.with_seen(reply.token, reply.released),
                    false => problem,
                })
            }
            _ => Ok(reply),
        }
    }

    /// Who the members are.
    pub(super) async fn members(&self) -> Result<Vec<Member>, Problem> {
        let reply = self.ask(Token::new(), 0, Action::Members).await?;
        match reply.answer {
            Answer::Members(members) => Ok(members),
            _ => Err(Problem::unexpected()),
        }
    }

    /// A header's text, if it is there once and is one.
    pub(super) fn header(&self, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
        let mut values = self.headers.get_all(name).iter();
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            return Err(Problem::malformed(format!("the header {name} stands twice")));
        }
        first
            .map(|value| value.to_str())
            .transpose()
            .map_err(|_| Problem::malformed(format!("the header {name} has to be visible ASCII")))
    }
}

/// Whether others have to have something before the answer, however long that takes.
fn wants_copies(action: &Action) -> bool {
    match action {
        Action::Write { copies, .. } => matches!(copies, Copies::Two | Copies::Majority),
        Action::Get { .. }
        | Action::Scan { .. }
        | Action::Watch { .. }
        | Action::Members
        | Action::Change(_)
        | Action::Status
        | Action::Why { .. }
        | Action::Backup { .. }
        | Action::Present { .. } => false,
    }
}
