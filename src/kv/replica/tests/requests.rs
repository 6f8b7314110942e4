//! What clients can ask, beside reading and writing one key.

use super::{
    super::held::{Held, Kind as HeldKind, Unkept},
    cluster::{BEGAN, Cluster, Disk, address, delete, put},
};
use crate::{
    clock::{Dot, Origin},
    kv::{
        Action, Answer, Change, Condition, Content, Copies, Deny, Done, Item, Key, MemberChange, Operation,
        Reply, Request, Token,
    },
    service::{Input, Last, Service as _, Ticket},
    trace::{Record, WallTime},
    units::MachineId,
};

#[test]
fn a_batch_is_done_whole_or_not_at_all() {
    let mut cluster = Cluster::new(2);
    let token = cluster.write(1, &Token::new(), put("a", "1"));
    let absent = Operation {
        condition: Condition::Absent,
        ..put("a", "2")
    };
    let write = |operations| Action::Write {
        operations,
        copies: Copies::One,
    };
    let known = cluster.known(1).clone();
    let reply = cluster.ask(1, &token, 0, write(vec![put("b", "1"), absent]));
    assert!(
        matches!(
            &reply.answer,
            Answer::Denied(Deny::Condition { operation: 1, .. })
        ),
        "{reply:?}"
    );
    assert_eq!(*cluster.known(1), known);
    assert_eq!(cluster.see(1, "b"), None);
    let reply = cluster.ask(
        1,
        &token,
        0,
        write(vec![put("b", "1"), put("c", "1"), delete("a")]),
    );
    assert!(matches!(&reply.answer, Answer::Written { done, .. } if done.len() == 3));
    cluster.run(10);
    assert_eq!(cluster.see(2, "c").as_deref(), Some("1"));
    assert_eq!(cluster.see(2, "a"), None);
}

#[test]
fn a_mark_is_good_for_one_change() {
    let mut cluster = Cluster::new(2);
    cluster.write(1, &Token::new(), put("k", "1"));
    let Answer::Found(item) = cluster.get(1, &Token::new(), "k").answer else {
        panic!()
    };
    let unchanged = |text| Operation {
        condition: Condition::Unchanged(item.mark.clone()),
        ..put("k", text)
    };
    let reply = cluster.write_with(1, &Token::new(), unchanged("2"), Copies::One);
    assert!(matches!(reply.answer, Answer::Written { .. }));
    let reply = cluster.write_with(1, &Token::new(), unchanged("3"), Copies::One);
    assert!(matches!(reply.answer, Answer::Denied(Deny::Condition { .. })));
}

#[test]
fn values_end_when_their_time_is_over() {
    let mut cluster = Cluster::new(2);
    let brief = Operation {
        lasts_us: Some(500_000),
        ..put("k", "1")
    };
    cluster.write(1, &Token::new(), brief);
    cluster.run(100);
    assert_eq!(cluster.see(2, "k").as_deref(), Some("1"));
    cluster.run(1000);
    assert_eq!(cluster.see(2, "k"), None);
    cluster.run(2000);
    assert_eq!(cluster.status(2).tombstones, 0);
}

