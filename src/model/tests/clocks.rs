//! The clocks beside Lamport's: what messages carry, what events say, what is refused, what a restart goes on from.

use super::*;
use crate::{
    clock::{HybridTime, VectorStamp},
    node::Order,
};

fn with_clock(clock: ClockKind) -> Config {
    Config {
        clock,
        draw: 3,
        ..config(0, 3)
    }
}

fn vector(lamport: u64, vector: VectorStamp) -> Stamp {
    let vector = Box::new(vector);
    Stamp(Timestamp::Vector { lamport, vector })
}

fn hybrid(lamport: u64, physical_us: u64, logical: u32) -> Stamp {
    let hybrid = HybridTime { physical_us, logical };
    Stamp(Timestamp::Hybrid { lamport, hybrid })
}

fn message(from: u16, message: Stamp) -> Input<Stamp> {
    let from = MachineId(from);
    Input::Message { from, message }
}

/// The event of the next tick, and the messages before it.
fn tick(script: &mut Script) -> (Event, Vec<(MachineId, Stamp)>) {
    let mut effects = script.tick();
    let Some(Effect::Record(Record::Event(event))) = effects.pop() else {
        panic!("a tick ends with its event");
    };
    let sends = effects.into_iter().map(|effect| match effect {
        Effect::Send { to, message } => (to, message),
        other => panic!("{other:?} in a tick"),
    });
    (event, sends.collect())
}

#[test]
fn a_vector_machine_counts_itself_and_tells_each_peer_once() {
    let mut script = Script::started(with_clock(ClockKind::Vector));
    script.input(0, message(1, vector(9, VectorStamp::Full([0, 7, 300].into()))));
    let (event, _) = tick(&mut script);
    assert_eq!((event.clock, event.vector), (10, Some([1, 7, 300].into())));
    let mut told = [false; 3];
    for own in 2..40 {
        let (event, sends) = tick(&mut script);
        assert_eq!(event.vector, Some([own, 7, 300].into()));
        assert!(!sends.is_empty(), "a die of three always sends");
        for (to, Stamp(stamp)) in sends {
            let Timestamp::Vector { lamport, vector } = stamp else {
                panic!("{stamp:?}")
            };
            assert_eq!(lamport, event.clock);
            let expected = match std::mem::replace(&mut told[to.index()], true) {
                false => VectorStamp::Full([own, 7, 300].into()),
                true => VectorStamp::Changes([(MachineId(0), own)].into()),
            };
            assert_eq!(*vector, expected, "to {to}");
        }
    }
    assert_eq!(told, [false, true, true]);
    // What may be lost has to be told again, on a link that is up again and on one that loses messages.
    let peer = MachineId(1);
    let cause = DownCause::Lost;
    script.input(0, Input::LinkDown { peer, cause });
    script.input(0, Input::LinkUp { peer, incarnation: 2 });
    script.input(0, Input::Unreliable { peer: MachineId(2) });
    let mut full = [0, 0, 0];
    for _ in 0..40 {
        for (to, Stamp(stamp)) in tick(&mut script).1 {
            let Timestamp::Vector { vector, .. } = stamp else {
                panic!("{stamp:?}")
            };
            let is_full = matches!(*vector, VectorStamp::Full(_));
            assert!(is_full || to == peer);
            full[to.index()] += u32::from(is_full);
        }
    }
    assert!(full[1] == 1 && full[2] > 5, "{full:?}");
}

#[test]
fn a_hybrid_machine_follows_its_physical_clock_wherever_it_is_moved() {
    let mut script = Script::new(with_clock(ClockKind::Hybrid));
    let wall = WallTime(1_000_000_000);
    script.input(500, Input::Start { wall });
    let time = |physical_us, logical| Some(HybridTime { physical_us, logical });
    // Four ticks a second, the first at the start.
    let (event, sends) = tick(&mut script);
    assert_eq!(event.hybrid, time(1_000_000_000, 0));
    assert!(
        sends
            .iter()
            .all(|(_, stamp)| *stamp == hybrid(1, 1_000_000_000, 0))
    );
    assert_eq!(tick(&mut script).0.hybrid, time(1_000_250_000, 0));
    let jump = |physical_us| {
        Input::Order(Order::Jump {
            ticks: 0,
            physical_us,
        })
    };
    let said = script.input(300_000, jump(-700_000));
    let physical_us = -700_000;
    assert_eq!(
        said,
        [Effect::Record(Record::Jumped {
            ticks: 0,
            physical_us
        })]
    );
    assert_eq!(tick(&mut script).0.hybrid, time(1_000_250_000, 1), "it stands");
    script.input(700_000, message(2, hybrid(1, 1_000_250_000, 7)));
    assert_eq!(tick(&mut script).0.hybrid, time(1_000_250_000, 8));
    script.input(900_000, jump(2_700_000));
    assert_eq!(tick(&mut script).0.hybrid, time(1_003_000_000, 0));
    script.input(1_100_000, message(1, hybrid(1, 9_000_000_000, 3)));
    let (event, sends) = tick(&mut script);
    assert_eq!(event.hybrid, time(9_000_000_000, 4));
    assert!(sends.is_empty());
}

