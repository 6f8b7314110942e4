//! Vector and hybrid clocks in whole runs: the same events as with Lamport's alone, exact vectors, hybrid clocks on hosts
//! whose clocks differ and jump, and checks that see every wrong number.

use std::{fs, path::Path, process::Command};

use clocklab::{
    clock::{ClockKind, causal_order},
    faults,
    inspect::{
        self, Style, Verdict,
        clocks::{ClockComparison, SAMPLE_PAIRS},
        history::{EventId, History},
    },
    lab::{RunFile, Simulated},
    model::{self, Machine, Phase, Rates, Stamp},
    node::{Effects, Input, Node, Order},
    sim::{self, Observer, Simulation},
    trace::{Header, Line, LineWriter, LogReader, Record, Traffic, Vector, WallTime},
    units::{MachineId, Speed, Time},
};

use crate::{check::generate, support::free_base_port};

const EPOCH: WallTime = WallTime(1_795_216_561_000_000);

/// What to run.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) clock: ClockKind,
    pub(crate) rates: &'a [u32],
    pub(crate) traffic: Traffic,
    pub(crate) seconds: u64,
    pub(crate) latency: &'a str,
    pub(crate) seed: u64,
    /// How far ahead each machine's wall clock is, in microseconds; machines beyond the list: not at all.
    pub(crate) skew_us: &'a [i64],
    /// Machine, number of the tick in front of which its physical clock jumps, and how far.
    pub(crate) jumps: &'a [(u16, u64, i64)],
}

pub(crate) const PLAN: Plan<'_> = Plan {
    clock: ClockKind::Lamport,
    rates: &[6, 4, 1],
    traffic: Traffic::Assignment,
    seconds: 30,
    latency: "uniform:1ms-30ms",
    seed: 7,
    skew_us: &[],
    jumps: &[],
};

/// A machine whose computer's clock is ahead, and moved.
struct Moved {
    machine: Machine,
    skew_us: i64,
    /// In front of which tick, and how far; the first is next.
    jumps: Vec<(u64, i64)>,
    ticks: u64,
}

impl Node for Moved {
    type Message = Stamp;

    fn handle(&mut self, now: Time, input: Input<Stamp>, effects: &mut Effects<Stamp>) {
        let input = match input {
            Input::Start { wall } => Input::Start {
                wall: WallTime(wall.0 + self.skew_us),
            },
            Input::Timeout => {
                self.ticks += 1;
                while let Some((tick, physical_us)) = self.jumps.first().copied()
                    && tick == self.ticks
                {
                    self.jumps.remove(0);
                    let jump = Order::Jump {
                        ticks: 0,
                        physical_us,
                    };
                    self.machine.handle(now, Input::Order(jump), effects);
                }
                Input::Timeout
            }
            other => other,
        };
        self.machine.handle(now, input, effects);
    }

    fn deadline(&self) -> Option<Time> {
        self.machine.deadline()
    }
}

struct Texts(Vec<(WallTime, LineWriter, Vec<u8>)>);

impl Observer for Texts {
    fn record(&mut self, machine: MachineId, at: Time, record: &Record) {
        let (epoch, writer, log) = &mut self.0[machine.index()];
        writer.write(epoch.carried(Time(0), at), record, log);
    }
}

