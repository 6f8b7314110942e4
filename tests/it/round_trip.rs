//! A run that is exported with vector clocks and read back as another program's log is the same run.

use std::{collections::BTreeMap, path::Path};

use clocklab::{
    clock::ClockKind,
    inspect::{
        export::{self, Count, Format, Internals, Order, Selection},
        foreign,
        history::History,
    },
};

use crate::{check::generate, clocks};

/// What each event knows: by its process's number and its place there, how many events of each process.
fn vectors(history: &History) -> BTreeMap<(String, u32), BTreeMap<String, u32>> {
    // Machine 0 is the host `machine-0` of an export, and hosts stand in the order of their first lines.
    let name = |process: usize| history.processes[process].name.replace("machine-", "");
    let mut vectors = BTreeMap::new();
    let in_order = history.each_in_causal_order(|id, vector| {
        let known = vector
            .iter()
            .enumerate()
            .map(|(process, count)| (name(process), *count));
        vectors.insert((name(id.process as usize), id.index), known.collect());
    });
    assert!(in_order);
    vectors
}

fn assert_round_trip(name: &str, history: &History) {
    for format in [Format::Shiviz, Format::Tsviz, Format::Govector] {
        let order = Order {
            format,
            selection: Selection {
                window: None,
                machines: Vec::new(),
                count: Count::All,
            },
            internals: Internals::Hidden,
        };
        let mut bytes = Vec::new();
        export::export(history, &order, &mut bytes).unwrap();
        let (verdict, again) = foreign::read_bytes("exported.log", bytes).unwrap();
        assert!(verdict.is_valid(), "{name} as {format:?}: {verdict}");
        assert_eq!(again.len(), history.len(), "{name} as {format:?}");
        assert_eq!(
            again.received().count(),
            history.received().count(),
            "{name} as {format:?}"
        );
        assert!(vectors(&again) == vectors(history), "{name} as {format:?}");
    }
}

#[test]
fn vector_logs_of_real_runs_are_read_back_as_the_same_runs() {
    let notebook = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/notebook");
    for name in ["assignment/random-1", "assignment/chatty-5", "phase/saturated-1"] {
        assert_round_trip(name, &History::read(&notebook.join(name)).unwrap());
    }
}

#[test]
fn runs_with_other_clocks_are_exported_as_any_run() {
    let folder = tempfile::tempdir().unwrap();
    for clock in [ClockKind::Vector, ClockKind::Hybrid] {
        let run = folder.path().join(clock.name());
        std::fs::create_dir(&run).unwrap();
        let plan = clocks::Plan {
            clock,
            ..clocks::PLAN
        };
        generate::write(&run, &clocks::logs(&plan));
        assert_round_trip(clock.name(), &History::read(&run).unwrap());
    }
}
