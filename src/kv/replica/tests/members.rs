//! Members: who joins, who is removed, who comes back.

use super::cluster::{Cluster, address, delete, put};
use crate::{
    clock::Dot,
    kv::{
        Action, Answer, Copies, Deny, MemberChange, Message, Standing, Token,
        members::{Record, Status},
    },
    service::{Address, Input},
    units::MachineId,
};

/// The view that a replica reports: who takes part and is not suspected.
fn view(cluster: &mut Cluster, id: u16) -> Vec<u16> {
    let Answer::Members(members) = cluster.ask(id, &Token::new(), 0, Action::Members).answer else {
        panic!()
    };
    let is_there = |standing: Standing| standing.is_member() && standing != Standing::Suspected;
    let there = members.into_iter().filter(|member| is_there(member.standing));
    there.map(|member| member.id.0).collect()
}

fn list(ids: &[u16]) -> MemberChange {
    let members: Vec<(MachineId, Address)> = ids.iter().map(|id| (MachineId(*id), address(*id))).collect();
    MemberChange::Set { members }
}

#[test]
fn a_cold_start_serves_at_once() {
    let mut cluster = Cluster::empty();
    for id in 1..=3 {
        cluster.configure(id, Some(&[1, 2, 3]));
    }
    for id in 1..=3 {
        cluster.start(id);
    }
    cluster.run(50);
    for id in 1..=3 {
        assert_eq!(view(&mut cluster, id), [1, 2, 3]);
        assert_eq!(cluster.see(id, "k"), None, "{id} serves");
    }
}

#[test]
fn the_lives_of_members_that_a_list_names_are_known_once_met() {
    let mut cluster = Cluster::empty();
    for id in 1..=2 {
        cluster.configure(id, None);
        cluster.start(id);
    }
    cluster.run(10);
    for id in 1..=2 {
        cluster.change(id, list(&[1, 2, 3]));
    }
    cluster.run(2000);
    let Answer::Members(members) = cluster.ask(1, &Token::new(), 0, Action::Members).answer else {
        panic!()
    };
    let are_met: Vec<bool> = members.iter().map(|member| member.incarnation > 0).collect();
    assert_eq!(are_met, [true, true, false], "{members:?}");
}

#[test]
fn one_whose_peers_cannot_be_reached_serves_soon() {
    let mut cluster = Cluster::empty();
    cluster.configure(1, Some(&[1, 2, 3]));
    cluster.start(1);
    cluster.run(100);
    assert!(matches!(
        cluster.get(1, &Token::new(), "k").answer,
        Answer::Denied(Deny::Joining)
    ));
    cluster.run(2000);
    assert_eq!(cluster.see(1, "k"), None);
}

#[test]
fn a_killed_replica_leaves_the_view_and_comes_back() {
    let mut cluster = Cluster::new(3);
    cluster.kill(3);
    cluster.run(5000);
    assert_eq!(view(&mut cluster, 1), [1, 2]);
    assert_eq!(view(&mut cluster, 2), [1, 2]);
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    cluster.start(3);
    cluster.run(500);
    for id in 1..=3 {
        assert_eq!(view(&mut cluster, id), [1, 2, 3], "{id}");
    }
    assert!(cluster.known(3).covers(&token), "it pulled at once");
}

#[test]
fn a_joiner_is_added_and_has_everything_while_writes_go_on() {
    let mut cluster = Cluster::new(3);
    let mut token = Token::new();
    for number in 0..2000 {
        token = cluster.write(1 + number % 3, &token, put(&format!("k{}", number % 500), "1"));
    }
    cluster.configure(4, Some(&[1, 2, 3, 4]));
    cluster.start(4);
    for number in 0..1000 {
        token = cluster.write(1 + number % 3, &token, put(&format!("n{}", number % 100), "2"));
    }
    let reply = cluster.ask(
        4,
        &token,
        3000,
        Action::Get {
            key: b"n99".as_slice().into(),
        },
    );
    assert!(matches!(reply.answer, Answer::Found(_)), "{reply:?}");
    cluster.run(100);
    for id in 1..=4 {
        assert_eq!(view(&mut cluster, id), [1, 2, 3, 4], "{id}");
    }
    cluster.assert_converged();
}

