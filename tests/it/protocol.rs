//! protocol.md against the code: each table row by row in both directions, each example byte by byte.

use std::{collections::BTreeSet, fs, path::Path};

use clocklab::{
    clock::{ClockKind, HybridTime, Origin, Timestamp, VectorStamp, VersionVector},
    control::Command,
    kv,
    mesh::{self, open},
    model::{STAMP, Stamp},
    trace::{
        DataNote, Event, FORMAT_LINE, FaultNote, Footer, Header, Kind, Line, LineWriter, LogReader, Mishaps,
        Recipients, Record, StoreChange, Stretch, Traffic, WallTime,
    },
    units::{MachineId, Speed},
    wire::{
        self, Control, Decoder, ErrorCode, HANDSHAKE_LENGTH_MAX, Handshake, Hello, MAGIC, Message, Reason,
        Role, Secret, Standing, Trust, encode_frame, kind,
    },
};

mod clients;
mod open_mesh;
mod replicas;
mod writes;

const PROTOCOL: &str = include_str!("../../protocol.md");

/// The limits as the code has them: a line each.
const LIMITS: &[(&str, u64)] = &[
    ("HANDSHAKE_LENGTH_MAX", wire::HANDSHAKE_LENGTH_MAX as u64),
    ("FRAME_LENGTH_MAX", wire::FRAME_LENGTH_MAX as u64),
    ("RUN_ID_BYTES_MAX", wire::RUN_ID_BYTES_MAX as u64),
    ("ERROR_TEXT_BYTES_MAX", wire::ERROR_TEXT_BYTES_MAX as u64),
    ("COMMAND_BYTES_MAX", wire::COMMAND_BYTES_MAX as u64),
    ("ANSWER_BYTES_MAX", wire::ANSWER_BYTES_MAX as u64),
    ("UNSENT_BYTES_MAX", mesh::UNSENT_BYTES_MAX as u64),
    ("STRANGERS_MAX", mesh::STRANGERS_MAX as u64),
    ("HANDSHAKE_MS_MAX", mesh::HANDSHAKE_MS_MAX),
    ("COMMANDERS_MAX", mesh::COMMANDERS_MAX as u64),
    ("COMMAND_IDLE_MS_MAX", mesh::COMMAND_IDLE_MS_MAX),
    ("DRAIN_MS_MAX", mesh::DRAIN_MS_MAX),
    ("ANSWER_EXTRA_BYTES_MAX", wire::ANSWER_EXTRA_BYTES_MAX as u64),
    ("QUIET_MAX", open::QUIET_MAX as u64),
    ("LINKS_MAX", open::LINKS_MAX as u64),
    ("CLIENTS_MAX", open::CLIENTS_MAX as u64),
    ("PIPELINE_MAX", open::PIPELINE_MAX as u64),
    ("UNREAD_PAUSE_BYTES_MAX", open::UNREAD_PAUSE_BYTES_MAX as u64),
    ("UNREAD_BYTES_MAX", open::UNREAD_BYTES_MAX as u64),
    ("UNREAD_ALL_BYTES_MAX", open::UNREAD_ALL_BYTES_MAX as u64),
    ("HELD_BYTES_MAX", open::HELD_BYTES_MAX as u64),
    ("UNREAD_MS_MAX", open::UNREAD_MS_MAX),
    ("CONNECT_MS_MAX", open::CONNECT_MS_MAX),
    ("DESK_MAX", open::DESK_MAX as u64),
];

type Row = Vec<String>;

/// The cells of a table's line, without their quotes.
fn cells(line: &str) -> Row {
    line.trim()
        .trim_matches('|')
        .split('|')
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .collect()
}

