//! How one machine is, from what its log says.

use serde::Serialize;

use crate::{
    faults::{detail_in_words, lasts_in},
    trace::{Event, FaultNote, Header, Record, WallTime},
    units::MachineId,
    watch::Standing,
};

/// Most entries of a vector clock that are shown.
const VECTOR_SHOWN_MAX: usize = 12;

/// How a machine is, as the page reads it. Times are microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct State {
    id: u16,
    /// The name of its log.
    file: String,
    pub(super) started: i64,
    /// Ticks a second before the speed; `None` where the system has none.
    rate: Option<u32>,
    /// How fast its time passes: 1 is real time.
    speed: f64,
    tick: u64,
    clock: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<Vec<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hybrid: Option<String>,
    /// Messages waiting behind its last event, and those that were sent to it since then.
    pub(super) queue: u64,
    /// Of its last event.
    pub(super) at: i64,
    paused: bool,
    incarnation: u32,
    /// Faults that are on.
    faults: Vec<FaultState>,
    /// Peers to which the link is down.
    lost: Vec<u16>,
    /// A fault that ended its process or made it stand still, until it says something again.
    pub(super) down: Option<&'static str>,
    /// Why it ended.
    pub(super) ended: Option<String>,
    /// When.
    ended_at: Option<i64>,
}

/// A fault that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct FaultState {
    id: u32,
    kind: String,
    to: Vec<u16>,
    text: String,
}

impl State {
    /// A machine that has just started.
    pub(super) fn new(machine: MachineId, header: &Header) -> Self {
        Self {
            id: machine.0,
            file: format!("machine-{machine}.log"),
            started: header.started.0,
            rate: header.rate,
            speed: header.speed.factor(),
            incarnation: 1,
            ..Self::default()
        }
    }

    /// Whether a fault holds messages to a peer up.
    pub(super) fn delays(&self, peer: MachineId) -> bool {
        let delays = |fault: &FaultState| {
            matches!(fault.kind.as_str(), "delay" | "bandwidth" | "partition") && fault.to.contains(&peer.0)
        };
        self.faults.iter().any(delays)
    }

    /// Whose it is.
    pub(super) fn id(&self) -> u16 {
        self.id
    }

    pub(super) fn event(&mut self, at: WallTime, event: &Event) {
        (self.tick, self.clock, self.at) = (event.tick, event.clock, at.0);
        let vector = event.vector.as_deref();
        self.vector = vector
            .filter(|vector| vector.len() <= VECTOR_SHOWN_MAX)
            .map(<[u64]>::to_vec);
        self.hybrid = event
            .hybrid
            .map(|hybrid| format!("{}.{}", hybrid.physical_us, hybrid.logical));
        // Whoever does something stands no longer still.
        self.down = None;
    }

    /// Takes a line of the log, behind which the machine stands so.
    pub(super) fn remark(&mut self, record: &Record, standing: &Standing) {
        match record {
            Record::Fault(fault) => {
                self.down = match fault.kind.as_str() {
                    "kill" => Some("killed"),
                    "restart" => Some("starts again"),
                    "pause" => Some("stands still"),
                    _ => self.down,
                };
            }
            Record::Pace { rate, .. } => self.rate = Some(*rate),
            Record::Mended { .. } | Record::Restarted { .. } | Record::Ended(_) => self.down = None,
            Record::Event(_)
            | Record::LinkUp { .. }
            | Record::LinkLost { .. }
            | Record::Stall { .. }
            | Record::Paused
            | Record::Stepped { .. }
            | Record::Jumped { .. }
            | Record::Data(_) => {}
        }
        self.paused = standing.paused;
        self.incarnation = standing.incarnation;
        self.lost = standing.lost.iter().map(|peer| peer.0).collect();
        self.faults = standing.faults.values().map(FaultState::new).collect();
        let ended = standing.ended.as_deref();
        self.ended_at = ended.map(|footer| footer.ended.0);
        self.ended = ended.map(|footer| footer.reason.map_or("ended", |reason| reason.name()).to_owned());
    }
}

impl FaultState {
    fn new(note: &FaultNote) -> Self {
        Self {
            id: note.id,
            kind: note.kind.clone(),
            to: note.to.iter().map(|peer| peer.0).collect(),
            text: words_of(note),
        }
    }
}

/// A fault in words: `loss to 1 (30%)`.
pub(super) fn words_of(fault: &FaultNote) -> String {
    let mut text = fault.kind.clone();
    if !fault.to.is_empty() {
        let to: Vec<String> = fault.to.iter().map(ToString::to_string).collect();
        text += &format!(" to {}", to.join(", "));
    }
    let detail = detail_in_words(fault);
    match lasts_in(fault) {
        Some(_) => text + " " + &detail,
        None if detail.is_empty() => text,
        None => format!("{text} ({detail})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_said_in_words() {
        let said = |kind: &str, to: &[u16], detail: &str| {
            words_of(&FaultNote {
                id: 1,
                kind: kind.to_owned(),
                to: to.iter().copied().map(MachineId).collect(),
                detail: detail.to_owned(),
            })
        };
        assert_eq!(said("partition", &[0, 2], ""), "partition to 0, 2");
        assert_eq!(said("loss", &[1], "30%"), "loss to 1 (30%)");
        assert_eq!(said("kill", &[], "for:3000000us"), "kill for 3s");
    }
}
