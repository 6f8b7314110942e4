//! Parameters: their bounds, and what a message about them says.

use super::*;

/// The message of a configuration that is refused.
fn refused(config: Config) -> String {
    config.validate().unwrap_err().to_string()
}

#[test]
fn bounds_themselves_are_allowed() {
    for config in [
        config(0, 3),
        config(1, 2),
        config(9_999, 10_000),
        Config {
            rate: 1,
            ..config(0, 3)
        },
        Config {
            rate: RATE_MAX,
            ..config(0, 3)
        },
        Config {
            draw: DRAW_MIN,
            ..config(0, 3)
        },
        Config {
            draw: DRAW_MAX,
            ..config(0, 3)
        },
    ] {
        assert_eq!(config.validate(), Ok(()));
    }
}

#[test]
fn each_message_names_option_value_and_what_is_allowed() {
    for (config, words) in [
        (config(0, 0), ["--machines 0:", "2 to 10000"]),
        (config(0, 1), ["--machines 1:", "2 to 10000"]),
        (config(0, 10_001), ["--machines 10001:", "2 to 10000"]),
        (config(3, 3), ["--id 3:", "0 to 2"]),
        (config(u16::MAX, 2), ["--id 65535:", "0 to 1"]),
        (
            Config {
                rate: 0,
                ..config(0, 3)
            },
            ["--rates 0:", "1 to 1000"],
        ),
        (
            Config {
                rate: 1001,
                ..config(0, 3)
            },
            ["--rates 1001:", "1 to 1000"],
        ),
        (
            Config {
                draw: 0,
                ..config(0, 3)
            },
            ["--draw 0:", "3 to 10000"],
        ),
        (
            Config {
                draw: 2,
                ..config(0, 3)
            },
            ["--draw 2:", "3 to 10000"],
        ),
        (
            Config {
                draw: 10_001,
                ..config(0, 3)
            },
            ["--draw 10001:", "3 to 10000"],
        ),
    ] {
        let message = refused(config);
        for word in words {
            assert!(message.contains(word), "{message} lacks {word}");
        }
    }
}

#[test]
fn the_die_follows_from_the_probability_of_an_internal_event() {
    for (internal, draw) in [
        (0.7, 10),
        (0.25, 4),
        (0.0, 3),
        (0.4, 5),
        (0.5, 6),
        (0.571, 7),
        (0.5714, 7),
        (0.625, 8),
        (0.667, 9),
        (0.97, 100),
        (0.9997, 10_000),
    ] {
        assert_eq!(draw_from_internal(internal), Ok(draw), "{internal}");
    }
}

#[test]
fn every_die_small_enough_to_be_told_apart_comes_back_from_its_probability() {
    // Beyond a die of 54, three decimals no longer tell neighbours apart.
    for draw in DRAW_MIN..=54 {
        assert_eq!(draw_from_internal(internal_probability(draw)), Ok(draw));
        // As people write it.
        let rounded = (internal_probability(draw) * 1000.0).round() / 1000.0;
        assert_eq!(draw_from_internal(rounded), Ok(draw), "{rounded}");
    }
}

#[test]
fn a_probability_between_two_dice_names_both() {
    let message = draw_from_internal(0.6).unwrap_err().to_string();
    for word in [
        "--internal 0.6:",
        "7.50 sides",
        "--draw 7 (internal 0.571)",
        "--draw 8 (internal 0.625)",
    ] {
        assert!(message.contains(word), "{message} lacks {word}");
    }
    let message = draw_from_internal(0.1).unwrap_err().to_string();
    assert!(
        message.contains("--draw 3 (internal 0.000)") && message.contains("--draw 4 (internal 0.250)"),
        "{message}"
    );
}

#[test]
fn what_is_no_probability_is_refused_with_the_bounds() {
    for internal in [
        1.0,
        1.5,
        -1.0,
        -1e-9,
        0.99999,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ] {
        let message = draw_from_internal(internal).unwrap_err().to_string();
        assert!(
            message.contains("--internal") && message.contains("0 to 0.9997"),
            "{message}"
        );
    }
}

#[test]
fn rates_are_a_list_or_a_range() {
    for (text, rates) in [
        ("6", Rates::List(vec![6])),
        ("6,4,1", Rates::List(vec![6, 4, 1])),
        ("6, 4, 1", Rates::List(vec![6, 4, 1])),
        ("1000", Rates::List(vec![1000])),
        ("1-6", Rates::Range { from: 1, to: 6 }),
        ("3-3", Rates::Range { from: 3, to: 3 }),
    ] {
        let parsed: Rates = text.parse().unwrap();
        assert_eq!(parsed, rates, "{text}");
        assert_eq!(parsed.to_string().parse(), Ok(rates), "its own words read back");
    }
}

#[test]
fn rates_that_are_none_are_named() {
    for (text, part) in [
        ("", "``"),
        ("0", "`0`"),
        ("1001", "`1001`"),
        ("6,,1", "``"),
        ("6,x", "`x`"),
        ("-1", "``"),
        ("1-", "``"),
        ("1-6-8", "`6-8`"),
        ("1.5", "`1.5`"),
        ("0-6", "`0`"),
        ("99999999999", "`99999999999`"),
    ] {
        let message = text.parse::<Rates>().unwrap_err();
        assert!(
            message.contains(part) && message.contains("1 to 1000"),
            "{text}: {message}"
        );
    }
    let message = "6-1".parse::<Rates>().unwrap_err();
    assert!(
        message.contains("6-1") && message.contains("smaller rate first"),
        "{message}"
    );
}

#[test]
fn a_list_needs_one_rate_a_machine() {
    let list = Rates::List(vec![6, 4, 1]);
    assert_eq!(list.resolve(3, 7), Ok(vec![6, 4, 1]));
    for machines in [2, 4] {
        let message = list.resolve(machines, 7).unwrap_err().to_string();
        for word in [
            "--rates 6,4,1:",
            "3 rates",
            &format!("{machines} machines"),
            "1-6",
        ] {
            assert!(message.contains(word), "{message} lacks {word}");
        }
    }
    let message = Rates::List(vec![6, 0]).resolve(2, 7).unwrap_err().to_string();
    assert!(
        message.contains("--rates 6,0:") && message.contains("0 is no rate"),
        "{message}"
    );
    assert!(Rates::Range { from: 999, to: 2000 }.resolve(100, 7).is_err());
}

#[test]
fn a_range_is_drawn_evenly_and_holds_both_ends() {
    let mut counts = [0_u32; 6];
    for seed in 0..2000 {
        for rate in (Rates::Range { from: 1, to: 6 }).resolve(3, seed).unwrap() {
            counts[rate as usize - 1] += 1;
        }
    }
    // 6000 draws: 1000 each, with a deviation of 29.
    assert!(
        counts.iter().all(|count| (850..=1150).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn phases_are_named() {
    for phase in [Phase::Random, Phase::Aligned] {
        assert_eq!(phase.to_string().parse(), Ok(phase));
    }
    let message = "late".parse::<Phase>().unwrap_err();
    assert!(
        message.contains("`late`") && message.contains("random or aligned"),
        "{message}"
    );
}
