//! What `clocklab run` shows while machines run: a bar with the live clocks and queues, or plain lines where
//! nobody looks at a terminal.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::print;
use crate::lab::LiveMachine;

/// Machines that have a line of their own; the others are summed up in one.
const LINES_MAX: usize = 10;

/// Longest queue that is drawn in full, in characters.
const QUEUE_CHARS_MAX: u64 = 40;

/// Plain lines in a run.
const PLAIN_LINES: u32 = 6;

/// A view of a run that goes on.
#[derive(Debug)]
pub(super) enum Progress {
    /// On a terminal.
    Bars {
        total: ProgressBar,
        machines: Vec<ProgressBar>,
        rates: Vec<u32>,
    },
    /// Elsewhere: a line every sixth of the run.
    Plain { every: Duration, next: Duration },
}

/// A bar of work to be done, on standard error; hidden where that is no terminal. `things` names what is counted.
pub(super) fn bar(count: u64, things: &str) -> ProgressBar {
    let template = format!("{{bar:40.cyan}} {{pos}} of {{len}} {things}, {{eta}} left");
    // The template is this file's own; a wrong one would show in its first use.
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(count).with_style(style)
}

impl Progress {
    /// A view for machines of these rates, over `duration`.
    pub(super) fn new(rates: &[u32], duration: Duration) -> Self {
        if !io::stdout().is_terminal() {
            let every = (duration / PLAIN_LINES).max(Duration::from_secs(1));
            return Progress::Plain { every, next: every };
        }
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let total = all.add(ProgressBar::new(
            u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
        ));
        total.set_style(style("{bar:40.cyan} {msg}"));
        let lines = rates.len().min(LINES_MAX) + usize::from(rates.len() > LINES_MAX);
        let machines = (0..lines)
            .map(|_| {
                let line = all.add(ProgressBar::new(1));
                line.set_style(style("{msg}"));
                line
            })
            .collect();
        Progress::Bars {
            total,
            machines,
            rates: rates.to_vec(),
        }
    }

    /// Shows how the machines stand `elapsed` after the start of `duration`.
    pub(super) fn show(
        &mut self,
        live: &[LiveMachine],
        elapsed: Duration,
        duration: Duration,
    ) -> anyhow::Result<()> {
        match self {
            Progress::Bars {
                total,
                machines,
                rates,
            } => {
                total.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
                total.set_message(if live.iter().all(|machine| machine.started) {
                    format!("{:.0} of {:.0} s", elapsed.as_secs_f64(), duration.as_secs_f64())
                } else {
                    let started = live.iter().filter(|machine| machine.started).count();
                    format!("{started} of {} machines have started", live.len())
                });
                for ((index, line), (machine, rate)) in
                    (0..LINES_MAX).zip(&*machines).zip(live.iter().zip(&*rates))
                {
                    line.set_message(machine_line(index, *rate, machine));
                }
                if let Some(line) = machines.get(LINES_MAX) {
                    let others = live.iter().skip(LINES_MAX);
                    let longest = others.clone().map(|machine| machine.queue).max().unwrap_or(0);
                    line.set_message(format!("and {} more, longest queue {longest}", others.count()));
                }
                Ok(())
            }
            Progress::Plain { every, next } => {
                if elapsed < *next || elapsed >= duration {
                    return Ok(());
                }
                *next += *every;
                let machines: Vec<String> = live
                    .iter()
                    .enumerate()
                    .take(LINES_MAX)
                    .map(|(index, machine)| {
                        let ended = machine.ended.map(|reason| format!(" ended: {reason}"));
                        format!(
                            "{index}: clock {} queue {}{}",
                            machine.clock,
                            machine.queue,
                            ended.unwrap_or_default()
                        )
                    })
                    .collect();
                let more = if live.len() > LINES_MAX { " | …" } else { "" };
                print(&format!(
                    "{:>4.0} s  {}{more}\n",
                    elapsed.as_secs_f64(),
                    machines.join(" | ")
                ))
            }
        }
    }

    /// Prints a text that stays, above the view.
    pub(super) fn say(&self, text: &str) -> anyhow::Result<()> {
        match self {
            Progress::Bars { total, .. } => {
                for line in text.lines() {
                    total.println(line);
                }
                Ok(())
            }
            Progress::Plain { .. } => print(text),
        }
    }

    /// Takes the view away.
    pub(super) fn end(self) {
        if let Progress::Bars { total, machines, .. } = self {
            for line in machines {
                line.finish_and_clear();
            }
            total.finish_and_clear();
        }
    }
}

fn machine_line(index: usize, rate: u32, machine: &LiveMachine) -> String {
    let drawn = usize::try_from(machine.queue.min(QUEUE_CHARS_MAX)).unwrap_or(0);
    let more = if machine.queue > QUEUE_CHARS_MAX {
        "…"
    } else {
        ""
    };
    let ended = machine.ended.map(|reason| format!("  ended: {reason}"));
    format!(
        "machine {index}  {rate:>4}/s  clock {:>6}  queue {:>4} {}{more}{}",
        machine.clock,
        machine.queue,
        "▪".repeat(drawn),
        ended.unwrap_or_default()
    )
}

fn style(template: &str) -> ProgressStyle {
    // The templates are this file's own; a wrong one would show in its first use.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