/// The rows of the one table in `text` whose head is `head`.
fn table_in(text: &str, head: &[&str]) -> Vec<Row> {
    let mut tables = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with('|') && cells(line) == head {
            assert!(
                lines.next().is_some_and(|line| line.starts_with("|---")),
                "a line below {head:?}"
            );
            let rows: Vec<Row> = lines
                .by_ref()
                .take_while(|line| line.starts_with('|'))
                .map(cells)
                .collect();
            tables.push(rows);
        }
    }
    assert_eq!(tables.len(), 1, "tables with the head {head:?}");
    let rows = tables.remove(0);
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row.len() == head.len()),
        "{head:?}: {rows:?}"
    );
    rows
}

fn table(head: &[&str]) -> Vec<Row> {
    table_in(PROTOCOL, head)
}

/// The words in back quotes of the paragraph part that begins with `start`, up to the next blank line.
fn quoted_behind(start: &str) -> BTreeSet<String> {
    let place = PROTOCOL
        .find(start)
        .unwrap_or_else(|| panic!("protocol.md lacks `{start}`"));
    let rest = &PROTOCOL[place..];
    let paragraph = rest.split("\n\n").next().unwrap();
    paragraph
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    }
    .unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

/// Asserts that both sides have the same entries; says which is missing where.
fn assert_same<T: Ord + std::fmt::Debug>(
    document: impl IntoIterator<Item = T>,
    code: impl IntoIterator<Item = T>,
) {
    let (document, code): (Vec<T>, Vec<T>) = (document.into_iter().collect(), code.into_iter().collect());
    for entry in &document {
        assert!(code.contains(entry), "the code lacks {entry:?} of protocol.md");
    }
    for entry in &code {
        assert!(
            document.contains(entry),
            "protocol.md lacks {entry:?} of the code"
        );
    }
    assert_eq!(
        document.len(),
        code.len(),
        "an entry stands twice: {document:?} {code:?}"
    );
}

/// The text of every source file of a module.
fn source_of(module: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

/// The names of constants whose declaration begins with `start` in `text`.
fn constants<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| line.trim_start().strip_prefix(start))
        .filter_map(|rest| rest.split_once(':'))
        .map(|(name, _)| name)
}

mod tables {
    use super::*;

    #[test]
    fn limits_are_those_of_the_code() {
        let mut document = Vec::new();
        for row in table(&["limit", "value", "what happens at the limit"]) {
            document.push((row[0].clone(), number(&row[1])));
        }
        assert_same(
            document,
            LIMITS.iter().map(|(name, value)| ((*name).to_owned(), *value)),
        );
    }

    #[test]
    fn no_limit_of_the_wire_or_the_mesh_is_left_out() {
        let (wire, mesh) = (source_of("wire"), source_of("mesh") + &source_of("mesh/open"));
        for name in constants(&wire, "pub const ").filter(|name| name.ends_with("_MAX")) {
            assert!(
                LIMITS.iter().any(|(known, _)| *known == name),
                "wire::{name} is not compared"
            );
        }
        for name in constants(&mesh, "pub const ").filter(|name| name.ends_with("_MAX")) {
            assert!(
                LIMITS.iter().any(|(known, _)| *known == name),
                "mesh::{name} is not compared"
            );
        }
    }

    #[test]
    fn kinds_are_those_of_the_code() {
        let code = [
            ("hello", kind::HELLO),
            ("ready", kind::READY),
            ("goodbye", kind::GOODBYE),
            ("error", kind::ERROR),
            ("proof", kind::PROOF),
            ("command", kind::COMMAND),
            ("answer", kind::ANSWER),
            ("stamp", STAMP),
            ("request", kv::REQUEST),
            ("reply", kv::REPLY),
        ];
        let document = table(&["kind", "name", "body"]);
        assert_same(
            document.iter().map(|row| (row[1].clone(), number(&row[0]))),
            code.iter()
                .map(|(name, kind)| ((*name).to_owned(), u64::from(*kind))),
        );
        // The list above has each constant of `wire::kind`.
        let source = source_of("wire");
        let names =
            constants(&source, "pub const ").filter(|name| source.contains(&format!("const {name}: u8")));
        for name in names.filter(|name| *name != "CONTROL_LAST") {
            assert!(
                code.iter().any(|(known, _)| known.to_uppercase() == name),
                "kind::{name} is not compared"
            );
        }
    }

