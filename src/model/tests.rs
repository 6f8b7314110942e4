//! The state machine by scripted inputs, its dice by statistics, and its parameters by their messages.

mod parameters;

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::{
    clock::{ClockKind, Timestamp},
    node::{DownCause, Effect, Effects, Input, Node},
    trace::{Event, Footer, Kind, LineWriter, Recipients, Record, WallTime},
    units::{MachineId, Time},
    wire::{FieldError, Message, Reason},
};

fn config(me: u16, machines: u16) -> Config {
    Config {
        me: MachineId(me),
        machines,
        rate: 4,
        draw: 10,
        phase: Phase::Aligned,
        clock: ClockKind::Lamport,
        seed: 7,
    }
}

/// A machine with its effects, driven by hand.
struct Script {
    machine: Machine,
    effects: Effects<Stamp>,
}

impl Script {
    fn new(config: Config) -> Self {
        Self {
            machine: Machine::new(config),
            effects: Effects::new(),
        }
    }

    /// A machine that has started at time 0.
    fn started(config: Config) -> Self {
        let mut script = Self::new(config);
        assert_eq!(script.input(0, Input::Start), []);
        script
    }

    /// The effects of one input.
    fn input(&mut self, now_us: u64, input: Input<Stamp>) -> Effects<Stamp> {
        self.machine.handle(Time(now_us), input, &mut self.effects);
        std::mem::take(&mut self.effects)
    }

    fn message(&mut self, from: u16, sent: u64) {
        let input = Input::Message {
            from: MachineId(from),
            message: Stamp(Timestamp::Lamport(sent)),
        };
        assert_eq!(self.input(0, input), []);
    }

    /// The effects of the next tick, at its deadline.
    fn tick(&mut self) -> Effects<Stamp> {
        let due = self.machine.deadline().unwrap();
        self.input(due.0, Input::Timeout)
    }

    /// The event of the next tick, and to whom its messages go.
    fn event(&mut self) -> (Event, Recipients) {
        let mut effects = self.tick().into_iter();
        let Some(Effect::Record(Record::Event(event))) = effects.next() else {
            panic!("a tick begins with its event");
        };
        let clock = event.clock;
        let to = effects
            .map(|effect| match effect {
                Effect::Send { to, message } => {
                    assert_eq!(
                        message,
                        Stamp(Timestamp::Lamport(clock)),
                        "each message carries the event's clock"
                    );
                    to
                }
                other => panic!("{other:?} in a tick"),
            })
            .collect();
        (event, to)
    }

    /// The next event that sends.
    fn send(&mut self) -> (Event, Recipients) {
        (0..1000)
            .map(|_| self.event())
            .find(|(event, _)| matches!(event.kind, Kind::Send { .. }))
            .expect("three of ten rolls send")
    }

    fn footer(&mut self) -> Footer {
        let mut effects = self.input(9_000_000, Input::End);
        match (effects.pop(), effects.is_empty()) {
            (Some(Effect::Record(Record::Ended(footer))), true) => *footer,
            other => panic!("{other:?}"),
        }
    }
}

fn stop(reason: Reason, peer: Option<u16>) -> Input<Stamp> {
    Input::Stop {
        reason,
        peer: peer.map(MachineId),
        until: Time(0), // nothing is left to do
    }
}

fn machines(ids: &[u16]) -> Recipients {
    ids.iter().copied().map(MachineId).collect()
}

mod ticks {
    use super::*;

    #[test]
    fn nothing_is_due_before_the_start() {
        let mut script = Script::new(config(0, 3));
        assert_eq!(script.machine.deadline(), None);
        for peer in [1, 2] {
            assert_eq!(
                script.input(
                    5,
                    Input::LinkUp {
                        peer: MachineId(peer)
                    }
                ),
                []
            );
        }
        assert_eq!(script.input(10, Input::Timeout), []);
        assert_eq!(script.machine.deadline(), None);
    }

    #[test]
    fn ticks_are_due_at_start_and_phase_and_n_periods() {
        let mut script = Script::new(Config {
            rate: 3,
            ..config(0, 3)
        });
        script.input(1_000, Input::Start);
        for due in [1_000, 334_333, 667_666, 1_001_000] {
            assert_eq!(script.machine.deadline(), Some(Time(due)));
            script.tick();
        }
    }

