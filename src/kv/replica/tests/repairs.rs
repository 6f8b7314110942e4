//! Gaps: when they are closed, by what, and that nothing old comes by other ways.

use super::cluster::{Cluster, delete, put};
use crate::kv::{Change, Copies, Operation, Token, kind};

#[test]
fn a_gap_is_repaired_after_two_seconds_and_not_before() {
    let mut cluster = Cluster::new(2);
    cluster.write(1, &Token::new(), put("old", "1"));
    cluster.run(100);
    cluster.cut(1, 2);
    cluster.write(1, &Token::new(), put("k", "1"));
    cluster.run(5000);
    cluster.mend(1, 2);
    for _ in 0..17 {
        cluster.run(100);
        assert_eq!(cluster.see(2, "k"), None);
    }
    let more = cluster.write(1, &Token::new(), put("later", "1"));
    cluster.run(10);
    assert_eq!(cluster.status(2).buffered, 1, "it is behind the gap");
    cluster.run(2000);
    assert_eq!(cluster.see(2, "k").as_deref(), Some("1"));
    assert!(cluster.known(2).covers(&more));
    cluster.assert_converged();
}

#[test]
fn what_was_sent_into_a_cut_link_does_not_come_when_it_is_mended() {
    let mut cluster = Cluster::new(2);
    cluster.cut(1, 2);
    cluster.write(1, &Token::new(), put("k", "1"));
    cluster.run(1500);
    cluster.mend(1, 2);
    cluster.run(1000);
    assert_eq!(cluster.see(2, "k"), None, "the link was reset");
    assert!(cluster.status(1).counts.contains(&("resets".into(), 1)));
    cluster.run(3000);
    cluster.assert_converged();
}

#[test]
fn how_long_a_peer_has_been_behind_is_told_though_it_says_nothing() {
    let mut cluster = Cluster::new(2);
    let lag = |cluster: &mut Cluster| {
        let lag = cluster.status(1).lags.remove(0);
        (lag.writes, lag.behind_us / 100_000)
    };
    // One that has everything of a moment ago is behind by a moment, however long writes go on.
    for _ in 0..50 {
        cluster.write(1, &Token::new(), put("k", "1"));
        cluster.run(100);
        assert!(lag(&mut cluster).1 <= 5, "{:?}", lag(&mut cluster));
    }
    cluster.run(1000);
    assert_eq!(lag(&mut cluster), (0, 0));
    cluster.cut(1, 2);
    cluster.write(1, &Token::new(), put("k", "2"));
    cluster.run(3000);
    let (writes, tenths) = lag(&mut cluster);
    assert!(
        writes == 1 && (25..=35).contains(&tenths),
        "{writes} for {tenths}"
    );
    cluster.mend(1, 2);
    cluster.run(5000);
    assert_eq!(lag(&mut cluster), (0, 0));
}

#[test]
fn a_long_way_is_no_silence() {
    let mut cluster = Cluster::new(2);
    cluster.delay_us = 1_200_000;
    for number in 0..100 {
        cluster.write(1, &Token::new(), put(&format!("k{number}"), "1"));
        cluster.run(100);
    }
    assert!(
        cluster.see(2, "k60").is_some(),
        "new writes are pushed all the time"
    );
    cluster.run(3000);
    assert!(cluster.status(1).counts.contains(&("resets".into(), 0)));
    // A new link needs no more than that, either.
    cluster.break_off(1, 2, 100);
    cluster.run(5000);
    for id in 1..=2 {
        assert!(cluster.status(id).counts.contains(&("resets".into(), 0)));
    }
    cluster.assert_converged();
}

#[test]
fn a_peer_that_hears_nothing_is_reset_though_it_speaks() {
    let mut cluster = Cluster::new(2);
    cluster.write(1, &Token::new(), put("k", "1"));
    cluster.deaf = Some((1, 2));
    cluster.run(500);
    cluster.write(1, &Token::new(), put("k", "2"));
    cluster.run(5000);
    let counts = cluster.status(1).counts;
    assert!(
        !counts.contains(&("resets".into(), 0)),
        "nothing arrives: {counts:?}"
    );
    cluster.deaf = None;
    cluster.run(8000);
    cluster.assert_converged();
}

#[test]
fn a_gap_is_repaired_though_the_link_comes_and_goes() {
    let mut cluster = Cluster::new(2);
    cluster.cut(1, 2);
    cluster.write(1, &Token::new(), put("k", "1"));
    cluster.run(5000);
    cluster.mend(1, 2);
    for _ in 0..2 {
        cluster.run(800);
        assert_eq!(cluster.see(2, "k"), None);
        cluster.break_off(1, 2, 300);
    }
    cluster.run(1000);
    assert_eq!(cluster.see(2, "k").as_deref(), Some("1"));
}

#[test]
fn a_short_cut_costs_nothing() {
    let mut cluster = Cluster::new(2);
    cluster.cut(1, 2);
    cluster.write(1, &Token::new(), put("k", "1"));
    cluster.run(300);
    cluster.mend(1, 2);
    cluster.run(10);
    assert_eq!(cluster.see(2, "k").as_deref(), Some("1"));
}

#[test]
fn a_hung_replica_fails_nobody() {
    let mut cluster = Cluster::new(3);
    cluster.pause(3);
    let before = cluster.now.0;
    let reply = cluster.write_with(1, &Token::new(), put("k", "1"), Copies::Pushed);
    assert!(matches!(reply.answer, crate::kv::Answer::Written { .. }));
    assert!(cluster.now.0 - before <= 1_010_000, "bounded by a second");
    cluster.run(4000);
    let before = cluster.now.0;
    cluster.write_with(1, &Token::new(), put("k", "2"), Copies::Pushed);
    assert!(
        cluster.now.0 - before < 20_000,
        "nobody waits for one that is suspected"
    );
    cluster.resume(3);
    cluster.run(6000);
    cluster.assert_converged();
}