    #[test]
    fn commands_are_those_of_the_code() {
        let mut first_words = BTreeSet::new();
        for row in table(&["command", "what it does", "answer"]) {
            for command in row[0].split(" or ") {
                let example = command
                    .replace("NUMBER", "7")
                    .replace("FAULT", "kill 1")
                    .replace("[for TIME]", "for 5s")
                    .replace(" N", " 3");
                let read = example.parse::<Command>();
                assert!(read.is_ok(), "{command}: {read:?}");
                first_words.extend(command.split(' ').next().map(str::to_owned));
            }
        }
        // The error for what is no command names them all.
        let names = "".parse::<Command>().unwrap_err();
        let (_, names) = names.split_once(": ").unwrap();
        let words = names.replace(" or ", ", ");
        let words = words
            .split(", ")
            .map(|part| part.split(' ').next().unwrap().to_owned());
        assert_eq!(first_words, words.collect());
    }

    #[test]
    fn kinds_lie_in_the_range_of_their_owner() {
        let ranges: Vec<(u64, u64, String)> = table(&["range", "owner"])
            .into_iter()
            .map(|row| {
                let (first, last) = row[0].split_once('–').unwrap();
                (number(first), number(last), row[1].clone())
            })
            .collect();
        for pair in ranges.windows(2) {
            assert!(
                pair[0].0 <= pair[0].1 && pair[0].1 < pair[1].0,
                "{pair:?} overlap"
            );
        }
        let owner = |kind: u64| {
            let range = ranges
                .iter()
                .find(|(first, last, _)| (*first..=*last).contains(&kind));
            range.unwrap_or_else(|| panic!("the kind {kind:#04x} has no owner"))
        };
        assert_eq!(
            owner(0),
            &(
                0,
                u64::from(kind::CONTROL_LAST),
                "control: every system".to_owned()
            )
        );
        assert!(
            owner(u64::from(STAMP))
                .2
                .starts_with(&format!("system {},", Stamp::SYSTEM))
        );
        let store = format!("system {},", kv::SYSTEM);
        assert!(owner(u64::from(kv::REQUEST)).2.starts_with(&store));
        for row in table(&["kind", "name", "body"]) {
            let (_, _, owner) = owner(number(&row[0]));
            let is_control = number(&row[0]) <= u64::from(kind::CONTROL_LAST);
            assert_eq!(
                owner.starts_with("control"),
                is_control,
                "{row:?} belongs to {owner}"
            );
        }
    }

    #[test]
    fn reasons_are_those_of_the_code() {
        assert_same(
            table(&["code", "reason", "meaning"])
                .iter()
                .map(|row| (number(&row[0]), row[1].clone())),
            Reason::ALL
                .iter()
                .map(|reason| (u64::from(reason.code()), reason.name().to_owned())),
        );
    }

    #[test]
    fn errors_are_those_of_the_code() {
        let definiteness = |code: &ErrorCode| {
            if code.is_definite() {
                "definite"
            } else {
                "indefinite"
            }
        };
        assert_same(
            table(&["code", "name", "kind", "meaning"])
                .iter()
                .map(|row| (number(&row[0]), row[1].clone(), row[2].clone())),
            ErrorCode::ALL.iter().map(|code| {
                (
                    u64::from(code.code()),
                    code.name().to_owned(),
                    definiteness(code).to_owned(),
                )
            }),
        );
    }