#[test]
fn a_scan_pages_through_the_keys_of_a_prefix() {
    let mut cluster = Cluster::new(1);
    for number in 0..25 {
        cluster.write(1, &Token::new(), put(&format!("p{number:02}"), "1"));
    }
    cluster.write(1, &Token::new(), put("q", "1"));
    let (mut after, mut keys) = (None, Vec::new());
    loop {
        let action = Action::Scan {
            prefix: b"p".as_slice().into(),
            after,
            limit: 10,
        };
        let reply = cluster.ask(1, &Token::new(), 0, action);
        let Answer::Scanned { items, next } = reply.answer else {
            panic!("{reply:?}")
        };
        keys.extend(items.into_iter().map(|(key, _)| key));
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(keys.len(), 25);
    assert!(keys.is_sorted());
    let none = Action::Scan {
        prefix: Box::default(),
        after: None,
        limit: 0,
    };
    let reply = cluster.ask(1, &Token::new(), 0, none);
    assert!(matches!(reply.answer, Answer::Denied(Deny::Malformed { .. })));
}

#[test]
fn a_watch_is_told_in_causal_order_and_goes_on_where_it_was() {
    let mut cluster = Cluster::new(2);
    let watch = |after| Action::Watch {
        prefix: b"w".as_slice().into(),
        after,
    };
    let ticket = cluster.submit(2, &Token::new(), 0, watch(None));
    let mut token = Token::new();
    for number in 0..10 {
        token = cluster.write(
            1 + number % 2,
            &token,
            put(&format!("w{number}"), &number.to_string()),
        );
        cluster.write(1, &Token::new(), put("other", "1"));
        cluster.run(5);
    }
    let told = |cluster: &Cluster, ticket| -> Vec<(u64, String)> {
        let replies = cluster.replies.get(&ticket).into_iter().flatten();
        replies
            .map(|(reply, last)| match &reply.answer {
                Answer::Changed(watched) if *last == Last::No => {
                    let key = &watched.changes[0].0;
                    (watched.position, String::from_utf8(key.to_vec()).unwrap())
                }
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let all = told(&cluster, ticket);
    let keys: Vec<&str> = all.iter().map(|(_, key)| key.as_str()).collect();
    assert_eq!(keys, ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9"]);
    assert!(all.is_sorted());
    let again = cluster.submit(2, &Token::new(), 0, watch(Some(all[4].0)));
    cluster.run(5);
    assert_eq!(told(&cluster, again), all[5..]);
    cluster.give(2, Input::Cancelled { ticket });
    cluster.write(1, &Token::new(), put("w", "1"));
    cluster.run(10);
    assert_eq!(told(&cluster, ticket).len(), 10, "it has gone");
    assert_eq!(told(&cluster, again).len(), 6);
    let reply = cluster.ask(2, &Token::new(), 0, watch(Some(3)));
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Malformed { .. })),
        "{reply:?}"
    );
}

#[test]
fn what_a_watch_may_go_back_to_is_bounded_in_bytes() {
    let mut cluster = Cluster::empty();
    cluster.configure(1, Some(&[1])).history_bytes_max = 100_000;
    cluster.start(1);
    cluster.run(10);
    let watch = |after| Action::Watch {
        prefix: b"w".as_slice().into(),
        after,
    };
    let (mut positions, large) = (Vec::new(), "x".repeat(20_000));
    let ticket = cluster.submit(1, &Token::new(), 0, watch(None));
    for number in 0..10 {
        cluster.write(1, &Token::new(), put(&format!("w{number}"), &large));
        cluster.run(5);
    }
    for (reply, _) in cluster.replies.get(&ticket).into_iter().flatten() {
        let Answer::Changed(watched) = &reply.answer else {
            panic!("{reply:?}");
        };
        positions.push(watched.position);
    }
    assert_eq!(positions.len(), 10, "who watches is told of all of it");
    // Four of 20,000 bytes and what they weigh beside fit.
    let again = cluster.submit(1, &Token::new(), 0, watch(Some(positions[6])));
    cluster.run(5);
    assert_eq!(cluster.replies.get(&again).map(Vec::len), Some(3));
    let reply = cluster.ask(1, &Token::new(), 0, watch(Some(positions[3])));
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Malformed { .. })),
        "{reply:?}"
    );
}

#[test]
fn a_wall_clock_that_was_set_is_followed() {
    let mut cluster = Cluster::new(1);
    let hour_us = 3_600_000_000;
    let lasting = Operation {
        lasts_us: Some(hour_us),
        ..put("k", "1")
    };
    cluster.write(1, &Token::new(), lasting);
    assert_eq!(cluster.see(1, "k").as_deref(), Some("1"));
    // The computer slept for an hour.
    let wall = cluster.wall();
    let later = WallTime(wall.0 + i64::try_from(hour_us).unwrap());
    cluster.give(1, Input::WallClock { wall: later });
    assert_eq!(cluster.see(1, "k"), None);
    // It is set back: what a session has seen end does not come back.
    cluster.give(1, Input::WallClock { wall });
    assert_eq!(cluster.see(1, "k"), None);
}

