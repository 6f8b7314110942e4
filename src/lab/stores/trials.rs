//! Many simulated runs of the store side by side, one a processor core at a time.

use std::{ops::Range, panic, sync::Mutex};

use rayon::prelude::*;

use super::trial::{Keep, StoreTrial, Trialled};

/// Runs a trial with every seed and gives each end to `take`, in the order in which they are done. A replica that panics is
/// a run that went wrong.
pub fn simulate_stores(trial: &StoreTrial, seeds: Range<u64>, take: impl FnMut(Trialled) + Send) {
    let take = Mutex::new(take);
    seeds.into_par_iter().for_each(|seed| {
        let trial = StoreTrial {
            seed,
            ..trial.clone()
        };
        let end = panic::catch_unwind(|| trial.run(Keep::Verdict));
        let end = end.unwrap_or_else(|cause| {
            let cause = cause
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| cause.downcast_ref::<&str>().copied());
            trial.broken_off(format!("panicked: {}", cause.unwrap_or("without a word")))
        });
        // Else who takes the ends has panicked, and says so itself.
        if let Ok(mut take) = take.lock() {
            take(end);
        }
    });
}
