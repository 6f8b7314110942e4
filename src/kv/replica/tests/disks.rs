//! Disks: nothing is answered before it is kept, and what was kept is there again.

use super::cluster::{Cluster, Disk, put};
use crate::{
    clock::Origin,
    kv::{Action, Answer, Copies, Deny, DiskRule, MemberChange, Token},
    units::MachineId,
};

#[test]
fn nothing_is_answered_before_it_is_on_the_disk() {
    let mut cluster = Cluster::new(2);
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Stalls;
    let operations = vec![put("k", "1")];
    let copies = Copies::One;
    let write = cluster.submit(1, &Token::new(), 0, Action::Write { operations, copies });
    cluster.run(50);
    assert_eq!(cluster.answer(write), None);
    let key: Box<[u8]> = b"k".as_slice().into();
    let read = cluster.submit(1, &Token::new(), 0, Action::Get { key });
    cluster.run(50);
    assert_eq!(cluster.answer(read), None, "what it names is not kept");
    let key: Box<[u8]> = b"other".as_slice().into();
    let other = cluster.submit(1, &Token::new(), 0, Action::Get { key });
    assert!(cluster.answer(other).is_some(), "this one names nothing");
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Works;
    cluster.run(2);
    assert!(cluster.answer(write).is_some() && cluster.answer(read).is_some());
}

#[test]
fn what_nobody_waits_for_gathers_until_somebody_asks() {
    let mut cluster = Cluster::new(2);
    cluster.run(1000);
    cluster.machines.get_mut(&2).unwrap().disk = Disk::Stalls;
    let appends = |cluster: &Cluster| cluster.machines[&2].appends.len();
    assert_eq!(appends(&cluster), 0);
    for _ in 0..2 {
        cluster.write(1, &Token::new(), put("k", "1"));
    }
    assert_eq!(appends(&cluster), 0, "it has been there for a few milliseconds");
    cluster.run(22);
    assert_eq!(appends(&cluster), 1, "all of it at once");
    cluster.write(1, &Token::new(), put("k", "2"));
    assert_eq!(appends(&cluster), 1);
    let key: Box<[u8]> = b"k".as_slice().into();
    let read = cluster.submit(2, &Token::new(), 0, Action::Get { key });
    cluster.run(1);
    assert_eq!(appends(&cluster), 2, "a read waits for it");
    assert_eq!(cluster.answer(read), None);
    cluster.machines.get_mut(&2).unwrap().disk = Disk::Works;
    cluster.run(2);
    assert!(cluster.answer(read).is_some());
    // So does a peer that wants to know that it is on the disk.
    let before = cluster.now.0;
    cluster.write_with(1, &Token::new(), put("k", "3"), Copies::Two);
    assert!(cluster.now.0 - before < 5000, "{}", cluster.now.0 - before);
}

#[test]
fn a_disk_that_is_written_behind_keeps_nobody_waiting() {
    for rule in [DiskRule::Behind, DiskRule::Nowhere] {
        let mut cluster = Cluster::empty();
        for id in 1..=2 {
            cluster.configure(id, Some(&[1, 2])).disk = rule;
            cluster.start(id);
        }
        cluster.run(3000);
        for id in 1..=2 {
            cluster.machines.get_mut(&id).unwrap().disk = Disk::Stalls;
        }
        let reply = cluster.write_with(1, &Token::new(), put("k", "1"), Copies::Majority);
        assert!(
            matches!(reply.answer, Answer::Written { dot: Some(_), .. }),
            "{reply:?}"
        );
        assert_eq!(cluster.see(2, "k").as_deref(), Some("1"));
        cluster.run(150);
        for id in 1..=2 {
            let appends = &cluster.machines[&id].appends;
            let entries = appends
                .iter()
                .flat_map(|(_, rows)| rows)
                .filter(|row| row.table == 1);
            let expected = usize::from(rule == DiskRule::Behind);
            assert_eq!(entries.count(), expected, "machine {id}, {rule:?}");
        }
    }
}

