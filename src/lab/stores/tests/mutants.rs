//! Wrong stores: an honest replica whose inputs or effects are tampered with, as a faulty one would.

use std::collections::BTreeMap;

use crate::{
    clock::VersionVector,
    kv::{self, Action, Answer, Deny, Message, Missing, Replica, Reply, Request},
    service::{Effect, Effects, Input, Last, Service, Ticket},
    trace::Record,
    units::Time,
};

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Nothing: for comparison.
    Nothing,
    /// It answers before its disk has what it answers.
    AnswersTooEarly,
    /// Every life has the same number, so dots are given twice.
    DotsReused,
    /// What is missing is never pulled.
    NoAntiEntropy,
    /// A token has to be equal to what is known, not below it.
    TokensEqual,
    /// Tokens of reads are not looked at.
    TokensIgnored,
    /// A write depends on nothing that its client has seen.
    DependenciesForgotten,
    /// A newcomer answers before it has the data.
    ServesWhileJoining,
    /// A write that is denied for what is missing is done all the same.
    DeniedAndDone,
    /// Of the state that is transferred, the first part is lost.
    LossyTransfer,
    /// Of what a watch is to be told, every fifth is left out.
    WatchSkips,
}

/// A replica that is tampered with.
pub(super) struct Tampered {
    inner: Replica,
    wrong: Wrong,
    /// What the inner one wants done.
    effects: Effects<Replica>,
    known: VersionVector,
    /// Writes by ticket, to be done though they are denied.
    writes: BTreeMap<Ticket, Request>,
    reads: BTreeMap<Ticket, VersionVector>,
    /// Tickets that nobody asked with.
    invented: u64,
    /// What watches were to be told.
    told: u64,
}

/// Tickets from here on nobody has asked with.
const INVENTED: u64 = 1 << 40;

impl Tampered {
    pub(super) fn new(config: kv::Config, wrong: Wrong) -> Self {
        Self {
            inner: Replica::new(config).unwrap(),
            wrong,
            effects: Vec::new(),
            known: VersionVector::new(),
            writes: BTreeMap::new(),
            reads: BTreeMap::new(),
            invented: INVENTED,
            told: 0,
        }
    }

    fn give(&mut self, now: Time, input: Input<Replica>) {
        self.inner.handle(now, input, &mut self.effects);
    }

    /// Hands a request on, or denies it.
    fn request(&mut self, now: Time, ticket: Ticket, mut request: Request, effects: &mut Effects<Self>) {
        let is_write = matches!(request.action, Action::Write { .. });
        match self.wrong {
            Wrong::TokensEqual if !request.token.is_empty() && request.token != self.known => {
                let missing = Vec::<Missing>::new();
                let reply = Reply {
                    token: request.token,
                    released: Vec::new(),
                    answer: Answer::Denied(Deny::Unmet { missing }),
                };
                let last = Last::Yes;
                effects.push(Effect::Reply { ticket, reply, last });
                return;
            }
            Wrong::TokensIgnored if !is_write => {
                let token = std::mem::take(&mut request.token);
                self.reads.insert(ticket, token);
            }
            Wrong::DependenciesForgotten if is_write => request.token = VersionVector::new(),
            Wrong::DeniedAndDone if is_write => {
                self.writes.insert(ticket, request.clone());
            }
            Wrong::ServesWhileJoining if !is_write => {
                self.reads.insert(ticket, request.token.clone());
            }
            _ => {}
        }
        self.give(now, Input::Request { ticket, request });
    }

    /// Whether a watch is not told this.
    fn skips(&mut self) -> bool {
        self.told += 1;
        self.told.is_multiple_of(5)
    }

    /// Changes an answer, as the mutant would give it.
    fn reply(&mut self, now: Time, ticket: Ticket, reply: &mut Reply) {
        let token = self.reads.remove(&ticket);
        match self.wrong {
            Wrong::TokensIgnored => reply.token.merge(&token.unwrap_or_default()),
            Wrong::ServesWhileJoining if reply.answer == Answer::Denied(Deny::Joining) => {
                if let Some(token) = token {
                    reply.answer = Answer::NotFound;
                    reply.token = token;
                }
            }
            Wrong::DeniedAndDone => {
                let request = self.writes.remove(&ticket);
                if let (Some(mut request), Answer::Denied(Deny::Unmet { .. })) = (request, &reply.answer) {
                    self.invented += 1;
                    let ticket = Ticket(self.invented);
                    request.token = VersionVector::new();
                    self.give(now, Input::Request { ticket, request });
                }
            }
            _ => {}
        }
    }

