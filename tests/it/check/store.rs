//! The rules of the store's logs: by hand, and on generated runs of replicas whose ids are any numbers.

use std::{fs, path::Path, process::Command};

use clocklab::{
    inspect::{self, Verdict},
    kv::history::{History, Level, Pattern},
};

use super::{assert_broken, assert_valid, folder_with, verdict};
use crate::check::store_runs::{self, Shape};

const KEYS: &str = "incarnation=5 ";

/// Two replicas: 0 writes twice, 1 applies that and writes what needs it, 0 applies that.
const FIRST: &str = "
    # data=01.000000 known=- digest=1
    # link-up=01.010000 peer=1 incarnation=5
    01.100000 send tick=1 clock=1 to=1 wrote=0.5.1-2
    01.200000 receive tick=2 clock=4 from=1 sent=3 queue=0 applied=1.5.1-1
    # data=02.000000 known=0.5.2,1.5.1 digest=77
    # ended=02.100000 reason=duration ticks=2 queued=0 goodbye=1";
const SECOND: &str = "
    # data=01.000000 known=- digest=1
    # link-up=01.010000 peer=0 incarnation=5
    01.150000 receive tick=1 clock=2 from=0 sent=1 queue=0 applied=0.5.1-2
    01.160000 send tick=2 clock=3 to=0 wrote=1.5.1-1 needs=1:0.5.2
    # data=02.000000 known=0.5.2,1.5.1 digest=77
    # ended=02.100000 reason=duration ticks=2 queued=0 goodbye=0";

/// The run with one text of each log replaced by another.
fn changed(first: (&str, &str), second: (&str, &str)) -> tempfile::TempDir {
    let with = |text: &str, (from, to): (&str, &str)| {
        assert!(from.is_empty() || text.contains(from), "{from}");
        if from.is_empty() {
            text.to_owned()
        } else {
            text.replacen(from, to, 1)
        }
    };
    folder_with(KEYS, &[&with(FIRST, first), &with(SECOND, second)])
}

const AS_IT_IS: (&str, &str) = ("", "");

fn judged(verdict: &Verdict, rule: &str) -> u64 {
    let rules = verdict.rules.iter();
    let count = rules
        .map(|count| (count.rule, count.judged))
        .find(|(name, _)| *name == rule);
    count.map_or(0, |(_, judged)| judged)
}

#[test]
fn a_run_of_replicas_is_valid_and_every_rule_of_the_store_is_judged() {
    let verdict = assert_valid(&changed(AS_IT_IS, AS_IT_IS));
    for (rule, count) in [
        ("dots", 2),
        ("causal", 3),
        ("known", 6),
        ("convergence", 4),
        ("links", 2),
    ] {
        assert!(judged(&verdict, rule) >= count, "{rule}\n{verdict}");
    }
    // The scale model's rules have nothing to say.
    assert_eq!(judged(&verdict, "rate kept"), 0);
    assert!(
        verdict.notes.iter().all(|note| !note.contains("causal")),
        "{verdict}"
    );
}

#[test]
fn dots_count_without_gap_or_reuse() {
    for (from, to) in [
        ("wrote=0.5.1-2", "wrote=0.5.2-3"),
        ("wrote=0.5.1-2", "wrote=0.4.1-2"),
        ("wrote=0.5.1-2", "wrote=1.5.1-2"),
    ] {
        let dir = changed((from, to), AS_IT_IS);
        let verdict = verdict(&dir);
        let first = verdict.violations.first().unwrap();
        assert_eq!(first.rule, "dots", "{verdict}");
        assert!(first.places[0].file.ends_with("machine-0.log"), "{verdict}");
        assert_eq!(first.places[0].line, 5, "{verdict}");
    }
    let twice = (
        "wrote=0.5.1-2",
        "wrote=0.5.1-2
         01.110000 internal tick=2 clock=2 wrote=0.5.2-3",
    );
    let verdict = verdict(&changed(twice, AS_IT_IS));
    let text = verdict.to_string();
    assert!(text.contains("names are given once"), "{text}");
}

