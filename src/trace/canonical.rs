//! The short way into an event line: the keys in the writer's order, as nearly all lines have them.
//!
//! It reads from left to right without looking anything up, and gives up at the first byte that is not as the
//! writer writes it. Then the long way, which knows every line that the format allows, decides; both agree
//! where both have an answer.

use super::{
    event::{Event, Kind, Recipients},
    fields::leading_number,
    wall_time::{TIME_BYTES, TimeText, WallTime},
};
use crate::units::MachineId;

/// Reads an event line whose keys stand in the writer's order into `event`; `None` for any other line, good
/// or bad, and `event` then is as it was.
///
/// Field by field, because an event that is moved as a whole right after it was written stalls the processor.
#[inline]
pub(super) fn parse_canonical(line: &[u8], time: &mut TimeText, event: &mut Event) -> Option<WallTime> {
    let (when, rest) = line.split_at_checked(TIME_BYTES)?;
    let at = time.parse(when)?;
    let (start, rest) = rest.split_first_chunk::<3>()?;
    let rest = rest.strip_prefix(match start {
        b" in" => b"ternal tick=".as_slice(),
        b" re" => b"ceive tick=",
        b" se" => b"nd tick=",
        _ => return None,
    })?;
    let (tick, rest) = leading_number(rest)?;
    let (clock, rest) = leading_number(rest.strip_prefix(b" clock=")?)?;
    match start {
        b" in" if rest.is_empty() => event.kind = Kind::Internal,
        b" re" => {
            let (from, rest) = leading_number(rest.strip_prefix(b" from=")?)?;
            let (sent, rest) = leading_number(rest.strip_prefix(b" sent=")?)?;
            let (queue, rest) = leading_number(rest.strip_prefix(b" queue=")?)?;
            let from = MachineId(u16::try_from(from).ok()?);
            // Logs of older machines do not say.
            let (waited_us, rest) = match rest.strip_prefix(b" waited_us=") {
                Some(rest) => leading_number(rest).map(|(waited, rest)| (Some(waited), rest))?,
                None => (None, rest),
            };
            if !rest.is_empty() {
                return None;
            }
            event.kind = Kind::Receive {
                from,
                sent,
                queue,
                waited_us,
            };
        }
        b" se" => {
            let (to, rest) = leading_machines(rest.strip_prefix(b" to=")?)?;
            if !rest.is_empty() {
                return None;
            }
            event.kind = Kind::Send { to, mishaps: None };
        }
        _ => return None,
    }
    (event.tick, event.clock) = (tick, clock);
    (event.vector, event.hybrid, event.store) = (None, None, None);
    Some(at)
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

    use super::{super::line::parse_event, *};

    const BLANK: Event = Event {
        tick: 0,
        clock: 0,
        vector: None,
        hybrid: None,
        store: None,
        kind: Kind::Other,
    };

    #[test]
    fn nothing_is_left_of_what_the_entry_held_before() {
        let line = b"2026-11-20T23:16:02.123456Z receive tick=4 clock=9 from=2 sent=8 queue=0";
        let mut event = BLANK;
        event.store = Some(Box::default());
        event.vector = Some([1, 2].into());
        parse_canonical(line, &mut TimeText::default(), &mut event).expect("a canonical line");
        let (_, other) = parse_event(line, &mut TimeText::default()).expect("a line");
        assert_eq!(event, other);
    }

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
            "waited_us=15",
            "waited_us=",
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
            let mut event = BLANK;
            match parse_canonical(line.as_bytes(), &mut time, &mut event) {
                Some(at) => prop_assert_eq!(Ok((at, event)), parse_event(line.as_bytes(), &mut TimeText::default())),
                None => prop_assert_eq!(event, BLANK),
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
            "receive tick=4 clock=9 from=2 sent=8 queue=0 waited_us=93411",
        ] {
            let line = format!("2026-11-20T23:16:01.373456Z {text}");
            assert!(
                parse_canonical(line.as_bytes(), &mut time, &mut BLANK.clone()).is_some(),
                "{text}"
            );
        }
    }
}
