//! Machines that die, come back, stand still and change their time: in virtual time by the thousand.

use clocklab::{
    faults::{Plan, Timed},
    lab::{Simulated, SimulatedEnd},
    units::Time,
};

/// A run of some seconds in which the plan's faults happen.
fn simulated(seed: u64, rates: &[u32], duration_us: u64, latency: &str, plan: Plan) -> Simulated {
    Simulated {
        rates: rates.to_vec(),
        speed: clocklab::units::Speed::NORMAL,
        draw: 4,
        phase: clocklab::model::Phase::Random,
        clock: clocklab::clock::ClockKind::Lamport,
        duration_us,
        latency: latency.parse().unwrap(),
        faults: Some(plan),
        seed,
        run: format!("lives-{seed}").parse().unwrap(),
    }
}

fn plan(faults: &[(u64, &str, Option<u64>)]) -> Plan {
    let faults = (1..).zip(faults).map(|(id, (at_ms, fault, for_ms))| Timed {
        id,
        at: Time(at_ms * 1000),
        lasts: for_ms.map(std::time::Duration::from_millis),
        fault: fault.parse().unwrap(),
    });
    Plan {
        seed: None,
        faults: faults.collect(),
    }
}

fn valid(run: &Simulated) -> SimulatedEnd {
    let end = run.count().unwrap();
    let verdict = end.verdict.as_ref().unwrap();
    assert!(
        verdict.is_valid(),
        "seed {}: {:?}\n{verdict}",
        run.seed,
        run.faults
    );
    end
}

#[test]
fn a_thousand_seeds_of_deaths_lives_pauses_rates_and_jumps_keep_every_rule() {
    let mut restarts = 0;
    for seed in 0..1000 {
        let machines = 2 + u16::try_from(seed % 4).unwrap();
        let rates: Vec<u32> = (0..machines).map(|id| 5 + 7 * u32::from(id)).collect();
        let latency =
            ["constant:1ms", "uniform:1ms-400ms", "exponential:30ms"][usize::try_from(seed % 3).unwrap()];
        let plan = Plan::random_lives(seed, machines, 8_000_000);
        let end = valid(&simulated(seed, &rates, 8_000_000, latency, plan));
        restarts += end
            .summary
            .machines
            .iter()
            .map(|machine| machine.restarts)
            .sum::<u64>();
    }
    assert!(restarts > 500, "{restarts} further lives in a thousand runs");
}

#[test]
fn links_and_machines_may_break_together() {
    for seed in 0..300 {
        let plan = Plan::random(seed, 4, 8_000_000).joined(Plan::random_lives(seed, 4, 8_000_000));
        valid(&simulated(
            seed,
            &[20, 15, 10, 5],
            8_000_000,
            "uniform:1ms-50ms",
            plan,
        ));
    }
}
