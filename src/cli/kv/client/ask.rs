//! Asks replicas in turn: whom, for how long, with which session; and what their refusals mean for the next one.

use std::{path::PathBuf, time::Duration};

use anyhow::anyhow;
use clap::Args;

use super::{session::Session, words};
use crate::{
    cli::{Usage, kv::common::BearerOption, secret},
    clock::{Origin, VersionVector},
    kv::{Action, Answer, Deny, Reply, Request, Token},
    lab::REPLICA_PORT_DEFAULT,
    mesh::open::{Client, ClientError},
    service::Address,
    units::MachineId,
    wire::{FRAME_LENGTH_MAX, Message, Secret},
};

/// How long a connection may take, and an answer beyond what it was told to wait: a push takes up to a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a look takes whether anybody is there.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// What a request's frame needs beside its body.
const FRAME_EXTRA_BYTES: usize = 64;

/// A connection to a replica.
pub(super) type Connection = Client<Request, Reply>;

#[derive(Args, Clone, Debug)]
pub(in crate::cli) struct AskOptions {
    /// Replicas to ask, separated by commas: the next one where one cannot be reached, or lacks what the session has seen
    /// [default: 127.0.0.1:17200]
    #[arg(long, value_name = "HOST:PORT,...", value_delimiter = ',', global = true)]
    at: Vec<Address>,
    /// File that carries what the session has seen from one command to the next
    #[arg(long, value_name = "FILE", global = true)]
    session: Option<PathBuf>,
    /// How long to wait for what the session has seen and a replica does not have yet; a replica waits for a minute at most
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::cli::time, global = true)]
    wait: Duration,
    /// File with the store's secret, if it has one
    #[arg(long, value_name = "FILE", global = true)]
    secret_file: Option<PathBuf>,
    #[command(flatten)]
    bearer: BearerOption,
    /// Print JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// Asks with a session's token, and remembers what the answers carry.
#[derive(Debug)]
pub(super) struct Asker {
    addresses: Vec<Address>,
    wait: Duration,
    secret: Option<Secret>,
    bearer: BearerOption,
    session: Option<Session>,
    token: Token,
}

/// An answer, and whose.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) address: Address,
    pub(super) machine: MachineId,
    pub(super) reply: Reply,
}

/// Why one replica could not serve.
#[derive(Debug)]
struct Trouble {
    text: String,
    /// Whether waiting may help.
    may_pass: bool,
    /// Nobody is there.
    is_absent: bool,
    /// The life that the replica at the address has nothing of, and nobody is known to have.
    nowhere: Option<(Address, Origin)>,
}

impl AskOptions {
    /// Reads the session and the secret. The session's file is held until the asker is dropped.
    pub(super) fn asker(&self) -> anyhow::Result<Asker> {
        let session = self.session.as_deref().map(Session::hold).transpose()?;
        let token = session.as_ref().map(Session::token).cloned();
        Ok(Asker {
            addresses: match self.at.as_slice() {
                [] => vec![format!("127.0.0.1:{REPLICA_PORT_DEFAULT}").parse()?],
                addresses => addresses.to_vec(),
            },
            wait: self.wait,
            secret: secret::read(self.secret_file.as_deref())?.map(|file| file.secret),
            bearer: self.bearer.clone(),
            session,
            token: token.unwrap_or_default(),
        })
    }

    /// The session's file.
    pub(super) fn session(&self) -> Option<&PathBuf> {
        self.session.as_ref()
    }
}

impl Asker {
    /// Asks the replicas in turn until one serves. With several, none is waited for at first; then each is.
    ///
    /// # Errors
    /// Nobody could, or it is not known whether it was done; [`Usage`] if the request is too large.
    pub(super) fn ask(&mut self, action: Action) -> anyhow::Result<Said> {
        let mut request = self.request(action)?;
        let changes = matches!(request.action, Action::Write { .. } | Action::Change(_));
        let waits = match self.addresses.len() {
            1 => vec![self.wait],
            _ => vec![Duration::ZERO, self.wait],
        };
        let mut troubles = Vec::new();
        for wait in waits {
            request.wait_us = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
            troubles.clear();
            for address in &self.addresses {
                match self.ask_at(address, wait, &request) {
                    Ok(said) => match trouble(&said) {
                        Some(trouble) => troubles.push(trouble),
                        None => return self.accept(said),
                    },
                    Err(error) if changes && !error.is_definite() => return Err(error.into()),
                    Err(error) => troubles.push(Trouble {
                        text: error.to_string(),
                        may_pass: false,
                        is_absent: matches!(error, ClientError::Unreachable { .. }),
                        nowhere: None,
                    }),
                }
            }
            if !troubles.iter().any(|trouble| trouble.may_pass) {
                break;
            }
        }
        let anew = self.begun_anew(&troubles);
        let mut texts: Vec<&str> = troubles.iter().map(|trouble| trouble.text.as_str()).collect();
        texts.extend(anew.as_deref());
        if troubles.iter().all(|trouble| trouble.is_absent) {
            texts.push("is a replica running? `clocklab kv run` starts three, and `--at` says where one is");
        }
        Err(anyhow!("{}", texts.join("\n          ")))
    }

    /// What to do where what is missing is of a life that is over, and is nowhere: waiting does not bring it.
    fn begun_anew(&self, troubles: &[Trouble]) -> Option<String> {
        let session = self.session.as_ref()?;
        let over = troubles.iter().find_map(|trouble| {
            let (address, origin) = trouble.nowhere.as_ref()?;
            let request = Request {
                token: Token::new(),
                wait_us: 0,
                action: Action::Status,
            };
            let said = self.ask_at(address, Duration::ZERO, &request).ok()?;
            let Answer::Status(status) = said.reply.answer else {
                return None;
            };
            let mut members = status.members.iter();
            let accepting = members.find(|member| member.id == origin.machine)?;
            (accepting.incarnation > origin.incarnation).then_some(origin.machine)
        })?;
        Some(format!(
            "machine {over} is in a later life and does not have that: the store may have been begun anew, without the data; delete \
             {} to begin a new session",
            session.path().display()
        ))
    }

