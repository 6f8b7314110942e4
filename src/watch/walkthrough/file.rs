//! The file of a walkthrough: TOML in, validated steps out, every error with its step's number.

use std::{fmt, str::FromStr, time::Duration};

use serde::Deserialize;

use super::{Action, EventWord, Goal, STEPS_MAX, Step, WITHIN, Walkthrough, order};
use crate::{control, faults::Fault, units::MachineId};

/// Longest wait of one step: who wants more wants another program.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What a step's event may be, for the error that says so.
const EVENTS: &str = "send, send to 1, receive, receive from 0 or internal";

/// The file as it is typed. Steps are read one by one, so that each error has its number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: Option<String>,
    machines: Option<u16>,
    #[serde(rename = "step", default)]
    steps: Vec<toml::Value>,
}

/// A step as it is typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedStep {
    say: Option<String>,
    machine: Option<u16>,
    wait: Option<String>,
    ask: Option<bool>,
    pause: Option<bool>,
    resume: Option<bool>,
    step: Option<Ticks>,
    inject: Option<String>,
    #[serde(rename = "for")]
    lasts: Option<String>,
    mend: Option<Mend>,
    until: Option<Until>,
    within: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ticks {
    Count(i64),
    Event(String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Mend {
    All(bool),
    Step(i64),
    Word(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Until {
    machine: u16,
    tick: Option<u64>,
    clock: Option<u64>,
}

/// Reads and validates.
///
/// # Errors
/// What is wrong, in which step, and what was expected.
pub(super) fn parse(text: &str, machines: u16) -> Result<Walkthrough, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    if let Some(wanted) = file.machines.filter(|wanted| *wanted > machines) {
        return Err(format!(
            "it is for a run of {wanted} machines, and this one has {machines}: start it with --machines {wanted}"
        ));
    }
    if !(1..=STEPS_MAX).contains(&file.steps.len()) {
        return Err(format!(
            "it has {} steps, 1 to {STEPS_MAX} are allowed: write each under [[step]]",
            file.steps.len()
        ));
    }
    let mut steps: Vec<Step> = Vec::new();
    for value in file.steps {
        let number = steps.len() + 1;
        let step = value
            .try_into()
            .map_err(|error: toml::de::Error| error.message().to_owned())
            .and_then(|typed: TypedStep| typed.validate(machines, &steps))
            .map_err(|what| format!("step {number}: {what}"))?;
        steps.push(step);
    }
    order::check(&steps, machines)?;
    Ok(Walkthrough {
        title: file.title,
        steps,
    })
}

impl TypedStep {
    fn validate(self, machines: u16, before: &[Step]) -> Result<Step, String> {
        let named = [
            ("wait", self.wait.is_some()),
            ("pause", self.pause.is_some()),
            ("resume", self.resume.is_some()),
            ("step", self.step.is_some()),
            ("inject", self.inject.is_some()),
            ("mend", self.mend.is_some()),
            ("until", self.until.is_some()),
        ];
        let mut done = named
            .iter()
            .filter(|(_, is_there)| *is_there)
            .map(|(name, _)| *name);
        let does = done.next();
        if let (Some(first), Some(second)) = (does, done.next()) {
            return Err(format!(
                "it has both `{first}` and `{second}`: make a step of each"
            ));
        }
        if does.is_none() && self.say.is_none() && self.ask.is_none() {
            return Err("it says and does nothing: give it `say` or something to do".to_owned());
        }
        let belongs = [
            (
                "machine",
                self.machine.is_some(),
                &["pause", "resume", "step"][..],
            ),
            ("for", self.lasts.is_some(), &["inject"]),
            ("within", self.within.is_some(), &["until"]),
        ];
        for (name, is_there, to) in belongs {
            if is_there && !does.is_some_and(|does| to.contains(&does)) {
                return Err(format!(
                    "`{name}` belongs to {}, which is not here",
                    to.join(", ")
                ));
            }
        }
        for (name, value) in [("ask", self.ask), ("pause", self.pause), ("resume", self.resume)] {
            if value == Some(false) {
                return Err(format!("`{name} = false` does nothing: leave it out"));
            }
        }
        Ok(Step {
            say: self.say.clone(),
            ask: self.ask.is_some(),
            action: self.action(machines, before)?,
        })
    }

    fn action(self, machines: u16, before: &[Step]) -> Result<Action, String> {
        let machine = self
            .machine
            .map(|machine| one_of(machine, machines))
            .transpose()?;
        if let Some(text) = &self.wait {
            return time("wait", text).map(Action::Wait);
        }
        if self.pause.is_some() {
            return Ok(Action::Pause(machine));
        }
        if self.resume.is_some() {
            return Ok(Action::Resume(machine));
        }
        if let Some(ticks) = self.step {
            return ticks.action(machine, machines);
        }
        if let Some(text) = &self.inject {
            let fault: Fault = text
                .parse()
                .map_err(|error: crate::faults::FaultError| error.to_string())?;
            fault.validate(machines).map_err(|error| error.to_string())?;
            let lasts = self.lasts.as_deref().map(|text| time("for", text)).transpose()?;
            fault.validate_end(lasts).map_err(|error| error.to_string())?;
            return Ok(Action::Inject { fault, lasts });
        }
        if let Some(mend) = self.mend {
            return mend.action(before);
        }
        if let Some(until) = &self.until {
            let goal = match (until.tick, until.clock) {
                (Some(tick), None) => Goal::Tick(tick),
                (None, Some(clock)) => Goal::Clock(clock),
                (Some(_), Some(_)) | (None, None) => {
                    return Err(
                        "`until` needs a machine and one of tick and clock: { machine = 0, tick = 20 }"
                            .to_owned(),
                    );
                }
            };
            let within = self
                .within
                .as_deref()
                .map(|text| time("within", text))
                .transpose()?;
            return Ok(Action::Until {
                machine: one_of(until.machine, machines)?,
                goal,
                within: within.unwrap_or(WITHIN),
            });
        }
        Ok(Action::Nothing)
    }
}

impl Ticks {
    fn action(self, machine: Option<MachineId>, machines: u16) -> Result<Action, String> {
        match self {
            Ticks::Count(count) => {
                let ticks = u64::try_from(count)
                    .ok()
                    .filter(|ticks| (1..=control::STEPS_MAX).contains(ticks));
                let ticks = ticks.ok_or_else(|| {
                    format!("`step = {count}`: 1 to {} ticks are allowed", control::STEPS_MAX)
                })?;
                Ok(Action::Step { machine, ticks })
            }
            Ticks::Event(text) => {
                let event: EventWord = text.parse()?;
                if let EventWord::Send(Some(peer)) | EventWord::Receive(Some(peer)) = event {
                    one_of(peer.0, machines)?;
                    if Some(peer) == machine {
                        return Err(format!(
                            "`step = \"{text}\"`: machine {peer} has no messages with itself"
                        ));
                    }
                }
                let machine = machine.ok_or_else(|| {
                    format!("`step = \"{text}\"` is of one machine: say which, with `machine`")
                })?;
                Ok(Action::StepUntil { machine, event })
            }
        }
    }
}

impl Mend {
    fn action(self, before: &[Step]) -> Result<Action, String> {
        let wrong = "mend all faults with `mend = true`, or one with the number of the step that began it";
        match self {
            Mend::All(true) => Ok(Action::Mend(None)),
            Mend::Word(word) if word == "all" => Ok(Action::Mend(None)),
            Mend::All(false) | Mend::Word(_) => Err(wrong.to_owned()),
            Mend::Step(number) => {
                let place = usize::try_from(number)
                    .ok()
                    .and_then(|number| number.checked_sub(1));
                let begins = |place: &usize| {
                    let step = before.get(*place);
                    step.is_some_and(|step| matches!(step.action, Action::Inject { .. }))
                };
                match place.filter(begins) {
                    Some(place) => Ok(Action::Mend(Some(place))),
                    None => Err(format!(
                        "`mend = {number}`: step {number} is none before this one that injects a fault; {wrong}"
                    )),
                }
            }
        }
    }
}

impl FromStr for EventWord {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let peer = |id: &str| id.parse().map_err(|_| format!("`{id}` is no machine"));
        match words.as_slice() {
            ["internal"] => Ok(Self::Internal),
            ["send"] => Ok(Self::Send(None)),
            ["send", "to", id] => Ok(Self::Send(Some(peer(id)?))),
            ["receive"] => Ok(Self::Receive(None)),
            ["receive", "from", id] => Ok(Self::Receive(Some(peer(id)?))),
            _ => Err(format!(
                "`step = \"{text}\"`: give a number of ticks, or what to step to: {EVENTS}"
            )),
        }
    }
}

impl fmt::Display for EventWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Internal => f.write_str("internal"),
            Self::Send(None) => f.write_str("send"),
            Self::Send(Some(peer)) => write!(f, "send to {peer}"),
            Self::Receive(None) => f.write_str("receive"),
            Self::Receive(Some(peer)) => write!(f, "receive from {peer}"),
        }
    }
}

