//! Vector clocks of other programs are verified, not believed.
//!
//! | rule | holds when |
//! |---|---|
//! | `format` | each match of the expression has a host, and a clock that is a JSON object of whole numbers |
//! | `own entry` | a host's own entry is 1 in its first event and one more in each |
//! | `known hosts` | clocks name hosts that have events; if not, their log is missing |
//! | `no future` | no entry is greater than the last own entry of its host |
//! | `never back` | no entry is smaller than in the event before on the same host |
//! | `merge` | an event knows all that the events know from which its new entries come |
//! | `causes first` | of these, none knows of the event itself, nor of one behind it |
//! | `arrow ends` | an arrow starts at a send and ends at a receive, where the log says what events are |
//!
//! Own entries that step by 1, `merge` and `causes first` together mean that each vector is the entrywise maximum
//! of those of its causes, own entry stepped, and that there is no circle: the clock of Fidge 1988 and
//! Mattern 1989. ShiViz judges the first four of them only.

use super::{
    arrows::Cause,
    vectors::{Clocked, Said, VectorLog},
    verdict::{FORMAT, Judged, Judgement, NO_HOST},
};
use crate::trace::Place;

/// A host's own entry is 1, 2, 3, …
const OWN: &str = "own entry";
/// Clocks name hosts that have events.
const HOSTS: &str = "known hosts";
/// No entry is beyond its host's last event.
const FUTURE: &str = "no future";
/// No entry falls.
const BACK: &str = "never back";
/// What causes know, the event knows.
const MERGE: &str = "merge";
/// No cause knows its effect.
const CIRCLE: &str = "causes first";
/// Arrows start at sends and end at receives.
const ARROW: &str = "arrow ends";

const RULES: [&str; 8] = [FORMAT, OWN, HOSTS, FUTURE, BACK, MERGE, CIRCLE, ARROW];

/// One log being judged.
struct Judge<'a> {
    log: &'a VectorLog,
    judgement: Judgement,
    /// By host: its greatest own entry, and which event has it.
    last: Vec<(u64, u32)>,
    arrows: u64,
}

/// An event where it stands.
#[derive(Clone, Copy)]
struct Here<'a> {
    host: u32,
    index: u32,
    event: &'a Clocked,
    before: Option<&'a Clocked>,
}

/// Judges an execution.
pub(super) fn verify(log: &VectorLog) -> Judged {
    let last = |host: u32| {
        let own = (0..)
            .zip(log.of(host))
            .map(|(index, event)| (event.entry(host), index));
        own.max().unwrap_or_default()
    };
    let mut judge = Judge {
        log,
        judgement: Judgement::default(),
        last: (0..log.hosts()).map(last).collect(),
        arrows: 0,
    };
    for problem in &log.problems {
        let tell = || (vec![problem.place.clone()], problem.text.clone());
        judge.judgement.add(FORMAT, NO_HOST, tell);
    }
    judge.judgement.judge(FORMAT, log.problems.len());
    for host in 0..log.hosts() {
        for (index, event) in (0..).zip(log.of(host)) {
            let before = log.before(host, index);
            let here = Here {
                host,
                index,
                event,
                before,
            };
            judge.own_entry(here);
            judge.entries(here);
            judge.arrows(here);
        }
    }
    let events = log.events.iter().map(Vec::len).sum();
    judge.judgement.judge(FORMAT, events);
    judge.judgement.judge(OWN, events);
    let judged = judge.judgement.finish(&RULES, |host| log.name(host).to_owned());
    let notes = log.notes.iter().map(|note| match log.label.as_str() {
        "" => note.clone(),
        label => format!("execution {label}: {note}"),
    });
    Judged {
        hosts: log.hosts(),
        events: events as u64,
        matched: judge.arrows,
        notes: notes.collect(),
        ..judged
    }
}

impl<'a> Judge<'a> {
    fn own_entry(&mut self, here: Here<'_>) {
        let log = self.log;
        let own = here.event.entry(here.host);
        let old = here.before.map_or(0, |before| before.entry(here.host));
        // Behind a single wrong entry the count is right again.
        if own == old.saturating_add(1) || own == u64::from(here.index) + 1 {
            return;
        }
        self.judgement.add(OWN, here.host, || {
            let name = log.name(here.host);
            let mut places = vec![log.place(here.event)];
            let text = match here.before {
                None => format!("the first event of {name} has its own entry at {own}; it must be 1"),
                Some(before) => {
                    places.push(log.place(before));
                    let gap = if own > old {
                        ": events are missing between them"
                    } else {
                        ""
                    };
                    format!(
                        "the own entry of {name} goes from {old} ({}) to {own}; it must be {}{gap}",
                        log.place(before),
                        old.saturating_add(1)
                    )
                }
            };
            (places, text)
        });
    }

    /// Each entry against the one before and the host that it is of.
    fn entries(&mut self, here: Here<'_>) {
        let others = || here.event.clock.iter().filter(|(host, _)| *host != here.host);
        self.judgement.judge(BACK, others().count());
        for (other, entry) in others() {
            let old = here.before.map_or(0, |before| before.entry(*other));
            if entry <= &old {
                continue;
            }
            self.judgement.judge(HOSTS, 1);
            match self.last.get(*other as usize) {
                None => self.unknown_host(here, *other, *entry),
                Some((last, at)) => {
                    self.judgement.judge(FUTURE, 1);
                    if entry > last {
                        let (last, at) = (*last, *at);
                        self.future(here, *other, *entry, (last, at));
                    }
                }
            }
        }
        let Some(before) = here.before else { return };
        for (other, old) in before.clock.iter().filter(|(host, _)| *host != here.host) {
            let entry = here.event.entry(*other);
            if entry < *old {
                self.back(here, before, *other, (*old, entry));
            }
        }
    }