    #[test]
    fn errors_are_called_by_their_names_throughout() {
        let names: Vec<&str> = PROTOCOL
            .split("error `")
            .skip(1)
            .filter_map(|rest| rest.split('`').next())
            .collect();
        assert!(names.len() >= 6, "{names:?}");
        for name in names {
            assert!(
                ErrorCode::from_name(name).is_some(),
                "protocol.md speaks of the error `{name}`"
            );
        }
        let judgement = quoted_behind("Judgement, in this order:");
        let unknown: Vec<&String> = judgement
            .iter()
            .filter(|name| ErrorCode::from_name(name).is_none())
            .collect();
        assert!(judgement.len() >= 9 && unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn clock_kinds_are_those_of_the_code() {
        assert_same(
            table(&["clock kind", "name", "timestamp"])
                .iter()
                .map(|row| (number(&row[0]), row[1].clone())),
            ClockKind::ALL
                .iter()
                .map(|kind| (u64::from(kind.code()), kind.name().to_owned())),
        );
    }

    #[test]
    fn the_magic_and_the_version_are_those_of_the_code() {
        let magic: Vec<String> = MAGIC.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = String::from_utf8(MAGIC.to_vec()).unwrap();
        assert!(PROTOCOL.contains(&format!("The magic is `{}` (\"{text}\")", magic.join(" "))));
        assert!(PROTOCOL.contains(&format!("# The clocklab protocol, version {}\n", wire::VERSION)));
    }
}

mod log {
    use super::*;

    const AT: WallTime = WallTime(1_795_216_561_373_456);

    fn machines(ids: &[u16]) -> Vec<MachineId> {
        ids.iter().copied().map(MachineId).collect()
    }

    /// An event line's kind and keys, as the writer gives them; a remark's name and keys.
    fn written(record: &Record) -> (String, BTreeSet<String>) {
        let mut line = Vec::new();
        LineWriter::default().write(AT, record, &mut line);
        let line = String::from_utf8(line).unwrap();
        let key = |word: &str| word.split('=').next().unwrap().to_owned();
        let mut words = line.trim_end().split(' ').skip(1).map(key);
        (words.next().unwrap(), words.collect())
    }

    fn event(kind: Kind, is_vector: bool) -> Record {
        Record::Event(Event {
            tick: 1,
            clock: 2,
            vector: is_vector.then(|| vec![1, 2].into_boxed_slice()),
            hybrid: is_vector.then_some(HybridTime {
                physical_us: 1,
                logical: 0,
            }),
            store: None,
            kind,
        })
    }

    /// The kind that follows in the order of their declaration: a new one has to be put in here.
    fn kind_behind(kind: Option<&Kind>) -> Option<Kind> {
        match kind {
            None => Some(Kind::Internal),
            Some(Kind::Internal) => Some(Kind::Send {
                to: machines(&[1]).into(),
                mishaps: None,
            }),
            Some(Kind::Send { .. }) => Some(Kind::Receive {
                from: MachineId(1),
                sent: 1,
                queue: 0,
                waited_us: None,
            }),
            // `Other` stands for what is not in the table.
            Some(Kind::Receive { .. } | Kind::Other) => None,
        }
    }

    fn footer() -> Footer {
        Footer {
            ended: AT,
            reason: Some(Reason::PeerLost),
            ..Footer::default()
        }
    }

    /// The remark that follows in the order of their declaration: a new one has to be put in here.
    fn remark_behind(record: Option<&Record>) -> Option<Record> {
        let peer = MachineId(1);
        match record {
            None => Some(Record::LinkUp { peer, incarnation: 1 }),
            Some(Record::LinkUp { .. }) => Some(Record::LinkLost { peer }),
            Some(Record::LinkLost { .. }) => Some(Record::Stall {
                late_us: 1,
                skipped: 1,
            }),
            Some(Record::Stall { .. }) => Some(Record::Fault(Box::new(FaultNote {
                id: 1,
                kind: "loss".to_owned(),
                to: Recipients::new(),
                detail: String::new(),
            }))),
            Some(Record::Fault(_)) => Some(Record::Mended { id: 1 }),
            Some(Record::Mended { .. }) => Some(Record::Paused),
            Some(Record::Paused) => Some(Record::Stepped { ticks: 1 }),
            Some(Record::Stepped { .. }) => Some(Record::Pace { rate: 1, next_us: 1 }),
            Some(Record::Pace { .. }) => Some(Record::Jumped {
                ticks: 1,
                physical_us: -1,
            }),
            Some(Record::Jumped { .. }) => Some(Record::Restarted { incarnation: 2 }),
            Some(Record::Restarted { .. }) => Some(Record::Data(Box::new(DataNote {
                known: VersionVector::new(),
                digest: 1,
            }))),
            Some(Record::Data(_)) => Some(Record::Ended(Box::new(footer()))),
            Some(Record::Ended(_) | Record::Event(_)) => None,
        }
    }

    fn named(row: &Row) -> (String, BTreeSet<String>) {
        (
            row[0].clone(),
            row[1].split_whitespace().map(str::to_owned).collect(),
        )
    }

    #[test]
    fn event_kinds_and_their_keys_are_those_of_the_writer() {
        let kinds = std::iter::successors(kind_behind(None), |kind| kind_behind(Some(kind)));
        assert_same(
            table(&["kind", "keys", "meaning"]).iter().map(named),
            kinds.map(|kind| written(&event(kind, false))),
        );
    }

    #[test]
    fn optional_keys_are_those_of_the_writer() {
        let send = Kind::Send {
            to: machines(&[1, 2]).into(),
            mishaps: Mishaps {
                dropped: machines(&[2]).into(),
                lost: machines(&[2]).into(),
                duplicated: machines(&[2]).into(),
                unordered: machines(&[2]).into(),
            }
            .into_event(),
        };
        let receive = Kind::Receive {
            from: MachineId(1),
            sent: 1,
            queue: 0,
            waited_us: Some(1),
        };
        let optional = [send, receive].map(|kind| {
            let (name, all) = written(&event(kind, true));
            let rows = table(&["kind", "keys", "meaning"]);
            let required = named(rows.iter().find(|row| row[0] == name).unwrap()).1;
            all.difference(&required).cloned().collect::<Vec<_>>()
        });
        let optional: BTreeSet<String> = optional.into_iter().flatten().collect();
        assert_same(quoted_behind("Optional keys: "), optional);
    }

    #[test]
    fn keys_of_a_store_are_those_of_the_writer() {
        let origin = Origin {
            machine: MachineId(1),
            incarnation: 1,
        };
        let stretch = Stretch {
            origin,
            first: 1,
            last: 2,
        };
        let mut record = event(Kind::Internal, false);
        if let Record::Event(event) = &mut record {
            event.store = Some(Box::new(StoreChange {
                wrote: Some(stretch),
                needs: vec![(1, [(origin, 1)].into_iter().collect())],
                applied: vec![stretch],
                adopted: Some(VersionVector::new()),
            }));
        }
        let required = written(&event(Kind::Internal, false)).1;
        let keys: Vec<String> = written(&record).1.difference(&required).cloned().collect();
        let rows = table(&["key", "value", "meaning"]);
        assert_same(rows.iter().map(|row| row[0].clone()), keys);
    }

    #[test]
    fn remarks_and_their_keys_are_those_of_the_writer() {
        let remarks = std::iter::successors(remark_behind(None), |record| remark_behind(Some(record)));
        assert_same(
            table(&["remark", "keys", "meaning"]).iter().map(named),
            remarks.map(|record| written(&record)),
        );
    }

    #[test]
    fn the_footers_further_keys_are_those_of_the_writer() {
        let full = Footer {
            ended: AT,
            reason: Some(Reason::PeerLost),
            peer: Some(MachineId(1)),
            ticks: 1,
            queued: 1,
            waiting: vec![0, 1],
            goodbye: machines(&[1]),
            tick_error_us_mean: Some(1),
            tick_error_us_max: Some(1),
            stalls: Some(1),
            ticking_us: Some(1),
            suspended_us: Some(1),
            frames_sent: Some(1),
            bytes_sent: Some(1),
        };
        let (_, least) = written(&Record::Ended(Box::new(footer())));
        let (_, all) = written(&Record::Ended(Box::new(full)));
        let document = quoted_behind("The footer's further keys:");
        assert_same(
            document
                .into_iter()
                .filter(|word| Reason::from_name(word).is_none()),
            all.difference(&least).cloned(),
        );
    }

    /// The example of section 7, without its indentation.
    fn example() -> String {
        let place = PROTOCOL
            .find(&format!("    {FORMAT_LINE}\n"))
            .expect("an example log");
        PROTOCOL[place..]
            .lines()
            .map_while(|line| line.strip_prefix("    "))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    #[test]
    fn the_example_reads_as_what_it_says_and_is_written_the_same() {
        let log = example();
        let mut reader = LogReader::new("protocol.md", log.as_bytes()).unwrap();
        let header = reader.header().clone();
        assert_eq!(
            header,
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
                started: WallTime(AT.0 - 250_000),
            }
        );
        let mut writer = LineWriter::default();
        let mut again = Vec::new();
        writer.write_header(&header, &mut again);
        let mut kinds = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            let Line::Record { at, record } = entry.what else {
                panic!("line {} is unknown", entry.line)
            };
            writer.write(at, &record, &mut again);
            kinds.push(written(&record).0);
        }
        assert_eq!(String::from_utf8(again).unwrap(), log);
        assert_eq!(kinds, ["internal", "send", "send", "receive", "ended"]);
    }

    #[test]
    fn the_header_of_the_example_has_each_required_key() {
        let log = example();
        let line = log.lines().nth(1).unwrap();
        let shown: BTreeSet<String> = line
            .split(' ')
            .skip(1)
            .map(|word| word.split('=').next().unwrap().to_owned())
            .collect();
        let optional = quoted_behind("the keys shown are required there");
        for key in &shown {
            let rest: Vec<&str> = line
                .split(' ')
                .filter(|word| !word.starts_with(&format!("{key}=")))
                .collect();
            let cut = format!("{FORMAT_LINE}\n{}\n", rest.join(" "));
            let is_read = LogReader::new("cut", cut.as_bytes()).is_ok();
            assert_eq!(is_read, optional.contains(key), "a header without `{key}`");
        }
        assert!(optional.contains("phase_us") && !shown.contains("phase_us"));
    }
}

mod examples {
    use super::*;

