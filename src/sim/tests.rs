//! The driver with nodes that are no system: what a link promises, when machines start and end, and its limits.

use std::{cell::RefCell, rc::Rc};

use super::*;
use crate::{
    dice::{Purpose, Stream},
    node::{DownCause, Effect, Effects, Input, Node},
    trace::{Event, Kind},
    wire::{Fields, Message},
};

mod breaking;
mod latency;
mod parting;

/// A number with ballast, so that frames have many lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number(u64);

impl Message for Number {
    const SYSTEM: u8 = 255;

    fn kind(&self) -> u8 {
        0xF1
    }

    fn encode(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.0.to_be_bytes());
        body.resize(body.len() + usize::try_from(self.0 * 7 % 90).unwrap(), 0xAB);
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        assert_eq!(kind, 0xF1);
        let mut fields = Fields::new(body);
        let number = fields.u64("number")?;
        let ballast = usize::try_from(number * 7 % 90).unwrap();
        assert_eq!(fields.rest().len(), ballast, "a body came cut or joined");
        Ok(Number(number))
    }
}

/// What happened, in order: to whom, when, what.
type Happened = Vec<(MachineId, Time, Input<Number>)>;

type Diary = Rc<RefCell<Happened>>;

/// Sends rising numbers to every peer at random moments, and writes down what happens to it.
struct Talker {
    me: MachineId,
    machines: u16,
    numbers: u64,
    next: u64,
    due: Option<Time>,
    pauses: Stream,
    diary: Diary,
}

impl Node for Talker {
    type Message = Number;

    fn handle(&mut self, now: Time, input: Input<Number>, effects: &mut Effects<Number>) {
        match &input {
            Input::Start { .. } => self.due = Some(now),
            Input::Stop { .. } => self.due = None,
            Input::Timeout => {
                assert_eq!(Some(now), self.due, "deadlines are met exactly");
                for to in self.me.peers(self.machines) {
                    let message = Number(self.next);
                    effects.push(Effect::Send { to, message });
                }
                self.next += 1;
                let pause = self.pauses.below(400);
                self.due = (self.next < self.numbers).then_some(Time(now.0 + pause));
                return;
            }
            Input::End => effects.push(Effect::Record(Record::Event(Event {
                tick: self.next,
                clock: 0,
                vector: None,
                hybrid: None,
                store: None,
                kind: Kind::Internal,
            }))),
            _ => {}
        }
        self.diary.borrow_mut().push((self.me, now, input));
    }

    fn deadline(&self) -> Option<Time> {
        self.due
    }
}

/// Counts the numbers that each machine says at its end that it sent.
#[derive(Default)]
struct Said(Vec<(MachineId, u64)>);

impl Observer for Said {
    fn record(&mut self, machine: MachineId, _at: Time, record: &Record) {
        match record {
            Record::Event(event) => self.0.push((machine, event.tick)),
            other => panic!("{other:?}"),
        }
    }
}

fn config(machines: u16, duration_us: u64, latency: &str, seed: u64) -> Config {
    Config {
        epoch: WallTime(0),
        machines,
        duration_us,
        latency: latency.parse().unwrap(),
        faults: None,
        seed,
        run: "test".parse().unwrap(),
    }
}

/// Runs talkers with `numbers` to say; returns all that happened, in order, and what each has sent.
fn talk(config: Config, numbers: u64) -> (Happened, Vec<(MachineId, u64)>, Totals) {
    let diary = Diary::default();
    let (machines, seed) = (config.machines, config.seed);
    let talker = |me| Talker {
        me,
        machines,
        numbers,
        next: 0,
        due: None,
        pauses: Stream::new(seed, me, Purpose::Die),
        diary: Rc::clone(&diary),
    };
    let mut said = Said::default();
    let totals = Simulation::new(config, talker).unwrap().run(&mut said).unwrap();
    let diary = diary.borrow().clone();
    (diary, said.0, totals)
}

