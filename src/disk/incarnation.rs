//! Which life a process is: a number above that of every life before, whether or not the disk survived.
//!
//! ```text
//!   life = max(last life that the folder knows, second of the wall clock) + 1;  the process waits until it begins
//! ```
//!
//! So a life's number is at most the second in which it starts to write, and the next one is above that, even if the
//! folder was lost, or is an older copy. What could break it is a wall clock that was set back at the same time.

#![allow(
    clippy::disallowed_methods,
    reason = "a life is numbered by the wall clock, and waits for a second to begin: this is the driver's side"
)]

use std::{
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long a start waits for the second of its incarnation. If the folder is further ahead, the wall clock was set
/// back; its number is used all the same, since the folder vouches for it.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Chooses a life's number at the time `now` since 1970, after the life `last` that the folder knows.
pub(super) fn choose(last: Option<u32>, now: Duration) -> u32 {
    let second = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
    last.unwrap_or(0).max(second).saturating_add(1)
}

/// How long it is until the second of this life has begun, at most [`WAIT_MAX`].
fn remaining(incarnation: u32, now: Duration) -> Duration {
    Duration::from_secs(u64::from(incarnation))
        .saturating_sub(now)
        .min(WAIT_MAX)
}

pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Chooses the number of a life that has no folder, and waits until its second has begun: at most one second.
#[must_use]
pub fn incarnation_without_disk() -> u32 {
    let incarnation = choose(None, now());
    wait_for_incarnation(incarnation);
    incarnation
}

/// Waits until the second of this life has begun. To be called before the service starts; what else has to be done
/// before that, such as reading rows, is best done before.
pub fn wait_for_incarnation(incarnation: u32) {
    thread::sleep(remaining(incarnation, now()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_life_is_numbered_by_the_next_second_or_above_the_last() {
        let now = Duration::from_millis(1_000_300);
        assert_eq!(choose(None, now), 1001);
        assert_eq!(choose(Some(7), now), 1001);
        assert_eq!(choose(Some(1001), now), 1002);
        assert_eq!(choose(Some(5000), now), 5001);
        assert_eq!(remaining(1001, now), Duration::from_millis(700));
        assert_eq!(remaining(1000, now), Duration::ZERO);
        assert_eq!(remaining(5001, now), WAIT_MAX);
    }

    proptest! {
        /// Lives start one after the other; some find the folder of the life before, some an older copy, some nothing.
        #[test]
        fn no_number_is_given_twice(
            lives in prop::collection::vec((0_u64..3_000, prop::option::of(any::<prop::sample::Index>())), 1..60),
        ) {
            let mut now = Duration::from_secs(1000);
            let mut given: Vec<u32> = Vec::new();
            for (pause_ms, folder) in lives {
                now += Duration::from_millis(pause_ms);
                let last = match folder {
                    Some(place) if !given.is_empty() => Some(given[place.index(given.len())]),
                    _ => None,
                };
                let incarnation = choose(last, now);
                prop_assert!(given.iter().all(|before| *before < incarnation), "{incarnation} after {given:?}");
                given.push(incarnation);
                now += remaining(incarnation, now);
            }
        }
    }
}
