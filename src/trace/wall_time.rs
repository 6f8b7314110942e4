//! Wall time in logs: UTC with microseconds, as text and as a number.
//!
//! Calendar arithmetic is chrono's. Lines of one log share their minute, so both directions keep the last
//! one: formatting and parsing a time then costs a few nanoseconds.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::units::Time;

/// Bytes of a time as text: `2026-11-20T23:16:01.373456Z`.
pub(super) const TIME_BYTES: usize = 27;

/// Bytes of the text up to and including the minute and its colon.
const MINUTE_BYTES: usize = 17;

const MINUTE_US: i64 = 60_000_000;

/// Microseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(pub i64);

impl WallTime {
    /// This wall time, which was read at the driver's time `at`, carried on to the driver's time `now`.
    #[must_use]
    pub fn carried(self, at: Time, now: Time) -> WallTime {
        let later = i64::try_from(now.0).unwrap_or(i64::MAX);
        let earlier = i64::try_from(at.0).unwrap_or(i64::MAX);
        WallTime(self.0.saturating_add(later).saturating_sub(earlier))
    }

    /// Microseconds from `earlier` to this.
    #[must_use]
    pub fn us_since(self, earlier: WallTime) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// So many microseconds before this; the beginning of time if that is before it.
    #[must_use]
    pub fn before_us(self, us: u64) -> WallTime {
        WallTime(self.0.saturating_sub(i64::try_from(us).unwrap_or(i64::MAX)))
    }

    /// Seconds from `earlier` to this.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a time difference in seconds is an approximation by nature"
    )]
    pub fn seconds_since(self, earlier: WallTime) -> f64 {
        self.us_since(earlier) as f64 / 1e6
    }

    /// The proposal for a run's id: the second it was started in, in UTC, as `20261120-231601`.
    #[must_use]
    pub fn run_name(self) -> String {
        self.date_time().format("%Y%m%d-%H%M%S").to_string()
    }

    fn date_time(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

impl std::fmt::Display for WallTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = Vec::with_capacity(TIME_BYTES);
        TimeText::default().write(*self, &mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

/// Formats and parses times, remembering the minute of the last one.
#[derive(Clone, Debug, Default)]
pub struct TimeText {
    /// Start of the minute whose text `prefix` holds; meaningless while `prefix` is empty.
    minute: WallTime,
    /// `2026-11-20T23:16:`
    prefix: Vec<u8>,
}

impl TimeText {
    /// Appends the 27 bytes of `time`.
    #[inline]
    pub fn write(&mut self, time: WallTime, output: &mut Vec<u8>) {
        let mut into_minute = time.0 - self.minute.0;
        if self.prefix.is_empty() || !(0..MINUTE_US).contains(&into_minute) {
            into_minute = time.0.rem_euclid(MINUTE_US);
            self.minute = WallTime(time.0 - into_minute);
            self.prefix = self
                .minute
                .date_time()
                .format("%Y-%m-%dT%H:%M:")
                .to_string()
                .into_bytes();
        }
        output.extend_from_slice(&self.prefix);
        // `SS.uuuuuuZ`, from the last digit to the first.
        let mut text = *b"00.000000Z";
        let mut rest = into_minute;
        for place in [8, 7, 6, 5, 4, 3, 1, 0] {
            if let (Some(byte), Ok(digit)) = (text.get_mut(place), u8::try_from(rest % 10)) {
                *byte = b'0' + digit;
            }
            rest /= 10;
        }
        output.extend_from_slice(&text);
    }

    /// Reads a time of exactly the form that [`write`](Self::write) gives; `None` for any other text.
    #[inline]
    pub fn parse(&mut self, text: &[u8]) -> Option<WallTime> {
        let (minute, rest) = text.split_first_chunk::<MINUTE_BYTES>()?;
        let &[s1, s0, b'.', u5, u4, u3, u2, u1, u0, b'Z'] = rest else {
            return None;
        };
        // Arrays of a known length compare in a few instructions; slices call out.
        if self.prefix.len() != MINUTE_BYTES || self.prefix.first_chunk() != Some(minute) {
            self.parse_minute(minute)?;
        }
        let mut into_minute: i64 = 0;
        let mut other = s1 > b'5';
        for byte in [s1, s0, u5, u4, u3, u2, u1, u0] {
            let digit = byte.wrapping_sub(b'0');
            other |= digit > 9;
            into_minute = into_minute * 10 + i64::from(digit);
        }
        (!other).then_some(WallTime(self.minute.0 + into_minute))
    }

    #[cold]
    fn parse_minute(&mut self, minute: &[u8; MINUTE_BYTES]) -> Option<()> {
        // chrono reads more than this form: signs, blanks, months of one digit.
        let is_of_form = minute
            .iter()
            .zip(b"0000-00-00T00:00:")
            .all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == form,
            });
        if !is_of_form {
            return None;
        }
        let whole = [minute.as_slice(), b"00"].concat();
        let whole = std::str::from_utf8(&whole).ok()?;
        let date_time = NaiveDateTime::parse_from_str(whole, "%Y-%m-%dT%H:%M:%S").ok()?;
        self.minute = WallTime(date_time.and_utc().timestamp_micros());
        self.prefix = minute.to_vec();
        Some(())
    }
}
