//! The log's lines both ways, and every way in which a file can be less than a log.

mod round_trip;
mod times;

use super::*;
use crate::{
    clock::{ClockKind, HybridTime, Origin, VersionVector},
    units::{MachineId, Speed},
    wire::{Reason, RunId},
};

const HEADER: &str = "# machine=0 machines=3 rate=4 draw=10 clock=lamport seed=7 run=20261120-231601 \
    started=2026-11-20T23:16:01.123456Z";

const AT: &str = "2026-11-20T23:16:01.373456Z";

/// 2026-11-20T23:16:01.373456Z.
const AT_US: i64 = 1_795_216_561_373_456;

/// A log of the header and `rest`.
fn log_of(rest: &str) -> String {
    format!("{FORMAT_LINE}\n{HEADER}\n{rest}")
}

/// What a whole log says: its records with their times, and the errors of the lines that cannot be read.
fn read(log: &[u8]) -> (Vec<(WallTime, Record)>, Vec<String>) {
    let mut reader = LogReader::new("a.log", log).unwrap();
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    loop {
        match reader.next_entry() {
            Ok(None) => return (records, errors),
            Ok(Some(Entry {
                what: Line::Record { at, record },
                ..
            })) => records.push((at, record)),
            Ok(Some(Entry {
                what: Line::Unknown, ..
            })) => {}
            Err(error) => errors.push(error.to_string()),
        }
    }
}

/// The one record of a log with one line behind its header.
fn record_of(line: &str) -> Result<Record, String> {
    let (mut records, mut errors) = read(log_of(&format!("{line}\n")).as_bytes());
    match (records.len(), errors.len()) {
        (1, 0) => Ok(records.remove(0).1),
        (0, 1) => Err(errors.remove(0)),
        _ => panic!("{line}: {records:?} {errors:?}"),
    }
}

fn event_of(fields: &str) -> Result<Event, String> {
    record_of(&format!("{AT} {fields}")).map(|record| match record {
        Record::Event(event) => event,
        other => panic!("{fields}: {other:?}"),
    })
}

fn written(records: &[(WallTime, Record)]) -> Vec<u8> {
    let mut output = Vec::new();
    let mut writer = LineWriter::default();
    writer.write_header(&header(), &mut output);
    for (at, record) in records {
        writer.write(*at, record, &mut output);
    }
    output
}

fn header() -> Header {
    Header {
        speed: Speed::NORMAL,
        machine: MachineId(0),
        machines: 3,
        rate: Some(4),
        draw: Some(10),
        traffic: Traffic::Assignment,
        phase_us: None,
        clock: ClockKind::Lamport,
        incarnation: None,
        seed: 7,
        run: "20261120-231601".parse().unwrap(),
        started: WallTime(AT_US - 250_000),
    }
}

fn machines(ids: &[u16]) -> Recipients {
    ids.iter().copied().map(MachineId).collect()
}

#[test]
fn unknown_kinds_are_accepted_whatever_their_keys_hold() {
    for fields in [
        "commit tick=4 clock=9",
        "commit tick=4 clock=9 from=client-a sent=no to=all queue=",
        "commit clock=9 tick=4 to=2,1 vector=x",
    ] {
        let event = event_of(fields).unwrap();
        assert_eq!(
            (event.tick, event.clock, event.kind),
            (4, 9, Kind::Other),
            "{fields}"
        );
    }
}

#[test]
fn unknown_remarks_are_accepted() {
    for line in [
        "# note=anything goes here",
        "# ",
        "# free text",
        "# comment=1 comment=2",
    ] {
        let (records, errors) = read(log_of(&format!("{line}\n")).as_bytes());
        assert_eq!((records.len(), errors.as_slice()), (0, [].as_slice()), "{line}");
    }
}

