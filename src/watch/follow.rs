//! The logs of a run, followed: every line once, in the order of each log, as it is written.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::{
    trace::{Header, LogReader, LogTail, Record, WallTime},
    units::MachineId,
};

/// Bytes read from one log in one look: a log of 64 MiB is caught up with in 16 looks.
const LOOK_BYTES: u64 = 4 << 20;

/// Fewest bytes that a look reads: a header has to stand in them.
const HEADER_BYTES_MAX: u64 = 4096;

/// Follows the logs of one run folder, which need not be there yet. Logs that appear later are followed too.
///
/// Only whole lines are taken, and what stands behind the last of them is read again at the next look: a machine
/// that is started again cuts a torn last line off.
#[derive(Debug)]
pub struct Follower {
    folder: PathBuf,
    look_bytes: u64,
    logs: BTreeMap<MachineId, Followed>,
    /// Of logs that are to be read from within, and have not been found yet.
    wanted: Positions,
    /// How many logs there will be; 0 until somebody says.
    machines: u16,
    /// Whether it is a run of the store, which others may join at any time.
    is_open: bool,
}

/// A place in a log: behind a whole line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Lines before it.
    pub line: u64,
    /// Bytes before it.
    pub byte: u64,
}

/// Where a reader stands in each log of a run.
pub type Positions = BTreeMap<MachineId, Position>;

/// Something that a log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whose log.
    pub machine: MachineId,
    /// What it says.
    pub what: What,
}

/// What a log can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The log is there; its first news.
    Header(Box<Header>),
    /// A line behind the header.
    Record {
        /// The line's number in the file, from 1.
        line: u64,
        /// When.
        at: WallTime,
        /// What.
        record: Record,
    },
}

#[derive(Debug)]
struct Followed {
    file: File,
    at: Position,
    tail: LogTail,
    /// Lines before those that the tail has counted.
    before: u64,
}

impl Follower {
    /// Follows the run in `folder` from the start.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self::from(folder, Positions::new(), 0, LOOK_BYTES)
    }

    /// Follows the run of so many `machines` (0: not known yet) in `folder` from `positions` on, and logs that are not
    /// among them from their start; reads at most `look_bytes` of each log in one look. A header before its position is
    /// no news. Looks into the folder until it has the log of each of them.
    #[must_use]
    pub fn from(folder: &Path, positions: Positions, machines: u16, look_bytes: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            look_bytes: look_bytes.max(HEADER_BYTES_MAX),
            logs: BTreeMap::new(),
            wanted: positions,
            machines,
            is_open: false,
        }
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Behind what was read of each log.
    #[must_use]
    pub fn positions(&self) -> Positions {
        let found = self.logs.iter().map(|(machine, log)| (*machine, log.at));
        let wanted = self.wanted.iter().map(|(machine, at)| (*machine, *at));
        wanted.chain(found).collect()
    }

    /// What is new since the last look, machine by machine; at most 4 MiB of each log unless told otherwise. Returns
    /// whether there was more than that, so that another look is worth it at once.
    ///
    /// # Errors
    /// What the system says of the folder or a log; a folder that is not there yet is no error.
    pub fn look(&mut self, news: &mut Vec<News>) -> io::Result<bool> {
        // A log of a machine that the run does not have stands for none of it.
        let of_run = self.logs.range(..MachineId(self.machines)).count();
        if self.is_open || self.machines == 0 || of_run < usize::from(self.machines) {
            self.find_logs()?;
        }
        let mut more = false;
        for (machine, log) in &mut self.logs {
            let first = news.len();
            more |= log.look(*machine, self.look_bytes, news)?;
            if let Some(What::Header(header)) = news.get(first).map(|news| &news.what) {
                self.machines = self.machines.max(header.machines);
                self.is_open |= header.incarnation.is_some();
            }
        }
        Ok(more)
    }

    fn find_logs(&mut self) -> io::Result<()> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let id = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_prefix("machine-")?.strip_suffix(".log"))
                .and_then(|id| id.parse().ok());
            if let Some(id) = id
                && !self.logs.contains_key(&id)
            {
                let at = self.wanted.remove(&id).unwrap_or_default();
                let followed = Followed {
                    file: File::open(&path)?,
                    at,
                    tail: LogTail::default(),
                    before: at.line,
                };
                self.logs.insert(id, followed);
            }
        }
        Ok(())
    }
}

