//! Plays a walkthrough: commands go out, the logs say what came of them.
#![allow(clippy::disallowed_methods, reason = "plays in real time")]

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use thiserror::Error;

use super::{
    Action, EventWord, Goal, Walkthrough,
    caption::{caption, set_in, standing},
    sight::Sight,
};
use crate::{
    control::{Command, Status},
    faults::{Fault, MachineEffect},
    lab::{ControlError, Controllers, Said},
    units::MachineId,
};

/// How often logs are looked at while something is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long what a command does may take to stand in the logs.
const LOGGED_WITHIN: Duration = Duration::from_secs(10);

/// How long machines may take to start.
const STARTED_WITHIN: Duration = Duration::from_secs(60);

/// Ticks of a step that waits for an event of a kind. One in five does what is rarest of three machines.
const TICKS_UNTIL_MAX: u64 = 500;

/// Where a walkthrough is shown, and who decides that it is over.
pub trait Scene {
    /// Shows some lines.
    ///
    /// # Errors
    /// What the system says; the walkthrough ends then.
    fn show(&mut self, text: &str) -> io::Result<()>;

    /// How many columns a line has.
    fn columns(&self) -> usize;

    /// Waits for Enter, if somebody is there to press it.
    ///
    /// # Errors
    /// What the system says; the walkthrough ends then.
    fn ask(&mut self) -> io::Result<()>;

    /// Whether nobody wants to see more.
    fn is_over(&self) -> bool;
}

/// Why a walkthrough did not come to its end.
#[derive(Debug, Error)]
pub enum PlayError {
    /// No machine did what it was told.
    #[error("step {step} ({action}): {said}")]
    NotDone {
        /// The step, from 1.
        step: usize,
        /// What it does.
        action: String,
        /// What the machines said.
        said: String,
    },
    /// What was waited for did not happen.
    #[error("step {step}: {what} did not happen within {}; the machines: {state}", humantime::format_duration(*within))]
    Never {
        /// The step, from 1.
        step: usize,
        /// What.
        what: String,
        /// How long it was waited for.
        within: Duration,
        /// How the machines stand.
        state: String,
    },
    /// The run has ended before the walkthrough.
    #[error(
        "the run ended before step {step} of {steps} of the walkthrough was done; give the run longer with --duration"
    )]
    RunEnded {
        /// The step, from 1.
        step: usize,
        /// How many there are.
        steps: usize,
    },
    /// Nobody wants to see more.
    #[error("the walkthrough was stopped at step {step} of {steps}")]
    Stopped {
        /// The step, from 1.
        step: usize,
        /// How many there are.
        steps: usize,
    },
    /// The logs cannot be read, or the captions not be shown.
    #[error("the walkthrough cannot go on: {0}")]
    Io(#[from] io::Error),
}

/// A walkthrough being played on a run.
#[derive(Debug)]
pub struct Player {
    walkthrough: Walkthrough,
    controllers: Controllers,
    sight: Sight,
    /// By step: the number of the fault that it began.
    injected: Vec<Option<u32>>,
    /// The step being played, from 0.
    at: usize,
}

impl Player {
    /// Plays on the run in `folder`, by these connections to its machines.
    #[must_use]
    pub fn new(walkthrough: Walkthrough, controllers: Controllers, folder: &Path) -> Self {
        Self {
            injected: vec![None; walkthrough.steps.len()],
            walkthrough,
            controllers,
            sight: Sight::new(folder),
            at: 0,
        }
    }

    /// Plays all steps, each with its caption, its text and how the machines then stand.
    ///
    /// # Errors
    /// [`PlayError`] if it did not come to its end.
    pub fn play(&mut self, scene: &mut dyn Scene) -> Result<(), PlayError> {
        if let Some(title) = &self.walkthrough.title {
            scene.show(title)?;
        }
        let machines = usize::from(self.controllers.machines());
        self.wait(scene, "the start of all machines", STARTED_WITHIN, |sight| {
            sight.started() == machines
        })?;
        for (place, step) in self.walkthrough.steps.clone().into_iter().enumerate() {
            self.at = place;
            if scene.is_over() {
                return Err(self.stopped());
            }
            let (columns, steps) = (scene.columns(), self.walkthrough.steps.len());
            scene.show(&caption(place + 1, steps, &step, columns))?;
            let said = self.act(&step.action, scene)?;
            self.sight.look()?;
            for line in said {
                scene.show(&set_in(&line, columns))?;
            }
            scene.show(&standing(&self.sight.words(), columns))?;
            if step.ask {
                scene.ask()?;
            }
        }
        Ok(())
    }

    /// Does it, and gives what is worth a line beside how the machines stand.
    fn act(&mut self, action: &Action, scene: &mut dyn Scene) -> Result<Vec<String>, PlayError> {
        match action {
            Action::Nothing => Ok(Vec::new()),
            Action::Wait(time) => self.pass(*time, scene).map(|()| Vec::new()),
            Action::Pause(machine) => self.order(*machine, &Command::Pause),
            Action::Resume(machine) => self.order(*machine, &Command::Resume),
            Action::Step { machine, ticks } => self.step(*machine, *ticks, scene),
            Action::StepUntil { machine, event } => self.step_until(*machine, *event, scene),
            Action::Inject { fault, lasts } => self.inject(fault, *lasts),
            Action::Mend(step) => {
                let id = step.and_then(|step| self.injected.get(step).copied().flatten());
                self.order(None, &Command::Mend { id })
            }
            Action::Until {
                machine,
                goal,
                within,
            } => {
                let what = format!("machine {machine} reaching {goal}");
                self.wait(scene, &what, *within, |sight| sight.has_reached(*machine, *goal))?;
                Ok(Vec::new())
            }
        }
    }

