//! When own writes leave: at once after a quiet moment and where somebody waits, else together.

use super::cluster::{Cluster, Disk, put};
use crate::{
    kv::{Action, Copies, Token, config::DiskRule, kind, replica::writes::PUSH_EVERY_US},
    service::{Input, Service as _},
    wire::Reason,
};

/// Writes as many times as there are copies, each in a round of its own, within one moment.
fn write(cluster: &mut Cluster, copies: &[Copies]) {
    for (number, copies) in copies.iter().enumerate() {
        let operations = vec![put(&format!("k{number}"), "1")];
        let copies = *copies;
        let action = Action::Write { operations, copies };
        cluster.submit(1, &Token::new(), 0, action);
        cluster.give(1, Input::RoundEnd);
    }
}

/// Messages with writes that came within so many milliseconds.
fn messages(cluster: &mut Cluster, milliseconds: u64) -> u64 {
    let count = |cluster: &Cluster| cluster.kinds.get(&kind::WRITES).copied().unwrap_or(0);
    let before = count(cluster);
    cluster.run(milliseconds);
    count(cluster) - before
}

#[test]
fn writes_of_a_busy_moment_leave_together() {
    let mut cluster = Cluster::new(2);
    // Whatever its disk does: nobody waits for that.
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Stalls;
    write(&mut cluster, &[Copies::One; 20]);
    let own = cluster.known(1).clone();
    assert_eq!(messages(&mut cluster, 1), 1, "the first");
    assert!(!cluster.known(2).covers(&own));
    assert_eq!(messages(&mut cluster, PUSH_EVERY_US / 1000 + 1), 1, "all others");
    assert!(cluster.known(2).covers(&own));
    assert_eq!(messages(&mut cluster, 100), 0);
    cluster.machines.get_mut(&1).unwrap().disk = Disk::Works;
    cluster.assert_converged();
}

#[test]
fn a_timeout_is_enough_for_what_is_kept_back() {
    let mut cluster = Cluster::new(2);
    write(&mut cluster, &[Copies::One; 2]);
    let deadline = |cluster: &Cluster| cluster.machines[&1].replica.deadline().unwrap();
    let due = deadline(&cluster);
    assert!(due > cluster.now && due.0 <= cluster.now.0 + PUSH_EVERY_US);
    cluster.now = due;
    cluster.give(1, Input::Timeout);
    assert!(
        deadline(&cluster) > due,
        "drivers ask again as long as a deadline has passed"
    );
}

#[test]
fn a_write_whose_copies_are_waited_for_takes_the_others_along() {
    for copies in [Copies::Pushed, Copies::Two, Copies::Majority] {
        let mut cluster = Cluster::new(3);
        write(&mut cluster, &[Copies::One, Copies::One, Copies::One, copies]);
        let own = cluster.known(1).clone();
        assert_eq!(messages(&mut cluster, 1), 4, "two for each of two");
        assert!(cluster.known(2).covers(&own) && cluster.known(3).covers(&own));
        cluster.assert_converged();
    }
}

#[test]
fn without_a_disk_and_at_the_end_nothing_is_kept_back() {
    let mut cluster = Cluster::empty();
    for id in 1..=2 {
        cluster.configure(id, Some(&[1, 2])).disk = DiskRule::Nowhere;
    }
    (1..=2).for_each(|id| cluster.start(id));
    cluster.run(1000);
    write(&mut cluster, &[Copies::One; 5]);
    assert_eq!(messages(&mut cluster, 1), 5);

    let mut cluster = Cluster::new(2);
    write(&mut cluster, &[Copies::One; 5]);
    let own = cluster.known(1).clone();
    let reason = Reason::Terminated;
    cluster.give(1, Input::Stop { reason });
    cluster.give(1, Input::RoundEnd);
    cluster.run(1);
    assert!(cluster.known(2).covers(&own));
}
