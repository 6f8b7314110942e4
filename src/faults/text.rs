//! Faults as text, both ways.

use std::{fmt, str::FromStr, time::Duration};

use super::{CERTAIN, Fault, FaultError, LinkEffect, Links, MachineEffect};
use crate::{
    trace::Recipients,
    units::{MachineId, RATE_MAX},
};

/// What each kind looks like, for the error that names the mend.
const FORMS: &str = "write one of: delay 0 / 1 uniform:5ms-50ms [reorder], loss 0 to 1 30%, duplicate all 10%, \
    bandwidth 0 / 1 1000, partition 0,1 / 2 [hold], kill 1, pause 1, restart 1, rate 1 3, jump 1 250ms, jump 1 100";

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let fail = |what: String| FaultError {
            text: text.trim().to_owned(),
            what,
        };
        let Some((kind, rest)) = words.split_first() else {
            return Err(fail(FORMS.to_owned()));
        };
        match *kind {
            "delay" | "loss" | "duplicate" | "partition" | "bandwidth" => {
                link_fault(kind, rest).map_err(fail)
            }
            "kill" | "pause" | "restart" | "rate" | "jump" => machine_fault(kind, rest).map_err(fail),
            _ => Err(fail(FORMS.to_owned())),
        }
    }
}

fn link_fault(kind: &str, words: &[&str]) -> Result<Fault, String> {
    let (links, rest) = match words {
        ["all", rest @ ..] => (Links::All, rest),
        [from, way @ ("/" | "to"), to, rest @ ..] => {
            let (from, to) = (group(from)?, group(to)?);
            if let Some(both) = from.iter().find(|machine| to.contains(machine)) {
                return Err(format!("machine {both} stands on both sides"));
            }
            let both_ways = *way == "/";
            (Links::Between { from, to, both_ways }, rest)
        }
        _ => {
            return Err(
                "behind the kind come the links: all, or `0,1 / 2` (both ways), or `0,1 to 2` (one way)"
                    .to_owned(),
            );
        }
    };
    let effect = match (kind, rest) {
        ("delay", [latency, rest @ ..]) => LinkEffect::Delay {
            latency: latency
                .parse()
                .map_err(|error: crate::latency::LatencyError| error.to_string())?,
            reorder: flag("reorder", rest)?,
        },
        ("delay", []) => {
            return Err(
                "a delay needs how long: constant:20ms, uniform:1ms-5ms or exponential:2ms".to_owned(),
            );
        }
        ("loss", [part]) => LinkEffect::Loss {
            probability: probability(part)?,
        },
        ("duplicate", [part]) => LinkEffect::Duplicate {
            probability: probability(part)?,
        },
        ("loss" | "duplicate", _) => return Err(format!("{kind} needs one probability, such as 30%")),
        ("bandwidth", [bytes]) => LinkEffect::Bandwidth {
            bytes_per_second: bytes
                .parse()
                .ok()
                .filter(|bytes| *bytes > 0)
                .ok_or_else(|| format!("`{bytes}` is no bandwidth: whole bytes a second, from 1"))?,
        },
        ("bandwidth", _) => return Err("bandwidth needs one number: bytes a second".to_owned()),
        _ => LinkEffect::Partition {
            hold: flag("hold", rest)?,
        },
    };
    Ok(Fault::Link { links, effect })
}

fn machine_fault(kind: &str, words: &[&str]) -> Result<Fault, String> {
    let (machine, rest) = words
        .split_first()
        .ok_or_else(|| format!("{kind} needs a machine, such as `{kind} 1`"))?;
    let machine = id(machine)?;
    let effect = match (kind, rest) {
        ("kill", []) => MachineEffect::Kill,
        ("pause", []) => MachineEffect::Pause,
        ("restart", []) => MachineEffect::Restart,
        ("rate", [rate]) => MachineEffect::Rate {
            per_second: rate
                .parse()
                .ok()
                .filter(|rate| (1..=RATE_MAX).contains(rate))
                .ok_or_else(|| format!("`{rate}` is no rate: whole ticks a second, 1 to {RATE_MAX}"))?,
        },
        ("rate", _) => return Err("rate needs ticks a second: rate 1 3".to_owned()),
        ("jump", [by]) => jump(by)?,
        ("jump", _) => {
            return Err(
                "jump needs how far: a time such as 250ms or -2s, or ticks of the logical clock such as 100"
                    .to_owned(),
            );
        }
        (_, more) => {
            return Err(format!(
                "nothing stands behind the machine, but here `{}` does",
                more.join(" ")
            ));
        }
    };
    Ok(Fault::Machine { machine, effect })
}

