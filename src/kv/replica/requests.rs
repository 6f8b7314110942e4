//! What a client asks: answered at once, or it waits for what its session has seen, or it is told why not.

use super::{
    Replica,
    held::{Kind as HeldKind, Unkept},
    ready::Phase,
    telling::forgotten,
    waiting::For,
    writes::Asked,
};
use crate::{
    clock::Dot,
    kv::{
        operation::{BATCH_OPERATIONS_MAX, KEY_BYTES_MAX, Key},
        request::{Action, Answer, Deny, MemberChange, Missing, Reply, Request, SCAN_ITEMS_MAX, Token},
    },
    service::{Effect, Effects, Last, Ticket},
    units::Time,
};

/// Most bytes of one scan: half a frame.
const SCAN_BYTES_MAX: usize = 512 << 10;

/// Longest wait that is granted, in microseconds.
const WAIT_US_MAX: u64 = 60_000_000;

/// Most missing writes that an answer names.
const MISSING_MAX: usize = 16;

impl Replica {
    /// A request has come.
    pub(super) fn request(&mut self, ticket: Ticket, request: Request, effects: &mut Effects<Self>) {
        let until = Time(self.now.0.saturating_add(request.wait_us.min(WAIT_US_MAX)));
        self.serve(ticket, request, until, effects);
    }

    /// Serves a request, or lets it wait until then.
    fn serve(&mut self, ticket: Ticket, request: Request, until: Time, effects: &mut Effects<Self>) {
        match &request.action {
            Action::Get { .. }
            | Action::Scan { .. }
            | Action::Write { .. }
            | Action::Watch { .. }
            | Action::Backup { number: 0 } => {}
            Action::Backup { number } => {
                return self.continue_backup(ticket, request.token, *number, effects);
            }
            Action::Members => {
                let answer = Answer::Members(self.member_list());
                return self.answer(ticket, request.token, Vec::new(), answer, effects);
            }
            Action::Status => {
                let answer = Answer::Status(Box::new(self.status()));
                return self.answer(ticket, request.token, Vec::new(), answer, effects);
            }
            Action::Why { key } => {
                let answer = Answer::Why(Box::new(self.why(key, &request.token)));
                return self.answer(ticket, request.token, Vec::new(), answer, effects);
            }
            // Whoever judges tokens has done so before.
            Action::Present { .. } => {
                return self.answer(ticket, request.token, Vec::new(), Answer::Admitted, effects);
            }
            Action::Change(change) => return self.change(ticket, request.token, change, effects),
        }
        if let Err(deny) = self.is_open() {
            return match deny {
                Deny::Joining if until > self.now => {
                    self.wait(ticket, request, until, For::Readiness, effects);
                }
                deny => self.deny(ticket, request.token, Vec::new(), deny, effects),
            };
        }
        if let Err(what) = judge(&request.action) {
            return self.deny(ticket, request.token, Vec::new(), what, effects);
        }
        if self.known.covers(&request.token) {
            return self.serve_covered(ticket, request, Vec::new(), until, effects);
        }
        let released = self.released(&request.token);
        let missing = self
            .known
            .missing(&request.token)
            .find(|dot| !released.contains(dot));
        match missing {
            None => {
                let mut request = request;
                let is_gone = |origin| released.iter().any(|dot| dot.origin == origin);
                request.token.retain(|origin, _| !is_gone(origin));
                self.counts.released += 1;
                // What of these origins is here, it may well have seen.
                for dot in &released {
                    request.token.raise(dot.origin, self.known.get(dot.origin));
                }
                self.serve_covered(ticket, request, released, until, effects);
            }
            Some(dot) if until > self.now => self.wait(ticket, request, until, For::Write(dot), effects),
            Some(_) => {
                let missing = self.missing(&request.token);
                self.deny(
                    ticket,
                    request.token,
                    Vec::new(),
                    Deny::Unmet { missing },
                    effects,
                );
            }
        }
    }

    /// Changes who is a member.
    fn change(&mut self, ticket: Ticket, token: Token, change: &MemberChange, effects: &mut Effects<Self>) {
        match self.change_members(change, effects) {
            Ok(was_so) => {
                let answer = Answer::MembersChanged { was_so };
                self.answer_read(ticket, token, Vec::new(), answer, effects);
            }
            Err(deny) => self.deny(ticket, token, Vec::new(), deny, effects),
        }
    }