    #[test]
    fn the_phase_shifts_the_first_tick_within_its_period() {
        for seed in 0..200 {
            for (rate, period_us) in [(1, 1_000_000), (6, 166_666), (1000, 1000)] {
                let config = Config {
                    rate,
                    phase: Phase::Random,
                    seed,
                    ..config(1, 3)
                };
                let phase_us = config.phase_us();
                assert!(phase_us < period_us, "seed {seed}: {phase_us}");
                let script = Script::started(config);
                assert_eq!(script.machine.deadline(), Some(Time(phase_us)));
            }
        }
    }

    #[test]
    fn a_timeout_before_its_time_does_nothing() {
        let mut script = Script::started(config(0, 3));
        script.tick();
        assert_eq!(script.input(249_999, Input::Timeout), []);
        assert_eq!(script.input(250_000, Input::Timeout).len(), 1);
    }

    #[test]
    fn each_tick_is_one_event_numbered_without_a_gap() {
        let mut script = Script::started(config(2, 3));
        let mut clock = 0;
        for tick in 1..=500 {
            if tick % 7 == 0 {
                script.message(0, tick);
            }
            let (event, _) = script.event();
            assert_eq!(event.tick, tick);
            assert!(event.clock > clock, "the clock rises with every event");
            clock = event.clock;
        }
    }

    #[test]
    fn waiting_messages_are_taken_first_in_the_order_they_came() {
        let mut script = Script::started(config(0, 3));
        for (from, sent) in [(1, 5), (2, 3), (1, 6)] {
            script.message(from, sent);
        }
        for (from, sent, queue, clock) in [(1, 5, 2, 6), (2, 3, 1, 7), (1, 6, 0, 8)] {
            let (event, to) = script.event();
            let from = MachineId(from);
            assert_eq!(event.kind, Kind::Receive { from, sent, queue });
            assert_eq!((event.clock, to.len()), (clock, 0));
        }
        let (event, _) = script.event();
        assert!(!matches!(event.kind, Kind::Receive { .. }), "the queue is empty");
        assert_eq!(event.clock, 9);
    }

    #[test]
    fn messages_before_the_start_are_queued() {
        let mut script = Script::new(config(0, 3));
        script.message(1, 41);
        script.message(2, 7);
        script.input(0, Input::Start);
        let (event, _) = script.event();
        assert_eq!((event.tick, event.clock), (1, 42));
        let (event, _) = script.event();
        assert_eq!((event.tick, event.clock), (2, 43));
    }

    #[test]
    fn a_receipt_does_not_use_up_a_roll() {
        let alone = |count: u64| {
            let mut script = Script::started(config(0, 3));
            let mut kinds = Vec::new();
            for turn in 0..count {
                if turn % 3 == 0 {
                    script.message(1, turn);
                    script.event();
                }
                kinds.push(script.event().0.kind);
            }
            kinds
        };
        let mut script = Script::started(config(0, 3));
        let kinds: Vec<Kind> = (0..200).map(|_| script.event().0.kind).collect();
        assert_eq!(alone(200), kinds);
    }

    #[test]
    fn a_long_sleep_is_a_stall_and_the_gap_is_skipped() {
        let mut script = Script::started(config(0, 3));
        script.tick();
        assert_eq!(
            script.input(60_000_000, Input::Timeout),
            [Effect::Record(Record::Stall {
                late_us: 59_750_000,
                skipped: 240
            })]
        );
        assert_eq!(script.machine.deadline(), Some(Time(60_250_000)));
        let (event, _) = script.event();
        assert_eq!(event.tick, 2, "skipped ticks are no events");
        assert_eq!(script.footer().ticks, 2);
    }

    #[test]
    fn a_second_late_is_made_up_for_at_once() {
        let mut script = Script::started(config(0, 3));
        let mut events = 0;
        while script.machine.deadline().unwrap() <= Time(1_000_000) {
            events += script
                .input(1_000_000, Input::Timeout)
                .iter()
                .filter(|effect| is_event(effect))
                .count();
        }
        assert_eq!(events, 5);
    }

    fn is_event(effect: &Effect<Stamp>) -> bool {
        matches!(effect, Effect::Record(Record::Event(_)))
    }

    #[test]
    fn the_largest_stamp_holds_the_clock_at_its_end() {
        let mut script = Script::started(config(0, 3));
        script.message(1, u64::MAX);
        assert_eq!(script.event().0.clock, u64::MAX);
        assert_eq!(script.event().0.clock, u64::MAX);
    }
}

