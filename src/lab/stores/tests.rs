//! Hundreds of seeds of the store in virtual time, and wrong stores that have to be found out.

mod disks;
mod mutants;

use self::mutants::{Tampered, Wrong};
use super::{Counts, Keep, Membership, StoreFaults, StoreTrial, simulate_stores};
use crate::{
    kv::mutant::{self, Mutant},
    sim::open::{Schedule, Totals},
};

/// Seeds within which each wrong store has to be found out.
const MUTANT_SEEDS: u64 = 60;

fn trial(seed: u64) -> StoreTrial {
    StoreTrial {
        replicas: None,
        clients: 6,
        watches: 1,
        members: Membership::Fixed,
        duration_us: 24_000_000,
        think_us: 60_000,
        faults: StoreFaults::Random,
        seed,
    }
}

fn tampered(seed: u64, wrong: Wrong) -> Vec<String> {
    let make = move |_, config| Tampered::new(config, wrong);
    trial(seed).run_with(Keep::Verdict, make).broken
}

/// What is said of the first seed that finds it out.
fn found(wrong: Wrong) -> String {
    let mut seeds = 0..MUTANT_SEEDS;
    match seeds.find_map(|seed| tampered(seed, wrong).into_iter().next().map(|what| (seed, what))) {
        Some((seed, what)) => format!("{wrong:?}, seed {seed}: {what}"),
        None => panic!("{wrong:?} is not found out within {MUTANT_SEEDS} seeds"),
    }
}

#[test]
fn without_faults_nobody_is_sent_away() {
    let calm = StoreTrial {
        faults: StoreFaults::None,
        ..trial(2)
    };
    let end = calm.run(Keep::Verdict);
    assert_eq!(end.broken, [""; 0], "{:?}", end.counts);
    assert!(end.counts.writes > 200, "{:?}", end.counts);
    assert_eq!(end.counts.unknown, 0);
}

#[test]
fn the_store_comes_through_every_schedule() {
    let (mut counts, mut totals, mut broken) = (Counts::default(), Totals::default(), Vec::new());
    simulate_stores(&trial(0), 0..60, |end| {
        counts.add(&end.counts);
        totals.deaths += end.totals.deaths;
        totals.pauses += end.totals.pauses;
        totals.links_lost += end.totals.links_lost;
        totals.groups_lost += end.totals.groups_lost;
        totals.mishaps += end.totals.mishaps;
        broken.extend((!end.broken.is_empty()).then_some((end.seed, end.broken)));
    });
    assert_eq!(broken, [], "clocklab kv simulate --clients 6 --seed N");
    assert!(
        counts.writes > 3000 && counts.unmet > 200 && counts.unknown > 100 && counts.told > 1000,
        "{counts}"
    );
    assert!(counts.destroyed > 2 && counts.denied > 1000, "{counts}");
    assert!(
        totals.deaths > 60 && totals.pauses > 5 && totals.links_lost > 500,
        "{totals:?}"
    );
    assert!(totals.groups_lost > 5 && totals.mishaps > 1000, "{totals:?}");
}

#[test]
fn the_store_comes_through_changes_of_its_members() {
    let changing = StoreTrial {
        members: Membership::Changes,
        ..trial(0)
    };
    let (mut counts, mut broken) = (Counts::default(), Vec::new());
    simulate_stores(&changing, 0..40, |end| {
        counts.add(&end.counts);
        broken.extend((!end.broken.is_empty()).then_some((end.seed, end.broken)));
    });
    assert_eq!(broken, [], "clocklab kv simulate --members --clients 6 --seed N");
    assert!(counts.changes > 100 && counts.writes > 3000, "{counts}");
}

#[test]
fn the_same_seed_gives_the_same_logs() {
    for seed in [3, 17] {
        let (one, other) = (trial(seed).run(Keep::Logs), trial(seed).run(Keep::Logs));
        assert!(one.logs.len() >= 3 && one.history.lines().count() > 50);
        assert_eq!(one.logs, other.logs);
        assert_eq!(one.history, other.history);
        let again = StoreTrial {
            faults: StoreFaults::Schedule(Schedule::parse(seed, &one.schedule.to_string()).unwrap()),
            ..trial(seed)
        };
        assert_eq!(
            again.run(Keep::Verdict).counts,
            one.counts,
            "the schedule as a text"
        );
    }
}

#[test]
fn what_is_not_tampered_with_is_right() {
    for seed in 0..5 {
        assert_eq!(tampered(seed, Wrong::Nothing), [""; 0], "seed {seed}");
    }
}

#[test]
fn wrong_stores_are_found_out() {
    for wrong in [
        Wrong::AnswersTooEarly,
        Wrong::DotsReused,
        Wrong::NoAntiEntropy,
        Wrong::TokensEqual,
        Wrong::TokensIgnored,
        Wrong::DependenciesForgotten,
        Wrong::ServesWhileJoining,
        Wrong::DeniedAndDone,
        Wrong::LossyTransfer,
        Wrong::WatchSkips,
    ] {
        println!("{}", found(wrong));
    }
}

#[test]
fn mutants_are_found_out() {
    use Membership::{Changes, Fixed};
    for (mutant, members) in [
        (Mutant::NoCausalBuffer, Fixed),
        (Mutant::NoTombstones, Fixed),
        (Mutant::LastArrivalWins, Fixed),
        (Mutant::LetsGoAtOnce, Fixed),
        (Mutant::LeavesAtOnce, Changes),
        (Mutant::EndedLivesDropped, Changes),
        (Mutant::AbsentOverlooked, Changes),
        (Mutant::AbsentHoldsAll, Changes),
        (Mutant::LostTakenBack, Changes),
    ] {
        let trial = |seed| StoreTrial {
            members,
            ..trial(seed)
        };
        mutant::make(Some(mutant));
        let broken =
            (0..MUTANT_SEEDS).find_map(|seed| trial(seed).run(Keep::Verdict).broken.into_iter().next());
        mutant::make(None);
        println!(
            "{mutant:?}: {}",
            broken.unwrap_or_else(|| panic!("{mutant:?} is not found out"))
        );
    }
}