    fn unknown_host(&mut self, here: Here<'_>, other: u32, entry: u64) {
        let log = self.log;
        self.judgement.add(HOSTS, here.host, || {
            let name = log.name(other);
            let text = format!(
                "the entry of {name} is {entry}, but the log has no event of {name}: its log is missing, or the name is wrong"
            );
            (vec![log.place(here.event)], text)
        });
    }

    fn future(&mut self, here: Here<'_>, other: u32, entry: u64, (last, at): (u64, u32)) {
        let log = self.log;
        self.judgement.add(FUTURE, here.host, || {
            let name = log.name(other);
            let mut places = vec![log.place(here.event)];
            places.extend(log.event(other, at).map(|event| log.place(event)));
            let text = format!(
                "the entry of {name} is {entry}, but the last event of {name} has {last} ({}): \
                 nobody knows more of a host than the host, or its log is cut off",
                told(places.get(1)),
            );
            (places, text)
        });
    }

    fn back(&mut self, here: Here<'_>, before: &Clocked, other: u32, (old, entry): (u64, u64)) {
        let log = self.log;
        self.judgement.add(BACK, here.host, || {
            let places = vec![log.place(here.event), log.place(before)];
            let text = format!(
                "the entry of {} goes back from {old} ({}) to {entry}; it must be at least {old}",
                log.name(other),
                log.place(before),
            );
            (places, text)
        });
    }

    /// The events that this one newly knows of.
    fn arrows(&mut self, here: Here<'_>) {
        let causes = self.log.causes(here.host, here.index);
        for cause in &causes {
            let Some(event) = self.log.event(cause.host, cause.index) else {
                continue;
            };
            self.judgement.judge(MERGE, 1);
            self.judgement.judge(CIRCLE, 1);
            let known = event.entry(here.host);
            if known > 0 && known >= here.event.entry(here.host) {
                self.circle(here, *cause, event);
            } else {
                self.merge(here, *cause, event);
            }
        }
        let parents = self.log.parents(&causes);
        self.arrows += parents.len() as u64;
        self.ends(here, &parents);
    }

    fn circle(&mut self, here: Here<'_>, cause: Cause, event: &Clocked) {
        let log = self.log;
        self.judgement.add(CIRCLE, here.host, || {
            let (me, other) = (log.name(here.host), log.name(cause.host));
            let places = vec![log.place(here.event), log.place(event)];
            let text = format!(
                "this event of {me}, number {}, knows of event {} of {other} ({}), which has {} for {me} \
                 and so knows of this one: each would be before the other",
                here.event.entry(here.host),
                event.entry(cause.host),
                log.place(event),
                event.entry(here.host),
            );
            (places, text)
        });
    }

    /// What the cause knows, this event must know.
    fn merge(&mut self, here: Here<'_>, cause: Cause, event: &Clocked) {
        let log = self.log;
        let missing = event.clock.iter().find(|(host, known)| {
            let own = here.event.entry(*host);
            // What fell is told as that.
            let fell = here.before.is_some_and(|before| own < before.entry(*host));
            *host != here.host && own < *known && !fell
        });
        let Some((host, known)) = missing else { return };
        self.judgement.add(MERGE, here.host, || {
            let places = vec![log.place(here.event), log.place(event)];
            let old = here.before.map_or(0, |before| before.entry(*host));
            let text = format!(
                "the entry of {} must be max({old}, {known}) = {}, because this event knows of event {} of {} ({}), \
                 which has {known}; the log says {}",
                log.name(*host),
                old.max(*known),
                event.entry(cause.host),
                log.name(cause.host),
                log.place(event),
                here.event.entry(*host),
            );
            (places, text)
        });
    }

    /// Do both ends of each arrow say what they are?
    fn ends(&mut self, here: Here<'_>, parents: &[Cause]) {
        let log = self.log;
        for parent in parents {
            let Some(event) = log.event(parent.host, parent.index) else {
                continue;
            };
            if event.said.is_none() && here.event.said.is_none() {
                continue;
            }
            self.judgement.judge(ARROW, 1);
            let wrong_start = event.said.filter(|said| *said != Said::Send);
            let wrong_end = here.event.said.filter(|said| *said != Said::Receive);
            let Some(said) = wrong_start.or(wrong_end) else {
                continue;
            };
            self.judgement.add(ARROW, here.host, || {
                let places = vec![log.place(here.event), log.place(event)];
                let from = format!("event {} of {}", event.entry(parent.host), log.name(parent.host));
                let said = match said {
                    Said::Internal => "internal",
                    Said::Send => "a send",
                    Said::Receive => "a receive",
                };
                let text = if wrong_start.is_some() {
                    format!(
                        "this event takes a message of {from} ({}), which the log calls {said}: a message starts at a send",
                        log.place(event)
                    )
                } else {
                    format!(
                        "the log calls this event {said}, but it newly knows of {from} ({}), as only a receive does",
                        log.place(event)
                    )
                };
                (places, text)
            });
        }
    }
}

fn told(place: Option<&Place>) -> String {
    place.map_or_else(|| "?".to_owned(), ToString::to_string)
}