mod dice {
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
                    Kind::Send { to, dropped } => {
                        assert!(dropped.is_empty() && !to.is_empty());
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
                let mut die =
                    super::super::dice::Stream::new(seed, config.me, super::super::dice::Purpose::Die);
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
}

mod links {
    use super::*;

    #[test]
    fn the_first_link_up_is_no_record() {
        let mut script = Script::new(config(0, 3));
        assert_eq!(script.input(0, Input::LinkUp { peer: MachineId(1) }), []);
    }

    #[test]
    fn a_lost_link_and_its_return_are_recorded() {
        let mut script = Script::started(config(0, 3));
        let peer = MachineId(1);
        let cause = DownCause::Lost;
        assert_eq!(
            script.input(0, Input::LinkDown { peer, cause }),
            [Effect::Record(Record::LinkLost { peer })]
        );
        assert_eq!(
            script.input(0, Input::LinkUp { peer }),
            [Effect::Record(Record::LinkUp { peer })]
        );
        assert_eq!(
            script.input(0, Input::LinkUp { peer }),
            [],
            "up again says nothing new"
        );
    }

    #[test]
    fn recipients_whose_link_is_down_are_named_and_get_nothing() {
        for cause in [DownCause::Lost, DownCause::Goodbye] {
            let mut script = Script::started(config(0, 3));
            let peer = MachineId(2);
            script.input(0, Input::LinkDown { peer, cause });
            let mut only_down = 0;
            for _ in 0..60 {
                let (event, sent) = script.send();
                let Kind::Send { to, dropped } = event.kind else {
                    unreachable!("`send` looks for one")
                };
                let (down, up): (Recipients, Recipients) = to.iter().copied().partition(|to| *to == peer);
                assert_eq!((dropped, sent), (down, up), "to {to:?}");
                only_down += u32::from(to == machines(&[2]));
            }
            assert!(only_down > 0, "an event with no message at all is among them");
            script.input(0, Input::LinkUp { peer });
            for _ in 0..60 {
                let (event, sent) = script.send();
                assert!(matches!(event.kind, Kind::Send { to, dropped } if to == sent && dropped.is_empty()));
            }
        }
    }

    #[test]
    fn goodbye_is_no_record_and_stands_in_the_footer() {
        let mut script = Script::started(config(0, 4));
        for peer in [3, 1] {
            let input = Input::LinkDown {
                peer: MachineId(peer),
                cause: DownCause::Goodbye,
            };
            assert_eq!(script.input(0, input), []);
        }
        let input = Input::LinkDown {
            peer: MachineId(2),
            cause: DownCause::Lost,
        };
        script.input(0, input);
        assert_eq!(script.footer().goodbye, [MachineId(1), MachineId(3)]);
    }

    #[test]
    fn a_peer_that_came_back_has_not_said_goodbye() {
        let mut script = Script::started(config(0, 3));
        let peer = MachineId(1);
        let cause = DownCause::Goodbye;
        script.input(0, Input::LinkDown { peer, cause });
        script.input(0, Input::LinkUp { peer });
        assert_eq!(script.footer().goodbye, []);
    }
}

mod end {
    use super::*;

    #[test]
    fn nothing_is_due_after_the_stop_and_messages_still_join_the_queue() {
        let mut script = Script::started(config(0, 3));
        script.tick();
        assert_eq!(script.input(1_000, stop(Reason::Duration, None)), []);
        assert_eq!(script.machine.deadline(), None);
        script.message(1, 5);
        assert_eq!(script.input(500_000, Input::Timeout), []);
        let footer = script.footer();
        assert_eq!((footer.ticks, footer.queued), (1, 1));
        assert_eq!(footer.reason, Some(Reason::Duration));
    }

    #[test]
    fn a_start_after_the_stop_starts_nothing() {
        let mut script = Script::new(config(0, 3));
        script.input(0, stop(Reason::Interrupted, None));
        script.input(1_000, Input::Start);
        assert_eq!(script.machine.deadline(), None);
        assert_eq!(script.input(1_000, Input::Timeout), []);
        assert_eq!(script.footer().ticks, 0);
    }