    /// Tells one machine or all. At least one must accept; what the others say is shown.
    fn order(&mut self, machine: Option<MachineId>, command: &Command) -> Result<Vec<String>, PlayError> {
        let said = self.controllers.ask(machine, command);
        self.judge(&command.to_string(), said, |_| false)
    }

    fn inject(&mut self, fault: &Fault, lasts: Option<Duration>) -> Result<Vec<String>, PlayError> {
        let injected = self.controllers.inject(fault, lasts);
        if let Some(place) = self.injected.get_mut(self.at) {
            *place = Some(injected.id);
        }
        // Who is killed or stopped at once cannot answer.
        let silences = matches!(
            fault,
            Fault::Machine {
                effect: MachineEffect::Kill | MachineEffect::Restart | MachineEffect::Pause,
                ..
            }
        );
        let is_sign = |error: &ControlError| {
            silences && matches!(error, ControlError::Gone { .. } | ControlError::Silent { .. })
        };
        self.judge(&format!("fault {fault}"), injected.said, is_sign)
    }

    /// What went wrong in words, unless nobody did it; `is_sign` tells errors that are signs of success.
    fn judge(
        &self,
        action: &str,
        said: Vec<Said>,
        is_sign: impl Fn(&ControlError) -> bool,
    ) -> Result<Vec<String>, PlayError> {
        let asked = said.len();
        let wrong: Vec<String> = said
            .into_iter()
            .filter_map(|(_, answer)| answer.err().filter(|error| !is_sign(error)))
            .map(|error| error.to_string())
            .collect();
        if asked > 0 && wrong.len() == asked {
            return Err(PlayError::NotDone {
                step: self.at + 1,
                action: action.to_owned(),
                said: wrong.join("; "),
            });
        }
        Ok(wrong)
    }

    fn step(
        &mut self,
        machine: Option<MachineId>,
        ticks: u64,
        scene: &mut dyn Scene,
    ) -> Result<Vec<String>, PlayError> {
        // Their logs may be a moment behind.
        let stand = self.controllers.ask(machine, &Command::Status).into_iter();
        let stand = stand.filter_map(|(machine, answer)| {
            let status: Status = serde_json::from_str(&answer.ok()?).ok()?;
            Some((machine, status.tick))
        });
        let stand: BTreeMap<MachineId, u64> = stand.collect();
        let command = Command::Step { ticks };
        let said = self.controllers.ask(machine, &command);
        let accepted = said.iter().filter(|(_, answer)| answer.is_ok());
        let goals: Vec<(MachineId, Goal)> = accepted
            .filter_map(|(machine, _)| Some((*machine, Goal::Tick(stand.get(machine)? + ticks))))
            .collect();
        let wrong = self.judge(&command.to_string(), said, |_| false)?;
        let what = format!("the step of {ticks}");
        self.wait(scene, &what, LOGGED_WITHIN, |sight| {
            goals
                .iter()
                .all(|(machine, goal)| sight.has_reached(*machine, *goal))
        })?;
        Ok(wrong)
    }

    fn step_until(
        &mut self,
        machine: MachineId,
        event: EventWord,
        scene: &mut dyn Scene,
    ) -> Result<Vec<String>, PlayError> {
        for ticks in 1..=TICKS_UNTIL_MAX {
            self.step(Some(machine), 1, scene)?;
            if self.sight.has_done(machine, event) {
                let plural = if ticks == 1 { "" } else { "s" };
                return Ok(vec![format!("after {ticks} tick{plural}")]);
            }
        }
        Err(PlayError::NotDone {
            step: self.at + 1,
            action: format!("step machine {machine} until {event}"),
            said: format!("{TICKS_UNTIL_MAX} ticks passed without it; {}", self.state()),
        })
    }

    fn pass(&mut self, time: Duration, scene: &mut dyn Scene) -> Result<(), PlayError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.go_on(scene)?;
            thread::sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    /// Waits until the logs say something.
    fn wait(
        &mut self,
        scene: &mut dyn Scene,
        what: &str,
        within: Duration,
        is_so: impl Fn(&Sight) -> bool,
    ) -> Result<(), PlayError> {
        let until = Instant::now() + within;
        loop {
            self.sight.look()?;
            if is_so(&self.sight) {
                return Ok(());
            }
            self.go_on(scene)?;
            if Instant::now() >= until {
                return Err(PlayError::Never {
                    step: self.at + 1,
                    what: what.to_owned(),
                    within,
                    state: self.state(),
                });
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Whether there is anything left to play on.
    fn go_on(&mut self, scene: &dyn Scene) -> Result<(), PlayError> {
        self.sight.look()?;
        if self.sight.has_ended() {
            return Err(PlayError::RunEnded {
                step: self.at + 1,
                steps: self.walkthrough.steps.len(),
            });
        }
        if scene.is_over() {
            return Err(self.stopped());
        }
        Ok(())
    }

    /// How the machines stand, in a sentence.
    fn state(&self) -> String {
        self.sight.words().join(" | ")
    }

    fn stopped(&self) -> PlayError {
        PlayError::Stopped {
            step: self.at + 1,
            steps: self.walkthrough.steps.len(),
        }
    }
}