    /// A hex example and the words in front of it.
    #[derive(Debug)]
    struct Example {
        words: String,
        bytes: Vec<u8>,
    }

    /// Every indented line that ends with five or more pairs of hex digits; the words stand before them or on
    /// the line above.
    fn examples() -> Vec<Example> {
        let mut above = "";
        let mut examples = Vec::new();
        for line in PROTOCOL.lines().filter(|line| !line.trim().is_empty()) {
            let pairs = line.split_whitespace().rev().map_while(|word| {
                let is_pair = word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
                is_pair.then(|| u8::from_str_radix(word, 16).unwrap())
            });
            let mut bytes: Vec<u8> = pairs.collect();
            bytes.reverse();
            // Layouts without a frame around them are compared in `clients` and `writes`, another mesh's hello in
            // `open_mesh`, replicas' in `replicas`.
            let starts = [
                "    request,",
                "    reply,",
                "    layout,",
                "    hello,",
                "    replica,",
            ];
            let is_layout = starts.iter().any(|start| line.starts_with(start));
            if line.starts_with("    ") && bytes.len() >= 5 && !is_layout {
                let label = line.split_once(':').map_or("", |(label, _)| label);
                let words = if label.is_empty() { above } else { label };
                let words = words.trim().trim_end_matches(':').to_owned();
                examples.push(Example { words, bytes });
            }
            above = line;
        }
        examples
    }

