//! The state machine: a queue, a clock, a die, and one thing a tick.

use std::collections::{BTreeMap, VecDeque};

use super::{
    clocks::{Clocks, Reading},
    config::{Config, rate_max},
    memory::Memory,
    message::Stamp,
    pace::{Due, Pace},
};
use crate::{
    clock::Timestamp,
    control::STEPS_MAX,
    dice::{Purpose, Stream},
    node::{DownCause, Effect, Effects, Input, Node, Order},
    trace::{Event, Footer, Kind, Mishaps, Recipients, Record, Traffic},
    units::{MachineId, MachineSet, Period, Speed, Time},
    wire::{FieldError, Reason},
};

/// Messages that may wait. At the limit the machine stops with reason `limit`: at the assignment's rates
/// after 23 days.
pub const QUEUE_MESSAGES_MAX: usize = 10_000_000;

/// A machine of the scale model.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    clocks: Clocks,
    die: Stream,
    /// `None` before the start and after the stop: no ticks then.
    pace: Option<Pace>,
    /// How the ticks went, once they have ended.
    paced: Option<Pace>,
    is_started: bool,
    /// How long it ticked, once that has ended.
    ticking_us: Option<u64>,
    /// Of a machine that was started again: which life this is, from 2, and what the log says of those before.
    reborn: Option<Reborn>,
    /// Ticks a second, before the speed: as configured, unless an order changed it.
    rate: u32,
    queue: VecDeque<Waiting>,
    /// Events so far: `ticks = receives + sends + internal events`.
    ticks: u64,
    /// Peers whose link is down.
    down: MachineSet,
    goodbye: MachineSet,
    stopped: Option<(Reason, Option<MachineId>)>,
}

/// What a machine that was started again says of itself at its start.
#[derive(Debug)]
struct Reborn {
    incarnation: u32,
    /// It was paused when it died, and still is.
    is_paused: bool,
    /// How long its earlier lives ticked, in microseconds.
    ticked_us: u64,
    /// Which life of each peer its link led to last, as far as it came up before the start.
    lives: BTreeMap<MachineId, u32>,
}

/// A message in the queue.
#[derive(Clone, Debug)]
struct Waiting {
    from: MachineId,
    sent: Timestamp,
    /// When it arrived.
    since: Time,
}

