//! What a person has chosen to look at, and what each key does.

use std::borrow::Cow;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::axis::{AxisKind, ZOOM_MAX, newest};
use crate::{
    control::{Command, fault_for},
    trace::WallTime,
    units::MachineId,
    watch::{
        filter::Filter,
        hands::Deed,
        scene::{Machine, Scene, Standing},
    },
};

/// How long an answer stays in the footer, in microseconds.
const SAID_US: i64 = 8_000_000;

/// Longest filter, in characters.
const FILTER_MAX: usize = 60;

/// What is looked at, and how.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The moment at which the picture stands still; `None` follows the run.
    pub(super) frozen: Option<WallTime>,
    /// Which lane is selected: its place among the machines whose logs are there.
    pub(super) selected: usize,
    /// The first lane that is shown.
    pub(super) top: usize,
    pub(super) axis: AxisKind,
    /// Steps of a factor of two; greater is closer.
    pub(super) zoom: i8,
    pub(super) filter_text: String,
    pub(super) filter: Filter,
    pub(super) layer: Layer,
    /// What the footer says, how, and until when.
    said: Option<(String, Tone, WallTime)>,
    /// Of the last picture, for steps back in time: first and last moment in view.
    pub(super) span: Option<(WallTime, WallTime)>,
}

/// What lies over the picture, and takes the keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Layer {
    #[default]
    None,
    Help,
    Faults,
    /// The filter is being typed.
    Filter,
}

/// How something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Bad,
}

/// What a key asks of whoever owns the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Quit,
    /// Leave this run for a newer one.
    Newer,
    /// Do something to the run.
    Act(Deed),
}

/// A fault of the menu: its key, what it says, and the command.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) key: char,
    pub(super) text: String,
    deed: Deed,
}

impl View {
    /// Where the picture ends.
    pub(super) fn edge(&self, scene: &Scene, now: WallTime) -> WallTime {
        self.frozen.unwrap_or_else(|| scene.edge(now))
    }

