//! The report as page, as figures and as text: complete, well-formed, escaped, and honest about its limits.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use clocklab::clock::ClockKind;
use clocklab::inspect::{
    self, LATENESS_BOUNDS_US, POINTS_MAX, RunSeries, SERIES_MACHINES_MAX, Style,
    clocks::ClockComparison,
    figure,
    history::History,
    palette::Theme,
    report::{self, Diagram, Made, Report},
    table,
};
use serde_json::Value;

use crate::{
    check::generate::{self, Plan},
    clocks,
};

const PLAN: Plan<'_> = Plan {
    rates: &[6, 4, 1],
    draw: 10,
    seed: 7,
    seconds: 60,
    skew_us: &[],
};

/// A run's folder inside a temporary one, so that it can have any name.
fn generated(plan: &Plan<'_>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    generate::write(dir.path(), &generate::logs(plan));
    dir
}

fn page(dir: &Path) -> String {
    let (verdict, summary) = inspect::check(dir).unwrap();
    let history = History::read(dir).unwrap();
    report::page(&Report {
        verdict: &verdict,
        summary: &summary,
        series: &RunSeries::read(dir).unwrap(),
        made: &Made::read(dir),
        diagram: Diagram {
            history: Some(&history),
            aligned: &[],
        },
        clocks: Some(&ClockComparison::read(dir, &history).unwrap()),
    })
}

/// What lies between two texts, for the first time.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let start = text.find(from).unwrap_or_else(|| panic!("{from} is missing")) + from.len();
    let length = text[start..]
        .find(to)
        .unwrap_or_else(|| panic!("{to} is missing"));
    &text[start..start + length]
}

fn data(page: &str) -> Value {
    let json = between(page, "id=\"figures-data\">", "</script>");
    serde_json::from_str(json).unwrap()
}