#[test]
fn stamps_of_another_clock_or_another_run_are_refused_and_not_queued() {
    let full = |entries: u64| vector(1, VectorStamp::Full((0..entries).collect()));
    let beyond = vector(1, VectorStamp::Changes([(MachineId(3), 1)].into()));
    let lamport = || Stamp(Timestamp::Lamport(1));
    for (clock, stamp, field) in [
        (ClockKind::Lamport, full(3), "clock kind"),
        (ClockKind::Lamport, hybrid(1, 1, 0), "clock kind"),
        (ClockKind::Vector, lamport(), "clock kind"),
        (ClockKind::Vector, full(2), "machine"),
        (ClockKind::Vector, full(4), "machine"),
        (ClockKind::Vector, beyond, "machine"),
        (ClockKind::Hybrid, lamport(), "clock kind"),
    ] {
        let mut script = Script::started(with_clock(clock));
        let effects = script.input(0, message(2, stamp.clone()));
        let [Effect::Refuse { peer, error }] = effects.as_slice() else {
            panic!("{clock}, {stamp:?}: {effects:?}")
        };
        assert_eq!(*peer, MachineId(2));
        assert!(error.to_string().contains(&format!("`{field}`")), "{error}");
        assert_eq!(script.footer().queued, 0);
    }
}

#[test]
fn a_machine_started_again_goes_on_from_its_last_event() {
    let last = Event {
        tick: 41,
        clock: 90,
        vector: Some([41, 5, 6].into()),
        hybrid: Some(HybridTime {
            physical_us: 2_000_000_000,
            logical: 4,
        }),
        store: None,
        kind: Kind::Internal,
    };
    for (clock, vector, hybrid) in [
        (ClockKind::Lamport, None, None),
        (ClockKind::Vector, Some([42, 5, 6].into()), None),
        (
            ClockKind::Hybrid,
            None,
            Some(HybridTime {
                physical_us: 2_000_000_000,
                logical: 5,
            }),
        ),
    ] {
        let mut memory = Memory::new(&header(&with_clock(clock)));
        memory.take(WallTime(900_000_000), &Record::Event(last.clone()));
        let mut script = Script {
            machine: Machine::resumed(with_clock(clock), &memory),
            effects: Effects::new(),
        };
        // The computer's clock is behind what the log knows.
        let wall = WallTime(1_000_000_000);
        for peer in [1, 2].map(MachineId) {
            script.input(0, Input::LinkUp { peer, incarnation: 1 });
        }
        script.input(0, Input::Start { wall });
        let (event, sends) = tick(&mut script);
        assert_eq!((event.tick, event.clock), (42, 91));
        assert_eq!((event.vector.clone(), event.hybrid), (vector, hybrid));
        for (_, Stamp(stamp)) in sends {
            if let Timestamp::Vector { vector, .. } = stamp {
                assert_eq!(*vector, VectorStamp::Full([42, 5, 6].into()));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn a_spoilt_stamp_is_refused_or_taken_and_encodes_to_the_bytes_it_had(
        which in 0_usize..5, place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in 0_usize..4,
    ) {
        let stamps = [
            Stamp(Timestamp::Lamport(300)),
            vector(300, VectorStamp::Full([4, 9, 300].into())),
            vector(17, VectorStamp::Changes([(MachineId(0), 4), (MachineId(2), 900)].into())),
            vector(17, VectorStamp::Changes([1, 2, 3, 4, 5, 6].map(|id| (MachineId(id), 70)).into())),
            hybrid(300, 1_795_216_561_373_456, 200),
        ];
        let mut body = Vec::new();
        stamps[which].encode(&mut body);
        let place = place.index(body.len());
        body[place] = byte;
        body.truncate(body.len() - cut.min(body.len()));
        if let Ok(stamp) = Stamp::decode(STAMP, &body) {
            let mut again = Vec::new();
            stamp.encode(&mut again);
            prop_assert_eq!(&again, &body);
            for clock in ClockKind::ALL {
                let mut script = Script::started(with_clock(*clock));
                let effects = script.input(0, message(1, stamp.clone()));
                let is_refused = matches!(effects.as_slice(), [Effect::Refuse { .. }]);
                prop_assert!(is_refused || (effects.is_empty() && stamp.0.kind() == *clock));
                let (event, _) = tick(&mut script);
                prop_assert_eq!(matches!(event.kind, Kind::Receive { .. }), !is_refused);
            }
        }
    }
}

#[test]
fn in_a_ring_every_send_goes_to_the_next() {
    for me in 0..5 {
        let config = Config {
            traffic: Traffic::Ring,
            ..config(me, 5)
        };
        let mut script = Script::started(config);
        let kinds: Vec<Kind> = (0..300).map(|_| script.event().0.kind).collect();
        let sends = kinds.iter().filter_map(|kind| match kind {
            Kind::Send { to, .. } => Some(to.clone()),
            Kind::Internal | Kind::Receive { .. } | Kind::Other => None,
        });
        let sends: Vec<Recipients> = sends.collect();
        assert!((60..130).contains(&sends.len()), "three of ten: {}", sends.len());
        assert!(sends.iter().all(|to| *to == machines(&[(me + 1) % 5])));
    }
}
