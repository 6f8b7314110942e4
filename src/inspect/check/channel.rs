//! Messages matched along channels: each receive finds its send.
//!
//! A message has no number of its own; (machine, clock) names its send event, and a channel i→j delivers in
//! order. Logs are read in the order of their times, and hosts may be skewed, so either end of a message may
//! be read first. A channel therefore holds what waits for its other end: sends, or receives, never both, and
//! nothing else grows.
//!
//! ```text
//!   sends waiting      8  9 12          receive of 8: matches the head
//!                                       receive of 9: 8 was skipped
//!   receives waiting   8  9             send 8: matches the head
//! ```
//!
//! Injected faults change what is expected, as far as the send line says so: a message that was lost is not sent here,
//! one that was sent twice stands in the channel twice, and one that was taken out of the order is found by its name.
//! So a receive whose send was not read yet may belong to a message that overtakes: what waits before it is judged
//! when the sender's log has come so far.

use std::collections::{BTreeMap, VecDeque};

use super::{
    epoch::{Account, Epoch},
    judge::{Context, Pair},
    loose::{Broken, Loose, Lost},
    message::{Received, Sent},
    skipped::{PassedOver, Skipped},
    stamp::Stamps,
    waiting::Waiting,
};
use crate::{
    inspect::skew::{Delay, Least},
    trace::Mishaps,
    units::MachineId,
};

/// What is known of one channel.
#[derive(Clone, Debug, Default)]
pub(super) struct Channel {
    /// Messages sent, dropped ones left out.
    pub(super) sent: u64,
    /// Receive events.
    pub(super) received: u64,
    /// Messages whose clock condition is broken.
    pub(super) unordered: u64,
    /// The clock of the newest send.
    newest: u64,
    sends: VecDeque<Sent>,
    receives: Waiting,
    /// The least times that matched messages seem to have taken.
    least: Least,
    /// The last message matched: its send's clock and line, and its receive's line.
    last: Option<(u64, u64, u64)>,
    /// What only a broken channel has.
    passed: Option<Box<PassedOver>>,
    /// Since when the present epoch goes, if it is not the first.
    epoch: Option<Box<Epoch>>,
    /// What injected faults did here.
    faulty: Option<Box<Faulty>>,
}

/// What only a channel with injected faults has.
#[derive(Clone, Debug, Default)]
struct Faulty {
    loose: Loose,
    lost: Lost,
    broken: Broken,
}

/// All channels of a run.
#[derive(Debug)]
pub(super) struct Channels {
    machines: usize,
    /// By sender, then recipient. A sender's row is made at its first message and a channel at its own: of ten
    /// thousand machines there are a hundred million channels, and a minute uses one in thirty.
    rows: Vec<Vec<Option<Box<Channel>>>>,
    /// By sender.
    pub(super) stamps: Vec<Stamps>,
    pub(super) matched: u64,
    /// Whether a log does not say when messages arrived.
    pub(super) lacks_arrivals: bool,
}

/// What a receive at the head of a channel is.
enum Found {
    /// The message of the given send; whether its stamp is the clock before the event.
    Match {
        early: bool,
    },
    /// The message of the given send, which has no place in the order.
    Loose {
        clock: u64,
    },
    /// The message sent in the given line, which was lost.
    Lost {
        line: u64,
    },
    Twice,
    /// It was passed over before.
    Late(Skipped),
    Other,
}

impl Channels {
    pub(super) fn new(machines: u16) -> Self {
        let machines = usize::from(machines);
        Self {
            machines,
            rows: vec![Vec::new(); machines],
            stamps: vec![Stamps::default(); machines],
            matched: 0,
            lacks_arrivals: false,
        }
    }

    /// The channel between two machines of the run, and the sender's stamps.
    #[inline]
    fn channel(&mut self, from: MachineId, to: MachineId) -> Option<(&mut Channel, &mut Stamps)> {
        let row = self.rows.get_mut(from.index())?;
        if row.is_empty() {
            row.resize_with(self.machines, || None);
        }
        let channel = row.get_mut(to.index())?.get_or_insert_default();
        Some((channel, self.stamps.get_mut(from.index())?))
    }

    /// The least times that the messages of each channel seem to have taken.
    pub(super) fn delays(&self) -> impl Iterator<Item = Delay> {
        (0..).zip(&self.rows).flat_map(|(from, row)| {
            let used = (0..).zip(row);
            used.filter_map(move |(to, channel)| Delay::new(from, to, &channel.as_deref()?.least))
        })
    }

