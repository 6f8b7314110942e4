//! What differences of wall clocks the delays of messages allow: shortest paths.
//!
//! A message from i to j takes no less than no time. So with `o` the offset of a clock and `d` the least apparent
//! delay, `o(j) - o(i) <= d(i, j)` for each two machines with messages. The largest offset that such a system
//! allows is the shortest path from the reference, the smallest one is the shortest path to it (Bellman and Ford,
//! since delays between skewed clocks are negative as often as not).
//!
//! ```text
//!             d(0, 2) = 12.4 ms
//!        0  ───────────────────▶  2       12.0 ms <= o(2) <= 12.4 ms
//!           ◀───────────────────
//!             d(2, 0) = -12.0 ms
//! ```

use std::collections::BTreeMap;

/// Delays are cut to this: 280 years. No sum of them overflows on the way around a cycle of machines.
const DELAY_US_MAX: i64 = 1 << 53;

/// Cycles that are mended one by one; behind them the slack is doubled.
const CYCLES_MAX: u32 = 32;

/// What is known of each machine's offset, in microseconds.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) low: Vec<Option<i64>>,
    pub(super) high: Vec<Option<i64>>,
    /// Offsets that all delays allow: both bounds' middle where there are both.
    pub(super) aligned: Vec<i64>,
    /// Around which machines the delays sum up to less than nothing, and to how much less.
    pub(super) cycle: Option<(Vec<u32>, i64)>,
}

/// A graph of delays.
struct Graph {
    machines: usize,
    edges: Vec<Edge>,
}

/// The delay of the messages from one machine to another.
struct Edge {
    from: u32,
    to: u32,
    us: i64,
}

impl Bounds {
    /// Of the delays from one machine to another, by sender and receiver, the least counts.
    pub(super) fn new(
        machines: usize,
        reference: u32,
        delays: impl IntoIterator<Item = (u32, u32, i64)>,
    ) -> Self {
        let mut least: BTreeMap<(u32, u32), i64> = BTreeMap::new();
        for (from, to, us) in delays {
            let us = us.clamp(-DELAY_US_MAX, DELAY_US_MAX);
            if from != to && (from.max(to) as usize) < machines {
                least
                    .entry((from, to))
                    .and_modify(|least| *least = us.min(*least))
                    .or_insert(us);
            }
        }
        let edges = || least.iter().map(|((from, to), us)| (*from, *to, *us));
        let mut graph = Graph {
            machines,
            edges: edges().map(|(from, to, us)| Edge { from, to, us }).collect(),
        };
        let pairs = edges().filter_map(|(from, to, us)| {
            let back = least.get(&(to, from)).filter(|_| from < to)?;
            Some((vec![from, to], us.saturating_add(*back)))
        });
        let worst = pairs.min_by_key(|(_, sum)| *sum).filter(|(_, sum)| *sum < 0);
        let mut cycle = worst.map(|(around, sum)| (around, sum.saturating_neg()));
        graph.lengthen(cycle.as_ref().map_or(0, |(_, excess)| half_up(*excess)));
        graph.mend(&mut cycle);
        let mut high = vec![None; machines];
        let mut low = high.clone();
        for bounds in [&mut high, &mut low] {
            if let Some(reference) = bounds.get_mut(reference as usize) {
                *reference = Some(0);
            }
        }
        graph.relax(&mut high);
        graph.reverse();
        graph.relax(&mut low);
        let low: Vec<Option<i64>> = low.into_iter().map(|way| way.map(i64::saturating_neg)).collect();
        let aligned = graph.align(&low, &high);
        Self {
            low,
            high,
            aligned,
            cycle,
        }
    }
}

impl Graph {
    fn lengthen(&mut self, us: i64) {
        for edge in &mut self.edges {
            edge.us = edge.us.saturating_add(us);
        }
    }

    fn reverse(&mut self) {
        for edge in &mut self.edges {
            std::mem::swap(&mut edge.from, &mut edge.to);
        }
    }

