//! What each machine of a run did, counted in the same pass that judges it, beside what the theory expects of it.

use crate::{
    model::theory::{self, Flow},
    trace::{Event, Header, Kind, Record, Traffic, WallTime},
    units::{MachineId, Period, Speed},
    wire::Reason,
};

/// Machines of a run up to which messages are counted between each two of them: eight megabytes of counts.
pub const SENT_TO_MACHINES_MAX: u16 = 1000;

/// What a run did.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// The folder, as it was named.
    pub dir: String,
    /// The run's id.
    pub run: String,
    /// The seed, if all machines had the same: those started by hand may draw one each.
    pub seed: Option<u64>,
    /// Machines of the run; there may be fewer logs.
    pub machine_count: u16,
    /// Sides of the die, if the system has one and all machines had the same.
    pub draw: Option<u32>,
    /// Whom sends go to, if all machines had the same.
    pub traffic: Option<Traffic>,
    /// The machines whose log is there, in the order of their ids.
    pub machines: Vec<MachineSummary>,
}

/// What one machine did.
#[derive(Clone, Debug, PartialEq)]
pub struct MachineSummary {
    /// Who.
    pub machine: MachineId,
    /// Ticks a second, if the system has them.
    pub rate: Option<u32>,
    /// How fast its time passed beside real time.
    pub speed: Speed,
    /// Seconds from the start to the tick behind the last one, at most to the end: the time in which it ticked.
    pub seconds: f64,
    /// Events.
    pub ticks: u64,
    /// Receive events.
    pub receives: u64,
    /// Send events; one to all counts once.
    pub sends: u64,
    /// Internal events.
    pub internals: u64,
    /// Messages sent, one a recipient: also those dropped or lost, and a doubled one once. Of a run without restarts
    /// and lost links `sent − dropped − lost + duplicated = received + waiting`, over all machines.
    pub messages_sent: u64,
    /// The same to each machine; empty in runs of more than [`SENT_TO_MACHINES_MAX`].
    pub sent_to: Vec<u64>,
    /// Messages dropped because the link was down.
    pub dropped: u64,
    /// Messages that injected faults lost.
    pub lost: u64,
    /// Messages that injected faults sent twice.
    pub duplicated: u64,
    /// The clock after the last event: the sum of its jumps.
    pub clock: u64,
    /// How far its clock ends behind that of the fastest machine.
    pub drift: u64,
    /// The largest jump of its clock in one event.
    pub jump_max: u64,
    /// The longest queue behind a receive.
    pub queue_max: u64,
    /// Messages waiting at the end, or behind the last receive if the log has no footer.
    pub queue_last: u64,
    /// Mean lateness of ticks, in microseconds.
    pub tick_error_us_mean: Option<u64>,
    /// Largest lateness of a tick, in microseconds.
    pub tick_error_us_max: Option<u64>,
    /// How often ticks were skipped.
    pub stalls: u64,
    /// How many ticks were skipped.
    pub skipped: u64,
    /// Wall time that passed while the monotonic clock stood still, in microseconds.
    pub suspended_us: u64,
    /// How often a link was lost.
    pub links_lost: u64,
    /// How often its process was started again.
    pub restarts: u64,
    /// How often its time was interfered with: paused, stepped, another rate, clocks moved.
    pub orders: u64,
    /// Why it ended; `None` for a log without a footer.
    pub reason: Option<Reason>,
    /// The peer that was the cause.
    pub peer: Option<MachineId>,
    /// What the theory expects, for a run of the scale model whose logs are all there.
    pub expected: Option<Expected>,
}

/// What the theory expects of one machine in the time it ticked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Its flow per second.
    pub flow: Flow,
    /// Ticks.
    pub ticks: f64,
    /// Receive events.
    pub receives: f64,
    /// Send events.
    pub sends: f64,
    /// Internal events.
    pub internals: f64,
    /// Messages sent.
    pub sent: f64,
    /// The clock, from the measured clock rate of the fastest machine.
    pub clock: f64,
    /// The average jump, from the same.
    pub jump: f64,
    /// How far the average jump may lie from that, relative to it.
    pub jump_tolerance: f64,
    /// Messages waiting at the end.
    pub queue: f64,
    /// How far they may lie from that; for saturated machines.
    pub queue_tolerance: f64,
}

