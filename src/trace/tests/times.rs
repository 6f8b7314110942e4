//! Wall time as text: the calendar, the one form, and the monotonic clock that carries it.

use super::*;

#[test]
fn times_are_written_as_a_calendar_says() {
    for (us, text) in [
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (59_999_999, "1970-01-01T00:00:59.999999Z"),
        (60_000_000, "1970-01-01T00:01:00.000000Z"),
        (AT_US, AT),
        (951_782_399_999_999, "2000-02-28T23:59:59.999999Z"),
        (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
        (1_798_761_599_999_999, "2026-12-31T23:59:59.999999Z"),
        (1_798_761_600_000_000, "2027-01-01T00:00:00.000000Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00.000000Z"),
        (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
    ] {
        assert_eq!(WallTime(us).to_string(), text);
        assert_eq!(TimeText::default().parse(text.as_bytes()), Some(WallTime(us)));
    }
}

#[test]
fn times_in_sequence_cross_minutes_days_and_years_both_ways() {
    let (mut writer, mut reader) = (TimeText::default(), TimeText::default());
    let new_year = 1_798_761_600_000_000;
    for us in [
        -60_000_001,
        -60_000_000,
        -1,
        0,
        59_999_999,
        60_000_000,
        -1,
        0,
        -86_400_000_000,
    ] {
        let mut text = Vec::new();
        writer.write(WallTime(new_year + us), &mut text);
        let mut alone = Vec::new();
        TimeText::default().write(WallTime(new_year + us), &mut alone);
        assert_eq!(text, alone);
        assert_eq!(reader.parse(&text), Some(WallTime(new_year + us)));
    }
}

#[test]
fn only_the_form_that_is_written_is_a_time() {
    for text in [
        "",
        "Z",
        "2026-11-20",
        "2026-11-20T23:16:01Z",
        "2026-11-20T23:16:01.373Z",
        "2026-11-20T23:16:01.373456",
        "2026-11-20T23:16:01.373456z",
        "2026-11-20 23:16:01.373456Z",
        "2026-11-20T23:16:60.000000Z",
        "2026-11-20T23:16:61.000000Z",
        "2026-11-20T23:60:01.373456Z",
        "2026-11-20T24:00:00.000000Z",
        "2026-11-31T23:16:01.373456Z",
        "2026-02-29T23:16:01.373456Z",
        "2026-13-20T23:16:01.373456Z",
        "2026-00-20T23:16:01.373456Z",
        "2026-11-20T23:16:01,373456Z",
        "2026-11-20T23:16:0a.373456Z",
        "2026-11-20T23:16:01.37345:Z",
        "+2026-1-20T23:16:01.373456Z",
        "-026-11-20T23:16:01.373456Z",
        "+026-11-20T23:16:01.373456Z",
        "2026-1-020T23:16:01.373456Z",
        "2026-11-20T 3:16:01.373456Z",
        "2026-11-20T23: 6:01.373456Z",
        "2026-11-20T23:\t6:01.373456Z",
        " 026-11-20T23:16:01.373456Z",
        "02026-1-20T23:16:01.373456Z",
        "2026-11-20T+3:16:01.373456Z",
        "2026-11-20T23:16:01.373456Z ",
    ] {
        assert_eq!(TimeText::default().parse(text.as_bytes()), None, "{text:?}");
        // The same behind a time that is right: what is remembered must not help.
        let mut warm = TimeText::default();
        assert_eq!(warm.parse(AT.as_bytes()), Some(WallTime(AT_US)));
        assert_eq!(warm.parse(text.as_bytes()), None, "{text:?} behind {AT}");
        assert_eq!(
            warm.parse(AT.as_bytes()),
            Some(WallTime(AT_US)),
            "behind {text:?}"
        );
    }
}

#[test]
fn wall_time_is_carried_by_the_monotonic_clock() {
    use crate::units::Time;
    let read_at = WallTime(AT_US);
    assert_eq!(read_at.carried(Time(500), Time(500)), read_at);
    assert_eq!(read_at.carried(Time(500), Time(1_500)), WallTime(AT_US + 1_000));
    assert_eq!(read_at.carried(Time(500), Time(0)), WallTime(AT_US - 500));
    assert_eq!(WallTime(AT_US + 7).us_since(read_at), 7);
    assert!((WallTime(AT_US + 1_500_000).seconds_since(read_at) - 1.5).abs() < 1e-9);
    assert_eq!(read_at.run_name(), "20261120-231601");
    assert!(read_at.run_name().parse::<RunId>().is_ok());
}
