//! Sessions: what a client has seen, it sees everywhere, or it is told to wait.

use super::cluster::{Cluster, address, delete, put, value};
use crate::{
    kv::{
        Action, Answer, Change, Content, Copies, Deny, Done, MemberChange, Operation, Token, parse_token,
        token_text,
    },
    units::MachineId,
};

fn found(answer: &Answer) -> Option<&[u8]> {
    match answer {
        Answer::Found(item) => match &item.content {
            crate::kv::Content::Values(values) => Some(&values[0].bytes),
            other => panic!("{other:?}"),
        },
        Answer::NotFound => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pushed_write_is_everywhere_when_it_is_answered() {
    let mut cluster = Cluster::new(3);
    let before = cluster.now;
    let reply = cluster.write_with(1, &Token::new(), put("k", "1"), Copies::Pushed);
    assert!(cluster.now.0 - before.0 < 20_000, "within milliseconds");
    assert!(
        matches!(&reply.answer, Answer::Written { dot: Some(_), done } if *done == [Done::Created]),
        "{reply:?}"
    );
    for id in 1..=3 {
        assert_eq!(cluster.see(id, "k").as_deref(), Some("1"), "{id}");
    }
    cluster.assert_converged();
}

#[test]
fn what_a_session_wrote_it_reads_or_it_waits() {
    let mut cluster = Cluster::new(3);
    cluster.cut(1, 2);
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    cluster.run(10);
    assert_eq!(found(&cluster.get(3, &token, "k").answer), Some(b"1".as_slice()));
    let reply = cluster.get(2, &token, "k");
    let Answer::Denied(Deny::Unmet { missing }) = &reply.answer else {
        panic!("{reply:?}")
    };
    assert_eq!(missing.len(), 1);
    assert_eq!(reply.token, token, "it has not seen more");
    // It waits: the repair brings it, from the third.
    let key: Box<[u8]> = b"k".as_slice().into();
    let before = cluster.now.0;
    let reply = cluster.ask(2, &token, 8000, Action::Get { key });
    assert_eq!(found(&reply.answer), Some(b"1".as_slice()));
    assert!(cluster.now.0 - before < 4_000_000, "{}", cluster.now.0 - before);
}

#[test]
fn a_session_that_is_behind_is_served() {
    let mut cluster = Cluster::new(3);
    let mut token = Token::new();
    for number in 0..5 {
        cluster.write(1, &Token::new(), put("other", &number.to_string()));
        token = cluster.write(2, &token, put("mine", &number.to_string()));
    }
    cluster.run(10);
    let reply = cluster.get(3, &token, "other");
    assert_eq!(found(&reply.answer), Some(b"4".as_slice()));
}

#[test]
fn what_is_read_is_what_is_depended_on() {
    let mut cluster = Cluster::new(3);
    // 3 gets nothing from 1: what 2 writes behind it must wait for it there.
    cluster.cut(1, 3);
    cluster.write(1, &Token::new(), put("cause", "1"));
    cluster.run(10);
    let read = cluster.get(2, &Token::new(), "cause");
    assert_eq!(found(&read.answer), Some(b"1".as_slice()));
    cluster.write(2, &read.token, put("effect", "1"));
    cluster.run(500);
    assert_eq!(cluster.see(3, "effect"), None, "its cause is not there");
    assert_eq!(cluster.status(3).buffered, 1);
    cluster.run(4000);
    assert_eq!(cluster.see(3, "effect").as_deref(), Some("1"));
    assert_eq!(cluster.see(3, "cause").as_deref(), Some("1"));
}

#[test]
fn concurrent_writes_become_the_same_everywhere() {
    let mut cluster = Cluster::new(3);
    for id in 1..=3 {
        cluster.isolate(id);
    }
    for id in 1..=3 {
        cluster.write(id, &Token::new(), put("k", &id.to_string()));
        cluster.write(id, &Token::new(), put(&format!("own{id}"), "1"));
    }
    cluster.run(3000);
    cluster.mend_all();
    cluster.run(6000);
    cluster.assert_converged();
    let seen: Vec<_> = (1..=3).map(|id| cluster.see(id, "k")).collect();
    assert!(
        seen[0].is_some() && seen.windows(2).all(|pair| pair[0] == pair[1]),
        "{seen:?}"
    );
}

#[test]
fn what_was_deleted_does_not_come_back() {
    let mut cluster = Cluster::new(3);
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    cluster.run(10);
    cluster.isolate(3);
    let reply = cluster.write_with(1, &token, delete("k"), Copies::One);
    assert!(matches!(&reply.answer, Answer::Written { done, .. } if *done == [Done::Deleted]));
    cluster.run(3000);
    cluster.mend_all();
    cluster.run(6000);
    cluster.assert_converged();
    for id in 1..=3 {
        assert_eq!(cluster.see(id, "k"), None, "{id}");
    }
    // Everybody knows of it by now: the memory of it goes, too.
    cluster.run(2000);
    assert_eq!(cluster.status(1).tombstones, 0);
    let again = cluster.write_with(2, &reply.token, put("k", "2"), Copies::Pushed);
    assert!(matches!(&again.answer, Answer::Written { done, .. } if *done == [Done::Created]));
}

#[test]
fn a_delete_of_nothing_writes_nothing_and_depends_on_what_it_saw() {
    let mut cluster = Cluster::new(2);
    cluster.isolate(2);
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    cluster.write(1, &token, delete("k"));
    let known = cluster.known(1).clone();
    let reply = cluster.write_with(1, &Token::new(), delete("k"), Copies::One);
    assert!(matches!(&reply.answer, Answer::Written { dot: None, done } if *done == [Done::Nothing]));
    assert_eq!(*cluster.known(1), known);
    assert!(!reply.token.is_empty(), "it has seen that it was deleted");
}

#[test]
fn a_denied_write_is_never_seen() {
    let mut cluster = Cluster::new(3);
    cluster.isolate(1);
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    let reply = cluster.write_with(2, &token, put("k", "phantom"), Copies::Pushed);
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Unmet { .. })),
        "{reply:?}"
    );
    cluster.mend_all();
    cluster.run(6000);
    cluster.assert_converged();
    assert_eq!(cluster.see(3, "k").as_deref(), Some("1"));
}