#[test]
fn removal_is_a_decision_that_lasts_until_another() {
    let mut cluster = Cluster::new(3);
    let remove = MemberChange::Remove { id: MachineId(3) };
    let answer = cluster.change(1, remove.clone());
    assert!(
        matches!(answer, Answer::MembersChanged { was_so: false }),
        "{answer:?}"
    );
    let answer = cluster.change(1, remove);
    assert!(matches!(answer, Answer::Denied(Deny::NoSuchMember)), "{answer:?}");
    cluster.run(5000);
    assert_eq!(view(&mut cluster, 1), [1, 2]);
    assert_eq!(view(&mut cluster, 2), [1, 2]);
    let reply = cluster.get(3, &Token::new(), "k");
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::NoMember)),
        "{reply:?}"
    );
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    let add = MemberChange::Add {
        id: MachineId(3),
        address: address(3),
    };
    cluster.change(2, add);
    let reply = cluster.ask(
        3,
        &token,
        0,
        Action::Get {
            key: b"k".as_slice().into(),
        },
    );
    assert!(matches!(reply.answer, Answer::Denied(_)), "{reply:?}");
    cluster.run(1000);
    assert_eq!(cluster.see(3, "k").as_deref(), Some("1"));
    cluster.assert_converged();
    // Removed, and started again: somebody wants it to be one.
    cluster.change(1, MemberChange::Remove { id: MachineId(3) });
    cluster.run(500);
    cluster.kill(3);
    cluster.start(3);
    cluster.run(1000);
    for id in 1..=3 {
        assert_eq!(view(&mut cluster, id), [1, 2, 3], "{id}");
    }
}

#[test]
fn one_that_was_away_when_it_was_removed_is_told_so() {
    let mut cluster = Cluster::new(3);
    cluster.isolate(3);
    cluster.run(3000);
    cluster.change(1, MemberChange::Remove { id: MachineId(3) });
    cluster.run(500);
    cluster.mend_all();
    cluster.run(5000);
    assert_eq!(view(&mut cluster, 1), [1, 2]);
    let reply = cluster.get(3, &Token::new(), "k");
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::NoMember)),
        "{reply:?}"
    );
}

#[test]
fn who_drains_hands_over_and_goes() {
    let mut cluster = Cluster::new(3);
    cluster.isolate(3);
    let token = cluster.write(3, &Token::new(), put("k", "only here"));
    cluster.run(3000);
    cluster.change(3, MemberChange::Drain { id: MachineId(3) });
    let reply = cluster.get(3, &token, "k");
    assert!(matches!(reply.answer, Answer::Denied(Deny::Leaving)), "{reply:?}");
    cluster.run(2000);
    assert!(cluster.machines[&3].replica.members.has_me(), "nobody has it yet");
    cluster.mend_all();
    cluster.run(6000);
    assert_eq!(view(&mut cluster, 1), [1, 2]);
    assert_eq!(cluster.see(1, "k").as_deref(), Some("only here"));
}

#[test]
fn replicas_without_a_view_take_what_they_are_told() {
    let mut cluster = Cluster::empty();
    for id in 1..=4 {
        cluster.configure(id, None);
        cluster.start(id);
    }
    cluster.run(100);
    let reply = cluster.get(1, &Token::new(), "k");
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::NoMember)),
        "{reply:?}"
    );
    for id in 1..=3 {
        cluster.change(id, list(&[1, 2, 3]));
    }
    let token = cluster.ask(
        1,
        &Token::new(),
        8000,
        Action::Write {
            operations: vec![put("k", "1")],
            copies: Copies::Pushed,
        },
    );
    assert!(matches!(token.answer, Answer::Written { .. }), "{token:?}");
    assert_eq!(cluster.see(3, "k").as_deref(), Some("1"));
    // Two clusters, told one after the other.
    for (id, ids) in [(3, &[3, 4][..]), (1, &[1, 2]), (4, &[3, 4]), (2, &[1, 2])] {
        cluster.change(id, list(ids));
    }
    cluster.run(3000);
    assert_eq!(view(&mut cluster, 1), [1, 2]);
    assert_eq!(view(&mut cluster, 2), [1, 2]);
    assert_eq!(view(&mut cluster, 3), [3, 4]);
    assert_eq!(
        cluster.see(4, "k").as_deref(),
        Some("1"),
        "it has what its cluster has"
    );
    cluster.write(1, &Token::new(), put("left", "1"));
    cluster.write(4, &Token::new(), put("right", "1"));
    cluster.run(4000);
    assert_eq!(cluster.see(3, "left"), None);
    for id in 1..=4 {
        cluster.change(id, list(&[1, 2, 3, 4]));
    }
    cluster.run(4000);
    cluster.assert_converged();
    assert_eq!(cluster.see(3, "left").as_deref(), Some("1"));
}

