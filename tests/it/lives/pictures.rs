//! What pictures and figures show of machines that died: faults, queues and messages end with the process.

use clocklab::inspect::{
    RunSeries, draw,
    history::{Fate, History},
};

use super::*;

/// A slow machine dies at 5 s with messages in its queue, is back at 6 s, and ends with others in it; the fault on its
/// own links is over by then.
fn killed(logs: &Path) -> PathBuf {
    let text = r#"
        [[fault]]
        at = "2s"
        for = "3500ms"
        do = "delay 1 to 0 constant:1ms"

        [[fault]]
        at = "5s"
        for = "1s"
        do = "kill 1"
    "#;
    let plan = Plan::parse("killed", text).unwrap();
    let run = simulated(2, &[10, 1], 20_000_000, "uniform:50us-150us", plan);
    let (folder, end) = run.write(logs, &RunFile::simulated(&run, Vec::new())).unwrap();
    let verdict = end.verdict.unwrap();
    assert!(verdict.is_valid(), "{verdict}");
    folder
}

#[test]
fn what_waited_when_a_machine_died_does_not_wait_at_the_end() {
    let logs = tempfile::tempdir().unwrap();
    let folder = killed(logs.path());
    let history = History::read(&folder).unwrap();
    let started = history.processes[0].started.unwrap();
    let sent_ms = |fate: Fate| -> Vec<i64> {
        let messages = history.messages().iter();
        let such = messages.filter(|message| message.to == 1 && message.fate == fate);
        such.map(|message| history.event(message.send).unwrap().at.unwrap().us_since(started) / 1000)
            .collect()
    };
    let (waiting, unknown) = (sent_ms(Fate::Waiting), sent_ms(Fate::Unknown));
    assert!(
        waiting.iter().all(|sent| *sent >= 6000) && unknown.iter().all(|sent| *sent < 5000),
        "waiting {waiting:?}, unknown {unknown:?}"
    );
    assert_eq!(waiting.len() as u64, history.processes[1].waiting.unwrap());
    assert!(waiting.len() > 20 && unknown.len() > 5, "{waiting:?} {unknown:?}");
}

#[test]
fn the_band_and_the_figure_of_a_queue_fall_to_nothing_where_its_machine_died() {
    let logs = tempfile::tempdir().unwrap();
    let folder = killed(logs.path());
    let history = History::read(&folder).unwrap();
    let started = history.processes[1].started.unwrap();
    let steps = draw::steps_of(&history, 1);
    let at = |ms: i64| draw::waiting_at(&steps, started.0 + ms * 1000);
    assert!(at(4999) > 5, "{}", at(4999));
    assert_eq!([5000, 5500, 5999].map(at), [0; 3]);
    assert!(at(19_999) > 20, "{}", at(19_999));
    let series = RunSeries::read(&folder).unwrap();
    let queue = &series.machines[1].queue;
    let points = queue.points();
    let died = points.iter().find(|(seconds, _)| (4.99..5.01).contains(seconds));
    assert_eq!(died.map(|(_, waiting)| *waiting), Some(0.0), "{points:?}");
}

#[test]
fn the_shade_of_a_fault_ends_where_its_machine_died() {
    let logs = tempfile::tempdir().unwrap();
    let folder = killed(logs.path());
    let history = History::read(&folder).unwrap();
    let started = history.processes[1].started.unwrap();
    let breaks: Vec<(u32, i64, Option<i64>)> = history
        .breaks_of(1)
        .map(|found| {
            let ms = |at: WallTime| at.us_since(started) / 1000;
            (found.id, ms(found.from), found.until.map(ms))
        })
        .collect();
    assert_eq!(breaks, [(1, 2000, Some(5000)), (2, 5000, Some(5000))]);
}