impl Expected {
    /// How far the number of ticks may lie from what is expected.
    pub const TICKS_TOLERANCE: f64 = 2.0;

    /// How far the number of receive events of a machine that keeps up may lie from what is expected: four
    /// standard deviations, beyond which chance takes it once in 15,000 counts, and a message at each end.
    #[must_use]
    pub fn receives_tolerance(&self) -> f64 {
        4.0 * self.receives.sqrt() + 2.0
    }
}

impl RunSummary {
    /// All events.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.machines.iter().map(|machine| machine.ticks).sum()
    }

    /// Whether theory expects anything of this run.
    #[must_use]
    pub fn has_expectations(&self) -> bool {
        self.machines.iter().any(|machine| machine.expected.is_some())
    }

    /// Whether injected faults lost or doubled messages: theory knows nothing of that.
    #[must_use]
    pub fn has_faulty_messages(&self) -> bool {
        let mut machines = self.machines.iter();
        machines.any(|machine| machine.lost + machine.duplicated > 0)
    }

    /// Whether messages were dropped because a link was down.
    #[must_use]
    pub fn has_dropped_messages(&self) -> bool {
        self.machines.iter().any(|machine| machine.dropped > 0)
    }

    /// The longest time that a machine ticked.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.machines
            .iter()
            .map(|machine| machine.seconds)
            .fold(0.0, f64::max)
    }
}

impl MachineSummary {
    /// Messages sent, whatever became of them.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.messages_sent
    }

    /// Ticks a second of real time, if the system has them.
    #[must_use]
    pub fn ticks_per_second(&self) -> Option<f64> {
        let rate = self.rate?;
        Some(Period::new(rate, self.speed).per_second())
    }

    /// The average jump of its clock in an event; 0 without events.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean is shown with two decimals")]
    pub fn jump_mean(&self) -> f64 {
        self.clock as f64 / self.ticks.max(1) as f64
    }
}

/// Counts while the logs are read.
#[derive(Debug)]
pub(super) struct Tally {
    run: RunSummary,
    /// Start and time of the last record, by machine with a log.
    times: Vec<Times>,
    /// Where each machine of the run stands in the two lists above.
    places: Vec<Option<usize>>,
    /// Whether it is a run of the store.
    is_open: bool,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    started: WallTime,
    event: WallTime,
    ended: Option<WallTime>,
    ticking_us: Option<u64>,
    /// A further life has begun, and its schedule is said next.
    is_reborn: bool,
}

/// What all have, if it is the same.
fn common<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

