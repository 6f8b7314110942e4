//! Who was removed as lost: nobody waits for it, and what it had comes back with nobody.

use super::cluster::{Cluster, address, delete, put};
use crate::{
    kv::{Action, Answer, Deny, MemberChange, Message, Standing, Token},
    service::Input,
    units::MachineId,
};

const THREE: MachineId = MachineId(3);

fn standing(cluster: &mut Cluster, id: u16, of: u16) -> Option<Standing> {
    let Answer::Members(members) = cluster.ask(id, &Token::new(), 0, Action::Members).answer else {
        panic!()
    };
    let member = members.into_iter().find(|member| member.id.0 == of);
    member.map(|member| member.standing)
}

fn is_no_member(cluster: &mut Cluster, id: u16) -> bool {
    let reply = cluster.get(id, &Token::new(), "k");
    matches!(reply.answer, Answer::Denied(Deny::NoMember))
}

/// 3 is away with a value and a write of its own; 1 deletes the value and is told that 3 is lost.
fn lost() -> (Cluster, Token) {
    let mut cluster = Cluster::new(3);
    cluster.write(3, &Token::new(), put("k", "old"));
    cluster.run(1000);
    cluster.isolate(3);
    cluster.write(3, &Token::new(), put("k", "unseen"));
    let mine = cluster.write(3, &Token::new(), put("mine", "1"));
    for number in 0..20 {
        cluster.write(1, &Token::new(), put("other", &number.to_string()));
    }
    cluster.write(1, &Token::new(), delete("k"));
    cluster.change(1, MemberChange::Lose { id: THREE });
    cluster.run(5000);
    (cluster, mine)
}

/// All is there that was there without 3, and nothing else.
fn assert_without_it(cluster: &mut Cluster) {
    for id in 1..=3 {
        assert_eq!(cluster.see(id, "k"), None, "{id}");
        assert_eq!(cluster.see(id, "mine"), None, "{id}");
        assert_eq!(cluster.see(id, "other").as_deref(), Some("19"), "{id}");
        assert_eq!(cluster.status(id).tombstones, 0, "{id}");
    }
    cluster.assert_converged();
}

#[test]
fn one_that_is_lost_holds_nothing_back() {
    let replace = MemberChange::Replace {
        old: THREE,
        id: MachineId(4),
        address: address(4),
    };
    for decision in [MemberChange::Lose { id: THREE }, replace] {
        let mut cluster = Cluster::new(3);
        cluster.write(3, &Token::new(), put("k", "1"));
        cluster.kill(3);
        if let MemberChange::Lose { .. } = decision {
            cluster.change(1, MemberChange::Remove { id: THREE });
        } else {
            cluster.configure(4, Some(&[1, 2, 4]));
            cluster.start(4);
        }
        cluster.run(3000);
        cluster.write(1, &Token::new(), delete("k"));
        cluster.run(5000);
        assert_eq!(cluster.status(1).tombstones, 1, "3 may come back");
        let answer = cluster.change(1, decision.clone());
        assert!(
            matches!(answer, Answer::MembersChanged { was_so: false }),
            "{answer:?}"
        );
        cluster.run(5000);
        assert_eq!(standing(&mut cluster, 2, 3), Some(Standing::Lost));
        for id in 1..=2 {
            assert_eq!(cluster.status(id).tombstones, 0, "{id}");
            assert_eq!(cluster.status(id).logged, (0, 0), "{id}");
        }
        let again = cluster.change(1, MemberChange::Lose { id: THREE });
        assert!(
            matches!(again, Answer::MembersChanged { was_so: true }),
            "{again:?}"
        );
    }
}

#[test]
fn one_that_was_added_and_never_met_holds_nothing_back_once_it_is_removed() {
    let mut cluster = Cluster::new(2);
    let (id, address) = (MachineId(7), address(7));
    let add = MemberChange::Add { id, address };
    cluster.change(1, add.clone());
    cluster.write(1, &Token::new(), put("k", "1"));
    cluster.write(1, &Token::new(), delete("k"));
    cluster.run(5000);
    assert_eq!(cluster.status(1).tombstones, 1, "it is to have it");
    cluster.change(1, MemberChange::Remove { id });
    cluster.run(5000);
    assert_eq!(cluster.status(1).tombstones, 0);
    // It is welcome all the same.
    cluster.change(2, add);
    cluster.configure(7, Some(&[1, 2, 7]));
    cluster.start(7);
    cluster.run(3000);
    cluster.write(7, &Token::new(), put("k", "7"));
    cluster.run(1000);
    assert_eq!(cluster.see(1, "k").as_deref(), Some("7"));
    cluster.assert_converged();
}