#[test]
fn what_one_that_was_told_away_took_with_it_is_let_go() {
    let mut cluster = Cluster::empty();
    for id in 1..=3 {
        cluster.configure(id, None);
        cluster.start(id);
    }
    cluster.run(100);
    for id in 1..=3 {
        cluster.change(id, list(&[1, 2, 3]));
    }
    cluster.run(1000);
    cluster.isolate(1);
    let token = cluster.write(1, &Token::new(), put("k", "lost"));
    cluster.kill(1);
    for id in [2, 3] {
        cluster.change(id, list(&[2, 3]));
    }
    let reply = cluster.get(2, &token, "k");
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Unmet { .. })),
        "{reply:?}"
    );
    cluster.run(6000);
    let reply = cluster.get(2, &token, "k");
    assert_eq!(reply.answer, Answer::NotFound);
    let lost: Vec<_> = token
        .iter()
        .map(|(origin, number)| Dot::new(origin, number))
        .collect();
    assert_eq!(reply.released, lost);
}

#[test]
fn who_was_killed_while_it_joined_joins_again() {
    let mut cluster = Cluster::empty();
    for id in 1..=4 {
        cluster.configure(id, Some(&[1, 2, 3, 4]));
    }
    for id in [1, 2, 4] {
        cluster.start(id);
    }
    cluster.run(2500);
    let token = cluster.write(1, &Token::new(), put("old", "1"));
    cluster.run(100);
    cluster.cut(1, 3);
    cluster.start(3);
    cluster.run(1);
    // It gets what is new before what it lacks: the one that it asks is hung.
    cluster.pause(2);
    cluster.write(4, &Token::new(), put("new", "1"));
    cluster.run(40);
    let known = cluster.known(3);
    assert!(!known.is_empty() && !known.covers(&token), "{known} {token}");
    let reply = cluster.get(3, &Token::new(), "old");
    assert!(matches!(reply.answer, Answer::Denied(Deny::Joining)), "{reply:?}");
    cluster.kill(3);
    cluster.start(3);
    assert!(!cluster.known(3).is_empty(), "its disk has kept it");
    let reply = cluster.get(3, &Token::new(), "old");
    assert!(matches!(reply.answer, Answer::Denied(Deny::Joining)), "{reply:?}");
    cluster.resume(2);
    cluster.run(3000);
    assert_eq!(cluster.see(3, "old").as_deref(), Some("1"));
    // From then on it serves at once.
    cluster.kill(3);
    cluster.isolate(3);
    cluster.start(3);
    assert_eq!(cluster.see(3, "old").as_deref(), Some("1"));
}

#[test]
fn a_drain_ends_while_others_write() {
    let mut cluster = Cluster::new(3);
    cluster.write(3, &Token::new(), put("k", "3"));
    cluster.run(100);
    cluster.change(3, MemberChange::Drain { id: MachineId(3) });
    for number in 0..1500 {
        cluster.write(1, &Token::new(), put("k", &number.to_string()));
    }
    assert_eq!(view(&mut cluster, 1), [1, 2]);
}

