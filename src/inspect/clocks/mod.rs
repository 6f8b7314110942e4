//! What each kind of clock can tell of a run, side by side: which pairs of events it orders though they are concurrent,
//! what it costs a message, and how far a hybrid clock is from physical time.
//!
//! Which pairs are concurrent is known from the messages, whatever clock the run has ([`causality`](super::causality)).
//! What a run's own clock says comes from its logs: `vector=`, `hybrid=`, and the footers' `bytes_sent`. A run has one
//! other clock beside Lamport's; what would need a third is left out and named.
//!
//! Pairs are counted, not gone through: vectors sum up to the ordered pairs, and a clock that never contradicts
//! causality orders all pairs but those with equal values. Only of runs too large for vectors a sample is asked, pair by
//! pair.

mod html;
mod logged;
mod pairs;
mod text;

use std::path::Path;

pub(super) use html::section;
pub use logged::{DISTANCE_BOUNDS_US, Distance};
pub use pairs::{Pairs, SAMPLE_PAIRS};

use super::{history::History, run::InspectError};
use crate::clock::ClockKind;

/// Bytes of a frame in front of the timestamp: its length, its kind.
const FRAME_BYTES: u64 = 5;

/// Bytes of Lamport's clock alone on the wire, with its kind.
pub const LAMPORT_BYTES: f64 = 9.0;

/// What each clock can tell of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct ClockComparison {
    /// The run's clock, if all logs have the same.
    pub kind: Option<ClockKind>,
    /// Machines of the run; there may be fewer logs.
    pub machines: u16,
    /// Pairs of events.
    pub pairs: Pairs,
    /// What messages of this run carried, if footers say.
    pub sent: Option<Sent>,
    /// Of a vector run: how its vectors compare with those that the messages give.
    pub vectors: Option<Vectors>,
    /// Of a hybrid run: how far it is from physical time.
    pub distance: Option<Distance>,
}

/// Message frames and their bytes, headers included, as far as footers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Frames given to links.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How often machines were started again: their footers count the last life alone.
    pub restarts: u64,
}

/// Logged vectors beside those that the messages give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vectors {
    /// Events with a vector.
    pub logged: u64,
    /// Those whose vector is another one.
    pub different: u64,
}

impl ClockComparison {
    /// Compares the clocks of the run in the folder `dir`, which `history` holds. Reads its logs once more.
    ///
    /// # Errors
    /// [`InspectError`] if the logs cannot be read.
    pub fn read(dir: &Path, history: &History) -> Result<Self, InspectError> {
        let logged = logged::Logged::read(dir)?;
        let pairs = Pairs::count(history, &logged.hybrids);
        let vectors = logged.vectors.is_known().then(|| logged.vectors.compare(history));
        Ok(Self {
            kind: logged.kind,
            machines: logged.machines,
            pairs,
            sent: (logged.sent.frames > 0).then_some(logged.sent),
            vectors,
            distance: logged.distance,
        })
    }

    /// Bytes of a timestamp in this run, mean of its messages: everything in the frame behind its kind.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean is shown with one decimal")]
    pub fn timestamp_bytes(&self) -> Option<f64> {
        let Sent { frames, bytes, .. } = self.sent?;
        let stamps = bytes.saturating_sub(frames.saturating_mul(FRAME_BYTES));
        Some(stamps as f64 / frames as f64)
    }

    /// Bytes of a whole vector with 8 bytes an entry, and nothing else.
    #[must_use]
    pub fn full_vector_bytes(&self) -> f64 {
        f64::from(self.machines) * 8.0
    }

    /// The comparison as text for a terminal, or as Markdown.
    #[must_use]
    pub fn render(&self, style: super::Style) -> String {
        text::render(self, style)
    }

    /// Bytes a message of a clock of this kind: measured in this run, or known without.
    fn bytes_of(&self, kind: ClockKind) -> Option<f64> {
        match kind {
            ClockKind::Lamport => Some(LAMPORT_BYTES),
            kind if self.kind == Some(kind) => self.timestamp_bytes(),
            ClockKind::Vector | ClockKind::Hybrid => None,
        }
    }
}
