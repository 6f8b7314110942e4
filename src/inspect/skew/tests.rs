//! Bounds of wall clocks: hand-made delays, random ones, and those that no clocks allow.

use super::*;

fn delay(from: u32, to: u32, us: i64) -> Delay {
    Delay {
        from,
        to,
        least_us: us,
        firm_us: us,
    }
}

fn skew(machines: u32, delays: &[Delay]) -> Skew {
    let names = (0..machines).map(|machine| machine.to_string()).collect();
    Skew::new(names, 0, delays.iter().copied(), false).unwrap()
}

/// What delays look like with these true offsets, where each way takes the given time.
fn seen(offsets: &[i64], ways: &[(u32, u32, i64)]) -> Vec<Delay> {
    let at = |machine: u32| offsets[machine as usize];
    ways.iter()
        .map(|(from, to, us)| delay(*from, *to, us + at(*to) - at(*from)))
        .collect()
}

fn assert_fits(skew: &Skew, delays: &[Delay], spare: i64) {
    let aligned = skew.aligned_us();
    for Delay {
        from, to, least_us, ..
    } in delays
    {
        let shown = least_us - aligned[*to as usize] + aligned[*from as usize];
        assert!(shown >= -spare, "{from} to {to}: {shown} in {skew:?}");
    }
}

#[test]
fn an_offset_lies_between_the_bounds_of_both_ways_and_is_estimated_as_their_middle() {
    let delays = seen(&[0, 12_000], &[(0, 1, 400), (1, 0, 200)]);
    let skew = skew(2, &delays);
    let offset = skew.offsets[1];
    assert_eq!((offset.low, offset.high), (Some(11_800), Some(12_400)));
    assert_eq!(
        (offset.estimate_us(), offset.uncertainty_us()),
        (Some(12_100), Some(300))
    );
    assert_eq!(
        skew.notes(),
        ["machine 1's wall clock is 12.1 ms (± 300 us) ahead of machine 0's"]
    );
    assert_fits(&skew, &delays, 0);
}

#[test]
fn machines_that_never_spoke_are_compared_through_others() {
    // A chain 0 - 1 - 2 - 3; the last one an hour behind.
    let ways: Vec<(u32, u32, i64)> = (0..3).flat_map(|i| [(i, i + 1, 100), (i + 1, i, 100)]).collect();
    let delays = seen(&[0, 5, -7, -3_600_000_000], &ways);
    let skew = skew(4, &delays);
    assert_eq!(skew.offsets[3].estimate_us(), Some(-3_600_000_000));
    assert_eq!(skew.offsets[3].uncertainty_us(), Some(300));
    assert_eq!(
        skew.notes().len(),
        1,
        "5 and 7 us are no difference: {:?}",
        skew.notes()
    );
    assert!(skew.notes()[0].ends_with("3600.00 s (± 300 us) behind machine 0's"));
    assert_fits(&skew, &delays, 0);
}

#[test]
fn a_way_around_is_used_where_it_says_more_than_the_direct_one() {
    let mut delays = seen(&[0, 0, 50_000], &[(0, 2, 900_000), (2, 0, 800_000)]);
    delays.extend(seen(
        &[0, 0, 50_000],
        &[(0, 1, 10), (1, 0, 10), (1, 2, 10), (2, 1, 10)],
    ));
    let skew = skew(3, &delays);
    assert_eq!(
        skew.offsets[2],
        Offset {
            low: Some(49_980),
            high: Some(50_020)
        }
    );
}

#[test]
fn messages_one_way_give_one_bound_and_alignment_keeps_them_forward() {
    let sends = skew(2, &[delay(1, 0, -30_000)]);
    assert_eq!(
        sends.offsets[1],
        Offset {
            low: Some(30_000),
            high: None
        }
    );
    assert_eq!(sends.offsets[1].estimate_us(), None);
    assert_eq!(
        sends.notes(),
        ["machine 1's wall clock is at least 30.0 ms ahead of machine 0's"]
    );
    assert_eq!(sends.aligned_us(), [0, 30_000]);
    let takes = skew(2, &[delay(0, 1, -30_000)]);
    assert_eq!(
        takes.offsets[1],
        Offset {
            low: None,
            high: Some(-30_000)
        }
    );
    assert_eq!(
        takes.notes(),
        ["machine 1's wall clock is at least 30.0 ms behind machine 0's"]
    );
    assert_eq!(takes.aligned_us(), [0, -30_000]);
    let nothing = skew(3, &[delay(1, 2, -7)]);
    assert_eq!(nothing.offsets[1], Offset::default());
    assert!(!nothing.is_told());
    assert_fits(&nothing, &[delay(1, 2, -7)], 0);
    // Ways that leave open nearly everything are no difference.
    for open in [delay(0, 1, 5_000_000), delay(1, 0, 5_000_000)] {
        assert!(skew(2, &[open]).notes().is_empty());
    }
}