    /// What is known of a channel, if anything was ever seen on it.
    pub(super) fn get(&self, from: MachineId, to: MachineId) -> Option<&Channel> {
        self.rows.get(from.index())?.get(to.index())?.as_deref()
    }

    /// The link came up again, by this line of the sender's log; to another life of `to` if `is_other`.
    pub(super) fn link_up(&mut self, from: MachineId, to: MachineId, line: u64, is_other: bool) {
        if let Some((channel, _)) = self.channel(from, to) {
            let epoch = channel.epoch.get_or_insert_default();
            epoch.begin(line, channel.sent, is_other);
            if let Some(passed) = &mut channel.passed {
                passed.missing = 0;
            }
        }
    }

    /// A further life of `to` begins.
    pub(super) fn restarted(&mut self, to: MachineId) {
        let rows = self.rows.iter_mut().filter_map(|row| row.get_mut(to.index()));
        for channel in rows.flatten() {
            let epoch = channel.epoch.get_or_insert_default();
            epoch.restart(channel.received);
        }
    }

    /// A send event of `from` was read, with a message to `to`.
    #[inline]
    pub(super) fn send(&mut self, from: MachineId, to: MachineId, send: Sent, context: &mut Context<'_>) {
        let Some((channel, stamps)) = self.channel(from, to) else {
            return;
        };
        channel.sent += 1;
        channel.newest = send.clock;
        channel.sends.push_back(send);
        if !channel.receives.is_empty() {
            let newest = channel.newest;
            self.matched += channel.resolve(newest, Pair { from, to }, stamps, context);
        }
    }

    /// The same, for a send event to whose messages something happened.
    #[cold]
    pub(super) fn send_with_mishaps(
        &mut self,
        from: MachineId,
        to: MachineId,
        send: Sent,
        mishaps: &Mishaps,
        context: &mut Context<'_>,
    ) {
        let Some((channel, stamps)) = self.channel(from, to) else {
            return;
        };
        let faulty = channel.faulty.get_or_insert_default();
        if mishaps.lost.contains(&to) {
            faulty.broken.lost += 1;
            faulty.lost.push(send.clock, send.line);
        }
        channel.newest = send.clock;
        let copies = mishaps.copies(to);
        faulty.broken.duplicated += copies.saturating_sub(1);
        if copies == 0 {
            return;
        }
        channel.sent += copies;
        let is_unordered = mishaps.unordered.contains(&to);
        if is_unordered {
            faulty.loose.insert(send, copies);
        } else {
            channel.sends.extend((1..copies).map(|_| send.clone()));
            channel.sends.push_back(send);
        }
        if !channel.receives.is_empty() {
            let pair = Pair { from, to };
            let met = match is_unordered {
                true => channel.meet_loose(channel.newest, copies, pair, stamps, context),
                false => 0,
            };
            let resolved = channel.resolve(channel.newest, pair, stamps, context);
            self.matched += met + resolved;
        }
    }

    /// A receive event of `to` was read.
    #[inline]
    pub(super) fn receive(
        &mut self,
        from: MachineId,
        to: MachineId,
        receive: Received,
        context: &mut Context<'_>,
    ) {
        let Some((channel, stamps)) = self.channel(from, to) else {
            return;
        };
        channel.received += 1;
        let pair = Pair { from, to };
        if !channel.receives.is_empty() {
            self.matched += channel.receive_behind_receives(receive, pair, stamps, context);
            return;
        }
        match channel.sends.pop_front() {
            // All but always: the message that is next.
            Some(send) if send.clock == receive.sent && !stamps.are_early() => {
                stamps.exact += 1;
                channel.settle(pair, &send, &receive, context);
                self.matched += 1;
                return;
            }
            Some(send) => channel.sends.push_front(send),
            None => {}
        }
        channel.receives.push_back(receive);
        let matched = channel.resolve(channel.newest, pair, stamps, context);
        self.matched += matched;
    }

