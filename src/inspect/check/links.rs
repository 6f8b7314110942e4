//! The rules *incarnation* and *links*: which life of each machine the logs speak of, and which links are up.
//!
//! A machine's own log says when a further life begins: 2, 3, … without a gap. It also says when a link is lost and when
//! it is up again, and to which life of the peer; every send between those two drops its message. So the log of a sender
//! cuts each of its channels into *epochs*, one for each time that the link was up:
//!
//! ```text
//!   send 1   send 2   link-lost   send 3 dropped   link-up to life 2   send 4   send 5   …
//!   '-- first epoch: ---'                          '-- second epoch: to life 2 -----------
//! ```
//!
//! A loss takes some tail of the epoch that it ends, and nothing else. What is sent to one life of a machine is received
//! by that life or never, and only if its log knows of the life that sent it. A link that ends with goodbye while its
//! machine goes on leaves no remark: that shows as the first dropped message, and in the footer. Where two first lives
//! have a link again, both had lost it; of a loss alone one end may know nothing, if it ends before it sees that.
//!
//! In an open mesh, which a store's replicas form, lives have any numbers that rise, the header says the first one's, links
//! are down until a log says that they are up, and may end in order and come up again within a life, as members come and go.
//! There a link of which a log has said nothing yet is not judged.

mod ends;

use std::collections::BTreeMap;

use super::{
    judge::{Files, Pair},
    rules::{INCARNATION, LINKS},
};
use crate::{
    trace::{Footer, Mishaps, Violations},
    units::MachineId,
};

/// The line of a log's header, from which on every link is up.
const HEADER_LINE: u64 = 2;

/// What the logs say of lives and links. Runs in which no link was lost keep nothing here.
#[derive(Debug)]
pub(super) struct Links {
    /// By machine.
    stories: Vec<Story>,
    /// The first life of each machine of an open mesh.
    open: Option<BTreeMap<MachineId, u32>>,
    has_stories: bool,
    /// Links that led to a further life of a peer and never went down from an earlier one: that one said goodbye.
    silent: Vec<Silent>,
    /// How often *incarnation* was judged.
    pub(super) lives_judged: u64,
    /// How often *links* was judged.
    pub(super) links_judged: u64,
}

/// What one machine's log says.
#[derive(Clone, Debug, Default)]
struct Story {
    /// Its lives behind the first.
    lives: Vec<Life>,
    /// Those of its links of which anything is said.
    links: BTreeMap<MachineId, Link>,
}

/// A further life.
#[derive(Clone, Copy, Debug)]
struct Life {
    line: u64,
    incarnation: u32,
    /// An injected fault ended the one before, so that it said no goodbye.
    is_killed: bool,
}

/// One link, as the log of one of its ends says.
#[derive(Clone, Debug)]
struct Link {
    state: State,
    /// The line that says so.
    line: u64,
    /// Each time that it came up behind the start.
    ups: Vec<Up>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Lost.
    Down,
    /// The machine was started again, and has said nothing of this link yet.
    Unsaid,
    /// The mesh is open, and the life has said nothing of this link yet.
    Unknown,
    /// A message was dropped although the link was not lost: the peer has said goodbye.
    Ended,
}

/// A link comes up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Up {
    pub(super) line: u64,
    /// To which life of the peer.
    pub(super) life: u32,
    /// The greatest life of the peer that was heard of so far.
    pub(super) seen: u32,
}

/// The link of `me` to `peer` led on from this life to a later one without a loss.
#[derive(Clone, Copy, Debug)]
struct Silent {
    me: MachineId,
    peer: MachineId,
    life: u32,
    line: u64,
}

/// What a link leads to from the start on.
const FIRST: Up = Up {
    line: HEADER_LINE,
    life: 1,
    seen: 1,
};

/// What a link of an open mesh leads to before anything is said of it: nobody knows.
const UNKNOWN: Up = Up {
    line: HEADER_LINE,
    life: 0,
    seen: 0,
};

