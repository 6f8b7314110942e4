//! Who watches the sessions' own registers at one replica after the other, and judges what it is told as simulated watches
//! are judged.
#![allow(clippy::disallowed_methods, reason = "waits for replicas in real time")]

use std::{collections::BTreeMap, thread, time::Duration};

use super::{
    shared::{Chapter, Shared},
    voice::{connect, prefixed, strip},
    world::{Calm, State},
};
use crate::{
    dice::Stream,
    kv::{Action, Answer, Deny, Reply, Request, Token, Watched},
    lab::stores::{
        ask::Own,
        watches::{Watching, numbers},
    },
    mesh::open::{Client, ClientError},
    units::{MachineId, Time},
};

/// How long to wait for something to be told before looking whether the soak goes on.
const LISTEN: Duration = Duration::from_millis(100);

/// How long what is there may take to be told, when all has settled.
const TOLD_AFTER_US: u64 = 5_000_000;

/// How a watch ended.
enum End {
    /// The chapter is over.
    Over,
    /// The replica went away.
    Gone,
}

/// Watches one replica after the other until the chapter is over.
pub(super) fn watch(shared: &Shared, chapter: &Chapter, mut dice: Stream) {
    while !chapter.has_settled() {
        let up = shared.world.all(State::Up);
        let drawn = usize::try_from(dice.below(up.len().max(1) as u64)).unwrap_or(0);
        let Some(machine) = up.get(drawn).copied() else {
            thread::sleep(LISTEN);
            continue;
        };
        match watch_one(shared, chapter, machine) {
            Ok(End::Over) => return,
            Ok(End::Gone) | Err(_) => thread::sleep(LISTEN),
        }
    }
}

fn request(action: Action, prefix: &str) -> Request {
    Request {
        token: Token::new(),
        wait_us: 0,
        action: prefixed(action, prefix),
    }
}

fn scan(client: &mut Client<Request, Reply>, prefix: &str) -> Result<u64, ClientError> {
    let action = Action::Scan {
        prefix: b"p".as_slice().into(),
        after: None,
        limit: 10_000,
    };
    client.send(&request(action, prefix))
}

fn watch_one(shared: &Shared, chapter: &Chapter, machine: MachineId) -> Result<End, ClientError> {
    let Some(address) = shared.addresses.get(machine.index()) else {
        return Ok(End::Gone);
    };
    let begun = shared.now();
    let mut client = connect(*address)?;
    client.set_patience(LISTEN);
    let action = Action::Watch {
        prefix: b"p".as_slice().into(),
        after: None,
    };
    let watch = client.send(&request(action, &chapter.prefix))?;
    // What is there already: asked behind the watch, so that nothing lies between.
    let mut first = Some(scan(&mut client, &chapter.prefix)?);
    shared.tally(|tally| tally.watches.0 += 1);
    let mut watching = Watching::default();
    let mut early: Vec<Watched> = Vec::new();
    let mut last: Option<(u64, Time)> = None;
    let mut wanted: Option<BTreeMap<Own, u64>> = None;
    loop {
        if chapter.has_settled() && last.is_none() {
            last = Some((scan(&mut client, &chapter.prefix)?, shared.now()));
        }
        if let (Some(wanted), Some((_, since))) = (&wanted, last) {
            let missing = watching.missing(wanted);
            if missing.is_none() {
                return Ok(End::Over);
            }
            if shared.now().0 > since.0 + TOLD_AFTER_US {
                if let Some(missing) = missing
                    && shared.world.calm(machine, begun) != Calm::No
                {
                    shared.breaks(&format!(
                        "a watch at replica {machine} is never told of {missing}"
                    ));
                }
                return Ok(End::Over);
            }
        }
        let mut answer = match client.receive() {
            Ok(answer) => answer,
            // A process that stands still holds its connection.
            Err(ClientError::Silent { .. })
                if !chapter.has_settled()
                    || last.is_some_and(|(_, since)| shared.now().0 < since.0 + 2 * TOLD_AFTER_US) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        let strange = strip(&mut answer.reply.answer, &chapter.prefix);
        if let Some(strange) = strange {
            shared.breaks(&format!("a watch at replica {machine}: {strange}"));
        }
        match answer.reply.answer {
            Answer::Scanned { items, .. } if Some(answer.ticket) == first => {
                first = None;
                watching.begin(&numbers(&items));
                for watched in early.drain(..) {
                    tell(shared, chapter, machine, &mut watching, &watched);
                }
            }
            Answer::Scanned { items, .. } => wanted = Some(numbers(&items)),
            Answer::Changed(watched) if first.is_some() => early.push(watched),
            Answer::Changed(watched) => tell(shared, chapter, machine, &mut watching, &watched),
            Answer::Denied(Deny::Leaving | Deny::Joining | Deny::NoMember) => return Ok(End::Gone),
            other => {
                let which = if answer.ticket == watch { "watch" } else { "scan" };
                shared.breaks(&format!("a {which} at replica {machine} is told {other:?}"));
                return Ok(End::Gone);
            }
        }
    }
}

fn tell(shared: &Shared, chapter: &Chapter, machine: MachineId, watching: &mut Watching, watched: &Watched) {
    let broken = chapter.with(|book| watching.take(watched, &book.floors_at));
    shared.tally(|tally| tally.watches.1 += watched.changes.len() as u64);
    for what in broken {
        shared.breaks(&format!(
            "a watch at replica {machine}, position {}: {what}",
            watched.position
        ));
    }
}
