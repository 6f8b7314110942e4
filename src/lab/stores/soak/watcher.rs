//! Who watches the sessions' own registers at one replica after the other, and judges what it is told as simulated watches
//! are judged.
#![allow(clippy::disallowed_methods, reason = "waits for replicas in real time")]

use std::{collections::BTreeMap, io, net::SocketAddr, thread, time::Duration};

use super::{
    events::{Event, Events},
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

/// How long a replica may take to begin a watch.
const CONNECT: Duration = Duration::from_secs(2);

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
        let end = match dice.below(2) {
            0 => watch_wire(shared, chapter, machine),
            _ => watch_events(shared, chapter, machine),
        };
        match end {
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

fn scan(client: &mut Client<Request, Reply>, prefix: &str) -> io::Result<u64> {
    let action = Action::Scan {
        prefix: b"p".as_slice().into(),
        after: None,
        limit: 10_000,
    };
    client.send(&request(action, prefix)).map_err(io::Error::other)
}

/// Watches by the wire.
fn watch_wire(shared: &Shared, chapter: &Chapter, machine: MachineId) -> io::Result<End> {
    let Some(address) = shared.addresses.get(machine.index()) else {
        return Ok(End::Gone);
    };
    let begun = shared.now();
    let mut client = connect(*address).map_err(io::Error::other)?;
    client.set_patience(LISTEN);
    let action = Action::Watch {
        prefix: b"p".as_slice().into(),
        after: None,
    };
    let watch = client
        .send(&request(action, &chapter.prefix))
        .map_err(io::Error::other)?;
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
        if let (Some(wanted), Some((_, since))) = (&wanted, last)
            && is_over(shared, (machine, begun), &watching, wanted, since)
        {
            return Ok(End::Over);
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
            Err(error) => return Err(io::Error::other(error)),
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

/// Watches by server-sent events.
fn watch_events(shared: &Shared, chapter: &Chapter, machine: MachineId) -> io::Result<End> {
    let Some(address) = shared.addresses.get(machine.index()).copied() else {
        return Ok(End::Gone);
    };
    let (begun, prefix) = (shared.now(), &chapter.prefix);
    let mut events = Events::connect(address, &format!("{prefix}p"), CONNECT)?;
    shared.tally(|tally| tally.watches.0 += 1);
    // The watch is behind the head in the replica's queue by now, and the scan behind both.
    thread::sleep(LISTEN);
    let mut watching = Watching::default();
    watching.begin(&there(address, prefix)?);
    let mut last: Option<(BTreeMap<Own, u64>, Time)> = None;
    loop {
        if chapter.has_settled() && last.is_none() {
            last = Some((there(address, prefix)?, shared.now()));
        }
        if let Some((wanted, since)) = &last
            && is_over(shared, (machine, begun), &watching, wanted, *since)
        {
            return Ok(End::Over);
        }
        match events.next(prefix, LISTEN)? {
            None => {}
            Some(Ok(Event::Change(watched))) => tell(shared, chapter, machine, &mut watching, &watched),
            Some(Ok(Event::Problem(_))) => return Ok(End::Gone),
            Some(Err(strange)) => {
                shared.breaks(&format!("a watch at replica {machine}, by /v1: {strange}"));
                return Ok(End::Gone);
            }
        }
    }
}

/// What is there now.
fn there(address: SocketAddr, prefix: &str) -> io::Result<BTreeMap<Own, u64>> {
    let mut client = connect(address).map_err(io::Error::other)?;
    scan(&mut client, prefix)?;
    let mut answer = client.receive().map_err(io::Error::other)?.reply.answer;
    let strange = strip(&mut answer, prefix);
    match (answer, strange) {
        (Answer::Scanned { items, .. }, None) => Ok(numbers(&items)),
        (other, _) => Err(io::Error::other(format!("{other:?}"))),
    }
}

/// Whether a watch has been told all that is there, or has had its time.
fn is_over(
    shared: &Shared,
    (machine, begun): (MachineId, Time),
    watching: &Watching,
    wanted: &BTreeMap<Own, u64>,
    since: Time,
) -> bool {
    let Some(missing) = watching.missing(wanted) else {
        return true;
    };
    let has_ended = shared.now().0 > since.0 + TOLD_AFTER_US;
    if has_ended && shared.world.calm(machine, begun) != Calm::No {
        shared.breaks(&format!(
            "a watch at replica {machine} is never told of {missing}"
        ));
    }
    has_ended
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
