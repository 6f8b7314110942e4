//! Properties of the driver, with a small honest service, and that it finds out a dishonest one.

mod tally;

use std::rc::Rc;

use self::tally::{Counting, Ends, Honesty, Tally};
use super::{Config, Latency, OpenError, Place, Schedule, Simulation, Totals};
use crate::{clock::VersionVector, trace::WallTime, units::Time};

const RUN_US: u64 = 12_000_000;
const HEALS_US: u64 = 8_000_000;

fn config(seed: u64, machines: u16, schedule: Schedule) -> Config {
    let places = (0..machines).map(|id| Place {
        address: format!("store-{id}:8090").parse().unwrap(),
        starts: Some(Time(u64::from(id) * 100_000)),
        has_disk: true,
        skew_us: i64::from(id) * 700_000 - 1_000_000,
        rate_ppm: 1_000_000 + u32::from(id) * 20_000 - 15_000,
    });
    Config {
        machines: places.collect(),
        duration_us: RUN_US,
        latency: Latency::Exponential { mean_us: 2000 },
        round_us_max: 300,
        sync: Latency::Uniform {
            from_us: 500,
            to_us: 8000,
        },
        schedule,
        seed,
        epoch: WallTime(1_700_000_000_123_456),
    }
}

fn run(config: Config, honesty: Honesty) -> (Result<Totals, OpenError>, Counting, Ends) {
    let ends = Ends::default();
    let (places, kept) = (config.machines.clone(), Rc::clone(&ends));
    let mut counting = Counting {
        machines: u16::try_from(config.machines.len()).unwrap(),
        every_us: 40_000,
        until_us: HEALS_US,
        ..Counting::default()
    };
    let simulation = Simulation::new(config, move |made| {
        Tally::new(made, &places, honesty, Rc::clone(&kept))
    });
    let totals = simulation.unwrap().run(&mut counting);
    (totals, counting, ends)
}

/// What is wrong with a run that has healed: the machines that ended differ, or miss what was acknowledged and whose
/// disk was not lost.
fn faults(counting: &Counting, ends: &Ends) -> Vec<String> {
    let mut wrong = Vec::new();
    let ends = ends.borrow();
    let mut all = VersionVector::new();
    for counts in ends.values() {
        all.merge(counts);
    }
    for (machine, counts) in ends.iter() {
        if *counts != all {
            wrong.push(format!("machine {machine} ends with {counts}, of {all}"));
        }
    }
    for (origin, count) in &counting.acknowledged {
        let is_lost = counting.lost.contains(&(origin.machine, origin.incarnation));
        if all.get(*origin) < *count && !is_lost {
            wrong.push(format!(
                "{origin} acknowledged {count}, and {} are there",
                all.get(*origin)
            ));
        }
    }
    wrong
}

fn random(seed: u64) -> Config {
    let machines = 1 + u16::try_from(seed % 5).unwrap();
    config(seed, machines, Schedule::random(seed, machines, HEALS_US))
}

fn scheduled(text: &str) -> Config {
    config(1, 3, Schedule::parse(1, text).unwrap())
}

#[test]
fn without_faults_all_is_acknowledged_and_everybody_knows_it() {
    let (totals, counting, ends) = run(config(1, 3, Schedule::default()), Honesty::Honest);
    assert_eq!(faults(&counting, &ends), [""; 0]);
    let totals = totals.unwrap();
    assert_eq!((totals.links_up, totals.deaths, totals.mishaps), (6, 0, 0));
    assert_eq!(counting.acknowledged.len(), 3);
    assert_eq!(counting.starts, 3);
    assert_eq!(ends.borrow().len(), 3);
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..20 {
        let (one, other) = (
            run(random(seed), Honesty::Honest),
            run(random(seed), Honesty::Honest),
        );
        assert_eq!(one.0, other.0);
        assert_eq!(one.1.story, other.1.story, "seed {seed}");
    }
    assert_ne!(
        run(random(3), Honesty::Honest).1.story,
        run(random(8), Honesty::Honest).1.story
    );
}

#[test]
fn an_honest_service_comes_through_every_schedule() {
    let mut all = Totals::default();
    let (mut lost, mut failed, mut refused, mut broken) = (0, 0, 0, 0);
    for seed in 0..200 {
        let (totals, counting, ends) = run(random(seed), Honesty::Honest);
        let totals = totals.unwrap();
        assert_eq!(
            faults(&counting, &ends),
            [""; 0],
            "seed {seed}\n{}",
            random(seed).schedule
        );
        all.deaths += totals.deaths;
        all.pauses += totals.pauses;
        all.groups_lost += totals.groups_lost;
        all.mishaps += totals.mishaps;
        all.links_lost += totals.links_lost;
        lost += counting.lost.len();
        failed += counting.failed_disks;
        refused += counting.refused;
        broken += counting.broken;
    }
    assert!(
        all.deaths > 100 && all.pauses > 20 && all.links_lost > 200,
        "{all:?}"
    );
    assert!(all.groups_lost > 20 && all.mishaps > 1000, "{all:?}");
    assert!(
        lost > 20 && failed > 5 && refused > 100 && broken > 20,
        "{lost} {failed} {refused} {broken}"
    );
}

#[test]
fn a_service_that_answers_too_early_is_found_out() {
    let is_wrong = |seed| {
        let (_, counting, ends) = run(random(seed), Honesty::Hasty);
        !faults(&counting, &ends).is_empty()
    };
    assert!((0..100).any(is_wrong));
}

