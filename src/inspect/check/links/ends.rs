//! The two ends of a link side by side, when all logs are at their end.

use super::{INCARNATION, LINKS, Link, Links, Silent, Up};
use crate::{
    inspect::check::judge::Files,
    trace::{Place, Violations},
    units::MachineId,
};

impl Links {
    /// All logs are at their end; `unsaid` says how many lives may have begun behind the end of a machine's log: none
    /// behind a footer, one that died before it could say so elsewhere; `None` if there is no log.
    pub(in crate::inspect::check) fn finish(
        &self,
        unsaid: impl Fn(MachineId) -> Option<u32>,
        files: &Files,
        violations: &mut Violations,
    ) {
        for (me, story) in (0..).map(MachineId).zip(&self.stories) {
            for (peer, link) in &story.links {
                let Some(up) = link.ups.last() else { continue };
                // Behind a footer no loss is left to be said.
                if unsaid(*peer) == Some(0) && !self.is_open() {
                    self.judge_again((me, *peer), link, files, violations);
                }
                let lives = self.stories.get(peer.index()).map(|story| &story.lives);
                let last = lives.and_then(|lives| lives.last());
                let last = last.map_or(self.first(*peer), |life| life.incarnation);
                // In an open mesh a life that is not said may have any number.
                let most = unsaid(*peer).filter(|unsaid| *unsaid == 0 || !self.is_open());
                if most.is_some_and(|unsaid| up.seen > last.saturating_add(unsaid)) {
                    violations.add(INCARNATION, me, || {
                        let places: Vec<Place> = vec![files.place(me, up.line), files.place(*peer, 0)];
                        let text = format!(
                            "a link to life {} of machine {peer}, whose log knows of {last} only ({})",
                            up.seen,
                            files.place(*peer, 0)
                        );
                        (places, text)
                    });
                }
            }
        }
        for silent in &self.silent {
            self.judge_silent(silent, files, violations);
        }
    }

    /// Where two first lives have a link again, both had lost it: who still has a link takes no second one. A loss alone
    /// may be known to one end only.
    fn judge_again(
        &self,
        (me, peer): (MachineId, MachineId),
        link: &Link,
        files: &Files,
        violations: &mut Violations,
    ) {
        let is_first = |up: &&Up| up.life == 1 && self.life_at(me, up.line) == 1;
        let Some(up) = link
            .ups
            .iter()
            .find(is_first)
            .filter(|_| !self.has_restarted(peer))
        else {
            return;
        };
        let story = self.stories.get(peer.index());
        let other = story.and_then(|story| story.links.get(&me));
        if !other.is_some_and(Link::was_down) {
            violations.add(LINKS, me, || {
                let places: Vec<Place> = vec![files.place(me, up.line), files.place(peer, 0)];
                let text = format!(
                    "the link to machine {peer} comes up again, but that never lost it ({})",
                    files.place(peer, 0)
                );
                (places, text)
            });
        }
    }

    /// Without a loss, a life that a link leads on from has ended with goodbye: no fault killed it.
    fn judge_silent(&self, silent: &Silent, files: &Files, violations: &mut Violations) {
        let Silent { me, peer, life, line } = *silent;
        let lives = self.stories.get(peer.index()).map(|story| &story.lives);
        let next = lives.and_then(|lives| {
            lives
                .iter()
                .find(|next| next.incarnation == life.saturating_add(1))
        });
        if let Some(next) = next.filter(|next| next.is_killed) {
            violations.add(LINKS, me, || {
                let there = files.place(peer, next.line);
                let text = format!(
                    "the link to machine {peer} leads to a further life, but that to life {life}, which a fault killed ({there}), \
                     was never lost"
                );
                (vec![files.place(me, line), there], text)
            });
        }
    }
}