#[test]
fn what_a_stranger_wrote_is_not_let_go_before_it_is_known_to_be_removed() {
    let mut cluster = Cluster::new(2);
    cluster.configure(7, Some(&[7]));
    cluster.start(7);
    cluster.run(100);
    let token = cluster.write(7, &Token::new(), put("k", "7"));
    cluster.run(10_000);
    let key: Box<[u8]> = b"k".as_slice().into();
    let reply = cluster.ask(1, &token, 10_000, Action::Get { key });
    assert!(reply.released.is_empty(), "{reply:?}");
    assert!(
        matches!(reply.answer, Answer::Denied(Deny::Unmet { .. })),
        "{reply:?}"
    );
}

#[test]
fn what_only_a_removed_member_had_is_let_go() {
    let mut cluster = Cluster::new(3);
    cluster.isolate(3);
    let token = cluster.write(3, &Token::new(), put("k", "3"));
    cluster.kill(3);
    cluster.change(1, MemberChange::Remove { id: MachineId(3) });
    let key: Box<[u8]> = b"k".as_slice().into();
    let reply = cluster.ask(1, &token, 15_000, Action::Get { key });
    assert!(matches!(reply.answer, Answer::NotFound), "{reply:?}");
    assert_eq!(reply.released.len(), 1);
}

#[test]
fn a_configured_view_spreads_though_it_was_told_once() {
    let mut cluster = Cluster::empty();
    cluster.configure(1, None);
    cluster.configure(2, None);
    cluster.start(1);
    let members = vec![(MachineId(1), address(1)), (MachineId(2), address(2))];
    let answer = cluster.change(1, MemberChange::Set { members });
    assert!(matches!(answer, Answer::MembersChanged { .. }), "{answer:?}");
    cluster.run(50);
    cluster.kill(1);
    cluster.start(1);
    assert!(
        cluster.machines[&1].replica.is_told(),
        "without a view it stays so"
    );
    cluster.run(50);
    cluster.kill(1);
    for id in 1..=2 {
        cluster.configure(id, Some(&[1, 2]));
        cluster.start(id);
    }
    assert!(!cluster.machines[&1].replica.is_told());
    cluster.run(1000);
    // A decision at the one is one at the other.
    let id = MachineId(2);
    cluster.change(1, MemberChange::Drain { id });
    cluster.run(1000);
    assert!(!cluster.machines[&2].replica.is_ready());
}

#[test]
fn one_that_was_removed_returns_with_what_only_it_had_and_a_delete_stays_what_it_was() {
    let mut cluster = Cluster::new(3);
    cluster.write(3, &Token::new(), put("k", "old"));
    cluster.run(1000);
    cluster.isolate(3);
    // At 3 an early write, and one that nobody contests; at 1 a later delete, which has not seen it.
    cluster.write(3, &Token::new(), put("k", "unseen"));
    cluster.write(3, &Token::new(), put("mine", "1"));
    for number in 0..20 {
        cluster.write(1, &Token::new(), put("other", &number.to_string()));
    }
    cluster.write(1, &Token::new(), delete("k"));
    cluster.change(1, MemberChange::Remove { id: MachineId(3) });
    cluster.run(20_000);
    assert_eq!(cluster.status(1).tombstones, 1, "it may come back");
    cluster.mend_all();
    let address = address(3);
    cluster.change(
        1,
        MemberChange::Add {
            id: MachineId(3),
            address,
        },
    );
    cluster.run(20_000);
    for id in 1..=3 {
        assert_eq!(cluster.see(id, "k"), None);
        assert_eq!(cluster.see(id, "mine").as_deref(), Some("1"));
        assert_eq!(cluster.status(id).tombstones, 0, "{id} has forgotten it now");
    }
    cluster.assert_converged();
}

#[test]
fn one_that_handed_over_holds_nothing_back() {
    let mut cluster = Cluster::new(3);
    cluster.write(3, &Token::new(), put("k", "1"));
    cluster.change(1, MemberChange::Drain { id: MachineId(3) });
    cluster.run(3000);
    assert_eq!(view(&mut cluster, 1), [1, 2]);
    cluster.write(1, &Token::new(), delete("k"));
    cluster.run(5000);
    assert_eq!(cluster.status(1).tombstones, 0);
}

