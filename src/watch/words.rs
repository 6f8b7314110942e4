//! What a log line says, in words for people.

use std::fmt::Write as _;

use super::scene::Kept;
use crate::{
    faults::detail_in_words,
    trace::{Kind, Mishaps, Recipients, Record},
    units::MachineId,
};

/// Recipients that are named one by one.
const NAMED_MAX: usize = 6;

/// What a line says: for an event its name first.
#[must_use]
pub(super) fn describe(machine: MachineId, kept: &Kept) -> String {
    match &kept.record {
        Record::Event(event) => {
            let name = format!("{machine}:{}", event.clock);
            let changed = event
                .store
                .as_ref()
                .map_or(String::new(), |change| format!(", {change}"));
            let text = match &event.kind {
                Kind::Internal => format!("{name} internal"),
                Kind::Other => format!("{name} an event of another kind"),
                Kind::Send { to, mishaps } => {
                    let mut text = format!("{name} send to {}", machines(to));
                    if let Some(mishaps) = mishaps {
                        write_mishaps(mishaps, &mut text);
                    }
                    text
                }
                Kind::Receive {
                    from,
                    sent,
                    queue,
                    waited_us,
                } => {
                    let mut text = format!("{name} receive {from}:{sent}");
                    if let Some(us) = waited_us {
                        let _ = write!(text, ", waited {}", time(*us));
                    }
                    match queue {
                        0 => {}
                        1 => text.push_str(", 1 more waits"),
                        _ => {
                            let _ = write!(text, ", {queue} more wait");
                        }
                    }
                    text
                }
            };
            text + &changed
        }
        remark => format!("{machine} {}", describe_remark(remark)),
    }
}

fn describe_remark(record: &Record) -> String {
    match record {
        Record::Event(_) => String::new(),
        Record::LinkUp { peer, incarnation: 1 } => format!("link to {peer} is up again"),
        Record::LinkUp { peer, incarnation } => {
            format!("link to {peer} is up again: life {incarnation} of that machine")
        }
        Record::LinkLost { peer } => format!("link to {peer} is lost"),
        Record::Stall { late_us, skipped } => {
            format!("stall: woke {} late, {skipped} ticks skipped", time(*late_us))
        }
        Record::Fault(note) => {
            let mut text = format!("fault {} begins: {}", note.id, note.kind);
            if !note.to.is_empty() {
                let _ = write!(text, " to {}", machines(&note.to));
            }
            if !note.detail.is_empty() {
                let _ = write!(text, " {}", detail_in_words(note));
            }
            text
        }
        Record::Mended { id } => format!("fault {id} is over"),
        Record::Paused => "paused".to_owned(),
        Record::Stepped { ticks: 1 } => "one step".to_owned(),
        Record::Stepped { ticks } => format!("{ticks} steps"),
        Record::Pace { rate, .. } => format!("ticks by time again, {rate} a second"),
        Record::Jumped { ticks, physical_us } => match (ticks, physical_us) {
            (ticks, 0) => format!("clock jumps {ticks} ahead"),
            (0, us) => format!("physical clock jumps by {us} us"),
            (ticks, us) => format!("clock jumps {ticks} ahead, physical clock by {us} us"),
        },
        Record::Restarted { incarnation } => format!("starts again: life {incarnation}"),
        Record::Data(data) => format!("holds {} (digest {:016x})", data.known, data.digest),
        Record::Ended(footer) => match footer.reason {
            Some(reason) => format!("ended: {reason}, {} still waiting", footer.queued),
            None => "ended".to_owned(),
        },
    }
}

fn write_mishaps(mishaps: &Mishaps, text: &mut String) {
    for (list, what) in [
        (&mishaps.dropped, "dropped: link down"),
        (&mishaps.lost, "lost"),
        (&mishaps.duplicated, "sent twice"),
        (&mishaps.unordered, "out of order"),
    ] {
        if !list.is_empty() {
            let _ = write!(text, ", to {} {what}", machines(list));
        }
    }
}

/// A list of machines, cut where it is long.
fn machines(list: &Recipients) -> String {
    let mut named: Vec<String> = list.iter().take(NAMED_MAX).map(MachineId::to_string).collect();
    if list.len() > NAMED_MAX {
        named.push(format!("… ({} in all)", list.len()));
    }
    named.join(",")
}

/// A duration in the unit that suits it.
#[must_use]
pub(super) fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..60_000_000 => format!("{}.{:02} s", us / 1_000_000, us / 10_000 % 100),
        _ => format!("{} min {:02} s", us / 60_000_000, us / 1_000_000 % 60),
    }
}

/// A time since the start: `3.2 s`, `1:03.2`.
pub(super) fn clock_face(us: u64) -> String {
    let (minutes, tenths) = (us / 60_000_000, us / 100_000 % 600);
    match minutes {
        0 => format!("{}.{} s", tenths / 10, tenths % 10),
        minutes => format!("{minutes}:{:02}.{} s", tenths / 10, tenths % 10),
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Event, WallTime};

    fn kept(record: Record) -> Kept {
        Kept {
            at: WallTime(0),
            line: 3,
            clock: 60,
            tick: 60,
            queue: 0,
            record,
        }
    }

    fn event(kind: Kind) -> Kept {
        kept(Record::Event(Event {
            tick: 60,
            clock: 60,
            vector: None,
            hybrid: None,
            store: None,
            kind,
        }))
    }

    #[test]
    fn lines_say_what_happened() {
        let mishaps = Mishaps {
            lost: Recipients::from_slice(&[MachineId(2)]),
            ..Mishaps::default()
        };
        let send = Kind::Send {
            to: Recipients::from_slice(&[MachineId(1), MachineId(2)]),
            mishaps: mishaps.into_event(),
        };
        let receive = Kind::Receive {
            from: MachineId(2),
            sent: 17,
            queue: 3,
            waited_us: Some(3_410_000),
        };
        for (kept, text) in [
            (event(Kind::Internal), "0:60 internal"),
            (event(send), "0:60 send to 1,2, to 2 lost"),
            (event(receive), "0:60 receive 2:17, waited 3.41 s, 3 more wait"),
            (
                kept(Record::LinkUp {
                    peer: MachineId(1),
                    incarnation: 2,
                }),
                "0 link to 1 is up again: life 2 of that machine",
            ),
            (kept(Record::Mended { id: 7 }), "0 fault 7 is over"),
        ] {
            assert_eq!(describe(MachineId(0), &kept), text);
        }
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        for (us, text) in [
            (999, "999 us"),
            (79_400, "79 ms"),
            (3_410_000, "3.41 s"),
            (61_000_000, "1 min 01 s"),
        ] {
            assert_eq!(time(us), text);
        }
    }
}