impl Links {
    /// The links of so many machines; `lives` has the first life of each log of an open mesh.
    pub(super) fn new(machines: usize, lives: BTreeMap<MachineId, u32>) -> Self {
        Self {
            open: (!lives.is_empty()).then_some(lives),
            stories: vec![Story::default(); machines],
            has_stories: false,
            silent: Vec::new(),
            lives_judged: 0,
            links_judged: 0,
        }
    }

    /// Whether any log says more than that every link is up, and leads to the first life of its peer.
    #[inline]
    pub(super) fn has_stories(&self) -> bool {
        self.has_stories
    }

    /// Whether the mesh is open.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The first life of a machine.
    fn first(&self, machine: MachineId) -> u32 {
        let first = self.open.as_ref().and_then(|lives| lives.get(&machine));
        first.copied().unwrap_or(1)
    }

    /// What a link leads to before its log says anything of it.
    fn at_first(&self) -> Up {
        if self.is_open() { UNKNOWN } else { FIRST }
    }

    /// The log of `me` says that a further life begins; `is_killed` if a fault ended the one before.
    #[cold]
    pub(super) fn restarted(
        &mut self,
        me: MachineId,
        line: u64,
        (incarnation, is_killed): (u32, bool),
        files: &Files,
        violations: &mut Violations,
    ) {
        self.lives_judged += 1;
        self.has_stories = true;
        let (first, is_open) = (self.first(me), self.is_open());
        let Some(story) = self.stories.get_mut(me.index()) else {
            return;
        };
        let last = story.lives.last();
        let (before, place) = last.map_or((first, HEADER_LINE), |life| (life.incarnation, life.line));
        story.lives.push(Life {
            line,
            incarnation,
            is_killed,
        });
        for link in story.links.values_mut() {
            let state = if is_open { State::Unknown } else { State::Unsaid };
            (link.state, link.line) = (state, line);
        }
        let is_next = if is_open {
            incarnation > before
        } else {
            incarnation == before.saturating_add(1)
        };
        if !is_next {
            violations.add(INCARNATION, me, || {
                let places = vec![files.place(me, line), files.place(me, place)];
                let rule = if is_open {
                    "each is greater than all before"
                } else {
                    "lives count 2, 3, … without a gap"
                };
                let text = format!(
                    "life {incarnation} begins behind life {before} ({}): {rule}",
                    files.place(me, place)
                );
                (places, text)
            });
        }
    }

    /// The log of `me` says that a link leads to this life of `peer`. Returns whether that is another life than before.
    #[cold]
    pub(super) fn up(
        &mut self,
        (me, peer): (MachineId, MachineId),
        line: u64,
        incarnation: u32,
        files: &Files,
        violations: &mut Violations,
    ) -> bool {
        self.links_judged += 1;
        self.lives_judged += u64::from(incarnation > 1);
        let (at_first, is_open) = (self.at_first(), self.is_open());
        let Some(link) = self.link(me, peer) else {
            return false;
        };
        let before = link.ups.last().copied().unwrap_or(at_first);
        let (state, known) = (link.state, link.line);
        link.ups.push(Up {
            line,
            life: incarnation,
            seen: before.seen.max(incarnation),
        });
        (link.state, link.line) = (State::Up, line);
        let places = |other| vec![files.place(me, line), files.place(me, other)];
        if incarnation < before.seen {
            violations.add(INCARNATION, me, || {
                let text = format!(
                    "a link to life {incarnation} of machine {peer}, but life {} was here already ({})",
                    before.seen,
                    files.place(me, before.line)
                );
                (places(before.line), text)
            });
        }
        match state {
            State::Down | State::Unsaid | State::Unknown => {}
            // It ended in order, of which a log says nothing, or its peer did.
            State::Up | State::Ended if is_open => {}
            State::Up | State::Ended if incarnation > before.life => {
                let life = before.life;
                self.silent.push(Silent { me, peer, life, line });
            }
            State::Up | State::Ended => violations.add(LINKS, me, || {
                let text = format!(
                    "the link to machine {peer} comes up, but it was up ({}) and was not lost since",
                    files.place(me, known)
                );
                (places(known), text)
            }),
        }
        incarnation != before.life
    }

