//! Which write each read read from: by its value, which is written once.

use super::{
    Action, History, HistoryError, Id, Outcome, Text,
    findings::{Finding, Findings, Pattern},
    read::{MARK, shown},
    table::Table,
};

/// Where what a read returned comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It is no read, or nobody knows.
    Unjudged,
    /// Nothing has been written.
    Initial,
    /// Nothing, by some delete or from the beginning.
    Nothing,
    /// This write.
    Write(Id),
}

/// The writes in the order of a number that their key and value give.
struct Names<'a> {
    history: &'a History,
    sorted: Vec<(u64, bool, Id)>,
}

/// Matches the reads of a history; by operation.
pub(super) fn matched(history: &History, findings: &mut Findings) -> Result<Table<Source>, HistoryError> {
    let names = Names::new(history)?;
    let mut deleted = Table::new(false, history.keys.len());
    let mut counted = Table::new(false, history.keys.len());
    for (_, operation) in history.operations.iter() {
        match operation.action {
            Action::Delete => *deleted.at(operation.key) |= operation.outcome != Outcome::Fail,
            Action::Add => *counted.at(operation.key) = true,
            Action::Put | Action::Get => {}
        }
    }
    let mut sources = Table::new(Source::Unjudged, history.operations.len());
    for (id, read) in history.operations.iter() {
        if !read.is_read() || read.outcome != Outcome::Ok || counted.get(read.key) {
            continue;
        }
        *sources.at(id) = if read.text.bytes > 0 {
            match names.find(read.key, read.text) {
                Some(write) if history.operations.get(write).outcome == Outcome::Fail => {
                    findings.add(Pattern::PhantomRead, || phantom(history, id, write));
                    Source::Unjudged
                }
                Some(write) => Source::Write(write),
                None => {
                    findings.add(Pattern::ThinAirRead, || thin_air(history, id));
                    Source::Unjudged
                }
            }
        } else if deleted.get(read.key) {
            Source::Nothing
        } else {
            Source::Initial
        };
    }
    Ok(sources)
}

impl<'a> Names<'a> {
    fn new(history: &'a History) -> Result<Self, HistoryError> {
        let mut sorted = Vec::new();
        for (id, operation) in history.operations.iter() {
            if operation.is_write() && operation.text.bytes > 0 {
                let number = mixed(operation.key, history.text(operation.text));
                sorted.push((number, operation.outcome == Outcome::Fail, id));
            }
        }
        sorted.sort_unstable();
        let names = Self { history, sorted };
        names.judge_unique()?;
        Ok(names)
    }

    /// A failed write and a further try of it may have one name: only the second was done.
    fn judge_unique(&self) -> Result<(), HistoryError> {
        for pair in self.sorted.windows(2) {
            let [(number, _, first), (other, is_failed, second)] = pair else {
                continue;
            };
            let (one, two) = (
                self.history.operations.get(*first),
                self.history.operations.get(*second),
            );
            let is_same = number == other && self.is_named(*first, two.key, two.text);
            if is_same && !is_failed && one.outcome != Outcome::Fail {
                return Err(HistoryError::Twice {
                    first: self.history.place(*first),
                    second: self.history.place(*second),
                    what: shown(self.history.text(two.text)),
                    key: shown(self.history.key(two.key)),
                });
            }
        }
        Ok(())
    }

    fn is_named(&self, write: Id, key: u32, text: Text) -> bool {
        let operation = self.history.operations.get(write);
        operation.key == key && self.history.text(operation.text) == self.history.text(text)
    }

    /// The write of this key and value; one that failed only if there is no other.
    fn find(&self, key: u32, text: Text) -> Option<Id> {
        let number = mixed(key, self.history.text(text));
        let start = self.sorted.partition_point(|(other, _, _)| *other < number);
        let mut same = self.sorted.iter().skip(start);
        same.by_ref()
            .take_while(|(other, _, _)| *other == number)
            .find(|(_, _, write)| self.is_named(*write, key, text))
            .map(|(_, _, write)| *write)
    }
}

/// A number of 64 bits for a key and a text (FNV-1a): equal ones are compared as texts.
fn mixed(key: u32, text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    text.bytes().fold(start, |number, byte| {
        (number ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

fn phantom(history: &History, read: Id, write: Id) -> Finding {
    let text = format!(
        "{} read a value whose write surely failed: what was refused is never applied",
        history.session_of(read)
    );
    let steps = vec![
        history.step(write, "was answered that it failed"),
        history.step(read, "reads it all the same"),
    ];
    Finding::new(history.place(read), text, steps)
}

fn thin_air(history: &History, read: Id) -> Finding {
    let what = history.text(history.operations.get(read).text);
    let by = if what.starts_with(MARK) {
        "deleted under this mark"
    } else {
        "wrote"
    };
    let text = format!(
        "{} read what nobody {by}, as far as the history goes",
        history.session_of(read)
    );
    Finding::new(
        history.place(read),
        text,
        vec![history.step(read, "no line writes this to this key")],
    )
}