#[test]
fn a_service_that_tells_only_once_is_found_out() {
    let is_wrong = |seed| {
        let (_, counting, ends) = run(random(seed), Honesty::Careless);
        !faults(&counting, &ends).is_empty()
    };
    assert!((0..100).any(is_wrong));
}

#[test]
fn a_killed_machine_returns_with_what_was_durable() {
    let (totals, counting, ends) = run(scheduled("@2 +1 kill 1\n@4.5 restart 1"), Honesty::Honest);
    assert_eq!(faults(&counting, &ends), [""; 0]);
    assert_eq!(totals.unwrap().deaths, 2);
    assert_eq!(counting.starts, 5);
    assert!(counting.refused > 5, "{}", counting.refused);
    let has_rows = |story: &&String| story.contains("Started") && !story.contains("rows: 0");
    assert_eq!(counting.story.iter().filter(has_rows).count(), 2);
}

#[test]
fn a_lost_disk_begins_anew_under_a_further_number() {
    let text = "@2 +0.1 lose 1\n@2.3 +0.1 lose 1\n@2.6 +0.01 lose 1\n@2.7 restart 1\n@2.75 restart 1";
    let (_, counting, ends) = run(scheduled(text), Honesty::Honest);
    assert_eq!(faults(&counting, &ends), [""; 0]);
    assert!(counting.lost.iter().all(|(machine, _)| machine.0 == 1));
}

#[test]
fn a_partition_keeps_what_is_said_and_new_links_away() {
    // From 3 s to the stop nothing gets to or from machine 2, and no new link is made.
    let cut = scheduled("@3 partition 2 / 0,1\n@4 restart 2");
    let (totals, _, ends) = run(cut, Honesty::Honest);
    let ends = ends.borrow();
    let (here, there) = (
        &ends[&crate::units::MachineId(0)],
        &ends[&crate::units::MachineId(2)],
    );
    assert!(!there.covers(here) && !here.covers(there), "{here} {there}");
    assert_eq!(totals.unwrap().links_up, 6);
}

#[test]
fn one_way_cuts_one_way() {
    let cut = scheduled("@3 partition 2 to 0,1");
    let (_, _, ends) = run(cut, Honesty::Honest);
    let ends = ends.borrow();
    let (here, there) = (
        &ends[&crate::units::MachineId(0)],
        &ends[&crate::units::MachineId(2)],
    );
    assert!(there.covers(here) && !here.covers(there), "{here} {there}");
}

#[test]
fn a_full_disk_is_told_once_and_acknowledges_nothing_more() {
    let (_, counting, ends) = run(scheduled("@2 +3 full 0\n@6 restart 0"), Honesty::Honest);
    assert_eq!(counting.failed_disks, 1);
    assert_eq!(faults(&counting, &ends), [""; 0]);
}

#[test]
fn a_slow_disk_answers_late() {
    let (_, fast, _) = run(scheduled(""), Honesty::Honest);
    let (_, slow, _) = run(
        scheduled("@1 slow 0 1000\n@1 slow 1 1000\n@1 slow 2 1000"),
        Honesty::Honest,
    );
    let sum = |counting: &Counting| counting.acknowledged.values().sum::<u64>();
    assert!(sum(&slow) < sum(&fast), "{} {}", sum(&slow), sum(&fast));
}

#[test]
fn schedules_are_read_as_they_are_written() {
    for seed in 0..200 {
        let mut schedule = Schedule::random(seed, 5, HEALS_US);
        schedule.troubles.sort_by_key(|timed| timed.at);
        assert_eq!(
            Schedule::parse(seed, &schedule.to_string()),
            Ok(schedule.clone()),
            "{schedule}"
        );
        assert_eq!(schedule.validate(5), Ok(()));
        for timed in &schedule.troubles {
            let ends = timed.lasts.map(|lasts| timed.at.after(lasts));
            assert!(ends.unwrap_or(timed.at).0 <= HEALS_US, "{timed}");
        }
    }
    for (text, part) in [
        ("3 kill 1", "behind an @"),
        ("@3", "comes the trouble"),
        ("@x kill 1", "is no number of seconds"),
        ("@3.1234567 kill 1", "six decimals"),
        ("@3 +1", "comes the trouble"),
        ("@3 burn 1", "lose 1"),
        ("@3 lose x", "is no machine"),
        ("@3 slow 1 0", "1 to 100000 times"),
    ] {
        let error = Schedule::parse(1, text).unwrap_err().to_string();
        assert!(
            error.contains(part) && error.contains("line 1"),
            "{text}: {error}"
        );
    }
    for (text, part) in [
        ("@3 lose 7", "no machine 7"),
        ("@3 kill 7", "no machine 7"),
        ("@3 pause 1", "needs its end"),
        ("@3 jump 1 3s", "wrong from the beginning"),
    ] {
        let schedule = Schedule::parse(1, text).unwrap();
        let error = schedule.validate(3).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn machines_that_cannot_be_are_refused() {
    let refused = |config: Config| {
        let made = Simulation::new(config, |made| {
            Tally::new(made, &[], Honesty::Honest, Ends::default())
        });
        made.unwrap_err().to_string()
    };
    let mut wrong = config(1, 3, Schedule::default());
    wrong.machines[1].rate_ppm = 5;
    assert!(refused(wrong).contains("900,000"));
    assert!(refused(config(1, 0, Schedule::default())).contains("0 machines"));
    assert!(refused(config(1, 65, Schedule::default())).contains("65 machines"));
}