#[test]
fn why_says_what_is_waited_for_and_who_has_it() {
    let mut cluster = Cluster::new(3);
    cluster.cut(1, 3);
    let token = cluster.write(1, &Token::new(), put("cause", "1"));
    cluster.run(10);
    let token2 = cluster.write(2, &token, put("k", "1"));
    cluster.run(300);
    let key = b"k".as_slice().into();
    let Answer::Why(why) = cluster.ask(3, &token2, 0, Action::Why { key }).answer else {
        panic!()
    };
    assert!(why.present.is_empty());
    assert_eq!(why.buffered.len(), 1);
    let (dot, lacks) = &why.buffered[0];
    assert!(token2.contains(*dot));
    assert!(
        token.contains(lacks[0].dot) && lacks[0].seen_by.iter().any(|id| id.0 == 2),
        "{lacks:?}"
    );
    assert_eq!(why.unmet.len(), 1);
    // Of all keys: what waits first.
    let key = crate::kv::Key::default();
    let Answer::Why(all) = cluster.ask(3, &token2, 0, Action::Why { key }).answer else {
        panic!()
    };
    assert_eq!((&all.buffered, &all.unmet), (&why.buffered, &why.unmet));
    assert!(all.present.is_empty());
}

#[test]
fn only_so_many_wait() {
    let mut cluster = Cluster::empty();
    cluster.configure(1, Some(&[1])).waiting_max = 3;
    cluster.configure(2, Some(&[2]));
    cluster.start(1);
    cluster.start(2);
    cluster.run(10);
    let token = cluster.write(2, &Token::new(), put("k", "1"));
    let key: Box<[u8]> = b"k".as_slice().into();
    let tickets: Vec<_> = (0..5)
        .map(|_| cluster.submit(1, &token, 1000, Action::Get { key: key.clone() }))
        .collect();
    let is_busy = |reply: &crate::kv::Reply| matches!(reply.answer, Answer::Denied(Deny::Busy));
    assert_eq!(
        tickets
            .iter()
            .filter(|ticket| cluster.answer(**ticket).is_some_and(is_busy))
            .count(),
        2
    );
    cluster.give(1, Input::Cancelled { ticket: tickets[0] });
    cluster.run(1500);
    assert_eq!(cluster.answer(tickets[0]), None);
    for ticket in &tickets[1..3] {
        let reply = cluster.answer(*ticket).unwrap();
        assert!(
            matches!(reply.answer, Answer::Denied(Deny::Unmet { .. })),
            "{reply:?}"
        );
    }
    assert_eq!(cluster.status(1).waiting, 0);
}

#[test]
fn so_many_bytes_wait_and_no_more() {
    let mut cluster = Cluster::empty();
    cluster.configure(1, Some(&[1])).waiting_bytes_max = 50_000;
    cluster.configure(2, Some(&[2]));
    cluster.start(1);
    cluster.start(2);
    cluster.run(10);
    let token = cluster.write(2, &Token::new(), put("k", "1"));
    let write = |text: &str| Action::Write {
        operations: vec![put("large", text)],
        copies: Copies::One,
    };
    let large = "x".repeat(20_000);
    let tickets: Vec<_> = (0..4)
        .map(|_| cluster.submit(1, &token, 1000, write(&large)))
        .collect();
    let is_busy = |reply: &Reply| matches!(reply.answer, Answer::Denied(Deny::Busy));
    let busy = |cluster: &Cluster, ticket| cluster.answer(ticket).is_some_and(is_busy);
    let all: Vec<bool> = tickets.iter().map(|ticket| busy(&cluster, *ticket)).collect();
    assert_eq!(all, [false, false, true, true]);
    // Who goes makes room.
    cluster.give(1, Input::Cancelled { ticket: tickets[0] });
    let next = cluster.submit(1, &token, 1000, write(&large));
    assert!(!busy(&cluster, next));
    let last = cluster.submit(1, &token, 1000, write(&large));
    assert!(busy(&cluster, last));
}