fn jump(by: &str) -> Result<MachineEffect, String> {
    if let Ok(ticks) = by.parse() {
        if ticks > JUMP_TICKS_MAX {
            return Err(format!(
                "`{by}` is too far: a jump is at most {JUMP_TICKS_MAX} ticks"
            ));
        }
        return Ok(MachineEffect::Jump {
            ticks,
            physical_us: 0,
        });
    }
    let (sign, amount) = by.strip_prefix('-').map_or((1, by), |amount| (-1, amount));
    let duration =
        humantime::parse_duration(amount).map_err(|error| format!("`{by}` is no time: {error}"))?;
    let physical_us = i64::try_from(duration.as_micros())
        .ok()
        .filter(|us| *us <= JUMP_US_MAX);
    let physical_us = physical_us.ok_or_else(|| format!("`{by}` is too far: a jump is at most 365 days"))?;
    Ok(MachineEffect::Jump {
        ticks: 0,
        physical_us: sign * physical_us,
    })
}

/// Farthest jump of a logical clock, 2^48: so many ticks are nine thousand years at the highest rate, and what is left of
/// 64 bits is more than a run can use up.
const JUMP_TICKS_MAX: u64 = 1 << 48;

/// Farthest jump of a physical clock: 365 days.
const JUMP_US_MAX: i64 = 365 * 86_400 * 1_000_000;

fn flag(name: &str, words: &[&str]) -> Result<bool, String> {
    match words {
        [] => Ok(false),
        [word] if *word == name => Ok(true),
        more => Err(format!("only `{name}` may follow, not `{}`", more.join(" "))),
    }
}

fn id(text: &str) -> Result<MachineId, String> {
    text.parse().map_err(|_| format!("`{text}` is no machine"))
}

fn group(text: &str) -> Result<Recipients, String> {
    let mut machines: Recipients = text.split(',').map(id).collect::<Result<_, _>>()?;
    machines.sort_unstable();
    machines.dedup();
    Ok(machines)
}

/// `30%` or `0.5%` or `0.3`, to parts of a million.
fn probability(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no probability: write 30%, or 0.5%");
    let (number, places) = text.strip_suffix('%').map_or((text, 6), |number| (number, 4));
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > places {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let parts: u32 = format!("{decimals:0<places$}").parse().map_err(|_| wrong())?;
    let scale = 10_u32.pow(u32::try_from(places).unwrap_or(0));
    let all = whole
        .checked_mul(scale)
        .and_then(|whole| whole.checked_add(parts));
    all.filter(|all| *all <= CERTAIN).ok_or_else(wrong)
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Links::All => f.write_str("all"),
            Links::Between { from, to, both_ways } => {
                let way = if *both_ways { "/" } else { "to" };
                write!(f, "{} {way} {}", listed(from), listed(to))
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Fault::Link { links, effect } => {
                write!(f, "{kind} {links}")?;
                let detail = effect.to_string();
                match detail.is_empty() {
                    true => Ok(()),
                    false => write!(f, " {detail}"),
                }
            }
            Fault::Machine { machine, effect } => match effect {
                MachineEffect::Kill | MachineEffect::Pause | MachineEffect::Restart => {
                    write!(f, "{kind} {machine}")
                }
                MachineEffect::Rate { per_second } => write!(f, "{kind} {machine} {per_second}"),
                MachineEffect::Jump {
                    ticks,
                    physical_us: 0,
                } => write!(f, "{kind} {machine} {ticks}"),
                MachineEffect::Jump { physical_us, .. } => {
                    let sign = if *physical_us < 0 { "-" } else { "" };
                    let far = Duration::from_micros(physical_us.unsigned_abs());
                    // One word, as it is typed.
                    let far = humantime::format_duration(far).to_string().replace(' ', "");
                    write!(f, "{kind} {machine} {sign}{far}")
                }
            },
        }
    }
}