fn clocklab(words: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_clocklab");
    Command::new(program).args(words).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_page_has_every_machines_numbers_beside_the_expected_ones() {
    let dir = generated(&PLAN);
    let (_, summary) = inspect::check(dir.path()).unwrap();
    let page = page(dir.path());
    for machine in &summary.machines {
        let row = between(
            &page,
            &format!("<tr data-machine=\"{}\">", machine.machine),
            "</tr>",
        );
        let expected = machine.expected.unwrap();
        for (observed, expected) in [
            (machine.ticks, expected.ticks),
            (machine.sent(), expected.sent),
            (machine.receives, expected.receives),
            (machine.internals, expected.internals),
            (machine.clock, expected.clock),
            (machine.queue_last, expected.queue),
        ] {
            let cell = format!(">{observed}<small>{expected:.0}");
            assert!(row.contains(&cell), "{cell} is missing in {row}");
        }
        let jump = format!(">{:.2}<small>{:.2} ±", machine.jump_mean(), expected.jump);
        assert!(row.contains(&jump), "{jump} is missing in {row}");
    }
    assert!(page.contains("machine 2 cannot keep up: 1.67 messages a second"));
    assert!(page.contains("seed 7") && page.contains("every rule held"));
    assert!(!page.contains("id=\"violations\""));
}

#[test]
fn the_figures_data_are_the_runs_own() {
    let dir = generated(&PLAN);
    let (_, summary) = inspect::check(dir.path()).unwrap();
    let data = data(&page(dir.path()));
    let machines = data["machines"].as_array().unwrap();
    assert_eq!(machines.len(), 3);
    for (machine, drawn) in summary.machines.iter().zip(machines) {
        let last = |line: &str| drawn[line][1].as_array().unwrap().last().unwrap().as_f64();
        assert_eq!(drawn["machine"], machine.machine.0);
        assert_eq!(
            last("clock"),
            Some(f64::from(u32::try_from(machine.clock).unwrap()))
        );
        assert_eq!(
            last("queue"),
            Some(f64::from(u32::try_from(machine.queue_last).unwrap()))
        );
        let counted = |classes: &str| -> u64 {
            let classes = drawn[classes].as_array().unwrap();
            classes.iter().map(|class| class[1].as_u64().unwrap()).sum()
        };
        assert_eq!(counted("jumps"), machine.ticks);
        assert_eq!(counted("lateness"), machine.ticks);
        for line in ["age_s", "waited_s"] {
            let values = drawn[line][1].as_array().unwrap();
            assert_eq!(
                values.len() as u64,
                machine.receives,
                "{line}: one a message taken"
            );
            assert!(values.iter().all(|value| value.as_f64().unwrap() >= 0.0));
        }
    }
}

const HEADER: &str = "\
# clocklab-log 1
# machine=ID machines=2 rate=2 draw=10 phase_us=100000 clock=lamport seed=7 run=r \
  started=2026-11-20T23:16:01.000000Z
";

#[test]
fn lateness_and_ages_are_those_of_the_lines() {
    let dir = tempfile::tempdir().unwrap();
    let sender = "2026-11-20T23:16:01.100250Z send tick=1 clock=1 to=1\n\
                  # stall=2026-11-20T23:16:03.000000Z late_us=1400000 skipped=3\n\
                  2026-11-20T23:16:03.107000Z internal tick=2 clock=2\n";
    let taker = "2026-11-20T23:16:01.600040Z receive tick=1 clock=2 from=0 sent=1 queue=0 waited_us=499000\n";
    for (id, lines) in [("0", sender), ("1", taker)] {
        let text = HEADER.replace("ID", id) + lines;
        fs::write(dir.path().join(format!("machine-{id}.log")), text).unwrap();
    }
    let series = RunSeries::read(dir.path()).unwrap();
    let late: Vec<f64> = series.machines[0]
        .tick_error
        .points()
        .iter()
        .map(|point| point.1)
        .collect();
    assert_eq!(
        late,
        [250.0, 7000.0],
        "the second tick's deadline lies behind three skipped ones"
    );
    let class = |late_us: u32| {
        LATENESS_BOUNDS_US
            .iter()
            .position(|bound| late_us < *bound)
            .unwrap()
    };
    assert_eq!(series.machines[0].lateness[class(250)], 1);
    assert_eq!(series.machines[0].lateness[class(7000)], 1);
    let taken = &series.machines[1];
    assert_eq!(taken.age.points(), [(0.60004, 0.49979)]);
    assert_eq!(taken.waited.points(), [(0.60004, 0.499)]);
}

#[test]
fn logs_that_say_less_have_emptier_figures_and_no_panic() {
    let dir = tempfile::tempdir().unwrap();
    let header = HEADER
        .replace(" rate=2 draw=10 phase_us=100000", "")
        .replace("ID", "1");
    fs::write(dir.path().join("machine-1.log"), header).unwrap();
    let series = RunSeries::read(dir.path()).unwrap();
    assert!(series.machines[0].tick_error.is_empty());
    let (verdict, summary) = inspect::check(dir.path()).unwrap();
    for (name, svg) in figure::all(&series, &summary, Theme::Dark) {
        roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(figure::tick_error(&series, Theme::Light).contains("these logs say no rate"));
    let page = page(dir.path());
    assert!(page.contains("1 of 2 machines have lines here: the other logs are missing"));
    assert!(page.contains("the folder has no run.json"));
    let report = table::run(&verdict, &summary, Style::Text);
    assert!(
        !report.contains("expected by theory"),
        "of a missing log nothing is expected: {report}"
    );
    assert!(!page.contains("what theory expects of the rates"));
}

#[test]
fn what_others_wrote_is_escaped() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer
        .path()
        .join("<img src=x onerror=alert(1)> & \"quotes\" 'too'");
    fs::create_dir(&dir).unwrap();
    generate::write(&dir, &generate::logs(&PLAN));
    let hostile = "</script><script>alert(2)</script><b>";
    let made = serde_json::json!({
        "command": ["clocklab", hostile], "run": hostile, hostile: hostile, "clocklab": "0.1\u{1b}[31m",
    });
    fs::write(dir.join("run.json"), made.to_string()).unwrap();
    // A line that cannot be read is cited in the violations.
    let log = dir.join("machine-1.log");
    let text = fs::read_to_string(&log)
        .unwrap()
        .replacen("tick=3 ", &format!("tick={hostile} "), 1);
    fs::write(&log, text).unwrap();
    let page = page(&dir);
    assert!(page.contains("id=\"violations\"") && page.contains("VIOLATED"));
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt; &amp; &quot;quotes&quot; &#39;too&#39;"));
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(2)"));
    for text in ["<img", "<script>alert", "<b>", "\u{1b}"] {
        assert!(!page.contains(text), "{text:?} stands in the page");
    }
    // The data of figures and diagram; the page's own, uPlot's, the figures' and the viewer's scripts, and its mounting.
    assert_eq!(page.matches("<script").count(), 7);
    assert_eq!(page.matches("</script").count(), 7);
}

#[test]
fn violations_name_their_file_and_line() {
    let dir = generated(&PLAN);
    let log = dir.path().join("machine-0.log");
    let text = fs::read_to_string(&log).unwrap();
    let line = text.lines().nth(20).unwrap();
    let clock = line.split(' ').find(|field| field.starts_with("clock=")).unwrap();
    fs::write(&log, text.replace(line, &line.replace(clock, "clock=1"))).unwrap();
    let page = page(dir.path());
    let listed = between(&page, "<ol class=\"violations\">", "</ol>");
    assert!(listed.contains("machine-0.log:21</code>"), "{listed}");
}

#[test]
fn the_page_says_what_each_clock_can_tell() {
    let dir = tempfile::tempdir().unwrap();
    let plan = clocks::Plan {
        clock: ClockKind::Hybrid,
        skew_us: &[2_000_000],
        ..clocks::PLAN
    };
    generate::write(dir.path(), &clocks::logs(&plan));
    let page = page(dir.path());
    let section = between(&page, "<section id=\"clocks\">", "</section>");
    for name in ["lamport", "vector", "hybrid"] {
        assert!(
            section.contains(&format!("<th scope=\"row\">{name}</th><td>")),
            "{section}"
        );
    }
    assert!(
        section.contains("no <code>vector=</code>") && !section.contains('`'),
        "{section}"
    );
    // Machine 0 is two seconds ahead, and so is the clock of whoever has just heard of it.
    let bar = between(section, "<th scope=\"row\">1 s or more</th><td>", "%;background");
    let width = bar.rsplit("width:").next().unwrap();
    assert!(width.parse::<f64>().unwrap() > 0.0, "{bar}");
    assert!(between(section, "<th scope=\"row\">none</th><td>", "background").contains("width:100.0%"));
}

#[test]
fn a_page_lists_a_thousand_violations_and_counts_the_rest() {
    let dir = generated(&PLAN);
    let log = dir.path().join("machine-0.log");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, text.replacen("tick=3 ", "tick=x ", 1)).unwrap();
    let (mut verdict, summary) = inspect::check(dir.path()).unwrap();
    verdict.violations = vec![verdict.violations[0].clone(); 1234];
    let page = report::page(&Report {
        verdict: &verdict,
        summary: &summary,
        series: &RunSeries::read(dir.path()).unwrap(),
        made: &Made::default(),
        diagram: Diagram::default(),
        clocks: None,
    });
    let listed = between(&page, "<ol class=\"violations\">", "</ol>");
    assert_eq!(listed.matches("<li>").count(), 1000);
    assert!(page.contains("234 more are not listed here"));
}