    /// All logs are at their end: what was received and never sent? `open_behind` gives the last clock of a
    /// sender whose log has no end, so that messages with a greater clock may have been sent. Returns how
    /// many receives stay unmatched for that reason, by sender.
    pub(super) fn finish(
        &mut self,
        open_behind: impl Fn(MachineId) -> Option<u64>,
        context: &mut Context<'_>,
    ) -> BTreeMap<MachineId, u64> {
        let mut unmatched = BTreeMap::new();
        for ((from, row), stamps) in (0..).map(MachineId).zip(&mut self.rows).zip(&mut self.stamps) {
            let behind = open_behind(from);
            let used = (0..).map(MachineId).zip(row);
            for (to, channel) in used.filter_map(|(to, channel)| Some((to, channel.as_deref_mut()?))) {
                let pair = Pair { from, to };
                // What is not in a complete log was never sent; behind the end of a cut one it may have been.
                let read = behind.unwrap_or(u64::MAX);
                self.matched += channel.resolve(read, pair, stamps, context);
                while let Some(receive) = channel.receives.pop_front() {
                    context.judge_clock(pair, None, &receive);
                    *unmatched.entry(from).or_default() += 1;
                    self.matched += channel.resolve(read, pair, stamps, context);
                }
            }
        }
        unmatched
    }
}

impl Channel {
    /// What is to be accounted for.
    pub(super) fn account(&self) -> Account {
        let line = self.epoch_line();
        let in_order = self.sends.iter().filter(|send| send.line > line).count() as u64;
        let loose = self
            .faulty
            .as_ref()
            .map_or(0, |faulty| faulty.loose.count_behind(line));
        let missing = self.passed.as_ref().map_or(0, |passed| passed.missing);
        let epoch = self.epoch.as_deref().copied().unwrap_or_default();
        epoch.account(self.sent, self.received, in_order + loose + missing)
    }

    /// The line of the sender's log with which the present epoch begins.
    fn epoch_line(&self) -> u64 {
        self.epoch.as_ref().map_or(0, |epoch| epoch.line)
    }

    /// What injected faults lost and doubled on this channel.
    pub(super) fn broken(&self) -> Broken {
        self.faulty
            .as_ref()
            .map(|faulty| faulty.broken)
            .unwrap_or_default()
    }

    /// Judges the receives that wait, in order, as far as the sender's log was read, up to clock `read`. Returns how
    /// many messages were matched.
    #[cold]
    fn resolve(&mut self, read: u64, pair: Pair, stamps: &mut Stamps, context: &mut Context<'_>) -> u64 {
        let mut matched = 0;
        while let Some(receive) = self.receives.pop_front() {
            let head = self.sends.front().map(|send| send.clock);
            match self.find(&receive, head, stamps) {
                Found::Match { early } => {
                    if let Some(send) = self.sends.pop_front() {
                        stamps.take(early, pair, &send, &receive, context);
                        self.settle(pair, &send, &receive, context);
                        matched += 1;
                    }
                }
                Found::Loose { clock } => {
                    matched += self.settle_loose(clock, &receive, pair, stamps, context)
                }
                Found::Lost { line } => {
                    context.judge_clock(pair, None, &receive);
                    context.lost(pair, line, &receive);
                }
                Found::Twice => self.twice(pair, &receive, context),
                Found::Late(skipped) => self.late(skipped, pair, &receive, context),
                Found::Other => {
                    let aim = stamps.aim(receive.sent);
                    if aim > read {
                        // Its send comes later in the sender's log: it may be a message that overtakes.
                        self.receives.put_back(receive);
                        return matched;
                    }
                    let place = self.sends.partition_point(|send| send.clock < aim);
                    if self.sends.get(place).is_none_or(|send| send.clock != aim) {
                        // A message without an order that carries the clock before its send event, or none at all.
                        match self.settle_loose(
                            stamps.other_aim(receive.sent),
                            &receive,
                            pair,
                            stamps,
                            context,
                        ) {
                            0 => self.nowhere(pair, &receive, context),
                            found => matched += found,
                        }
                        continue;
                    }
                    // Those before it were passed over.
                    let next = self.sends.get(place).map_or(0, |send| send.line);
                    let epoch = self.epoch_line();
                    let passed = self.passed.get_or_insert_default();
                    for send in self.sends.drain(..place) {
                        let is_excused = !context.links.is_same_epoch(pair, send.line, next);
                        passed.skip(&send, is_excused, epoch);
                    }
                    self.receives.put_back(receive);
                }
            }
        }
        matched
    }

