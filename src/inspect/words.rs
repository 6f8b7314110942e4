//! Small things in words: counts with their thousands set apart, durations, and names that are all different.

use std::collections::{BTreeMap, BTreeSet};

/// A count with a comma behind each thousand: `14,000`.
pub(super) fn thousands(count: impl itoa::Integer) -> String {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(count);
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds as a person reads them.
pub(super) fn duration(us: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = us as f64;
    match us.unsigned_abs() {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{:.1} ms", value / 1e3),
        _ => format!("{:.2} s", value / 1e6),
    }
}

/// Names given so far, each once: a second `a` becomes `a_2`.
#[derive(Debug, Default)]
pub(super) struct Names {
    given: BTreeSet<String>,
    /// By name that was asked for more than once: the last number given to it.
    numbers: BTreeMap<String, u64>,
}

impl Names {
    /// The name itself, or with the first number that makes it different from all others.
    pub(super) fn take(&mut self, name: String) -> String {
        if self.given.insert(name.clone()) {
            return name;
        }
        // Goes on where it ended: ten thousand equal names cost ten thousand steps.
        let number = self.numbers.entry(name.clone()).or_insert(1);
        loop {
            *number += 1;
            let other = format!("{name}_{number}");
            if self.given.insert(other.clone()) {
                return other;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0, 999, 1000, 14_000, 1_234_567].map(|count: u64| thousands(count));
        assert_eq!(texts, ["0", "999", "1,000", "14,000", "1,234,567"]);
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn names_are_all_different_however_many_are_equal() {
        let mut names = Names::default();
        let taken = ["a", "b", "a_3", "a", "a", "a_3"].map(|name| names.take(name.to_owned()));
        assert_eq!(taken, ["a", "b", "a_3", "a_2", "a_4", "a_3_2"]);
        let many: BTreeSet<String> = (0..20_000).map(|_| names.take("_".to_owned())).collect();
        assert_eq!(many.len(), 20_000);
    }
}