#[test]
fn what_a_newcomer_accepts_alone_ranks_above_what_it_could_not_know() {
    let mut cluster = Cluster::new(3);
    cluster.write(2, &Token::new(), put("k", "old"));
    cluster.configure(4, Some(&[1, 2, 3, 4]));
    cluster.start(4);
    cluster.isolate(4);
    cluster.run(3000);
    cluster.write(4, &Token::new(), put("k", "alone"));
    // A life that began later has greater stamps than the newcomer's own.
    cluster.kill(1);
    cluster.start(1);
    cluster.run(1000);
    cluster.write(1, &Token::new(), put("k", "new"));
    cluster.write(1, &Token::new(), delete("k"));
    cluster.run(100);
    cluster.mend_all();
    cluster.run(10_000);
    for id in 1..=4 {
        assert_eq!(cluster.see(id, "k").as_deref(), Some("alone"));
    }
    cluster.assert_converged();
}

#[test]
fn who_drains_takes_nothing_more_of_others() {
    let mut cluster = Cluster::new(3);
    // Of those who stay only one has what it has: it cannot go yet.
    cluster.kill(2);
    let before = cluster.write(3, &Token::new(), put("k", "before"));
    cluster.change(3, MemberChange::Drain { id: MachineId(3) });
    cluster.run(3000);
    assert!(cluster.machines[&3].replica.members.has_me());
    let began = cluster.now;
    let later = cluster.write(1, &before, put("k", "later"));
    assert!(cluster.now.0 - began.0 < 500_000, "nobody waits for it");
    // Neither pushed, nor pulled.
    cluster.run(6000);
    assert!(cluster.known(3).covers(&before) && !cluster.known(3).covers(&later));
    // It counts as a member all the while: so far nobody has more than one copy.
    for copies in [Copies::Two, Copies::Majority] {
        let reply = cluster.write_with(1, &before, put("copied", "1"), copies);
        let Answer::Denied(Deny::TooFewCopies { have, want, .. }) = reply.answer else {
            panic!("{reply:?}")
        };
        assert_eq!((have, want), (1, 2), "{copies:?}");
    }
    cluster.start(2);
    cluster.run(6000);
    assert_eq!(view(&mut cluster, 1), [1, 2]);
    assert!(
        !cluster.known(3).covers(&later),
        "it left with what it handed over"
    );
    for id in 1..=2 {
        assert_eq!(cluster.see(id, "k").as_deref(), Some("later"));
    }
}

#[test]
fn a_drain_ends_once_the_dead_are_removed() {
    let mut cluster = Cluster::new(4);
    cluster.kill(2);
    cluster.kill(3);
    let before = cluster.write(4, &Token::new(), put("k", "before"));
    cluster.change(4, MemberChange::Drain { id: MachineId(4) });
    cluster.run(20_000);
    assert!(
        cluster.machines[&4].replica.members.has_me(),
        "one of three who stay is no majority of them"
    );
    for id in [2, 3] {
        cluster.change(1, MemberChange::Remove { id: MachineId(id) });
    }
    cluster.run(1000);
    assert_eq!(view(&mut cluster, 1), [1]);
    let reply = cluster.write_with(1, &before, put("copied", "1"), Copies::Majority);
    assert!(matches!(reply.answer, Answer::Written { .. }), "{reply:?}");
    assert_eq!(cluster.see(1, "k").as_deref(), Some("before"));
}

#[test]
fn who_drained_and_is_taken_back_has_everything_again() {
    let mut cluster = Cluster::new(3);
    cluster.kill(2);
    cluster.write(3, &Token::new(), put("k", "before"));
    cluster.change(3, MemberChange::Drain { id: MachineId(3) });
    cluster.run(3000);
    assert!(cluster.machines[&3].replica.members.has_me());
    let token = cluster.write(1, &Token::new(), put("k", "later"));
    let (id, address) = (MachineId(3), address(3));
    cluster.change(1, MemberChange::Add { id, address });
    cluster.run(6000);
    assert!(cluster.known(3).covers(&token));
    assert_eq!(cluster.see(3, "k").as_deref(), Some("later"));
}

