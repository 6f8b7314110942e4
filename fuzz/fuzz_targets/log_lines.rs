//! Arbitrary lines behind a valid header: reading never panics, and every record is written as a line that reads as the same record.
#![no_main]

use clocklab::trace::{Line, LineWriter, LogReader, ReadError, Record, WallTime};
use libfuzzer_sys::fuzz_target;

const HEADER: &[u8] = b"# clocklab-log 1\n\
    # machine=0 machines=3 rate=4 draw=10 clock=lamport seed=7 run=r started=2026-11-20T23:16:01.123456Z\n";

/// The records of a log, and how many of its lines are none.
fn read(log: &[u8]) -> (Vec<(WallTime, Record)>, usize) {
    let mut reader = LogReader::new("log", log).expect("the header is valid");
    let (mut records, mut others) = (Vec::new(), 0);
    let mut line = 2;
    loop {
        match reader.next_entry() {
            Ok(None) => break,
            Ok(Some(entry)) => {
                assert!(entry.line > line, "line numbers rise");
                line = entry.line;
                match entry.what {
                    Line::Record { at, record } => records.push((at, record)),
                    Line::Unknown => others += 1,
                }
            }
            Err(ReadError::Line { line: number, .. }) => {
                assert!(number > line, "line numbers rise");
                line = number;
                others += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (records, others)
}

fuzz_target!(|input: &[u8]| {
    let log = [HEADER, input].concat();
    let (records, others) = read(&log);
    let line_feeds = input.iter().filter(|byte| **byte == b'\n').count();
    assert!(
        records.len() + others <= line_feeds,
        "a line without a line feed says nothing"
    );

    let mut again = HEADER.to_vec();
    let mut writer = LineWriter::default();
    for (at, record) in &records {
        writer.write(*at, record, &mut again);
    }
    let (read_again, others) = read(&again);
    assert_eq!((read_again, others), (records, 0));
});
