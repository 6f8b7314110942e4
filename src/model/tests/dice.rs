//! The die: whom its rolls send to, how often, and the numbers of seed 7, pinned.

use super::*;

/// What `rolls` idle ticks of each of many seeds did: sends by recipients, and internal events under the
/// empty list.
fn counts(me: u16, machines: u16, draw: u32) -> std::collections::BTreeMap<Vec<u16>, u32> {
    let mut counts = std::collections::BTreeMap::new();
    for seed in 0..200 {
        let mut script = Script::started(Config {
            seed,
            draw,
            ..config(me, machines)
        });
        for _ in 0..100 {
            let (event, sent) = script.event();
            let to = match event.kind {
                Kind::Internal => Recipients::new(),
                Kind::Send { to, mishaps } => {
                    assert!(mishaps.is_none() && !to.is_empty());
                    to
                }
                other => panic!("{other:?} with an empty queue"),
            };
            assert_eq!(
                sent, to,
                "a message to each recipient of the event, and to nobody else"
            );
            *counts
                .entry(to.iter().map(|machine| machine.0).collect())
                .or_insert(0) += 1;
        }
    }
    counts
}

/// Compares 20,000 rolls with how many of ten (or of `draw`) sides each outcome has; five deviations are
/// allowed.
fn assert_sides(me: u16, machines: u16, draw: u32, sides: &[(&[u16], f64)]) {
    let counts = counts(me, machines, draw);
    assert_eq!(counts.len(), sides.len(), "{counts:?}");
    for (to, sides) in sides {
        let probability = sides / f64::from(draw);
        let expected = 20_000.0 * probability;
        let deviation = (expected * (1.0 - probability)).sqrt();
        let count = f64::from(counts.get(*to).copied().unwrap_or(0));
        assert!(
            (count - expected).abs() <= 5.0 * deviation,
            "machine {me} of {machines}, to {to:?}: {count} times, expected {expected} ± {deviation}"
        );
    }
}

#[test]
fn of_two_machines_three_sides_send_to_the_other() {
    assert_sides(0, 2, 10, &[(&[1], 3.0), (&[], 7.0)]);
    assert_sides(1, 2, 10, &[(&[0], 3.0), (&[], 7.0)]);
}

#[test]
fn of_three_machines_each_neighbour_has_a_side_and_all_have_one() {
    assert_sides(0, 3, 10, &[(&[1], 1.0), (&[2], 1.0), (&[1, 2], 1.0), (&[], 7.0)]);
    assert_sides(1, 3, 10, &[(&[2], 1.0), (&[0], 1.0), (&[0, 2], 1.0), (&[], 7.0)]);
    assert_sides(2, 3, 10, &[(&[0], 1.0), (&[1], 1.0), (&[0, 1], 1.0), (&[], 7.0)]);
}

#[test]
fn of_five_machines_two_sides_draw_a_peer_uniformly() {
    let one = 0.5;
    let sides: [(&[u16], f64); 6] = [
        (&[0], one),
        (&[1], one),
        (&[3], one),
        (&[4], one),
        (&[0, 1, 3, 4], 1.0),
        (&[], 7.0),
    ];
    assert_sides(2, 5, 10, &sides);
}

#[test]
fn a_die_of_three_always_sends_and_a_larger_one_is_more_often_idle() {
    assert_sides(0, 3, 3, &[(&[1], 1.0), (&[2], 1.0), (&[1, 2], 1.0)]);
    assert_sides(0, 3, 4, &[(&[1], 1.0), (&[2], 1.0), (&[1, 2], 1.0), (&[], 1.0)]);
    assert_sides(
        0,
        3,
        100,
        &[(&[1], 1.0), (&[2], 1.0), (&[1, 2], 1.0), (&[], 97.0)],
    );
}

#[test]
fn roll_one_is_the_next_in_the_ring_and_roll_two_the_one_before() {
    for seed in 0..50 {
        for me in 0..3 {
            let config = Config {
                seed,
                ..config(me, 3)
            };
            // The same stream as the machine's: one roll a tick.
            let mut die = crate::dice::Stream::new(seed, config.me, crate::dice::Purpose::Die);
            let mut script = Script::started(config);
            for _ in 0..100 {
                let to = match die.below(10) + 1 {
                    1 => machines(&[(me + 1) % 3]),
                    2 => machines(&[(me + 2) % 3]),
                    3 => config.me.peers(3).collect(),
                    _ => Recipients::new(),
                };
                assert_eq!(script.event().1, to);
            }
        }
    }
}

#[test]
fn a_send_to_all_is_one_event_with_one_clock() {
    let mut script = Script::started(config(1, 5));
    let (before, event, to) = (0..1000)
        .map(|tick| (tick, script.event()))
        .find_map(|(tick, (event, to))| (to.len() > 1).then_some((tick, event, to)))
        .unwrap();
    // Nothing was received, so the clock counts events; `event` has checked that each message carries it.
    assert_eq!((event.tick, event.clock), (before + 1, before + 1));
    assert_eq!(to, machines(&[0, 2, 3, 4]));
    assert_eq!(script.event().0.clock, event.clock + 1);
}

