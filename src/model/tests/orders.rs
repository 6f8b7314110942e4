//! What orders do to a machine's time, and what the check makes of it, of logs that lie included.

use std::sync::Arc;

use super::*;
use crate::{
    model::check::{ModelCheck, RULES},
    node::Order,
    trace::{Header, Violations},
};

fn order(order: Order) -> Input<Stamp> {
    Input::Order(order)
}

fn records(effects: Effects<Stamp>) -> Vec<Record> {
    let records = effects.into_iter().filter_map(|effect| match effect {
        Effect::Record(record) => Some(record),
        Effect::Send { .. } | Effect::Stop { .. } => None,
    });
    records.collect()
}

/// A log as it is written, in memory.
struct Log {
    header: Header,
    lines: Vec<(WallTime, Record)>,
}

impl Log {
    fn new(config: &Config) -> Self {
        let header = Header {
            machine: config.me,
            machines: config.machines,
            rate: Some(config.rate),
            draw: Some(config.draw),
            phase_us: Some(config.phase_us()),
            speed: config.speed,
            clock: config.clock,
            seed: config.seed,
            run: "orders".parse().unwrap(),
            started: WallTime(0),
        };
        Self {
            header,
            lines: Vec::new(),
        }
    }

    fn write(&mut self, at: u64, effects: Effects<Stamp>) {
        let at = WallTime(i64::try_from(at).unwrap());
        self.lines
            .extend(records(effects).into_iter().map(|record| (at, record)));
    }

    /// The rules that it breaks.
    fn broken(&self) -> Vec<&'static str> {
        let mut check = ModelCheck::new(&self.header, Arc::from("log")).unwrap();
        let mut violations = Violations::default();
        for (line, (at, record)) in (3..).zip(&self.lines) {
            check.take(line, *at, record, &mut violations);
        }
        let broken = RULES.into_iter().filter(|rule| violations.count(rule) > 0);
        broken.collect()
    }

    fn memory(&self) -> Memory {
        let mut memory = Memory::new(&self.header);
        for (at, record) in &self.lines {
            memory.take(*at, record);
        }
        memory.at_death()
    }

    /// The first line that is like this.
    fn find(&self, is: impl Fn(&Record) -> bool) -> usize {
        self.lines.iter().position(|(_, record)| is(record)).unwrap()
    }
}

/// A machine and its log, driven along its deadlines.
struct Run {
    config: Config,
    script: Script,
    log: Log,
    now: u64,
}

impl Run {
    fn new(config: Config) -> Self {
        Self {
            config,
            script: Script::started(config),
            log: Log::new(&config),
            now: 0,
        }
    }

    fn until(&mut self, until: u64) {
        while let Some(due) = self.script.machine.deadline().filter(|due| due.0 < until) {
            self.now = self.now.max(due.0);
            let effects = self.script.input(self.now, Input::Timeout);
            self.log.write(self.now, effects);
        }
        self.now = until;
    }

    fn give(&mut self, input: Input<Stamp>) -> Vec<Record> {
        let effects = self.script.input(self.now, input);
        self.log.write(self.now, effects.clone());
        records(effects)
    }

    /// The process dies, and is started again some time later.
    fn rise(&mut self, after: u64) {
        self.now += after;
        let config = self.config;
        self.script.machine = Machine::resumed(config, &self.log.memory());
        for peer in config.me.peers(config.machines) {
            self.give(Input::LinkUp { peer, incarnation: 1 });
        }
        self.give(start());
    }

    fn end(mut self) -> Log {
        let until = Time(self.now);
        self.give(Input::Stop {
            reason: Reason::Duration,
            peer: None,
            until,
        });
        self.now += 500;
        self.give(Input::End);
        self.log
    }
}

#[test]
fn a_pause_stops_ticks_and_not_messages_and_steps_take_them() {
    let mut run = Run::new(config(0, 3));
    run.until(1_100_000);
    assert_eq!(run.give(order(Order::Pause)), [Record::Paused]);
    assert_eq!(run.give(order(Order::Pause)), [], "it is paused");
    assert_eq!(run.script.machine.deadline(), None);
    run.until(9_000_000);
    run.script.message(1, 5);
    let steps = run.give(order(Order::Step { ticks: 2 }));
    assert_eq!(steps[0], Record::Stepped { ticks: 2 });
    let kinds: Vec<bool> = steps[1..]
        .iter()
        .map(|record| matches!(record, Record::Event(event) if matches!(event.kind, Kind::Receive { .. })))
        .collect();
    assert_eq!(kinds, [true, false], "the message, then the die");
    let pace = Record::Pace {
        rate: 4,
        next_us: 150_000,
    };
    assert_eq!(run.give(order(Order::Resume)), [pace]);
    assert_eq!(run.give(order(Order::Resume)), [], "it runs");
    assert_eq!(run.give(order(Order::Step { ticks: 2 })), [], "it runs");
    run.until(10_000_000);
    let log = run.end();
    assert_eq!(log.broken(), [""; 0]);
    let Some((_, Record::Ended(footer))) = log.lines.last() else {
        panic!("no footer")
    };
    assert_eq!(footer.ticking_us, Some(2_100_000), "the pause is none of it");
    assert_eq!(footer.ticks, 5 + 2 + 4);
}