#[test]
fn every_message_arrives_once_whole_and_in_order_for_every_seed() {
    let latencies = [
        "constant:0",
        "constant:3ms",
        "uniform:0-1ms",
        "uniform:1ms-90ms",
        "exponential:2ms",
    ];
    let (mut messages, mut segments) = (0, 0);
    for (seed, latency) in (0..300).zip(latencies.iter().cycle()) {
        let machines = [2, 3, 5][(seed % 3) as usize];
        let (diary, said, totals) = talk(config(machines, 20_000, latency, seed), 50);
        let mut heard = vec![vec![0_u64; usize::from(machines)]; usize::from(machines)];
        for (me, _, input) in &diary {
            if let Input::Message { from, message } = input {
                let count = &mut heard[me.index()][from.index()];
                assert_eq!(message.0, *count, "seed {seed}, {latency}: from {from} to {me}");
                *count += 1;
            }
        }
        assert_eq!(said.len(), usize::from(machines));
        for (from, count) in said {
            for to in from.peers(machines) {
                assert_eq!(
                    heard[to.index()][from.index()],
                    count,
                    "seed {seed}, {latency}: {from} to {to}"
                );
            }
        }
        (messages, segments) = (messages + totals.messages, segments + totals.segments);
    }
    assert!(messages > 40_000, "{messages}");
    assert!(
        segments > messages * 21 / 20,
        "{segments} segments of {messages} messages: too few are cut"
    );
}

#[test]
fn time_never_goes_back_and_the_same_seed_gives_the_same_run() {
    let run = |seed| talk(config(4, 30_000, "exponential:1ms", seed), 60);
    let (diary, _, _) = run(7);
    assert!(diary.is_sorted_by_key(|(_, at, _)| *at));
    assert_eq!(diary, run(7).0);
    assert_ne!(diary, run(8).0);
}

#[test]
fn a_node_hears_links_start_stop_goodbyes_and_the_end_in_this_order() {
    let (diary, _, _) = talk(config(3, 1000, "uniform:5ms-9ms", 3), 4);
    for me in MachineId::all(3) {
        let mine: Vec<&Input<Number>> = diary
            .iter()
            .filter(|(id, _, input)| *id == me && !matches!(input, Input::Message { .. }))
            .map(|(_, _, input)| input)
            .collect();
        assert!(
            matches!(
                mine.as_slice(),
                [
                    Input::LinkUp { .. },
                    Input::LinkUp { .. },
                    Input::Start { .. },
                    Input::Stop {
                        reason: Reason::Duration,
                        ..
                    },
                    Input::LinkDown {
                        cause: DownCause::Goodbye,
                        ..
                    },
                    Input::LinkDown { .. },
                    Input::End
                ]
            ),
            "{me}: {mine:?}"
        );
    }
}

#[test]
fn with_a_constant_latency_machines_start_three_latencies_after_the_dials() {
    for machines in [3, 4, 10, CONTROL_MACHINES_MAX, CONTROL_MACHINES_MAX + 1] {
        let simulation = silent(config(machines, 1000, "constant:2ms", 1)).unwrap();
        assert!(
            simulation.starts().iter().all(|at| *at == Time(6000)),
            "{machines}: {:?}",
            simulation.starts()
        );
    }
    // Of two, the one that dialled knows first that both are ready.
    let simulation = silent(config(2, 1000, "constant:2ms", 1)).unwrap();
    assert_eq!(simulation.starts(), [Time(6000), Time(4000)]);
}

#[test]
fn machines_start_within_a_few_latencies_of_each_other() {
    for seed in 0..100 {
        let simulation = silent(config(20, 1000, "uniform:100us-300us", seed)).unwrap();
        let starts = simulation.starts();
        let (first, last) = (starts.iter().min().unwrap().0, starts.iter().max().unwrap().0);
        assert!(first >= 300 && last <= 900 && last - first <= 200, "{starts:?}");
    }
}

/// Says nothing, or asks for time-outs without end.
struct Silent {
    deadline: Option<Time>,
}

impl Node for Silent {
    type Message = Number;

    fn handle(&mut self, _now: Time, _input: Input<Number>, _effects: &mut Effects<Number>) {}

    fn deadline(&self) -> Option<Time> {
        self.deadline
    }
}

fn silent(config: Config) -> Result<Simulation<Silent>, SimError> {
    Simulation::new(config, |_| Silent { deadline: None })
}

struct Nothing;

impl Observer for Nothing {
    fn record(&mut self, _machine: MachineId, _at: Time, _record: &Record) {}
}

#[test]
fn a_node_that_does_not_get_on_is_found() {
    let stuck = Simulation::new(config(2, 1000, "constant:1ms", 1), |_| Silent {
        deadline: Some(Time(0)),
    });
    let error = stuck.unwrap().run(&mut Nothing).unwrap_err();
    assert_eq!(
        error,
        SimError::Stuck {
            machine: MachineId(0)
        }
    );
    assert!(
        error.to_string().contains("1000000 time-outs at one moment"),
        "{error}"
    );
}
