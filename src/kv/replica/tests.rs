//! A few replicas by hand: what clients are promised, and what becomes of faults.

mod backups;
mod bounds;
mod cluster;
mod disks;
mod lost;
mod members;
mod pushes;
mod repairs;
mod requests;
mod sessions;