#[test]
fn a_stop_while_paused_makes_up_for_nothing() {
    let mut run = Run::new(config(0, 3));
    run.until(600_000);
    run.give(order(Order::Pause));
    run.until(30_000_000);
    let log = run.end();
    assert_eq!(log.broken(), [""; 0]);
    assert!(matches!(&log.lines.last().unwrap().1, Record::Ended(footer) if footer.ticks == 3));
}

#[test]
fn a_jump_moves_the_clock_without_an_event() {
    let mut run = Run::new(config(0, 3));
    run.until(10);
    let jump = Order::Jump {
        ticks: 100,
        physical_us: -5,
    };
    run.give(order(jump));
    assert_eq!(run.script.machine.physical_offset_us(), -5);
    let (event, _) = run.script.event();
    assert_eq!((event.tick, event.clock), (2, 102));
}

#[test]
fn a_rate_is_never_faster_than_the_fastest() {
    let haste = Config {
        speed: "100".parse().unwrap(),
        ..config(0, 3)
    };
    let mut run = Run::new(haste);
    let rate = Order::Rate { per_second: u32::MAX };
    let said = run.give(order(rate));
    assert!(
        matches!(said.last(), Some(Record::Pace { rate: 10, .. })),
        "{said:?}"
    );
}

#[test]
fn orders_before_the_start_and_behind_the_stop_do_nothing() {
    let orders = [
        Order::Pause,
        Order::Step { ticks: 3 },
        Order::Rate { per_second: 9 },
        Order::Resume,
    ];
    let mut script = Script::new(config(0, 3));
    for order in orders {
        assert_eq!(script.input(0, Input::Order(order)), []);
    }
    script.input(0, start());
    script.input(10, stop(Reason::Duration, None));
    for order in orders {
        assert_eq!(script.input(20, Input::Order(order)), []);
    }
}

#[test]
fn a_machine_that_is_started_again_goes_on_from_its_log_without_its_queue() {
    let mut run = Run::new(config(0, 3));
    run.until(2_000_000);
    run.script.message(1, 700);
    run.script.message(2, 3);
    run.until(2_200_000);
    let before = run.log.memory();
    assert_eq!((before.incarnation, before.ticks, before.clock), (2, 9, 701));
    run.rise(3_000_000);
    assert_eq!(run.log.memory().incarnation, 3);
    run.until(6_000_000);
    let after = run.log.memory();
    assert_eq!((after.ticks, after.clock), (13, 705), "no message waits any more");
    assert_eq!(run.end().broken(), [""; 0]);
}

#[test]
fn a_machine_that_died_paused_comes_back_paused() {
    let mut run = Run::new(config(0, 3));
    run.until(1_000_000);
    run.give(order(Order::Pause));
    run.rise(1_000_000);
    assert_eq!(run.script.machine.deadline(), None);
    run.give(order(Order::Step { ticks: 1 }));
    run.give(order(Order::Resume));
    run.until(5_000_000);
    assert_eq!(run.end().broken(), [""; 0]);
}

#[test]
fn links_that_are_missing_at_a_new_life_are_lost_and_come_up_later() {
    let mut script = Script::new(config(0, 3));
    let memory = Log::new(&config(0, 3)).memory();
    script.machine = Machine::resumed(config(0, 3), &memory);
    let peer = MachineId(1);
    assert_eq!(script.input(0, Input::LinkUp { peer, incarnation: 4 }), []);
    let said = records(script.input(0, start()));
    let expected = [
        Record::Restarted { incarnation: 2 },
        Record::Pace { rate: 4, next_us: 0 },
        Record::LinkUp { peer, incarnation: 4 },
        Record::LinkLost { peer: MachineId(2) },
    ];
    assert_eq!(said, expected);
    let up = Input::LinkUp {
        peer: MachineId(2),
        incarnation: 1,
    };
    assert_eq!(records(script.input(5, up)).len(), 1);
}