impl Tally {
    /// A run in the folder `dir`, of which these logs are there.
    pub(super) fn new<'a>(dir: &str, headers: impl Iterator<Item = &'a Header>) -> Self {
        let headers: Vec<&Header> = headers.collect();
        let greatest = headers.iter().map(|header| header.machines).max().unwrap_or(0);
        let mut places = vec![None; usize::from(greatest)];
        // Ids of replicas may be any numbers: those that have a log count.
        let is_open = headers.iter().any(|header| header.incarnation.is_some());
        let machine_count = if is_open {
            u16::try_from(headers.len()).unwrap_or(u16::MAX)
        } else {
            greatest
        };
        let mut summary = RunSummary {
            dir: dir.to_owned(),
            run: String::new(),
            seed: common(headers.iter().map(|header| header.seed)),
            machine_count,
            draw: common(headers.iter().map(|header| header.draw)).flatten(),
            traffic: common(headers.iter().map(|header| header.traffic)),
            machines: Vec::new(),
        };
        let mut times = Vec::new();
        for (index, header) in headers.into_iter().enumerate() {
            if let Some(place) = places.get_mut(header.machine.index()) {
                *place = Some(index);
            }
            header.run.as_str().clone_into(&mut summary.run);
            let mut machine = empty(header);
            if is_open {
                // Made shorter at the end: nobody knows yet which ids there are.
                machine.sent_to = vec![0; usize::from(greatest)];
            }
            summary.machines.push(machine);
            times.push(Times {
                started: header.started,
                event: header.started,
                ended: None,
                ticking_us: None,
                is_reborn: false,
            });
        }
        Self {
            run: summary,
            times,
            places,
            is_open,
        }
    }

    #[inline]
    pub(super) fn take(&mut self, machine: MachineId, at: WallTime, record: &Record) {
        let Some(Some(index)) = self.places.get(machine.index()).copied() else {
            return;
        };
        let (Some(machine), Some(times)) = (self.run.machines.get_mut(index), self.times.get_mut(index))
        else {
            return;
        };
        match record {
            Record::Event(event) => {
                times.event = at;
                machine.event(event);
            }
            Record::LinkLost { .. } => machine.links_lost += 1,
            Record::Restarted { .. } => {
                machine.restarts += 1;
                machine.queue_last = 0;
                (times.ended, times.ticking_us, machine.reason) = (None, None, None);
                times.is_reborn = true;
            }
            Record::Paused | Record::Stepped { .. } | Record::Pace { .. } | Record::Jumped { .. } => {
                machine.orders += u64::from(!std::mem::take(&mut times.is_reborn));
            }
            Record::LinkUp { .. } | Record::Fault(_) | Record::Mended { .. } | Record::Data(_) => {}
            Record::Stall { skipped, .. } => {
                machine.stalls += 1;
                machine.skipped = machine.skipped.saturating_add(*skipped);
            }
            Record::Ended(footer) => {
                times.ended = Some(at);
                times.ticking_us = footer.ticking_us;
                machine.queue_last = footer.queued;
                machine.queue_max = machine.queue_max.max(footer.queued);
                machine.tick_error_us_mean = footer.tick_error_us_mean;
                machine.tick_error_us_max = footer.tick_error_us_max;
                machine.suspended_us = footer.suspended_us.unwrap_or(0);
                machine.reason = footer.reason;
                machine.peer = footer.peer;
            }
        }
    }

    /// All logs are at their end.
    pub(super) fn finish(mut self) -> RunSummary {
        let most = self.run.machines.iter().map(|machine| machine.clock).max();
        for (machine, times) in self.run.machines.iter_mut().zip(&self.times) {
            machine.seconds = times.ticking(machine.ticks_per_second());
            machine.drift = most.unwrap_or(0).saturating_sub(machine.clock);
        }
        if self.is_open {
            let ids: Vec<MachineId> = self.run.machines.iter().map(|machine| machine.machine).collect();
            for machine in &mut self.run.machines {
                let count = |id: &MachineId| machine.sent_to.get(id.index()).copied().unwrap_or(0);
                machine.sent_to = ids.iter().map(count).collect();
            }
        }
        expect(&mut self.run);
        self.run
    }
}

impl RunSummary {
    /// Where a machine stands among [`MachineSummary::sent_to`]: at its id, or of a store's run, whose ids may be any
    /// numbers, among those that have a log.
    #[must_use]
    pub fn column(&self, machine: MachineId) -> usize {
        let place = || self.machines.iter().position(|other| other.machine == machine);
        if self.machines.len() == usize::from(self.machine_count) {
            place().unwrap_or(usize::MAX)
        } else {
            machine.index()
        }
    }
}

impl Times {
    /// Seconds of ticking: as the footer says; else to the end; of a log without an end, to one period after the
    /// last event.
    fn ticking(self, ticks_per_second: Option<f64>) -> f64 {
        let period = ticks_per_second.map_or(0.0, f64::recip);
        match (self.ticking_us, self.ended) {
            #[expect(clippy::cast_precision_loss, reason = "seconds are shown with one decimal")]
            (Some(us), _) => us as f64 / 1e6,
            (None, Some(ended)) => ended.seconds_since(self.started),
            (None, None) => self.event.seconds_since(self.started) + period,
        }
    }
}

