//! Injected faults: a file for each kind, what it does to messages in simulation and on real links, and that check
//! finds every lie about it.

mod check;
mod links;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use clocklab::{
    clock::ClockKind,
    faults::Plan,
    inspect::{self, MachineSummary, RunSummary, Style, findings, table},
    lab::{RunFile, Simulated, SimulatedFaults},
    model::Phase,
    trace::{Kind, Line, LogReader, Record, Traffic, WallTime},
};

use crate::support::free_base_port;

/// One message, as the logs tell it. Times in microseconds since the sender's start.
#[derive(Debug)]
struct Message {
    from: u16,
    to: u16,
    clock: u64,
    at: i64,
    lost: bool,
    duplicated: bool,
    unordered: bool,
    /// When its copies arrived, in the order in which they were taken.
    arrived: Vec<i64>,
}

/// What a run's logs say: messages by channel and clock, and the lines about faults, without their times.
#[derive(Debug)]
struct Told {
    messages: Vec<Message>,
    faults: Vec<String>,
    summary: RunSummary,
}

impl Message {
    /// How long its first copy was under way.
    fn delay(&self) -> i64 {
        self.arrived[0] - self.at
    }

    fn crosses(&self, channels: &[(u16, u16)]) -> bool {
        channels.contains(&(self.from, self.to))
    }

    fn is_sent_in(&self, from_ms: i64, to_ms: i64) -> bool {
        (from_ms * 1000..to_ms * 1000).contains(&self.at)
    }
}

/// Reads a folder, whose run must be valid without a reservation.
#[track_caller]
fn told(folder: &Path) -> Told {
    let (verdict, summary) = inspect::check(folder).unwrap();
    assert!(verdict.is_valid() && verdict.notes.is_empty(), "{verdict}");
    let (mut messages, mut faults) = (BTreeMap::new(), Vec::new());
    let (mut starts, mut receives) = (Vec::new(), Vec::new());
    for machine in 0..verdict.machines {
        let path = folder.join(format!("machine-{machine}.log"));
        let text = fs::read_to_string(&path).unwrap();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("# fault=") || line.starts_with("# mended="));
        faults.extend(lines.map(|line| {
            let (what, rest) = line[2..].split_once('=').unwrap();
            format!("{machine}: {what} {}", rest.split_once(' ').unwrap().1)
        }));
        let mut reader = LogReader::new("log", text.as_bytes()).unwrap();
        let started = reader.header().started;
        starts.push(started);
        while let Some(entry) = reader.next_entry().unwrap() {
            let Line::Record {
                at,
                record: Record::Event(event),
            } = entry.what
            else {
                continue;
            };
            match event.kind {
                Kind::Send { to, mishaps } => {
                    let mishaps = mishaps.unwrap_or_default();
                    for to in to {
                        let message = Message {
                            from: machine,
                            to: to.0,
                            clock: event.clock,
                            at: at.us_since(started),
                            lost: mishaps.lost.contains(&to),
                            duplicated: mishaps.duplicated.contains(&to),
                            unordered: mishaps.unordered.contains(&to),
                            arrived: Vec::new(),
                        };
                        messages.insert((machine, to.0, event.clock), message);
                    }
                }
                Kind::Receive {
                    from,
                    sent,
                    waited_us,
                    ..
                } => {
                    let waited = i64::try_from(waited_us.unwrap()).unwrap();
                    receives.push((from.0, machine, sent, WallTime(at.0 - waited)));
                }
                Kind::Internal | Kind::Other => {}
            }
        }
    }
    for (from, to, sent, arrived) in receives {
        let message = messages.get_mut(&(from, to, sent)).expect("a send event");
        message.arrived.push(arrived.us_since(starts[usize::from(from)]));
    }
    Told {
        messages: messages.into_values().collect(),
        faults,
        summary,
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/faults/{name}.toml"))
}

fn plan(name: &str) -> Plan {
    let text = fs::read_to_string(file(name)).unwrap();
    Plan::parse(name, &text).unwrap()
}

/// A simulated run of a fault file, five seconds of three machines; queues stay short.
fn simulated(name: &str, seed: u64) -> Told {
    let run = Simulated {
        traffic: Traffic::Assignment,
        speed: clocklab::units::Speed::NORMAL,
        rates: vec![200, 150, 120],
        draw: 10,
        phase: Phase::Random,
        clock: ClockKind::Lamport,
        duration_us: 5_000_000,
        latency: "uniform:50us-150us".parse().unwrap(),
        faults: Some(plan(name)),
        seed,
        run: "broken".parse().unwrap(),
    };
    let logs = tempfile::tempdir().unwrap();
    let (folder, end) = run
        .write(logs.path(), &RunFile::simulated(&run, Vec::new()))
        .unwrap();
    assert!(end.verdict.unwrap().is_valid());
    told(&folder)
}