#[test]
fn what_was_answered_is_there_after_a_kill() {
    let mut cluster = Cluster::new(3);
    let mut token = Token::new();
    for number in 0..20 {
        token = cluster.write(1, &token, put(&format!("k{number}"), "1"));
    }
    let life = cluster.origin(1);
    for id in 1..=3 {
        cluster.kill(id);
    }
    cluster.start(1);
    cluster.run(20);
    assert_ne!(cluster.origin(1), life, "a further life");
    assert!(cluster.known(1).covers(&token));
    assert_eq!(
        cluster.see(1, "k19").as_deref(),
        Some("1"),
        "it serves, alone as it is"
    );
    cluster.start(2);
    cluster.start(3);
    cluster.run(4000);
    cluster.assert_converged();
}

#[test]
fn one_that_lost_its_disk_gets_everything_back_before_it_serves() {
    let mut cluster = Cluster::new(3);
    for number in 0..200 {
        cluster.write(1 + number % 3, &Token::new(), put(&format!("k{number}"), "1"));
    }
    cluster.run(1000);
    cluster.kill(2);
    cluster.lose_disk(2);
    cluster.run(500);
    cluster.start(2);
    let key: Box<[u8]> = b"k100".as_slice().into();
    let reply = cluster.ask(2, &Token::new(), 0, Action::Get { key: key.clone() });
    assert!(matches!(reply.answer, Answer::Denied(Deny::Joining)), "{reply:?}");
    let before = cluster.now.0;
    let reply = cluster.ask(2, &Token::new(), 8000, Action::Get { key });
    assert!(matches!(reply.answer, Answer::Found(_)), "{reply:?}");
    assert!(cluster.now.0 - before < 1_000_000, "{}", cluster.now.0 - before);
    cluster.run(1000);
    cluster.assert_converged();
    // Its writes have names of their own.
    cluster.write(2, &Token::new(), put("k", "new"));
    cluster.run(100);
    cluster.assert_converged();
}

#[test]
fn a_full_disk_stops_writes_and_nothing_else() {
    let mut cluster = Cluster::new(3);
    cluster.write(1, &Token::new(), put("k", "1"));
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Fails;
    let reply = cluster.write_with(1, &Token::new(), put("k", "2"), Copies::One);
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Disk { .. })),
        "indefinite: {reply:?}"
    );
    let known = cluster.known(1).clone();
    let reply = cluster.write_with(1, &Token::new(), put("k", "3"), Copies::One);
    assert!(matches!(&reply.answer, Answer::Denied(Deny::Disk { why }) if why == "no space left"));
    assert_eq!(*cluster.known(1), known, "definite: not written");
    cluster.write(2, &Token::new(), put("other", "1"));
    cluster.run(500);
    assert_eq!(
        cluster.see(1, "other").as_deref(),
        Some("1"),
        "reads go on: it is on another disk"
    );
    assert_eq!(cluster.status(1).disk_trouble.as_deref(), Some("no space left"));
}

#[test]
fn copies_are_counted_on_disks() {
    let mut cluster = Cluster::new(3);
    cluster.machines.get_mut(&2).unwrap().disk = Disk::Stalls;
    cluster.machines.get_mut(&3).unwrap().disk = Disk::Stalls;
    for copies in [Copies::Two, Copies::Majority] {
        let reply = cluster.write_with(1, &Token::new(), put("k", "1"), copies);
        assert!(
            matches!(
                &reply.answer,
                Answer::Denied(Deny::TooFewCopies { have: 1, want: 2, .. })
            ),
            "{reply:?}"
        );
    }
    assert_eq!(
        cluster.see(1, "k").as_deref(),
        Some("1"),
        "it is here all the same"
    );
    cluster.machines.get_mut(&2).unwrap().disk = Disk::Works;
    for copies in [Copies::Two, Copies::Majority] {
        let before = cluster.now.0;
        let reply = cluster.write_with(1, &Token::new(), put("k", "2"), copies);
        assert!(matches!(reply.answer, Answer::Written { .. }), "{reply:?}");
        assert!(cluster.now.0 - before < 20_000);
    }
    cluster.isolate(1);
    cluster.run(4000);
    let reply = cluster.write_with(1, &Token::new(), put("k", "3"), Copies::Majority);
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::TooFewCopies { .. })),
        "{reply:?}"
    );
}

