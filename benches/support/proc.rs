//! What /proc knows of a process.

use std::{fs, time::Duration};

/// A line of /proc/PID/status in KiB, such as `VmRSS` or `VmHWM`.
pub fn status_kib(process: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(key));
    line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok())
        .unwrap_or_else(|| panic!("process {process} has no {key}"))
}

/// Time that the threads of a process have spent on a core, in nanoseconds' resolution.
pub fn cpu_time(process: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("the process lives");
    let ns = tasks.filter_map(Result::ok).map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let first = text.split_ascii_whitespace().next();
        first.and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0)
    });
    Duration::from_nanos(ns.sum())
}