    /// The log of `me` says that the link to `peer` was lost.
    #[cold]
    pub(super) fn lost(
        &mut self,
        (me, peer): (MachineId, MachineId),
        line: u64,
        files: &Files,
        violations: &mut Violations,
    ) {
        self.links_judged += 1;
        let Some(link) = self.link(me, peer) else {
            return;
        };
        let (state, known) = (link.state, link.line);
        (link.state, link.line) = (State::Down, line);
        let is_down = matches!(state, State::Down | State::Ended);
        if is_down && !(self.is_open() && state == State::Ended) {
            violations.add(LINKS, me, || {
                let places = vec![files.place(me, line), files.place(me, known)];
                let text = format!(
                    "the link to machine {peer} is lost, but it was down already ({})",
                    files.place(me, known)
                );
                (places, text)
            });
        }
    }

    /// A send event of `me`: its messages are dropped where the link is down, and only there.
    #[cold]
    pub(super) fn judge_send(
        &mut self,
        me: MachineId,
        line: u64,
        to: &[MachineId],
        mishaps: Option<&Mishaps>,
        files: &Files,
        violations: &mut Violations,
    ) {
        for peer in to {
            let is_dropped = mishaps.is_some_and(|mishaps| mishaps.dropped.contains(peer));
            let story = self.stories.get(me.index());
            if !is_dropped && story.is_none_or(|story| story.is_quiet(*peer)) {
                continue;
            }
            self.links_judged += 1;
            let Some(link) = self.link(me, *peer) else {
                continue;
            };
            match (link.state, is_dropped) {
                (State::Up, false)
                | (State::Unknown, _)
                | (State::Down | State::Unsaid | State::Ended, true) => {}
                (State::Up, true) => {
                    (link.state, link.line) = (State::Ended, line);
                    self.has_stories = true;
                }
                (State::Down | State::Unsaid | State::Ended, false) => {
                    let known = link.line;
                    violations.add(LINKS, me, || {
                        let places = vec![files.place(me, line), files.place(me, known)];
                        let text = format!(
                            "a message goes to machine {peer}, whose link is down ({}): it must be dropped",
                            files.place(me, known)
                        );
                        (places, text)
                    });
                }
            }
        }
    }

    /// The footer of `me`: messages that were dropped without a loss were dropped behind a goodbye, and a goodbye comes
    /// over a link that is up.
    pub(super) fn end(
        &self,
        me: MachineId,
        (line, footer): (u64, &Footer),
        files: &Files,
        violations: &mut Violations,
    ) {
        let Some(story) = self.stories.get(me.index()) else {
            return;
        };
        let is_peer = |peer: &&MachineId| **peer != me && peer.index() < self.stories.len();
        for peer in footer.goodbye.iter().filter(is_peer) {
            let link = story.links.get(peer);
            let unsaid = || story.unsaid(self.is_open());
            let (state, known) = link.map_or_else(unsaid, |link| (link.state, link.line));
            if matches!(state, State::Down | State::Unsaid) {
                violations.add(LINKS, me, || {
                    let places = vec![files.place(me, line), files.place(me, known)];
                    let text = format!(
                        "machine {peer} said goodbye, but the link to it is down ({}): nothing comes over it",
                        files.place(me, known)
                    );
                    (places, text)
                });
            }
        }
        for (peer, link) in story.links.iter().filter(|(_, link)| link.state == State::Ended) {
            // A link of an open mesh may have ended by this side's own goodbye.
            if !footer.goodbye.contains(peer) && !self.is_open() {
                violations.add(LINKS, me, || {
                    let text = format!(
                        "dropped={peer}, but the link to machine {peer} was not lost, and it never said goodbye: a message is \
                         dropped only where the link is down"
                    );
                    (vec![files.place(me, link.line)], text)
                });
            }
        }
    }

