//! Injected faults in virtual time: what a node hears of them, their records, and the limits.

use super::*;
use crate::{
    faults::{Plan, Timed},
    node::Order,
};

fn plan(faults: &[(u64, Option<u64>, &str)]) -> Option<Plan> {
    let timed = (1..).zip(faults).map(|(id, (at, lasts, text))| Timed {
        id,
        at: Time(*at),
        lasts: lasts.map(std::time::Duration::from_micros),
        fault: text.parse().unwrap(),
    });
    Some(Plan {
        seed: Some(7),
        faults: timed.collect(),
    })
}

/// Everything recorded, in order.
#[derive(Default)]
struct Records(Vec<(MachineId, Time, Record)>);

impl Observer for Records {
    fn record(&mut self, machine: MachineId, at: Time, record: &Record) {
        self.0.push((machine, at, record.clone()));
    }
}

fn broken(faults: &[(u64, Option<u64>, &str)], machines: u16) -> Result<(Happened, Records), SimError> {
    let diary = Diary::default();
    let config = Config {
        faults: plan(faults),
        ..config(machines, 20_000, "constant:0", 3)
    };
    let talker = |me| Talker {
        me,
        machines,
        numbers: 30,
        next: 0,
        due: None,
        pauses: Stream::new(3, me, Purpose::Die),
        diary: Rc::clone(&diary),
    };
    let mut records = Records::default();
    Simulation::new(config, talker)?.run(&mut records)?;
    let happened = diary.borrow().clone();
    Ok((happened, records))
}

#[test]
fn a_node_hears_orders_at_their_times_and_once_what_it_cannot_rely_on() {
    let faults = [
        (5_000, Some(10_000), "rate 1 3"),
        (8_000, None, "jump 1 100"),
        (9_000, Some(1_000), "rate 1 7"),
        (2_000, Some(1_000), "loss 0 to 2 0%"),
        (4_000, None, "duplicate 0 to 2 0%"),
    ];
    let (happened, records) = broken(&faults, 3).unwrap();
    let heard: Vec<(u16, u64, Input<Number>)> = happened
        .into_iter()
        .filter(|(.., input)| matches!(input, Input::Order(_) | Input::Unreliable { .. }))
        .map(|(me, at, input)| (me.0, at.0, input))
        .collect();
    let rate = |per_second| Input::Order(Order::Rate { per_second });
    let jump = Order::Jump {
        ticks: 100,
        physical_us: 0,
    };
    let expected = [
        (0, 2_000, Input::Unreliable { peer: MachineId(2) }),
        (1, 5_000, rate(3)),
        (1, 8_000, Input::Order(jump)),
        (1, 9_000, rate(7)),
        (1, 10_000, rate(3)),
        (1, 15_000, Input::Order(Order::OwnRate)),
    ];
    assert_eq!(heard, expected);
    let marks = records.0.iter().filter_map(|(me, at, record)| match record {
        Record::Fault(note) => Some((me.0, at.0, note.id, true)),
        Record::Mended { id } => Some((me.0, at.0, *id, false)),
        _ => None,
    });
    let expected = [
        (0, 2_000, 4, true),
        (0, 3_000, 4, false),
        (0, 4_000, 5, true),
        (1, 5_000, 1, true),
        (1, 8_000, 2, true),
        (1, 9_000, 3, true),
        (1, 10_000, 3, false),
        (1, 15_000, 1, false),
    ];
    assert_eq!(marks.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_held_back_arrives_before_the_end() {
    for fault in ["partition all hold", "delay all constant:1h", "bandwidth all 1"] {
        let (happened, _) = broken(&[(0, None, fault)], 3).unwrap();
        let mut heard = vec![0; 9];
        for (me, at, input) in &happened {
            if let Input::Message { from, message } = input {
                let count = &mut heard[me.index() * 3 + from.index()];
                assert_eq!(message.0, *count, "{fault}");
                *count += 1;
                assert_eq!(at.0, 20_000, "{fault}: all of it goes at the stop");
            }
        }
        assert_eq!(heard, [0, 30, 30, 30, 0, 30, 30, 30, 0], "{fault}");
    }
}

#[test]
fn what_cannot_be_simulated_is_refused() {
    let loss = (0, None, "loss all 1%");
    let machines = CONTROL_MACHINES_MAX + 1;
    assert_eq!(
        broken(&[loss], machines).err(),
        Some(SimError::TooManyForFaults { machines })
    );
    let kill = broken(&[loss, (5, None, "kill 1")], 3).err();
    assert_eq!(kill, Some(SimError::ProcessFaults));
}

/// A megabyte.
#[derive(Clone, Debug)]
struct Heavy;

impl Message for Heavy {
    const SYSTEM: u8 = 255;

    fn kind(&self) -> u8 {
        0xF2
    }

    fn encode(&self, body: &mut Vec<u8>) {
        body.resize(body.len() + 1_000_000, 7);
    }

    fn decode(_kind: u8, _body: &[u8]) -> Result<Self, FieldError> {
        Ok(Heavy)
    }
}

/// Sends a message to machine 1 each millisecond.
struct Sender {
    me: MachineId,
    due: Option<Time>,
}

impl Node for Sender {
    type Message = Heavy;

    fn handle(&mut self, now: Time, input: Input<Heavy>, effects: &mut Effects<Heavy>) {
        match input {
            Input::Start { .. } if self.me == MachineId(0) => self.due = Some(now),
            Input::Stop { .. } => self.due = None,
            Input::Timeout => {
                let to = MachineId(1);
                effects.push(Effect::Send { to, message: Heavy });
                self.due = Some(Time(now.0 + 1000));
            }
            _ => {}
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.due
    }
}

#[test]
fn what_is_held_back_is_bounded() {
    let config = Config {
        faults: plan(&[(0, None, "partition all hold")]),
        ..config(2, 1_000_000, "constant:0", 3)
    };
    let run = Simulation::new(config, |me| Sender { me, due: None }).unwrap();
    let (from, to) = (MachineId(0), MachineId(1));
    // 67 frames of a million bytes fit into 64 MiB.
    let held = SimError::Held {
        from,
        to,
        at: Time(67_000),
    };
    assert_eq!(run.run(&mut Records::default()), Err(held));
}
