//! Remarks behind the header, both ways: what happened around the events, and the footer (protocol.md,
//! section 7).

use super::{
    event::{FaultNote, Footer, Recipients, Record},
    fields::{KeyValues, number, numbers},
    line::{LineError, bad_value, list, machine_list, machines, need, no_time, optional, pair, put, shown},
    store::DataNote,
    wall_time::{TimeText, WallTime},
};
use crate::{clock::VersionVector, units::MachineId, wire::Reason};

/// Appends a record that is no event, without its line feed.
#[cold]
pub(super) fn write_remark(time: &mut TimeText, at: WallTime, record: &Record, output: &mut Vec<u8>) {
    let mut begin = |start: &str, output: &mut Vec<u8>| {
        output.extend_from_slice(start.as_bytes());
        time.write(at, output);
    };
    match record {
        // Written by the caller.
        Record::Event(_) => {}
        Record::LinkUp { peer, incarnation } => {
            begin("# link-up=", output);
            pair(" peer=", u64::from(peer.0), output);
            if *incarnation > 1 {
                pair(" incarnation=", u64::from(*incarnation), output);
            }
        }
        Record::LinkLost { peer } => {
            begin("# link-lost=", output);
            pair(" peer=", u64::from(peer.0), output);
        }
        Record::Stall { late_us, skipped } => {
            begin("# stall=", output);
            pair(" late_us=", *late_us, output);
            pair(" skipped=", *skipped, output);
        }
        Record::Fault(fault) => {
            begin("# fault=", output);
            pair(" id=", u64::from(fault.id), output);
            output.extend_from_slice(b" kind=");
            output.extend_from_slice(fault.kind.as_bytes());
            if !fault.to.is_empty() {
                machine_list(" to=", &fault.to, output);
            }
            if !fault.detail.is_empty() {
                output.extend_from_slice(b" detail=");
                output.extend_from_slice(fault.detail.as_bytes());
            }
        }
        Record::Mended { id } => {
            begin("# mended=", output);
            pair(" id=", u64::from(*id), output);
        }
        Record::Paused => begin("# paused=", output),
        Record::Stepped { ticks } => {
            begin("# step=", output);
            pair(" ticks=", *ticks, output);
        }
        Record::Pace { rate, next_us } => {
            begin("# pace=", output);
            pair(" rate=", u64::from(*rate), output);
            pair(" next_us=", *next_us, output);
        }
        Record::Jumped { ticks, physical_us } => {
            begin("# jump=", output);
            pair(" ticks=", *ticks, output);
            output.extend_from_slice(b" physical_us=");
            output.extend_from_slice(itoa::Buffer::new().format(*physical_us).as_bytes());
        }
        Record::Restarted { incarnation } => {
            begin("# restarted=", output);
            pair(" incarnation=", u64::from(*incarnation), output);
        }
        Record::Data(data) => {
            begin("# data=", output);
            output.extend_from_slice(format!(" known={}", data.known).as_bytes());
            pair(" digest=", data.digest, output);
        }
        Record::Ended(footer) => {
            begin("# ended=", output);
            write_footer(footer, output);
        }
    }
}

fn write_footer(footer: &Footer, output: &mut Vec<u8>) {
    if let Some(reason) = footer.reason {
        output.extend_from_slice(b" reason=");
        output.extend_from_slice(reason.name().as_bytes());
    }
    optional(" peer=", footer.peer.map(|peer| u64::from(peer.0)), output);
    pair(" ticks=", footer.ticks, output);
    pair(" queued=", footer.queued, output);
    if !footer.waiting.is_empty() {
        list(" waiting=", footer.waiting.iter().copied(), output);
    }
    if !footer.goodbye.is_empty() {
        machine_list(" goodbye=", &footer.goodbye, output);
    }
    optional(" ticking_us=", footer.ticking_us, output);
    optional(" tick_error_us_mean=", footer.tick_error_us_mean, output);
    optional(" tick_error_us_max=", footer.tick_error_us_max, output);
    optional(" stalls=", footer.stalls, output);
    optional(" suspended_us=", footer.suspended_us, output);
    optional(" frames_sent=", footer.frames_sent, output);
    optional(" bytes_sent=", footer.bytes_sent, output);
}

/// The fields of a remark as they are found.
#[derive(Default)]
struct RemarkFields {
    peer: Option<MachineId>,
    incarnation: Option<u32>,
    late_us: Option<u64>,
    skipped: Option<u64>,
    id: Option<u32>,
    kind: Option<String>,
    to: Option<Recipients>,
    detail: Option<String>,
    ticks: Option<u64>,
    rate: Option<u32>,
    next_us: Option<u64>,
    physical_us: Option<i64>,
    known: Option<VersionVector>,
    digest: Option<u64>,
    reason: Option<Reason>,
    queued: Option<u64>,
    waiting: Option<Vec<u64>>,
    goodbye: Option<Recipients>,
    /// The optional numbers of a footer, in the order of [`FOOTER_NUMBERS`].
    numbers: [Option<u64>; FOOTER_NUMBERS.len()],
}

/// The keys of a footer that are numbers and may be missing.
const FOOTER_NUMBERS: [&[u8]; 7] = [
    b"ticking_us",
    b"tick_error_us_mean",
    b"tick_error_us_max",
    b"stalls",
    b"suspended_us",
    b"frames_sent",
    b"bytes_sent",
];

/// The remarks that this version knows.
const KNOWN: [&[u8]; 12] = [
    b"link-up",
    b"link-lost",
    b"stall",
    b"fault",
    b"mended",
    b"paused",
    b"step",
    b"pace",
    b"jump",
    b"restarted",
    b"data",
    b"ended",
];