#[test]
fn nobody_has_what_was_never_written() {
    let dir = changed(AS_IT_IS, ("applied=0.5.1-2", "applied=0.5.1-3"));
    let verdict = verdict(&dir);
    let text = verdict.to_string();
    assert!(
        text.contains("dots: ") && text.contains("that life made 2"),
        "{text}"
    );
}

#[test]
fn applied_writes_follow_on_what_was_known() {
    for (to, words) in [
        ("applied=0.5.2-2", "with a gap"),
        ("applied=0.5.1-1,0.5.1-2", "again"),
    ] {
        let dir = changed(AS_IT_IS, ("applied=0.5.1-2", to));
        let verdict = assert_broken(&dir, &[("causal", &["1:5"])]);
        assert!(verdict.to_string().contains(words), "{verdict}");
    }
}

#[test]
fn what_a_write_needs_is_known_before() {
    // Where it is accepted.
    let dir = changed(AS_IT_IS, ("needs=1:0.5.2", "needs=1:0.5.3"));
    assert_eq!(verdict(&dir).violations[0].rule, "causal");
    // Where it is applied: a third replica has the answer before the question.
    let third = "
        # data=01.000000 known=- digest=1
        01.300000 internal tick=1 clock=1 applied=1.5.1-1
        01.400000 internal tick=2 clock=2 applied=0.5.1-2
        # ended=02.100000 reason=duration ticks=2 queued=0";
    let dir = folder_with(KEYS, &[FIRST, SECOND, third]);
    let verdict = assert_broken(&dir, &[("causal", &["2:4", "1:6"])]);
    let text = verdict.to_string();
    assert!(
        text.contains("write 1.5.1 was applied, which needs 0.5.2"),
        "{text}"
    );
    // In the right order nothing is wrong, whatever the clocks of the computers show.
    for second in ["01", "00"] {
        let third = format!(
            "
            # data=01.000000 known=- digest=1
            01.{second}0000 internal tick=1 clock=1 applied=0.5.1-2,1.5.1-1
            # ended=02.100000 reason=duration ticks=1 queued=0"
        );
        assert_valid(&folder_with(KEYS, &[FIRST, SECOND, &third]));
    }
}

#[test]
fn known_is_what_the_events_add_up_to() {
    let dir = changed(("known=0.5.2,1.5.1 digest=77", "known=0.5.2 digest=76"), AS_IT_IS);
    assert_broken(&dir, &[("known", &["0:7"])]);
}

#[test]
fn what_is_taken_over_is_closed() {
    let third = |adopted: &str| {
        format!(
            "
            # data=01.000000 known=- digest=1
            01.500000 internal tick=1 clock=1 adopted={adopted}
            # data=02.000000 known={adopted} digest=77
            # ended=02.100000 reason=duration ticks=1 queued=0"
        )
    };
    assert_valid(&folder_with(KEYS, &[FIRST, SECOND, &third("0.5.2,1.5.1")]));
    let dir = folder_with(KEYS, &[FIRST, SECOND, &third("1.5.1")]);
    let verdict = assert_broken(&dir, &[("known", &["2:4", "1:6"])]);
    assert!(verdict.to_string().contains("was taken over"), "{verdict}");
}

#[test]
fn who_knows_the_same_holds_the_same() {
    let dir = changed(AS_IT_IS, ("digest=77", "digest=78"));
    assert_broken(&dir, &[("convergence", &["1:7", "0:7"])]);
}

#[test]
fn lives_rise_and_count_their_writes_from_one() {
    let first = |incarnation: u32| {
        format!(
            "
            # data=01.000000 known=- digest=1
            01.100000 internal tick=1 clock=1 wrote=0.5.1-2
            # restarted=01.200000 incarnation={incarnation}
            # data=01.200000 known=0.5.2 digest=3
            01.300000 internal tick=2 clock=2 wrote=0.{incarnation}.1-1
            # ended=02.100000 reason=duration ticks=2 queued=0"
        )
    };
    assert_valid(&folder_with(KEYS, &[&first(6)]));
    assert_valid(&folder_with(KEYS, &[&first(1_795_216_600)]));
    let verdict = verdict(&folder_with(KEYS, &[&first(5)]));
    let rules: Vec<&str> = verdict
        .violations
        .iter()
        .map(|violation| violation.rule)
        .collect();
    assert_eq!(rules, ["incarnation", "dots"], "{verdict}");
}

