//! The lab: launches machine processes, watches over them, stops them, and runs experiments of many runs.
//!
//! Starts real processes of this very program and looks at them through their logs only. Decides nothing
//! about right and wrong: `inspect` does.

mod controller;
mod controllers;
mod described;
mod experiment;
mod fate;
mod fleet;
mod follow;
mod gather;
mod life;
mod plan;
mod process;
mod replicas;
mod run_folder;
mod secret_file;
mod serving;
mod settings;
mod simulated;
pub mod stores;
mod sweep;
mod trials;

pub use controller::{ControlError, Controller, PATIENCE, Target};
pub use controllers::{Controllers, Injected, Said};
pub use described::{Described, RunError};
pub use experiment::{Experiment, Finished, RunJob};
pub use fate::{Fate, ended};
pub use fleet::{Fleet, FleetError, MachineState};
pub use follow::{Live, LiveMachine};
pub use gather::{GatherError, Gathering};
pub use life::{Death, Life, LifeError};
pub use plan::{Group, Plan, PlanError};
pub use process::MachineEnd;
pub use replicas::{REPLICA_PORT_DEFAULT, ReplicaSettings, Replicas, STORE_CLUSTER_DEFAULT};
pub use run_folder::{RunFile, RunLog, point_latest_to, try_logs};
pub use secret_file::{SecretFile, SecretFileError, new_secret};
pub use serving::Serving;
pub use settings::{BASE_PORT_DEFAULT, Hosts, HostsError, Settings};
pub use simulated::{EPOCH, Simulated, SimulatedEnd, SimulatedError, SimulatedFaults};
pub use sweep::Sweep;
pub use trials::{TrialLogs, simulate_all};

#[cfg(test)]
mod tests;
