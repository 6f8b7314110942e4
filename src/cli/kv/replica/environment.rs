//! The environment of the course's assignments, which a container's start gives.

use std::env;

use crate::{cli::Usage, units::MachineId};

/// What the environment of the course's assignments says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) socket_address: Option<String>,
    pub(super) view: Option<String>,
    pub(super) node_identifier: Option<String>,
}

impl Environment {
    /// The id that NODE_IDENTIFIER gives.
    pub(super) fn identifier(&self) -> Result<Option<MachineId>, Usage> {
        let Some(text) = &self.node_identifier else {
            return Ok(None);
        };
        let wrong = |_| {
            Usage(format!(
                "NODE_IDENTIFIER: `{text}` is no id: write a number from 0 to 64999"
            ))
        };
        text.trim().parse().map(|id| Some(MachineId(id))).map_err(wrong)
    }

    /// What it says now; what is empty says nothing.
    pub(super) fn read() -> Self {
        let variable = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self {
            socket_address: variable("SOCKET_ADDRESS"),
            view: variable("VIEW"),
            node_identifier: variable("NODE_IDENTIFIER"),
        }
    }
}