/// The log of each machine.
pub(crate) fn logs(plan: &Plan<'_>) -> Vec<String> {
    let machines = u16::try_from(plan.rates.len()).unwrap();
    let model = |me: MachineId| model::Config {
        me,
        machines,
        rate: plan.rates[me.index()],
        speed: Speed::NORMAL,
        draw: 10,
        traffic: plan.traffic,
        phase: Phase::Random,
        clock: plan.clock,
        seed: plan.seed,
    };
    let skew_us = |me: MachineId| plan.skew_us.get(me.index()).copied().unwrap_or(0);
    let config = sim::Config {
        machines,
        duration_us: plan.seconds * 1_000_000,
        latency: plan.latency.parse().unwrap(),
        seed: plan.seed,
        run: "generated".parse().unwrap(),
        epoch: EPOCH,
        faults: None,
    };
    let node = |me: MachineId| Moved {
        machine: Machine::new(model(me)),
        skew_us: skew_us(me),
        jumps: plan
            .jumps
            .iter()
            .filter(|(machine, ..)| *machine == me.0)
            .map(|(_, tick, us)| (*tick, *us))
            .collect(),
        ticks: 0,
    };
    let simulation = Simulation::new(config, node).unwrap();
    let begin = |(me, start): (MachineId, &Time)| {
        let config = model(me);
        let epoch = WallTime(EPOCH.0 + skew_us(me));
        let header = Header {
            machine: me,
            machines,
            rate: Some(config.rate),
            draw: Some(config.draw),
            traffic: config.traffic,
            phase_us: Some(config.phase_us()),
            speed: Speed::NORMAL,
            clock: config.clock,
            incarnation: None,
            seed: plan.seed,
            run: "generated".parse().unwrap(),
            started: epoch.carried(Time(0), *start),
        };
        let (mut writer, mut log) = (LineWriter::default(), Vec::new());
        writer.write_header(&header, &mut log);
        (epoch, writer, log)
    };
    let starts = simulation.starts().to_vec();
    let mut texts = Texts(MachineId::all(machines).zip(&starts).map(begin).collect());
    simulation.run(&mut texts).unwrap();
    let text = |(_, _, log)| String::from_utf8(log).unwrap();
    texts.0.into_iter().map(text).collect()
}

fn folder(logs: &[String]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    generate::write(dir.path(), logs);
    dir
}

fn judged(logs: &[String]) -> Verdict {
    inspect::check(folder(logs).path()).unwrap().0
}

/// The names of the rules that are broken.
fn broken(verdict: &Verdict) -> Vec<&'static str> {
    let rules = verdict.rules.iter();
    rules
        .filter(|count| count.broken > 0)
        .map(|count| count.rule)
        .collect()
}

/// How often a rule was judged.
fn count(verdict: &Verdict, rule: &str) -> u64 {
    let rules = verdict.rules.iter();
    rules
        .filter(|count| count.rule == rule)
        .map(|count| count.judged)
        .sum()
}

