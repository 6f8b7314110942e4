//! Times in logs of other programs, as far as they are understood.
//!
//! | written as | read as |
//! |---|---|
//! | `1700000000123456789` in a field `timestamp` | nanoseconds since 1970, or since any moment (TSViz) |
//! | `2026-11-20T23:16:01.123456Z`, `2026-11-20 23:16:01,123` | that moment, UTC if no zone is given |
//!
//! Other forms are no error: events then have no time, and a note says so.

use chrono::{DateTime, NaiveDateTime};

use crate::trace::WallTime;

/// Groups of an expression that hold a time, the best first.
pub(super) const TIME_GROUPS: [&str; 3] = ["timestamp", "date", "time"];

/// Bytes in which a time is looked for at the start of a line of a Java program's log.
const PREFIX_BYTES_MAX: usize = 64;

/// The time that a field holds.
pub(super) fn parse(field: &str) -> Option<WallTime> {
    let field = field.trim().trim_matches(|c| matches!(c, '[' | ']'));
    if !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit()) {
        let nanoseconds: i64 = field.parse().ok()?;
        return Some(WallTime(nanoseconds / 1000));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(field) {
        return Some(WallTime(time.timestamp_micros()));
    }
    let (date, time) = field.split_once([' ', 'T'])?;
    let text = format!("{date} {}", time.trim_end_matches('Z').replacen(',', ".", 1));
    let form = if date.contains('/') {
        "%m/%d/%Y %H:%M:%S%.f"
    } else {
        "%Y-%m-%d %H:%M:%S%.f"
    };
    let time = NaiveDateTime::parse_from_str(&text, form).ok()?;
    Some(WallTime(time.and_utc().timestamp_micros()))
}

/// The time near the start of a line: `2026-11-20 23:16:01,123{GMT}`, or the same in brackets behind a level.
pub(super) fn of_line(line: &str) -> Option<WallTime> {
    const FORM: &[u8] = b"0000-00-00 00:00:00";
    let head = line.as_bytes();
    let head = head.get(..head.len().min(PREFIX_BYTES_MAX))?;
    let start = head.windows(FORM.len()).position(|window| {
        let fits = |(byte, form): (&u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        };
        window.iter().zip(FORM).all(fits)
    })?;
    let rest = line.get(start..)?;
    let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | ':' | ' ' | ',' | '.');
    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
    parse(rest.get(..end)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_of_these_programs() {
        let at = parse("2026-11-20T23:16:01.123456Z").unwrap();
        assert_eq!(at.to_string(), "2026-11-20T23:16:01.123456Z");
        for (text, expected) in [
            ("2026-11-20 23:16:01,123", "2026-11-20T23:16:01.123000Z"),
            ("[2026-11-20 23:16:01.5]", "2026-11-20T23:16:01.500000Z"),
            ("2026-11-20T23:16:01+01:00", "2026-11-20T22:16:01.000000Z"),
            ("10/13/2014 14:37:20.543", "2014-10-13T14:37:20.543000Z"),
            ("1416525361123456789", "2014-11-20T23:16:01.123456Z"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
        for text in [
            "",
            "yesterday",
            "99999999999999999999",
            "2026-13-20 23:16:01",
            "5/27/2013 10:53:39 AM",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        let line = "2023-02-25 21:15:31,337{GMT}\tINFO\t[n1 stdout] maelstrom.net: :send";
        assert_eq!(of_line(line).unwrap().to_string(), "2023-02-25T21:15:31.337000Z");
        let line = "INFO [2024-12-07 12:51:12,778] n15 stdout - maelstrom.net :recv";
        assert_eq!(of_line(line).unwrap().to_string(), "2024-12-07T12:51:12.778000Z");
        assert_eq!(of_line("é {}"), None);
    }
}