    #[test]
    fn the_first_stop_is_the_one_that_counts() {
        let mut script = Script::started(config(0, 3));
        script.input(2_000, Input::Timeout);
        script.input(3_000, stop(Reason::PeerLost, Some(2)));
        script.input(4_000, stop(Reason::Interrupted, None));
        let footer = script.footer();
        assert_eq!(
            (footer.reason, footer.peer),
            (Some(Reason::PeerLost), Some(MachineId(2)))
        );
        assert_eq!(
            footer.tick_error_us_max,
            Some(2_000),
            "the statistics of the ticks are kept"
        );
    }

    #[test]
    fn the_footer_counts_waiting_messages_by_sender() {
        let mut script = Script::started(config(0, 4));
        for from in [1, 3, 3, 1, 3] {
            script.message(from, 1);
        }
        script.event();
        script.input(0, stop(Reason::PeerStopped, Some(3)));
        let footer = script.footer();
        assert_eq!((footer.ticks, footer.queued), (1, 4));
        assert_eq!(footer.waiting, [0, 1, 0, 3]);
        assert_eq!(
            (footer.reason, footer.peer),
            (Some(Reason::PeerStopped), Some(MachineId(3)))
        );
        assert_eq!(footer.suspended_us, None, "only the driver knows the wall clock");
    }

    #[test]
    fn the_footer_says_how_late_ticks_were_without_the_skipped_ones() {
        let mut script = Script::started(config(0, 3));
        script.input(100, Input::Timeout);
        script.input(250_500, Input::Timeout);
        script.input(500_000, Input::Timeout);
        script.input(9_000_000, Input::Timeout);
        script.input(9_000_000, stop(Reason::Duration, None));
        let footer = script.footer();
        assert_eq!(
            (footer.tick_error_us_mean, footer.tick_error_us_max),
            (Some(200), Some(500))
        );
        assert_eq!((footer.stalls, footer.ticks), (Some(1), 3));
    }

    #[test]
    fn a_machine_that_never_started_has_a_footer() {
        let mut script = Script::new(config(0, 3));
        script.message(2, 4);
        script.input(0, stop(Reason::Terminated, None));
        let footer = script.footer();
        assert_eq!(
            (footer.ticks, footer.queued, footer.waiting),
            (0, 1, vec![0, 0, 1])
        );
        assert_eq!((footer.tick_error_us_mean, footer.stalls), (None, None));
    }

    #[test]
    fn ticks_are_receives_and_sends_and_internal_events() {
        let mut script = Script::started(config(0, 3));
        let mut sums = [0_u64; 3];
        for turn in 0..300 {
            if turn % 4 == 0 {
                script.message(1, turn);
            }
            match script.event().0.kind {
                Kind::Internal => sums[0] += 1,
                Kind::Send { .. } => sums[1] += 1,
                Kind::Receive { .. } => sums[2] += 1,
                Kind::Other => panic!("no kind of this system"),
            }
        }
        script.input(0, stop(Reason::Limit, None));
        assert_eq!(script.footer().ticks, sums.iter().sum::<u64>());
        assert_eq!(sums[2], 75);
    }

    #[test]
    fn a_full_queue_asks_for_the_stop_once() {
        let mut script = Script::started(config(0, 3));
        let mut asked = Effects::new();
        for _ in 0..QUEUE_MESSAGES_MAX + 2 {
            let input = Input::Message {
                from: MachineId(1),
                message: Stamp(Timestamp::Lamport(1)),
            };
            script.machine.handle(Time(0), input, &mut asked);
        }
        let reason = Reason::Limit;
        assert_eq!(asked, [Effect::Stop { reason }]);
    }
}

mod message {
    use super::*;

    proptest! {
        #[test]
        fn every_stamp_survives_the_wire(sent in any::<u64>()) {
            let stamp = Stamp(Timestamp::Lamport(sent));
            let mut body = Vec::new();
            stamp.encode(&mut body);
            prop_assert_eq!(Stamp::decode(stamp.kind(), &body), Ok(stamp));
            for cut in 0..body.len() {
                let is_truncated = matches!(Stamp::decode(STAMP, &body[..cut]), Err(FieldError::Truncated { .. }));
                prop_assert!(is_truncated, "cut at {}", cut);
            }
            body.push(0);
            prop_assert_eq!(Stamp::decode(STAMP, &body), Err(FieldError::Trailing { bytes: 1 }));
        }
    }

    #[test]
    fn other_kinds_are_unknown_to_this_system() {
        for kind in (0..=u8::MAX).filter(|kind| *kind != STAMP) {
            assert_eq!(Stamp::decode(kind, &[1; 9]), Err(FieldError::Kind { kind }));
        }
    }
}
