//! `clocklab kv bench`: how many requests a second a replica answers, and how soon.
#![allow(
    clippy::disallowed_methods,
    reason = "a measurement reads the clock and has threads"
)]

use std::{
    collections::VecDeque,
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Args;

use super::common::{BearerOption, CopiesOption};
use crate::{
    cli::{Exit, Usage, print, secret::SecretOption},
    dice::{Purpose, Stream},
    kv::{
        Action, Answer, Change, Condition, Format, Key, Operation, Reply, Request, Token, VALUE_BYTES_MAX,
        Value,
    },
    mesh::open::Client,
    service::Address,
    units::MachineId,
    wire::Secret,
};

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  clocklab kv bench --at 127.0.0.1:17200                        one connection, 32 writes in flight
  clocklab kv bench --at 127.0.0.1:17200 --pipeline 1           one at a time: how long a write takes
  clocklab kv bench --at 127.0.0.1:17200 --reads 90 --connections 8
  clocklab kv bench --at 127.0.0.1:17200 --copies majority
  clocklab kv bench --at 127.0.0.1:17200 --fill --keys 1000000  each key once, then it ends

It speaks the wire protocol. Keys are bench-0 to bench-<keys - 1>, drawn at random; their values are overwritten, and \
the keys stay in the store. An answer that is no success is counted as refused, and is none of the figures.";

/// How long a connection and each answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Latencies that are kept of one connection; of more, every second, then every fourth, …
const LATENCIES_MAX: usize = 1 << 22;

#[derive(Args, Debug)]
pub(in crate::cli) struct BenchArguments {
    /// The replicas to ask, separated by commas: connections are dealt out to them in turn
    #[arg(
        long,
        value_name = "ADDRESS",
        value_delimiter = ',',
        default_value = "127.0.0.1:17200"
    )]
    at: Vec<Address>,
    /// How many connections, each with a thread of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=512))]
    connections: u16,
    /// Requests in flight on each connection
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pipeline: u16,
    /// How many keys
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..))]
    keys: u32,
    /// Bytes of a value
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=VALUE_BYTES_MAX as i64))]
    value_bytes: u32,
    /// How many of a hundred requests are reads
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    reads: u8,
    /// How many replicas have a write before it is answered
    #[arg(long, value_enum, default_value_t = CopiesOption::One)]
    copies: CopiesOption,
    /// Write each key once, in order, instead of random ones for a time
    #[arg(long, conflicts_with_all = ["reads", "duration"])]
    fill: bool,
    /// How long
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = crate::cli::time)]
    duration: Duration,
    /// The seed of keys and kinds
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One line, for scripts
    #[arg(long)]
    line: bool,
    #[command(flatten)]
    secret: SecretOption,
    #[command(flatten)]
    bearer: BearerOption,
}

/// What one connection saw.
#[derive(Debug, Default)]
struct Seen {
    answered: u64,
    refused: u64,
    /// Why the first of them was refused.
    reason: Option<String>,
    /// Microseconds, of every `stride`-th answer.
    latencies_us: Vec<u32>,
    stride: u64,
}

/// Measures, and prints the figures.
pub(in crate::cli) fn run(arguments: &BenchArguments) -> anyhow::Result<Exit> {
    let secret = arguments.secret.read()?;
    let begin = Instant::now();
    let seen: Vec<anyhow::Result<Seen>> = thread::scope(|scope| {
        let secret = secret.as_ref();
        let threads: Vec<_> = (0..arguments.connections)
            .map(|number| scope.spawn(move || ask(arguments, number, secret)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a connection's thread failed")))
            })
            .collect()
    });
    let mut all = Seen::default();
    for seen in seen {
        let seen = seen?;
        all.answered += seen.answered;
        all.refused += seen.refused;
        all.reason = all.reason.or(seen.reason);
        all.latencies_us.extend(seen.latencies_us);
    }
    all.latencies_us.sort_unstable();
    let seconds = begin.elapsed().as_secs_f64();
    print(&all.describe(seconds, arguments.line))?;
    Ok(if all.refused > 0 {
        Exit::Failed
    } else {
        Exit::Valid
    })
}