impl MachineSummary {
    #[inline]
    fn event(&mut self, event: &Event) {
        match &event.kind {
            Kind::Internal => self.internals += 1,
            Kind::Send { to, mishaps } => {
                self.sends += 1;
                if let Some(mishaps) = mishaps {
                    self.dropped += mishaps.dropped.len() as u64;
                    self.lost += mishaps.lost.len() as u64;
                    self.duplicated += mishaps.duplicated.len() as u64;
                }
                self.count_sent(to);
            }
            Kind::Receive { queue, .. } => {
                self.receives += 1;
                self.queue_last = *queue;
                self.queue_max = self.queue_max.max(*queue);
            }
            Kind::Other if event.tick == 0 => return,
            Kind::Other => {}
        }
        self.ticks += 1;
        self.jump_max = self.jump_max.max(event.clock.saturating_sub(self.clock));
        self.clock = event.clock;
    }
}

impl MachineSummary {
    /// Counts what was sent to machines of the run; to others a log may say that it was, and breaks a rule.
    #[inline]
    fn count_sent(&mut self, to: &[MachineId]) {
        if self.sent_to.is_empty() {
            self.messages_sent += to.len() as u64;
            return;
        }
        for peer in to {
            if let Some(count) = self.sent_to.get_mut(peer.index()) {
                *count += 1;
                self.messages_sent += 1;
            }
        }
    }
}

fn empty(header: &Header) -> MachineSummary {
    MachineSummary {
        machine: header.machine,
        rate: header.rate,
        speed: header.speed,
        seconds: 0.0,
        ticks: 0,
        receives: 0,
        sends: 0,
        internals: 0,
        messages_sent: 0,
        sent_to: match header.machines {
            few if few <= SENT_TO_MACHINES_MAX => vec![0; usize::from(few)],
            _ => Vec::new(),
        },
        dropped: 0,
        lost: 0,
        duplicated: 0,
        clock: 0,
        drift: 0,
        jump_max: 0,
        queue_max: 0,
        queue_last: 0,
        tick_error_us_mean: None,
        tick_error_us_max: None,
        stalls: 0,
        skipped: 0,
        suspended_us: 0,
        links_lost: 0,
        restarts: 0,
        orders: 0,
        reason: None,
        peer: None,
        expected: None,
    }
}

/// Sets what the theory expects, if it can be known: all logs there, all with a rate, a die and the assignment's traffic,
/// and no machine whose time was interfered with.
#[expect(
    clippy::cast_precision_loss,
    reason = "expectations are approximate by nature"
)]
fn expect(run: &mut RunSummary) {
    let rates: Option<Vec<f64>> = run
        .machines
        .iter()
        .map(MachineSummary::ticks_per_second)
        .collect();
    let (Some(rates), Some(draw)) = (rates, run.draw) else {
        return;
    };
    let mut machines = run.machines.iter();
    let is_free = machines.all(|machine| machine.restarts == 0 && machine.orders == 0);
    let is_known = run.traffic == Some(Traffic::Assignment) && rates.len() == usize::from(run.machine_count);
    if !is_free || !is_known || rates.len() < 2 {
        return;
    }
    let peers = f64::from(run.machine_count) - 1.0;
    let q = theory::send_probability(run.machine_count, draw);
    // Clocks a second; the fastest machine's is the measure for all others.
    let fastest = run
        .machines
        .iter()
        .filter(|machine| machine.seconds > 0.0)
        .map(|machine| machine.clock as f64 / machine.seconds)
        .fold(0.0, f64::max);
    for (machine, flow) in run.machines.iter_mut().zip(theory::flows(&rates, draw)) {
        let seconds = machine.seconds;
        machine.expected = Some(Expected {
            ticks: flow.rate * seconds,
            receives: flow.receives() * seconds,
            sends: flow.sends(draw) * seconds,
            internals: flow.internals(draw) * seconds,
            sent: q * peers * flow.idle * seconds,
            clock: flow.clock(fastest, seconds),
            jump: flow.jump(fastest),
            jump_tolerance: flow.jump_tolerance(run.machine_count, draw, seconds),
            queue: flow.growth * seconds,
            queue_tolerance: flow.queue_tolerance(seconds),
            flow,
        });
    }
}
