//! How a client of a soak speaks to replicas: by the wire, by `/v1` and by `/kvs`, over connections that stay open.
#![allow(clippy::disallowed_methods, reason = "waits for a replica in real time")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    forms::{self, Manner},
    http::Http,
};
use crate::{
    kv::{Action, Answer, Key, Reply, Request},
    lab::stores::ask::Ask,
    mesh::open::{Client, ClientError},
    service::{Address, Last},
    sim::open::Heard,
    units::MachineId,
};

/// How long a replica may take to let a client in, and to answer: longer than it may let a request wait.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a replica may take to let a client in.
const CONNECT: Duration = Duration::from_secs(2);

/// A connection that was not used for so long is made anew.
const IDLE_MAX: Duration = Duration::from_secs(3);

/// By what a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    Wire,
    V1,
    Kvs,
}

/// Which replica is asked, in which life.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) machine: MachineId,
    pub(super) life: u32,
}

/// What came of a request.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) heard: Heard<Reply>,
    /// What is wrong with it in any case.
    pub(super) strange: Option<String>,
    /// Of what was refused or broken the words.
    pub(super) why: String,
}

/// The connections of one client.
#[derive(Debug)]
pub(super) struct Voice {
    addresses: Vec<SocketAddr>,
    wire: BTreeMap<MachineId, Kept<Client<Request, Reply>>>,
    http: BTreeMap<MachineId, Kept<Http>>,
}

/// A connection that may be used again: to this life of a replica, before it ends idle ones.
#[derive(Debug)]
struct Kept<C> {
    connection: C,
    life: u32,
    used: Instant,
}

impl<C> Kept<C> {
    fn new(connection: C, life: u32) -> Self {
        let used = Instant::now();
        Self {
            connection,
            life,
            used,
        }
    }

    fn usable(self, life: u32) -> Option<C> {
        (self.life == life && self.used.elapsed() < IDLE_MAX).then_some(self.connection)
    }
}

impl Channel {
    pub(super) fn name(self) -> &'static str {
        match self {
            Channel::Wire => "wire",
            Channel::V1 => "/v1",
            Channel::Kvs => "/kvs",
        }
    }
}

impl Said {
    fn refused(why: String) -> Self {
        Self {
            heard: Heard::Refused,
            strange: None,
            why,
        }
    }

    fn broken(why: String) -> Self {
        Self {
            heard: Heard::Broken,
            strange: None,
            why,
        }
    }

    fn reply(reply: Reply) -> Self {
        let last = Last::Yes;
        Self {
            heard: Heard::Reply { reply, last },
            strange: None,
            why: String::new(),
        }
    }
}

/// A client of the wire at a replica.
pub(super) fn connect(address: SocketAddr) -> Result<Client<Request, Reply>, ClientError> {
    let text = address.to_string();
    let address: Address = match text.parse() {
        Ok(address) => address,
        Err(error) => panic!("{text}: {error}"),
    };
    let mut client = Client::connect(&address, None, None, CONNECT)?;
    client.set_patience(PATIENCE);
    Ok(client)
}