/// Keeps one connection's requests in flight until the time is over.
fn ask(arguments: &BenchArguments, number: u16, secret: Option<&Secret>) -> anyhow::Result<Seen> {
    let place = usize::from(number) % arguments.at.len().max(1);
    let address = arguments
        .at
        .get(place)
        .ok_or_else(|| Usage("--at names nobody".to_owned()))?;
    let mut client: Client<Request, Reply> = Client::connect(address, None, secret, PATIENCE)?;
    arguments.bearer.present(&mut client)?;
    let mut dice = Stream::new(arguments.seed, MachineId(number), Purpose::Die);
    let value = Value {
        format: Format::Bytes,
        bytes: vec![b'x'; arguments.value_bytes as usize].into_boxed_slice(),
    };
    let mut seen = Seen {
        stride: 1,
        ..Seen::default()
    };
    let mut flying: VecDeque<(u64, Instant)> = VecDeque::new();
    let until = Instant::now() + arguments.duration;
    // Connections share the keys that are to be filled.
    let mut to_fill = (u32::from(number)..arguments.keys).step_by(usize::from(arguments.connections));
    loop {
        let now = Instant::now();
        while flying.len() < usize::from(arguments.pipeline) {
            let request = match arguments.fill {
                true => to_fill.next().map(|key| write(arguments, key, &value)),
                false => (now < until).then(|| request(arguments, &mut dice, &value)),
            };
            let Some(request) = request else { break };
            flying.push_back((client.send(&request)?, now));
        }
        if flying.is_empty() {
            return Ok(seen);
        }
        let mut answer = client.receive().context("the replica did not answer")?;
        let now = Instant::now();
        loop {
            // Answers mostly come in order.
            let place = flying.iter().position(|sent| sent.0 == answer.ticket);
            if let Some((_, sent)) = place.and_then(|place| flying.remove(place)) {
                seen.note(&answer.reply.answer, now.duration_since(sent));
            }
            match client.take()? {
                Some(next) => answer = next,
                None => break,
            }
        }
    }
}

/// A request for a key that the dice choose.
fn request(arguments: &BenchArguments, dice: &mut Stream, value: &Value) -> Request {
    let number = u32::try_from(dice.below(u64::from(arguments.keys))).unwrap_or(0);
    if dice.below(100) < u64::from(arguments.reads) {
        ask_for(Action::Get { key: key(number) })
    } else {
        write(arguments, number, value)
    }
}

fn write(arguments: &BenchArguments, number: u32, value: &Value) -> Request {
    ask_for(Action::Write {
        operations: vec![Operation {
            key: key(number),
            change: Change::Put(value.clone()),
            condition: Condition::Always,
            lasts_us: None,
        }],
        copies: arguments.copies.into(),
    })
}

fn key(number: u32) -> Key {
    format!("bench-{number}").into_bytes().into_boxed_slice()
}

fn ask_for(action: Action) -> Request {
    Request {
        token: Token::new(),
        wait_us: 0,
        action,
    }
}

impl Seen {
    fn note(&mut self, answer: &Answer, took: Duration) {
        if let Answer::Denied(deny) = answer {
            self.refused += 1;
            self.reason.get_or_insert_with(|| format!("{deny:?}"));
            return;
        }
        if self.answered.is_multiple_of(self.stride) {
            if self.latencies_us.len() >= LATENCIES_MAX {
                let mut place = 0;
                self.latencies_us.retain(|_| {
                    place += 1;
                    place % 2 == 0
                });
                self.stride *= 2;
            }
            self.latencies_us
                .push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        }
        self.answered += 1;
    }

    /// The latency that so many of a thousand answers were not above, in milliseconds.
    fn quantile_ms(&self, permille: usize) -> f64 {
        let place = (self.latencies_us.len().saturating_sub(1)) * permille / 1000;
        self.latencies_us
            .get(place)
            .map_or(0.0, |us| f64::from(*us) / 1000.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "shown rounded")]
    fn describe(&self, seconds: f64, is_line: bool) -> String {
        let rate = self.answered as f64 / seconds;
        let [half, most, worst] = [500, 990, 999].map(|permille| self.quantile_ms(permille));
        let refused = match (&self.reason, self.refused) {
            (Some(reason), count) => format!("{count} refused, the first because: {reason}\n"),
            (None, _) => String::new(),
        };
        if is_line {
            return format!(
                "{rate:.0}/s (p50 {half:.3} ms, p99 {most:.3} ms) {}\n{refused}",
                self.answered
            );
        }
        format!(
            "{} answers in {seconds:.1} s: {rate:.0} a second\nlatency: median {half:.3} ms, 99 of 100 below {most:.3} ms, 999 of 1000 \
             below {worst:.3} ms\n{refused}",
            self.answered
        )
    }
}