    /// Connects to the first replica that can be reached and asks it; answers are the caller's to receive.
    pub(super) fn begin(&self, action: Action, of: Option<Origin>) -> anyhow::Result<Connection> {
        let request = self.request(action)?;
        let mut last = anyhow!("no replica is named");
        for address in &self.addresses {
            match self.connect(address) {
                Ok(connection) if of.is_some_and(|of| of != connection.origin()) => {
                    let there = connection.origin();
                    last = anyhow!(
                        "at {address} is life {} of machine {}, and the position is of another: ask the replica that gave it, or \
                         scan the keys and watch from now on, without --after",
                        there.incarnation,
                        there.machine
                    );
                }
                Ok(mut connection) => {
                    connection.set_patience(self.wait.saturating_add(PATIENCE));
                    connection.send(&request)?;
                    return Ok(connection);
                }
                Err(error) => last = error.into(),
            }
        }
        Err(last)
    }

    /// The request, if it fits a frame.
    pub(super) fn request(&self, action: Action) -> anyhow::Result<Request> {
        let request = Request {
            token: self.token.clone(),
            wait_us: u64::try_from(self.wait.as_micros()).unwrap_or(u64::MAX),
            action,
        };
        let mut body = Vec::new();
        request.encode(&mut body);
        let most = FRAME_LENGTH_MAX - FRAME_EXTRA_BYTES;
        if body.len() > most {
            let bytes = body.len();
            let text = format!("this request has {bytes} bytes, and one has at most {most}: split it up");
            return Err(Usage(text).into());
        }
        Ok(request)
    }

    fn connect(&self, address: &Address) -> Result<Connection, ClientError> {
        let mut connection = Client::connect(address, None, self.secret.as_ref(), PATIENCE)?;
        self.bearer.present(&mut connection)?;
        Ok(connection)
    }

    /// Whether a replica answers at an address.
    pub(super) fn is_somebody_at(&self, address: &Address) -> bool {
        Connection::connect(address, None, self.secret.as_ref(), SHORT_PATIENCE).is_ok()
    }

    fn ask_at(&self, address: &Address, wait: Duration, request: &Request) -> Result<Said, ClientError> {
        let mut connection = self.connect(address)?;
        connection.set_patience(wait.saturating_add(PATIENCE));
        connection.send(request)?;
        let answer = connection.receive()?;
        Ok(Said {
            address: address.clone(),
            machine: connection.machine(),
            reply: answer.reply,
        })
    }

    /// Remembers what the session has seen now.
    fn accept(&mut self, said: Said) -> anyhow::Result<Said> {
        for dot in &said.reply.released {
            tracing::warn!(
                "the session had seen write {}, and it is lost: that life of its replica is over, and no replica that is there has it",
                words::dot(*dot)
            );
        }
        self.token = token_after(&self.token, &said.reply);
        if let Some(session) = &mut self.session {
            session.keep(&self.token)?;
        }
        Ok(said)
    }

    /// What the session has seen.
    pub(super) fn token(&self) -> &Token {
        &self.token
    }
}

/// What a session has seen after an answer: what the answer says. What is denied may say nothing; but a denial that tells
/// what is there names it.
pub(super) fn token_after(token: &Token, reply: &Reply) -> Token {
    match &reply.answer {
        Answer::Denied(Deny::TooFewCopies { dot, .. }) => {
            let written: VersionVector = [(dot.origin, dot.number)].into_iter().collect();
            let mut seen = token.clone();
            seen.merge(&written);
            seen
        }
        Answer::Denied(Deny::Condition { .. } | Deny::WrongType { .. } | Deny::TooLarge { .. }) => {
            let mut seen = token.clone();
            seen.merge(&reply.token);
            seen
        }
        Answer::Denied(_) => token.clone(),
        _ => reply.token.clone(),
    }
}

/// Whether another replica, or the same one later, may serve.
fn trouble(said: &Said) -> Option<Trouble> {
    let Answer::Denied(deny) = &said.reply.answer else {
        return None;
    };
    let may_pass = match deny {
        Deny::Unmet { .. } | Deny::Joining | Deny::Busy => true,
        Deny::NoMember | Deny::Leaving => false,
        // The same everywhere, or not known whether it was done.
        Deny::Condition { .. }
        | Deny::WrongType { .. }
        | Deny::TooLarge { .. }
        | Deny::Malformed { .. }
        | Deny::TooFewCopies { .. }
        | Deny::Disk { .. }
        | Deny::NoSuchMember
        | Deny::Forbidden { .. } => return None,
    };
    let nowhere = match deny {
        Deny::Unmet { missing } => missing.iter().find(|missing| missing.is_nowhere()),
        _ => None,
    };
    let text = words::denied(said.machine, &said.address, deny);
    Some(Trouble {
        nowhere: nowhere.map(|missing| (said.address.clone(), missing.dot.origin)),
        text,
        may_pass,
        is_absent: false,
    })
}

impl Said {
    /// An answer that is none to what was asked.
    pub(super) fn unexpected(&self) -> anyhow::Error {
        match &self.reply.answer {
            Answer::Denied(deny) => anyhow!("{}", words::denied(self.machine, &self.address, deny)),
            other => anyhow!("{} answered something else: {other:?}", self.address),
        }
    }
}
