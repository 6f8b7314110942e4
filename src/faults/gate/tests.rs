//! What a gate lets pass, when, and in which order.

use super::*;

const ME: MachineId = MachineId(0);
const PEER: MachineId = MachineId(1);

fn gate(faults: &[(u64, Option<u64>, &str)]) -> Gate {
    Gate::new(&plan(faults), ME, 3, Time(0), None)
}

/// Faults: when, for how long, what; times in microseconds.
fn plan(faults: &[(u64, Option<u64>, &str)]) -> Plan {
    let timed = (1..).zip(faults).map(|(id, (at, lasts, text))| Timed {
        id,
        at: Time(*at),
        lasts: lasts.map(Duration::from_micros),
        fault: text.parse().unwrap(),
    });
    Plan {
        seed: Some(7),
        faults: timed.collect(),
    }
}

/// Sends `count` numbered frames of 100 bytes, one every `every` microseconds from `from` on, lets the gate do what is
/// due, and gives what left: when, which.
fn send(gate: &mut Gate, from: u64, every: u64, count: u64) -> (Vec<(u64, u64)>, Vec<Fate>) {
    let (mut left, mut fates, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        let now = Time(from + number * every);
        run_to(gate, now, &mut left);
        gate.at(now, &mut changes);
        let fate = gate.send(PEER, now, &frame(number));
        left.extend((0..fate.now).map(|_| (now.0, number)));
        fates.push(fate);
    }
    (left, fates)
}

fn frame(number: u64) -> Vec<u8> {
    let mut frame = number.to_be_bytes().to_vec();
    frame.resize(100, 0);
    frame
}

/// Does everything that is due up to a moment.
fn run_to(gate: &mut Gate, until: Time, left: &mut Vec<(u64, u64)>) {
    let mut changes = Vec::new();
    while let Some(due) = gate.deadline().filter(|due| *due <= until) {
        gate.at(due, &mut changes);
        gate.due(due, |to, bytes| {
            assert_eq!(to, PEER);
            left.push((due.0, u64::from_be_bytes(bytes[..8].try_into().unwrap())));
        });
    }
}

fn numbers(left: &[(u64, u64)]) -> Vec<u64> {
    left.iter().map(|(_, number)| *number).collect()
}

#[test]
fn without_a_fault_everything_passes_at_once() {
    let mut gate = gate(&[(50_000, Some(10), "loss 1 to 0 100%"), (0, None, "kill 2")]);
    let (left, fates) = send(&mut gate, 0, 1000, 100);
    assert_eq!(numbers(&left), (0..100).collect::<Vec<_>>());
    assert!(fates.iter().all(|fate| *fate
        == Fate {
            now: 1,
            ..Fate::default()
        }));
    assert_eq!(
        gate.deadline(),
        None,
        "the faults of others are none of this machine's"
    );
}

#[test]
fn constant_and_random_delays_keep_the_order() {
    for (text, least) in [
        ("delay all constant:5ms", 5000),
        ("delay all uniform:1ms-9ms", 1000),
        ("delay 0 to 1 exponential:5ms", 0),
    ] {
        let mut gate = gate(&[(0, None, text)]);
        let (mut left, fates) = send(&mut gate, 0, 500, 1000);
        run_to(&mut gate, Time(u64::MAX), &mut left);
        assert_eq!(numbers(&left), (0..1000).collect::<Vec<_>>(), "{text}");
        assert!(
            left.iter().all(|(at, number)| *at >= number * 500 + least),
            "{text}"
        );
        assert!(fates.iter().all(|fate| !fate.unordered && !fate.lost));
    }
}

#[test]
fn a_delay_that_reorders_lets_messages_overtake_and_says_so() {
    let mut gate = gate(&[(0, Some(100_000), "delay all uniform:1ms-9ms reorder")]);
    let (mut left, fates) = send(&mut gate, 0, 500, 400);
    run_to(&mut gate, Time(u64::MAX), &mut left);
    let overtaken = left.windows(2).filter(|two| two[0].1 > two[1].1).count();
    assert!(overtaken > 50, "{overtaken}");
    let mut all = numbers(&left);
    all.sort_unstable();
    assert_eq!(all, (0..400).collect::<Vec<_>>());
    // 200 were sent while it was on; those behind it keep their order.
    assert_eq!(fates.iter().filter(|fate| fate.unordered).count(), 200);
    let behind: Vec<u64> = numbers(&left)
        .into_iter()
        .filter(|number| *number >= 200)
        .collect();
    assert!(behind.is_sorted());
}