#[test]
fn a_life_without_its_disk_knows_nothing_and_gets_it_back() {
    let second = format!(
        "{}
        # restarted=01.300000 incarnation=9
        # data=01.300000 known=- digest=1
        # link-up=01.310000 peer=0 incarnation=5
        01.400000 internal tick=3 clock=4 adopted=0.5.2,1.5.1
        # data=02.000000 known=0.5.2,1.5.1 digest=77
        # ended=02.100000 reason=duration ticks=3 queued=0",
        SECOND.split("    # data=02").next().unwrap()
    );
    let first = FIRST.replace(
        "# data=02.0",
        "# link-lost=01.290000 peer=1
         # link-up=01.310000 peer=1 incarnation=9
         # data=02.0",
    );
    assert_valid(&folder_with(KEYS, &[&first, &second]));
}

#[test]
fn a_replica_that_ended_in_order_goes_on_in_a_further_life() {
    let second = format!(
        "{SECOND}
        # restarted=02.200000 incarnation=9
        # data=02.200000 known=0.5.2,1.5.1 digest=77
        # link-up=02.210000 peer=0 incarnation=5
        02.300000 send tick=3 clock=4 to=0 wrote=1.9.1-1
        # data=02.900000 known=0.5.2,1.5.1,1.9.1 digest=78
        # ended=03.000000 reason=duration ticks=3 queued=0 goodbye=0"
    );
    let first = FIRST.split("    # data=02").next().unwrap().to_owned()
        + "    # link-up=02.210000 peer=1 incarnation=9
        02.310000 receive tick=3 clock=5 from=1 sent=4 queue=0 applied=1.9.1-1
        # data=02.900000 known=0.5.2,1.5.1,1.9.1 digest=78
        # ended=03.000000 reason=duration ticks=3 queued=0 goodbye=1";
    let valid = assert_valid(&folder_with(KEYS, &[&first, &second]));
    assert!(valid.notes.iter().all(|note| !note.contains("footer")), "{valid}");
    // Each footer is held to what stands before it, and nothing but a further life stands behind one.
    for (from, to, line) in [
        (
            "02.100000 reason=duration ticks=2",
            "02.100000 reason=duration ticks=1",
            "1:8",
        ),
        (
            "# restarted=02.200000",
            "# mended=02.150000 id=1
        # restarted=02.200000",
            "1:9",
        ),
    ] {
        let wrong = second.replacen(from, to, 1);
        assert!(wrong != second, "{from}");
        let verdict = verdict(&folder_with(KEYS, &[&first, &wrong]));
        let text = verdict.to_string();
        let (machine, number) = line.split_once(':').unwrap();
        let is_told = verdict.violations.iter().any(|it| {
            let place = &it.places[0];
            it.rule == "footer"
                && place.file.ends_with(&format!("machine-{machine}.log"))
                && place.line == number.parse::<u64>().unwrap()
        });
        assert!(is_told, "{text}");
    }
    // What an ended life wrote, its log says to the end: nobody has more of it.
    let more = first.replacen("applied=1.5.1-1", "applied=1.5.1-2", 1);
    let verdict = verdict(&folder_with(KEYS, &[&more, &second]));
    assert!(verdict.to_string().contains("that life made 1"), "{verdict}");
}

#[test]
fn links_of_an_open_mesh_may_end_and_come_back_within_a_life() {
    // Without a loss: one said goodbye when the other was removed, and came back when that was added again.
    let again = "# link-up=01.010000 peer=1 incarnation=5\n    # link-up=01.020000 peer=1 incarnation=5";
    assert_valid(&changed(
        ("# link-up=01.010000 peer=1 incarnation=5", again),
        AS_IT_IS,
    ));
    // But not to a life that was there before.
    let back = "# link-up=01.010000 peer=1 incarnation=5\n    # link-up=01.020000 peer=1 incarnation=4";
    let verdict = verdict(&changed(
        ("# link-up=01.010000 peer=1 incarnation=5", back),
        AS_IT_IS,
    ));
    assert!(
        verdict.violations.iter().any(|it| it.rule == "incarnation"),
        "{verdict}"
    );
    // A message goes over a link that is up.
    let lost = "# link-lost=01.020000 peer=1\n    01.100000 send";
    let dir = changed(("01.100000 send", lost), AS_IT_IS);
    assert_broken(&dir, &[("links", &["0:6", "0:5"]), ("links", &["0:9", "0:5"])]);
}

