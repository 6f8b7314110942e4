//! One event as a row of a table, with the numbers of the whole run.

use super::part::Part;
use crate::{
    inspect::history::{EventId, EventKind, History},
    trace::WallTime,
};

/// What a table says of an event.
#[derive(Debug)]
pub(super) struct Row {
    /// Its number on its machine, from 1.
    pub(super) index: u64,
    pub(super) at: Option<WallTime>,
    pub(super) kind: &'static str,
    pub(super) clock: u64,
    /// The clock less that of the event before; the clock itself in the first event.
    pub(super) jump: u64,
    /// The process that sent what it receives.
    pub(super) from: Option<u32>,
    /// The clock of that send event.
    pub(super) sent: Option<u64>,
    pub(super) queue: Option<u32>,
    pub(super) waited_us: Option<u64>,
    pub(super) arrived: Option<WallTime>,
    /// The line of its log.
    pub(super) line: u32,
}

/// The row of an event; `None` for one that the history does not have.
pub(super) fn row(history: &History, id: EventId) -> Option<Row> {
    let event = history.event(id)?;
    let before = id
        .index
        .checked_sub(1)
        .and_then(|index| history.event(EventId { index, ..id }));
    // The last one sent, where a receive of another program takes several.
    let message = history.received_by(id).last();
    Some(Row {
        index: u64::from(id.index) + 1,
        at: event.at,
        kind: event.kind.word(),
        clock: event.clock,
        jump: event
            .clock
            .saturating_sub(before.map_or(0, |before| before.clock)),
        from: message.map(|message| message.send.process),
        sent: message.and_then(|message| Some(history.event(message.send)?.clock)),
        queue: event.queue,
        waited_us: message.and_then(|message| message.waited_us),
        arrived: message.and_then(|message| history.arrived(message)),
        line: event.line,
    })
}

/// A note about receives whose send event no log has, if there are any in the part.
pub(super) fn note_of_unknown_senders(part: &Part<'_>) -> Option<String> {
    let history = part.history;
    let unknown = part
        .ids()
        .filter(|id| {
            history
                .event(*id)
                .is_some_and(|event| event.kind == EventKind::Receive)
        })
        .filter(|id| history.received_by(*id).next().is_none())
        .count();
    (unknown > 0).then(|| {
        format!(
            "receives without `from`, `sent` and `waited_us`, because no log has their send event: {unknown}"
        )
    })
}
