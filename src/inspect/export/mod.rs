//! A run as other tools read it: ShiViz, TSViz, GoVector, Perfetto, CSV, Parquet, Mermaid and Graphviz.
//!
//! One file a format. Everything is told of a [`History`], so logs of other programs come out as well as a
//! run's. A [`Selection`] says which events; a format whose consumer can take no more than so many has a
//! named limit, and what was left out is said in [`Exported::notes`]. Opens no file and judges nothing: a
//! wrong log comes out as it is, but never as a file that its consumer refuses.
//!
//! | format | rows | numbers |
//! |---|---|---|
//! | csv, parquet | the events of the selection | those of the whole run |
//! | shiviz, tsviz, govector | the selection as a run of its own | counted anew from 1 |
//! | perfetto, mermaid, dot | the selection as a run of its own | the run's clocks |

mod csv;
mod dot;
mod format;
mod mermaid;
mod names;
mod parquet;
mod part;
mod perfetto;
mod row;
mod selection;
mod shiviz;
mod vectors;

use std::io::{self, Write};

use thiserror::Error;

pub use dot::DOT_EVENTS_MAX;
pub use format::Format;
pub use mermaid::{Internals, MERMAID_LINES_MAX};
pub use parquet::{ROW_GROUP_ROWS, VECTOR_ENTRIES_MAX};
pub use perfetto::PERFETTO_EVENTS_MAX;
pub use selection::{Count, Selection};
pub use shiviz::SHIVIZ_EVENTS_MAX;

use super::{
    history::{History, NoSuchEvent},
    window::NothingInWindow,
};
use part::Part;
use shiviz::Dialect;

/// What is to be written.
#[derive(Clone, Debug)]
pub struct Order {
    /// For which consumer.
    pub format: Format,
    /// Which events.
    pub selection: Selection,
    /// Whether Mermaid's diagram shows events without a message.
    pub internals: Internals,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Events.
    pub events: u64,
    /// Messages of which both ends were written.
    pub messages: u64,
    /// What was left out and why, in words.
    pub notes: Vec<String>,
}

/// Why nothing was written, or not all.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The logs hold no event.
    #[error("{source_name}: the logs hold no event, so there is nothing to export; name another run")]
    NoEvents {
        /// Where they were looked for.
        source_name: String,
    },
    /// The window chooses nothing.
    #[error(transparent)]
    Window(#[from] NothingInWindow),
    /// The machines asked for have no event.
    #[error("{source_name}: the logs of --machines {machines} hold no event; name others")]
    NoneOfMachines {
        /// Where they were looked for.
        source_name: String,
        /// The machines asked for.
        machines: String,
    },
    /// A machine that is not there.
    #[error("--machines: {0}")]
    Machine(#[from] NoSuchEvent),
    /// The consumer needs times, and the logs have none.
    #[error(
        "{source_name}: {consumer} needs a time for every event, and these logs do not have them; shiviz, govector, \
         mermaid and dot do without"
    )]
    NoTimes {
        /// Where they were looked for.
        source_name: String,
        /// Who needs them.
        consumer: &'static str,
    },
    /// The output cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    /// The Parquet writer says so.
    #[error("cannot write Parquet: {0}")]
    Parquet(String),
}

/// Writes a part of a history for a consumer, and says what was written.
///
/// # Errors
/// [`ExportError`] if the selection holds nothing, or if `output` cannot be written: what it holds then is
/// not whole.
pub fn export(
    history: &History,
    order: &Order,
    mut output: impl Write + Send,
) -> Result<Exported, ExportError> {
    let (format, selection) = (order.format, &order.selection);
    if format.needs_times() && !history.is_empty() && !history.has_times() {
        return Err(ExportError::NoTimes {
            source_name: history.source.clone(),
            consumer: format.consumer(),
        });
    }
    let mut exported = Exported {
        notes: history.notes.clone(),
        ..Exported::default()
    };
    let part = Part::select(history, selection, format, &mut exported.notes)?;
    exported.events = part.len();
    match format {
        Format::Csv => csv::write(&part, &mut exported, &mut output)?,
        Format::Parquet => parquet::write(&part, &mut exported, &mut output)?,
        Format::Shiviz => shiviz::write(&part, Dialect::Shiviz, &mut exported, &mut output)?,
        Format::Tsviz => shiviz::write(&part, Dialect::Tsviz, &mut exported, &mut output)?,
        Format::Govector => shiviz::write(&part, Dialect::Govector, &mut exported, &mut output)?,
        Format::Perfetto => perfetto::write(&part, &mut exported, &mut output)?,
        Format::Mermaid => {
            mermaid::write(&part, selection, order.internals, &mut exported, &mut output)?;
        }
        Format::Dot => dot::write(&part, &mut exported, &mut output)?,
    }
    output.flush()?;
    Ok(exported)
}
