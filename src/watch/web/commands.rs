//! Commands from the page: judged here, given to the machines by a [`Reach`](crate::watch::Reach).

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{server::Shared, source::Source};
use crate::{
    control::{Command, fault_for},
    faults::Fault,
    lab::Said,
    units::MachineId,
};

/// Commands that may wait for machines at once; a further one is refused.
const COMMANDS_MAX: usize = 8;

/// What the page sends: a command, or a fault that still needs its number.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// To which machine; all if it is missing.
    machine: Option<u16>,
    /// As `control::Command` reads it.
    command: Option<String>,
    /// A fault, such as `partition 0,1 / 2 for 5s`: it goes to the machines that it concerns.
    fault: Option<String>,
}

/// What the page gets.
#[derive(Debug, Serialize)]
struct Reply {
    /// What was sent.
    command: String,
    answers: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct Answer {
    machine: u16,
    accepted: bool,
    text: String,
}

#[derive(Debug, Serialize)]
struct Wrong {
    error: String,
}

/// What the page asks for.
#[derive(Debug)]
enum Order {
    /// A command to one machine, or to all.
    Command(Option<MachineId>, Command),
    /// A fault, to the machines that it concerns, under a number of its own.
    Fault(Fault, Option<Duration>),
}

/// `POST /command`.
pub(super) async fn command(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let order = match order(&shared, &body) {
        Ok(order) => order,
        Err(error) => return (StatusCode::BAD_REQUEST, Json(Wrong { error })).into_response(),
    };
    if shared.commands.fetch_add(1, Ordering::SeqCst) >= COMMANDS_MAX {
        shared.commands.fetch_sub(1, Ordering::SeqCst);
        let error = format!("{COMMANDS_MAX} commands already wait for machines: try again in a moment");
        return (StatusCode::SERVICE_UNAVAILABLE, Json(Wrong { error })).into_response();
    }
    let giver = Arc::clone(&shared);
    let given = tokio::task::spawn_blocking(move || give(&giver, &order)).await;
    shared.commands.fetch_sub(1, Ordering::SeqCst);
    match given {
        Ok(Ok(reply)) => Json(reply).into_response(),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, Json(Wrong { error })).into_response(),
        Err(error) => {
            let error = format!("the command was not given: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, Json(Wrong { error })).into_response()
        }
    }
}

/// Reads what the page sent.
fn order(shared: &Shared, body: &[u8]) -> Result<Order, String> {
    let request: Request = serde_json::from_slice(body)
        .map_err(|error| format!("send {{\"command\": \"pause\"}}, with \"machine\" for one: {error}"))?;
    let ids = shared.known().ids();
    let Some(last) = ids.last() else {
        return Err("the run has not started yet".to_owned());
    };
    let named = request.machine.map(MachineId);
    if let Some(machine) = named.filter(|machine| !ids.contains(machine)) {
        let without_gaps = usize::from(last.0) + 1 == ids.len();
        let has = if without_gaps {
            format!("0 to {last}")
        } else {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            ids.join(", ")
        };
        return Err(format!("there is no machine {machine}; the run has {has}"));
    }
    match (request.command, request.fault) {
        (Some(command), None) => Ok(Order::Command(named, command.parse()?)),
        (None, Some(text)) => {
            let words: Vec<&str> = text.split_whitespace().collect();
            let (fault, lasts) = fault_for(&words)?;
            fault
                .validate(last.0.saturating_add(1))
                .map_err(|error| error.to_string())?;
            Ok(Order::Fault(fault, lasts))
        }
        _ => Err("send either \"command\" or \"fault\"".to_owned()),
    }
}

/// Gives an order to the machines, and waits for them.
fn give(shared: &Shared, order: &Order) -> Result<Reply, String> {
    let folder = shared.folder();
    let mut hands = shared.hands.lock().unwrap_or_else(PoisonError::into_inner);
    let reach = hands.reach(&folder);
    let (command, said) = match order {
        Order::Command(machine, command) => (command.to_string(), reach.tell(*machine, command)?),
        Order::Fault(fault, lasts) => {
            let injected = reach.inject(fault, *lasts)?;
            (format!("fault {}: {fault}", injected.id), injected.said)
        }
    };
    let answers = said.into_iter().map(Answer::new).collect();
    Ok(Reply { command, answers })
}

impl Answer {
    fn new((machine, said): Said) -> Self {
        let accepted = said.is_ok();
        let text = said.unwrap_or_else(|error| error.to_string());
        Self {
            machine: machine.0,
            accepted,
            text,
        }
    }
}