#[test]
fn tokens_take_room_like_what_is_asked_and_answered() {
    let mut cluster = Cluster::empty();
    cluster.configure(1, Some(&[1])).waiting_bytes_max = 50_000;
    cluster.start(1);
    cluster.run(10);
    // Of a thousand lives each.
    let origins = (1..=1000).map(|incarnation| Origin {
        machine: MachineId(7),
        incarnation,
    });
    let token: Token = origins.map(|origin| (origin, 1)).collect();
    let key: Key = b"k".as_slice().into();
    let get = || Action::Get { key: key.clone() };
    let tickets: Vec<_> = (0..4).map(|_| cluster.submit(1, &token, 1000, get())).collect();
    let is_busy = |ticket: &Ticket| {
        let reply = cluster.answer(*ticket);
        reply.is_some_and(|reply| matches!(reply.answer, Answer::Denied(Deny::Busy)))
    };
    let busy: Vec<bool> = tickets.iter().map(is_busy).collect();
    assert_eq!(busy, [false, false, false, true], "16 bytes an entry");

    // An answer that the disk holds back.
    let mut held = Held::default();
    let mut sizes = vec![held.bytes()];
    let replies = [
        (Token::new(), Vec::new()),
        (token.clone(), Vec::new()),
        (
            Token::new(),
            token
                .iter()
                .map(|(origin, number)| Dot::new(origin, number))
                .collect(),
        ),
    ];
    for (token, released) in replies {
        held.until_kept(Unkept {
            number: 1,
            ticket: Ticket(1),
            kind: HeldKind::Read,
            reply: Reply {
                token,
                released,
                answer: Answer::NotFound,
            },
            then: None,
        });
        sizes.push(held.bytes());
    }
    let grown: Vec<usize> = sizes.windows(2).map(|two| two[1] - two[0]).collect();
    assert!((100..1000).contains(&grown[0]), "its own size: {grown:?}");
    assert!(grown[1] > 16_000 && grown[2] > 16_000, "{grown:?}");
    while held.next_kept(1).is_some() {}
    assert_eq!(held.bytes(), 0);
}

#[test]
fn no_connection_takes_the_room_of_others() {
    let mut cluster = Cluster::empty();
    cluster.configure(1, Some(&[1])).waiting_seat_max = 2;
    cluster.configure(2, Some(&[2]));
    cluster.start(1);
    cluster.start(2);
    cluster.run(10);
    let token = cluster.write(2, &Token::new(), put("k", "1"));
    let mut waits = |seat, number| {
        let ticket = Ticket::of(seat, number);
        let request = Request {
            token: token.clone(),
            wait_us: 1_000_000,
            action: Action::Get {
                key: b"k".as_slice().into(),
            },
        };
        cluster.give(1, Input::Request { ticket, request });
        cluster.answer(ticket).is_none()
    };
    assert_eq!([1, 2, 3].map(|number| waits(7, number)), [true, true, false]);
    assert!(waits(8, 1), "another's room is its own");
    assert!(
        (0..9).all(|number| waits(Ticket::DESK, number)),
        "HTTP has bounds of its own"
    );
}

#[test]
fn no_connection_takes_the_watches_of_others() {
    let mut cluster = Cluster::empty();
    let config = cluster.configure(1, Some(&[1]));
    (config.waiting_max, config.waiting_seat_max) = (5, 2);
    cluster.start(1);
    cluster.run(10);
    let watches = |cluster: &mut Cluster, seat, number| {
        let ticket = Ticket::of(seat, number);
        let request = Request {
            token: Token::new(),
            wait_us: 0,
            action: Action::Watch {
                prefix: Box::default(),
                after: None,
            },
        };
        cluster.give(1, Input::Request { ticket, request });
        match cluster.answer(ticket).map(|reply| &reply.answer) {
            None => true,
            Some(Answer::Denied(Deny::Busy)) => false,
            Some(other) => panic!("{other:?}"),
        }
    };
    assert!(
        (0..9).all(|number| watches(&mut cluster, Ticket::DESK, number)),
        "HTTP has bounds of its own"
    );
    let seats = [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (2, 1), (3, 1)];
    let room = seats.map(|(seat, number)| watches(&mut cluster, seat, number));
    assert_eq!(room, [true, true, false, true, true, false, true, false]);
    // Who goes makes room.
    let ticket = Ticket::of(1, 1);
    cluster.give(1, Input::Cancelled { ticket });
    assert!(watches(&mut cluster, 1, 4) && !watches(&mut cluster, 1, 5));
}