/// Reads a remark behind the header; `None` for one that this version does not know.
pub(super) fn parse_remark(
    line: &[u8],
    time: &mut TimeText,
) -> Result<Option<(WallTime, Record)>, LineError> {
    let rest = line.strip_prefix(b"# ").ok_or("a remark begins with `# `")?;
    let mut pairs = KeyValues::new(rest);
    let Some(Ok((name, when))) = pairs.next() else {
        return Ok(None);
    };
    if !KNOWN.contains(&name) {
        return Ok(None);
    }
    let at = time.parse(when).ok_or_else(|| no_time(when))?;
    let mut found = RemarkFields::default();
    for pair in pairs {
        let (key, value) = pair.map_err(|word| format!("`{}` is no key=value", shown(word)))?;
        found.take(key, value)?;
    }
    found.finish(name, at).map(|record| Some((at, record)))
}

impl RemarkFields {
    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), LineError> {
        let small = |value: &[u8]| number(value).and_then(|n| u32::try_from(n).ok());
        let text = |value: &[u8]| std::str::from_utf8(value).ok().map(str::to_owned);
        match key {
            b"peer" => {
                let peer = number(value).and_then(|n| u16::try_from(n).ok()).map(MachineId);
                put(&mut self.peer, key, peer, value)
            }
            b"incarnation" => put(&mut self.incarnation, key, small(value), value),
            b"late_us" => put(&mut self.late_us, key, number(value), value),
            b"skipped" => put(&mut self.skipped, key, number(value), value),
            b"id" => put(&mut self.id, key, small(value), value),
            b"kind" => put(&mut self.kind, key, text(value), value),
            b"to" => put(&mut self.to, key, machines(value), value),
            b"detail" => put(&mut self.detail, key, text(value), value),
            b"ticks" => put(&mut self.ticks, key, number(value), value),
            b"rate" => put(&mut self.rate, key, small(value), value),
            b"next_us" => put(&mut self.next_us, key, number(value), value),
            b"physical_us" => {
                let signed = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                put(&mut self.physical_us, key, signed, value)
            }
            b"reason" => {
                let reason = std::str::from_utf8(value).ok().and_then(Reason::from_name);
                put(&mut self.reason, key, reason, value)
            }
            b"known" => put(
                &mut self.known,
                key,
                text(value).and_then(|text| text.parse().ok()),
                value,
            ),
            b"digest" => put(&mut self.digest, key, number(value), value),
            b"queued" => put(&mut self.queued, key, number(value), value),
            b"waiting" => put(&mut self.waiting, key, numbers(value).collect(), value),
            b"goodbye" => put(&mut self.goodbye, key, machines(value), value),
            _ => match FOOTER_NUMBERS.iter().position(|name| *name == key) {
                Some(place) => match self.numbers.get_mut(place) {
                    Some(found) => put(found, key, number(value), value),
                    None => Err(bad_value(key, value)),
                },
                None => Ok(()),
            },
        }
    }

    fn finish(self, name: &[u8], at: WallTime) -> Result<Record, LineError> {
        Ok(match name {
            b"link-up" => Record::LinkUp {
                peer: need(self.peer, "peer")?,
                incarnation: self.incarnation.unwrap_or(1),
            },
            b"link-lost" => Record::LinkLost {
                peer: need(self.peer, "peer")?,
            },
            b"stall" => Record::Stall {
                late_us: need(self.late_us, "late_us")?,
                skipped: need(self.skipped, "skipped")?,
            },
            b"fault" => Record::Fault(Box::new(FaultNote {
                id: need(self.id, "id")?,
                kind: need(self.kind, "kind")?,
                to: self.to.unwrap_or_default(),
                detail: self.detail.unwrap_or_default(),
            })),
            b"mended" => Record::Mended {
                id: need(self.id, "id")?,
            },
            b"paused" => Record::Paused,
            b"step" => Record::Stepped {
                ticks: need(self.ticks, "ticks")?,
            },
            b"pace" => Record::Pace {
                rate: need(self.rate, "rate")?,
                next_us: need(self.next_us, "next_us")?,
            },
            b"jump" => Record::Jumped {
                ticks: self.ticks.unwrap_or(0),
                physical_us: self.physical_us.unwrap_or(0),
            },
            b"restarted" => Record::Restarted {
                incarnation: need(self.incarnation, "incarnation")?,
            },
            b"data" => Record::Data(Box::new(DataNote {
                known: need(self.known, "known")?,
                digest: need(self.digest, "digest")?,
            })),
            _ => Record::Ended(Box::new(self.footer(at)?)),
        })
    }

    fn footer(self, ended: WallTime) -> Result<Footer, LineError> {
        let [
            ticking_us,
            tick_error_us_mean,
            tick_error_us_max,
            stalls,
            suspended_us,
            frames_sent,
            bytes_sent,
        ] = self.numbers;
        Ok(Footer {
            ended,
            reason: Some(need(self.reason, "reason")?),
            peer: self.peer,
            ticks: need(self.ticks, "ticks")?,
            queued: need(self.queued, "queued")?,
            waiting: self.waiting.unwrap_or_default(),
            goodbye: self.goodbye.map(Recipients::into_vec).unwrap_or_default(),
            ticking_us,
            tick_error_us_mean,
            tick_error_us_max,
            stalls,
            suspended_us,
            frames_sent,
            bytes_sent,
        })
    }
}
