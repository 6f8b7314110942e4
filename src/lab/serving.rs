//! How a replica of a store says that it stands, asked by the wire: there whoever has the secret needs no token.

use std::{net::SocketAddr, time::Duration};

use crate::{
    kv::{Action, Answer, Deny, Reply, Request, Token},
    mesh::open::{Client, ClientError},
    wire::Secret,
};

/// How long a replica may take for a step of the handshake, and for its answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// How a replica stands with its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// It serves them.
    Ready,
    /// It is a member and does not serve yet: it lacks the data, or its disk takes nothing.
    NotYet,
    /// It is no member, and serves nobody until somebody adds it.
    NoMember,
    /// It answers those alone that have a bearer token, and so does not say.
    Unsaid,
    /// It does not answer.
    Silent,
}

impl Serving {
    /// Asks the replica at an address.
    pub(super) fn of(address: SocketAddr, secret: Option<&Secret>) -> Self {
        Self::ask(address, secret).unwrap_or(Self::Silent)
    }

    fn ask(address: SocketAddr, secret: Option<&Secret>) -> Result<Self, ClientError> {
        let Ok(address) = address.to_string().parse() else {
            return Ok(Self::Silent);
        };
        let mut client: Client<Request, Reply> = Client::connect(&address, None, secret, PATIENCE)?;
        client.send(&Request {
            token: Token::new(),
            wait_us: 0,
            action: Action::Status,
        })?;
        let status = match client.receive()?.reply.answer {
            Answer::Status(status) => status,
            Answer::Denied(Deny::Forbidden { .. }) => return Ok(Self::Unsaid),
            _ => return Ok(Self::Silent),
        };
        let me = status.origin.machine;
        let mut members = status.members.iter();
        Ok(match status.is_ready && status.disk_trouble.is_none() {
            true => Self::Ready,
            false if members.any(|member| member.id == me && member.standing.is_member()) => Self::NotYet,
            false => Self::NoMember,
        })
    }
}
