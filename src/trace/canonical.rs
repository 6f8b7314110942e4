//! The short way into an event line: the keys in the writer's order, as nearly all lines have them.
//!
//! It reads from left to right without looking anything up, and gives up at the first byte that is not as the writer writes it. Then
//! the long way, which knows every line that the format allows, decides; both agree where both have an answer.

use super::{
    event::{Event, Kind, Recipients},
    fields::leading_number,
    wall_time::{TIME_BYTES, TimeText, WallTime},
};
use crate::units::MachineId;

/// Reads an event line whose keys stand in the writer's order, as nearly all do; `None` for any other line, good or bad.
#[inline]
pub(super) fn parse_canonical(line: &[u8], time: &mut TimeText) -> Option<(WallTime, Event)> {
    let (when, rest) = line.split_at_checked(TIME_BYTES)?;
    let at = time.parse(when)?;
    let (kind, rest) = rest
        .split_first_chunk::<3>()
        .and_then(|(start, rest)| match start {
            b" in" => Some((b'i', rest.strip_prefix(b"ternal tick=")?)),
            b" re" => Some((b'r', rest.strip_prefix(b"ceive tick=")?)),
            b" se" => Some((b's', rest.strip_prefix(b"nd tick=")?)),
            _ => None,
        })?;
    let (tick, rest) = leading_number(rest)?;
    let (clock, rest) = leading_number(rest.strip_prefix(b" clock=")?)?;
    let (kind, rest) = match kind {
        b'i' => (Kind::Internal, rest),
        b'r' => {
            let (from, rest) = leading_number(rest.strip_prefix(b" from=")?)?;
            let (sent, rest) = leading_number(rest.strip_prefix(b" sent=")?)?;
            let (queue, rest) = leading_number(rest.strip_prefix(b" queue=")?)?;
            let from = MachineId(u16::try_from(from).ok()?);
            (Kind::Receive { from, sent, queue }, rest)
        }
        _ => {
            let (to, rest) = leading_machines(rest.strip_prefix(b" to=")?)?;
            let dropped = Recipients::new();
            (Kind::Send { to, dropped }, rest)
        }
    };
    let event = Event {
        tick,
        clock,
        vector: None,
        kind,
    };
    rest.is_empty().then_some((at, event))
}

/// Machines separated by commas, ascending, and what stands behind them.
#[inline]
fn leading_machines(text: &[u8]) -> Option<(Recipients, &[u8])> {
    let mut machines = Recipients::new();
    let mut text = text;
    loop {
        let (number, rest) = leading_number(text)?;
        let machine = MachineId(u16::try_from(number).ok()?);
        if machines.last().is_some_and(|last| *last >= machine) {
            return None;
        }
        machines.push(machine);
        match rest.strip_prefix(b",") {
            Some(rest) => text = rest,
            None => return Some((machines, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::{super::line::parse_any_event, *};

    fn any_word() -> impl Strategy<Value = String> {
        let words = [
            "internal",
            "send",
            "receive",
            "nap",
            "tick=1",
            "clock=2",
            "from=2",
            "from=70000",
            "sent=8",
            "queue=0",
            "queue=",
            "to=1",
            "to=1,2",
            "to=2,1",
            "to=",
            "dropped=1",
            "vector=1,2,3",
            "colour=red",
            "clock=x",
            "tick=18446744073709551616",
            "tick=00000000000000000000000007",
            "",
        ];
        select(words.to_vec()).prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn the_short_way_reads_what_the_long_way_reads(words in prop::collection::vec(any_word(), 0..8), canonical in any::<bool>()) {
            let mut line = "2026-11-20T23:16:01.373456Z".to_owned();
            if canonical {
                line += " receive tick=4 clock=9";
            }
            for word in &words {
                line += &format!(" {word}");
            }
            let mut time = TimeText::default();
            if let Some(short) = parse_canonical(line.as_bytes(), &mut time) {
                prop_assert_eq!(Ok(short), parse_any_event(line.as_bytes(), &mut TimeText::default()));
            }
        }
    }

    #[test]
    fn what_the_writer_writes_goes_the_short_way() {
        let mut time = TimeText::default();
        for text in [
            "internal tick=1 clock=1",
            "send tick=2 clock=2 to=1",
            "send tick=3 clock=3 to=1,2",
            "receive tick=4 clock=9 from=2 sent=8 queue=0",
        ] {
            let line = format!("2026-11-20T23:16:01.373456Z {text}");
            assert!(parse_canonical(line.as_bytes(), &mut time).is_some(), "{text}");
        }
    }
}