/// Messages that an event overtook: pairs of neighbours in the order of arrival of which the second was sent first.
fn overtaken(messages: &[Message], channel: (u16, u16)) -> usize {
    let mut arrived: Vec<(i64, u64)> = messages
        .iter()
        .filter(|message| message.crosses(&[channel]))
        .flat_map(|message| message.arrived.iter().map(|at| (*at, message.clock)))
        .collect();
    arrived.sort_unstable();
    arrived.windows(2).filter(|two| two[1].1 < two[0].1).count()
}

const CHANNELS: [(u16, u16); 6] = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)];

/// Nothing happened to messages but that they came late.
#[track_caller]
fn assert_whole(told: &Told) {
    for message in &told.messages {
        assert!(
            !message.lost && !message.duplicated && !message.unordered,
            "{message:?}"
        );
        assert!(message.arrived.len() <= 1, "{message:?}");
    }
    for channel in CHANNELS {
        assert_eq!(overtaken(&told.messages, channel), 0, "{channel:?}");
    }
}

/// Of `count` rolls with probability `percent`, so many hits are within five standard deviations.
#[track_caller]
fn assert_binomial(hits: usize, count: usize, percent: f64) {
    #[expect(clippy::cast_precision_loss, reason = "counts of a test")]
    let (hits, count, p) = (hits as f64, count as f64, percent / 100.0);
    let off = (hits - count * p).abs();
    assert!(off < 5.0 * (count * p * (1.0 - p)).sqrt(), "{hits} of {count}");
}

#[test]
fn a_constant_delay_is_exactly_that_on_its_link_and_none_on_others() {
    let told = simulated("delay-constant", 1);
    assert_whole(&told);
    let (mut late, mut others) = (0, 0);
    for message in told.messages.iter().filter(|message| !message.arrived.is_empty()) {
        let delay = message.delay();
        if message.crosses(&[(0, 1), (1, 0)]) && message.is_sent_in(1001, 4000) {
            assert!((200_000..201_000).contains(&delay), "{message:?}");
            late += 1;
        } else if !message.crosses(&[(0, 1), (1, 0)]) || !message.is_sent_in(1000, 4200) {
            assert!(delay < 1000, "{message:?}");
            others += 1;
        }
    }
    assert!(late > 100 && others > 100, "{late} {others}");
    let expected = [
        "0: fault id=1 kind=delay to=1 detail=constant:200ms",
        "0: mended id=1",
        "1: fault id=1 kind=delay to=0 detail=constant:200ms",
        "1: mended id=1",
    ];
    assert_eq!(told.faults, expected);
}

#[test]
fn delays_that_differ_keep_the_order_unless_they_may_reorder() {
    let told = simulated("delay-uniform", 2);
    assert_whole(&told);
    let arrived = || told.messages.iter().filter(|message| !message.arrived.is_empty());
    for message in arrived().filter(|message| message.is_sent_in(1001, 4000)) {
        assert!((50_000..251_000).contains(&message.delay()), "{message:?}");
    }
    let told = simulated("delay-exponential", 2);
    assert_whole(&told);
    let to_2 = [(0, 2), (1, 2)];
    let delays = |is_slow: bool| -> Vec<i64> {
        let arrived = told.messages.iter().filter(|message| !message.arrived.is_empty());
        let sent = arrived.filter(|message| message.is_sent_in(1001, 4000));
        sent.filter(|message| message.crosses(&to_2) == is_slow)
            .map(Message::delay)
            .collect()
    };
    let slow = delays(true);
    let mean = slow.iter().sum::<i64>() / i64::try_from(slow.len()).unwrap();
    // A message waits for those before it, so the mean is above that of the distribution.
    assert!((100_000..600_000).contains(&mean), "{mean}");
    assert!(delays(false).iter().all(|delay| *delay < 1000));
}

#[test]
fn reordered_messages_overtake_and_only_those_that_are_marked() {
    for (name, least) in [
        ("reorder-constant", 3),
        ("reorder-uniform", 60),
        ("reorder-exponential", 60),
    ] {
        let told = simulated(name, 3);
        let overtakes: usize = CHANNELS
            .iter()
            .map(|channel| overtaken(&told.messages, *channel))
            .sum();
        assert!(overtakes >= least, "{name}: {overtakes}");
        for message in &told.messages {
            assert!(!message.lost && !message.duplicated && message.arrived.len() <= 1);
            let end = if name == "reorder-constant" { 3500 } else { 4000 };
            assert_eq!(message.unordered, message.is_sent_in(1000, end), "{message:?}");
        }
        let in_order: Vec<Message> = told
            .messages
            .into_iter()
            .filter(|message| !message.unordered)
            .collect();
        assert!(CHANNELS.iter().all(|channel| overtaken(&in_order, *channel) == 0));
    }
}

