//! Latencies: what can be written, and that draws are as the distribution says.

use super::*;

fn draws(latency: &str, count: usize) -> Vec<u64> {
    let latency: Latency = latency.parse().unwrap();
    let mut stream = Stream::new(5, MachineId(1), Purpose::Latency);
    (0..count).map(|_| latency.draw(&mut stream)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a mean of small numbers")]
fn mean(values: &[u64]) -> f64 {
    values.iter().sum::<u64>() as f64 / values.len() as f64
}

#[test]
fn a_latency_is_written_as_it_is_read() {
    for text in [
        "constant:0",
        "constant:5ms",
        "constant:3600s",
        "uniform:1ms-5ms",
        "uniform:50us-150us",
        "uniform:0-2s",
        "exponential:2ms",
        "exponential:1us",
    ] {
        assert_eq!(text.parse::<Latency>().unwrap().to_string(), text);
    }
    assert_eq!(
        "uniform:1ms - 1s".parse::<Latency>().unwrap().to_string(),
        "uniform:1ms-1s"
    );
    assert_eq!(
        "constant:0s".parse::<Latency>().unwrap(),
        Latency::Constant { us: 0 }
    );
}

#[test]
fn what_is_no_latency_is_named_with_what_was_expected() {
    for (text, what) in [
        ("fast", "parted by a colon"),
        ("", "parted by a colon"),
        ("gamma:1ms", "no distribution `gamma`"),
        ("uniform:5ms", "two ends"),
        ("uniform:5ms-1ms", "the shorter end stands first"),
        ("uniform:1ms-fast", "`fast` is no time such as 150us"),
        ("constant:-1ms", "is no time"),
        ("constant:1500ns", "no whole number of microseconds"),
        ("exponential:2h", "longer than the hour"),
        ("exponential:", "is no time"),
    ] {
        let error = text.parse::<Latency>().unwrap_err().to_string();
        assert!(
            error.contains(what) && error.contains("write constant:0, uniform:1ms-5ms or exponential:2ms"),
            "{text}: {error}"
        );
    }
}

#[test]
fn uniform_draws_reach_both_ends_and_nothing_else() {
    let drawn = draws("uniform:10us-13us", 4000);
    for us in 10..=13 {
        let count = drawn.iter().filter(|drawn| **drawn == us).count();
        assert!((850..1150).contains(&count), "{us}: {count}");
    }
    assert!(drawn.iter().all(|us| (10..=13).contains(us)));
    assert!(draws("uniform:7us-7us", 10).iter().all(|us| *us == 7));
}

#[test]
fn exponential_draws_have_its_mean_its_median_and_its_tail() {
    let mut drawn = draws("exponential:1s", 100_000);
    let mean = mean(&drawn);
    assert!((mean / 1e6 - 1.0).abs() < 0.02, "{mean}");
    drawn.sort_unstable();
    // Quantiles of the exponential distribution: ln 2, ln 20, ln 1000.
    for (place, expected) in [(50_000, 693_147.0), (95_000, 2_995_732.0), (99_900, 6_907_755.0)] {
        let quantile = super::latency::mean(&drawn[place..=place]);
        assert!(
            (quantile / expected - 1.0_f64).abs() < 0.06,
            "{place}: {quantile}"
        );
    }
}

#[test]
fn the_first_draws_of_a_seed_are_these_for_ever() {
    assert_eq!(draws("uniform:50us-150us", 5), [89, 101, 95, 80, 132]);
    assert_eq!(draws("exponential:2ms", 5), [790, 4294, 252, 2461, 1127]);
}