impl Followed {
    fn look(&mut self, machine: MachineId, most: u64, news: &mut Vec<News>) -> io::Result<bool> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.at.byte))?;
        let read = (&mut self.file).take(most).read_to_end(&mut bytes)? as u64;
        if self.at.line == 0 && !self.take_header(machine, &mut bytes, news) {
            return Ok(false);
        }
        let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |place| place + 1);
        if whole == 0 {
            // A line longer than a whole look is none of a log, and passed over.
            let skipped = if read == most { bytes.len() } else { 0 };
            self.at.byte += skipped as u64;
            return Ok(read == most);
        }
        let bytes = bytes.get(..whole).unwrap_or_default();
        let before = self.before;
        self.tail.take(bytes, |line, at, record| {
            let line = before + line;
            let what = What::Record { line, at, record };
            news.push(News { machine, what });
        });
        self.at.line += memchr::memchr_iter(b'\n', bytes).count() as u64;
        self.at.byte += whole as u64;
        Ok(read == most)
    }

    /// Takes the header off the first bytes of a log; whether it was there.
    fn take_header(&mut self, machine: MachineId, bytes: &mut Vec<u8>, news: &mut Vec<News>) -> bool {
        let Some(end) = memchr::memchr_iter(b'\n', bytes).nth(1) else {
            return false;
        };
        // What is no log is not followed: it has no header, now or later.
        let Ok(reader) = LogReader::new("log", bytes.get(..=end).unwrap_or_default()) else {
            return false;
        };
        news.push(News {
            machine,
            what: What::Header(Box::new(reader.header().clone())),
        });
        bytes.drain(..=end);
        self.before = 2;
        self.at = Position {
            line: 2,
            byte: end as u64 + 1,
        };
        true
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_line_comes_once_however_the_file_grows() {
        let folder = tempfile::tempdir().unwrap();
        let text = "# clocklab-log 1\n\
            # machine=1 machines=2 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n\
            2026-11-20T23:16:01.100000Z internal tick=1 clock=1\n\
            # stall=2026-11-20T23:16:04.000000Z late_us=2900000 skipped=3\n\
            2026-11-20T23:16:04.000001Z internal tick=2 clock=2\n";
        for step in [1, 7, 64, text.len()] {
            let path = folder.path().join("machine-1.log");
            let mut file = File::create(&path).unwrap();
            let mut follower = Follower::new(folder.path());
            let mut news = Vec::new();
            for piece in text.as_bytes().chunks(step) {
                file.write_all(piece).unwrap();
                follower.look(&mut news).unwrap();
            }
            let lines: Vec<Option<u64>> = news
                .iter()
                .map(|news| match &news.what {
                    What::Header(_) => None,
                    What::Record { line, .. } => Some(*line),
                })
                .collect();
            assert_eq!(lines, [None, Some(3), Some(4), Some(5)], "pieces of {step}");
            assert!(news.iter().all(|news| news.machine == MachineId(1)));
        }
    }

    #[test]
    fn a_replica_that_joins_later_is_found_whatever_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let begin = |machine: u16| {
            let header = format!(
                "# clocklab-log 1\n# machine={machine} machines={} clock=lamport incarnation=5 seed=1 run=r \
                 started=2026-11-20T23:16:01.000000Z\n",
                machine + 1
            );
            std::fs::write(folder.path().join(format!("machine-{machine}.log")), header).unwrap();
        };
        let mut follower = Follower::new(folder.path());
        let (mut scene, mut news) = (crate::watch::Scene::default(), Vec::new());
        for (machine, expected) in [(0, 1), (40_001, 2), (7, 3)] {
            begin(machine);
            follower.look(&mut news).unwrap();
            news.drain(..).for_each(|news| scene.take(news));
            assert_eq!(scene.machines().len(), expected);
            assert_eq!(usize::from(scene.machines_expected()), expected);
        }
        assert_eq!(scene.ids(), 40_002);
    }

    #[test]
    fn whoever_begins_at_a_position_gets_exactly_what_stands_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut text = "# clocklab-log 1\n\
            # machine=0 machines=1 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n"
            .to_owned();
        for tick in 1..=9 {
            text += &format!("2026-11-20T23:16:01.{tick}00000Z internal tick={tick} clock={tick}\n");
        }
        std::fs::write(folder.path().join("machine-0.log"), &text).unwrap();
        let mut whole = Vec::new();
        Follower::new(folder.path()).look(&mut whole).unwrap();
        let mut byte = 0;
        for (line, end) in (1..).zip(text.match_indices('\n').map(|(end, _)| end as u64 + 1)) {
            byte = end;
            let positions = Positions::from([(MachineId(0), Position { line, byte })]);
            let mut follower = Follower::from(folder.path(), positions, 0, 0);
            let mut news = Vec::new();
            follower.look(&mut news).unwrap();
            if line >= 2 {
                assert_eq!(news, whole[usize::try_from(line - 1).unwrap()..], "line {line}");
                let end = Position {
                    line: 11,
                    byte: text.len() as u64,
                };
                assert_eq!(follower.positions(), Positions::from([(MachineId(0), end)]));
            }
        }
        assert_eq!(byte, text.len() as u64);
    }

    #[test]
    fn whoever_has_all_logs_looks_into_the_folder_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let log = |id: u16| {
            let text = format!(
                "# clocklab-log 1\n# machine={id} machines=2 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n"
            );
            std::fs::write(folder.path().join(format!("machine-{id}.log")), &text).unwrap();
            text.len() as u64
        };
        let (line, byte) = (2, log(0));
        let positions = Positions::from([(MachineId(0), Position { line, byte })]);
        let mut within = Follower::from(folder.path(), positions, 2, 0);
        let mut whole = Follower::new(folder.path());
        // A log that is none of the run stands for none of it. Nobody looks for a third one, who would find it.
        for (id, news_within, news_whole) in [(0, 0, 1), (9, 0, 0), (1, 1, 1), (2, 0, 0)] {
            log(id);
            let (mut of_within, mut of_whole) = (Vec::new(), Vec::new());
            within.look(&mut of_within).unwrap();
            whole.look(&mut of_whole).unwrap();
            assert_eq!(
                (of_within.len(), of_whole.len()),
                (news_within, news_whole),
                "{id}"
            );
        }
        assert!(!whole.positions().contains_key(&MachineId(2)));
    }

    #[test]
    fn a_torn_line_that_is_cut_off_and_written_over_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("machine-0.log");
        let head = "# clocklab-log 1\n\
            # machine=0 machines=1 clock=lamport seed=1 run=r started=2026-11-20T23:16:01.000000Z\n";
        std::fs::write(&path, format!("{head}2026-11-20T23:16:01.100000Z internal ti")).unwrap();
        let mut follower = Follower::new(folder.path());
        let mut news = Vec::new();
        follower.look(&mut news).unwrap();
        assert_eq!(news.len(), 1);
        let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(head.len() as u64).unwrap();
        std::io::Seek::seek(&mut file, SeekFrom::End(0)).unwrap();
        writeln!(file, "# restarted=2026-11-20T23:16:02.000000Z incarnation=2").unwrap();
        follower.look(&mut news).unwrap();
        assert!(matches!(
            news.last().map(|news| &news.what),
            Some(What::Record {
                line: 3,
                record: Record::Restarted { incarnation: 2 },
                ..
            })
        ));
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut news = Vec::new();
        let more = Follower::new(&folder.path().join("later")).look(&mut news);
        assert_eq!((more.unwrap(), news), (false, Vec::new()));
    }
}