#[test]
fn what_waits_and_what_goes_on_can_be_judged_again() {
    let mut cluster = Cluster::new(2);
    cluster.isolate(1);
    let unmet = cluster.write(1, &Token::new(), put("k", "1"));
    let write = Action::Write {
        operations: vec![put("app/k", "2")],
        copies: Copies::One,
    };
    let prefix: Box<[u8]> = b"app/".as_slice().into();
    let watch = Action::Watch { prefix, after: None };
    let wanted = [(unmet.clone(), write), (Token::new(), watch)];
    let tickets = wanted
        .clone()
        .map(|(token, action)| cluster.submit(2, &token, 20_000, action));
    cluster.write(2, &Token::new(), put("done", "1"));
    let open = |cluster: &Cluster| {
        let mut open = Vec::new();
        cluster.machines[&2]
            .replica
            .open_requests(&mut |ticket, request| open.push((ticket, request.clone())));
        open
    };
    let found = open(&cluster);
    assert_eq!(
        found.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(),
        tickets
    );
    assert_eq!(found[0].1.token, unmet);
    assert_eq!(found[0].1.action, wanted[0].1);
    assert!(matches!(&found[1].1.action, Action::Watch { prefix, .. } if &**prefix == b"app/"));
    // Who may not go on is cancelled: what waited is never done.
    for ticket in tickets {
        cluster.give(2, Input::Cancelled { ticket });
    }
    assert!(open(&cluster).is_empty());
    cluster.mend_all();
    cluster.run(5000);
    assert_eq!(cluster.see(2, "k").as_deref(), Some("1"));
    assert_eq!(cluster.see(2, "app/k"), None);
    assert!(tickets.iter().all(|ticket| cluster.answer(*ticket).is_none()));
}

#[test]
fn who_stops_says_so_to_those_who_wait_and_writes_its_last_words() {
    let mut cluster = Cluster::new(2);
    cluster.isolate(1);
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    let key = b"k".as_slice().into();
    let waiting = cluster.submit(2, &token, 20_000, Action::Get { key });
    let prefix = Box::default();
    let watch = cluster.submit(2, &Token::new(), 0, Action::Watch { prefix, after: None });
    cluster.run(3010);
    // It began with the cluster, however often the wall clock was read since.
    let wall = cluster.wall();
    cluster.give(2, Input::WallClock { wall });
    cluster.stop(2);
    for ticket in [waiting, watch] {
        let reply = cluster.answer(ticket).unwrap();
        assert!(matches!(reply.answer, Answer::Denied(Deny::Leaving)), "{reply:?}");
    }
    let records = &cluster.machines[&2].records;
    let [.., Record::Data(_), Record::Ended(footer)] = records.as_slice() else {
        panic!("{:?}", records.last())
    };
    let events = records.iter().filter(|record| matches!(record, Record::Event(_)));
    assert_eq!(footer.ticks, events.count() as u64);
    assert_eq!(footer.ticking_us, Some(cluster.now.0 - BEGAN.0));
}

#[test]
fn a_denial_tells_what_is_on_the_disk_and_in_the_token() {
    let mut cluster = Cluster::new(2);
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Stalls;
    let write = |operation| Action::Write {
        operations: vec![operation],
        copies: Copies::One,
    };
    cluster.submit(1, &Token::new(), 0, write(put("k", "1")));
    cluster.run(5);
    let absent = Operation {
        condition: Condition::Absent,
        ..put("k", "2")
    };
    let add = Operation {
        change: Change::Add(1),
        ..put("k", "")
    };
    let tickets = [absent, add].map(|operation| cluster.submit(1, &Token::new(), 0, write(operation)));
    cluster.run(5);
    assert!(
        tickets.iter().all(|ticket| cluster.answer(*ticket).is_none()),
        "it is not kept"
    );
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Works;
    cluster.run(5);
    for ticket in tickets {
        let reply = cluster.answer(ticket).unwrap();
        let deny = &reply.answer;
        assert!(
            matches!(
                deny,
                Answer::Denied(Deny::Condition { .. } | Deny::WrongType { .. })
            ),
            "{reply:?}"
        );
        assert_eq!(reply.token, *cluster.known(1));
    }
}