#[test]
fn who_left_comes_back_as_a_newcomer_though_it_has_its_disk() {
    let mut cluster = Cluster::new(3);
    cluster.write(3, &Token::new(), put("k", "1"));
    cluster.change(1, MemberChange::Drain { id: MachineId(3) });
    cluster.run(3000);
    assert_eq!(view(&mut cluster, 1), [1, 2]);
    // Nobody has counted it since: what was deleted meanwhile is forgotten.
    cluster.write(1, &Token::new(), delete("k"));
    cluster.run(5000);
    cluster.kill(3);
    cluster.isolate(3);
    cluster.start(3);
    let reply = cluster.get(3, &Token::new(), "k");
    assert!(matches!(reply.answer, Answer::Denied(Deny::Joining)), "{reply:?}");
    cluster.mend_all();
    cluster.run(6000);
    assert_eq!(view(&mut cluster, 1), [1, 2, 3]);
    for id in 1..=3 {
        assert_eq!(cluster.see(id, "k"), None, "{id}");
    }
    cluster.assert_converged();
}

#[test]
fn one_that_was_removed_before_it_was_heard_of_may_come_back_with_writes() {
    let mut cluster = Cluster::empty();
    for id in 1..=3 {
        cluster.configure(id, Some(&[1, 2, 3]));
    }
    cluster.isolate(3);
    // A later life has greater stamps.
    for id in [3, 1, 2] {
        cluster.start(id);
    }
    // Both sides have served alone by then, and stamps of both have leapt ahead.
    cluster.run(3000);
    cluster.write(3, &Token::new(), put("k", "unseen"));
    cluster.write(3, &Token::new(), put("mine", "1"));
    for number in 0..20 {
        cluster.write(1, &Token::new(), put("k", &number.to_string()));
    }
    cluster.write(1, &Token::new(), delete("k"));
    cluster.change(1, MemberChange::Remove { id: MachineId(3) });
    cluster.run(20_000);
    assert_eq!(cluster.status(1).tombstones, 1, "it may come back");
    cluster.mend_all();
    let (id, address) = (MachineId(3), address(3));
    cluster.change(1, MemberChange::Add { id, address });
    cluster.run(20_000);
    for id in 1..=3 {
        assert_eq!(
            cluster.see(id, "k"),
            None,
            "{id}: the delete has the greater stamp"
        );
        assert_eq!(cluster.see(id, "mine").as_deref(), Some("1"));
        assert_eq!(cluster.status(id).tombstones, 0, "{id}");
    }
    cluster.assert_converged();
}

#[test]
fn what_a_new_member_lacks_is_stable_no_more_at_once() {
    let mut cluster = Cluster::new(3);
    let token = cluster.write(1, &Token::new(), put("k", "1"));
    cluster.run(5000);
    assert!(cluster.status(1).stable.covers(&token));
    let (id, address) = (MachineId(4), address(4));
    cluster.give(
        1,
        Input::Message {
            from: MachineId(2),
            message: Message::Members(vec![Record {
                id,
                version: 1,
                incarnation: 0,
                status: Status::Present,
                address,
            }]),
        },
    );
    assert!(cluster.machines[&1].replica.stable.is_empty());
}

#[test]
fn who_stood_still_lets_nothing_go_by_old_reports() {
    let mut cluster = Cluster::new(3);
    cluster.change(1, MemberChange::Remove { id: MachineId(3) });
    cluster.run(8000);
    cluster.pause(1);
    cluster.cut(1, 2);
    cluster.cut(1, 3);
    // Meanwhile the one that was removed is a member again, in the same life.
    let (id, address) = (MachineId(3), address(3));
    cluster.change(2, MemberChange::Add { id, address });
    cluster.run(2000);
    let token = cluster.write(3, &Token::new(), put("k", "3"));
    cluster.run(1000);
    assert!(cluster.known(2).covers(&token));
    let key = b"k".as_slice().into();
    let ticket = cluster.submit(1, &token, 0, Action::Get { key });
    cluster.resume(1);
    let reply = cluster.answer(ticket).unwrap();
    assert!(reply.released.is_empty(), "{reply:?}");
    cluster.mend_all();
    cluster.run(6000);
    assert_eq!(cluster.see(1, "k").as_deref(), Some("3"));
    cluster.assert_converged();
}