#[test]
fn a_missing_key_is_an_error_that_names_line_and_key() {
    for (whole, keys) in [
        ("internal tick=1 clock=2", vec!["tick", "clock"]),
        ("send tick=1 clock=2 to=1", vec!["tick", "clock", "to"]),
        (
            "receive tick=1 clock=2 from=1 sent=1 queue=0",
            vec!["tick", "clock", "from", "sent", "queue"],
        ),
    ] {
        assert!(event_of(whole).is_ok());
        for key in keys {
            let fields: Vec<&str> = whole
                .split(' ')
                .filter(|word| !word.starts_with(&format!("{key}=")))
                .collect();
            let error = event_of(&fields.join(" ")).unwrap_err();
            assert!(
                error.starts_with("a.log, line 3: ") && error.contains(&format!("`{key}`")),
                "{error}"
            );
        }
    }
    for (line, key) in [
        (format!("# link-up={AT}"), "peer"),
        (format!("# link-lost={AT}"), "peer"),
        (format!("# stall={AT} skipped=1"), "late_us"),
        (format!("# stall={AT} late_us=1"), "skipped"),
        (format!("# ended={AT} ticks=1 queued=0"), "reason"),
        (format!("# ended={AT} reason=limit queued=0"), "ticks"),
        (format!("# ended={AT} reason=limit ticks=1"), "queued"),
    ] {
        let error = record_of(&line).unwrap_err();
        assert!(
            error.contains("line 3") && error.contains(&format!("`{key}`")),
            "{error}"
        );
    }
}

#[test]
fn a_key_that_stands_twice_is_an_error_that_names_it() {
    let lines = [
        ("tick", format!("{AT} internal tick=1 clock=1 tick=1")),
        ("clock", format!("{AT} internal tick=1 clock=1 clock=2")),
        ("to", format!("{AT} send tick=1 clock=1 to=1 to=2")),
        (
            "from",
            format!("{AT} receive tick=1 clock=1 from=1 from=1 sent=0 queue=0"),
        ),
        (
            "vector",
            format!("{AT} internal tick=1 clock=1 vector=1 vector=1"),
        ),
        ("peer", format!("# link-up={AT} peer=1 peer=1")),
        ("late_us", format!("# stall={AT} late_us=1 late_us=1 skipped=1")),
        (
            "reason",
            format!("# ended={AT} reason=limit reason=limit ticks=1 queued=0"),
        ),
        (
            "waiting",
            format!("# ended={AT} reason=limit ticks=1 queued=0 waiting=1 waiting=2"),
        ),
        (
            "goodbye",
            format!("# ended={AT} reason=limit ticks=1 queued=0 goodbye=1 goodbye=2"),
        ),
        (
            "stalls",
            format!("# ended={AT} reason=limit ticks=1 queued=0 stalls=1 stalls=1"),
        ),
    ];
    for (key, line) in lines {
        let error = record_of(&line).unwrap_err();
        assert!(
            error.contains("line 3") && error.contains(&format!("`{key}` stands twice")),
            "{error}"
        );
    }
}

#[test]
fn a_value_that_is_none_is_an_error_that_names_key_and_value() {
    for pair in [
        "tick=",
        "tick=-1",
        "tick=+1",
        "tick=1.0",
        "tick=x",
        "tick=0x1",
        "tick=18446744073709551616",
        "clock=99999999999999999999",
        "to=",
        "to=1,",
        "to=,1",
        "to=1,,2",
        "to=65536",
        "to=2,1",
        "to=1,1",
        "to=a",
        "dropped=3,2",
        "from=65536",
        "from=-1",
        "sent=nine",
        "queue=",
        "vector=1,x",
    ] {
        let key = pair.split('=').next().unwrap();
        let others = ["tick=1", "clock=2", "to=1", "from=1", "sent=1", "queue=0"];
        let fields: Vec<&str> = others
            .into_iter()
            .filter(|other| !other.starts_with(&format!("{key}=")))
            .chain([pair])
            .collect();
        let kind = if matches!(key, "to" | "dropped") {
            "send"
        } else {
            "receive"
        };
        let error = event_of(&format!("{kind} {}", fields.join(" "))).unwrap_err();
        assert!(error.contains("line 3"), "{error}");
        // A send without a recipient is said in words.
        assert!(error.contains(key) || pair == "to=", "{pair}: {error}");
    }
    for pair in [
        "reason=tired",
        "reason=",
        "peer=70000",
        "waiting=1,",
        "goodbye=2,1",
        "stalls=x",
    ] {
        let reason = if pair.starts_with("reason") {
            ""
        } else {
            "reason=limit "
        };
        let error = record_of(&format!("# ended={AT} {reason}ticks=1 queued=0 {pair}")).unwrap_err();
        assert!(error.contains(&format!("`{pair}`")), "{error}");
    }
}

