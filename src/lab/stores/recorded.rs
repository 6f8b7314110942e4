//! The history that simulated clients record (protocol.md, section 10).

use std::fmt::Write;

use super::session::Session;
use crate::units::{MachineId, Time};

/// How an operation came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// Surely not done, now or later.
    Not,
    /// Nobody knows.
    Unknown,
}

/// The lines so far.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub(super) text: String,
    operations: u64,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Outcome::Done => "ok",
            Outcome::Not => "fail",
            Outcome::Unknown => "unknown",
        }
    }
}

impl Recorded {
    /// An operation of a session. One that carries no token is in no order with its others.
    pub(super) fn operation(
        &mut self,
        session: &Session,
        what: &str,
        key: &str,
        value: Option<&str>,
        outcome: Outcome,
        begin: Time,
    ) {
        self.operations += 1;
        let name = session.name();
        let alone = match session.carries {
            true => String::new(),
            false => format!("#{}", self.operations),
        };
        let value = value
            .map(|value| format!(",\"value\":{value}"))
            .unwrap_or_default();
        self.line(&format!(
            "{{\"session\":\"{name}{alone}\",\"op\":\"{what}\",\"key\":\"{key}\"{value},\"outcome\":\"{}\",\"begin_us\":{}}}",
            outcome.word(),
            begin.0
        ));
    }

    /// What a replica shows when all has settled.
    pub(super) fn last(&mut self, replica: MachineId, key: &str, value: &str) {
        self.line(&format!(
            "{{\"session\":\"final {replica}\",\"op\":\"get\",\"key\":\"{key}\",\"value\":{value},\
             \"final\":true,\"replica\":\"{replica}\"}}"
        ));
    }

    fn line(&mut self, line: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(self.text, "{line}");
    }
}