#[derive(Clone, Debug)]
enum Deed {
    Order(Order),
    Message,
    Sleep(u64),
    Die(u64),
}

fn deeds() -> impl Strategy<Value = Vec<(u64, Deed)>> {
    let order = prop_oneof![
        Just(Order::Pause),
        Just(Order::Resume),
        (1_u64..4).prop_map(|ticks| Order::Step { ticks }),
        (1_u32..40).prop_map(|per_second| Order::Rate { per_second }),
        (0_u64..9).prop_map(|ticks| Order::Jump {
            ticks,
            physical_us: 1
        }),
    ];
    let deed = prop_oneof![
        6 => order.prop_map(Deed::Order),
        3 => Just(Deed::Message),
        1 => (0_u64..3_000_000).prop_map(Deed::Sleep),
        1 => (0_u64..3_000_000).prop_map(Deed::Die),
    ];
    proptest::collection::vec((0_u64..2_000_000, deed), 0..40)
}

proptest! {
    #[test]
    fn whatever_is_ordered_the_log_keeps_every_rule(
        deeds in deeds(), seed in any::<u64>(), permille in 100_u32..3000, random in any::<bool>()
    ) {
        let speed = format!("{}.{:03}", permille / 1000, permille % 1000);
        let phase = if random { Phase::Random } else { Phase::Aligned };
        let mut run = Run::new(Config { seed, phase, speed: speed.parse().unwrap(), ..config(1, 3) });
        for (wait, deed) in deeds {
            run.until(run.now + wait);
            match deed {
                Deed::Order(order) => { run.give(Input::Order(order)); }
                Deed::Message => {
                    let message = Stamp(Timestamp::Lamport(run.now));
                    run.give(Input::Message { from: MachineId(0), message });
                }
                Deed::Sleep(us) => run.now += us,
                Deed::Die(us) => run.rise(us),
            }
        }
        run.until(run.now + 300_000);
        prop_assert_eq!(run.end().broken(), [""; 0]);
    }
}

/// A log with a pause, two steps, a resume and a death in it.
fn eventful() -> Log {
    let mut run = Run::new(config(0, 3));
    run.until(1_100_000);
    run.give(order(Order::Pause));
    run.until(1_500_000);
    run.give(order(Order::Step { ticks: 2 }));
    run.until(2_000_000);
    run.give(order(Order::Resume));
    run.until(4_000_000);
    run.rise(500_000);
    run.until(9_000_000);
    let log = run.end();
    assert_eq!(log.broken(), [""; 0]);
    log
}

#[test]
fn a_step_without_its_remark_is_found() {
    let mut log = eventful();
    let step = log.find(|record| matches!(record, Record::Stepped { .. }));
    log.lines.remove(step);
    assert_eq!(log.broken(), ["steps kept"]);
}

#[test]
fn a_step_that_is_not_done_is_found() {
    let mut log = eventful();
    let step = log.find(|record| matches!(record, Record::Stepped { .. }));
    log.lines[step].1 = Record::Stepped { ticks: 3 };
    assert_eq!(log.broken(), ["steps kept"]);
}

#[test]
fn a_step_of_a_machine_that_runs_is_found() {
    let mut log = eventful();
    let pause = log.find(|record| *record == Record::Paused);
    log.lines.remove(pause);
    assert!(log.broken().contains(&"steps kept"));
}

#[test]
fn a_tick_too_early_behind_a_pause_is_found() {
    let mut log = eventful();
    let resume = log.find(|record| matches!(record, Record::Pace { .. }));
    log.lines[resume + 1].0.0 -= 100;
    assert_eq!(log.broken(), ["one thing a tick"]);
}

#[test]
fn a_schedule_that_waits_longer_than_a_period_is_found() {
    let mut log = eventful();
    let resume = log.find(|record| matches!(record, Record::Pace { .. }));
    log.lines[resume].1 = Record::Pace {
        rate: 4,
        next_us: 250_100,
    };
    assert!(log.broken().contains(&"rate kept"));
}

#[test]
fn ticks_that_another_rate_asks_for_are_missed() {
    let mut log = eventful();
    let resume = log.find(|record| matches!(record, Record::Pace { .. }));
    log.lines[resume].1 = Record::Pace { rate: 9, next_us: 0 };
    // A death hides how long that schedule was; the next one does not.
    assert_eq!(log.broken(), [""; 0]);
    let new_life = log
        .lines
        .iter()
        .rposition(|(_, record)| matches!(record, Record::Pace { .. }));
    log.lines[new_life.unwrap()].1 = Record::Pace { rate: 9, next_us: 0 };
    assert_eq!(log.broken(), ["rate kept"]);
}
