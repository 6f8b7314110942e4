//! One event as a row of a table, with the numbers of the whole run.

use super::part::Part;
use crate::{
    inspect::{
        history::{EventId, EventKind, History, Sender},
        words::thousands,
    },
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
    /// Who sent what it receives.
    pub(super) from: Option<Sender>,
    /// The clock of that send event; of one that is in no log, as the receive says.
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
    let stray = history.stray(id);
    let from = message.map(|message| Sender::Process(message.send.process));
    let sent = message.and_then(|message| Some(history.event(message.send)?.clock));
    let waited_us = message.and_then(|message| message.waited_us);
    let arrived = message.and_then(|message| history.arrived(message));
    Some(Row {
        index: u64::from(id.index) + 1,
        at: event.at,
        kind: event.kind.word(),
        clock: event.clock,
        jump: event
            .clock
            .saturating_sub(before.map_or(0, |before| before.clock)),
        from: from.or_else(|| stray.map(|stray| stray.from)),
        sent: sent.or_else(|| stray.map(|stray| stray.sent)),
        queue: event.queue,
        waited_us: waited_us.or_else(|| stray?.waited_us),
        arrived: arrived.or_else(|| history.stray_arrived(stray?)),
        line: event.line,
    })
}

/// Notes about receives that match no message of the logs, if there are any in the part.
pub(super) fn notes_of_strays(part: &Part<'_>) -> Vec<String> {
    let history = part.history;
    let is_receive = |id: &EventId| {
        let event = history.event(*id);
        event.is_some_and(|event| event.kind == EventKind::Receive)
    };
    let loose = part
        .ids()
        .filter(is_receive)
        .filter(|id| history.received_by(*id).next().is_none());
    let (told, silent): (Vec<EventId>, Vec<EventId>) = loose.partition(|id| history.stray(*id).is_some());
    let mut notes = Vec::new();
    if !told.is_empty() {
        notes.push(format!(
            "receives that match no send event of the logs, with `from` and `sent` as they say: {}",
            thousands(told.len() as u64)
        ));
    }
    if !silent.is_empty() {
        notes.push(format!(
            "receives without `from`, `sent` and `waited_us`, because no log has their send event: {}",
            thousands(silent.len() as u64)
        ));
    }
    notes
}
