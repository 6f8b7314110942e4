//! Copies of everything for clients, while the replica goes on.

use std::collections::BTreeMap;

use super::{
    super::backup::{PART_BYTES, lay_out},
    cluster::{Cluster, delete, put},
};
use crate::{
    kv::{Action, Answer, BackupPart, Copies, Deny, Request, Token},
    service::{Input, Row, Ticket},
};

/// A row's table and key.
type Place = (u8, Box<[u8]>);
type Rows = BTreeMap<Place, Box<[u8]>>;

fn next(cluster: &mut Cluster, number: u64) -> BackupPart {
    let reply = cluster.ask(1, &Token::new(), 0, Action::Backup { number });
    match reply.answer {
        Answer::Backup(part) => part,
        other => panic!("{other:?}"),
    }
}

fn denied(cluster: &mut Cluster, number: u64) -> Deny {
    let reply = cluster.ask(1, &Token::new(), 0, Action::Backup { number });
    match reply.answer {
        Answer::Denied(deny) => deny,
        other => panic!("{other:?}"),
    }
}

/// Writes these keys, with long values.
fn fill(cluster: &mut Cluster, keys: std::ops::Range<u32>, text: &str) {
    let keys: Vec<u32> = keys.collect();
    for some in keys.chunks(100) {
        let operations = some
            .iter()
            .map(|key| put(&format!("k{key:05}"), &text.repeat(200)));
        let action = Action::Write {
            operations: operations.collect(),
            copies: Copies::One,
        };
        let reply = cluster.ask(1, &Token::new(), 0, action);
        assert!(matches!(reply.answer, Answer::Written { .. }), "{reply:?}");
    }
}

/// The rows that a copy's bytes are.
fn rows(mut bytes: &[u8]) -> Vec<(Place, Box<[u8]>)> {
    let mut rows = Vec::new();
    while let [table, k1, k0, v3, v2, v1, v0, rest @ ..] = bytes {
        let key = usize::from(u16::from_be_bytes([*k1, *k0]));
        let value = u32::from_be_bytes([*v3, *v2, *v1, *v0]) as usize;
        rows.push(((*table, rest[..key].into()), rest[key..key + value].into()));
        bytes = &rest[key + value..];
    }
    assert!(bytes.is_empty(), "half a row");
    rows
}

#[test]
fn a_copy_is_of_one_moment_whatever_is_written_meanwhile() {
    let mut cluster = Cluster::new(2);
    fill(&mut cluster, 0..3000, "old");
    cluster.write(2, &Token::new(), put("other", "x"));
    cluster.run(3000);
    let known = cluster.known(1).clone();
    // What a disk that has everything would be read as after a restart.
    let kept: Rows = cluster.disks[&1]
        .iter()
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();

    let reply = cluster.ask(1, &Token::new(), 0, Action::Backup { number: 0 });
    assert!(reply.token.covers(&known), "the session has seen all of it");
    let Answer::Backup(mut part) = reply.answer else {
        panic!("{reply:?}")
    };
    let number = part.number;
    let (mut bytes, mut count, mut parts) = (Vec::new(), 0, 0);
    loop {
        bytes.extend_from_slice(&part.bytes);
        count += part.rows;
        if part.is_last {
            break;
        }
        // Keys behind and before the place, new ones, and some that go.
        let at = parts * 311 % 3000;
        fill(&mut cluster, at..at + 150, "new");
        fill(&mut cluster, 2900..2950, "last");
        fill(&mut cluster, 10_000 + parts * 10..10_010 + parts * 10, "more");
        cluster.write(1, &Token::new(), delete(&format!("k{:05}", 2999 - parts)));
        cluster.write(2, &Token::new(), delete(&format!("k{parts:05}")));
        part = next(&mut cluster, number);
        parts += 1;
    }
    assert!(parts > 5, "{parts} parts");
    let rows = rows(&bytes);
    assert_eq!(rows.len() as u64, count);
    assert!(rows.is_sorted_by(|one, other| one.0 < other.0), "they ascend");
    let copied: Rows = rows.into_iter().collect();
    for key in kept.keys().chain(copied.keys()) {
        let text = String::from_utf8_lossy(&key.1);
        assert!(
            kept.get(key) == copied.get(key),
            "table {}, key {text}: {:?} and {:?}",
            key.0,
            kept.get(key).map(|value| value.len()),
            copied.get(key).map(|value| value.len()),
        );
    }
    assert!(
        matches!(denied(&mut cluster, number), Deny::Malformed { .. }),
        "it is over"
    );
    cluster.run(3000);
    cluster.assert_converged();
}