#[test]
fn who_waits_for_another_disk_is_told_at_once() {
    let mut cluster = Cluster::new(3);
    cluster.machines.get_mut(&3).unwrap().disk = Disk::Stalls;
    let submit = |cluster: &mut Cluster, id, key: &str, copies| {
        let operations = vec![put(key, "1")];
        cluster.submit(id, &Token::new(), 5000, Action::Write { operations, copies })
    };
    // Others' writes come all the time, and are never all on the disk.
    for start in 0..5 {
        let mut late = None;
        let mut write = None;
        for number in 0..60 {
            submit(&mut cluster, 3, &format!("k{start}-{number}"), Copies::One);
            if number == 10 + start {
                write = Some(submit(&mut cluster, 1, "two", Copies::Two));
            }
            cluster.run(1);
            let is_answered = write.is_some_and(|write| cluster.answer(write).is_some());
            if is_answered && late.is_none() {
                late = Some(number - 10 - start);
            }
        }
        assert!(late.is_some_and(|late| late <= 6), "{late:?}");
    }
    // Nor is it forgotten because a heartbeat came while the disk was busy.
    for busy_ms in [250, 310, 370] {
        cluster.machines.get_mut(&2).unwrap().disk = Disk::Stalls;
        let write = submit(&mut cluster, 1, "two", Copies::Two);
        cluster.run(busy_ms);
        assert_eq!(cluster.answer(write), None);
        cluster.machines.get_mut(&2).unwrap().disk = Disk::Works;
        cluster.run(6);
        assert!(cluster.answer(write).is_some(), "after {busy_ms} ms");
    }
}

#[test]
fn a_change_of_members_needs_the_disk() {
    let mut cluster = Cluster::new(3);
    let remove = |id| MemberChange::Remove { id: MachineId(id) };
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Stalls;
    let change = Action::Change(remove(3));
    let held = cluster.submit(1, &Token::new(), 0, change);
    cluster.run(20);
    assert_eq!(cluster.answer(held), None);
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Fails;
    cluster.run(5);
    let reply = cluster.answer(held).unwrap();
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Disk { .. })),
        "{reply:?}"
    );
    let answer = cluster.change(1, remove(2));
    assert!(matches!(answer, Answer::Denied(Deny::Disk { .. })), "{answer:?}");
    assert!(cluster.status(1).disk_trouble.is_some());
}

#[test]
fn what_only_a_lost_disk_had_is_let_go_and_said_so() {
    let mut cluster = Cluster::new(3);
    cluster.isolate(1);
    let token = cluster.write(1, &Token::new(), put("k", "lost"));
    cluster.kill(1);
    cluster.lose_disk(1);
    cluster.mend_all();
    cluster.start(1);
    cluster.run(1000);
    let reply = cluster.get(2, &token, "k");
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Unmet { .. })),
        "not so fast: {reply:?}"
    );
    let key: Box<[u8]> = b"k".as_slice().into();
    let reply = cluster.ask(2, &token, 15_000, Action::Get { key });
    assert!(matches!(reply.answer, Answer::NotFound), "{reply:?}");
    assert_eq!(reply.released.len(), 1);
    assert!(token.contains(reply.released[0]));
    assert!(
        !reply.token.contains(reply.released[0]),
        "the session goes on without it"
    );
    cluster.assert_converged();
}

#[test]
fn absurd_tokens_wedge_nobody() {
    let mut cluster = Cluster::new(3);
    let own = cluster.origin(1);
    let stranger = Origin {
        machine: MachineId(77),
        incarnation: 3,
    };
    let future = Origin {
        incarnation: u32::MAX,
        ..own
    };
    for origin in [own, future, stranger] {
        let token: Token = [(origin, u64::MAX)].into_iter().collect();
        let reply = cluster.write_with(2, &token, put("k", "1"), Copies::Pushed);
        let is_unmet = matches!(reply.answer, Answer::Denied(Deny::Unmet { .. }));
        assert!(is_unmet, "{reply:?}");
        let key = b"k".as_slice().into();
        let waiting = cluster.submit(1, &token, 3000, Action::Get { key });
        cluster.see(1, "k");
        cluster.run(3500);
        assert!(cluster.answer(waiting).is_some());
        for id in 1..=3 {
            assert_eq!(cluster.known(id).get(stranger), 0);
        }
    }
    cluster.write_with(2, &Token::new(), put("k", "1"), Copies::Pushed);
    cluster.assert_converged();
    assert_eq!(cluster.status(1).waiting, 0);
}