    /// `lamport 17`; `vector 17` and `full 4 9 300` or `changes 2=17 5=1`; `hybrid 17` and `1795216561373456.2`.
    fn timestamp(words: &[&str]) -> Timestamp {
        let (kind, lamport) = words[0].split_once(' ').unwrap();
        let lamport = number(lamport);
        match kind {
            "lamport" => Timestamp::Lamport(lamport),
            "vector" => {
                let (form, entries) = words[1].split_once(' ').unwrap();
                let entries = entries.split(' ');
                let vector = match form {
                    "full" => VectorStamp::Full(entries.map(number).collect()),
                    "changes" => {
                        let change = |text: &str| {
                            let (machine, entry) = text.split_once('=').unwrap();
                            (machine.parse().unwrap(), number(entry))
                        };
                        VectorStamp::Changes(entries.map(change).collect())
                    }
                    form => panic!("{form}"),
                };
                let vector = Box::new(vector);
                Timestamp::Vector { lamport, vector }
            }
            "hybrid" => {
                let (physical_us, logical) = words[1].split_once('.').unwrap();
                let hybrid = HybridTime {
                    physical_us: number(physical_us),
                    logical: logical.parse().unwrap(),
                };
                Timestamp::Hybrid { lamport, hybrid }
            }
            kind => panic!("{kind}"),
        }
    }

