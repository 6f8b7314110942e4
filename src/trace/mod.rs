//! The event log: what happened on a machine, one text line an event, written and read by the same code.
//!
//! Both directions of the line format of protocol.md, section 7. Opens no file: the writer fills a buffer,
//! the reader takes any `BufRead`. What the events mean to a system is not its business.

mod canonical;
mod event;
mod fields;
mod line;
mod reader;
mod remark;
mod store;
mod tail;
mod verdict;
mod wall_time;

pub use event::{
    Event, FaultNote, Footer, Header, Kind, Mishaps, Recipients, Record, Traffic, Vector, copies,
};
pub use line::{FORMAT_LINE, LineWriter};
pub use reader::{Entry, Line, LogReader, ReadError};
pub use store::{DataNote, StoreChange, Stretch};
pub use tail::LogTail;
pub use verdict::{Place, VIOLATIONS_KEPT_MAX, Violation, Violations};
pub use wall_time::{TimeText, WallTime};

#[cfg(test)]
mod tests;
