//! The lines of a log that still grows: bytes in pieces go in, records come out.

use super::{
    event::Record,
    line::parse_event,
    remark::parse_remark,
    wall_time::{TimeText, WallTime},
};

/// Longest unfinished line that is kept; a longer one is no line of a log.
const UNFINISHED_BYTES_MAX: usize = 1 << 20;

/// The end of a log, followed. Lines that cannot be read are passed over: who wants to know reads the log
/// with a `LogReader`.
#[derive(Clone, Debug, Default)]
pub struct LogTail {
    unfinished: Vec<u8>,
    /// Whole lines so far.
    lines: u64,
    time: TimeText,
}

impl LogTail {
    /// Adds `bytes` and gives every record whose line they finish, with the line's number among those taken, from 1.
    pub fn take(&mut self, bytes: &[u8], mut give: impl FnMut(u64, WallTime, Record)) {
        self.unfinished.extend_from_slice(bytes);
        let whole = self
            .unfinished
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |place| place + 1);
        for line in self
            .unfinished
            .get(..whole)
            .unwrap_or_default()
            .split_inclusive(|byte| *byte == b'\n')
        {
            self.lines += 1;
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let record = match line.first() {
                None => None,
                Some(b'#') => parse_remark(line, &mut self.time).ok().flatten(),
                Some(_) => parse_event(line, &mut self.time)
                    .ok()
                    .map(|(at, event)| (at, Record::Event(event))),
            };
            if let Some((at, record)) = record {
                give(self.lines, at, record);
            }
        }
        self.unfinished.drain(..whole);
        if self.unfinished.len() > UNFINISHED_BYTES_MAX {
            self.unfinished.clear();
        }
    }
}
