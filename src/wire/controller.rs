//! The hellos of a control connection: who gives commands is no machine, and is judged by rules of its own
//! (protocol.md, section 8).

use super::{
    control::ErrorCode,
    handshake::{CONTROLLER, Hello, Refusal, RunId, Standing, Trust},
};
use crate::units::MachineId;

/// The system of a hello that speaks control frames only.
const NO_SYSTEM: u8 = 0;

/// The run of a controller that does not know it: any.
const ANY_RUN: &str = "any";

impl Hello {
    /// The hello of a controller to `machine`, or to whichever listens; about `run`, or about whichever it is.
    ///
    /// # Panics
    /// Never: `any` can name a run.
    #[must_use]
    pub fn of_controller(machine: Option<MachineId>, run: Option<&RunId>, trust: Trust) -> Self {
        let Ok(any) = ANY_RUN.parse() else {
            unreachable!("`{ANY_RUN}` can name a run");
        };
        Self {
            system: NO_SYSTEM,
            machines: 0,
            sender: CONTROLLER,
            receiver: machine.unwrap_or(CONTROLLER),
            incarnation: 1,
            trust,
            standing: run.map_or(Standing::Proposed, |_| Standing::Given),
            run: run.cloned().unwrap_or(any),
        }
    }

    /// Judges a controller's hello by `self`, the hello of the machine that it came to.
    ///
    /// # Errors
    /// [`Refusal`] with the first rule of protocol.md, section 8, that it breaks.
    pub fn judge_controller(&self, hello: &Hello) -> Result<(), Refusal> {
        self.trust.judge(&hello.trust)?;
        if hello.system != NO_SYSTEM {
            let text = format!("a controller runs no system: 0, not {}", hello.system);
            return Err(Refusal::new(ErrorCode::WrongSystem, text));
        }
        if hello.machines != 0 {
            let text = format!("a controller counts no machines: 0, not {}", hello.machines);
            return Err(Refusal::new(ErrorCode::WrongMachines, text));
        }
        if hello.receiver != self.sender && hello.receiver != CONTROLLER {
            let text = format!(
                "you look for machine {}, this is machine {}",
                hello.receiver, self.sender
            );
            return Err(Refusal::new(ErrorCode::WrongReceiver, text));
        }
        if hello.standing == Standing::Given && hello.run != self.run {
            let text = format!(
                "you ask about run `{}`, machine {} is in run `{}`",
                hello.run, self.sender, self.run
            );
            return Err(Refusal::new(ErrorCode::WrongRun, text));
        }
        Ok(())
    }

    /// Judges a machine's answer by `self`, the controller's hello.
    ///
    /// # Errors
    /// [`Refusal`] with the first rule of protocol.md, section 8, that it breaks.
    pub fn judge_controlled(&self, hello: &Hello) -> Result<(), Refusal> {
        self.trust.judge(&hello.trust)?;
        if self.receiver != CONTROLLER && hello.sender != self.receiver {
            let text = format!(
                "machine {} was called, machine {} answers",
                self.receiver, hello.sender
            );
            return Err(Refusal::new(ErrorCode::IdOutOfRange, text));
        }
        if hello.receiver != CONTROLLER {
            let text = format!(
                "the answer is for machine {}, not for a controller",
                hello.receiver
            );
            return Err(Refusal::new(ErrorCode::WrongReceiver, text));
        }
        if self.standing == Standing::Given && hello.run != self.run {
            let text = format!("run `{}` was called, run `{}` answers", self.run, hello.run);
            return Err(Refusal::new(ErrorCode::WrongRun, text));
        }
        Ok(())
    }
}
