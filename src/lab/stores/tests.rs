//! Hundreds of seeds of the store in virtual time, and mutants of it that have to be found out.

use super::{Keep, StoreFaults, StoreTrial};

fn trial(seed: u64) -> StoreTrial {
    StoreTrial {
        replicas: None,
        clients: 6,
        duration_us: 24_000_000,
        think_us: 60_000,
        faults: StoreFaults::Random,
        seed,
    }
}

#[test]
fn without_faults_nothing_is_denied_for_long() {
    let calm = StoreTrial {
        faults: StoreFaults::None,
        ..trial(1)
    };
    let end = calm.run(Keep::Verdict);
    assert_eq!(end.broken, [""; 0], "{:?}", end.counts);
    assert!(end.counts.writes > 200, "{:?}", end.counts);
}

#[test]
fn the_store_comes_through_every_schedule() {
    let (from, to) = match std::env::var("SEEDS") {
        Ok(text) => {
            let (from, to) = text.split_once("..").unwrap();
            (from.parse().unwrap(), to.parse().unwrap())
        }
        Err(_) => (0, 100),
    };
    let mut bad = 0;
    for seed in from..to {
        let end = trial(seed).run(Keep::Verdict);
        if !end.broken.is_empty() {
            bad += 1;
            println!(
                "seed {seed} {:?}\n{}\n{}",
                end.counts,
                end.schedule,
                end.broken.join("\n")
            );
        }
    }
    assert_eq!(bad, 0);
}