#[test]
fn nothing_to_do_within_a_batch_is_depended_on() {
    let mut cluster = Cluster::new(3);
    cluster.cut(2, 3);
    let token = cluster.write(2, &Token::new(), put("b", "1"));
    cluster.write(2, &token, delete("b"));
    cluster.run(10);
    let both = Action::Write {
        operations: vec![put("a", "1"), delete("b")],
        copies: Copies::One,
    };
    let reply = cluster.ask(1, &Token::new(), 0, both);
    assert!(
        matches!(&reply.answer, Answer::Written { done, .. } if done[1] == Done::Nothing),
        "{reply:?}"
    );
    cluster.run(300);
    assert_eq!(
        cluster.see(3, "a"),
        None,
        "what says that `b` was deleted is not there"
    );
    cluster.run(5000);
    assert_eq!(cluster.see(3, "a").as_deref(), Some("1"));
    cluster.assert_converged();
}

#[test]
fn a_watch_is_told_of_what_an_adopted_state_took_away() {
    let mut cluster = Cluster::new(3);
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    cluster.run(100);
    let prefix = b"k".as_slice().into();
    let watch = cluster.submit(3, &Token::new(), 0, Action::Watch { prefix, after: None });
    let id = MachineId(3);
    cluster.change(1, MemberChange::Drain { id });
    cluster.run(3000);
    let deleted = cluster.write(1, &token, delete("k"));
    cluster.run(5000);
    assert_eq!(cluster.status(1).tombstones, 0, "nothing is left of it");
    cluster.change(
        1,
        MemberChange::Add {
            id,
            address: address(3),
        },
    );
    cluster.run(5000);
    assert_eq!(cluster.see(3, "k"), None);
    let reply = cluster.answer(watch).expect("it is told");
    let Answer::Changed(watched) = &reply.answer else {
        panic!("{reply:?}")
    };
    assert_eq!(watched.changes, [(b"k".as_slice().into(), None)]);
    assert!(reply.token.covers(&deleted), "{}", reply.token);
}

#[test]
fn a_watch_is_told_only_of_states_that_were_kept() {
    let mut cluster = Cluster::new(1);
    let prefix = Box::default();
    let watch = cluster.submit(1, &Token::new(), 0, Action::Watch { prefix, after: None });
    let write = |cluster: &mut Cluster, key, text| {
        let operations = vec![put(key, text)];
        let copies = Copies::One;
        cluster.submit(1, &Token::new(), 0, Action::Write { operations, copies });
    };
    // Of each telling the changes.
    let told = |cluster: &Cluster| -> Vec<Vec<(String, String)>> {
        let replies = cluster.replies.get(&watch).into_iter().flatten();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let change = |(key, item): &(Key, Option<Item>)| match item.as_ref().map(|item| &item.content) {
            Some(Content::Values(values)) => (text(key), text(&values[0].bytes)),
            other => panic!("{other:?}"),
        };
        replies
            .map(|(reply, _)| match &reply.answer {
                Answer::Changed(watched) => watched.changes.iter().map(change).collect(),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    let pair = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    write(&mut cluster, "k", "1");
    cluster.run(1);
    assert_eq!(told(&cluster), Vec::<Vec<_>>::new());
    // This one is here and not on the disk when the one before is.
    write(&mut cluster, "k", "2");
    cluster.run(1);
    assert_eq!(told(&cluster), [[pair("k", "1")]]);
    cluster.run(1);
    assert_eq!(told(&cluster), [[pair("k", "1")], [pair("k", "2")]]);
    // `b` depends on an `a`, and the newest `a` on `b`: none of them is told before the other. `c` depends on both.
    write(&mut cluster, "a", "1");
    write(&mut cluster, "b", "1");
    write(&mut cluster, "a", "2");
    write(&mut cluster, "c", "1");
    cluster.run(5);
    let together = vec![pair("b", "1"), pair("a", "2")];
    assert_eq!(told(&cluster)[2..], [together, vec![pair("c", "1")]]);
    // Who comes later is told of the newest of what lies behind.
    let Some((Reply { answer, .. }, _)) = cluster.replies[&watch].first() else {
        panic!()
    };
    let Answer::Changed(first) = answer else { panic!() };
    let (prefix, after) = (Box::default(), Some(first.position));
    let again = cluster.submit(1, &Token::new(), 0, Action::Watch { prefix, after });
    cluster.run(5);
    assert_eq!(cluster.replies[&again], cluster.replies[&watch][1..]);
}
