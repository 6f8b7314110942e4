//! What stands in a query and in the header with the token. What is not known is refused: a mistyped name would
//! otherwise ask for something else in silence.

use std::{str::FromStr, time::Duration};

use crate::{
    gateway::{answer::TOKEN, call::Call, path, problem::Problem},
    kv::{Copies, Key, SCAN_ITEMS_MAX, Token, parse_token},
};

/// Longest wait that a client may ask for.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Items of a page if nothing is said.
const LIMIT: u32 = 100;

/// What a query says, with what is meant where it says nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters {
    /// `wait=5s`: how long to wait for what the token names and is not here.
    pub(super) wait_us: u64,
    /// `w=1|2|majority|pushed`: how many replicas shall have a write.
    pub(super) copies: Copies,
    /// `ttl=30s`: how long a value lasts.
    pub(super) lasts_us: Option<u64>,
    /// `siblings=true`: what is concurrent stays side by side.
    pub(super) siblings: Siblings,
    /// `lost=true`: a member that is removed never comes back with what it had.
    pub(super) lost: Lost,
    /// `prefix=`.
    pub(super) prefix: Key,
    /// `after=`.
    pub(super) after: Option<Key>,
    /// `limit=`.
    pub(super) limit: u32,
}

/// What a write does to values that its client has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Siblings {
    /// They are replaced if the replica has them.
    Replace,
    /// They stay.
    Keep,
}

/// Whether a member that is removed may come back with what it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It may.
    No,
    /// It never does.
    Yes,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            wait_us: 0,
            copies: Copies::default(),
            lasts_us: None,
            siblings: Siblings::Replace,
            lost: Lost::No,
            prefix: Key::default(),
            after: None,
            limit: LIMIT,
        }
    }
}

impl Parameters {
    /// Reads a query of which these names are known.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        let parts = query.unwrap_or_default().split('&');
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !known.contains(&name) {
                let known = known.join(", ");
                let what = format!("the query has `{name}`, and this resource knows {known}");
                return Err(Problem::malformed(what));
            }
            parameters.take(name, path::decode_query(value))?;
        }
        Ok(parameters)
    }

    fn take(&mut self, name: &str, value: Key) -> Result<(), Problem> {
        if name == "prefix" {
            self.prefix = value;
            return Ok(());
        }
        if name == "after" {
            self.after = (!value.is_empty()).then_some(value);
            return Ok(());
        }
        let text = String::from_utf8_lossy(&value);
        let wrong = |expected: &str| Problem::malformed(format!("{name}={text} is not {expected}"));
        match name {
            "wait" => {
                let wait = duration(&text).filter(|wait| *wait <= WAIT_MAX);
                self.wait_us = wait
                    .and_then(micros)
                    .ok_or_else(|| wrong("a time of 0s to 30s"))?;
            }
            "ttl" => {
                let lasts = duration(&text).filter(|lasts| !lasts.is_zero()).and_then(micros);
                self.lasts_us = Some(lasts.ok_or_else(|| wrong("a time, such as 30s or 2h"))?);
            }
            "w" => {
                self.copies = match &*text {
                    "1" => Copies::One,
                    "2" => Copies::Two,
                    "majority" => Copies::Majority,
                    "pushed" => Copies::Pushed,
                    _ => return Err(wrong("1, 2, majority or pushed")),
                };
            }
            "lost" => {
                self.lost = match &*text {
                    "true" => Lost::Yes,
                    "false" => Lost::No,
                    _ => return Err(wrong("true or false")),
                };
            }
            "siblings" => {
                self.siblings = match &*text {
                    "true" => Siblings::Keep,
                    "false" => Siblings::Replace,
                    _ => return Err(wrong("true or false")),
                };
            }
            _ => {
                let limit = u32::from_str(&text)
                    .ok()
                    .filter(|limit| (1..=SCAN_ITEMS_MAX).contains(limit));
                self.limit = limit.ok_or_else(|| wrong("a number of 1 to 10000"))?;
            }
        }
        Ok(())
    }
}

/// A time as people write it: 30s, 500ms, 2h; a number alone has seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

/// Microseconds, as far as they fit a wall clock.
pub(super) fn micros(duration: Duration) -> Option<u64> {
    /// Ten thousand years.
    const MICROS_MAX: u128 = 315_576_000_000_000_000;
    let micros = duration.as_micros();
    u64::try_from(micros).ok().filter(|_| micros <= MICROS_MAX)
}

/// What the session has seen.
pub(super) fn token(call: &Call<'_>) -> Result<Token, Problem> {
    match call.header(&TOKEN)? {
        None => Ok(Token::new()),
        Some(text) => {
            parse_token(text).map_err(|error| Problem::malformed(format!("Clocklab-Token: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[&str] = &["wait", "w", "ttl", "siblings", "prefix", "after", "limit"];

    #[test]
    fn queries_say_what_they_say() {
        let read = |query| Parameters::read(Some(query), ALL).expect(query);
        assert_eq!(read(""), Parameters::default());
        assert_eq!(
            read("wait=1500ms&ttl=30&w=majority&siblings=true").wait_us,
            1_500_000
        );
        assert_eq!(read("ttl=30").lasts_us, Some(30_000_000));
        assert_eq!(read("ttl=2h").lasts_us, Some(7_200_000_000));
        assert_eq!(read("w=1").copies, Copies::One);
        assert_eq!(&*read("prefix=a%2Fb+c&limit=10000").prefix, b"a/b c");
        assert_eq!(read("after=").after, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for query in [
            "wait=31s",
            "wait=-1",
            "wait=",
            "ttl=0",
            "ttl=x",
            "ttl=99999999999999999999s",
            "w=0",
            "w=3",
            "w=",
            "siblings=yes",
            "limit=0",
            "limit=10001",
            "limit=x",
            "waits=1s",
            "=",
            "ttl=18446744073709551615",
        ] {
            let problem = Parameters::read(Some(query), ALL).expect_err(query);
            assert_eq!(problem.status, hyper::StatusCode::BAD_REQUEST, "{query}");
        }
        assert!(Parameters::read(Some("ttl=1s"), &["wait"]).is_err());
    }
}