/// A log without what a clock beside Lamport's adds to it.
fn plain(log: &str) -> String {
    let added = [
        "vector=",
        "hybrid=",
        "bytes_sent=",
        "clock=vector",
        "clock=hybrid",
        "clock=lamport",
    ];
    let words = |line: &str| {
        let words = line
            .split(' ')
            .filter(|word| !added.iter().any(|key| word.starts_with(key)));
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    log.lines().map(words).collect()
}

#[test]
fn the_same_seed_gives_the_same_events_whatever_the_clock() {
    let latencies = ["constant:0", "uniform:1ms-400ms", "exponential:20ms"];
    for (seed, latency) in (0..60).zip(latencies.iter().cycle()) {
        let rates = &[6, 4, 1, 3, 2, 6][..2 + usize::try_from(seed % 5).unwrap()];
        let run = |clock| {
            let traffic = if seed % 4 == 3 {
                Traffic::Ring
            } else {
                Traffic::Assignment
            };
            let plan = Plan {
                clock,
                rates,
                traffic,
                seconds: 10,
                latency,
                seed,
                ..PLAN
            };
            let logs = logs(&plan);
            let verdict = judged(&logs);
            assert!(verdict.is_valid(), "seed {seed}, {latency}, {clock}: {verdict}");
            logs.iter().map(|log| plain(log)).collect::<Vec<_>>()
        };
        let lamport = run(ClockKind::Lamport);
        assert!(lamport.iter().any(|log| log.contains(" receive ")));
        for clock in [ClockKind::Vector, ClockKind::Hybrid] {
            assert!(run(clock) == lamport, "seed {seed}, {latency}, {clock}");
        }
    }
}

/// The vectors of a folder's logs, machine by machine.
fn logged_vectors(dir: &Path) -> Vec<Vec<Vector>> {
    let machines = fs::read_dir(dir).unwrap().count();
    let read = |id: usize| {
        let text = fs::read(dir.join(format!("machine-{id}.log"))).unwrap();
        let mut reader = LogReader::new("log", text.as_slice()).unwrap();
        let mut vectors = Vec::new();
        while let Some(entry) = reader.next_entry().unwrap() {
            if let Line::Record {
                record: Record::Event(event),
                ..
            } = entry.what
            {
                vectors.push(event.vector.expect("each event of a vector run has one"));
            }
        }
        vectors
    };
    (0..machines).map(read).collect()
}

#[test]
fn logged_vectors_are_those_that_the_messages_give() {
    let many: Vec<u32> = (0..25).map(|machine| machine % 6 + 1).collect();
    for (rates, traffic, seed) in [
        (&[6, 4, 1][..], Traffic::Assignment, 1),
        (&[2, 5], Traffic::Assignment, 2),
        (&many, Traffic::Assignment, 3),
        (&many, Traffic::Ring, 4),
    ] {
        let plan = Plan {
            clock: ClockKind::Vector,
            rates,
            traffic,
            seed,
            ..PLAN
        };
        let dir = folder(&logs(&plan));
        let history = History::read(dir.path()).unwrap();
        let logged = logged_vectors(dir.path());
        let of = |id: EventId| &logged[id.process as usize][id.index as usize];
        let (mut events, mut concurrent) = (0, 0);
        history.each_in_causal_order(|id, computed| {
            let computed: Vec<u64> = computed.iter().copied().map(u64::from).collect();
            assert_eq!(computed, of(id).to_vec(), "seed {seed}: {}", history.name_of(id));
            events += 1;
        });
        assert_eq!(events, history.len());
        let comparison = ClockComparison::read(dir.path(), &history).unwrap();
        let vectors = comparison.vectors.unwrap();
        assert_eq!((vectors.logged, vectors.different), (events as u64, 0));
        // What pairs of vectors say is what the comparison counts.
        let ids: Vec<EventId> = history.ids().collect();
        for (place, a) in ids.iter().enumerate() {
            let others = &ids[place + 1..];
            concurrent += others
                .iter()
                .filter(|b| causal_order(of(*a), of(**b)).is_none())
                .count();
        }
        assert_eq!(comparison.pairs.concurrent, concurrent as u128);
        assert!(comparison.pairs.lamport_ordered() > 0 && !comparison.pairs.is_sample());
    }
}

const HOSTS: Plan<'_> = Plan {
    clock: ClockKind::Hybrid,
    skew_us: &[250_000, -40_000, 0],
    jumps: &[(1, 40, 3_000_000), (0, 60, -200_000), (1, 90, -3_500_000)],
    ..PLAN
};

#[test]
fn hybrid_clocks_keep_their_rules_where_hosts_differ_and_clocks_jump() {
    for seed in 0..40 {
        let logs = logs(&Plan { seed, ..HOSTS });
        assert!(logs[1].contains("# jump=") && logs[1].contains("physical_us=-3500000"));
        let verdict = judged(&logs);
        assert!(verdict.is_valid(), "seed {seed}: {verdict}");
        assert_eq!(count(&verdict, "hybrid rule"), verdict.events);
        assert_eq!(count(&verdict, "hybrid bound"), verdict.events);
        assert_eq!(count(&verdict, "hybrid order"), verdict.matched);
        let dir = folder(&logs);
        let history = History::read(dir.path()).unwrap();
        let distance = ClockComparison::read(dir.path(), &history)
            .unwrap()
            .distance
            .unwrap();
        assert!(
            distance.max_us > 3_000_000 && distance.logical_max > 3,
            "{distance:?}"
        );
        assert_eq!(distance.counts.iter().sum::<u64>(), verdict.events);
    }
}

