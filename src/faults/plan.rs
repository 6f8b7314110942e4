//! A plan of faults, in a small TOML file.
//!
//! ```toml
//! seed = 7                     # the run's if left out
//!
//! [[fault]]
//! at = "10s"                   # after the start of the run
//! for = "5s"                   # to the end of the run if left out
//! do = "partition 0,1 / 2"
//! ```
//!
//! Faults are numbered 1, 2, 3, … in the order of the file. Those that overlap on a link add up: delays are added, losses
//! are independent of each other, any partition cuts, the narrowest bandwidth counts.

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::{Fault, TIME_MAX, Timed};
use crate::units::Time;

/// Most faults of one plan.
pub(super) const FAULTS_MAX: u64 = 10_000;

/// Said of a file that is of another form.
const FORM: &str =
    "write each fault as [[fault]] with at = \"10s\", do = \"loss all 10%\" and perhaps for = \"5s\"";

/// What is to be broken, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The seed of what chance decides about messages; `None` takes the run's.
    pub seed: Option<u64>,
    /// In the order of their numbers.
    pub faults: Vec<Timed>,
}

/// A plan that cannot be carried out.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{file}: {what}")]
pub struct PlanError {
    /// The plan's file.
    pub file: String,
    /// What is wrong, where, and the mend.
    pub what: String,
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    seed: Option<u64>,
    #[serde(rename = "fault", default)]
    faults: Vec<Table>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    at: String,
    #[serde(rename = "for")]
    lasts: Option<String>,
    #[serde(rename = "do")]
    fault: String,
}

impl Plan {
    /// Reads a plan; `file` is its name in messages.
    ///
    /// # Errors
    /// [`PlanError`] with the line or the number of the table, what is wrong, and the mend.
    pub fn parse(file: &str, text: &str) -> Result<Self, PlanError> {
        let fail = |what: String| PlanError {
            file: file.to_owned(),
            what,
        };
        let read: File = toml::from_str(text)
            .map_err(|error| fail(format!("{}; {FORM}", error.to_string().trim_end())))?;
        if read.faults.is_empty() || read.faults.len() as u64 > FAULTS_MAX {
            return Err(fail(format!(
                "{} faults, of 1 to {FAULTS_MAX}; {FORM}",
                read.faults.len()
            )));
        }
        let mut faults = Vec::with_capacity(read.faults.len());
        for (id, table) in (1..).zip(&read.faults) {
            faults.push(timed(id, table).map_err(|what| fail(format!("[[fault]] number {id}: {what}")))?);
        }
        Ok(Self {
            seed: read.seed,
            faults,
        })
    }

    /// Checks it against a run's number of machines.
    ///
    /// # Errors
    /// [`PlanError`] for a fault of a machine that is none of the run.
    pub fn validate(&self, file: &str, machines: u16) -> Result<(), PlanError> {
        for fault in &self.faults {
            fault.fault.validate(machines).map_err(|error| PlanError {
                file: file.to_owned(),
                what: format!("[[fault]] number {}: {error}", fault.id),
            })?;
        }
        Ok(())
    }

    /// The faults that would begin when a run of this length is over.
    pub fn too_late(&self, duration: Duration) -> impl Iterator<Item = &Timed> {
        let end = Time(0).after(duration);
        self.faults.iter().filter(move |timed| timed.at >= end)
    }

    /// The same with a seed: its own, or else the run's.
    #[must_use]
    pub fn seeded(&self, run: u64) -> Self {
        Self {
            seed: Some(self.seed.unwrap_or(run)),
            faults: self.faults.clone(),
        }
    }

    /// Whether a fault is one of processes, which only signals can bring about.
    #[must_use]
    pub fn has_process_faults(&self) -> bool {
        self.faults.iter().any(|timed| match &timed.fault {
            Fault::Machine { effect, .. } => effect.is_of_process(),
            Fault::Link { .. } => false,
        })
    }
}