impl fmt::Display for LinkEffect {
    /// What stands behind the links.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent =
            |f: &mut fmt::Formatter<'_>, probability: u32| write!(f, "{}%", f64::from(probability) / 1e4);
        match self {
            LinkEffect::Delay { latency, reorder } => {
                write!(f, "{latency}{}", if *reorder { " reorder" } else { "" })
            }
            LinkEffect::Loss { probability } | LinkEffect::Duplicate { probability } => {
                percent(f, *probability)
            }
            LinkEffect::Partition { hold } => f.write_str(if *hold { "hold" } else { "" }),
            LinkEffect::Bandwidth { bytes_per_second } => bytes_per_second.fmt(f),
        }
    }
}

fn listed(machines: &[MachineId]) -> String {
    let ids: Vec<String> = machines.iter().map(ToString::to_string).collect();
    ids.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for text in [
            "delay 0 / 1,2 uniform:5ms-50ms",
            "delay all exponential:20ms reorder",
            "loss 0 to 1 30%",
            "loss all 0.5%",
            "duplicate all 10%",
            "bandwidth 0 / 2 1000",
            "partition 0,1 / 2",
            "partition 0 to 1 hold",
            "kill 1",
            "pause 1",
            "restart 1",
            "rate 1 3",
            "rate 1 1000",
            "jump 1 100",
            "jump 1 281474976710656",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
        let jump: Fault = "jump 1 -2s".parse().unwrap();
        assert_eq!(jump.to_string(), "jump 1 -2s");
        for text in ["jump 1 -2s", "jump 1 250ms", "jump 1 -1m30s500ms7us"] {
            let jump: Fault = text.parse().unwrap();
            assert_eq!(jump.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_fault_names_the_mend() {
        for (text, part) in [
            ("", "write one of"),
            ("drop 0 / 1", "write one of"),
            ("loss 0 1 30%", "behind the kind come the links"),
            ("loss 0 / 1", "needs one probability"),
            ("loss 0 / 1 130%", "is no probability"),
            ("loss 0 / 0,1 3%", "both sides"),
            ("partition 0 / 1 halt", "only `hold` may follow"),
            ("delay 0 / 1 soon", "is no latency"),
            ("bandwidth 0 / 1 0", "is no bandwidth"),
            ("kill", "needs a machine"),
            ("kill x", "is no machine"),
            ("kill 1 2", "nothing stands behind"),
            ("rate 1 0", "is no rate"),
            ("rate 1 1001", "1 to 1000"),
            ("jump 1 far", "is no time"),
            ("jump 1 281474976710657", "at most 281474976710656 ticks"),
            ("jump 1 18446744073709551615", "at most 281474976710656 ticks"),
            ("jump 1 366days", "at most 365 days"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let fault: Fault = "partition 0,1 / 2".parse().unwrap();
        assert_eq!(fault.validate(3), Ok(()));
        assert!(
            fault
                .validate(2)
                .unwrap_err()
                .to_string()
                .contains("no machine 2")
        );
    }

    #[test]
    fn a_fault_concerns_who_has_something_to_do_for_it() {
        let concerned = |text: &str| {
            let fault: Fault = text.parse().unwrap();
            (0..4)
                .filter(|id| fault.concerns(MachineId(*id)))
                .collect::<Vec<u16>>()
        };
        assert_eq!(concerned("loss all 1%"), [0, 1, 2, 3]);
        assert_eq!(concerned("loss 1 to 0,2 1%"), [1]);
        assert_eq!(concerned("partition 0,1 / 3"), [0, 1, 3]);
        assert_eq!(concerned("kill 2"), [2]);
    }

    #[test]
    fn links_have_the_directions_that_they_say() {
        let has = |text: &str, from, to| match text.parse().unwrap() {
            Fault::Link { links, .. } => links.has(MachineId(from), MachineId(to)),
            Fault::Machine { .. } => unreachable!("a partition is of links"),
        };
        assert!(has("partition 0,1 / 2", 0, 2) && has("partition 0,1 / 2", 2, 1));
        assert!(!has("partition 0,1 / 2", 0, 1));
        assert!(has("partition 0 to 1", 0, 1) && !has("partition 0 to 1", 1, 0));
        assert!(has("partition all", 4, 3));
    }
}