#[test]
fn a_late_joiner_has_a_greater_count_and_no_place_is_kept_for_who_never_was() {
    let dir = tempfile::tempdir().unwrap();
    let header = |id: u16, machines: u16| {
        format!(
            "# clocklab-log 1\n# machine={id} machines={machines} incarnation=5 clock=lamport seed=7 run=test \
             started=2026-11-20T23:16:01.000000Z\n"
        )
    };
    let write = |id: u16, machines: u16, body: &str| {
        let log = dir.path().join(format!("machine-{id}.log"));
        fs::write(log, header(id, machines) + body).unwrap();
    };
    write(
        7,
        8,
        "2026-11-20T23:16:01.100000Z send tick=1 clock=1 to=64999 wrote=7.5.1-1\n",
    );
    write(
        64_999,
        65_000,
        "2026-11-20T23:16:01.200000Z receive tick=1 clock=2 from=7 sent=1 queue=0 applied=7.5.1-1\n",
    );
    let verdict = assert_valid(&dir);
    assert_eq!((verdict.machines, verdict.matched), (2, 1), "{verdict}");
    // Who is spoken of and has no log is missed.
    write(
        7,
        8,
        "2026-11-20T23:16:01.100000Z send tick=1 clock=1 to=100 wrote=7.5.1-1\n",
    );
    fs::remove_file(dir.path().join("machine-64999.log")).unwrap();
    write(200, 201, "");
    let verdict = assert_broken(&dir, &[("complete", &["100:0"])]);
    assert_eq!(verdict.machines, 3, "{verdict}");
}

#[test]
fn honest_replicas_are_valid() {
    for seed in 0..150 {
        let dir = tempfile::tempdir().unwrap();
        let shape = if seed % 10 == 0 {
            Shape::Sparse
        } else {
            Shape::Dense
        };
        let totals = store_runs::write(dir.path(), seed, shape, store_runs::Fault::None);
        let (verdict, summary) = inspect::check(dir.path()).unwrap();
        assert!(verdict.is_valid(), "seed {seed}\n{verdict}");
        assert_eq!(usize::from(verdict.machines), summary.machines.len());
        assert!(
            judged(&verdict, "causal") >= totals.applied,
            "seed {seed}: {totals:?}\n{verdict}"
        );
        assert!(
            !verdict.to_string().contains("not judged"),
            "seed {seed}\n{verdict}"
        );
    }
}

#[test]
fn dishonest_replicas_are_found() {
    for (fault, rule) in [
        (store_runs::Fault::IgnoresNeeds, "causal"),
        (store_runs::Fault::SkipsOne, "causal"),
        (store_runs::Fault::ReusesDots, "dots"),
        (store_runs::Fault::WrongDigest, "convergence"),
        (store_runs::Fault::OpenTransfer, "known"),
    ] {
        let mut found = 0;
        for seed in 0..40 {
            let dir = tempfile::tempdir().unwrap();
            store_runs::write(dir.path(), seed, Shape::Dense, fault);
            let verdict = verdict(&dir);
            found += u32::from(verdict.violations.iter().any(|violation| violation.rule == rule));
        }
        assert!(found >= 20, "{fault:?} was found in {found} of 40 runs");
    }
}

/// The example of section 10 of protocol.md, without its indentation.
fn example() -> String {
    let protocol = include_str!("../../../protocol.md");
    let section = &protocol[protocol.find("\n## 10. Histories").unwrap()..];
    let lines = section.lines().filter_map(|line| line.strip_prefix("    {"));
    lines.map(|line| format!("{{{line}\n")).collect()
}

