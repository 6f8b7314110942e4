//! The state machine by scripted inputs, its dice by statistics, and its parameters by their messages.

mod clocks;
mod dice;
mod end;
mod orders;
mod parameters;

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::{
    clock::{ClockKind, Timestamp},
    node::{DownCause, Effect, Effects, Input, Node},
    trace::{Event, Footer, Header, Kind, LineWriter, Recipients, Record, Traffic, WallTime},
    units::{MachineId, Speed, Time},
    wire::{FieldError, Message, Reason},
};

/// The start, at a wall time that Lamport's clock does not look at.
fn start() -> Input<Stamp> {
    Input::Start {
        wall: WallTime::default(),
    }
}

fn config(me: u16, machines: u16) -> Config {
    Config {
        me: MachineId(me),
        machines,
        rate: 4,
        speed: Speed::NORMAL,
        draw: 10,
        traffic: Traffic::Assignment,
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
        assert_eq!(script.input(0, start()), []);
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
        let mut effects = self.tick();
        let Some(Effect::Record(Record::Event(event))) = effects.pop() else {
            panic!("a tick ends with its event");
        };
        let clock = event.clock;
        let to = effects
            .into_iter()
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

/// The header of a machine's log.
fn header(config: &Config) -> Header {
    Header {
        machine: config.me,
        machines: config.machines,
        rate: Some(config.rate),
        draw: Some(config.draw),
        traffic: config.traffic,
        phase_us: Some(config.phase_us()),
        speed: config.speed,
        clock: config.clock,
        incarnation: None,
        seed: config.seed,
        run: "orders".parse().unwrap(),
        started: WallTime(0),
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
                        incarnation: 1,
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
        script.input(1_000, start());
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
            let Kind::Receive { waited_us, .. } = event.kind else {
                panic!("a receive was due: {event:?}");
            };
            assert!(waited_us.is_some());
            let kind = Kind::Receive {
                from,
                sent,
                queue,
                waited_us,
            };
            assert_eq!(event.kind, kind);
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
        script.input(0, start());
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

mod links {
    use super::*;

    #[test]
    fn the_first_link_up_is_no_record() {
        let mut script = Script::new(config(0, 3));
        assert_eq!(
            script.input(
                0,
                Input::LinkUp {
                    peer: MachineId(1),
                    incarnation: 1
                }
            ),
            []
        );
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
            script.input(0, Input::LinkUp { peer, incarnation: 1 }),
            [Effect::Record(Record::LinkUp { peer, incarnation: 1 })]
        );
        assert_eq!(
            script.input(0, Input::LinkUp { peer, incarnation: 1 }),
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
                let Kind::Send { to, mishaps } = event.kind else {
                    unreachable!("`send` looks for one")
                };
                let dropped = mishaps.map(|mishaps| mishaps.dropped).unwrap_or_default();
                let (down, up): (Recipients, Recipients) = to.iter().copied().partition(|to| *to == peer);
                assert_eq!((dropped, sent), (down, up), "to {to:?}");
                only_down += u32::from(to == machines(&[2]));
            }
            assert!(only_down > 0, "an event with no message at all is among them");
            script.input(0, Input::LinkUp { peer, incarnation: 1 });
            for _ in 0..60 {
                let (event, sent) = script.send();
                assert!(matches!(event.kind, Kind::Send { to, mishaps: None } if to == sent));
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
        script.input(0, Input::LinkUp { peer, incarnation: 1 });
        assert_eq!(script.footer().goodbye, []);
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