#[test]
fn tokens_stay_small() {
    let mut cluster = Cluster::new(3);
    let mut token = Token::new();
    for round in 0..20 {
        for id in 1..=3 {
            token = cluster.write(id, &token, put(&format!("k{round}"), "1"));
            assert_eq!(token.len(), 1, "a write stands for what is before it");
            cluster.run(5);
        }
    }
    cluster.run(1000);
    let reply = cluster.get(1, &token, "k3");
    assert_eq!(reply.token.len(), 1, "{}", reply.token);
    assert!(
        reply.token.covers(&token),
        "everybody has it, and it stays: {}",
        reply.token
    );
}

#[test]
fn what_is_stable_is_superseded_by_who_has_seen_it() {
    let mut cluster = Cluster::new(3);
    let mut token = Token::new();
    for number in 0..10 {
        let beside = Operation {
            change: Change::PutBeside(value(&number.to_string())),
            ..put("k", "")
        };
        cluster.write(1, &token, beside);
        cluster.run(3000);
        let reply = cluster.get(2, &token, "k");
        let Answer::Found(item) = &reply.answer else {
            panic!("{reply:?}")
        };
        assert!(
            matches!(&item.content, Content::Values(values) if values.len() == 1),
            "{item:?}"
        );
        token = reply.token;
        // What everybody has is in it after a second look, too.
        token = cluster.get(3, &token, "k").token;
    }
}

#[test]
fn what_a_session_has_seen_is_asked_of_one_that_was_not_counted() {
    let mut cluster = Cluster::new(3);
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    cluster.run(3000);
    let token = cluster.get(2, &token, "k").token;
    // It begins with nothing, and serves, since it reaches nobody.
    cluster.kill(3);
    cluster.lose_disk(3);
    cluster.isolate(3);
    cluster.start(3);
    cluster.run(4000);
    let reply = cluster.get(3, &token, "k");
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Unmet { .. })),
        "{reply:?}"
    );
}

#[test]
fn lives_that_have_ended_are_left_out_of_large_tokens() {
    let mut cluster = Cluster::empty();
    for id in 1..=2 {
        cluster.configure(id, Some(&[1, 2]));
        cluster.start(id);
    }
    cluster.run(500);
    for _ in 0..180 {
        cluster.write(2, &Token::new(), put("k", "1"));
        cluster.kill(2);
        cluster.start(2);
        cluster.run(30);
    }
    let live = cluster.write(2, &Token::new(), put("k", "1"));
    cluster.run(1500);
    let scan = Action::Scan {
        prefix: Box::default(),
        after: None,
        limit: 1,
    };
    assert!(cluster.known(1).len() > 180, "{}", cluster.known(1).len());
    let token = cluster.ask(1, &live, 0, scan.clone()).token;
    assert_eq!(token.len(), 64);
    assert!(token.covers(&live));
    // A member that is never met: nothing is stable, and yet the token has a text that is taken.
    let add = MemberChange::Add {
        id: MachineId(9),
        address: address(9),
    };
    cluster.change(1, add);
    cluster.run(1500);
    assert!(cluster.status(1).stable.is_empty());
    let token = cluster.ask(1, &live, 0, scan).token;
    assert!(token.len() > 64 && token.covers(&live), "{}", token.len());
    assert_eq!(parse_token(&token_text(&token)), Ok(token));
}

#[test]
fn pages_of_two_moments_have_two_tokens() {
    let mut cluster = Cluster::new(2);
    let scan = Action::Scan {
        prefix: Box::default(),
        after: None,
        limit: 1,
    };
    let mut token = Token::new();
    for text in ["1", "2", "3"] {
        cluster.write(2, &Token::new(), put("k", text));
        // Long enough for it to be stable.
        cluster.run(3000);
        let page = cluster.ask(1, &token, 0, scan.clone()).token;
        assert_ne!(page, token, "something was applied in between");
        token = page;
        let page = cluster.ask(1, &token, 0, scan.clone()).token;
        assert_eq!(page, token, "nothing was");
    }
}