#[test]
fn a_disk_that_hangs_is_given_little_and_refuses_in_time() {
    let mut cluster = Cluster::new(2);
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Stalls;
    let large = "x".repeat(100_000);
    let mut writes = Vec::new();
    let mut refused = 0;
    for number in 0..600 {
        let id = 1 + number % 2;
        // Remote writes go the same way, and are never refused.
        let operations = vec![put(&format!("k{id}-{number}"), &large)];
        let copies = Copies::One;
        let write = cluster.submit(id, &Token::new(), 0, Action::Write { operations, copies });
        match cluster.answer(write).map(|reply| &reply.answer) {
            Some(Answer::Denied(Deny::Busy)) if id == 1 => refused += 1,
            None => writes.push(write),
            other => panic!("{other:?}"),
        }
        cluster.run(2);
        let machine = &cluster.machines[&1];
        assert!(machine.appends.len() <= 4, "{} appends", machine.appends.len());
    }
    assert!(refused > 100, "{refused}");
    assert!(writes.len() > 350, "{}", writes.len());
    assert_eq!(cluster.status(1).disk_trouble, None);
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Works;
    cluster.run(5000);
    for write in writes {
        let reply = cluster.answer(write).unwrap();
        assert!(matches!(reply.answer, Answer::Written { .. }), "{reply:?}");
    }
    cluster.write(1, &Token::new(), put("again", "1"));
    cluster.run(20);
    cluster.assert_converged();
    // What was gathered is on the disk.
    let before = cluster.known(1).clone();
    cluster.kill(1);
    cluster.start(1);
    assert_eq!(*cluster.known(1), before);
}

#[test]
fn a_write_that_a_failing_disk_did_not_keep_is_not_shown_until_another_disk_has_it() {
    let mut cluster = Cluster::new(3);
    cluster.write(1, &Token::new(), put("other", "1"));
    cluster.isolate(1);
    let prefix: Box<[u8]> = Box::default();
    let after = None;
    let watch = cluster.submit(1, &Token::new(), 0, Action::Watch { prefix, after });
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Stalls;
    let operations = vec![put("k", "1")];
    let copies = Copies::One;
    let write = cluster.submit(1, &Token::new(), 0, Action::Write { operations, copies });
    let key: Box<[u8]> = b"k".as_slice().into();
    let read = cluster.submit(1, &Token::new(), 0, Action::Get { key });
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Fails;
    cluster.run(20);
    for ticket in [write, read, watch] {
        let reply = cluster.answer(ticket).unwrap();
        assert!(
            matches!(reply.answer, Answer::Denied(Deny::Disk { .. })),
            "{reply:?}"
        );
    }
    let reply = cluster.get(1, &Token::new(), "k");
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Disk { .. })),
        "{reply:?}"
    );
    assert_eq!(cluster.see(1, "other").as_deref(), Some("1"), "this one is kept");
    cluster.mend_all();
    cluster.run(6000);
    assert_eq!(cluster.see(1, "k").as_deref(), Some("1"), "others keep it by now");
    cluster.assert_converged();
}

#[test]
fn a_replica_whose_disk_has_failed_does_not_remember_ever_more_for_watches() {
    let mut cluster = Cluster::empty();
    for id in [1, 2] {
        cluster.configure(id, Some(&[1, 2])).history_bytes_max = 50_000;
    }
    cluster.start(1);
    cluster.start(2);
    cluster.run(1000);
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Fails;
    let large = "x".repeat(10_000);
    for number in 0..30 {
        cluster.write(2, &Token::new(), put(&format!("k{number}"), &large));
        cluster.run(5);
    }
    assert!(cluster.status(1).disk_trouble.is_some());
    assert_eq!(cluster.known(1), cluster.known(2));
    for id in [1, 2] {
        assert!(cluster.machines[&id].replica.watching.bytes() <= 50_000, "{id}");
    }
}