/// The logs with the word of a line that begins with `key` replaced.
fn with_word(logs: &[String], (log, line): (usize, usize), key: &str, value: &str) -> Vec<String> {
    let mut logs = logs.to_vec();
    let change = |word: &str| match word.starts_with(key) {
        true => format!("{key}{value}"),
        false => word.to_owned(),
    };
    let mut lines: Vec<String> = logs[log].lines().map(str::to_owned).collect();
    lines[line] = lines[line].split(' ').map(change).collect::<Vec<_>>().join(" ");
    logs[log] = lines.join("\n") + "\n";
    logs
}

/// Every event with the value of the word that begins with `key`: its log, its line, the value.
fn words<'l>(logs: &'l [String], key: &'l str) -> Vec<((usize, usize), &'l str)> {
    let lines = logs.iter().enumerate().flat_map(|(log, text)| {
        text.lines()
            .enumerate()
            .map(move |(line, text)| ((log, line), text))
    });
    lines
        .filter_map(|(place, text)| Some((place, text.split(' ').find_map(|word| word.strip_prefix(key))?)))
        .collect()
}

#[test]
fn every_wrong_hybrid_clock_is_seen() {
    let logs = logs(&Plan { seconds: 25, ..HOSTS });
    let all = words(&logs, "hybrid=");
    assert!(all.len() > 200);
    for (place, value) in all.into_iter().step_by(7) {
        let (l, c) = value.split_once('.').unwrap();
        let (l, c): (u64, u32) = (l.parse().unwrap(), c.parse().unwrap());
        for (l, c) in [(l + 1, c), (l - 1, c), (l, c + 1), (l + 60_000_000, c)] {
            let verdict = judged(&with_word(&logs, place, "hybrid=", &format!("{l}.{c}")));
            let rules = broken(&verdict);
            assert!(
                rules.contains(&"hybrid rule"),
                "{place:?} {value} as {l}.{c}: {rules:?}"
            );
            if l > 60_000_000 + EPOCH.0.unsigned_abs() {
                assert!(
                    rules.contains(&"hybrid bound"),
                    "{place:?} {value} as {l}.{c}: {rules:?}"
                );
            }
        }
    }
}

#[test]
fn every_wrong_vector_entry_is_seen() {
    let logs = logs(&Plan {
        clock: ClockKind::Vector,
        ..PLAN
    });
    for (place, value) in words(&logs, "vector=").into_iter().step_by(7) {
        let entries: Vec<u64> = value.split(',').map(|entry| entry.parse().unwrap()).collect();
        for changed in 0..entries.len() {
            for entry in [entries[changed] + 1, entries[changed].saturating_sub(1)] {
                let mut wrong = entries.clone();
                wrong[changed] = entry;
                if wrong == entries {
                    continue;
                }
                let text: Vec<String> = wrong.iter().map(u64::to_string).collect();
                let verdict = judged(&with_word(&logs, place, "vector=", &text.join(",")));
                assert_eq!(
                    broken(&verdict),
                    ["vector clock"],
                    "{place:?}: {value} as {text:?}"
                );
            }
        }
    }
}

#[test]
fn an_event_without_the_runs_clock_is_seen() {
    for (clock, key, rule) in [
        (ClockKind::Vector, " vector=", "vector clock"),
        (ClockKind::Hybrid, " hybrid=", "hybrid rule"),
    ] {
        let mut logs = logs(&Plan { clock, ..PLAN });
        let lines = logs[0].lines().map(|line| match line.contains(" tick=5 ") {
            true => line.split(key).next().unwrap().to_owned() + "\n",
            false => line.to_owned() + "\n",
        });
        logs[0] = lines.collect();
        let verdict = judged(&logs);
        assert_eq!(broken(&verdict), [rule], "{verdict}");
        let text = verdict.violations[0].to_string();
        assert!(
            text.contains(&format!("but the header says clock={clock}")),
            "{text}"
        );
    }
}

