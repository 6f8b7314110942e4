//! A client of a soak: one session, one thread, one request at a time.
#![allow(clippy::disallowed_methods, reason = "asks replicas in real time")]

use std::{thread, time::Duration};

use super::{
    forms::Manner,
    shared::{Chapter, Shared},
    tally::{Came, Class},
    voice::{Channel, Place, Said, Voice},
    world::{Calm, State},
};
use crate::{
    kv::{Answer, Copies, Deny, Token},
    lab::stores::ask::Ask,
    sim::open::Heard,
    units::{MachineId, Time},
};

/// How late an answer of a replica that serves may be, beyond the time that a request lets it wait and a write waits for
/// other replicas: a second is bound to pass where a disk is slow and two processors carry everything.
const AT_ONCE_US: u64 = 3_000_000;

/// How often a session that goes elsewhere draws again where nobody is.
const DRAWS_MAX: u32 = 4;

/// How long a client sleeps at most before it looks whether it is to end.
const NAP: Duration = Duration::from_millis(100);

/// A request to be made.
struct Turn {
    at: MachineId,
    ask: Ask,
    manner: Manner,
    channel: Channel,
}

/// Where a session is told 503 and stays, and since when.
type Stays = Option<(MachineId, Time)>;

/// Plays a session until the chapter's clients stop.
pub(super) fn play(shared: &Shared, chapter: &Chapter, place: usize) {
    let mut voice = Voice::new(shared.addresses.clone());
    let mut stays: Stays = None;
    let mut due = shared.now();
    loop {
        let think_us = shared.think_us;
        due = chapter.with(|book| match book.sessions.get_mut(place) {
            Some(session) => session.next_at(due, think_us),
            None => due,
        });
        // Who is behind is not to hurry for ever.
        due = due.max(Time(shared.now().0.saturating_sub(1_000_000)));
        while shared.now() < due && !chapter.is_quiet(shared.now()) {
            thread::sleep(Duration::from_micros(due.0.saturating_sub(shared.now().0)).min(NAP));
        }
        if chapter.is_quiet(shared.now()) {
            return;
        }
        let Some(turn) = turn(shared, chapter, place, stays) else {
            return;
        };
        let begun = shared.now();
        let at = Place {
            machine: turn.at,
            life: shared.world.life(turn.at),
        };
        let said = voice.say(turn.channel, at, &turn.ask, &turn.manner);
        stays = hear(shared, chapter, place, &turn, said, begun, stays);
    }
}

/// What the session asks next.
fn turn(shared: &Shared, chapter: &Chapter, place: usize, stays: Stays) -> Option<Turn> {
    chapter.with(|book| {
        let (replicas, sessions) = (book.terms.replicas, book.sessions.len());
        let session = book.sessions.get_mut(place)?;
        match stays {
            Some((machine, _)) => session.at = machine,
            None => {
                if session.dice.below(4) == 0 {
                    session.move_on(replicas);
                }
                for _ in 0..DRAWS_MAX {
                    if shared.world.state(session.at) != State::Away {
                        break;
                    }
                    session.move_on(replicas);
                }
            }
        }
        let ask = session.ask(sessions, &mut book.shared);
        let (mut copies, mut wait_us) = session.manner();
        let channel = match session.dice.below(20) {
            0..=9 => Channel::Wire,
            10..=15 => Channel::V1,
            _ => Channel::Kvs,
        };
        let token = match session.carries {
            true => session.token.clone(),
            false => Token::new(),
        };
        let at = session.at;
        let mut manner = Manner {
            prefix: chapter.prefix.clone(),
            token,
            copies,
            wait_us,
        };
        let channel = match channel {
            Channel::Kvs if super::forms::kvs(&ask, &manner).is_none() => Channel::V1,
            channel => channel,
        };
        if channel == Channel::Kvs {
            (copies, wait_us) = (Copies::Pushed, 0);
        }
        (manner.copies, manner.wait_us) = (copies, wait_us);
        book.note_ask(place, &ask);
        book.counts.asked += 1;
        Some(Turn {
            at,
            ask,
            manner,
            channel,
        })
    })
}

/// Judges an answer, and takes note of it. Says where the session stays.
fn hear(
    shared: &Shared,
    chapter: &Chapter,
    place: usize,
    turn: &Turn,
    said: Said,
    begun: Time,
    stays: Stays,
) -> Stays {
    let now = shared.now();
    let took_us = now.0.saturating_sub(begun.0);
    let calm = shared.world.calm(turn.at, begun);
    let came = came(&said.heard);
    let what = wrong(turn, &said, calm, took_us);
    let is_unmet = came == Came::Unmet;
    shared.tally(|tally| {
        tally.request(&turn.ask, turn.channel.name(), came);
        if let Some(what) = what {
            let Turn {
                at,
                ask,
                channel,
                manner,
            } = turn;
            let (channel, copies) = (channel.name(), manner.copies);
            tally.breaks(
                now,
                &format!("replica {at}, {channel}, session {place}, {ask:?} ({copies:?}): {what}"),
            );
        }
        let is_one = matches!(turn.manner.copies, Copies::One) || !turn.ask.is_write();
        match calm {
            _ if turn.manner.wait_us > 0 => {}
            Calm::Undisturbed => tally.took(Class::of(&turn.ask, turn.manner.copies), took_us),
            Calm::CutOff if is_one => tally.took(Class::CutOff, took_us),
            Calm::CutOff | Calm::No => {}
        }
        if let Some((machine, since)) = stays.filter(|_| came == Came::Answered) {
            tally.unmet_for(now.0.saturating_sub(since.0), machine);
        }
    });
    chapter.with(|book| {
        book.session_heard(place, &turn.ask, turn.manner.copies, (begun, now), said.heard);
        let session = book.sessions.get_mut(place)?;
        match stays {
            // One in two stays where it is told 503, to see how long.
            _ if !is_unmet => None,
            Some(stays) => Some(stays),
            None => (session.dice.below(2) == 0).then_some((turn.at, begun)),
        }
    })
}

