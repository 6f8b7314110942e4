//! Random causal histories: replicas accept, receive in any causal order, take over state, forget, lose their disks.
//! Whatever happens, what is shown is what the known writes mean, and equal knowledge is equal data.

use proptest::prelude::*;

use super::cluster::{Cluster, Disk, KEYS};
use crate::{
    clock::VersionVector,
    kv::operation::{Change, Condition, Format, Operation, Value},
};

const REPLICAS: usize = 3;

/// What happens next. Numbers choose among what is possible then.
#[derive(Clone, Debug)]
enum Step {
    Write {
        at: usize,
        operations: Vec<(usize, Change, Option<u64>)>,
        /// With what the replica knows for a token, or with none.
        is_session: bool,
    },
    Deliver {
        to: usize,
        choice: usize,
    },
    Transfer {
        from: usize,
        to: usize,
    },
    /// All say to all what they have, and one forgets.
    Forget {
        at: usize,
    },
    Save {
        at: usize,
    },
    /// Starts again from what was saved, or with all that it had.
    Restart {
        at: usize,
        is_complete: bool,
    },
    Wait {
        us: u64,
    },
}

fn elements() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec((0_u8..4).prop_map(value), 1..3)
}

fn value(letter: u8) -> Value {
    Value {
        format: Format::Bytes,
        bytes: [b'a' + letter].into(),
    }
}

fn changes() -> impl Strategy<Value = (Change, Option<u64>)> {
    let plain = prop_oneof![
        3 => (0_u8..26).prop_map(|letter| Change::Put(value(letter))),
        3 => (0_u8..26).prop_map(|letter| Change::PutBeside(value(letter))),
        4 => Just(Change::Delete),
        4 => (-9_i64..10).prop_map(Change::Add),
        4 => elements().prop_map(Change::Insert),
        3 => elements().prop_map(Change::Remove),
    ];
    (plain, prop::option::weighted(0.2, 1_u64..20)).prop_map(|(change, lasts_us)| {
        let ends = matches!(change, Change::Put(_) | Change::PutBeside(_));
        (change, lasts_us.filter(|_| ends))
    })
}

fn steps(faults: u32) -> impl Strategy<Value = Vec<Step>> {
    let at = 0..REPLICAS;
    let operations = prop::collection::vec((0..KEYS.len(), changes()), 1..3);
    let step = prop_oneof![
        10 => (at.clone(), operations, any::<bool>()).prop_map(|(at, operations, is_session)| {
            let flat = operations.into_iter().map(|(key, (change, lasts_us))| (key, change, lasts_us));
            Step::Write { at, operations: flat.collect(), is_session }
        }),
        14 => (at.clone(), any::<usize>()).prop_map(|(to, choice)| Step::Deliver { to, choice }),
        3 => (at.clone(), at.clone()).prop_map(|(from, to)| Step::Transfer { from, to }),
        faults * 3 => at.clone().prop_map(|at| Step::Forget { at }),
        faults => at.clone().prop_map(|at| Step::Save { at }),
        faults => (at, any::<bool>()).prop_map(|(at, is_complete)| Step::Restart { at, is_complete }),
        2 => (1_u64..8).prop_map(|us| Step::Wait { us }),
    ];
    prop::collection::vec(step, 1..80)
}

/// Does a step, if it is possible.
fn take(cluster: &mut Cluster, saved: &mut [Option<Disk>], step: Step) {
    match step {
        Step::Write {
            at,
            operations,
            is_session,
        } => {
            if !cluster.replicas[at].is_ready {
                return;
            }
            let token = if is_session {
                cluster.replicas[at].known.clone()
            } else {
                VersionVector::new()
            };
            let operation = |(key, change, lasts_us): (usize, Change, Option<u64>)| Operation {
                key: KEYS[key].into(),
                change,
                condition: Condition::Always,
                lasts_us,
            };
            // Denied where it is of another type, or names a key twice: then nothing happens.
            let _ = cluster.write(at, operations.into_iter().map(operation).collect(), &token);
        }
        Step::Deliver { to, choice } => {
            let dots = cluster.deliverable(to);
            if !dots.is_empty() && cluster.replicas[to].is_ready {
                cluster.deliver(to, dots[choice % dots.len()]);
            }
        }
        Step::Transfer { from, to } => {
            if from != to && cluster.replicas[from].is_ready {
                cluster.transfer(from, to, 1 + cluster.writes.len() % 3);
            }
        }
        Step::Forget { at } => {
            for from in 0..REPLICAS {
                for to in 0..REPLICAS {
                    cluster.say(from, to);
                }
            }
            if cluster.replicas[at].is_ready {
                cluster.collect(at);
            }
        }
        Step::Save { at } => {
            if cluster.replicas[at].is_ready {
                saved[at] = Some(cluster.disk(at));
            }
        }
        Step::Restart { at, is_complete } => {
            let others = (0..REPLICAS).filter(|other| *other != at);
            // Somebody has to be left who knows what was forgotten.
            let is_safe = others.clone().any(|other| cluster.replicas[other].is_ready);
            let disk = if is_complete {
                Some(cluster.disk(at))
            } else {
                saved[at].clone()
            };
            if let Some(disk) = disk.filter(|_| is_safe && cluster.replicas[at].is_ready) {
                cluster.restart(at, &disk);
            }
        }
        Step::Wait { us } => cluster.wall_us += us,
    }
}

/// Brings everybody to the same knowledge: state to those who are not ready, writes to all.
fn settle(cluster: &mut Cluster) {
    let ready = (0..REPLICAS).find(|at| cluster.replicas[*at].is_ready).unwrap();
    for to in 0..REPLICAS {
        if !cluster.replicas[to].is_ready {
            cluster.transfer(ready, to, 2);
        }
    }
    for to in 0..REPLICAS {
        while let Some(dot) = cluster.deliverable(to).first() {
            cluster.deliver(to, *dot);
        }
    }
    for pair in cluster.replicas.windows(2) {
        assert_eq!(pair[0].known, pair[1].known);
        assert_eq!(pair[0].store.digest(), pair[1].store.digest());
    }
}

proptest! {
    #[test]
    fn replicas_that_know_the_same_hold_the_same_entries(steps in steps(0)) {
        let mut cluster = Cluster::new(REPLICAS);
        for step in steps {
            take(&mut cluster, &mut [None, None, None], step);
        }
        settle(&mut cluster);
        for pair in cluster.replicas.windows(2) {
            for key in KEYS {
                prop_assert_eq!(pair[0].store.entry_bytes(key), pair[1].store.entry_bytes(key));
            }
        }
    }

    #[test]
    fn forgetting_and_lost_disks_never_show(steps in steps(1)) {
        let mut cluster = Cluster::new(REPLICAS);
        let mut saved = [None, None, None];
        for step in steps {
            take(&mut cluster, &mut saved, step);
        }
        settle(&mut cluster);
        // Once everybody has said what it has and values have ended, no memory is left.
        cluster.wall_us += 100;
        for from in 0..REPLICAS {
            for to in 0..REPLICAS {
                cluster.say(from, to);
            }
        }
        for at in 0..REPLICAS {
            cluster.collect(at);
            prop_assert_eq!(cluster.replicas[at].store.tombstones(), 0);
        }
    }
}