    /// A message and its receive: the link led to the life that received it, which knew of the life that sent it.
    #[cold]
    pub(super) fn judge_message(
        &mut self,
        pair: Pair,
        (sent, received): (u64, u64),
        files: &Files,
        violations: &mut Violations,
    ) {
        self.lives_judged += 1;
        let Pair { from, to } = pair;
        let (aim, life) = (self.up_before(from, to, sent).life, self.life_at(to, received));
        let (own, seen) = (self.life_at(from, sent), self.up_before(to, from, received).seen);
        if (aim == life && own <= seen) || (self.is_open() && (aim == 0 || seen == 0)) {
            return;
        }
        violations.add(INCARNATION, to, || {
            let there = files.place(from, sent);
            let text = if aim == life {
                format!(
                    "life {own} of machine {from} sent this message ({there}), but no link to it was up here yet: the last led to \
                     life {seen}"
                )
            } else {
                format!(
                    "machine {from} sent this message to life {aim} of machine {to} ({there}), and life {life} received it: nothing \
                     that was sent to one life reaches another"
                )
            };
            (vec![files.place(to, received), there], text)
        });
    }

    /// Whether two lines of a sender lie in the same epoch of its channel.
    pub(super) fn is_same_epoch(&self, pair: Pair, one: u64, other: u64) -> bool {
        self.up_before(pair.from, pair.to, one).line == self.up_before(pair.from, pair.to, other).line
    }

    /// The last time before this line that the link of `me` to `peer` came up.
    pub(super) fn up_before(&self, me: MachineId, peer: MachineId, line: u64) -> Up {
        let story = self.stories.get(me.index());
        let ups = story
            .and_then(|story| story.links.get(&peer))
            .map(|link| &link.ups);
        let behind = ups.map_or(0, |ups| ups.partition_point(|up| up.line < line));
        let up = ups.and_then(|ups| ups.get(behind.checked_sub(1)?));
        up.copied().unwrap_or(self.at_first())
    }

    /// Which life of a machine wrote this line: lives are counted, so that one wrong number is one violation. In an open
    /// mesh it is the life's own number.
    pub(super) fn life_at(&self, machine: MachineId, line: u64) -> u32 {
        let lives = self.stories.get(machine.index()).map(|story| &story.lives);
        let behind = lives.map_or(0, |lives| lives.partition_point(|life| life.line < line));
        if self.is_open() {
            let life = lives.and_then(|lives| lives.get(behind.checked_sub(1)?));
            return life.map_or(self.first(machine), |life| life.incarnation);
        }
        u32::try_from(behind + 1).unwrap_or(u32::MAX)
    }

    /// The last life of a machine.
    pub(super) fn life(&self, machine: MachineId) -> u32 {
        self.life_at(machine, u64::MAX)
    }

    /// Whether a machine was started again.
    pub(super) fn has_restarted(&self, machine: MachineId) -> bool {
        let story = self.stories.get(machine.index());
        story.is_some_and(|story| !story.lives.is_empty())
    }

    /// Whether a link between two machines was ever lost, as one of them says.
    pub(super) fn was_lost(&self, one: MachineId, other: MachineId) -> bool {
        let is_lossy = |me: MachineId, peer: MachineId| {
            let story = self.stories.get(me.index());
            let link = story.and_then(|story| story.links.get(&peer));
            self.has_restarted(me) || link.is_some_and(Link::was_down)
        };
        is_lossy(one, other) || is_lossy(other, one)
    }

    fn link(&mut self, me: MachineId, peer: MachineId) -> Option<&mut Link> {
        self.has_stories = true;
        let is_open = self.is_open();
        let story = self.stories.get_mut(me.index())?;
        let (state, line) = story.unsaid(is_open);
        let link = story.links.entry(peer);
        Some(link.or_insert(Link {
            state,
            line,
            ups: Vec::new(),
        }))
    }
}

impl Link {
    /// Whether it was ever lost.
    fn was_down(&self) -> bool {
        self.state == State::Down || !self.ups.is_empty()
    }
}

impl Story {
    /// Whether nothing was ever said of the link to this peer.
    fn is_quiet(&self, peer: MachineId) -> bool {
        self.lives.is_empty() && !self.links.contains_key(&peer)
    }

    /// The state of a link of which nothing is said, and the line that it is in since.
    fn unsaid(&self, is_open: bool) -> (State, u64) {
        match self.lives.last() {
            None if is_open => (State::Unknown, HEADER_LINE),
            Some(life) if is_open => (State::Unknown, life.line),
            None => (State::Up, HEADER_LINE),
            Some(life) => (State::Unsaid, life.line),
        }
    }
}