#[test]
fn losses_and_duplicates_are_as_many_as_their_probability_says() {
    let told = simulated("loss", 4);
    let lost = told.messages.iter().filter(|message| message.lost).count();
    assert_binomial(lost, told.messages.len(), 30.0);
    assert!(
        told.messages
            .iter()
            .all(|message| !message.lost || message.arrived.is_empty())
    );
    let counted: u64 = told.summary.machines.iter().map(|machine| machine.lost).sum();
    assert_eq!(counted, lost as u64);

    let told = simulated("duplicate", 4);
    let twice = told.messages.iter().filter(|message| message.duplicated).count();
    assert_binomial(twice, told.messages.len(), 25.0);
    let both = told
        .messages
        .iter()
        .filter(|message| message.arrived.len() == 2)
        .count();
    assert!(
        both + 5 > twice && both <= twice,
        "{both} of {twice} were taken twice"
    );
    assert!(
        told.messages
            .iter()
            .all(|message| message.arrived.len() <= 1 + usize::from(message.duplicated))
    );
}

#[test]
fn nothing_sent_across_a_partition_arrives_and_everything_else_does() {
    let both_ways = [(0, 2), (2, 0), (1, 2), (2, 1)];
    for (name, cut) in [
        ("partition", both_ways.as_slice()),
        ("partition-one-way", &[(0, 1)]),
    ] {
        let told = simulated(name, 5);
        let mut lost = 0;
        for message in &told.messages {
            let across = message.crosses(cut) && message.is_sent_in(1000, 3000);
            assert_eq!(message.lost, across, "{name}: {message:?}");
            assert!(!across || message.arrived.is_empty(), "{name}: {message:?}");
            lost += usize::from(across);
        }
        assert!(lost > 30, "{name}: {lost}");
    }
}

#[test]
fn a_partition_that_holds_delivers_everything_late_and_in_order() {
    let told = simulated("partition-hold", 6);
    assert_whole(&told);
    let across = told.messages.iter().filter(|message| {
        let cut = message.crosses(&[(0, 2), (2, 0), (1, 2), (2, 1)]);
        cut && message.is_sent_in(1000, 3000) && !message.arrived.is_empty()
    });
    let mut held = 0;
    for message in across {
        assert!(
            (3_000_000..3_001_000).contains(&message.arrived[0]),
            "{message:?}"
        );
        held += 1;
    }
    assert!(held > 60, "{held}");
}

#[test]
fn a_bandwidth_lets_ten_messages_pass_a_second() {
    let told = simulated("bandwidth", 7);
    assert_whole(&told);
    for channel in CHANNELS {
        let arrived = told.messages.iter().filter(|message| message.crosses(&[channel]));
        let arrived: Vec<i64> = arrived
            .filter_map(|message| message.arrived.first().copied())
            .collect();
        let within = |from, to| arrived.iter().filter(|at| (from..to).contains(*at)).count();
        assert!(within(1_001_000, 3_000_000) <= 20, "{channel:?}");
        assert!(
            within(3_000_000, 3_001_000) >= 5,
            "{channel:?}: the rest goes when it is over"
        );
    }
}

#[test]
fn faults_of_a_machine_stand_in_its_log_alone() {
    assert_eq!(
        simulated("rate", 8).faults,
        ["1: fault id=1 kind=rate detail=3", "1: mended id=1"]
    );
    assert_eq!(
        simulated("jump", 8).faults,
        [
            "1: fault id=1 kind=jump detail=100",
            "2: fault id=2 kind=jump detail=-250ms"
        ]
    );
}