    /// Whether clients are served at all.
    fn is_open(&self) -> Result<(), Deny> {
        if self.stopped.is_some() {
            return Err(Deny::Leaving);
        }
        match self.phase {
            Phase::Ready => Ok(()),
            Phase::Alone => Err(Deny::NoMember),
            Phase::Draining => Err(Deny::Leaving),
            Phase::Joining { .. } => Err(Deny::Joining),
        }
    }

    fn wait(
        &mut self,
        ticket: Ticket,
        request: Request,
        until: Time,
        what: For,
        effects: &mut Effects<Self>,
    ) {
        if !self.waiting.has_room(ticket, &request, &self.config) {
            return self.deny(ticket, request.token, Vec::new(), Deny::Busy, effects);
        }
        self.counts.waited += 1;
        self.waiting.add(ticket, request, until, what);
    }

    /// The session has seen nothing that is not here.
    fn serve_covered(
        &mut self,
        ticket: Ticket,
        request: Request,
        released: Vec<Dot>,
        until: Time,
        effects: &mut Effects<Self>,
    ) {
        let Request {
            mut token, action, ..
        } = request;
        let unkept = match &action {
            Action::Get { key } => self.unkept(|replica| replica.store.dots(key)),
            Action::Scan { .. } | Action::Backup { .. } => self.unkept(|replica| replica.known.clone()),
            // It would wait for a disk that keeps nothing any more.
            Action::Watch { .. } => self.disk_trouble(),
            // Nothing is written any more, and the rest names nothing.
            Action::Write { .. }
            | Action::Members
            | Action::Change(_)
            | Action::Status
            | Action::Why { .. }
            | Action::Present { .. } => None,
        };
        if let Some(deny) = unkept {
            return self.deny(ticket, token, released, deny, effects);
        }
        match action {
            Action::Get { key } => {
                self.counts.reads += 1;
                token.merge(&self.store.dots(&key));
                self.trim(&mut token);
                let item = self.store.get(&key, self.wall_us());
                let answer = item.map_or(Answer::NotFound, Answer::Found);
                self.answer_read(ticket, token, released, answer, effects);
            }
            Action::Scan { prefix, after, limit } => {
                self.counts.reads += 1;
                token.merge(&self.known);
                self.trim(&mut token);
                let (items, next) = self.store.scan(
                    &prefix,
                    after.as_deref(),
                    limit as usize,
                    SCAN_BYTES_MAX,
                    self.wall_us(),
                );
                self.answer_read(ticket, token, released, Answer::Scanned { items, next }, effects);
            }
            Action::Write { operations, copies } => {
                let asked = Asked {
                    ticket,
                    token,
                    released,
                    until,
                };
                self.write(asked, operations, copies, effects);
            }
            Action::Watch { prefix, after } => {
                self.watch(ticket, token, released, prefix, after, effects);
            }
            Action::Backup { .. } => self.begin_backup(ticket, token, released, effects),
            // Served before.
            Action::Members
            | Action::Change(_)
            | Action::Status
            | Action::Why { .. }
            | Action::Present { .. } => {}
        }
    }

    fn watch(
        &mut self,
        ticket: Ticket,
        token: Token,
        released: Vec<Dot>,
        prefix: Box<[u8]>,
        after: Option<u64>,
        effects: &mut Effects<Self>,
    ) {
        if !self.watching.has_room(ticket, &self.config) {
            return self.deny(ticket, token, released, Deny::Busy, effects);
        }
        let told = after.unwrap_or(self.watching.now());
        if !self.watching.remembers(told) {
            return self.deny(ticket, token, released, forgotten(told), effects);
        }
        self.watching.begin(ticket, prefix, told, token);
    }

    /// Those that wait, and those that watch: each as it would be asked now.
    pub(super) fn name_open_requests(&self, name: &mut dyn FnMut(Ticket, &Request)) {
        for (ticket, request) in self.waiting.all() {
            name(ticket, request);
        }
        for (ticket, watcher) in &self.watching.watchers {
            let request = Request {
                token: watcher.token.clone(),
                wait_us: 0,
                action: Action::Watch {
                    prefix: watcher.prefix.clone(),
                    after: Some(watcher.told),
                },
            };
            name(*ticket, &request);
        }
    }

    /// Those whose wait is over, because what they waited for is here.
    pub(super) fn serve_woken(&mut self, effects: &mut Effects<Self>) {
        for (ticket, request, until) in self.waiting.take_woken() {
            self.serve(ticket, request, until, effects);
        }
    }