#[test]
fn one_that_is_lost_and_comes_back_serves_nobody_until_it_drops_what_it_had() {
    let (mut cluster, mine) = lost();
    for id in 1..=2 {
        assert_eq!(cluster.status(id).tombstones, 0, "{id} waits for nobody");
    }
    cluster.mend_all();
    cluster.run(5000);
    assert!(is_no_member(&mut cluster, 3));
    assert_eq!(standing(&mut cluster, 3, 3), Some(Standing::Lost));
    assert!(
        cluster
            .said
            .iter()
            .any(|(id, what)| *id == 3 && what.contains("as lost"))
    );
    // What its sessions have seen is gone, and they are told so.
    let key: Box<[u8]> = b"k".as_slice().into();
    let reply = cluster.ask(1, &mine, 15_000, Action::Get { key });
    assert_eq!(reply.released.len(), 1, "{reply:?}");
    // In whatever life it hears of it.
    cluster.kill(3);
    cluster.start(3);
    cluster.run(6000);
    assert_without_it(&mut cluster);
    assert_eq!(standing(&mut cluster, 1, 3), Some(Standing::Alive));
    // Now it is a member as any other.
    let token = cluster.write(3, &Token::new(), put("mine", "2"));
    cluster.run(1000);
    assert!(cluster.known(1).covers(&token));
    cluster.kill(3);
    cluster.start(3);
    assert_eq!(
        cluster.see(3, "mine").as_deref(),
        Some("2"),
        "what it has now is on its disk"
    );
}

#[test]
fn one_that_is_lost_is_started_again_before_it_hears_of_it() {
    let (mut cluster, _) = lost();
    cluster.kill(3);
    cluster.start(3);
    cluster.write(3, &Token::new(), put("mine", "2"));
    cluster.mend_all();
    cluster.run(5000);
    assert!(is_no_member(&mut cluster, 3), "it has not dropped it yet");
    assert_eq!(cluster.see(1, "mine"), None);
    cluster.kill(3);
    cluster.start(3);
    cluster.run(6000);
    assert_without_it(&mut cluster);
}

#[test]
fn one_that_is_lost_and_added_again_drops_what_it_had_first() {
    let (mut cluster, _) = lost();
    let (id, address) = (THREE, address(3));
    cluster.change(2, MemberChange::Add { id, address });
    cluster.mend_all();
    cluster.run(5000);
    assert!(is_no_member(&mut cluster, 3));
    assert_eq!(cluster.see(1, "mine"), None, "nobody takes it");
    cluster.kill(3);
    cluster.start(3);
    cluster.run(6000);
    assert_without_it(&mut cluster);
}

#[test]
fn one_that_is_lost_and_has_nothing_is_a_member_as_soon_as_it_is_started() {
    let (mut cluster, _) = lost();
    cluster.kill(3);
    cluster.lose_disk(3);
    cluster.mend_all();
    cluster.start(3);
    cluster.run(6000);
    assert_without_it(&mut cluster);
    assert_eq!(standing(&mut cluster, 2, 3), Some(Standing::Alive));
}

#[test]
fn who_is_removed_or_drained_is_told_so_where_it_runs() {
    let mut cluster = Cluster::new(3);
    cluster.change(1, MemberChange::Drain { id: THREE });
    cluster.run(3000);
    cluster.change(1, MemberChange::Remove { id: MachineId(2) });
    cluster.run(1000);
    let said: Vec<(u16, bool)> = cluster
        .said
        .iter()
        .map(|(id, what)| (*id, what.starts_with("drained")))
        .collect();
    assert_eq!(said, [(3, true), (2, false)]);
}

#[test]
fn the_last_member_is_not_drained_and_no_member_adds_nobody() {
    let mut cluster = Cluster::new(3);
    cluster.kill(2);
    cluster.kill(3);
    for id in [2, 3] {
        let answer = cluster.change(1, MemberChange::Drain { id: MachineId(id) });
        assert!(
            matches!(answer, Answer::MembersChanged { was_so: false }),
            "{answer:?}"
        );
    }
    let answer = cluster.change(1, MemberChange::Drain { id: MachineId(1) });
    assert!(
        matches!(&answer, Answer::Denied(Deny::Malformed { what }) if what.contains("only member")),
        "{answer:?}"
    );

    let mut cluster = Cluster::new(2);
    cluster.change(1, MemberChange::Remove { id: MachineId(2) });
    cluster.run(1000);
    let (id, address) = (MachineId(7), address(7));
    let answer = cluster.change(2, MemberChange::Add { id, address });
    assert!(matches!(answer, Answer::Denied(Deny::NoMember)), "{answer:?}");
}