#[test]
fn the_largest_numbers_are_read() {
    let most = u64::MAX;
    let event = event_of(&format!(
        "receive tick={most} clock={most} from=65535 sent={most} queue={most} waited_us={most}"
    ))
    .unwrap();
    assert_eq!((event.tick, event.clock), (most, most));
    assert_eq!(
        event.kind,
        Kind::Receive {
            from: MachineId(u16::MAX),
            sent: most,
            queue: most,
            waited_us: Some(most)
        }
    );
    assert_eq!(event_of("internal tick=0001 clock=00").unwrap().tick, 1);
}

#[test]
fn words_that_are_no_fields_are_errors() {
    for line in [
        "internal tick=1 clock=1",
        "",
        " ",
        "garbage",
        &format!("{AT} internal tick=1 clock=1 word"),
        &format!("{AT} internal tick=1  clock=1"),
        &format!("{AT}  internal tick=1 clock=1"),
        &format!("{AT} "),
        AT,
    ] {
        if line.is_empty() {
            assert_eq!(
                read(log_of("\n").as_bytes()),
                (vec![], vec![]),
                "a blank line says nothing"
            );
            continue;
        }
        let error = record_of(line).unwrap_err();
        assert!(error.contains("line 3"), "{line}: {error}");
    }
}

#[test]
fn lines_behind_a_bad_one_are_read() {
    let log = log_of(&format!(
        "{AT} internal tick=1 clock=1\n\ngarbage\n{AT} internal tick=2 clock=2\n"
    ));
    let mut reader = LogReader::new("a.log", log.as_bytes()).unwrap();
    assert_eq!(reader.file(), "a.log");
    assert_eq!(reader.next_entry().unwrap().unwrap().line, 3);
    let error = reader.next_entry().unwrap_err();
    assert!(matches!(error, ReadError::Line { line: 5, .. }), "{error}");
    assert_eq!(reader.next_entry().unwrap().unwrap().line, 6);
    assert_eq!(reader.next_entry().unwrap(), None);
    assert_eq!(reader.next_entry().unwrap(), None, "the end stays");
}

#[test]
fn a_line_without_its_line_feed_is_left_out_and_counted() {
    let line = format!("{AT} internal tick=1 clock=1");
    for cut in 0..=line.len() {
        let log = log_of(&line[..cut]);
        let mut reader = LogReader::new("a.log", log.as_bytes()).unwrap();
        assert_eq!(reader.next_entry().unwrap(), None);
        assert_eq!(reader.cut_bytes(), cut);
    }
}

#[test]
fn carriage_returns_are_taken_off() {
    let log = log_of(&format!(
        "{AT} send tick=1 clock=1 to=1,2\n# ended={AT} reason=limit ticks=1 queued=0\n"
    ));
    let windows = log.replace('\n', "\r\n");
    assert_eq!(read(log.as_bytes()).0.len(), 2);
    assert_eq!(read(windows.as_bytes()), read(log.as_bytes()));
}

#[test]
fn a_line_as_long_as_allowed_is_read_and_a_longer_one_refused() {
    let line_bytes_max = 1 << 20;
    let start = format!("{AT} internal tick=1 clock=1 note=");
    for (bytes, accepted) in [
        (line_bytes_max, true),
        (line_bytes_max + 1, false),
        (3 << 20, false),
    ] {
        let log = log_of(&format!("{start}{}\n", "x".repeat(bytes - start.len())));
        let mut reader = LogReader::new("a.log", log.as_bytes()).unwrap();
        let result = reader.next_entry();
        assert_eq!(result.is_ok(), accepted, "{bytes} bytes");
        if let Err(error) = result {
            let words = error.to_string();
            assert!(words.contains("a.log") && words.contains("1048576"), "{words}");
        }
    }
    let endless = "x".repeat(2 << 20);
    assert!(LogReader::new("a.log", endless.as_bytes()).is_err());
}

#[test]
fn bytes_that_are_no_text_never_become_a_known_value() {
    for line in [
        b"\xff\xfe internal tick=1 clock=1".as_slice(),
        b"2026-11-20T23:16:01.373456Z internal tick=\xff clock=1",
        b"2026-11-20T23:16:01.373456Z internal t\xffck=1 clock=1",
        b"# ended=2026-11-20T23:16:01.373456Z reason=\xff ticks=1 queued=0",
        b"# ended=\xff reason=limit ticks=1 queued=0",
    ] {
        let log = [log_of("").as_bytes(), line, b"\n"].concat();
        let (records, errors) = read(&log);
        assert_eq!((records.len(), errors.len()), (0, 1), "{errors:?}");
        assert!(errors[0].contains("line 3"), "{errors:?}");
    }
}