fn came(heard: &Heard<crate::kv::Reply>) -> Came {
    match heard {
        Heard::Refused => Came::Refused,
        Heard::Broken => Came::Unknown,
        Heard::Reply { reply, .. } => match &reply.answer {
            Answer::Denied(Deny::Unmet { .. }) => Came::Unmet,
            Answer::Denied(Deny::TooFewCopies { .. } | Deny::Disk { .. }) => Came::Unknown,
            Answer::Denied(_) => Came::Denied,
            _ => Came::Answered,
        },
    }
}

/// What no client may be told.
fn wrong(turn: &Turn, said: &Said, calm: Calm, took_us: u64) -> Option<String> {
    if let Some(strange) = &said.strange {
        return Some(strange.clone());
    }
    let serves = calm != Calm::No;
    let awaits_others = turn.ask.is_write() && matches!(turn.manner.copies, Copies::Two | Copies::Majority);
    let deny = match &said.heard {
        Heard::Refused | Heard::Broken if serves => return Some(format!("it serves, and: {}", said.why)),
        Heard::Refused | Heard::Broken => return None,
        Heard::Reply { reply, .. } => match &reply.answer {
            Answer::Denied(deny) => Some(deny),
            _ => None,
        },
    };
    let is_wrong = match deny {
        None | Some(Deny::Unmet { .. } | Deny::Condition { .. }) => false,
        Some(Deny::TooFewCopies { .. }) => !awaits_others,
        Some(Deny::NoMember | Deny::Joining | Deny::Leaving | Deny::Disk { .. }) => serves,
        Some(
            Deny::Busy
            | Deny::WrongType { .. }
            | Deny::TooLarge { .. }
            | Deny::Malformed { .. }
            | Deny::NoSuchMember
            | Deny::Forbidden { .. },
        ) => true,
    };
    if is_wrong {
        return deny.map(|deny| format!("{deny:?}"));
    }
    let is_late = serves && !awaits_others && took_us > turn.manner.wait_us + AT_ONCE_US;
    let seconds = Duration::from_micros(took_us).as_secs_f64();
    is_late.then(|| format!("it serves, and answers after {seconds:.1} s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::VersionVector, kv::Reply, service::Last};

    fn turn(copies: Copies) -> Turn {
        Turn {
            at: MachineId(0),
            ask: Ask::Put {
                key: "r0".to_owned(),
                value: "1".to_owned(),
            },
            manner: Manner {
                prefix: "c1/".to_owned(),
                token: Token::new(),
                copies,
                wait_us: 1_000_000,
            },
            channel: Channel::Wire,
        }
    }

    fn said(answer: Answer) -> Said {
        let reply = Reply {
            token: Token::new(),
            released: Vec::new(),
            answer,
        };
        Said {
            heard: Heard::Reply {
                reply,
                last: Last::Yes,
            },
            strange: None,
            why: String::new(),
        }
    }

    fn is_wrong(copies: Copies, answer: Answer, calm: Calm, took_us: u64) -> bool {
        wrong(&turn(copies), &said(answer), calm, took_us).is_some()
    }

    #[test]
    fn what_clients_may_be_told_depends_on_how_the_replica_was() {
        let mark = VersionVector::new();
        let disk = || {
            Answer::Denied(Deny::Disk {
                why: "full".to_owned(),
            })
        };
        let late = AT_ONCE_US + 1_000_001;
        for (answer, calm, took_us, expected) in [
            (
                Answer::Denied(Deny::Unmet { missing: Vec::new() }),
                Calm::Undisturbed,
                0,
                false,
            ),
            (
                Answer::Denied(Deny::Condition { operation: 0, mark }),
                Calm::Undisturbed,
                0,
                false,
            ),
            (Answer::Denied(Deny::Joining), Calm::Undisturbed, 0, true),
            (Answer::Denied(Deny::Leaving), Calm::No, 0, false),
            (Answer::Denied(Deny::Busy), Calm::No, 0, true),
            (disk(), Calm::CutOff, 0, true),
            (disk(), Calm::No, 0, false),
            (Answer::NotFound, Calm::CutOff, late, true),
            (Answer::NotFound, Calm::CutOff, late - 1, false),
            (Answer::NotFound, Calm::No, late, false),
        ] {
            let said = format!("{answer:?}, {calm:?}, {took_us}");
            assert_eq!(is_wrong(Copies::One, answer, calm, took_us), expected, "{said}");
        }
        // Who waits for others may be late, and have too few.
        assert!(!is_wrong(
            Copies::Majority,
            Answer::NotFound,
            Calm::Undisturbed,
            late
        ));
        let refused = Said {
            heard: Heard::Refused,
            strange: None,
            why: "nobody listens".to_owned(),
        };
        assert!(wrong(&turn(Copies::One), &refused, Calm::Undisturbed, 0).is_some());
        assert!(wrong(&turn(Copies::One), &refused, Calm::No, 0).is_none());
    }
}
