//! What to expect of a run before it is made: a fluid model of queues, rates and clocks.
//!
//! Source: the project's own derivation. With q the probability that an idle tick sends to one given peer,
//! machine i's idle ticks a second x_i, the messages a second that reach it λ_i, and the growth of its queue
//! g_i follow from
//!
//! ```text
//! λ_i = q · Σ_{j≠i} x_j        x_i = max(0, r_i − λ_i)        g_i = max(0, λ_i − r_i)
//! ```
//!
//! which has one solution for 0 ≤ q < 1. With the rates in descending order, k the largest index for which
//! `r_k (1 + (k−1) q) > q (r_1 + … + r_k)`, and `S = (r_1 + … + r_k) / (1 + (k−1) q)`, machines up to k keep
//! up and have `x_i = (r_i − q S) / (1 − q)`; the others are saturated: `x_i = 0`, `λ_i = q S`.

/// What one machine is expected to do, per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// Ticks a second.
    pub rate: f64,
    /// x: ticks a second with no message waiting.
    pub idle: f64,
    /// λ: messages a second that reach it.
    pub arrivals: f64,
    /// g: growth of its queue in messages a second; 0 if it keeps up.
    pub growth: f64,
    /// r (1 + (N−1) q) / (q R) − 1 with R the sum of all rates: how far its rate is from the border between
    /// keeping up and saturation, relative to the border. For three machines and a die of ten: `7 r / R − 1`.
    pub margin: f64,
    /// Standard deviation of a saturated queue after one second; after T seconds it is √T times that.
    pub queue_deviation: f64,
}

/// Relative distance from the border below which no statistical expectation is asserted: there a queue grows
/// like √t.
pub const MARGIN_MIN: f64 = 0.1;

/// q: the probability that an idle tick of one of `machines` sends to one given peer, with a die of `draw` sides.
#[must_use]
pub fn send_probability(machines: u16, draw: u32) -> f64 {
    (2.0 / (f64::from(machines) - 1.0) + 1.0) / f64::from(draw)
}

/// The border of keeping up for one slow machine among equal fast ones: the ratio of its rate to theirs at which
/// `r (1 + (N−1) q) = q R`, so `q (N−1) / (1 + (N−2) q)`. For three machines and a die of ten it is 1/3.
#[must_use]
pub fn critical_ratio(machines: u16, q: f64) -> f64 {
    let machines = f64::from(machines);
    q * (machines - 1.0) / (1.0 + (machines - 2.0) * q)
}

/// The flow of each machine, in the order of `rates` (ticks a second of real time, at least two machines).
///
/// A die of three among two machines sends at every idle tick (q = 1); the solution is then the limit q → 1,
/// computed just below it.
#[must_use]
pub fn flows<R: Copy + Into<f64>>(rates: &[R], draw: u32) -> Vec<Flow> {
    let machines = u16::try_from(rates.len()).unwrap_or(u16::MAX);
    let q = send_probability(machines.max(2), draw).min(1.0 - 1e-9);
    let mut sorted: Vec<f64> = rates.iter().copied().map(Into::into).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let total: f64 = sorted.iter().sum();
    let (mut sum, mut keeping_sum, mut keeping) = (0.0, 0.0, 0.0);
    for (index, rate) in (0_u32..).zip(&sorted) {
        sum += rate;
        if rate * (1.0 + f64::from(index) * q) > q * sum {
            (keeping_sum, keeping) = (sum, f64::from(index) + 1.0);
        }
    }
    // S: all idle ticks a second of the machines that keep up.
    let idle_sum = keeping_sum / (1.0 + (keeping - 1.0) * q);
    let peers = f64::from(machines) - 1.0;
    rates
        .iter()
        .map(|rate| {
            let rate: f64 = (*rate).into();
            let keeps_up = rate > q * idle_sum;
            let idle = if keeps_up {
                (rate - q * idle_sum) / (1.0 - q)
            } else {
                0.0
            };
            let arrivals = q * (idle_sum - idle);
            Flow {
                rate,
                idle,
                arrivals,
                growth: (arrivals - rate).max(0.0),
                margin: rate * (1.0 + peers * q) / (q * total) - 1.0,
                queue_deviation: (q * (1.0 - q) * (idle_sum - idle)).sqrt(),
            }
        })
        .collect()
}