fn clocklab(words: &str, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .args(words.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// That table, findings and matrix count messages as the legend says; gives how many copies went out.
#[track_caller]
fn counted_alike(run: &Path, summary: &RunSummary) -> u64 {
    let sum = |of: fn(&MachineSummary) -> u64| summary.machines.iter().map(of).sum::<u64>();
    let sent = sum(|machine| machine.sent() + machine.duplicated - machine.lost - machine.dropped);
    assert_eq!(
        sent,
        sum(|machine| machine.receives + machine.queue_last),
        "what is sent, lost and doubled is counted as the legend says"
    );
    let findings = findings(summary);
    let (verdict, _) = inspect::check(run).unwrap();
    let report = table::run(&verdict, summary, Style::Text);
    assert!(
        report.contains("sent - lost - dropped + doubled = received + queue"),
        "{report}"
    );
    for machine in &summary.machines {
        assert_eq!(machine.sent(), machine.sent_to.iter().sum::<u64>(), "row by row");
        let said = format!(
            "machine {} sent {} messages, of which",
            machine.machine,
            machine.sent()
        );
        assert_eq!(
            findings.iter().any(|finding| finding.starts_with(&said)),
            machine.lost + machine.duplicated > 0,
            "{said}"
        );
    }
    sent
}

#[test]
fn real_links_lose_double_cut_and_reorder_as_the_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let (base, file) = (free_base_port(3), file("many"));
    let words = format!(
        "run --rates 200,150,120 --duration 3500ms --seed 5 --logs logs --base-port {base} --faults {}",
        file.display()
    );
    let output = clocklab(&words, folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let run = folder.path().join("logs/latest").canonicalize().unwrap();
    let told = told(&run);
    let late = 100;
    let (mut lost, mut twice, mut count, mut cut) = (0, 0, 0, 0);
    for message in &told.messages {
        if message.crosses(&[(0, 1), (1, 0)]) && message.is_sent_in(500 + late, 2000 - late) {
            assert!(message.lost && message.arrived.is_empty(), "{message:?}");
            cut += 1;
        } else if message.is_sent_in(200 + late, 500 - late) || message.is_sent_in(2000 + late, 3500) {
            count += 1;
            lost += usize::from(message.lost);
            twice += usize::from(message.duplicated);
        }
        if message.is_sent_in(800 + late, 2800 - late) {
            assert!(message.lost || message.unordered, "{message:?}");
        }
    }
    assert!(cut > 20, "{cut}");
    assert_binomial(lost, count, 10.0);
    assert_binomial(twice, count, 9.0);
    let overtakes: usize = CHANNELS
        .iter()
        .map(|channel| overtaken(&told.messages, *channel))
        .sum();
    assert!(overtakes > 5, "{overtakes}");
    let sent = counted_alike(&run, &told.summary);
    let footers = |key| (0..3).map(|machine| in_footer(&run, machine, key)).sum::<u64>();
    assert_eq!(
        footers("frames_sent="),
        sent,
        "the footers count what went to links"
    );
    assert_eq!(
        footers("bytes_sent="),
        sent * 14,
        "a Lamport message is a frame of 14 bytes"
    );
    let described = fs::read_to_string(run.join("run.json")).unwrap();
    assert!(described.contains("\"do\": \"partition 0 / 1\"") && described.contains("\"seed\": 11"));
    assert!(
        described.contains("\"on_peer_loss\": \"continue\""),
        "{described}"
    );
}

/// A number of the footer.
fn in_footer(run: &Path, machine: u16, key: &str) -> u64 {
    let log = fs::read_to_string(run.join(format!("machine-{machine}.log"))).unwrap();
    let footer = log.lines().last().unwrap();
    let number = footer.split(' ').find_map(|word| word.strip_prefix(key));
    number.unwrap().parse().unwrap()
}

#[test]
fn every_rule_holds_for_random_plans_and_settings() {
    let latencies = [
        "constant:0",
        "uniform:50us-150us",
        "uniform:1ms-80ms",
        "exponential:30ms",
    ];
    for seed in 0..400_u64 {
        let place = |count: u64, shift: u32| usize::try_from((seed >> shift) % count).unwrap();
        let machines = 2 + place(4, 0);
        let rates = (0..machines).map(|machine| 1 + u32::try_from(machine * 17 + place(40, 1)).unwrap());
        let run = Simulated {
            traffic: Traffic::Assignment,
            speed: clocklab::units::Speed::NORMAL,
            rates: rates.collect(),
            draw: [3, 4, 10][place(3, 2)],
            phase: [Phase::Random, Phase::Aligned][place(2, 4)],
            clock: ClockKind::ALL[place(3, 0)],
            duration_us: [500_000, 2_000_000, 15_000_000][place(3, 1)],
            latency: latencies[place(4, 3)].parse().unwrap(),
            faults: SimulatedFaults::Random.for_run(seed, u16::try_from(machines).unwrap(), 2_000_000),
            seed,
            run: format!("sim-{seed}").parse().unwrap(),
        };
        let verdict = run.count().unwrap().verdict.unwrap();
        assert!(verdict.is_valid(), "{run:?}: {verdict}");
    }
}

#[test]
fn the_same_seed_breaks_the_same_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let words = "simulate --rates 40,30,20 --duration 5s --faults random";
    for (logs, seed) in [("a", 5), ("b", 5), ("c", 6)] {
        let output = clocklab(
            &format!("{words} --logs {logs} --seed {seed} --run x"),
            folder.path(),
        );
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(
            said(&output).contains("faults drawn from the seed: "),
            "{}",
            said(&output)
        );
    }
    let log = |logs: &str| fs::read_to_string(folder.path().join(logs).join("x/machine-0.log")).unwrap();
    assert!(log("a") == log("b") && log("a") != log("c"));
    let output = clocklab(&format!("{words} --trials 50 --seed 1"), folder.path());
    assert!(
        said(&output).contains("every one held in 50 of 50 trials"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_fault_file_that_cannot_be_used_is_an_error_of_usage() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("flood.toml", "[[fault]]\nat = \"1s\"\ndo = \"flood\"\n");
    write("nobody.toml", "[[fault]]\nat = \"1s\"\ndo = \"loss 0 to 3 1%\"\n");
    write("kill.toml", "[[fault]]\nat = \"1s\"\ndo = \"kill 1\"\n");
    for (words, code, parts) in [
        (
            "simulate --faults none.toml",
            2,
            ["--faults none.toml", "No such file"],
        ),
        (
            "simulate --faults flood.toml",
            2,
            ["[[fault]] number 1", "write one of"],
        ),
        ("run --faults nobody.toml", 2, ["no machine 3", "0 to 2"]),
        (
            "machine --id 0 --faults random",
            2,
            ["--faults random", "the same --seed"],
        ),
        (
            "machine --id 0 --faults random --seed 1",
            2,
            ["--faults random", "--duration"],
        ),
        ("simulate --machines 300 --faults random", 2, ["up to 256", "300"]),
    ] {
        let output = clocklab(words, folder.path());
        assert_eq!(output.status.code(), Some(code), "{words}: {}", said(&output));
        for part in parts {
            assert!(said(&output).contains(part), "{words}: {}", said(&output));
        }
    }
    assert!(!folder.path().join("logs").exists());
    let output = clocklab("simulate --faults kill.toml", folder.path());
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}

#[test]
fn a_picture_shades_what_is_broken_and_marks_what_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let words = "simulate --rates 8,6,4 --duration 5s --seed 3 --internal 0.25 --logs logs --faults";
    let file = file("many");
    clocklab(&format!("{words} {}", file.display()), folder.path());
    for (output, shades, lost) in [("a.svg", 11, 15), ("b.html", 0, 0)] {
        let drawn = clocklab(&format!("draw logs/latest --output {output}"), folder.path());
        assert_eq!(drawn.status.code(), Some(0), "{}", said(&drawn));
        let text = fs::read_to_string(folder.path().join(output)).unwrap();
        assert_eq!(text.matches("<g class=\"fault\"").count(), shades);
        assert_eq!(text.matches("class=\"message lost\"").count(), lost);
        assert!(text.contains("partition to 1") && text.contains("delay to 1,2 uniform:1ms-60ms reorder"));
    }
    let exported = clocklab("export logs/latest --to csv --output run.csv", folder.path());
    assert_eq!(exported.status.code(), Some(0), "{}", said(&exported));
}

#[test]
fn a_fault_that_would_begin_after_the_end_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = "[[fault]]\nat = \"2m\"\ndo = \"loss all 10%\"\n";
    fs::write(folder.path().join("late.toml"), file).unwrap();
    let output = clocklab(
        "simulate --faults late.toml --duration 60s --seed 1",
        folder.path(),
    );
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("\n1 fault by plan\n"), "{said}");
    let warning =
        "fault 1 (loss all 10%) will not happen: it would begin at 2m, and the run is over after 1m";
    assert!(said.contains(warning), "{said}");
    let output = clocklab(
        "simulate --faults late.toml --duration 3m --seed 1",
        folder.path(),
    );
    assert!(!String::from_utf8_lossy(&output.stderr).contains("will not happen"));
}

#[test]
fn trials_count_what_theory_judges_among_those_it_judges() {
    let folder = tempfile::tempdir().unwrap();
    let words = "simulate --trials 60 --seed 1 --faults random --rates 1-60 --machines 4 --duration 5s";
    let output = clocklab(words, folder.path());
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("no theory: machines of trials in which"), "{said}");
    let (_, rest) = said.split_once("\nof the ").unwrap();
    assert!(
        rest.contains(" trials of which theory says something, those with a machine that cannot keep up: "),
        "{said}"
    );
    let judged: u32 = rest.split(' ').next().unwrap().parse().unwrap();
    assert!(
        judged < 60 && said.contains(&format!("of {} machines\n", judged * 4)),
        "{said}"
    );
}