#[test]
fn losses_and_duplicates_come_as_often_as_they_should_and_side_by_side() {
    let mut gate = gate(&[(0, None, "loss 0 to 1 30%"), (0, None, "duplicate all 10%")]);
    let (left, fates) = send(&mut gate, 0, 100, 10_000);
    let lost = fates.iter().filter(|fate| fate.lost).count();
    let twice = fates.iter().filter(|fate| fate.duplicated).count();
    // Four standard deviations: 46 of 3000, 26 of 700.
    assert!((2816..3184).contains(&lost), "{lost}");
    assert!((594..806).contains(&twice), "{twice}");
    assert_eq!(left.len(), 10_000 - lost + twice);
    assert!(
        numbers(&left).is_sorted(),
        "both copies keep the place of the message"
    );
    assert!(fates.iter().all(|fate| !(fate.lost && fate.duplicated)));
}

#[test]
fn a_partition_loses_or_holds_and_then_lets_go_in_order() {
    let mut gate = gate(&[(10_000, Some(10_000), "partition 0 / 1")]);
    let (left, fates) = send(&mut gate, 0, 1000, 30);
    assert_eq!(numbers(&left), (0..10).chain(20..30).collect::<Vec<_>>());
    assert_eq!(fates.iter().filter(|fate| fate.lost).count(), 10);

    let mut gate = self::gate(&[(10_000, Some(10_000), "partition 0,2 to 1 hold")]);
    let (left, fates) = send(&mut gate, 0, 1000, 30);
    assert_eq!(numbers(&left), (0..30).collect::<Vec<_>>());
    assert!(fates.iter().all(|fate| !fate.lost && !fate.unordered));
    let held = left.iter().filter(|(at, number)| *at == 20_000 && *number < 20);
    assert_eq!(held.count(), 10);
}

#[test]
fn a_bandwidth_gives_each_frame_its_time_and_mending_lets_the_rest_go() {
    // 100 bytes at 100,000 a second take a millisecond.
    let mut gate = gate(&[(0, Some(10_500), "bandwidth all 100000")]);
    let (mut left, _) = send(&mut gate, 0, 0, 20);
    run_to(&mut gate, Time(u64::MAX), &mut left);
    let expected: Vec<(u64, u64)> = (0..20).map(|n| (((n + 1) * 1000).min(10_500), n)).collect();
    assert_eq!(left, expected);
}

#[test]
fn faults_that_overlap_add_up() {
    let mut gate = gate(&[
        (0, None, "delay all constant:2ms"),
        (0, None, "delay 0 to 1 constant:3ms"),
        (0, None, "bandwidth all 100000"),
        (0, None, "bandwidth all 50000"),
        (0, Some(4_000), "partition 0 to 1 hold"),
        (0, Some(9_000), "partition 0 to 1 hold"),
    ]);
    let (mut left, _) = send(&mut gate, 0, 0, 3);
    run_to(&mut gate, Time(u64::MAX), &mut left);
    assert_eq!(left, [(9_000, 0), (9_000, 1), (11_000, 2)]);
}

#[test]
fn a_node_hears_once_a_link_that_it_cannot_rely_on() {
    let faults = [
        (0, Some(10), "loss 0 to 1 0%"),
        (20, Some(10), "duplicate all 0%"),
        (40, None, "delay all constant:1ms"),
        (60, None, "partition 0 to 1 hold"),
    ];
    let mut gate = gate(&faults);
    let mut changes = Vec::new();
    gate.at(Time(100), &mut changes);
    let told: Vec<&Change> = changes
        .iter()
        .filter(|change| !matches!(change, Change::Record(_)))
        .collect();
    assert_eq!(
        told,
        [&Change::Unreliable(PEER), &Change::Unreliable(MachineId(2))]
    );
    let records = changes.len() - told.len();
    assert_eq!(records, 6, "four begin and two end");
    assert_eq!(gate.on().len(), 2);
    gate.forget(PEER);
    assert!(!gate.link_up(PEER), "a delay in order can be relied on");
    let loss = Timed {
        id: 9,
        at: Time(0),
        lasts: None,
        fault: "loss all 1%".parse().unwrap(),
    };
    changes.clear();
    assert_eq!(gate.begin(&loss, Time(200), &mut changes), Ok(()));
    assert_eq!(
        changes.len(),
        2,
        "only the peer that was forgotten is told again: {changes:?}"
    );
    assert_eq!(
        gate.begin(&loss, Time(200), &mut changes),
        Err(Refused::NumberTaken { id: 9 })
    );
    gate.forget(PEER);
    assert!(gate.link_up(PEER));
    assert_eq!(gate.mend(Some(77), Time(300), &mut changes), 0);
    assert_eq!(gate.mend(None, Time(300), &mut changes), 3);
    assert!(gate.on().is_empty());
    assert_eq!(
        gate.begin(&loss, Time(400), &mut changes),
        Err(Refused::NumberTaken { id: 9 }),
        "a number is never given out again"
    );
}

