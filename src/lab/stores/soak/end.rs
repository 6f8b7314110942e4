//! The end of a chapter: all has healed, and everything is read on every replica and judged.
#![allow(clippy::disallowed_methods, reason = "waits for replicas in real time")]

use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::Duration,
};

use super::{
    shared::Shared,
    voice::{connect, prefixed, strip},
    world::State,
};
use crate::{
    kv::{Action, Answer, Content, Item, Key, Reply, Request, Status, Token},
    lab::stores::{
        ask::ENDING_KEY,
        book::{Book, Final},
    },
    mesh::open::{Client, ClientError},
    units::{MachineId, Time},
};

/// How long replicas may take to know the same, once all faults are over.
const CONVERGED_AFTER_US: u64 = 30_000_000;

/// How often they are asked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Items of one page of a scan.
const PAGE_ITEMS: u32 = 2000;

/// What a chapter's keys held at its end.
pub(super) struct Held {
    pub(super) prefix: String,
    pub(super) keys: BTreeMap<Key, Content>,
}

fn ask(client: &mut Client<Request, Reply>, token: Token, action: Action) -> Result<Reply, ClientError> {
    client.send(&Request {
        token,
        wait_us: 0,
        action,
    })?;
    Ok(client.receive()?.reply)
}

/// How a replica is, if it says so.
pub(super) fn status(shared: &Shared, machine: MachineId) -> Option<Box<Status>> {
    let mut client = connect(*shared.addresses.get(machine.index())?).ok()?;
    match ask(&mut client, Token::new(), Action::Status).ok()?.answer {
        Answer::Status(status) => Some(status),
        _ => None,
    }
}

/// Waits until all members know the same and nothing waits, and takes note of how long that took. Then until nothing is left
/// to do, as far as that comes in time.
pub(super) fn converge(shared: &Shared, members: &BTreeSet<MachineId>, healed: Time) {
    let mut is_noted = false;
    loop {
        let standing: Vec<_> = members
            .iter()
            .filter_map(|machine| status(shared, *machine))
            .collect();
        let first = standing
            .first()
            .map(|status| status.known.clone())
            .unwrap_or_default();
        let are_same = standing.len() == members.len()
            && standing
                .iter()
                .all(|status| status.known == first && (status.buffered, status.waiting) == (0, 0));
        let took_us = shared.now().0.saturating_sub(healed.0);
        if are_same && !is_noted {
            is_noted = true;
            shared.tally(|tally| tally.converged.push(Duration::from_micros(took_us)));
        }
        let is_done = are_same
            && standing
                .iter()
                .all(|status| status.tombstones == 0 && status.stable == status.known && status.is_ready);
        if is_done {
            return;
        }
        if took_us > CONVERGED_AFTER_US {
            if !is_noted {
                let known = standing
                    .iter()
                    .map(|status| format!("{}: {}", status.origin, status.known));
                let known = known.collect::<Vec<_>>().join("; ");
                shared.breaks(&format!(
                    "{} s after the end of all faults members {members:?} do not know the same: {known}",
                    CONVERGED_AFTER_US / 1_000_000
                ));
            }
            return;
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// All that is under the keys that begin so, with the beginning taken away.
fn scan(client: &mut Client<Request, Reply>, prefix: &str) -> Result<Vec<(Key, Item)>, String> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let action = Action::Scan {
            prefix: Box::default(),
            after: after.take(),
            limit: PAGE_ITEMS,
        };
        let reply = ask(client, Token::new(), prefixed(action, prefix)).map_err(|error| error.to_string())?;
        let mut answer = reply.answer;
        if let Some(strange) = strip(&mut answer, prefix) {
            return Err(strange);
        }
        let Answer::Scanned { items, next } = answer else {
            return Err(format!("a scan is answered {answer:?}"));
        };
        all.extend(items);
        match next {
            None => return Ok(all),
            next => after = next,
        }
    }
}

/// The last reads of a chapter on one member.
fn read(shared: &Shared, book: &mut Book, prefix: &str, machine: MachineId) -> Result<Final, String> {
    let address = shared.addresses.get(machine.index()).ok_or("it has no address")?;
    let mut client = connect(*address).map_err(|error| error.to_string())?;
    let mut last = Final {
        items: Some(scan(&mut client, prefix)?),
        status: status(shared, machine),
        met: BTreeSet::new(),
        memories: BTreeMap::new(),
    };
    let tokens: Vec<(usize, Token)> = book
        .sessions
        .iter()
        .map(|session| (session.place, session.token.clone()))
        .collect();
    for (place, token) in tokens {
        let key = crate::lab::stores::ask::bytes("r0");
        let action = prefixed(Action::Get { key }, prefix);
        let reply = ask(&mut client, token, action).map_err(|error| error.to_string())?;
        book.on_released(place, machine, shared.now(), &reply.released);
        match reply.answer {
            Answer::Found(_) | Answer::NotFound => {
                last.met.insert(place);
            }
            other => return Err(format!("session {place} is told {other:?}")),
        }
    }
    Ok(last)
}

/// Reads everything on every member, and judges the chapter. Says what its keys hold.
pub(super) fn judge(
    shared: &Shared,
    mut book: Book,
    prefix: &str,
    members: &BTreeSet<MachineId>,
) -> (Book, Held) {
    book.members.clone_from(members);
    let mut keys = BTreeMap::new();
    for machine in members {
        match read(shared, &mut book, prefix, *machine) {
            Ok(last) => {
                let items = last.items.iter().flatten();
                let items = items.filter(|(key, _)| **key != *ENDING_KEY.as_bytes());
                keys = items
                    .map(|(key, item)| (key.clone(), item.content.clone()))
                    .collect();
                book.finals.insert(*machine, last);
            }
            Err(why) => book.breaks(format!(
                "when all has settled, replica {machine} cannot be read: {why}"
            )),
        }
    }
    book.judge_finals();
    crate::lab::stores::trial::judge_history(&mut book);
    let prefix = prefix.to_owned();
    (book, Held { prefix, keys })
}

/// What earlier chapters left is still there, everywhere.
pub(super) fn judge_held(shared: &Shared, held: &[Held]) {
    for machine in shared.world.all(State::Up) {
        let Some(address) = shared.addresses.get(machine.index()) else {
            continue;
        };
        let mut client = match connect(*address) {
            Ok(client) => client,
            Err(error) => {
                shared.breaks(&format!("at the end replica {machine} cannot be read: {error}"));
                continue;
            }
        };
        for Held { prefix, keys } in held {
            let now = match scan(&mut client, prefix) {
                Ok(now) => now,
                Err(why) => {
                    shared.breaks(&format!("at the end replica {machine} cannot be read: {why}"));
                    break;
                }
            };
            let now: BTreeMap<Key, Content> =
                now.into_iter().map(|(key, item)| (key, item.content)).collect();
            let names: BTreeSet<&Key> = keys.keys().chain(now.keys()).collect();
            let differ = names.into_iter().find(|key| keys.get(*key) != now.get(*key));
            if let Some(key) = differ {
                let (then, now) = (keys.get(key), now.get(key));
                let key = String::from_utf8_lossy(key);
                shared.breaks(&format!(
                    "replica {machine} shows {now:?} under {prefix}{key}, which held {then:?} at the end of its chapter"
                ));
            }
        }
    }
}
