//! Times of different computers on one axis: lines moved by what the messages say of wall clocks, or a warning.

use super::selection::Selection;
use crate::inspect::{
    history::{History, Message},
    skew::{MOMENT_US, Skew, moments},
    words::{duration, thousands},
};

/// Machines whose move is spelled out.
const TOLD_MAX: usize = 4;

/// Moves the times of each process by what the messages say of its wall clock, so that no arrow leads back in time; nothing
/// moves where wall clocks do not differ. Says in words what was moved.
pub fn align(history: &mut History) -> Vec<String> {
    let Some(skew) = Skew::of(history) else {
        return vec!["No line was moved: no message says how far the wall clocks are apart.".to_owned()];
    };
    let aligned = skew.aligned_us();
    let moved: Vec<(&String, i64)> = skew
        .names
        .iter()
        .zip(aligned.iter().copied())
        .filter(|(_, us)| us.saturating_abs() > MOMENT_US)
        .collect();
    if moved.is_empty() && !skew.is_told() {
        return vec!["No line was moved: the messages do not say that wall clocks differ.".to_owned()];
    }
    let one = |(name, us): &(&String, i64)| {
        let (amount, side) = (
            duration(us.saturating_abs()),
            if *us > 0 { "back" } else { "ahead" },
        );
        format!("machine {name}'s by {amount} {side}")
    };
    let mut words: Vec<String> = moved.iter().take(TOLD_MAX).map(one).collect();
    match moved.len() {
        0 => words.push(format!("each by at most {}", duration(MOMENT_US))),
        count @ ..=TOLD_MAX => {
            if count < skew.names.len() - 1 {
                words.push(format!("others by at most {}", duration(MOMENT_US)));
            }
        }
        count => words.push(format!("{} more", count - TOLD_MAX)),
    }
    let mut told = vec![format!(
        "Wall clocks are aligned by the messages; times are moved: {}.",
        words.join(", ")
    )];
    told.extend(
        skew.notes()
            .into_iter()
            .filter(|note| note.contains("contradict")),
    );
    history.align(aligned);
    told
}

/// What to say of shown messages that arrive before they were sent; `None` if there are none.
#[must_use]
pub fn backward(history: &History, selection: &Selection) -> Option<String> {
    let is_shown = |message: &&Message| {
        let [sent, taken] = [Some(message.send), message.receive()];
        [sent, taken].into_iter().flatten().any(|id| selection.has(id))
            && selection.row_of(message.send.process).is_some()
            && selection.row_of(message.to).is_some()
    };
    let leads_back = |message: &&Message| {
        moments(history, message).is_some_and(|(sent, arrived)| sent.saturating_sub(arrived) > MOMENT_US)
    };
    let count = history.received().filter(is_shown).filter(leads_back).count();
    let (arrows, lead) = if count == 1 {
        ("arrow", "leads")
    } else {
        ("arrows", "lead")
    };
    (count > 0).then(|| {
        format!(
            "{} {arrows} {lead} back in time: the wall clocks of the machines differ. --align moves each line by what the messages \
             say of its clock.",
            thousands(count)
        )
    })
}
