//! Wrong readings of the clock rule, told apart by how a machine's receives fit them.
//!
//! Several readings of Lamport's rule are common in the wild. A machine that follows one of them breaks the
//! right rule in half of its receives; naming the reading says more than a thousand lines that differ by one.

/// The right rule, as it is written in explanations.
pub(super) const RIGHT_RULE: &str = "max(C, T) + 1";

/// A reading of the rule for receives: from the clock before, C, and the message's, T, to the clock after.
#[derive(Clone, Copy, Debug)]
pub(super) struct WrongRule {
    /// As it is written.
    pub(super) formula: &'static str,
    apply: fn(u64, u64) -> u64,
}

const WRONG_RULES: [WrongRule; 4] = [
    WrongRule {
        formula: "max(C + 1, T)",
        apply: |own, sent| own.saturating_add(1).max(sent),
    },
    WrongRule {
        formula: "max(C, T)",
        apply: |own, sent| own.max(sent),
    },
    WrongRule {
        formula: "C + 1",
        apply: |own, _| own.saturating_add(1),
    },
    WrongRule {
        formula: "T + 1",
        apply: |_, sent| sent.saturating_add(1),
    },
];

/// The clock after a receive by the right rule.
#[inline]
pub(super) fn merged(own: u64, sent: u64) -> u64 {
    own.max(sent).saturating_add(1)
}

/// How the receives of one machine fit the rules.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fits {
    /// Receives seen.
    pub(super) receives: u64,
    /// Those that break the right rule.
    pub(super) broken: u64,
    wrong: [u64; WRONG_RULES.len()],
}

impl Fits {
    #[inline]
    pub(super) fn take(&mut self, own: u64, sent: u64, after: u64) {
        self.receives += 1;
        self.broken += u64::from(after != merged(own, sent));
        for (count, rule) in self.wrong.iter_mut().zip(&WRONG_RULES) {
            *count += u64::from((rule.apply)(own, sent) == after);
        }
    }

    /// The wrong rule that explains every receive of the machine, if the right one does not.
    pub(super) fn named(&self) -> Option<WrongRule> {
        let explains = |count: &u64| *count == self.receives;
        let place = self.wrong.iter().position(explains)?;
        WRONG_RULES.get(place).copied().filter(|_| self.broken > 0)
    }
}