#[test]
fn a_page_asks_for_nothing_from_elsewhere() {
    let dir = generated(&PLAN);
    let page = page(dir.path());
    assert!(page.contains("default-src 'none'"));
    for attribute in [" src=", " href=\"http", "@import", "url("] {
        assert!(!page.contains(attribute), "{attribute}");
    }
    assert!(
        page.contains("The MIT License (MIT)"),
        "uPlot's licence is with it"
    );
}

/// Every coordinate of a picture, as (x or y, value).
fn coordinates(document: &roxmltree::Document<'_>) -> Vec<(bool, f64)> {
    let mut all = Vec::new();
    for node in document.descendants().filter(roxmltree::Node::is_element).skip(1) {
        for (names, is_x) in [(["x", "x1", "x2"], true), (["y", "y1", "y2"], false)] {
            let values = names.iter().filter_map(|name| node.attribute(*name));
            all.extend(values.map(|value| (is_x, value.parse::<f64>().unwrap())));
        }
        for point in node.attribute("points").unwrap_or_default().split_whitespace() {
            let (x, y) = point.split_once(',').unwrap();
            all.push((true, x.parse().unwrap()));
            all.push((false, y.parse().unwrap()));
        }
    }
    all
}

#[test]
fn figures_are_xml_and_stay_within_their_bounds() {
    for (rates, seconds) in [
        (vec![6, 4, 1], 20),
        (vec![1000, 1000, 1], 4),
        ((1..=30).collect(), 4),
        (vec![1, 1], 1),
    ] {
        let dir = generated(&Plan {
            rates: &rates,
            seconds,
            ..PLAN
        });
        let (_, summary) = inspect::check(dir.path()).unwrap();
        let series = RunSeries::read(dir.path()).unwrap();
        let figures = figure::all(&series, &summary, Theme::Light);
        assert_eq!(figures.len(), figure::FILES.len());
        for (name, svg) in figures {
            let document = roxmltree::Document::parse(&svg).unwrap();
            let root = document.root_element();
            let size = |name| root.attribute(name).unwrap().parse::<f64>().unwrap();
            let (width, height) = (size("width"), size("height"));
            let coordinates = coordinates(&document);
            assert!(coordinates.len() > 2, "{name}: something is drawn");
            for (is_x, value) in coordinates {
                let most = if is_x { width } else { height };
                assert!(
                    (0.0..=most).contains(&value),
                    "{name} of {rates:?}: {value} of {most}"
                );
            }
            let title = document
                .descendants()
                .find(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title")));
            assert!(
                title.unwrap().text().unwrap().starts_with("Run generated"),
                "{name}"
            );
        }
    }
}

#[test]
fn limits_are_stated_where_they_bite() {
    let rates: Vec<u32> = (0..30).map(|id| id % 6 + 1).collect();
    let dir = generated(&Plan {
        rates: &rates,
        seconds: 5,
        ..PLAN
    });
    let page = page(dir.path());
    assert_eq!(
        data(&page)["machines"].as_array().unwrap().len(),
        SERIES_MACHINES_MAX
    );
    assert!(page.contains("24 of 30 machines have lines here, chosen from the fastest to the slowest"));
    assert!(page.contains("More than 20 machines: a row for each rate"));
    assert!(page.contains("More than 20 machines: they are grouped by their rates"));
    let (verdict, summary) = inspect::check(dir.path()).unwrap();
    let series = RunSeries::read(dir.path()).unwrap();
    assert!(figure::clocks(&series, Theme::Light).contains("8 of them are shown"));
    assert!(figure::matrix(&summary, Theme::Light).contains("More than 20: they are grouped"));

    let grouped = table::run(&verdict, &summary, Style::Text);
    let all = table::run_all(&verdict, &summary, Style::Text);
    assert!(
        grouped.contains("30 machines in groups of like rates; `--all` shows each"),
        "{grouped}"
    );
    assert!(grouped.lines().count() + 20 < all.lines().count());
    assert!(
        grouped.lines().all(|line| line.chars().count() <= 100),
        "{grouped}"
    );
    let sums = |text: &str| text.matches("expected").count();
    assert!(
        sums(&grouped) > 6 && !all.contains("least"),
        "a row of expectations for each rate"
    );

    let fast = generated(&Plan {
        rates: &[1000, 900],
        seconds: 4,
        ..PLAN
    });
    let page = self::page(fast.path());
    assert!(page.contains("lines of this run were thinned"));
    let points = data(&page)["machines"][0]["clock"][0].as_array().unwrap().len();
    assert!(points <= POINTS_MAX + 2, "{points}");
}

#[test]
fn what_is_said_of_many_machines_is_said_once() {
    let rates: Vec<u32> = [vec![6; 10], vec![1; 40]].concat();
    let logs = generate::logs(&Plan {
        rates: &rates,
        seconds: 5,
        ..PLAN
    });
    let endless = logs
        .iter()
        .map(|log| log[..log.find("# ended").unwrap()].to_owned());
    let dir = tempfile::tempdir().unwrap();
    generate::write(dir.path(), &endless.collect::<Vec<_>>());
    let (_, summary) = inspect::check(dir.path()).unwrap();
    let findings = inspect::findings(&summary);
    let first = "10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21";
    assert!(findings[0].contains("40 machines cannot keep up") && findings[0].contains(first));
    assert!(findings[0].ends_with("39 and 10 more"), "{}", findings[0]);
    assert!(
        findings[1].starts_with("50 machines have no footer"),
        "{}",
        findings[1]
    );
    assert_eq!(
        findings
            .iter()
            .filter(|finding| finding.contains("no footer"))
            .count(),
        1
    );
}

#[test]
fn sentences_of_a_report_fit_into_eighty_columns() {
    let dir = generated(&PLAN);
    let (verdict, summary) = inspect::check(dir.path()).unwrap();
    let report = table::run(&verdict, &summary, Style::Text);
    for line in report.lines().filter(|line| !line.starts_with("   ")) {
        let is_row = line.trim_start().starts_with("machine ");
        assert!(is_row || line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn outputs_are_written_and_never_over_others() {
    let dir = generated(&PLAN);
    let run = dir.path().display().to_string();
    let out = tempfile::tempdir().unwrap();
    let place = |name: &str| out.path().join(name).display().to_string();
    let (html, figures) = (place("page.html"), place("new/figures"));
    let words = ["report", &run, "--html", &html, "--figures", &figures];
    let first = clocklab(&words);
    assert_eq!(first.status.code(), Some(0), "{}", said(&first));
    assert!(fs::read_to_string(&html).unwrap().ends_with("</html>\n"));
    for name in figure::FILES {
        assert!(Path::new(&figures).join(name).is_file(), "{name}");
    }
    let count = fs::read_dir(out.path()).unwrap().count();
    assert_eq!(count, 2, "nothing else is left behind");

    let again = clocklab(&words);
    assert_eq!(again.status.code(), Some(2));
    assert!(said(&again).contains("exists: name another file, or replace it with --force"));
    let forced = clocklab(&[&words[..], &["--force"]].concat());
    assert_eq!(forced.status.code(), Some(0), "{}", said(&forced));

    let file = place("file");
    fs::write(&file, "").unwrap();
    let below = place("file/page.html");
    for (words, mend) in [
        (
            vec!["--html", "/nowhere/at/all.html"],
            "there is no folder /nowhere/at: make it",
        ),
        (vec!["--html", &below], "there is no folder"),
        (vec!["--html", &run], "is a folder: name a file in it"),
        (vec!["--figures", &file], "is a file: name a folder"),
        (
            vec![&run, "--html", "x.html"],
            "several folders are named: name one",
        ),
        (
            vec![&run, "--figures", "x"],
            "several folders are named: name one",
        ),
        (vec!["--figures", "x", "--theme", "pink"], "light, dark"),
    ] {
        let refused = clocklab(&[&["report", &run][..], &words].concat());
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {}", said(&refused));
        assert!(said(&refused).contains(mend), "{words:?}: {}", said(&refused));
    }
    let (page, folder) = (place("other.html"), place("other"));
    let missing = clocklab(&["report", "/nowhere", "--html", &page, "--figures", &folder]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(said(&missing).contains("name a run folder"), "{}", said(&missing));
    assert!(!Path::new(&page).exists() && !Path::new(&folder).exists());
}