    /// What is known, by what is recorded.
    fn note(&mut self, record: &Record) {
        match record {
            Record::Data(data) => self.known = data.known.clone(),
            Record::Event(event) => {
                if let Some(store) = &event.store {
                    for stretch in store.applied.iter().chain(&store.wrote) {
                        self.known.raise(stretch.origin, stretch.last);
                    }
                    self.known.merge(&store.adopted.clone().unwrap_or_default());
                }
            }
            _ => {}
        }
    }

    /// Hands the effects on.
    fn hand_on(&mut self, now: Time, effects: &mut Effects<Self>) {
        while !self.effects.is_empty() {
            for effect in std::mem::take(&mut self.effects) {
                let changed = self.change(now, effect);
                effects.extend(changed);
            }
        }
    }

    fn change(&mut self, now: Time, effect: Effect<Replica>) -> Option<Effect<Self>> {
        Some(match effect {
            Effect::Send { to, message } => Effect::Send { to, message },
            Effect::Signal {
                message: Message::Pull { .. },
                ..
            } if self.wrong == Wrong::NoAntiEntropy => return None,
            Effect::Signal {
                to,
                message: Message::TransferPart { number, part, .. },
            } if self.wrong == Wrong::LossyTransfer => {
                let bytes = Default::default();
                let message = Message::TransferPart { number, part, bytes };
                Effect::Signal { to, message }
            }
            Effect::Signal { to, message } => Effect::Signal { to, message },
            Effect::Record(record) => {
                self.note(&record);
                Effect::Record(record)
            }
            Effect::Refuse { peer, error } => Effect::Refuse { peer, error },
            Effect::Reset { peer } => Effect::Reset { peer },
            Effect::Peers(peers) => Effect::Peers(peers),
            Effect::Say(what) => Effect::Say(what),
            Effect::Reply { ticket, .. } if ticket.0 >= INVENTED => return None,
            Effect::Reply { reply, .. }
                if self.wrong == Wrong::WatchSkips
                    && matches!(reply.answer, Answer::Changed(_))
                    && self.skips() =>
            {
                return None;
            }
            Effect::Reply {
                ticket,
                mut reply,
                last,
            } => {
                self.reply(now, ticket, &mut reply);
                Effect::Reply { ticket, reply, last }
            }
            Effect::Append { number, rows } => {
                if self.wrong == Wrong::AnswersTooEarly {
                    self.give(now, Input::Appended { through: number });
                }
                Effect::Append { number, rows }
            }
            Effect::Stop { reason } => Effect::Stop { reason },
        })
    }
}

impl Service for Tampered {
    type Message = Message;
    type Request = Request;
    type Reply = Reply;

    fn handle(&mut self, now: Time, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Restored { row } => self.give(now, Input::Restored { row }),
            Input::Start { wall, incarnation } => {
                let incarnation = match self.wrong {
                    Wrong::DotsReused => 946_684_790,
                    _ => incarnation,
                };
                self.give(now, Input::Start { wall, incarnation });
            }
            Input::LinkUp { peer, incarnation } => self.give(now, Input::LinkUp { peer, incarnation }),
            Input::Unreliable { peer } => self.give(now, Input::Unreliable { peer }),
            Input::LinkDown { peer, cause } => self.give(now, Input::LinkDown { peer, cause }),
            Input::Message { from, message } => self.give(now, Input::Message { from, message }),
            Input::Request { ticket, request } => self.request(now, ticket, request, effects),
            Input::Cancelled { ticket } => self.give(now, Input::Cancelled { ticket }),
            Input::Appended { .. } if self.wrong == Wrong::AnswersTooEarly => {}
            Input::Appended { through } => self.give(now, Input::Appended { through }),
            Input::AppendFailed { why } => self.give(now, Input::AppendFailed { why }),
            Input::RoundEnd => self.give(now, Input::RoundEnd),
            Input::WallClock { wall } => self.give(now, Input::WallClock { wall }),
            Input::Timeout => self.give(now, Input::Timeout),
            Input::Stop { reason } => self.give(now, Input::Stop { reason }),
            Input::End => self.give(now, Input::End),
        }
        self.hand_on(now, effects);
    }

    fn deadline(&self) -> Option<Time> {
        self.inner.deadline()
    }
}
