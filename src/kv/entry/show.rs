//! What readers see of an entry: items, marks, and what its digest is made of.

use smallvec::SmallVec;

use super::{
    Entry,
    version::{Holds, Version},
};
use crate::{
    clock::{Dot, VersionVector},
    kv::{
        digest::Digest,
        operation::{Stamp, VALUE_BYTES_MAX},
        request::{Content, Item},
    },
};

/// Which type an entry shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    Values,
    Counter,
    Set,
}

impl Entry {
    /// What it shows at a time: one type (module page).
    pub(super) fn shown(&self, wall_us: u64) -> Shown {
        if self.shown_versions(wall_us).next().is_some() {
            Shown::Values
        } else if self.counter().is_some_and(super::Counter::is_there) {
            Shown::Counter
        } else if self.set().is_some_and(|set| !set.elements.is_empty()) {
            Shown::Set
        } else {
            Shown::Nothing
        }
    }

    /// The versions that are shown, the chosen first.
    pub(super) fn shown_versions(&self, wall_us: u64) -> impl Iterator<Item = &Version> {
        self.versions()
            .iter()
            .filter(move |version| !version.is_gone(wall_us))
    }

    /// What a reader gets at a time; `None`: nothing is under the key.
    ///
    /// Concurrent values behind the chosen one are left out as soon as all together are longer than a value may be, so
    /// that an answer fits its frame: only many replicas at once can bring that about.
    pub(in crate::kv) fn item(&self, wall_us: u64) -> Option<Item> {
        let content = match self.shown(wall_us) {
            Shown::Nothing => return None,
            Shown::Values => return self.item_of_values(wall_us),
            Shown::Counter => Content::Counter(self.counter().map_or(0, super::Counter::sum)),
            Shown::Set => {
                let elements = self.set().into_iter().flat_map(|set| set.elements.keys());
                Content::Set(elements.cloned().collect())
            }
        };
        Some(Item {
            mark: self.mark(wall_us),
            content,
            ends_us: None,
        })
    }

    fn item_of_values(&self, wall_us: u64) -> Option<Item> {
        let mut versions = self.shown_versions(wall_us);
        let chosen = versions.next()?;
        let mut bytes = chosen.bytes.len();
        let fitting = versions.take_while(|version| {
            bytes += version.bytes.len();
            bytes <= VALUE_BYTES_MAX
        });
        let values = chosen.to_value().into_iter();
        Some(Item {
            mark: self.mark(wall_us),
            content: Content::Values(values.chain(fitting.filter_map(Version::to_value)).collect()),
            ends_us: chosen.ends_us.map(std::num::NonZeroU64::get),
        })
    }

    /// Of each origin the greatest dot of what is shown; empty if nothing is.
    ///
    /// Of a counter also the writes that took away a part of what is left, of a set the removals: so a mark never names
    /// two chosen values, two sums, or two sets of elements. (Values beside the chosen one are told apart unless one
    /// replica accepted several of them.)
    pub(in crate::kv) fn mark(&self, wall_us: u64) -> VersionVector {
        let mut mark = VersionVector::new();
        match self.shown(wall_us) {
            Shown::Nothing => {}
            Shown::Values => {
                for version in self.shown_versions(wall_us) {
                    let dot = version.dot();
                    mark.raise(dot.origin, dot.number);
                }
            }
            Shown::Counter => {
                let parts = self.counter().into_iter().flat_map(|counter| &counter.parts);
                for part in parts.filter(|part| part.is_there()) {
                    mark.raise(part.origin, part.number);
                    if let Some(base) = part.base {
                        mark.raise(base.by.origin, base.by.number);
                    }
                }
            }
            Shown::Set => mark = self.set().map(super::Set::mark).unwrap_or_default(),
        }
        mark
    }

    /// The writes that left what is there, with their stamps (0 where none is kept), in the order of versions, then
    /// the counter's and the set's; tombstones are among them.
    pub(in crate::kv) fn present(&self) -> Vec<(Dot, Stamp)> {
        let mut present: Vec<(Dot, Stamp)> = Vec::new();
        for version in self.versions() {
            present.push((version.dot(), version.stamp));
        }
        let mut others: SmallVec<[Dot; 4]> = SmallVec::new();
        self.each_dot(|dot| others.push(dot));
        for dot in others {
            if present.iter().all(|(other, _)| *other != dot) {
                present.push((dot, 0));
            }
        }
        present
    }

    /// The hash of all that clients can see whatever the time: values above every one that ends, what is left of the
    /// counter, the set; 0 if that is nothing.
    pub(in crate::kv) fn digest(&self, key: &[u8]) -> u64 {
        let mut digest = Digest::new(key);
        let mut is_there = false;
        for version in self.versions().iter().filter(|version| !version.fades()) {
            is_there = true;
            digest_dot(version.dot(), &mut digest);
            digest.number(version.stamp);
            digest_holds(version, &mut digest);
        }
        let parts = self.counter().into_iter().flat_map(|counter| &counter.parts);
        for part in parts.filter(|part| part.is_there()) {
            is_there = true;
            digest_dot(part.dot(), &mut digest);
            digest.number(part.amount().cast_unsigned());
        }
        for (element, dots) in self.set().into_iter().flat_map(|set| &set.elements) {
            is_there = true;
            digest.format(element.format);
            digest.bytes(&element.bytes);
            for (origin, number) in dots.iter() {
                digest_dot(Dot::new(origin, number), &mut digest);
            }
        }
        if is_there { digest.end() } else { 0 }
    }
}

fn digest_dot(dot: Dot, digest: &mut Digest) {
    let Dot { origin, number } = dot;
    digest.number(u64::from(origin.machine.0) << 32 | u64::from(origin.incarnation));
    digest.number(number);
}

fn digest_holds(version: &Version, digest: &mut Digest) {
    if let Holds::Value(format) = version.holds {
        digest.format(format);
        digest.bytes(&version.bytes);
    }
}
