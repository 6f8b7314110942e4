//! Histories as other programs' logs give them: no times, own event numbers, texts, names of all sorts.

use std::sync::Arc;

use clocklab::inspect::history::{
    Event, EventId, EventKind, Fate, History, HistoryBuilder, Message, Process,
};

/// Three hosts without times; the second takes two messages at once and sends on. The third's name and a text
/// are written to break a page.
pub(super) fn history() -> History {
    let mut builder = HistoryBuilder::default();
    let names = ["alpha", "beta", "</script><b>&\"'"];
    for name in names {
        builder.process(Process {
            name: name.to_owned(),
            rate: None,
            started: None,
            ended: None,
            waiting: None,
            file: Arc::from("foreign.log"),
        });
    }
    let mut event = |process: u32, clock: u64, kind: EventKind, text: &str| {
        let line = u32::try_from(clock).unwrap() + 10 * process;
        let event = Event {
            clock,
            at: None,
            kind,
            queue: None,
            line,
        };
        let id = builder.event(process, event).unwrap();
        builder.text(id, text);
        id
    };
    let a1 = event(0, 1, EventKind::Send, "asks");
    event(0, 2, EventKind::Other, "<!-- </script> & \u{1}");
    let b1 = event(1, 1, EventKind::Exchange, "hears both, tells c");
    let c1 = event(2, 1, EventKind::Send, "");
    let c2 = event(2, 2, EventKind::Receive, "hears");
    let message = |send: EventId, to: u32, fate: Fate| Message {
        send,
        to,
        fate,
        waited_us: None,
    };
    builder.message(message(a1, 1, Fate::Received(b1)));
    builder.message(message(c1, 1, Fate::Received(b1)));
    builder.message(message(b1, 2, Fate::Received(c2)));
    builder.message(message(c1, 0, Fate::Dropped));
    builder.message(message(a1, 2, Fate::Unknown));
    builder.finish("foreign".to_owned(), "foreign.log".to_owned())
}