#[test]
fn other_seeds_roll_otherwise_and_the_same_seed_the_same() {
    let kinds = |seed, me| {
        let mut script = Script::started(Config {
            seed,
            ..config(me, 3)
        });
        (0..100).map(|_| script.event().0.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(7, 0), kinds(7, 0));
    assert_ne!(kinds(7, 0), kinds(8, 0));
    assert_ne!(kinds(7, 0), kinds(7, 1));
}

#[test]
fn seed_seven_rolls_these_dice_for_ever() {
    let mut log = Vec::new();
    let mut writer = LineWriter::default();
    for me in 0..4 {
        let mut script = Script::started(Config {
            phase: Phase::Random,
            ..config(me, 4)
        });
        log.extend_from_slice(format!("machine {me}\n").as_bytes());
        for _ in 0..12 {
            let due = script.machine.deadline().unwrap();
            let (event, _) = script.event();
            let at = WallTime(i64::try_from(due.0).unwrap());
            writer.write(at, &Record::Event(event), &mut log);
        }
    }
    expect![[r#"
        machine 0
        1970-01-01T00:00:00.213880Z send tick=1 clock=1 to=3
        1970-01-01T00:00:00.463880Z internal tick=2 clock=2
        1970-01-01T00:00:00.713880Z send tick=3 clock=3 to=1,2,3
        1970-01-01T00:00:00.963880Z internal tick=4 clock=4
        1970-01-01T00:00:01.213880Z internal tick=5 clock=5
        1970-01-01T00:00:01.463880Z internal tick=6 clock=6
        1970-01-01T00:00:01.713880Z internal tick=7 clock=7
        1970-01-01T00:00:01.963880Z internal tick=8 clock=8
        1970-01-01T00:00:02.213880Z send tick=9 clock=9 to=1,2,3
        1970-01-01T00:00:02.463880Z internal tick=10 clock=10
        1970-01-01T00:00:02.713880Z send tick=11 clock=11 to=3
        1970-01-01T00:00:02.963880Z internal tick=12 clock=12
        machine 1
        1970-01-01T00:00:00.137027Z internal tick=1 clock=1
        1970-01-01T00:00:00.387027Z internal tick=2 clock=2
        1970-01-01T00:00:00.637027Z internal tick=3 clock=3
        1970-01-01T00:00:00.887027Z send tick=4 clock=4 to=0
        1970-01-01T00:00:01.137027Z internal tick=5 clock=5
        1970-01-01T00:00:01.387027Z send tick=6 clock=6 to=0,2,3
        1970-01-01T00:00:01.637027Z internal tick=7 clock=7
        1970-01-01T00:00:01.887027Z internal tick=8 clock=8
        1970-01-01T00:00:02.137027Z send tick=9 clock=9 to=0
        1970-01-01T00:00:02.387027Z internal tick=10 clock=10
        1970-01-01T00:00:02.637027Z internal tick=11 clock=11
        1970-01-01T00:00:02.887027Z internal tick=12 clock=12
        machine 2
        1970-01-01T00:00:00.180714Z send tick=1 clock=1 to=0,1,3
        1970-01-01T00:00:00.430714Z send tick=2 clock=2 to=0
        1970-01-01T00:00:00.680714Z send tick=3 clock=3 to=0
        1970-01-01T00:00:00.930714Z send tick=4 clock=4 to=0,1,3
        1970-01-01T00:00:01.180714Z internal tick=5 clock=5
        1970-01-01T00:00:01.430714Z internal tick=6 clock=6
        1970-01-01T00:00:01.680714Z internal tick=7 clock=7
        1970-01-01T00:00:01.930714Z send tick=8 clock=8 to=0
        1970-01-01T00:00:02.180714Z internal tick=9 clock=9
        1970-01-01T00:00:02.430714Z internal tick=10 clock=10
        1970-01-01T00:00:02.680714Z internal tick=11 clock=11
        1970-01-01T00:00:02.930714Z send tick=12 clock=12 to=0,1,3
        machine 3
        1970-01-01T00:00:00.135078Z internal tick=1 clock=1
        1970-01-01T00:00:00.385078Z send tick=2 clock=2 to=0
        1970-01-01T00:00:00.635078Z internal tick=3 clock=3
        1970-01-01T00:00:00.885078Z internal tick=4 clock=4
        1970-01-01T00:00:01.135078Z send tick=5 clock=5 to=0,1,2
        1970-01-01T00:00:01.385078Z internal tick=6 clock=6
        1970-01-01T00:00:01.635078Z send tick=7 clock=7 to=2
        1970-01-01T00:00:01.885078Z internal tick=8 clock=8
        1970-01-01T00:00:02.135078Z send tick=9 clock=9 to=1
        1970-01-01T00:00:02.385078Z internal tick=10 clock=10
        1970-01-01T00:00:02.635078Z send tick=11 clock=11 to=1
        1970-01-01T00:00:02.885078Z internal tick=12 clock=12
    "#]]
    .assert_eq(&String::from_utf8(log).unwrap());
}

#[test]
fn seed_seven_draws_these_rates_for_ever() {
    let rates = Rates::Range { from: 1, to: 6 };
    expect!["[1, 5, 4, 1, 5, 5, 2, 2, 6, 3, 1, 6]"]
        .assert_eq(&format!("{:?}", rates.resolve(12, 7).unwrap()));
    // A further machine changes no other's rate.
    assert_eq!(rates.resolve(3, 7).unwrap(), rates.resolve(12, 7).unwrap()[..3]);
}