    /// What the words in front of an example mean, encoded.
    fn meaning(words: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let parts: Vec<&str> = words.splitn(3, ", ").collect();
        match parts.as_slice() {
            ["ready"] => Control::Ready.encode(&mut bytes),
            ["goodbye", reason, because] => {
                let reason = Reason::from_name(reason).unwrap();
                let origin = because
                    .strip_prefix("because of machine ")
                    .unwrap()
                    .parse()
                    .unwrap();
                Control::Goodbye { reason, origin }.encode(&mut bytes);
            }
            ["error", code, text] => Control::Error {
                code: ErrorCode::from_name(code).unwrap(),
                text: text.trim_matches('"').to_owned(),
            }
            .encode(&mut bytes),
            ["proof", "of the dialler"] => {
                let hello = |sender: u16, nonce: u8| Hello {
                    system: Stamp::SYSTEM,
                    machines: 3,
                    sender: MachineId(sender),
                    receiver: MachineId(1 - sender),
                    incarnation: 1,
                    trust: Trust::Secret {
                        nonce: [nonce; wire::NONCE_BYTES],
                    },
                    standing: Standing::Proposed,
                    run: "20261120-231601".parse().unwrap(),
                };
                let handshake = Handshake {
                    dialler: &hello(1, 1),
                    accepter: &hello(0, 2),
                };
                let secret = Secret::new(&"0".repeat(32)).unwrap();
                Control::Proof(handshake.proof(&secret, Role::Dialler)).encode(&mut bytes);
            }
            ["command", text] => Control::Command(text.trim_matches('"').to_owned()).encode(&mut bytes),
            ["answer", accepted, text] => Control::Answer {
                accepted: *accepted == "accepted",
                text: text.trim_matches('"').to_owned(),
            }
            .encode(&mut bytes),
            ["stamp", ..] => {
                let stamp = Stamp(timestamp(&parts[1..]));
                encode_frame(&mut bytes, stamp.kind(), |body| stamp.encode(body));
            }
            // Machine 1 of 3 dials machine 0 and proposes run `20261120-231601`
            [sentence] => {
                let rest = sentence.strip_prefix("Machine ").unwrap();
                let (sender, rest) = rest.split_once(" of ").unwrap();
                let (machines, rest) = rest.split_once(" dials machine ").unwrap();
                let (receiver, rest) = rest.split_once(" and proposes run ").unwrap();
                Hello {
                    system: Stamp::SYSTEM,
                    machines: machines.parse().unwrap(),
                    sender: sender.parse().unwrap(),
                    receiver: receiver.parse().unwrap(),
                    incarnation: 1,
                    trust: Trust::Open,
                    standing: Standing::Proposed,
                    run: rest.trim_matches('`').parse().unwrap(),
                }
                .encode(&mut bytes);
            }
            _ => panic!("an example without a meaning: {words}"),
        }
        bytes
    }