/// Two logs of another system, written by hand: seconds in front of each line.
fn by_hand(bodies: [&str; 2]) -> Vec<String> {
    let log = |(id, body): (usize, &str)| {
        let mut text = format!(
            "# clocklab-log 1\n# machine={id} machines=2 clock=hybrid seed=7 run=test started=1970-01-01T00:00:00.000000Z\n"
        );
        for line in body.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (us, rest) = line.split_once(' ').unwrap();
            let at = format!("1970-01-01T00:00:00.{us}Z");
            text += &match rest.strip_prefix("# ") {
                Some(remark) => {
                    let (name, keys) = remark.split_once(' ').unwrap();
                    format!("# {name}={at} {keys}\n")
                }
                None => format!("{at} {rest}\n"),
            };
        }
        text
    };
    bodies.into_iter().enumerate().map(log).collect()
}

#[test]
fn a_send_that_is_not_before_its_receive_breaks_the_hybrid_order() {
    let verdict = judged(&by_hand([
        "000100 send tick=1 clock=1 to=1 hybrid=100.0",
        "000090 receive tick=1 clock=2 from=0 sent=1 queue=0 hybrid=100.0",
    ]));
    assert_eq!(broken(&verdict), ["hybrid rule", "hybrid order"], "{verdict}");
    let verdict = judged(&by_hand([
        "000100 send tick=1 clock=1 to=1 hybrid=100.0",
        "000090 receive tick=1 clock=2 from=0 sent=1 queue=0 hybrid=100.1",
    ]));
    assert!(verdict.is_valid(), "{verdict}");
}

#[test]
fn a_hybrid_clock_behind_or_too_far_ahead_of_physical_time_breaks_its_bound() {
    let talk = |hybrid: &str| {
        by_hand([
            &format!(
                "000100 send tick=1 clock=1 to=1 hybrid=100.0
                 000200 receive tick=2 clock=4 from=1 sent=3 queue=0 waited_us=20 {hybrid}
                 000900 # ended reason=duration ticks=2 queued=0"
            ),
            "000110 receive tick=1 clock=2 from=0 sent=1 queue=0 waited_us=5 hybrid=110.0
             000120 send tick=2 clock=3 to=0 hybrid=120.0
             000900 # ended reason=duration ticks=2 queued=0",
        ])
    };
    assert_eq!(
        broken(&judged(&talk("hybrid=199.0"))),
        ["hybrid rule", "hybrid bound"]
    );
    // Messages were under way for 5 and 60 microseconds: so much may the clocks differ, and a little for rounding.
    assert_eq!(broken(&judged(&talk("hybrid=209.0"))), ["hybrid rule"]);
    let verdict = judged(&talk("hybrid=210.0"));
    assert_eq!(broken(&verdict), ["hybrid rule", "hybrid bound"], "{verdict}");
    assert!(verdict.to_string().contains("by more than 9 µs"), "{verdict}");
    // As long as a log has no end, a clock may be ahead that is not known of.
    let mut open = talk("hybrid=210.0");
    open[1] = open[1].replace("# ended=", "# later=");
    let verdict = judged(&open);
    assert_eq!(broken(&verdict), ["hybrid rule"]);
    assert!(
        verdict
            .to_string()
            .contains("because machine 1's log is missing or has no end"),
        "{verdict}"
    );
    // Nor if nobody ever heard of one of the machines.
    let silent = "000100 internal tick=1 clock=1 hybrid=100.0
        000900 # ended reason=duration ticks=1 queued=0";
    let text = judged(&by_hand([silent, silent])).to_string();
    assert!(
        text.contains("on 2 of 2 machines: no messages lead from machine 0 to machine 1"),
        "{text}"
    );
    let verdict = judged(&talk("hybrid=200.4"));
    assert_eq!(broken(&verdict), ["hybrid rule", "hybrid bound"], "{verdict}");
    assert!(
        verdict
            .to_string()
            .contains("c = 4, but the run has no more than 4 events"),
        "{verdict}"
    );
}