#[test]
fn a_long_gap_is_pulled_from_the_log_in_parts() {
    let mut cluster = Cluster::new(2);
    cluster.isolate(2);
    let large = "x".repeat(10_000);
    for number in 0..700 {
        cluster.write(1, &Token::new(), put(&format!("k{number}"), &large));
    }
    cluster.mend_all();
    cluster.run(6000);
    cluster.assert_converged();
    assert!(cluster.kinds[&kind::PULLED] >= 4, "{:?}", cluster.kinds);
    assert!(!cluster.kinds.contains_key(&kind::TRANSFER_BEGIN));
}

/// Two replicas whose logs hold next to nothing.
fn without_logs(count: u16) -> Cluster {
    let mut cluster = Cluster::empty();
    let view: Vec<u16> = (1..=count).collect();
    for id in &view {
        cluster.configure(*id, Some(&view)).log_bytes_max = 1 << 20;
    }
    for id in view {
        cluster.start(id);
    }
    cluster.run(1000);
    cluster
}

#[test]
fn the_state_is_transferred_where_the_log_does_not_reach() {
    let mut cluster = without_logs(3);
    let large = "x".repeat(20_000);
    let seen = cluster.write(1, &Token::new(), put("gone", "1"));
    cluster.write(3, &Token::new(), put("both", "3"));
    cluster.run(20);
    cluster.isolate(3);
    for number in 0..200 {
        cluster.write(1, &Token::new(), put(&format!("k{number:03}"), &large));
    }
    cluster.write(1, &seen, delete("gone"));
    cluster.write(2, &Token::new(), put("both", "2"));
    cluster.write(3, &Token::new(), put("both", "3b"));
    cluster.write(3, &Token::new(), put("mine", "3"));
    cluster.run(3000);
    cluster.mend_all();
    // What changes while it is under way.
    for number in 0..3000 {
        let key = format!("k{:03}", number * 7 % 230);
        cluster.write(1, &Token::new(), put(&key, &number.to_string()));
        if number % 100 == 0 {
            cluster.write(3, &Token::new(), put(&key, "c"));
        }
    }
    cluster.run(8000);
    assert!(
        cluster.kinds.contains_key(&kind::TRANSFER_END),
        "{:?}",
        cluster.kinds
    );
    cluster.assert_converged();
    assert_eq!(cluster.see(3, "gone"), None);
    assert_eq!(cluster.see(1, "mine").as_deref(), Some("3"));
}

#[test]
fn a_transfer_that_breaks_off_leaves_nothing_behind() {
    let mut cluster = without_logs(3);
    cluster.isolate(3);
    let large = "x".repeat(20_000);
    for number in 0..500 {
        cluster.write(1, &Token::new(), put(&format!("k{number:03}"), &large));
    }
    cluster.run(3000);
    cluster.mend_all();
    while !cluster.kinds.contains_key(&kind::TRANSFER_PART) {
        cluster.run(1);
    }
    let known = cluster.known(3).clone();
    cluster.isolate(3);
    cluster.run(5000);
    assert_eq!(*cluster.known(3), known);
    assert_eq!(cluster.see(3, "k000"), None, "no part of it is seen");
    cluster.mend_all();
    cluster.run(12_000);
    cluster.assert_converged();
}

#[test]
fn counters_and_sets_are_exact_after_a_partition() {
    let mut cluster = Cluster::new(3);
    let add = |amount| Operation {
        change: Change::Add(amount),
        ..put("counter", "")
    };
    cluster.write(1, &Token::new(), add(5));
    cluster.run(50);
    for id in 1..=3 {
        cluster.isolate(id);
    }
    for round in 0..10 {
        for id in 1..=3 {
            cluster.write(id, &Token::new(), add(round));
        }
    }
    cluster.run(3000);
    cluster.mend_all();
    cluster.run(6000);
    cluster.assert_converged();
    for id in 1..=3 {
        assert_eq!(cluster.see(id, "counter").as_deref(), Some("Counter(140)"));
    }
}

#[test]
fn many_writes_of_two_sides_of_a_partition_meet() {
    let mut cluster = Cluster::new(2);
    cluster.isolate(2);
    for number in 0..300 {
        for id in 1..=2 {
            let key = format!("k{}", number % 50);
            cluster.write(id, &Token::new(), put(&key, &format!("{id}-{number}")));
        }
    }
    cluster.mend_all();
    cluster.run(5000);
    cluster.assert_converged();
}

#[test]
fn a_pull_that_comes_twice_or_late_is_served_once() {
    let mut cluster = Cluster::new(2);
    let served = |cluster: &mut Cluster| {
        let counts = cluster.status(1).counts;
        counts.iter().find(|(name, _)| name == "served").unwrap().1
    };
    let before = served(&mut cluster);
    // Between them the state changes: two transfers of one number would be taken for one.
    for number in [1000, 1000, 999] {
        let known = crate::clock::VersionVector::new();
        let message = crate::kv::Message::Pull { number, known };
        let from = crate::units::MachineId(2);
        cluster.give(1, crate::service::Input::Message { from, message });
        cluster.write(1, &Token::new(), put("k", &number.to_string()));
        cluster.run(100);
    }
    assert_eq!(served(&mut cluster), before + 1);
    cluster.run(3000);
    cluster.assert_converged();
}