fn one_of(machine: u16, machines: u16) -> Result<MachineId, String> {
    if machine < machines {
        return Ok(MachineId(machine));
    }
    Err(format!(
        "there is no machine {machine}: the run has 0 to {}",
        machines.saturating_sub(1)
    ))
}

fn time(key: &str, text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| format!("`{key} = \"{text}\"`: {error}"))?;
    if time.is_zero() || time > WAIT_MAX {
        return Err(format!(
            "`{key} = \"{text}\"`: more than nothing and at most an hour is allowed"
        ));
    }
    Ok(time)
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick(tick) => write!(f, "tick {tick}"),
            Self::Clock(clock) => write!(f, "clock {clock}"),
        }
    }
}

impl fmt::Display for Action {
    /// What is done, in words for those who watch.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whom = |machine: &Option<MachineId>| match machine {
            Some(machine) => format!("machine {machine}"),
            None => "all machines".to_owned(),
        };
        let shown = |time: &Duration| humantime::format_duration(*time);
        match self {
            Self::Nothing => Ok(()),
            Self::Wait(time) => write!(f, "wait {}", shown(time)),
            Self::Pause(machine) => write!(f, "pause {}", whom(machine)),
            Self::Resume(machine) => write!(f, "resume {}", whom(machine)),
            Self::Step { machine, ticks } => {
                let plural = if *ticks == 1 { "" } else { "s" };
                write!(f, "step {}, {ticks} tick{plural}", whom(machine))
            }
            Self::StepUntil { machine, event } => write!(f, "step machine {machine} until {event}"),
            Self::Inject { fault, lasts: None } => write!(f, "inject {fault}"),
            Self::Inject {
                fault,
                lasts: Some(lasts),
            } => write!(f, "inject {fault} for {}", shown(lasts)),
            Self::Mend(None) => f.write_str("mend all faults"),
            Self::Mend(Some(place)) => write!(f, "mend the fault of step {}", place + 1),
            Self::Until { machine, goal, .. } => write!(f, "wait until machine {machine} reaches {goal}"),
        }
    }
}