    /// Lengthens all delays until no cycle is shorter than nothing. `told` is the first such cycle, unless one is
    /// known.
    fn mend(&mut self, told: &mut Option<(Vec<u32>, i64)>) {
        let mut slack_us: i64 = 0;
        for tries in 0_u32.. {
            let mut anywhere = vec![Some(0); self.machines];
            let Err(cycle) = self.relax_or_cycle(&mut anywhere) else {
                break;
            };
            let edges = cycle.iter().filter_map(|edge| self.edges.get(*edge));
            let sum = edges.clone().fold(0_i64, |sum, edge| sum.saturating_add(edge.us));
            let length = i64::try_from(cycle.len().max(1)).unwrap_or(i64::MAX);
            let excess = sum.saturating_neg().max(1);
            if told.is_none() {
                *told = Some((edges.map(|edge| edge.from).collect(), excess));
            }
            let mut more = excess.saturating_add(length - 1) / length;
            if tries > CYCLES_MAX {
                more = more.max(slack_us);
            }
            self.lengthen(more);
            slack_us = slack_us.saturating_add(more);
        }
    }

    /// Shortens every way until each is the shortest. The graph must have no cycle that is shorter than nothing.
    fn relax(&self, ways: &mut [Option<i64>]) {
        let relaxed = self.relax_or_cycle(ways);
        assert!(
            relaxed.is_ok(),
            "delays were lengthened until no cycle is negative"
        );
    }

    /// The same in any graph.
    ///
    /// # Errors
    /// A cycle that is shorter than nothing, as edges.
    fn relax_or_cycle(&self, ways: &mut [Option<i64>]) -> Result<(), Vec<usize>> {
        let mut arrived_by: Vec<Option<usize>> = vec![None; self.machines];
        loop {
            let mut is_settled = true;
            for (place, edge) in self.edges.iter().enumerate() {
                let Some(Some(start)) = ways.get(edge.from as usize).copied() else {
                    continue;
                };
                let way = start.saturating_add(edge.us);
                if let (Some(end), Some(by)) = (
                    ways.get_mut(edge.to as usize),
                    arrived_by.get_mut(edge.to as usize),
                ) && end.is_none_or(|end| way < end)
                {
                    (*end, *by) = (Some(way), Some(place));
                    is_settled = false;
                }
            }
            if is_settled {
                return Ok(());
            }
            // At the latest when a way has as many edges as there are machines.
            if let Some(cycle) = self.cycle_in(&arrived_by) {
                return Err(cycle);
            }
        }
    }

    /// A cycle among the edges that each machine was last reached by.
    fn cycle_in(&self, arrived_by: &[Option<usize>]) -> Option<Vec<usize>> {
        let before = |machine: usize| {
            let edge = (*arrived_by.get(machine)?)?;
            Some((edge, self.edges.get(edge)?.from as usize))
        };
        // By machine: on whose walk it was first met.
        let mut met: Vec<Option<usize>> = vec![None; self.machines];
        for first in 0..self.machines {
            let mut machine = first;
            while met.get(machine) == Some(&None) {
                if let Some(met) = met.get_mut(machine) {
                    *met = Some(first);
                }
                match before(machine) {
                    Some((_, next)) => machine = next,
                    None => break,
                }
            }
            let closes = met.get(machine) == Some(&Some(first)) && before(machine).is_some();
            if !closes {
                continue;
            }
            let (mut cycle, mut at) = (Vec::new(), machine);
            while let Some((edge, next)) = before(at) {
                cycle.push(edge);
                at = next;
                if at == machine {
                    cycle.reverse();
                    return Some(cycle);
                }
            }
        }
        None
    }

    /// Offsets that all delays allow, the graph being reversed. Two solutions' middle is one, and the bounds are two. Machines
    /// that lack a bound stay at the reference's time if they can.
    fn align(&mut self, low: &[Option<i64>], high: &[Option<i64>]) -> Vec<i64> {
        let middle = |(low, high): (&Option<i64>, &Option<i64>)| Some(middle((*low)?, (*high)?));
        let middles: Vec<Option<i64>> = low.iter().zip(high).map(middle).collect();
        let mut least: Vec<Option<i64>> = middles.iter().map(|way| way.map(i64::saturating_neg)).collect();
        self.relax(&mut least);
        let start = |(middle, least): (&Option<i64>, &Option<i64>)| {
            middle.or(Some(least.map_or(0, |least| least.saturating_neg().max(0))))
        };
        let mut aligned: Vec<Option<i64>> = middles.iter().zip(&least).map(start).collect();
        self.reverse();
        self.relax(&mut aligned);
        aligned.into_iter().map(Option::unwrap_or_default).collect()
    }
}

/// The middle of two bounds, rounded down.
pub(super) fn middle(low: i64, high: i64) -> i64 {
    low.saturating_add(high).div_euclid(2)
}

/// Half of a number that is not negative, rounded up.
pub(super) fn half_up(us: i64) -> i64 {
    us.saturating_add(1) / 2
}