#[test]
fn the_documents_history_is_valid_and_its_patterns_are_those_of_the_checker() {
    let mut history = History::default();
    history.read("protocol.md", &mut example().as_bytes()).unwrap();
    let verdict = history.judge(Level::Convergent).unwrap();
    assert!(verdict.is_valid() && verdict.operations == 9, "{verdict}");
    let protocol = include_str!("../../../protocol.md");
    for pattern in Pattern::ALL {
        let found = protocol.lines().any(|line| {
            let name = line.strip_prefix("| ").unwrap_or_default();
            name.split(" | ")
                .next()
                .unwrap()
                .split(", ")
                .any(|name| name == pattern.name())
        });
        assert!(found, "{pattern} is not in the table");
    }
}

#[test]
fn a_history_is_judged_by_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clocklab"));
        let output = command.args(words).current_dir(dir.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (
            output.status.code(),
            text,
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    fs::write(dir.path().join("good"), example()).unwrap();
    let (code, text, _) = run(&["kv", "check", "good"]);
    assert!(
        code == Some(0) && text.starts_with("good: valid (convergent)"),
        "{text}"
    );
    let bad = "{\"session\":\"q\",\"op\":\"get\",\"key\":\"z\",\"value\":3}\n";
    fs::write(dir.path().join("bad"), bad).unwrap();
    let (code, text, _) = run(&["kv", "check", "good", "bad"]);
    assert!(code == Some(1) && text.contains("PhantomRead: bad:1"), "{text}");
    let (code, text, _) = run(&["kv", "check", "--json", "--level", "memory", "good", "bad"]);
    let verdict: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (code, &verdict["valid"]),
        (Some(1), &serde_json::Value::Bool(false))
    );
    let pattern = verdict["patterns"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["found"] == 1)
        .unwrap();
    assert_eq!(pattern["kept"][0]["steps"][1]["place"], "bad:1");
    fs::write(dir.path().join("none"), "hello\n").unwrap();
    for words in [
        &["kv", "check", "none"][..],
        &["kv", "check", "nowhere"],
        &["kv", "check"],
    ] {
        let (code, _, error) = run(words);
        assert!(code == Some(2) && !error.is_empty(), "{words:?}: {error}");
    }
}

/// What a command of the program prints about a folder, and that it ends in order.
fn clocklab(words: &[&str], dir: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_clocklab"))
        .args(words)
        .current_dir(dir)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn other_commands_read_a_stores_logs() {
    for shape in [Shape::Dense, Shape::Sparse] {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        fs::create_dir(&run).unwrap();
        let totals = store_runs::write(&run, 3, shape, store_runs::Fault::None);
        let [one, two, _] = totals.ids;
        let text = clocklab(&["check", "run"], dir.path());
        assert!(text.contains("valid") && text.contains("convergence"), "{text}");
        let text = clocklab(&["report", "run"], dir.path());
        assert!(text.contains(&two.to_string()), "{text}");
        assert!(!text.contains("missing"), "{text}");
        clocklab(&["report", "run", "--html", "report.html"], dir.path());
        let (from, to) = totals.message;
        let text = clocklab(&["order", &from, &to, "run"], dir.path());
        assert!(text.contains("happened before"), "{text}");
        let text = clocklab(&["past", &to, "run"], dir.path());
        assert!(text.contains("in the past"), "{text}");
        clocklab(&["concurrency", "run"], dir.path());
        clocklab(&["draw", "run", "--output", "run.svg"], dir.path());
        let picture = fs::read_to_string(dir.path().join("run.svg")).unwrap();
        assert!(picture.contains(&format!("wrote {one}.")), "writes are named");
        clocklab(&["draw", "run", "--output", "run.html"], dir.path());
        let page = fs::read_to_string(dir.path().join("run.html")).unwrap();
        assert!(page.contains(&format!("wrote {one}.")), "writes are named");
        for format in ["csv", "mermaid", "shiviz", "perfetto"] {
            clocklab(
                &[
                    "export",
                    "run",
                    "--to",
                    format,
                    "--output",
                    &format!("run.{format}"),
                ],
                dir.path(),
            );
        }
    }
}
