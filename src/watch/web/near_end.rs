//! Where to begin with logs that are too long to be read whole for a person who wants to see what happens now.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use crate::{
    trace::{Header, LogReader},
    units::MachineId,
    watch::Position,
};

/// Bytes of all logs together that are read in the sense of what they say.
const NEAR_BYTES: u64 = 12 << 20;

/// Fewest bytes of each.
const EACH_BYTES_MIN: u64 = 256 << 10;

/// Bytes in which a header has to stand.
const HEADER_BYTES_MAX: u64 = 4096;

/// Bytes that are read at a time.
const PIECE_BYTES: usize = 256 << 10;

/// A place near the end of a log.
#[derive(Debug)]
pub(super) struct Near {
    pub(super) header: Header,
    /// Behind a whole line.
    pub(super) position: Position,
    /// Event lines before it.
    pub(super) events: u64,
}

/// A place near the end of each log in `folder` that is long. What stands before it is counted, a gigabyte in a fraction of
/// a second, and not understood.
///
/// # Errors
/// What the system says; a folder that is not there yet is no error.
pub(super) fn near_ends(folder: &Path) -> io::Result<BTreeMap<MachineId, Near>> {
    let mut logs = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let id = name.and_then(|name| name.strip_prefix("machine-")?.strip_suffix(".log"));
        if let Some(id) = id.and_then(|id| id.parse::<MachineId>().ok()) {
            logs.push((id, path));
        }
    }
    let each = (NEAR_BYTES / logs.len().max(1) as u64).max(EACH_BYTES_MIN);
    let mut near = BTreeMap::new();
    for (id, path) in logs {
        if let Some(found) = near_end(&path, each)? {
            near.insert(id, found);
        }
    }
    Ok(near)
}

/// The place from which at most `bytes` stand in a log; `None` if it has no more, or is no log.
fn near_end(path: &Path, bytes: u64) -> io::Result<Option<Near>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if length <= bytes {
        return Ok(None);
    }
    let mut head = Vec::new();
    (&mut file).take(HEADER_BYTES_MAX).read_to_end(&mut head)?;
    let end = memchr::memchr_iter(b'\n', &head).nth(1);
    let header = end.and_then(|end| LogReader::new("log", head.get(..=end)?).ok());
    let Some(header) = header.map(|reader| reader.header().clone()) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(0))?;
    let (mut piece, mut counted) = (vec![0; PIECE_BYTES], Counted::default());
    while counted.position.byte < length - bytes {
        let read = file.read(&mut piece)?;
        if read == 0 {
            break;
        }
        counted.take(piece.get(..read).unwrap_or_default());
    }
    let Counted { position, events, .. } = counted;
    Ok((position.line >= 2).then_some(Near {
        header,
        position,
        events,
    }))
}

/// Lines that were read, and what stands behind the last of them.
#[derive(Debug, Default)]
struct Counted {
    position: Position,
    events: u64,
    /// Bytes behind the last whole line, and the first of them.
    rest: u64,
    first: Option<u8>,
}

impl Counted {
    fn take(&mut self, bytes: &[u8]) {
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let first = self.first.take().or_else(|| bytes.get(from).copied());
            // Headers, footers and remarks are none.
            self.events += u64::from(first != Some(b'#'));
            self.position.line += 1;
            self.position.byte += self.rest + (end + 1 - from) as u64;
            self.rest = 0;
            from = end + 1;
        }
        let rest = bytes.get(from..).unwrap_or_default();
        self.first = self.first.or_else(|| rest.first().copied());
        self.rest += rest.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    #[test]
    fn lines_are_counted_however_they_are_cut() {
        let text = b"# a\n# b\n2026 x\n# c\n\n2026 y\n2026";
        for step in 1..=text.len() {
            let mut counted = Counted::default();
            text.chunks(step).for_each(|piece| counted.take(piece));
            assert_eq!((counted.position.line, counted.position.byte), (6, 27), "{step}");
            assert_eq!((counted.events, counted.rest), (3, 4), "{step}");
        }
    }

    #[test]
    fn a_long_log_is_begun_near_its_end_behind_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = "# clocklab-log 1\n\
            # machine=40001 machines=40002 clock=lamport incarnation=5 seed=1 run=r started=2026-11-20T23:16:01.000000Z\n"
            .to_owned();
        let short = text.replace("machine=40001", "machine=3");
        for tick in 1..=5000 {
            writeln!(
                text,
                "2026-11-20T23:16:01.{tick:06}Z internal tick={tick} clock={tick}"
            )
            .unwrap();
            if tick % 100 == 0 {
                text += "# link-up=2026-11-20T23:16:02.000000Z peer=3\n";
            }
        }
        let path = folder.path().join("machine-40001.log");
        fs::write(&path, &text).unwrap();
        fs::write(folder.path().join("machine-3.log"), short).unwrap();
        let near = near_end(&path, 100_000).unwrap().unwrap();
        assert_eq!(near.header.machine, MachineId(40_001));
        let at = usize::try_from(near.position.byte).unwrap();
        assert!(text.len() - at <= 100_000 && text[..at].ends_with('\n'));
        let before: Vec<&str> = text[..at].lines().collect();
        assert_eq!(near.position.line, before.len() as u64);
        let events = before.iter().filter(|line| !line.starts_with('#')).count();
        assert_eq!(near.events, events as u64);
        assert!(near_ends(folder.path()).unwrap().is_empty(), "neither is long");
        assert!(near_ends(&folder.path().join("later")).unwrap().is_empty());
    }
}
