//! What became of a machine that cannot be asked: the end of its log says it.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

use crate::{
    trace::{LogTail, Record},
    units::MachineId,
    wire::Reason,
};

/// Bytes of a log's end that are looked through.
const END_BYTES: u64 = 64 << 10;

/// What became of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its log has an end.
    Ended {
        /// Why.
        reason: Reason,
        /// How long it ticked.
        ticking: Duration,
    },
    /// A fault killed it, and it has not come back.
    Killed,
    /// Its log does not say.
    Unsaid,
}

impl Fate {
    /// Of a machine of the run in `folder`.
    #[must_use]
    pub fn of(folder: &Path, machine: MachineId) -> Self {
        let mut fate = Self::Unsaid;
        let end = end_of(&folder.join(format!("machine-{machine}.log")));
        LogTail::default().take(&end.unwrap_or_default(), |_, _, record| match record {
            Record::Fault(note) if note.kills() => fate = Self::Killed,
            Record::Ended(footer) => {
                fate = Self::Ended {
                    reason: footer.reason.unwrap_or(Reason::Duration),
                    ticking: Duration::from_micros(footer.ticking_us.unwrap_or(0)),
                }
            }
            Record::Restarted { .. } => fate = Self::Unsaid,
            _ => {}
        });
        fate
    }
}

/// When and why a run of `machines` machines ended, in words such as `60.0 s (duration)`; `None` unless every log of it
/// in `folder` has an end, but for those of machines that a fault killed.
#[must_use]
pub fn ended(folder: &Path, machines: u16) -> Option<String> {
    let mut longest = Duration::ZERO;
    let mut reasons: Vec<String> = Vec::new();
    for machine in MachineId::all(machines) {
        let (reason, ticking) = match Fate::of(folder, machine) {
            Fate::Ended { reason, ticking } => (reason, ticking),
            Fate::Killed => continue,
            Fate::Unsaid => return None,
        };
        longest = longest.max(ticking);
        let reason = reason.to_string();
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    (!reasons.is_empty()).then(|| format!("{:.1} s ({})", longest.as_secs_f64(), reasons.join(", ")))
}

fn end_of(log: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(log)?;
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(END_BYTES)))?;
    let mut end = Vec::new();
    file.take(END_BYTES).read_to_end(&mut end)?;
    Ok(end)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_end_of_a_log_says_what_became_of_its_machine() {
        let folder = tempfile::tempdir().unwrap();
        let event = "2026-01-01T00:00:01.000000Z internal tick=1 clock=1\n".repeat(3000);
        let kill = "# fault=2026-01-01T00:00:02.000000Z id=1 kind=kill detail=for:1000000us\n";
        let again = "# restarted=2026-01-01T00:00:03.000000Z incarnation=2\n";
        let end = "# ended=2026-01-01T00:00:09.000000Z reason=duration ticks=0 queued=0 ticking_us=9000000\n";
        let ended_then = Fate::Ended {
            reason: Reason::Duration,
            ticking: Duration::from_secs(9),
        };
        for (text, fate) in [
            (event.clone(), Fate::Unsaid),
            (format!("{event}{kill}"), Fate::Killed),
            (format!("{event}{kill}{again}"), Fate::Unsaid),
            (format!("{event}{kill}{again}{end}"), ended_then),
        ] {
            fs::write(folder.path().join("machine-0.log"), text).unwrap();
            assert_eq!(Fate::of(folder.path(), MachineId(0)), fate);
        }
        assert_eq!(Fate::of(folder.path(), MachineId(1)), Fate::Unsaid);
        assert_eq!(ended(folder.path(), 1).as_deref(), Some("9.0 s (duration)"));
        assert_eq!(ended(folder.path(), 2), None);
        fs::write(folder.path().join("machine-1.log"), kill).unwrap();
        assert_eq!(ended(folder.path(), 2).as_deref(), Some("9.0 s (duration)"));
        fs::write(folder.path().join("machine-0.log"), kill).unwrap();
        assert_eq!(ended(folder.path(), 2), None, "nobody lived to say so");
    }
}
