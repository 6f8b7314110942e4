//! Something that a log says between its events, in words.

use serde::Serialize;

use super::state::words_of;
use crate::{
    trace::{Record, WallTime},
    units::MachineId,
};

/// Something that a log says between its events, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Remark {
    pub(super) machine: u16,
    pub(super) line: u64,
    pub(super) at: i64,
    /// The word of the log: fault, mended, paused, …
    what: &'static str,
    text: String,
    /// Of a fault that begins or is over: its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<u32>,
    /// Of a fault that begins: it is over at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    instant: bool,
}

impl Remark {
    /// What a record says, in words; `None` for an event.
    pub(super) fn new(machine: MachineId, line: u64, at: WallTime, record: &Record) -> Option<Self> {
        let (what, text) = match record {
            Record::Event(_) => return None,
            // The lives of a store's replicas are seconds; those of others count from 1.
            Record::LinkUp { peer, incarnation } if *incarnation > u32::from(u16::MAX) => (
                "link-up",
                format!("link to {peer} is up, in its life {incarnation}"),
            ),
            Record::LinkUp { peer, incarnation } if *incarnation > 1 => (
                "link-up",
                format!("link to {peer} is up again, in its life {incarnation}"),
            ),
            Record::LinkUp { peer, .. } => ("link-up", format!("link to {peer} is up again")),
            Record::LinkLost { peer } => ("link-lost", format!("link to {peer} is lost")),
            Record::Stall { late_us, skipped } => (
                "stall",
                format!("woke {} ms late and skipped {skipped} ticks", late_us / 1000),
            ),
            Record::Fault(fault) => ("fault", format!("fault {} begins: {}", fault.id, words_of(fault))),
            Record::Mended { id } => ("mended", format!("fault {id} is over")),
            Record::Paused => ("paused", "paused: ticks come only as steps".to_owned()),
            Record::Stepped { ticks: 1 } => ("step", "does one tick".to_owned()),
            Record::Stepped { ticks } => ("step", format!("does {ticks} ticks")),
            Record::Pace { rate, .. } => ("pace", format!("ticks by time, {rate} a second")),
            Record::Jumped { ticks, physical_us } => (
                "jump",
                match ticks {
                    0 => format!("physical clock jumps by {physical_us} µs"),
                    _ => format!("logical clock jumps ahead by {ticks}"),
                },
            ),
            Record::Restarted { incarnation } => {
                ("restarted", format!("started again: life {incarnation} begins"))
            }
            Record::Data(data) => (
                "data",
                format!("holds {} (digest {:016x})", data.known, data.digest),
            ),
            Record::Ended(footer) => {
                let reason = footer.reason.map_or("unknown", |reason| reason.name());
                let ticks = footer.ticks;
                ("ended", format!("ended ({reason}) after {ticks} events"))
            }
        };
        Some(Self {
            machine: machine.0,
            line,
            at: at.0,
            what,
            text,
            fault: match record {
                Record::Fault(fault) => Some(fault.id),
                Record::Mended { id } => Some(*id),
                _ => None,
            },
            instant: matches!(record, Record::Fault(fault) if fault.is_instant()),
        })
    }
}