impl Voice {
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            wire: BTreeMap::new(),
            http: BTreeMap::new(),
        }
    }

    /// Asks a replica, and waits for what comes of it.
    pub(super) fn say(&mut self, channel: Channel, at: Place, ask: &Ask, manner: &Manner) -> Said {
        let Some(address) = self.addresses.get(at.machine.index()).copied() else {
            return Said::refused(format!("there is no replica {}", at.machine));
        };
        match channel {
            Channel::Wire => self.by_wire(address, at, ask, manner),
            Channel::V1 | Channel::Kvs => self.by_http(channel, address, at, ask, manner),
        }
    }

    fn by_wire(&mut self, address: SocketAddr, at: Place, ask: &Ask, manner: &Manner) -> Said {
        let mut client = match self
            .wire
            .remove(&at.machine)
            .and_then(|kept| kept.usable(at.life))
            .map_or_else(|| connect(address), Ok)
        {
            Ok(client) => client,
            Err(error) => return Said::refused(error.to_string()),
        };
        let request = Request {
            token: manner.token.clone(),
            wait_us: manner.wait_us,
            action: prefixed(ask.action(manner.copies), &manner.prefix),
        };
        let answer = client.send(&request).and_then(|_| client.receive());
        match answer {
            Ok(answer) => {
                self.wire.insert(at.machine, Kept::new(client, at.life));
                let mut reply = answer.reply;
                let strange = strip(&mut reply.answer, &manner.prefix);
                Said {
                    strange,
                    ..Said::reply(reply)
                }
            }
            Err(error) => Said::broken(error.to_string()),
        }
    }

    fn by_http(
        &mut self,
        channel: Channel,
        address: SocketAddr,
        at: Place,
        ask: &Ask,
        manner: &Manner,
    ) -> Said {
        let asked = match channel {
            Channel::Kvs => forms::kvs(ask, manner),
            Channel::V1 | Channel::Wire => None,
        };
        let is_kvs = asked.is_some();
        let asked = asked.unwrap_or_else(|| forms::v1(ask, manner));
        let connected = self
            .http
            .remove(&at.machine)
            .and_then(|kept| kept.usable(at.life));
        let mut http = match connected.map_or_else(|| Http::connect(address, PATIENCE), Ok) {
            Ok(http) => http,
            Err(error) => return Said::refused(error.to_string()),
        };
        let answered = match http.ask(&asked) {
            Ok(answered) => answered,
            Err(error) => return Said::broken(error.to_string()),
        };
        self.http.insert(at.machine, Kept::new(http, at.life));
        let reply = match is_kvs {
            true => forms::of_kvs(ask, manner, &answered),
            false => forms::of_v1(ask, manner, &answered),
        };
        match reply {
            Ok(reply) => Said::reply(reply),
            Err(strange) => Said {
                strange: Some(format!("{} {} is answered {strange}", asked.method, asked.target)),
                ..Said::broken(String::new())
            },
        }
    }
}

fn key_behind(prefix: &str, key: &[u8]) -> Key {
    [prefix.as_bytes(), key].concat().into()
}

/// The same for keys that begin so.
pub(super) fn prefixed(action: Action, prefix: &str) -> Action {
    match action {
        Action::Get { key } => Action::Get {
            key: key_behind(prefix, &key),
        },
        Action::Scan {
            prefix: start,
            after,
            limit,
        } => Action::Scan {
            prefix: key_behind(prefix, &start),
            after: after.map(|after| key_behind(prefix, &after)),
            limit,
        },
        Action::Watch { prefix: start, after } => Action::Watch {
            prefix: key_behind(prefix, &start),
            after,
        },
        Action::Write {
            mut operations,
            copies,
        } => {
            for operation in &mut operations {
                operation.key = key_behind(prefix, &operation.key);
            }
            Action::Write { operations, copies }
        }
        other @ (Action::Members
        | Action::Change(_)
        | Action::Status
        | Action::Why { .. }
        | Action::Backup { .. }
        | Action::Present { .. }) => other,
    }
}

/// Takes the beginning away from all keys of an answer. Says which have another.
pub(super) fn strip(answer: &mut Answer, prefix: &str) -> Option<String> {
    let mut strange = None;
    let mut strip = |key: &mut Key| match key.strip_prefix(prefix.as_bytes()) {
        Some(rest) => *key = rest.into(),
        None => {
            strange = Some(format!(
                "asked for {prefix}, told of {}",
                String::from_utf8_lossy(key)
            ))
        }
    };
    match answer {
        Answer::Scanned { items, next } => {
            items.iter_mut().for_each(|(key, _)| strip(key));
            next.iter_mut().for_each(strip);
        }
        Answer::Changed(watched) => watched.changes.iter_mut().for_each(|(key, _)| strip(key)),
        Answer::Found(_)
        | Answer::NotFound
        | Answer::Written { .. }
        | Answer::Members(_)
        | Answer::MembersChanged { .. }
        | Answer::Status(_)
        | Answer::Why(_)
        | Answer::Backup(_)
        | Answer::Admitted
        | Answer::Denied(_) => {}
    }
    strange
}
