//! `order`: the proof, or the reason in both directions.

use std::fmt;

use serde::Serialize;

use super::{
    ChainView, EventView, RunView, Scene,
    text::{counted, sentence},
};
use crate::inspect::{
    causality::{Causality, Gap, Order},
    history::EventId,
};

/// How two events stand to each other.
#[derive(Clone, Debug, Serialize)]
pub struct OrderReport {
    /// What was asked.
    pub run: RunView,
    /// The first event.
    pub a: EventView,
    /// The second event.
    pub b: EventView,
    /// `same`, `before` (a happened before b), `after` or `concurrent`.
    pub order: &'static str,
    /// With `before` and `after`: the proof.
    pub chain: Option<ChainView>,
    /// With `concurrent`: why a did not happen before b, and why b did not happen before a.
    pub gaps: Vec<GapView>,
}

/// Why an event did not happen before another.
#[derive(Clone, Debug, Serialize)]
pub struct GapView {
    /// The event that is not known.
    pub from: String,
    /// The machine of `from`.
    pub from_machine: String,
    /// The event that does not know it.
    pub to: String,
    /// The machine of `to`.
    pub to_machine: String,
    /// The last event of `from`'s machine that `to` knows.
    pub known: Option<EventView>,
    /// What brought it.
    pub brought_by: Option<ChainView>,
    /// The first event of `to`'s machine that knows `from`.
    pub learns: Option<EventView>,
}

impl OrderReport {
    /// Asks for the order of two events.
    #[must_use]
    pub fn new(causality: &Causality<'_>, a: EventId, b: EventId) -> Self {
        let scene = Scene::new(causality);
        let (order, chain, gaps) = match causality.order(a, b) {
            Order::Same => ("same", None, Vec::new()),
            Order::Before(chain) => ("before", Some(scene.chain(&chain)), Vec::new()),
            Order::After(chain) => ("after", Some(scene.chain(&chain)), Vec::new()),
            Order::Concurrent { forth, back } => {
                let gaps = vec![scene.gap(&forth), scene.gap(&back)];
                ("concurrent", None, gaps)
            }
        };
        Self {
            run: scene.run(),
            a: scene.event(a),
            b: scene.event(b),
            order,
            chain,
            gaps,
        }
    }
}

impl Scene<'_> {
    fn gap(&self, gap: &Gap) -> GapView {
        let history = self.causality.history();
        GapView {
            from: history.name_of(gap.from),
            from_machine: self.machine(gap.from.process),
            to: history.name_of(gap.to),
            to_machine: self.machine(gap.to.process),
            known: gap.known.as_ref().map(|chain| self.event(chain.from)),
            brought_by: gap.known.as_ref().map(|chain| self.chain(chain)),
            learns: gap.learns.map(|learns| self.event(learns)),
        }
    }
}

impl fmt::Display for OrderReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.run.heading())?;
        let (a, b) = (&self.a.event, &self.b.event);
        match &self.chain {
            Some(chain) => {
                let (first, last) = if self.order == "before" { (a, b) } else { (b, a) };
                let by = match chain.messages {
                    0 => "on the same machine".to_owned(),
                    messages => format!("by {}", counted(messages as u64, "message")),
                };
                writeln!(f, "{first} happened before {last}, {by}:\n")?;
                f.write_str(&chain.rows())?;
            }
            None if self.order == "same" => {
                writeln!(
                    f,
                    "{a} and {b} are the same event: {}, {}",
                    self.a.place(),
                    self.a.what
                )?;
            }
            None => {
                if self.run.stray == 0 {
                    writeln!(
                        f,
                        "{a} and {b} are concurrent: neither happened before the other."
                    )?;
                } else {
                    let receives = counted(self.run.stray as u64, "receive");
                    let text = format!(
                        "{a} and {b}: as far as these logs tell, neither happened before the other. But {receives} \
                         in them match no message here, and a path may lead through what is missing."
                    );
                    f.write_str(&sentence(&text, 0))?;
                }
                for gap in &self.gaps {
                    write!(f, "\n{gap}")?;
                }
            }
        }
        f.write_str(&self.run.notes())
    }
}

impl fmt::Display for GapView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            from_machine,
            to,
            to_machine,
            ..
        } = self;
        writeln!(f, "{from} did not happen before {to}.")?;
        match (&self.known, &self.brought_by) {
            (Some(known), Some(chain)) => {
                let last = &known.event;
                let text = format!(
                    "What machine {to_machine} knew of machine {from_machine} at {to} reaches up to {last}, brought by:"
                );
                f.write_str(&sentence(&text, 0))?;
                f.write_str(&chain.rows())?;
            }
            _ => writeln!(
                f,
                "At {to}, machine {to_machine} knew nothing of machine {from_machine}."
            )?,
        }
        let learns = match &self.learns {
            Some(learns) => format!(
                "The first event of machine {to_machine} that knows of {from} is {}, at {} s ({}).",
                learns.event,
                learns.seconds(),
                learns.place()
            ),
            None => format!("In these logs, machine {to_machine} never learns of {from}."),
        };
        f.write_str(&sentence(&learns, 0))
    }
}