#[test]
fn what_cannot_be_relied_on_is_said_before_any_order() {
    let faults = [
        (10, Some(10), "rate 0 50"),
        (10, None, "jump 0 5"),
        (30, None, "delay 0 to 1 constant:1ms reorder"),
        (40, None, "loss 0 to 2 1%"),
    ];
    let (mut gate, mut changes) = (gate(&faults), Vec::new());
    gate.at(Time(50), &mut changes);
    let told = changes
        .iter()
        .filter(|change| !matches!(change, Change::Record(_)));
    let jump = Order::Jump {
        ticks: 5,
        physical_us: 0,
    };
    let expected = [
        Change::Unreliable(PEER),
        Change::Unreliable(MachineId(2)),
        Change::Order(Order::Rate { per_second: 50 }),
        Change::Order(jump),
        Change::Order(Order::OwnRate),
    ];
    assert!(told.eq(&expected), "{changes:?}");
}

#[test]
fn a_lost_link_and_the_end_empty_the_gate() {
    let mut gate = gate(&[
        (0, None, "delay all constant:1s"),
        (5_500, None, "partition all hold"),
    ]);
    send(&mut gate, 0, 1000, 10);
    assert_eq!(gate.held_bytes(PEER), 10 * 164);
    let mut flushed = Vec::new();
    gate.flush(PEER, |bytes| flushed.push(bytes[7]));
    assert_eq!(flushed, (0..10).collect::<Vec<u8>>());
    assert_eq!(gate.held_bytes(PEER), 0);
    send(&mut gate, 20_000, 1000, 3);
    gate.forget(PEER);
    gate.flush(PEER, |_| panic!("it died with the link"));
    assert_eq!((gate.deadline(), gate.held_bytes(PEER)), (None, 0));
}

#[test]
fn a_machine_that_starts_late_finds_the_faults_of_the_run_as_old_as_they_are() {
    let plan = plan(&[
        (1_000_000, Some(500_000), "loss all 1%"),
        (1_000_000, Some(5_000_000), "duplicate all 1%"),
        (1_000_000, None, "delay all constant:1ms"),
        (2_000_000, None, "kill 0"),
        (2_000_000, Some(8_000_000), "rate 0 3"),
        (5_000_000, None, "jump 0 10"),
    ]);
    let mut gate = Gate::new(&plan, ME, 3, Time(100), Some(Duration::from_secs(3)));
    let mut changes = Vec::new();
    gate.at(Time(100), &mut changes);
    assert_eq!(gate.on().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2, 3, 5]);
    assert!(changes.contains(&Change::Order(Order::Rate { per_second: 3 })));
    changes.clear();
    assert_eq!(
        gate.deadline(),
        Some(Time(100 + 2_000_000)),
        "the jump, at five seconds of the run"
    );
    gate.at(Time(100 + 3_000_000), &mut changes);
    assert!(changes.contains(&Change::Record(Record::Mended { id: 2 })));
    gate.at(Time(100 + 7_000_000), &mut changes);
    assert_eq!(changes.last(), Some(&Change::Order(Order::OwnRate)));
}

#[test]
fn a_life_that_begins_at_the_moment_of_its_restart_does_not_begin_again() {
    for at in [0, 2_000_000] {
        let plan = plan(&[(at, None, "restart 0")]);
        let mut changes = Vec::new();
        Gate::new(&plan, ME, 3, Time(0), None).at(Time(at), &mut changes);
        assert!(
            matches!(changes.last(), Some(Change::Process { .. })),
            "{changes:?}"
        );
        changes.clear();
        let again = Some(Duration::from_micros(at));
        Gate::new(&plan, ME, 3, Time(at), again).at(Time(at), &mut changes);
        assert_eq!(changes, [], "at {at}");
    }
}

#[test]
fn the_same_calls_give_the_same_fates() {
    let made = || {
        let plan = Plan::random_links(11, 3, 1_000_000);
        let mut gate = Gate::new(&plan, ME, 3, Time(0), None);
        send(&mut gate, 0, 700, 1500)
    };
    assert_eq!(made(), made());
    assert_ne!(
        Plan::random_links(11, 3, 1_000_000),
        Plan::random(12, 3, 1_000_000)
    );
}

#[test]
fn plans_that_are_drawn_have_every_kind_and_are_valid() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..300 {
        for machines in [2, 3, 7] {
            let plan = Plan::random_links(seed, machines, 2_000_000);
            assert_eq!(plan.validate("drawn", machines), Ok(()));
            kinds.extend(plan.faults.iter().map(|timed| timed.fault.kind()));
            for timed in &plan.faults {
                assert_eq!(timed.fault.to_string().parse(), Ok(timed.fault.clone()));
            }
        }
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}
