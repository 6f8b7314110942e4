//! Names of processes that every consumer can read: one word of letters, digits, `-`, `_` and `.`.

use crate::inspect::{history::History, words::Names};

/// A name for each process, all different: `machine-0` for machine 0; a host's own name, with `_` for what
/// consumers would trip over.
pub(super) fn words(history: &History) -> Vec<String> {
    let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    let all_numbers = history.processes.iter().all(|process| is_number(&process.name));
    let mut taken = Names::default();
    let name = |name: &str| {
        let mut word = if all_numbers {
            format!("machine-{name}")
        } else {
            name.replace(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)), "_")
        };
        if word.is_empty() {
            word.push('_');
        }
        taken.take(word)
    };
    history
        .processes
        .iter()
        .map(|process| process.name.as_str())
        .map(name)
        .collect()
}