impl Machine {
    /// A machine before its start.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            clocks: Clocks::new(config.clock, config.me, config.machines),
            die: Stream::new(config.seed, config.me, Purpose::Die),
            pace: None,
            paced: None,
            is_started: false,
            ticking_us: None,
            reborn: None,
            rate: config.rate,
            queue: VecDeque::new(),
            ticks: 0,
            down: MachineSet::default(),
            goodbye: MachineSet::default(),
            stopped: None,
            config,
        }
    }

    /// A machine that was started again, before its start: it goes on from what its log says, without a queue and
    /// with dice of its own.
    #[must_use]
    pub fn resumed(config: Config, memory: &Memory) -> Self {
        let incarnation = memory.incarnation.max(2);
        let mut machine = Self::new(config);
        machine.die = Stream::new(
            config.seed ^ (u64::from(incarnation) << 32),
            config.me,
            Purpose::Die,
        );
        machine.ticks = memory.ticks;
        machine.clocks = Clocks::resumed(config.clock, config.me, config.machines, memory);
        // Nobody is known to be there until a link comes up.
        for peer in config.me.peers(config.machines) {
            machine.down.insert(peer);
        }
        machine.reborn = Some(Reborn {
            incarnation,
            is_paused: memory.is_paused,
            ticked_us: memory.ticked_us,
            lives: BTreeMap::new(),
        });
        machine
    }

    /// How far orders moved its physical clock, in microseconds.
    #[must_use]
    pub fn physical_offset_us(&self) -> i64 {
        self.clocks.physical_offset_us()
    }

    /// A deadline has come: one thing, or the stall that the lateness reveals.
    fn on_timeout(&mut self, now: Time, until: Time, effects: &mut Effects<Stamp>) -> Due {
        let due = match &mut self.pace {
            Some(pace) => pace.take(now, until),
            None => Due::Later,
        };
        match due {
            Due::Later => {}
            Due::Stall { late_us, skipped } => {
                effects.push(Effect::Record(Record::Stall { late_us, skipped }));
            }
            Due::Tick => self.tick(now, effects),
        }
        due
    }

    /// What was due before `until` and a late wake-up has left undone, or the stall that it was.
    fn make_up(&mut self, now: Time, until: Time, effects: &mut Effects<Stamp>) {
        while self.on_timeout(now, until, effects) != Due::Later {}
    }

    /// One thing: a waiting message, or what the die says.
    fn tick(&mut self, now: Time, effects: &mut Effects<Stamp>) {
        match self.queue.pop_front() {
            Some(message) => self.receive(now, &message, effects),
            None => self.roll(now, effects),
        }
    }

    fn start(&mut self, now: Time, effects: &mut Effects<Stamp>) {
        self.is_started = true;
        let phase_us = self.config.phase_us();
        let mut pace = Pace::new(self.config.period(), now, phase_us);
        if let Some(reborn) = &mut self.reborn {
            let mut say = |record| effects.push(Effect::Record(record));
            say(Record::Restarted {
                incarnation: reborn.incarnation,
            });
            if reborn.is_paused {
                pace.pause(now);
                say(Record::Paused);
            } else {
                say(Record::Pace {
                    rate: self.config.rate,
                    next_us: phase_us,
                });
            }
            for peer in self.config.me.peers(self.config.machines) {
                // One that came up and was lost again has brought messages, which wait in the queue.
                if let Some(incarnation) = reborn.lives.remove(&peer) {
                    say(Record::LinkUp { peer, incarnation });
                }
                if self.down.contains(peer) && !self.goodbye.contains(peer) {
                    say(Record::LinkLost { peer });
                }
            }
        }
        self.pace = Some(pace);
    }

    /// Has no effect before the start and behind the stop.
    fn order(&mut self, now: Time, order: Order, effects: &mut Effects<Stamp>) {
        // What was due before the order is none of its business.
        self.make_up(now, now, effects);
        let Some(pace) = &mut self.pace else {
            return;
        };
        match order {
            Order::Pause => {
                if !pace.is_paused() {
                    pace.pause(now);
                    effects.push(Effect::Record(Record::Paused));
                }
            }
            Order::Step { ticks } => {
                if pace.is_paused() {
                    let ticks = ticks.min(STEPS_MAX);
                    effects.push(Effect::Record(Record::Stepped { ticks }));
                    (0..ticks).for_each(|_| self.tick(now, effects));
                }
            }
            Order::Resume => {
                let rate = self.rate;
                let resumed = pace.resume(now);
                effects.extend(resumed.map(|next_us| Effect::Record(Record::Pace { rate, next_us })));
            }
            Order::Rate { per_second } => {
                self.rate = per_second.clamp(1, rate_max(self.config.speed));
                effects.extend(changed(pace, now, self.rate, self.config.speed));
            }
            Order::OwnRate => {
                self.rate = self.config.rate;
                effects.extend(changed(pace, now, self.rate, self.config.speed));
            }
            Order::Jump { ticks, physical_us } => {
                self.clocks.jump(ticks, physical_us);
                effects.push(Effect::Record(Record::Jumped { ticks, physical_us }));
            }
        }
    }

    fn stop(&mut self, now: Time, until: Time, effects: &mut Effects<Stamp>) {
        self.make_up(now, until, effects);
        let earlier = self.reborn.as_ref().map_or(0, |reborn| reborn.ticked_us);
        self.paced = self.pace.take();
        self.ticking_us = self
            .paced
            .map(|pace| pace.ticked_us(until).saturating_add(earlier));
    }

    /// Whether a message's clocks are those of this run: anything else would be a hole in every clock behind it.
    #[inline]
    fn judge(&self, sent: &Timestamp) -> Result<(), FieldError> {
        let kind = sent.kind();
        if kind != self.config.clock {
            return Err(FieldError::Value {
                field: "clock kind",
                value: u64::from(kind.code()),
            });
        }
        match sent {
            Timestamp::Vector { vector, .. } if !vector.fits(self.config.machines) => {
                let last = vector.entries().last();
                Err(FieldError::Value {
                    field: "machine",
                    value: last.map_or(0, |(machine, _)| u64::from(machine.0)),
                })
            }
            Timestamp::Lamport(_) | Timestamp::Vector { .. } | Timestamp::Hybrid { .. } => Ok(()),
        }
    }

    fn receive(&mut self, now: Time, message: &Waiting, effects: &mut Effects<Stamp>) {
        let reading = self.clocks.merge(&message.sent, now);
        let queue = self.queue.len() as u64;
        self.record(
            reading,
            Kind::Receive {
                from: message.from,
                sent: message.sent.lamport(),
                queue,
                waited_us: Some(now.0.saturating_sub(message.since.0)),
            },
            effects,
        );
    }

    /// An idle tick: the die decides.
    fn roll(&mut self, now: Time, effects: &mut Effects<Stamp>) {
        let roll = self.die.below(u64::from(self.config.draw)) + 1;
        let to = match (roll, self.config.traffic) {
            (1..=3, Traffic::Ring) => Recipients::from_slice(&[self.config.next_in_ring()]),
            (1 | 2, Traffic::Assignment) => Recipients::from_slice(&[self.one_peer(roll)]),
            (3, Traffic::Assignment) => self.config.me.peers(self.config.machines).collect(),
            _ => Recipients::new(),
        };
        let reading = self.clocks.tick(now);
        if to.is_empty() {
            self.record(reading, Kind::Internal, effects);
            return;
        }
        let (dropped, sent): (Recipients, Recipients) =
            to.iter().copied().partition(|peer| self.down.contains(*peer));
        for to in sent {
            let message = Stamp(self.clocks.stamp(to));
            effects.push(Effect::Send { to, message });
        }
        let mishaps = Mishaps {
            dropped,
            ..Mishaps::default()
        };
        let mishaps = mishaps.into_event();
        self.record(reading, Kind::Send { to, mishaps }, effects);
    }

    /// The recipient of rolls 1 and 2: the neighbours in a ring of three, else drawn uniformly.
    fn one_peer(&mut self, roll: u64) -> MachineId {
        let (me, machines) = (self.config.me.0, self.config.machines);
        let step = match machines {
            3 if roll == 1 => 1,
            3 => 2,
            _ => 1 + self.die.below(u64::from(machines) - 1),
        };
        // In range: step is below machines, and both are 16 bits wide.
        let peer = (u64::from(me) + step) % u64::from(machines);
        MachineId(u16::try_from(peer).unwrap_or(me))
    }

    fn record(&mut self, reading: Reading, kind: Kind, effects: &mut Effects<Stamp>) {
        self.ticks += 1;
        effects.push(Effect::Record(Record::Event(Event {
            tick: self.ticks,
            clock: reading.lamport,
            vector: reading.vector,
            hybrid: reading.hybrid,
            store: None,
            kind,
        })));
    }

    fn footer(&self) -> Footer {
        let mut waiting = vec![0; usize::from(self.config.machines)];
        for message in &self.queue {
            if let Some(count) = waiting.get_mut(message.from.index()) {
                *count += 1;
            }
        }
        let (reason, peer) = self.stopped.unzip();
        let error_us = self.paced.map(|pace| pace.error_us());
        Footer {
            reason,
            peer: peer.flatten(),
            ticks: self.ticks,
            queued: self.queue.len() as u64,
            waiting,
            goodbye: self.goodbye.iter().collect(),
            ticking_us: self.ticking_us,
            tick_error_us_mean: error_us.map(|(mean, _)| mean),
            tick_error_us_max: error_us.map(|(_, max)| max),
            stalls: self.paced.map(|pace| pace.stalls()),
            ..Footer::default()
        }
    }
}