#[test]
fn a_clock_that_was_set_contradicts_itself_and_is_told() {
    let delays = [
        delay(0, 1, 100),
        delay(1, 0, 100),
        delay(1, 2, -9_000),
        delay(2, 1, 1_000),
    ];
    let skew = skew(3, &delays);
    let contradiction = skew.contradiction.clone().unwrap();
    assert_eq!(
        (contradiction.around, contradiction.excess_us),
        (vec![1, 2], 8_000)
    );
    let notes = skew.notes().join("\n");
    assert!(
        notes.contains("machines 1, 2 contradict each other by 8.0 ms"),
        "{notes}"
    );
    assert_fits(&skew, &delays, 4_000);
    assert!(skew.offsets.iter().all(|offset| offset.low <= offset.high));
}

#[test]
fn a_contradiction_around_three_machines_is_found() {
    let delays = [
        delay(0, 1, -3_000),
        delay(1, 2, -3_000),
        delay(2, 0, -3_000),
        delay(1, 0, 500_000),
        delay(2, 1, 500_000),
        delay(0, 2, 500_000),
    ];
    let skew = skew(3, &delays);
    let mut contradiction = skew.contradiction.clone().unwrap();
    contradiction.around.sort_unstable();
    assert_eq!(
        (contradiction.around, contradiction.excess_us),
        (vec![0, 1, 2], 9_000)
    );
    assert_fits(&skew, &delays, 3_000);
}

#[test]
fn what_one_round_of_a_driver_explains_is_no_contradiction() {
    let skew = skew(2, &[delay(0, 1, 60), delay(1, 0, -90)]);
    assert_eq!(skew.contradiction.as_ref().unwrap().excess_us, 30);
    assert!(!skew.is_told() && skew.notes().is_empty());
}

#[test]
fn any_graph_of_delays_is_answered_and_true_offsets_lie_within_bounds() {
    let mut number = 7_u64;
    let mut next = |below: u32| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(number >> 33).unwrap() % below
    };
    for case in 0..2_000 {
        let machines = 2 + next(7);
        let offsets: Vec<i64> = (0..machines)
            .map(|_| i64::from(next(2_000_000)) - 1_000_000)
            .collect();
        let mut way = || (next(machines), next(machines), i64::from(next(50_000)));
        let ways: Vec<(u32, u32, i64)> = (0..machines * 2)
            .map(|_| way())
            .filter(|(from, to, _)| from != to)
            .collect();
        if ways.is_empty() {
            continue;
        }
        let mut delays = seen(&offsets, &ways);
        let honest = skew(machines, &delays);
        assert_eq!(honest.contradiction, None, "case {case}");
        assert_fits(&honest, &delays, 0);
        for (bounds, offset) in honest.offsets.iter().zip(&offsets) {
            let truth = offset - offsets[0];
            assert!(
                bounds.low.is_none_or(|low| low <= truth),
                "case {case}: {honest:?}"
            );
            assert!(
                bounds.high.is_none_or(|high| truth <= high),
                "case {case}: {honest:?}"
            );
        }
        // Nonsense is answered too, within what it contradicts itself by.
        for delay in &mut delays {
            delay.least_us -= 100_000;
            delay.firm_us -= 100_000;
        }
        let odd = skew(machines, &delays);
        assert!(odd.offsets.iter().all(|offset| match (offset.low, offset.high) {
            (Some(low), Some(high)) => low <= high,
            _ => true,
        }));
        assert_fits(&odd, &delays, 100_001);
    }
}

#[test]
fn the_ends_of_time_do_not_overflow() {
    let skew = skew(
        3,
        &[
            delay(0, 1, i64::MIN),
            delay(1, 0, i64::MIN),
            delay(1, 2, i64::MAX),
            delay(2, 1, 5),
        ],
    );
    assert!(skew.is_told());
    assert!(skew.table(Style::Text).contains("contradict"));
}

#[test]
fn a_thousand_machines_are_listed_as_far_as_they_differ() {
    let ways: Vec<(u32, u32, i64)> = (1..1000).flat_map(|i| [(0, i, 100), (i, 0, 100)]).collect();
    let mut offsets = vec![0; 1000];
    offsets[500..530].fill(77_000);
    let skew = skew(1000, &seen(&offsets, &ways));
    let text = skew.table(Style::Text);
    assert!(
        text.contains("And 10 more that differ") && text.contains("970 machines are not listed"),
        "{text}"
    );
    assert_eq!(skew.notes().len(), 6);
    assert!(skew.notes()[5].starts_with("and 25 more machines' wall clocks"));
}

#[test]
fn a_few_moments_that_are_wrong_say_nothing_of_clocks() {
    let (mut forth, mut back) = (Least::default(), Least::default());
    for message in 0..300 {
        // Three messages were read in a round whose clock was read 20 ms before.
        forth.take(if message % 100 == 7 {
            -20_000
        } else {
            100 + message
        });
        back.take(100 + message);
    }
    let delays = [Delay::new(0, 1, &forth), Delay::new(1, 0, &back)].map(Option::unwrap);
    assert_eq!(delays[0].least_us, -20_000);
    let skew = skew(2, &delays);
    assert!(!skew.is_told() && skew.contradiction.is_none(), "{skew:?}");
    assert!(skew.offsets[1].uncertainty_us().unwrap() < 120, "{skew:?}");
    // A clock that was set is no such thing.
    for _ in 0..20 {
        forth.take(-20_000);
    }
    let delays = [Delay::new(0, 1, &forth), Delay::new(1, 0, &back)].map(Option::unwrap);
    assert!(super::tests::skew(2, &delays).contradiction.is_some());
}