#[test]
fn few_copies_are_made_at_once_and_silence_gives_one_up() {
    let mut cluster = Cluster::new(1);
    fill(&mut cluster, 0..3000, "x");
    let first = next(&mut cluster, 0).number;
    let second = next(&mut cluster, 0).number;
    assert!(first != second);
    assert_eq!(denied(&mut cluster, 0), Deny::Busy);
    cluster.run(20_000);
    let part = next(&mut cluster, second);
    assert!(part.rows > 0 && !part.is_last, "{}", part.rows);
    cluster.run(20_000);
    assert!(matches!(denied(&mut cluster, first), Deny::Malformed { .. }));
    while !next(&mut cluster, second).is_last {}
    assert!(matches!(denied(&mut cluster, 77), Deny::Malformed { .. }));
    next(&mut cluster, 0);
}

#[test]
fn nobody_takes_parts_of_anothers_copy() {
    let mut cluster = Cluster::new(1);
    fill(&mut cluster, 0..3000, "x");
    let ask = |cluster: &mut Cluster, seat, ticket, number| {
        let ticket = Ticket::of(seat, ticket);
        let request = Request {
            token: Token::new(),
            wait_us: 0,
            action: Action::Backup { number },
        };
        cluster.give(1, Input::Request { ticket, request });
        cluster.run(5);
        cluster.answer(ticket).expect("an answer").answer.clone()
    };
    let part = |answer| match answer {
        Answer::Backup(part) => part,
        other => panic!("{other:?}"),
    };
    let first = part(ask(&mut cluster, 3, 1, 0));
    let second = part(ask(&mut cluster, 4, 1, 0));
    assert!(first.number != second.number && first.number != 0);
    let mut bytes = [first.bytes.to_vec(), second.bytes.to_vec()];
    let mut ticket = 2;
    loop {
        // Others know no such copy, and the desk is one of them.
        for stranger in [4, 5, Ticket::DESK] {
            let answer = ask(&mut cluster, stranger, 1000 + ticket, first.number);
            assert!(
                matches!(answer, Answer::Denied(Deny::Malformed { .. })),
                "{answer:?}"
            );
        }
        let mut is_last = false;
        for ((seat, number), bytes) in [(3, first.number), (4, second.number)].iter().zip(&mut bytes) {
            let part = part(ask(&mut cluster, *seat, ticket, *number));
            bytes.extend_from_slice(&part.bytes);
            is_last = part.is_last;
        }
        ticket += 1;
        if is_last {
            break;
        }
    }
    assert!(ticket > 4);
    let [one, other] = bytes.map(|bytes| rows(&bytes));
    assert!(one == other, "{} and {} rows", one.len(), other.len());
}

#[test]
fn a_row_that_begins_at_the_cut_begins_in_the_next_part() {
    let row = |bytes: usize| Row {
        table: 0,
        key: Box::new([1]),
        value: Some(vec![7; bytes].into()),
    };
    // Table, lengths and the key.
    let around = 1 + 2 + 4 + 1;
    for (lengths, parts) in [
        (vec![PART_BYTES, 100, 100], vec![1, 2]),
        (vec![PART_BYTES - 1, 100, 100], vec![2, 1]),
        (vec![PART_BYTES + 1, 100, 100], vec![1, 2]),
        (vec![100, PART_BYTES - 100, 100], vec![2, 1]),
        (vec![3 * PART_BYTES, PART_BYTES], vec![1, 0, 0, 1]),
        (vec![3 * PART_BYTES + 50, 100], vec![1, 0, 0, 1]),
    ] {
        let rows: Vec<Row> = lengths.iter().map(|bytes| row(bytes - around)).collect();
        let ready = lay_out(&rows);
        assert_eq!(
            ready.iter().map(|part| part.rows).collect::<Vec<_>>(),
            parts,
            "{lengths:?}"
        );
        let bytes: usize = ready.iter().map(|part| part.bytes.len()).sum();
        assert_eq!(bytes, lengths.iter().sum::<usize>());
        assert!(
            ready
                .iter()
                .all(|part| (1..=PART_BYTES).contains(&part.bytes.len())),
            "{lengths:?}"
        );
    }
}
