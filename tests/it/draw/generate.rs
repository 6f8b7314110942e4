//! A run made up for pictures: machines with queues, messages with a transit time, written as logs.

use std::{collections::VecDeque, fmt::Write, fs, path::Path};

/// Seconds and microseconds behind the run's start as a log writes them.
fn at(us: u64) -> String {
    format!(
        "2026-11-20T23:{:02}:{:02}.{:06}Z",
        us / 60_000_000,
        us / 1_000_000 % 60,
        us % 1_000_000
    )
}

const TRANSIT_US: u64 = 700;

struct Machine {
    clock: u64,
    tick: u64,
    /// When it arrived, from whom, the clock it carries.
    queue: VecDeque<(u64, usize, u64)>,
    log: String,
}

/// Writes the logs of machines with these rates into a folder. Each sends to one, the other or all by a die.
pub(super) fn write(dir: &Path, rates: &[u64], seconds: u64, seed: u64) {
    let mut machines: Vec<Machine> = (0..rates.len()).map(|id| Machine::new(id, rates, seed)).collect();
    // Ticks of all machines in order; no two at the same microsecond.
    let tick = |id: usize, n: u64| (n * 1_000_000 / rates[id] - 37 * (id as u64 + 1), id);
    let mut ticks: Vec<(u64, usize)> = (0..rates.len())
        .flat_map(|id| (1..=rates[id] * seconds).map(move |n| tick(id, n)))
        .collect();
    ticks.sort_unstable();
    let mut random = seed.wrapping_mul(2).wrapping_add(1);
    for (now, me) in ticks {
        machines[me].tick += 1;
        if machines[me].take(now) {
            continue;
        }
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let peers: Vec<usize> = (0..rates.len()).filter(|peer| *peer != me).collect();
        let to: Vec<usize> = match (random >> 33) % 10 {
            0 => vec![peers[0]],
            1 => vec![peers[peers.len() - 1]],
            2 | 3 => peers,
            _ => Vec::new(),
        };
        let clock = machines[me].act(now, &to);
        for peer in to {
            machines[peer].queue.push_back((now + TRANSIT_US, me, clock));
        }
    }
    for (id, machine) in machines.iter_mut().enumerate() {
        machine.end(seconds * 1_000_000 + 1, rates.len());
        fs::write(dir.join(format!("machine-{id}.log")), &machine.log).unwrap();
    }
}

impl Machine {
    fn new(id: usize, rates: &[u64], seed: u64) -> Self {
        let (count, rate, started) = (rates.len(), rates[id], at(0));
        let keys = format!("rate={rate} draw=10 clock=lamport seed={seed} run=drawn started={started}");
        Self {
            clock: 0,
            tick: 0,
            queue: VecDeque::new(),
            log: format!("# clocklab-log 1\n# machine={id} machines={count} {keys}\n"),
        }
    }

    /// Takes the message that waits longest; false if none waits.
    fn take(&mut self, now: u64) -> bool {
        let waiting = self.queue.iter().filter(|(arrived, ..)| *arrived <= now).count();
        if waiting == 0 {
            return false;
        }
        let (arrived, from, sent) = self.queue.pop_front().unwrap();
        self.clock = self.clock.max(sent) + 1;
        let (tick, clock, queue, waited) = (self.tick, self.clock, waiting - 1, now - arrived);
        let message = format!("from={from} sent={sent} queue={queue} waited_us={waited}");
        writeln!(
            self.log,
            "{} receive tick={tick} clock={clock} {message}",
            at(now)
        )
        .unwrap();
        true
    }

    /// Sends, or has an internal event; gives its clock.
    fn act(&mut self, now: u64, to: &[usize]) -> u64 {
        self.clock += 1;
        let names: Vec<String> = to.iter().map(ToString::to_string).collect();
        let (kind, to) = match names.as_slice() {
            [] => ("internal", String::new()),
            names => ("send", format!(" to={}", names.join(","))),
        };
        let (tick, clock) = (self.tick, self.clock);
        writeln!(self.log, "{} {kind} tick={tick} clock={clock}{to}", at(now)).unwrap();
        clock
    }

    fn end(&mut self, now: u64, count: usize) {
        let from = |peer: usize| self.queue.iter().filter(|(_, from, _)| *from == peer).count();
        let waiting: Vec<String> = (0..count).map(|peer| from(peer).to_string()).collect();
        let (ticks, queued, waiting) = (self.tick, self.queue.len(), waiting.join(","));
        let counts = format!("ticks={ticks} queued={queued} waiting={waiting}");
        writeln!(self.log, "# ended={} reason=duration {counts}", at(now)).unwrap();
    }
}
