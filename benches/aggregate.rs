//! Events, largest and mean jump of each machine: from the logs with clocklab, from their CSV with DuckDB and
//! Polars.
//!
//! `benches/aggregate.sh` installs the peers and calls this on one core and on all. Alone, `cargo bench --bench
//! aggregate` measures clocklab only. Options behind `--`: `--events`, `--rounds`, `--python` (a Python with
//! duckdb and polars).
//!
//! The logs are those of the bench `check`, the CSV is their export. Both come from the page cache. Rounds are
//! in turn, and every answer is compared with the first.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a measurement prints, reads the clock and may panic"
)]

mod support;

use std::{
    env,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use clocklab::{
    inspect::{
        self, Item, RunReader,
        export::{self, Count, Format, Internals, Order, Selection},
        history::History,
    },
    trace::Record,
};
use support::{
    Options, Spread,
    virtual_run::{FASTEST, write_run},
};

/// By machine: events, largest jump, sum of jumps.
type Answer = Vec<(u64, u64, u64)>;

fn main() {
    let options = Options::read();
    let events: u64 = options.number("--events", 6_000_000, 30_000);
    let rounds: usize = options.number("--rounds", 5, 1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    support::print_machine();
    let folder = tempfile::tempdir().expect("a folder");
    let (logs, bytes) = write_run(folder.path(), &FASTEST, events);
    let table = folder.path().join("run.csv");
    export_csv(&logs, &table);
    let table_bytes = table.metadata().expect("the table").len();
    println!(
        "logs {} MB, CSV {} MB, {cores} cores",
        bytes / 1_000_000,
        table_bytes / 1_000_000
    );

    let mut peers = Peers::start(&table, cores);
    let names = ["check and report", "aggregate only", "DuckDB", "Polars"];
    let count = if peers.is_some() { names.len() } else { 2 };
    let mut times = vec![Vec::new(); count];
    let mut expected: Option<Answer> = None;
    for _ in 0..rounds {
        for (place, name) in names.iter().take(count).enumerate() {
            let (seconds, answer) = match (place, &mut peers) {
                (0, _) => timed(|| checked(&logs)),
                (1, _) => timed(|| aggregated(&logs)),
                (_, Some(peers)) => peers.ask(&name.to_lowercase()),
                (_, None) => unreachable!("peers that were not started"),
            };
            let expected = expected.get_or_insert_with(|| answer.clone());
            assert_eq!(answer, *expected, "{name} gives another answer");
            times[place].push(seconds);
        }
    }
    let all: u64 = expected.iter().flatten().map(|machine| machine.0).sum();
    for (name, times) in names.iter().zip(&times) {
        let time = Spread::of(times);
        let rate = all as f64 / time.median / 1e6;
        println!(
            "{name:>16}: {:.3} s ({:.3}-{:.3}), {rate:.1} million events/s",
            time.median, time.min, time.max
        );
    }
    println!();
    for (ours, theirs) in (0..2).flat_map(|ours| (2..count).map(move |theirs| (ours, theirs))) {
        let ratios: Vec<f64> = times[theirs]
            .iter()
            .zip(&times[ours])
            .map(|(theirs, ours)| theirs / ours)
            .collect();
        let ratio = Spread::of(&ratios);
        let name = format!("{} beside {}, {cores} cores", names[ours], names[theirs]);
        let text = format!(
            "{:.2} times as fast ({:.2}-{:.2})",
            ratio.median, ratio.min, ratio.max
        );
        support::print_figure(&name, text, "faster", ratio.median > 1.0);
    }
}

fn export_csv(logs: &Path, table: &Path) {
    let history = History::read(logs).expect("a run");
    let order = Order {
        format: Format::Csv,
        selection: Selection {
            count: Count::All,
            ..Selection::default()
        },
        internals: Internals::Hidden,
    };
    let began = Instant::now();
    let file = BufWriter::new(File::create_new(table).expect("a new file"));
    let exported = export::export(&history, &order, file).expect("a table");
    let seconds = began.elapsed().as_secs_f64();
    println!("{} events as CSV in {seconds:.2} s", exported.events);
}

fn timed(work: impl FnOnce() -> Answer) -> (f64, Answer) {
    let began = Instant::now();
    let answer = work();
    (began.elapsed().as_secs_f64(), answer)
}

/// With everything that `clocklab check` and `clocklab report` do.
fn checked(logs: &Path) -> Answer {
    let (verdict, summary) = inspect::check(logs).expect("a run");
    assert!(verdict.violations.is_empty(), "the run is valid");
    let machines = summary.machines.iter();
    // The clock at the end is the sum of its jumps.
    machines
        .map(|machine| (machine.ticks, machine.jump_max, machine.clock))
        .collect()
}

/// With nothing but the three numbers.
fn aggregated(logs: &Path) -> Answer {
    let mut run = RunReader::open(logs).expect("a run");
    let mut answer = vec![(0, 0, 0); usize::from(run.machines())];
    while let Some(item) = run.next_item().expect("a log") {
        if let Item::Record {
            machine,
            record: Record::Event(event),
            ..
        } = item
        {
            let (count, largest, sum) = &mut answer[machine.index()];
            let jump = event.clock - *sum;
            *count += 1;
            *largest = jump.max(*largest);
            *sum = event.clock;
        }
    }
    answer
}

/// A Python that answers questions; it has imported everything before the first.
struct Peers {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peers {
    fn start(table: &Path, cores: usize) -> Option<Self> {
        let words: Vec<String> = env::args().collect();
        let Some(python) = words.iter().skip_while(|word| *word != "--python").nth(1) else {
            println!("without DuckDB and Polars: benches/aggregate.sh brings them");
            return None;
        };
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/aggregate.py");
        let mut child = Command::new(python)
            .arg(program)
            .arg(table)
            .arg(cores.to_string())
            .env("POLARS_MAX_THREADS", cores.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a Python");
        let questions = child.stdin.take().expect("piped");
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        let mut peers = Self {
            child,
            questions,
            answers,
        };
        println!("{}", peers.line());
        Some(peers)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("a line from Python");
        assert!(
            !line.is_empty(),
            "Python has ended; it said why on standard error"
        );
        line.trim().to_owned()
    }

    /// Seconds that Python measured, and the answer: `SECONDS COUNT LARGEST SUM COUNT LARGEST SUM …`
    fn ask(&mut self, name: &str) -> (f64, Answer) {
        writeln!(self.questions, "{name}").expect("a Python that listens");
        let line = self.line();
        let (seconds, numbers) = line.split_once(' ').expect("seconds and numbers");
        let numbers: Vec<u64> = numbers
            .split(' ')
            .map(|word| word.parse().expect("a number"))
            .collect();
        let answer = numbers
            .chunks(3)
            .map(|machine| (machine[0], machine[1], machine[2]))
            .collect();
        (seconds.parse().expect("seconds"), answer)
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // Both fail on a child that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