/// Another rate from `now` on, and the remark that says so; a machine that is paused says it when it goes on.
fn changed(pace: &mut Pace, now: Time, rate: u32, speed: Speed) -> Option<Effect<Stamp>> {
    let next_us = pace.change(now, Period::new(rate, speed))?;
    Some(Effect::Record(Record::Pace { rate, next_us }))
}

impl Node for Machine {
    type Message = Stamp;

    fn handle(&mut self, now: Time, input: Input<Stamp>, effects: &mut Effects<Stamp>) {
        match input {
            // A barrier that is passed after the stop starts nothing.
            Input::Start { wall } => {
                if self.stopped.is_none() {
                    self.clocks.start(wall, now);
                    self.start(now, effects);
                }
            }
            Input::LinkUp { peer, incarnation } => {
                self.clocks.link_up(peer);
                if self.down.remove(peer) {
                    self.goodbye.remove(peer);
                    match &mut self.reborn {
                        // What is up at the start is said then: before it there is no log.
                        Some(reborn) if !self.is_started => {
                            reborn.lives.insert(peer, incarnation);
                        }
                        _ => effects.push(Effect::Record(Record::LinkUp { peer, incarnation })),
                    }
                }
            }
            Input::LinkDown { peer, cause } => {
                self.down.insert(peer);
                match cause {
                    DownCause::Goodbye => {
                        self.goodbye.insert(peer);
                    }
                    DownCause::Lost if self.reborn.is_some() && !self.is_started => {}
                    DownCause::Lost => effects.push(Effect::Record(Record::LinkLost { peer })),
                }
            }
            Input::Message {
                from,
                message: Stamp(sent),
            } => {
                if let Err(error) = self.judge(&sent) {
                    effects.push(Effect::Refuse { peer: from, error });
                    return;
                }
                self.queue.push_back(Waiting {
                    from,
                    sent,
                    since: now,
                });
                if self.queue.len() == QUEUE_MESSAGES_MAX {
                    effects.push(Effect::Stop {
                        reason: Reason::Limit,
                    });
                }
            }
            Input::Unreliable { peer } => self.clocks.unreliable(peer),
            Input::Order(order) => self.order(now, order, effects),
            Input::Timeout => {
                self.on_timeout(now, Time(u64::MAX), effects);
            }
            // The first reason is the cause; those behind it are consequences.
            Input::Stop { reason, peer, until } => {
                if self.stopped.is_none() {
                    self.stop(now, until, effects);
                    self.stopped = Some((reason, peer));
                }
            }
            Input::End => effects.push(Effect::Record(Record::Ended(Box::new(self.footer())))),
        }
    }

    fn deadline(&self) -> Option<Time> {
        self.pace.and_then(|pace| pace.due())
    }
}