    /// How a machine stands at the moment that is shown.
    pub(super) fn standing<'a>(&self, machine: &'a Machine) -> Cow<'a, Standing> {
        match self.frozen {
            None => Cow::Borrowed(&machine.standing),
            Some(at) => Cow::Owned(machine.standing_at(at)),
        }
    }

    /// The selected machine.
    pub(super) fn machine(&self, scene: &Scene) -> Option<MachineId> {
        scene.machines().keys().nth(self.selected).copied()
    }

    /// Says something in the footer, for a while.
    pub(super) fn say(&mut self, text: String, tone: Tone, now: WallTime) {
        self.said = Some((text, tone, WallTime(now.0.saturating_add(SAID_US))));
    }

    /// What the footer says now.
    pub(super) fn said(&self, now: WallTime) -> Option<(&str, Tone)> {
        let (text, tone, until) = self.said.as_ref()?;
        (now < *until).then_some((text, *tone))
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent, scene: &Scene, now: WallTime) -> Option<Wish> {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control && key.code == KeyCode::Char('c') {
            return Some(Wish::Quit);
        }
        match self.layer {
            Layer::Filter => {
                self.filter_key(key.code);
                None
            }
            Layer::Help => {
                self.layer = Layer::None;
                None
            }
            Layer::Faults => {
                self.layer = Layer::None;
                let KeyCode::Char(pressed) = key.code else {
                    return None;
                };
                let mut offers = self.offers(scene).into_iter();
                let offer = offers.find(|offer| offer.key == pressed)?;
                Some(Wish::Act(offer.deed))
            }
            Layer::None => match key.code {
                KeyCode::Char(letter) => self.letter(letter, scene, now),
                other => {
                    self.move_key(other, scene, now);
                    None
                }
            },
        }
    }

    fn letter(&mut self, letter: char, scene: &Scene, now: WallTime) -> Option<Wish> {
        let all = |command| Some(Wish::Act(Deed::Tell(None, command)));
        match letter {
            'q' => return Some(Wish::Quit),
            'n' => return Some(Wish::Newer),
            'p' | ' ' => {
                self.frozen = match self.frozen {
                    Some(_) => None,
                    None => Some(self.edge(scene, now)),
                };
            }
            'x' => {
                self.axis = match self.axis {
                    AxisKind::Time => AxisKind::Events,
                    AxisKind::Events => AxisKind::Time,
                };
            }
            '+' | '=' => self.zoom = (self.zoom + 1).min(ZOOM_MAX),
            '-' => self.zoom = (self.zoom - 1).max(-ZOOM_MAX),
            '0' => self.zoom = 0,
            '/' => self.layer = Layer::Filter,
            '?' | 'h' => self.layer = Layer::Help,
            'f' => self.layer = Layer::Faults,
            'P' => return all(Command::Pause),
            'r' => return all(Command::Resume),
            'S' => return all(Command::Step { ticks: 1 }),
            's' => {
                let machine = self.machine(scene)?;
                return Some(Wish::Act(Deed::Tell(Some(machine), Command::Step { ticks: 1 })));
            }
            'k' => self.move_key(KeyCode::Up, scene, now),
            'j' => self.move_key(KeyCode::Down, scene, now),
            _ => {}
        }
        None
    }

    fn move_key(&mut self, code: KeyCode, scene: &Scene, now: WallTime) {
        let last = scene.machines().len().saturating_sub(1);
        match code {
            KeyCode::Up => self.selected = self.selected.min(last).saturating_sub(1),
            KeyCode::Down => self.selected = (self.selected + 1).min(last),
            KeyCode::Left => self.step_back(scene, now),
            KeyCode::Right => self.step_on(scene, now),
            KeyCode::PageUp => self.turn(-1, scene, now),
            KeyCode::PageDown => self.turn(1, scene, now),
            KeyCode::Home => {
                let kept = scene.machines().values().filter_map(|machine| {
                    let first = machine.history().front()?;
                    Some(first.at)
                });
                // The earliest moment of which every machine that is shown still has its lines.
                let first = match scene.has_ended() {
                    true => kept.min(),
                    false => kept.max(),
                };
                if let Some(first) = first {
                    let (from, to) = self.span.unwrap_or((first, first));
                    self.frozen = Some(WallTime(first.0 + to.us_since(from)).min(self.edge(scene, now)));
                }
            }
            KeyCode::End => self.frozen = None,
            KeyCode::Esc => {
                self.filter_text.clear();
                self.filter = Filter::default();
                self.said = None;
            }
            _ => {}
        }
    }

    /// One event back on an axis of events, an eighth of the view on one of time.
    fn step_back(&mut self, scene: &Scene, now: WallTime) {
        let edge = self.edge(scene, now);
        let to = match self.axis {
            AxisKind::Events => {
                let mut lines = newest(scene, edge).map(|(_, kept)| kept.at);
                let last = lines.next();
                lines.find(|at| Some(*at) < last)
            }
            AxisKind::Time => Some(WallTime(edge.0 - self.span_us() / 8)),
        };
        self.frozen = to.or(Some(edge)).map(|to| self.bounded(to, scene));
    }

    /// The same, on. Beyond the end the picture follows the run again.
    fn step_on(&mut self, scene: &Scene, now: WallTime) {
        let Some(edge) = self.frozen else {
            return;
        };
        let to = match self.axis {
            AxisKind::Events => {
                let later = scene.machines().values().filter_map(|machine| {
                    let next = machine.history().get(machine.behind(edge))?;
                    Some(next.at)
                });
                later.min()
            }
            AxisKind::Time => Some(WallTime(edge.0 + self.span_us() / 8)),
        };
        self.frozen = to.filter(|to| *to < scene.edge(now));
    }

    /// A whole view back or on.
    fn turn(&mut self, views: i64, scene: &Scene, now: WallTime) {
        let edge = self.edge(scene, now);
        let to = WallTime(edge.0 + views * self.span_us());
        self.frozen = Some(self.bounded(to, scene)).filter(|to| views < 0 || *to < scene.edge(now));
    }

    fn bounded(&self, to: WallTime, scene: &Scene) -> WallTime {
        to.max(scene.started().unwrap_or(to))
    }

    fn span_us(&self) -> i64 {
        self.span.map_or(0, |(from, to)| to.us_since(from)).max(8)
    }

    fn filter_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.layer = Layer::None,
            KeyCode::Esc => {
                self.layer = Layer::None;
                self.filter_text.clear();
            }
            KeyCode::Backspace => {
                self.filter_text.pop();
            }
            KeyCode::Char(letter) if self.filter_text.chars().count() < FILTER_MAX => {
                self.filter_text.push(letter);
            }
            _ => {}
        }
        self.filter = Filter::new(&self.filter_text);
    }

    /// What the fault menu offers for the selected machine.
    pub(super) fn offers(&self, scene: &Scene) -> Vec<Offer> {
        let Some(machine) = self.machine(scene) else {
            return Vec::new();
        };
        let all: Vec<MachineId> = match scene.ids() > scene.machines_expected() {
            // Replicas, whose ids are any numbers.
            true => scene.machines().keys().copied().collect(),
            false => MachineId::all(scene.machines_expected()).collect(),
        };
        let others = all.iter().filter(|peer| **peer != machine);
        let others: Vec<String> = others.map(MachineId::to_string).collect();
        let rest = others.join(",");
        let begin = |key: char, text: String, words: String| {
            let words: Vec<&str> = words.split_whitespace().collect();
            // These are our own words: all of them are faults, unless there is no peer.
            let (fault, lasts) = fault_for(&words).ok()?;
            let deed = Deed::Break(fault, lasts);
            Some(Offer { key, text, deed })
        };
        let offers = [
            begin(
                '1',
                format!("cut {machine} off from the rest for 5 s"),
                format!("partition {machine} / {rest} for 5s"),
            ),
            begin(
                '2',
                format!("delay what {machine} sends by 200 ms, for 10 s"),
                format!("delay {machine} to {rest} constant:200ms for 10s"),
            ),
            begin(
                '3',
                format!("stop {machine}'s process for 3 s"),
                format!("pause {machine} for 3s"),
            ),
            begin(
                '4',
                format!("kill {machine} and start it again"),
                format!("restart {machine}"),
            ),
            Some(Offer {
                key: '5',
                text: "mend everything".to_owned(),
                deed: Deed::Tell(None, Command::Mend { id: None }),
            }),
        ];
        offers.into_iter().flatten().collect()
    }
}

/// A deed, as the footer names it while its answer is awaited.
pub(super) fn asked(deed: &Deed) -> String {
    match deed {
        Deed::Tell(Some(machine), command) => format!("machine {machine}: {command} ..."),
        Deed::Tell(None, command) => format!("all machines: {command} ..."),
        Deed::Break(fault, None) => format!("{fault} ..."),
        Deed::Break(fault, Some(lasts)) => format!("{fault} for {} ...", humantime::format_duration(*lasts)),
    }
}