impl Flow {
    /// Whether it falls behind for good.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.growth > 0.0
    }

    /// Whether it is so near the border that nothing statistical can be said.
    #[must_use]
    pub fn is_critical(&self) -> bool {
        self.margin.abs() < MARGIN_MIN
    }

    /// Messages taken a second.
    #[must_use]
    pub fn receives(&self) -> f64 {
        self.rate.min(self.arrivals)
    }

    /// Send events a second, of which one to all peers counts once.
    #[must_use]
    pub fn sends(&self, draw: u32) -> f64 {
        self.idle * 3.0 / f64::from(draw)
    }

    /// Internal events a second.
    #[must_use]
    pub fn internals(&self, draw: u32) -> f64 {
        self.idle - self.sends(draw)
    }

    /// The clock after `seconds`, where the fastest machine's clock runs at `fastest` a second.
    #[must_use]
    pub fn clock(&self, fastest: f64, seconds: f64) -> f64 {
        fastest * seconds * (self.rate / self.arrivals).min(1.0)
    }

    /// The average jump of its clock per event, where the fastest machine's clock runs at `fastest` a second.
    #[must_use]
    pub fn jump(&self, fastest: f64) -> f64 {
        fastest / self.rate.max(self.arrivals)
    }

    /// How far a saturated queue may lie from `growth × seconds`, in messages; held in 56 rate triples × 100
    /// seeds.
    #[must_use]
    pub fn queue_tolerance(&self, seconds: f64) -> f64 {
        3.0 * self.queue_deviation * seconds.sqrt() + 5.0
    }

    /// How far the average jump may lie from [`jump`](Self::jump), relative to it, for `machines` and a die
    /// of `draw` sides.
    #[must_use]
    pub fn jump_tolerance(&self, machines: u16, draw: u32, seconds: f64) -> f64 {
        if self.is_saturated() {
            let q = send_probability(machines, draw);
            4.0 * ((1.0 - q) / (self.rate * seconds)).sqrt()
        } else {
            0.15
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9 * (1.0 + a.abs() + b.abs())
    }

    #[test]
    fn flows_satisfy_the_equations_for_every_triple_and_die() {
        for draw in [3, 4, 6, 10, 100] {
            for code in 0..216 {
                let rates = [code / 36 + 1, code / 6 % 6 + 1, code % 6 + 1];
                let q = send_probability(3, draw);
                let flows = flows(&rates, draw);
                for (i, flow) in flows.iter().enumerate() {
                    let others: f64 = flows
                        .iter()
                        .enumerate()
                        .filter(|(j, _)| *j != i)
                        .map(|(_, f)| f.idle)
                        .sum();
                    assert!(near(flow.arrivals, q * others), "{rates:?} {draw}: {flow:?}");
                    assert!(
                        near(flow.idle, (flow.rate - flow.arrivals).max(0.0)),
                        "{rates:?} {draw}: {flow:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn many_machines_and_two_machines_satisfy_the_equations() {
        for rates in [
            vec![6, 1],
            vec![3, 3],
            (1..=50).collect::<Vec<u32>>(),
            vec![6; 100],
        ] {
            let q = send_probability(u16::try_from(rates.len()).unwrap(), 10);
            let flows = flows(&rates, 10);
            let total: f64 = flows.iter().map(|flow| flow.idle).sum();
            for flow in &flows {
                assert!(near(flow.arrivals, q * (total - flow.idle)), "{flow:?}");
                assert!(near(flow.idle, (flow.rate - flow.arrivals).max(0.0)), "{flow:?}");
            }
        }
    }

    #[test]
    fn three_machines_keep_up_exactly_when_seven_rates_exceed_the_sum() {
        for code in 0..216 {
            let rates = [code / 36 + 1, code / 6 % 6 + 1, code % 6 + 1];
            let sum: u32 = rates.iter().sum();
            for (rate, flow) in rates.iter().zip(flows(&rates, 10)) {
                assert_eq!(flow.is_saturated(), 7 * rate < sum, "{rates:?}: {flow:?}");
                assert!(
                    near(flow.margin, f64::from(7 * rate) / f64::from(sum) - 1.0),
                    "{rates:?}: {flow:?}"
                );
            }
        }
    }

    #[test]
    fn the_critical_ratio_is_where_the_margin_of_one_slow_machine_vanishes() {
        assert!(near(critical_ratio(3, send_probability(3, 10)), 1.0 / 3.0));
        for (machines, draw) in [(2, 4), (2, 10), (3, 3), (3, 7), (5, 10), (50, 20)] {
            let mut rates = vec![1_000_000; usize::from(machines)];
            let ratio = critical_ratio(machines, send_probability(machines, draw));
            for (factor, saturated) in [(0.999, true), (1.001, false)] {
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
                let slow = (ratio * factor * 1e6) as u32;
                *rates.last_mut().unwrap() = slow;
                let flow = *flows(&rates, draw).last().unwrap();
                assert_eq!(flow.is_saturated(), saturated, "{machines} {draw}: {flow:?}");
                assert!(flow.margin.abs() < 0.002, "{machines} {draw}: {flow:?}");
            }
        }
    }

    #[test]
    fn the_reference_table_comes_out() {
        for (rates, draw, arrivals, queue) in [
            ([6, 6, 1], 10, 2.00, 60.0),
            ([6, 4, 1], 10, 1.67, 40.0),
            ([6, 3, 1], 10, 1.50, 30.0),
            ([4, 3, 2], 10, 1.11, 0.0),
            ([6, 5, 4], 10, 1.68, 0.0),
            ([6, 6, 1], 4, 4.00, 180.0),
        ] {
            let slowest = flows(&rates, draw)[2];
            assert!(
                (slowest.arrivals - arrivals).abs() < 0.005,
                "{rates:?} {draw}: {slowest:?}"
            );
            assert!(
                (slowest.growth * 60.0 - queue).abs() < 0.5,
                "{rates:?} {draw}: {slowest:?}"
            );
        }
    }
}
