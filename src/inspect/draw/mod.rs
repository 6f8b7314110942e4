//! The space-time diagram: processes as lines, events as marks, messages as arrows with their three moments.
//!
//! A message is sent, arrives, and is taken from the queue; its arrow goes from the first to the second, and its
//! way through the queue from there to the third. The queue is a band along the line. Messages are matched by
//! identity, never by times. Whether a run is right is not asked here: wrong logs are drawn as they are.
//!
//! | what | where |
//! |---|---|
//! | which part is shown, and what that leaves out | [`Selection`] |
//! | a static picture | [`svg`] |
//! | a page to look around in: data, script and style | [`page`], [`data`], [`viewer_script`], [`viewer_style`] |
//!
//! The form goes back to L. Lamport, "Time, Clocks, and the Ordering of Events in a Distributed System", 1978.

mod breaks;
mod data;
mod element;
mod legend;
mod marks;
mod page;
mod plan;
mod positions;
mod queue;
mod relation;
mod selection;
mod strokes;
mod svg;
mod ticks;

pub use data::{FORMAT, TEXT_CHARACTERS_MAX, VIA_MAX, data};
pub use page::{PageOptions, page, viewer_script, viewer_style};
pub use plan::Axis;
pub use positions::Positions;
pub use queue::{Step, steps_of, waiting_at};
pub use relation::{Borders, Relation};
pub use selection::{Choice, ChoiceError, Limits, Selection, Shown};
pub use svg::{Style, svg};
