//! What a peer says that cannot be, and what is kept of what can.

use std::sync::Arc;

use super::{
    super::{
        buffer::{Buffer, Buffered, Room},
        log::Log,
    },
    cluster::{Cluster, put},
};
use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::{
        Change, Message, STAMP_MAX, Token, kind,
        message::ORIGINS_KNOWN_MAX,
        operation::{Applied, Cleared, Write},
        sealed::{Batch, Unsealed},
        store::Scope,
    },
    service::Input,
    units::{MachineId, Time},
};

/// The smallest batch.
fn small(number: u64) -> Arc<Batch> {
    let origin = Origin {
        machine: MachineId(1),
        incarnation: 1,
    };
    let operation = Applied {
        key: b"k".as_slice().into(),
        change: Change::Delete,
        seen: VersionVector::new(),
        cleared: Cleared::default(),
        ends_us: None,
    };
    let mut batch = Unsealed::new(origin, number);
    assert!(batch.push(&Write {
        dot: Dot::new(origin, number),
        stamp: number,
        dependencies: VersionVector::new(),
        operations: vec![operation],
    }));
    Arc::new(batch.seal().unwrap())
}

#[test]
fn small_batches_are_counted_with_what_they_take() {
    let bytes_max = 1 << 16;
    let mut log = Log::new(bytes_max, VersionVector::new());
    let mut buffer = Buffer::new(bytes_max);
    let mut found = 0;
    for number in 1..=1000 {
        log.push(&small(number));
        let batch = small(2 * number);
        let since = Time::default();
        found += usize::from(buffer.add(Buffered { batch, since }) == Room::Found);
    }
    let (writes, bytes) = log.size();
    assert!((100..=256).contains(&writes), "{writes}");
    assert!(bytes <= bytes_max as u64);
    assert!((100..=256).contains(&found), "{found}");
}

#[test]
fn absurd_stamps_use_up_nobodys() {
    let mut cluster = Cluster::new(2);
    for id in 1..=2 {
        let store = &mut cluster.machines.get_mut(&id).unwrap().replica.store;
        store.raise_stamp(STAMP_MAX);
        assert!(store.stamp() <= STAMP_MAX / 2);
    }
    // Whatever was seen, what is written then is taken by the other.
    for number in 0..10 {
        cluster.write(1 + number % 2, &Token::new(), put("k", &number.to_string()));
        cluster.run(10);
    }
    assert_eq!(cluster.see(2, "k").as_deref(), Some("9"));
    cluster.assert_converged();
    cluster.kill(1);
    cluster.start(1);
    cluster.run(1000);
    cluster.write(1, &Token::new(), put("k", "later"));
    cluster.run(10);
    assert_eq!(cluster.see(2, "k").as_deref(), Some("later"));
}

#[test]
fn a_state_that_cannot_be_is_refused() {
    let mine = |cluster: &Cluster| -> VersionVector { [(cluster.origin(2), 99)].into_iter().collect() };
    let many = |_: &Cluster| -> VersionVector {
        let count = u32::try_from(ORIGINS_KNOWN_MAX).unwrap();
        let origins = (1..=count).map(|incarnation| Origin {
            machine: MachineId(7),
            incarnation,
        });
        origins.map(|origin| (origin, 1)).collect()
    };
    for absurd in [&mine as &dyn Fn(&Cluster) -> VersionVector, &many] {
        let mut cluster = Cluster::new(2);
        cluster.write(2, &Token::new(), put("k", "1"));
        cluster.cut(1, 2);
        cluster.write(1, &Token::new(), put("k", "2"));
        cluster.run(5000);
        cluster.mend(1, 2);
        while !cluster.kinds.contains_key(&kind::PULL) {
            cluster.run(1);
        }
        let known = cluster.known(2).clone();
        cluster.refusals = Some(0);
        for number in 1..10 {
            let message = Message::TransferBegin {
                number,
                known: absurd(&cluster),
                scope: Scope::Beyond,
                forgotten: VersionVector::new(),
                stamp: 0,
            };
            let from = MachineId(1);
            cluster.give(2, Input::Message { from, message });
        }
        assert_eq!(cluster.refusals, Some(1));
        let message = Message::TransferEnd { number: 1, parts: 0 };
        let from = MachineId(1);
        cluster.give(2, Input::Message { from, message });
        assert_eq!(*cluster.known(2), known);
        cluster.run(5000);
        cluster.assert_converged();
    }
}