    /// Those whose time is over: they are told what is missing, if it still is.
    pub(super) fn serve_late(&mut self, effects: &mut Effects<Self>) {
        for (ticket, request, until) in self.waiting.take_late(self.now) {
            self.serve(ticket, request, until.min(self.now), effects);
        }
    }

    /// What a token names that is not here.
    pub(super) fn missing(&self, token: &Token) -> Vec<Missing> {
        let missing = self.known.missing(token).take(MISSING_MAX);
        missing.map(|dot| self.missing_dot(dot)).collect()
    }

    /// A write that is not here, and who has said that it has it.
    pub(super) fn missing_dot(&self, dot: Dot) -> Missing {
        let peers = self.peers.values();
        Missing {
            dot,
            have: self.known.get(dot.origin),
            seen_by: peers
                .filter(|peer| peer.report.known.contains(dot))
                .map(|peer| peer.id)
                .collect(),
        }
    }

    /// An answer that names what has been read: it leaves once that is on the disk.
    pub(super) fn answer_read(
        &mut self,
        ticket: Ticket,
        token: Token,
        released: Vec<Dot>,
        answer: Answer,
        effects: &mut Effects<Self>,
    ) {
        let is_change = matches!(answer, Answer::MembersChanged { .. });
        let is_kept = !is_change && self.kept.covers(&token);
        let reply = Reply {
            token,
            released,
            answer,
        };
        if is_kept || self.keeping.trouble().is_some() || !self.keeping.is_under_way() {
            return self.reply(ticket, reply, effects);
        }
        self.held.until_kept(Unkept {
            number: self.keeping.next(),
            ticket,
            kind: if is_change {
                HeldKind::Write
            } else {
                HeldKind::Read
            },
            reply,
            then: None,
        });
    }

    /// An answer that names nothing of the data.
    fn answer(
        &mut self,
        ticket: Ticket,
        token: Token,
        released: Vec<Dot>,
        answer: Answer,
        effects: &mut Effects<Self>,
    ) {
        let reply = Reply {
            token,
            released,
            answer,
        };
        self.reply(ticket, reply, effects);
    }

    /// No.
    pub(super) fn deny(
        &mut self,
        ticket: Ticket,
        token: Token,
        released: Vec<Dot>,
        deny: Deny,
        effects: &mut Effects<Self>,
    ) {
        self.counts.denied += 1;
        self.answer(ticket, token, released, Answer::Denied(deny), effects);
    }

    /// The last answer to a request leaves.
    pub(super) fn reply(&mut self, ticket: Ticket, reply: Reply, effects: &mut Effects<Self>) {
        if self.held.is_wanted(ticket) {
            let last = Last::Yes;
            effects.push(Effect::Reply { ticket, reply, last });
        }
    }
}

/// Whether a request keeps to the limits that do not depend on data.
fn judge(action: &Action) -> Result<(), Deny> {
    let key_fits = |key: &Key| match key.len() {
        0 => Err(Deny::Malformed {
            what: "a key has at least one byte".to_owned(),
        }),
        1..=KEY_BYTES_MAX => Ok(()),
        bytes => Err(Deny::TooLarge {
            what: format!("the key has {bytes} bytes, {KEY_BYTES_MAX} are allowed"),
        }),
    };
    match action {
        Action::Get { key } => key_fits(key),
        Action::Scan { limit, .. } if !(1..=SCAN_ITEMS_MAX).contains(limit) => Err(Deny::Malformed {
            what: format!("a scan of {limit} items: 1 to {SCAN_ITEMS_MAX} are allowed"),
        }),
        Action::Write { operations, .. } => match operations.len() {
            0 => Err(Deny::Malformed {
                what: "a write has at least one operation".to_owned(),
            }),
            1..=BATCH_OPERATIONS_MAX => operations
                .iter()
                .try_for_each(|operation| key_fits(&operation.key)),
            count => Err(Deny::TooLarge {
                what: format!("the write has {count} operations, {BATCH_OPERATIONS_MAX} are allowed"),
            }),
        },
        Action::Scan { .. }
        | Action::Watch { .. }
        | Action::Members
        | Action::Change(_)
        | Action::Status
        | Action::Why { .. }
        | Action::Backup { .. }
        | Action::Present { .. } => Ok(()),
    }
}
