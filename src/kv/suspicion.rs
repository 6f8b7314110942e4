//! How likely it is that a silent peer is gone: the φ accrual failure detector (Hayashibara, Défago, Yared and Katayama,
//! SRDS 2004), in integers, so that it is the same everywhere.
//!
//! φ is −log₁₀ of the probability that a heartbeat comes still later than now, if the times between heartbeats are
//! distributed as those of a window. The tail of the normal distribution is taken as logistic, as Akka does:
//! `P(later) ≈ 1 / (1 + e^x)` with `x = y (1.5976 + 0.070566 y²)` and `y = (t − mean) / deviation`; so φ ≈ x / ln 10.
//! At 200 ms between heartbeats and φ = 8 a peer is suspected 2 to 3 seconds after its last word.
//!
//! A pause of a second is nothing: mean and deviation are never taken for so small that it counts. A link that is down
//! is more than silence, and takes this grace away: then half a second is enough.

use std::collections::VecDeque;

use crate::units::Time;

/// Times between heartbeats that are remembered.
const WINDOW: usize = 100;

/// Silence beyond the mean that is nothing while the link is up: a stalled process, a slow disk.
const GRACE_US: u64 = 1_000_000;

/// What is heard of one peer.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    /// The time between heartbeats that is configured.
    heartbeat_us: u64,
    /// Of the last heartbeats, the time since the one before.
    between_us: VecDeque<u64>,
    /// The sum of `between_us`, and of its squares.
    sum: u64,
    squares: u128,
    /// When the last heartbeat came, of this link.
    beat: Option<Time>,
    /// When the peer was heard last, or watching it began.
    heard: Time,
    /// The link is down, since so long.
    down: Option<Time>,
}

impl Suspicion {
    /// Of a peer that nothing was heard of; its silence counts from now.
    pub(super) fn new(now: Time, heartbeat_us: u64) -> Self {
        Self {
            heartbeat_us,
            between_us: VecDeque::new(),
            sum: 0,
            squares: 0,
            beat: None,
            heard: now,
            down: None,
        }
    }

    /// A heartbeat has come.
    pub(super) fn beat(&mut self, now: Time) {
        if let Some(last) = self.beat.replace(now) {
            // A single silence of minutes must not make the detector blind afterwards.
            let between = now.0.saturating_sub(last.0).min(self.heartbeat_us * 10);
            self.between_us.push_back(between);
            self.sum += between;
            self.squares += u128::from(between) * u128::from(between);
            if self.between_us.len() > WINDOW
                && let Some(oldest) = self.between_us.pop_front()
            {
                self.sum -= oldest;
                self.squares -= u128::from(oldest) * u128::from(oldest);
            }
        }
        self.hear(now);
    }

    /// Anything has come.
    pub(super) fn hear(&mut self, now: Time) {
        self.heard = now;
        self.down = None;
    }

    /// The link has come up: no word yet, but its end counts no more.
    pub(super) fn link_up(&mut self) {
        self.down = None;
        self.beat = None;
    }

    /// The link has gone down.
    pub(super) fn link_down(&mut self, now: Time) {
        self.down.get_or_insert(now);
        self.beat = None;
    }

    /// How long nothing was heard.
    pub(super) fn silent_us(&self, now: Time) -> u64 {
        now.0.saturating_sub(self.heard.0)
    }

    /// φ, in thousandths.
    pub(super) fn phi_permille(&self, now: Time) -> u64 {
        let count = self.between_us.len() as u64;
        let (mean, variance) = match count {
            0 => (self.heartbeat_us, 0),
            count => {
                let mean = self.sum / count;
                let squares = self.squares / u128::from(count);
                (mean, squares.saturating_sub(u128::from(mean) * u128::from(mean)))
            }
        };
        // They are taken to differ by no less than the time that is configured: one lost is nothing.
        let deviation = u64::try_from(variance.isqrt()).unwrap_or(u64::MAX);
        let deviation = deviation.max(self.heartbeat_us);
        let (grace, deviation) = match self.down {
            Some(_) => (0, self.heartbeat_us / 4),
            None => (GRACE_US, deviation),
        };
        let late = self.silent_us(now).saturating_sub(mean.saturating_add(grace));
        // y in thousandths; beyond 100 deviations it no longer matters by how much.
        let y = u128::from(late) * 1000 / u128::from(deviation.max(1));
        let y = y.min(100_000);
        // x in millionths of millionths: y (1.5976 + 0.070566 y²).
        let x = y * (1_597_600_000 + 70_566 * y * y / 1000);
        // x / ln 10, in thousandths.
        let phi = x / 2_302_585_093;
        u64::try_from(phi).unwrap_or(u64::MAX)
    }

    /// When φ will have reached a bound, if nothing is heard until then: to the millisecond.
    #[cfg(test)]
    fn reaches(&self, phi_permille: u64) -> Time {
        let mut at = self.heard;
        while self.phi_permille(at) < phi_permille {
            at.0 += 1000;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT_US: u64 = 200_000;

    /// A peer whose heartbeats came every 200 ms, give or take `jitter_us`, for a while; and the time of the last.
    fn beating(jitter_us: u64) -> (Suspicion, Time) {
        let mut suspicion = Suspicion::new(Time(0), BEAT_US);
        let mut now = Time(0);
        for beat in 0..50 {
            now.0 += if beat % 2 == 0 {
                BEAT_US - jitter_us
            } else {
                BEAT_US + jitter_us
            };
            suspicion.beat(now);
        }
        (suspicion, now)
    }

    #[test]
    fn a_silent_peer_is_suspected_after_two_to_five_seconds() {
        for jitter_us in [0, 10_000, 100_000] {
            let (suspicion, last) = beating(jitter_us);
            let silent = suspicion.reaches(8000).0 - last.0;
            assert!((2_000_000..5_000_000).contains(&silent), "{jitter_us}: {silent}");
        }
    }

    #[test]
    fn a_second_of_silence_is_nothing() {
        let (suspicion, last) = beating(50_000);
        assert_eq!(suspicion.phi_permille(Time(last.0 + 1_200_000)), 0);
    }

    #[test]
    fn a_peer_whose_link_is_down_is_suspected_within_a_second() {
        let (mut suspicion, last) = beating(0);
        suspicion.link_down(last);
        let silent = suspicion.reaches(8000).0 - last.0;
        assert!((300_000..1_000_000).contains(&silent), "{silent}");
        let (mut suspicion, last) = beating(0);
        suspicion.link_down(last);
        suspicion.link_up();
        assert_eq!(suspicion.phi_permille(Time(last.0 + 1_000_000)), 0, "it is back");
    }

    #[test]
    fn suspicion_grows_with_silence_and_ends_with_a_word() {
        let (mut suspicion, last) = beating(1000);
        let mut before = 0;
        for silent in (0..20_000_000).step_by(100_000) {
            let phi = suspicion.phi_permille(Time(last.0 + silent));
            assert!(phi >= before, "{silent}");
            before = phi;
        }
        assert!(before > 100_000);
        let now = Time(last.0 + 3_600_000_000);
        assert!(suspicion.phi_permille(now) > 100_000, "no overflow");
        suspicion.beat(now);
        assert_eq!(suspicion.phi_permille(now), 0);
    }

    #[test]
    fn a_peer_that_was_never_heard_has_the_same_grace() {
        let suspicion = Suspicion::new(Time(7), BEAT_US);
        let silent = suspicion.reaches(8000).0 - 7;
        assert!((2_000_000..5_000_000).contains(&silent), "{silent}");
    }
}
