//! Who watches the sessions' own registers at a replica, and judges what it is told: of each register every number at most
//! once and going up, never anything before what it depends on, and at the end all that is there.
#![allow(clippy::disallowed_methods, reason = "waits for replicas in real time")]

use std::{collections::BTreeMap, thread, time::Duration};

use super::{
    shared::{Chapter, Shared},
    voice::{connect, prefixed, strip},
    world::{Calm, State},
};
use crate::{
    dice::Stream,
    kv::{Action, Answer, Deny, Item, Key, Reply, Request, Token, Watched},
    lab::stores::{
        ask::Own,
        seen::{text, values_of},
    },
    mesh::open::{Client, ClientError},
    units::{MachineId, Time},
};

/// How long to wait for something to be told before looking whether the soak goes on.
const LISTEN: Duration = Duration::from_millis(100);

/// How long what is there may take to be told, when all has settled.
const TOLD_AFTER_US: u64 = 5_000_000;

/// One watch, as far as it was told.
#[derive(Debug, Default)]
pub(in crate::lab::stores) struct Watching {
    /// What was there when it began, and has been told since.
    shown: BTreeMap<Own, u64>,
    /// What it was told.
    told: BTreeMap<Own, u64>,
}

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

/// What is there, by register.
fn numbers(items: &[(Key, Item)]) -> BTreeMap<Own, u64> {
    let number = |(key, item): &(Key, Item)| {
        let number = values_of(Some(&item.content)).first()?.parse().ok()?;
        Some((Own::parse(&text(key))?, number))
    };
    items.iter().filter_map(number).collect()
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

impl Watching {
    /// What was there when it began.
    pub(in crate::lab::stores) fn begin(&mut self, there: &BTreeMap<Own, u64>) {
        for (own, number) in there {
            let shown = self.shown.entry(*own).or_default();
            *shown = (*shown).max(*number);
        }
    }

    /// Takes what it is told. Says what is wrong with it. `floors_at` says of each number what it depends on.
    pub(in crate::lab::stores) fn take(
        &mut self,
        watched: &Watched,
        floors_at: &BTreeMap<(Own, u64), BTreeMap<Own, u64>>,
    ) -> Vec<String> {
        let mut broken = Vec::new();
        let mut new = Vec::new();
        for (key, item) in &watched.changes {
            let key = text(key);
            let value = item
                .as_ref()
                .and_then(|item| values_of(Some(&item.content)).into_iter().next());
            let number: Option<u64> = value.as_ref().and_then(|value| value.parse().ok());
            let Some((own, number)) = Own::parse(&key).zip(number) else {
                broken.push(format!("{key} is told to be {value:?}"));
                continue;
            };
            let told = self.told.entry(own).or_default();
            if number <= *told {
                broken.push(format!("{key} is told to be {number}, behind {told}"));
            }
            *told = (*told).max(number);
            let shown = self.shown.entry(own).or_default();
            *shown = (*shown).max(number);
            new.push((own, number));
        }
        for (own, number) in new {
            let Some(floors) = floors_at.get(&(own, number)) else {
                broken.push(format!(
                    "{} is told to be {number}, which nobody wrote",
                    own.key()
                ));
                continue;
            };
            for (other, floor) in floors {
                let shown = self.shown.get(other).copied().unwrap_or(0);
                if shown < *floor {
                    broken.push(format!(
                        "{number} under {} is told before {floor} under {}, which it depends on; {shown} was told there",
                        own.key(),
                        other.key()
                    ));
                }
            }
        }
        broken
    }

    /// A register of which less was shown than is there.
    pub(in crate::lab::stores) fn missing(&self, there: &BTreeMap<Own, u64>) -> Option<String> {
        let shown = |own: &Own| self.shown.get(own).copied().unwrap_or(0);
        let missing = there.iter().find(|(own, number)| shown(own) < **number);
        missing.map(|(own, number)| format!("{number} under {}, only of {}", own.key(), shown(own)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{Dot, Origin, VersionVector},
        kv::{Content, Format, Value},
    };

    fn own(session: usize) -> Own {
        Own {
            session,
            generation: 0,
        }
    }

    fn watched(changes: &[(usize, u64)]) -> Watched {
        let origin = Origin {
            machine: MachineId(0),
            incarnation: 1,
        };
        let change = |(session, number): &(usize, u64)| {
            let value = Value {
                format: Format::Json,
                bytes: number.to_string().into_bytes().into(),
            };
            let item = Item {
                mark: VersionVector::new(),
                content: Content::Values(vec![value]),
                ends_us: None,
            };
            (own(*session).key().into_bytes().into(), Some(item))
        };
        Watched {
            position: 1,
            dot: Dot::new(origin, 1),
            changes: changes.iter().map(change).collect(),
        }
    }

    #[test]
    fn a_watch_is_told_in_causal_order_and_each_once() {
        // The second number of session 1 depends on the first of session 0.
        let floors = BTreeMap::from([
            ((own(0), 1), BTreeMap::new()),
            ((own(0), 2), BTreeMap::from([(own(0), 1)])),
            ((own(1), 1), BTreeMap::new()),
            ((own(1), 2), BTreeMap::from([(own(0), 1), (own(1), 1)])),
        ]);
        let mut good = Watching::default();
        good.begin(&BTreeMap::from([(own(1), 1)]));
        assert_eq!(
            good.take(&watched(&[(0, 1), (1, 2)]), &floors),
            Vec::<String>::new()
        );
        assert_eq!(good.take(&watched(&[(0, 2)]), &floors), Vec::<String>::new());
        assert_eq!(good.missing(&BTreeMap::from([(own(0), 2)])), None);
        assert!(good.missing(&BTreeMap::from([(own(0), 3)])).is_some());

        let mut early = Watching::default();
        early.begin(&BTreeMap::from([(own(1), 1)]));
        let broken = early.take(&watched(&[(1, 2)]), &floors).join(" ");
        assert!(
            broken.contains("2 under p1.0 is told before 1 under p0.0"),
            "{broken}"
        );
        let twice = early.take(&watched(&[(1, 2)]), &floors).join(" ");
        assert!(twice.contains("is told to be 2, behind 2"), "{twice}");
        let unknown = early.take(&watched(&[(0, 9)]), &floors).join(" ");
        assert!(unknown.contains("which nobody wrote"), "{unknown}");
    }
}