#[test]
fn a_jump_moves_the_physical_clock_for_good_also_of_a_process_that_is_started_again() {
    let logs = by_hand([
        "000100 internal tick=1 clock=1 hybrid=100.0
         000150 # jump ticks=0 physical_us=5000
         000200 internal tick=2 clock=2 hybrid=5200.0
         000210 # jump ticks=0 physical_us=-5100
         000300 internal tick=3 clock=3 hybrid=5200.1
         000310 # restarted incarnation=2
         000400 internal tick=4 clock=4 hybrid=5200.2
         006000 internal tick=5 clock=5 hybrid=5900.0",
        "",
    ]);
    let verdict = judged(&logs);
    assert!(verdict.is_valid(), "{verdict}");
    let dir = folder(&logs);
    let history = History::read(dir.path()).unwrap();
    let distance = ClockComparison::read(dir.path(), &history).unwrap().distance;
    let distance = distance.unwrap();
    let ahead_us = [0, 0, 5000, 4900, 0];
    assert_eq!(distance.max_us, 5000);
    assert_eq!(distance.mean_us, f64::from(ahead_us.iter().sum::<i32>()) / 5.0);
    let verdict = judged(&by_hand([
        "000100 internal tick=1 clock=1 hybrid=100.0
         000200 internal tick=2 clock=2 hybrid=5200.0",
        "",
    ]));
    assert_eq!(broken(&verdict), ["hybrid rule"], "{verdict}");
}

fn simulated(machines: u16, clock: ClockKind, traffic: Traffic, seconds: u64) -> Simulated {
    let rates = Rates::Range { from: 1, to: 6 };
    Simulated {
        rates: rates.resolve(machines, 1).unwrap(),
        draw: 10,
        traffic,
        phase: Phase::Random,
        clock,
        duration_us: seconds * 1_000_000,
        latency: "uniform:50us-150us".parse().unwrap(),
        seed: 1,
        run: "test".parse().unwrap(),
        speed: Speed::NORMAL,
        faults: None,
    }
}

#[test]
fn vectors_of_many_machines_take_few_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for (traffic, share_max) in [(Traffic::Assignment, 0.4), (Traffic::Ring, 0.1)] {
        let logs = folder.path().join(traffic.name());
        let run = simulated(40, ClockKind::Vector, traffic, 30);
        let (dir, end) = run.write(&logs, &RunFile::simulated(&run, Vec::new())).unwrap();
        let verdict = end.verdict.unwrap();
        assert!(verdict.is_valid(), "{verdict}");
        let history = History::read(&dir).unwrap();
        let comparison = ClockComparison::read(&dir, &history).unwrap();
        let share = comparison.timestamp_bytes().unwrap() / comparison.full_vector_bytes();
        assert!(share < share_max, "{traffic}: {share}");
        assert_eq!(comparison.vectors.unwrap().different, 0);
    }
}