#[test]
fn a_list_that_names_a_replica_otherwise_is_refused() {
    let mut cluster = Cluster::empty();
    cluster.configure(1, None);
    cluster.start(1);
    cluster.run(10);
    let set = |id| MemberChange::Set {
        members: vec![(MachineId(id), address(1)), (MachineId(2), address(2))],
    };
    let answer = cluster.change(1, set(5));
    assert!(
        matches!(&answer, Answer::Denied(Deny::Malformed { what }) if what.contains("is 1, not 5")),
        "{answer:?}"
    );
    let answer = cluster.change(1, set(1));
    assert!(matches!(answer, Answer::MembersChanged { .. }), "{answer:?}");
}

#[test]
fn what_a_joiner_configured_for_the_address_of_a_member_is_no_member() {
    let mut cluster = Cluster::new(2);
    let config = cluster.configure(3, Some(&[2, 3]));
    config.members.as_mut().unwrap().push(crate::service::Peer {
        id: MachineId(41),
        address: address(1),
    });
    cluster.start(3);
    cluster.run(3000);
    for id in 1..=3 {
        assert_eq!(standing(&mut cluster, id, 41), None, "{id}");
        assert!(standing(&mut cluster, id, 3).is_some());
    }
    let before = cluster.kinds.clone();
    cluster.run(1000);
    let members = crate::kv::kind::MEMBERS;
    assert_eq!(
        cluster.kinds.get(&members),
        before.get(&members),
        "nobody tells of members any more"
    );
}

#[test]
fn the_last_life_of_one_that_is_lost_is_noted_so_that_its_sessions_are_served() {
    let mut cluster = Cluster::new(3);
    cluster.write(3, &Token::new(), put("k", "0"));
    cluster.run(1000);
    cluster.isolate(3);
    cluster.kill(3);
    cluster.start(3);
    // A life that nobody has met.
    let mine = cluster.write(3, &Token::new(), put("mine", "1"));
    cluster.change(1, MemberChange::Lose { id: THREE });
    cluster.run(3000);
    let life = cluster.origin(3).incarnation;
    let noted = |cluster: &Cluster| {
        cluster.machines[&1]
            .replica
            .members
            .get(THREE)
            .map(|record| record.incarnation)
    };
    assert!(noted(&cluster) < Some(life));
    cluster.mend_all();
    // It hears of it first, and what it says itself is lost.
    let record = cluster.machines[&1].replica.members.get(THREE).unwrap().clone();
    let message = Message::Members(vec![record]);
    let from = MachineId(1);
    cluster.give(3, Input::Message { from, message });
    cluster.run(8000);
    assert_eq!(noted(&cluster), Some(life));
    assert_eq!(
        cluster.machines[&3].replica.peers_to_have(),
        [],
        "that is all it had to say"
    );
    let key: Box<[u8]> = b"k".as_slice().into();
    let reply = cluster.ask(2, &mine, 15_000, Action::Get { key });
    assert_eq!(reply.released.len(), 1, "{reply:?}");
}

#[test]
fn one_that_is_lost_tells_it_where_nobody_else_has_kept_the_decision() {
    let mut cluster = Cluster::new(3);
    cluster.write(3, &Token::new(), put("mine", "1"));
    cluster.run(1000);
    // Two does not hear of it, and one forgets it with its disk.
    cluster.cut(1, 2);
    cluster.cut(2, 3);
    cluster.change(1, MemberChange::Lose { id: THREE });
    cluster.run(1000);
    assert_eq!(standing(&mut cluster, 3, 3), Some(Standing::Lost));
    cluster.kill(1);
    cluster.lose_disk(1);
    cluster.mend_all();
    cluster.start(1);
    cluster.run(6000);
    for id in 1..=3 {
        assert_eq!(standing(&mut cluster, id, 3), Some(Standing::Lost), "{id}");
    }
    // What it has is of the age before, whatever it tells.
    let (id, address) = (THREE, address(3));
    cluster.change(2, MemberChange::Add { id, address });
    cluster.run(5000);
    assert!(is_no_member(&mut cluster, 3));
    cluster.kill(3);
    cluster.start(3);
    cluster.run(6000);
    assert_eq!(standing(&mut cluster, 1, 3), Some(Standing::Alive));
    cluster.assert_converged();
}