fn timed(id: u32, table: &Table) -> Result<Timed, String> {
    let fault: Fault = table
        .fault
        .parse()
        .map_err(|error: super::FaultError| error.to_string())?;
    let at = time("at", &table.at)?;
    let lasts = table.lasts.as_deref();
    let lasts = lasts.map(|text| time("for", text)).transpose()?;
    fault.validate_end(lasts).map_err(|error| error.to_string())?;
    Ok(Timed {
        id,
        at: Time(0).after(at),
        lasts,
        fault,
    })
}

fn time(key: &str, text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text)
        .map_err(|error| format!("{key} = \"{text}\" is no time ({error}): write 500ms, 10s or 2m"))?;
    if time > TIME_MAX {
        return Err(format!("{key} = \"{text}\" is beyond 365 days"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_says() {
        let text = "seed = 7\n[[fault]]\nat = \"10s\"\nfor = \"5s\"\ndo = \"partition 0,1 / 2\"\n\
            [[fault]]\nat = \"500ms\"\ndo = \"loss all 0.5%\"\n";
        let plan = Plan::parse("f.toml", text).unwrap();
        assert_eq!((plan.seed, plan.faults.len()), (Some(7), 2));
        let [cut, loss] = plan.faults.as_slice() else {
            panic!("two faults")
        };
        assert_eq!(
            (cut.id, cut.at, cut.lasts),
            (1, Time(10_000_000), Some(Duration::from_secs(5)))
        );
        assert_eq!((loss.id, loss.at, loss.lasts), (2, Time(500_000), None));
        assert_eq!(loss.fault.to_string(), "loss all 0.5%");
        assert_eq!(plan.seeded(3).seed, Some(7));
        let late = |ms| plan.too_late(Duration::from_millis(ms)).count();
        assert_eq!((late(500), late(501), late(10_000), late(10_001)), (2, 1, 1, 0));
        assert_eq!(Plan { seed: None, ..plan }.seeded(3).seed, Some(3));
    }

    #[test]
    fn what_is_no_plan_names_file_table_and_mend() {
        let one = |body: &str| format!("[[fault]]\nat = \"1s\"\ndo = \"loss all 1%\"\n[[fault]]\n{body}\n");
        for (text, parts) in [
            (String::new(), ["0 faults", "[[fault]]"]),
            (
                one("at = 10\ndo = \"kill 1\""),
                ["line 5", "with at = \"10s\", do ="],
            ),
            (
                "[[faults]]\nat = \"1s\"\n".to_owned(),
                ["unknown field `faults`", "write each fault as [[fault]]"],
            ),
            (one("at = \"1s\""), ["line 4", "missing field `do`"]),
            (one("at = \"1s\"\ndo = \"flood\""), ["number 2", "write one of"]),
            (one("at = \"soon\"\ndo = \"kill 1\""), ["number 2", "is no time"]),
            (
                one("at = \"1s\"\nfor = \"0s\"\ndo = \"loss all 1%\""),
                ["number 2", "leave `for` out"],
            ),
            (
                one("at = \"1s\"\nfor = \"1s\"\ndo = \"jump 1 5\""),
                ["number 2", "leave `for` out"],
            ),
            (one("at = \"1s\"\ndo = \"pause 1\""), ["number 2", "add `for`"]),
            (
                one("at = \"400 days\"\ndo = \"kill 1\""),
                ["number 2", "365 days"],
            ),
            (
                one("at = \"1s\"\ndo = \"kill 1\"\nuntil = \"2s\""),
                ["line 7", "unknown field `until`"],
            ),
        ] {
            let error = Plan::parse("f.toml", &text).unwrap_err().to_string();
            assert!(error.starts_with("f.toml: "), "{error}");
            for part in parts {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
        let plan = Plan::parse("f.toml", &one("at = \"1s\"\ndo = \"loss 0 to 5 1%\"")).unwrap();
        assert_eq!(plan.validate("f.toml", 6), Ok(()));
        let error = plan.validate("f.toml", 5).unwrap_err().to_string();
        assert!(
            error.contains("number 2") && error.contains("no machine 5"),
            "{error}"
        );
    }
}