#[test]
fn the_report_says_whose_bytes_are_counted() {
    let restart = "[[fault]]\nat = \"2s\"\ndo = \"restart 1\"\n";
    for (clock, faults, is_said) in [
        (ClockKind::Vector, "", false),
        (ClockKind::Vector, restart, true),
        (ClockKind::Hybrid, restart, true),
        (ClockKind::Lamport, restart, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let run = Simulated {
            faults: (!faults.is_empty()).then(|| faults::Plan::parse("restart", faults).unwrap()),
            ..simulated(3, clock, Traffic::Assignment, 5)
        };
        let file = RunFile::simulated(&run, Vec::new());
        let (dir, _) = run.write(folder.path(), &file).unwrap();
        let history = History::read(&dir).unwrap();
        let comparison = ClockComparison::read(&dir, &history).unwrap();
        let text = comparison.render(Style::Markdown);
        assert_eq!(
            text.contains("in their last life alone"),
            is_said,
            "{clock}: {text}"
        );
    }
}

#[test]
fn the_report_says_what_each_clock_can_tell() {
    let text = |clock| {
        let dir = folder(&logs(&Plan { clock, ..PLAN }));
        let history = History::read(dir.path()).unwrap();
        let comparison = ClockComparison::read(dir.path(), &history).unwrap();
        assert!(comparison.pairs.all < u128::from(SAMPLE_PAIRS));
        assert!(comparison.render(Style::Markdown).contains("\n| lamport | "));
        comparison.render(Style::Text)
    };
    let (lamport, vector, hybrid) = (
        text(ClockKind::Lamport),
        text(ClockKind::Vector),
        text(ClockKind::Hybrid),
    );
    let row = |text: &str, name: &str| {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no row of {name} in {text}"))
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        row(&lamport, "lamport"),
        row(&vector, "lamport"),
        "the same events"
    );
    assert_eq!(row(&lamport, "lamport").last().unwrap(), "9.0");
    assert_eq!(row(&lamport, "hybrid"), ["hybrid", "-", "-", "-", "-"]);
    assert_eq!(row(&lamport, "vector").last().unwrap(), "-");
    assert!(
        lamport.contains("no `vector=`") && lamport.contains("no `hybrid=`"),
        "{lamport}"
    );
    assert!(vector.contains("vector: exact."), "{vector}");
    assert_ne!(row(&vector, "vector").last().unwrap(), "-");
    // Ten bytes, and Lamport's clock in one or two.
    assert!(
        row(&hybrid, "hybrid").last().unwrap().starts_with("11."),
        "{hybrid}"
    );
    assert!(hybrid.contains("Events by distance: none: "), "{hybrid}");
}

fn clocklab(words: &str) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .args(words.split_whitespace())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn real_processes_keep_the_rules_of_every_clock() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().display();
    for (clock, traffic) in [("vector", "assignment"), ("hybrid", "ring")] {
        let words = format!(
            "run --clock {clock} --traffic {traffic} --rates 60,40,10 --duration 1500ms --seed 3 --base-port {} \
             --logs {logs} --run {clock}",
            free_base_port(3)
        );
        let (code, said) = clocklab(&words);
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = clocklab(&format!("check {logs}/{clock}"));
        assert!(code == Some(0) && said.contains(clock), "{said}");
        let (code, said) = clocklab(&format!("report {logs}/{clock}"));
        assert!(
            code == Some(0) && said.contains("What each clock can tell"),
            "{said}"
        );
        assert_eq!(said.contains("vector: exact."), clock == "vector", "{said}");
        assert_eq!(said.contains("around a ring"), traffic == "ring", "{said}");
    }
}

#[test]
fn machines_with_different_clocks_do_not_go_on_together() {
    let folder = tempfile::tempdir().unwrap();
    let base = free_base_port(2);
    let start = |id: u16, clock: &str| {
        Command::new(env!("CARGO_BIN_EXE_clocklab"))
            .args([
                "machine",
                "--machines",
                "2",
                "--rates",
                "200,200",
                "--draw",
                "3",
                "--duration",
                "20s",
            ])
            .args([
                "--id",
                &id.to_string(),
                "--clock",
                clock,
                "--base-port",
                &base.to_string(),
            ])
            .args(["--logs", &folder.path().join(clock).display().to_string()])
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let machines = [start(0, "lamport"), start(1, "vector")];
    let said = machines.map(|machine| {
        let output = machine.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    });
    assert!(
        said.iter()
            .any(|said| said.contains("`clock kind`") && said.contains("is lost")),
        "{said:?}"
    );
}