    #[test]
    fn there_is_one_of_each_kind() {
        let all = examples();
        let (stamps, others): (Vec<&Example>, Vec<_>) =
            all.iter().partition(|example| example.bytes[4] == STAMP);
        let kinds = others.iter().map(|example| u64::from(example.bytes[4]));
        // The store's are shown in `clients`.
        let listed = table(&["kind", "name", "body"]);
        let listed = listed.iter().map(|row| number(&row[0]));
        assert_same(
            listed.filter(|kind| *kind < 0x20),
            kinds.chain([u64::from(STAMP)]),
        );
        // Of stamps one a clock kind and form; the form of a vector stands behind Lamport's clock, here one byte or two.
        let form = |bytes: &[u8]| bytes[if bytes[6] < 0x80 { 7 } else { 8 }];
        let shown = stamps.iter().map(|stamp| match stamp.bytes[5] {
            2 => (2, Some(u64::from(form(&stamp.bytes)))),
            kind => (u64::from(kind), None),
        });
        let kinds = table(&["clock kind", "name", "timestamp"]);
        let forms = table(&["form", "name", "behind it"]);
        let listed = kinds.iter().flat_map(|row| match number(&row[0]) {
            2 => forms.iter().map(|row| (2, Some(number(&row[0])))).collect(),
            kind => vec![(kind, None)],
        });
        assert_same(listed, shown);
    }

    #[test]
    fn each_encodes_from_its_words() {
        for example in examples() {
            assert_eq!(meaning(&example.words), example.bytes, "{}", example.words);
        }
    }

    #[test]
    fn each_decodes_as_one_frame_and_encodes_again() {
        for Example { words, bytes } in examples() {
            let mut decoder = Decoder::new(HANDSHAKE_LENGTH_MAX);
            decoder.extend(&bytes);
            let frame = decoder
                .next_frame()
                .unwrap()
                .unwrap_or_else(|| panic!("{words}: more bytes are needed"));
            let mut again = Vec::new();
            match frame.kind {
                kind::HELLO => Hello::decode(frame.body).unwrap().encode(&mut again),
                STAMP => {
                    let stamp = Stamp::decode(frame.kind, frame.body).unwrap();
                    encode_frame(&mut again, stamp.kind(), |body| stamp.encode(body));
                }
                _ => Control::decode(frame.kind, frame.body)
                    .unwrap()
                    .encode(&mut again),
            }
            assert_eq!(again, bytes, "{words}");
            assert_eq!(decoder.waiting(), 0, "{words}");
        }
    }
}

mod comparison {
    use super::*;

    const TEXT: &str = "| a | b |\n|---|---|\n| `1` | x |\n| 2 | y |\n\n| c |\n|---|\n| 1 |\n";

    #[test]
    fn a_table_is_found_by_its_head() {
        assert_eq!(table_in(TEXT, &["a", "b"]), [["1", "x"], ["2", "y"]]);
    }

    #[test]
    #[should_panic(expected = "tables with the head")]
    fn a_table_that_is_gone_fails() {
        table_in(TEXT, &["a"]);
    }

    #[test]
    #[should_panic(expected = "the code lacks 2")]
    fn a_row_that_the_code_lacks_fails() {
        assert_same([1, 2], [1]);
    }

    #[test]
    #[should_panic(expected = "protocol.md lacks 2")]
    fn a_row_that_the_document_lacks_fails() {
        assert_same([1], [1, 2]);
    }

    #[test]
    #[should_panic(expected = "stands twice")]
    fn a_row_that_stands_twice_fails() {
        assert_same([1, 1], [1]);
    }
}