#[test]
fn a_message_shows_little_of_a_long_value_and_no_control_characters() {
    let error = event_of(&format!("internal tick=\u{1b}[31m{} clock=1", "9".repeat(500))).unwrap_err();
    assert!(error.len() < 200 && !error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn a_file_that_is_no_log_is_told_so() {
    let no_log = |text: &str| match LogReader::new("a.log", text.as_bytes()) {
        Err(error @ (ReadError::NoLog { .. } | ReadError::Headless { .. })) => error.to_string(),
        other => panic!("{text}: {other:?}"),
    };
    for text in ["", "# clock", "# clocklab-log 1"] {
        assert_eq!(
            no_log(text),
            "a.log, line 1: the log ends before its header is complete"
        );
    }
    for text in [
        "\n",
        "hello\n",
        "# clocklab-log 2\n",
        "# clocklab-log 1 \n",
        "# clocklab-log 10",
        "# clocklab-log 10\n",
    ] {
        assert!(no_log(text).contains("line 1: this is no clocklab log"), "{text}");
    }
    assert!(no_log("# clocklab-log 1\n").contains("line 2"));
    assert!(no_log(&format!("# clocklab-log 1\n{HEADER}")).contains("line 2"));
    assert!(no_log("# clocklab-log 1\nmachine=0\n").contains("line 2"));
}

#[test]
fn a_header_needs_each_of_its_keys_once() {
    let result = |header: &str| {
        let log = format!("{FORMAT_LINE}\n{header}\n");
        LogReader::new("a.log", log.as_bytes())
            .map(|reader| reader.header().clone())
            .map_err(|error| error.to_string())
    };
    assert_eq!(result(HEADER), Ok(header()));
    for key in [
        "machine", "machines", "clock", "seed", "run", "started", "rate", "draw",
    ] {
        let (rest, this): (Vec<&str>, Vec<&str>) = HEADER
            .split(' ')
            .partition(|word| !word.starts_with(&format!("{key}=")));
        let without = result(&rest.join(" "));
        match key {
            "rate" | "draw" => assert!(without.is_ok(), "{key} is the scale model's own"),
            _ => {
                let error = without.unwrap_err();
                assert!(error.contains("line 2") && error.contains(key), "{error}");
            }
        }
        let error = result(&format!("{HEADER} {}", this[0])).unwrap_err();
        assert!(error.contains(&format!("`{key}` stands twice")), "{error}");
        for value in ["", "?"] {
            let error = result(&format!("{} {key}={value}", rest.join(" "))).unwrap_err();
            assert!(error.contains("line 2"), "{key}={value}: {error}");
        }
    }
    for (from, to) in [
        ("machine=0", "machine=3"),
        ("machine=0", "machine=70000"),
        ("machines=3", "machines=0"),
        ("machines=3", "machines=65536"),
        ("rate=4", "rate=4294967296"),
        ("clock=lamport", "clock=sundial"),
        ("run=20261120-231601", "run=../../etc"),
        ("started=2026-11-20T", "started=2026-11-31T"),
    ] {
        let changed = HEADER.replacen(from, to, 1);
        assert_ne!(changed, HEADER);
        let error = result(&changed).unwrap_err();
        assert!(error.contains("line 2"), "{error}");
    }
    assert!(
        result(&format!("{HEADER} phase_us=250000 host=ada"))
            .unwrap()
            .phase_us
            == Some(250_000)
    );
}

#[test]
fn a_send_to_many_keeps_its_recipients_in_order() {
    let ids: Vec<u16> = (0..200).collect();
    let record = Record::Event(Event {
        tick: 1,
        clock: 1,
        vector: None,
        hybrid: None,
        store: None,
        kind: Kind::Send {
            to: machines(&ids),
            mishaps: Mishaps {
                dropped: machines(&[3, 199]),
                ..Mishaps::default()
            }
            .into_event(),
        },
    });
    let records = vec![(WallTime(AT_US), record)];
    assert_eq!(read(&written(&records)), (records, vec![]));
}