    /// A receive behind others whose sends were not read yet waits with them, unless its message is known to have no
    /// place in the order. Returns how many messages were matched.
    #[cold]
    fn receive_behind_receives(
        &mut self,
        receive: Received,
        pair: Pair,
        stamps: &mut Stamps,
        context: &mut Context<'_>,
    ) -> u64 {
        if self.faulty.is_some()
            && let Found::Loose { clock } = self.find(&receive, None, stamps)
        {
            return self.settle_loose(clock, &receive, pair, stamps, context);
        }
        self.receives.push_back(receive);
        0
    }

    /// A message without an order was sent at `clock`: finds its receives among those that wait. Returns how many it
    /// found.
    fn meet_loose(
        &mut self,
        clock: u64,
        copies: u64,
        pair: Pair,
        stamps: &mut Stamps,
        context: &mut Context<'_>,
    ) -> u64 {
        let mut matched = 0;
        for _ in 0..copies {
            let Some(receive) = self.receives.take(stamps.name(clock)) else {
                break;
            };
            matched += self.settle_loose(clock, &receive, pair, stamps, context);
        }
        matched
    }

    /// The message without an order that was sent at `clock` has been received. Returns 0 if there is none, else 1.
    fn settle_loose(
        &mut self,
        clock: u64,
        receive: &Received,
        pair: Pair,
        stamps: &mut Stamps,
        context: &mut Context<'_>,
    ) -> u64 {
        let faulty = self.faulty.as_mut();
        let Some(send) = faulty.and_then(|faulty| faulty.loose.take(clock)) else {
            return 0;
        };
        stamps.take(clock != receive.sent, pair, &send, receive, context);
        self.judge_ends(pair, &send, receive, context);
        1
    }

    /// Compares a receive with what is known, `next` being the clock of the next send on the channel.
    fn find(&self, receive: &Received, next: Option<u64>, stamps: &Stamps) -> Found {
        let aim = stamps.aim(receive.sent);
        let early = aim != receive.sent;
        if next == Some(aim) {
            return Found::Match { early };
        }
        if let Some(faulty) = &self.faulty {
            if faulty.loose.has(aim) {
                return Found::Loose { clock: aim };
            }
            if let Some(line) = faulty.lost.line_of(aim) {
                return Found::Lost { line };
            }
        }
        if self.last.is_some_and(|(clock, ..)| clock == aim) {
            return Found::Twice;
        }
        if let Some(skipped) = self.passed.as_ref().and_then(|passed| passed.find(aim)) {
            return Found::Late(skipped);
        }
        if next == Some(stamps.other_aim(receive.sent)) {
            return Found::Match { early: !early };
        }
        Found::Other
    }

    /// A send and its receive have met.
    #[inline]
    fn settle(&mut self, pair: Pair, send: &Sent, receive: &Received, context: &mut Context<'_>) {
        self.last = Some((send.clock, send.line, receive.line));
        self.least.take(receive.arrived.us_since(send.at));
        if let Some(passed) = &mut self.passed
            && let Some(gap) = passed.take_gap()
        {
            context.passed_over(pair, gap, send, receive);
        }
        self.judge_ends(pair, send, receive, context);
    }

    /// The rules of a message's two ends.
    #[inline]
    fn judge_ends(&mut self, pair: Pair, send: &Sent, receive: &Received, context: &mut Context<'_>) {
        context.judge_clock(pair, Some(send), receive);
        context.judge_lives(pair, send, receive);
        if send.clock >= receive.clock {
            self.unordered += 1;
            context.unordered(pair, send, receive);
        }
        if let (Some(sent), Some(taken)) = (&send.other, &receive.other) {
            context.judge_other(pair, (send, sent), (receive, taken));
        }
    }

    fn twice(&self, pair: Pair, receive: &Received, context: &mut Context<'_>) {
        context.judge_clock(pair, None, receive);
        context.twice(pair, receive, self.last);
    }

    fn late(&mut self, skipped: Skipped, pair: Pair, receive: &Received, context: &mut Context<'_>) {
        let epoch = self.epoch_line();
        if let Some(passed) = &mut self.passed {
            passed.arrive(skipped, epoch);
        }
        context.judge_clock(pair, None, receive);
        if !skipped.is_told {
            context.late(pair, skipped.line, receive, self.last);
        }
    }

    fn nowhere(&self, pair: Pair, receive: &Received, context: &mut Context<'_>) {
        context.judge_clock(pair, None, receive);
        context.nowhere(pair, receive, self.last);
    }
}
