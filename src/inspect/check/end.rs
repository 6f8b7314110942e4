//! What can be judged only when all logs are at their end: missing logs, conservation, wrong clock rules by name.

use super::{
    channel::Channel,
    hybrid,
    links::Links,
    loose::Broken,
    machine::{MachineCheck, Shared},
    rules::{CLOCK, COMPLETE, CONDITION, CONSERVATION, FOOTER, INCARNATION, STAMP},
    vector,
    wrong_rule::RIGHT_RULE,
};
use crate::{
    trace::{Footer, Violation},
    units::MachineId,
};

/// A frame without a body: its length and its kind.
const FRAME_BYTES_MIN: u64 = 5;

/// Judges the ends, and returns notes.
pub(super) fn finish(
    machines: &[Option<MachineCheck>],
    headless: &[MachineId],
    shared: &mut Shared,
) -> Vec<String> {
    let mut notes = Vec::new();
    for (me, machine) in ids(machines) {
        let file = shared.files.place(me, 0);
        match machine {
            None if headless.contains(&me) => notes.push(format!(
                "{file}: it ends before its header is complete, so nothing of machine {me} is known; \
                 copy the whole log here, if there is one"
            )),
            None if shared.links.is_open() && !shared.mentioned.contains(&me) => {}
            None => shared.violations.add(COMPLETE, me, || {
                let text = format!(
                    "the log of machine {me} is missing, so its messages cannot be matched; copy it into the folder"
                );
                (vec![file.clone()], text)
            }),
            Some(machine) if machine.footer.is_none() => {
                notes.push(format!(
                    "{file}: no footer: machine {me} was killed, or is still running; its log is judged up to its last whole line"
                ));
            }
            Some(_) => {}
        }
    }
    // Of a machine without a log or a footer, messages behind the last event known may have been sent.
    let open_behind = |sender: MachineId| match machines.get(sender.index()).and_then(Option::as_ref) {
        None => Some(0),
        Some(machine) => machine.footer.is_none().then_some(machine.clock),
    };
    for (sender, count) in shared.finish_channels(open_behind) {
        notes.push(format!(
            "{count} received messages of machine {sender} cannot be matched: its log does not reach so far"
        ));
    }
    for (me, machine) in ids(machines) {
        let Some(machine) = machine else { continue };
        if machine.footer.is_some() {
            judge_conservation(me, machine, machines, shared, &mut notes);
            judge_frames(me, machine, machines, shared);
            if let Some(own) = machine.vector.own(me) {
                vector::judge_claim(me, own, &shared.claims, &shared.files, &mut shared.violations);
            }
        }
    }
    judge_hybrids(machines, shared, &mut notes);
    let unsaid = |machine: MachineId| {
        let log = machines.get(machine.index())?.as_ref()?;
        Some(u32::from(log.footer.is_none()))
    };
    shared.links.finish(unsaid, &shared.files, &mut shared.violations);
    name_wrong_rules(machines, shared);
    notes
}

/// The bounds of hybrid clocks, and notes where they cannot be judged.
fn judge_hybrids(machines: &[Option<MachineCheck>], shared: &mut Shared, notes: &mut Vec<String>) {
    let hybrids = || ids(machines).filter_map(|(me, machine)| Some((me, &machine?.hybrid)));
    if hybrids().all(|(_, track)| track.judged == 0) {
        return;
    }
    let events = machines.iter().flatten().map(|machine| machine.events).sum();
    let Shared {
        files,
        fastest,
        violations,
        ..
    } = shared;
    // A log that is missing or not at its end may hold a clock that is ahead of all others.
    let is_cut = |machine: Option<&MachineCheck>| machine.is_none_or(|machine| machine.footer.is_none());
    let cut = ids(machines).find(|(_, machine)| is_cut(*machine));
    let fastest = cut.is_none().then_some(&*fastest);
    let unbounded = hybrid::judge_bounds(hybrids(), events, fastest, files, violations);
    if let Some((machine, _)) = cut {
        notes.push(format!(
            "hybrid bound: how far l is ahead was not judged, because machine {machine}'s log is missing or has no end: its clock \
             may be ahead of all others"
        ));
    }
    if let Some((me, other)) = unbounded.first() {
        notes.push(format!(
            "hybrid bound: how far l is ahead was not judged on {} of {} machines: no messages lead from machine {me} to machine \
             {other}, say, so nothing tells how far the clock of that one is ahead",
            unbounded.len(),
            machines.len()
        ));
    }
}

fn ids(machines: &[Option<MachineCheck>]) -> impl Iterator<Item = (MachineId, Option<&MachineCheck>)> {
    (0..)
        .map(MachineId)
        .zip(machines.iter().map(|machine| machine.as_ref()))
}

/// Per channel to `me`, of what was sent since the link came up last: sent − lost + duplicated = received + waiting where
/// the sender said goodbye, sent >= received + waiting elsewhere.
fn judge_conservation(
    me: MachineId,
    machine: &MachineCheck,
    machines: &[Option<MachineCheck>],
    shared: &mut Shared,
    notes: &mut Vec<String>,
) {
    let Some((line, footer)) = &machine.footer else {
        return;
    };
    for (peer, sender) in ids(machines).filter(|(peer, _)| *peer != me) {
        let Some((sender_end, _)) = sender.and_then(|sender| sender.footer.as_ref()) else {
            continue;
        };
        judge_goodbye(me, (*line, footer), peer, shared);
        let channel = shared.channels.get(peer, me);
        let (sent, received) = channel.map_or((0, 0), |channel| (channel.sent, channel.received));
        let waiting = footer.waiting.get(peer.index()).copied();
        let waits = waiting.unwrap_or(0);
        if channel.is_none() && waits == 0 {
            continue;
        }
        let links = &shared.links;
        let mut account = channel.map(Channel::account).unwrap_or_default();
        let (up, heard) = (
            links.up_before(peer, me, u64::MAX),
            links.up_before(me, peer, u64::MAX),
        );
        let leads_here = up.life == links.life(me);
        if !leads_here {
            // The sender never knew of the life that this footer is about. What that received is told of already.
            account.open = account.sent;
            account.to_life = account.by_life;
        }
        // The goodbye belongs to that epoch. Without `waiting` the rest of its messages may be in the queue.
        let is_heard = || links.life_at(peer, up.line) == heard.seen && footer.goodbye.contains(&peer);
        let is_missing = account.open > waits && leads_here && waiting.is_some() && is_heard();
        // What waits longest came before anything of this epoch that was taken.
        let is_stale = account.sent > account.open && waits > account.open;
        let arrived = received.saturating_add(waits);
        if !is_missing && !is_stale && account.by_life.saturating_add(waits) <= account.to_life {
            if arrived < sent {
                notes.push(unaccounted(peer, me, sent - arrived, &shared.links));
            }
            continue;
        }
        let Broken { lost, duplicated } = channel.map(Channel::broken).unwrap_or_default();
        let here = shared.files.place(me, *line);
        let there = shared.files.place(peer, *sender_end);
        let up_place = shared.files.place(peer, up.line);
        shared.violations.add(CONSERVATION, me, || {
            let asked = if is_missing {
                "it said goodbye, so all must have arrived"
            } else {
                "no more can arrive than were sent"
            };
            let faults = match lost + duplicated {
                0 => String::new(),
                _ => format!(", {lost} lost and {duplicated} doubled by faults make {sent}"),
            };
            let epoch = match sent - account.sent {
                0 => String::new(),
                _ => format!(
                    "; of the {} since its link came up last ({up_place}), {} were not received",
                    account.sent, account.open
                ),
            };
            let text = format!(
                "machine {peer} sent {} messages to machine {me} ({there}){faults}; {received} were received and {waits} wait{epoch}: \
                 {asked}",
                sent.saturating_sub(duplicated).saturating_add(lost),
            );
            (vec![here, there], text)
        });
    }
}

/// A goodbye of a peer's last life, whose log is at its end, was heard by a life that this one had a link to.
fn judge_goodbye(me: MachineId, (line, footer): (u64, &Footer), peer: MachineId, shared: &mut Shared) {
    let Shared {
        links,
        files,
        violations,
        ..
    } = shared;
    let (up, heard) = (
        links.up_before(peer, me, u64::MAX),
        links.up_before(me, peer, u64::MAX),
    );
    let life = links.life(me);
    if up.life == life || heard.seen != links.life(peer) || !footer.goodbye.contains(&peer) {
        return;
    }
    violations.add(INCARNATION, me, || {
        let there = files.place(peer, up.line);
        let text = format!(
            "machine {peer} said goodbye to life {life} of this machine, but its last link here led to life {} ({there})",
            up.life
        );
        (vec![files.place(me, line), there], text)
    });
}

/// Messages that are missing with good reason.
fn unaccounted(peer: MachineId, me: MachineId, count: u64, links: &Links) -> String {
    let why = match [peer, me].into_iter().find(|id| links.has_restarted(*id)) {
        Some(id) => format!(
            "machine {id} was started again, so what waited in its queue, and what was on the link, is lost"
        ),
        None if links.was_lost(peer, me) => "a link was lost".to_owned(),
        None => "the one did not hear the other's goodbye".to_owned(),
    };
    format!("{count} messages of machine {peer} to machine {me} are unaccounted for: {why}")
}

/// The frames that the footer counts are those of its life's sends; fewer where a link was lost, or ended before what
/// faults held back had gone.
fn judge_frames(
    me: MachineId,
    machine: &MachineCheck,
    machines: &[Option<MachineCheck>],
    shared: &mut Shared,
) {
    let Some((line, footer)) = &machine.footer else {
        return;
    };
    let (frames, bytes) = (footer.frames_sent.unwrap_or(machine.frames), footer.bytes_sent);
    let hears = |(peer, log): (MachineId, Option<&MachineCheck>)| {
        let end = log.and_then(|log| log.footer.as_ref());
        peer == me || end.is_some_and(|(_, footer)| footer.goodbye.contains(&me))
    };
    let all_went = || !machine.is_lossy && ids(machines).all(hears);
    let mut wrong = |text: String| {
        let place = shared.files.place(me, *line);
        shared.violations.add(FOOTER, me, || (vec![place], text));
    };
    // A replica's signals, such as heartbeats, are frames without an event.
    if !shared.links.is_open() && (frames > machine.frames || (frames < machine.frames && all_went())) {
        wrong(format!(
            "frames_sent={frames}, but the sends of this life put {} messages on links",
            machine.frames
        ));
    }
    if bytes.is_some_and(|bytes| bytes < frames.saturating_mul(FRAME_BYTES_MIN) || (frames == 0 && bytes > 0))
    {
        wrong(format!(
            "bytes_sent={}, but frames_sent={frames}, of {FRAME_BYTES_MIN} bytes at least",
            bytes.unwrap_or(0)
        ));
    }
}

/// Replaces lines upon lines by one sentence, where a wrong reading of the clock rule explains them all.
fn name_wrong_rules(machines: &[Option<MachineCheck>], shared: &mut Shared) {
    let mut named = vec![false; machines.len()];
    for (me, machine) in ids(machines) {
        let Some(machine) = machine else { continue };
        // Steps that are no receives break the rule in another way: then the lines are shown as they are.
        let Some(wrong) = machine
            .fits
            .named()
            .filter(|_| shared.violations.count_on(CLOCK, me) == machine.fits.broken)
        else {
            continue;
        };
        let text = format!(
            "machine {me} uses {} instead of {RIGHT_RULE}: all its {} receives fit that, and {} of them break the rule",
            wrong.formula, machine.fits.receives, machine.fits.broken,
        );
        explain(CLOCK, me, text, shared);
        mark(&mut named, me);
    }
    for (me, _) in ids(machines) {
        let Some(stamps) = shared
            .channels
            .stamps
            .get(me.index())
            .copied()
            .filter(|stamps| stamps.all_early())
        else {
            continue;
        };
        let text = format!(
            "machine {me} uses \"send, then update\": its messages carry the clock before the send event, all {} of them",
            stamps.early
        );
        explain(STAMP, me, text, shared);
        mark(&mut named, me);
    }
    explain_conditions(machines, &named, shared);
}

fn mark(named: &mut [bool], machine: MachineId) {
    if let Some(named) = named.get_mut(machine.index()) {
        *named = true;
    }
}

/// The clock condition breaks as a consequence: it needs no lines of its own where all cases have a named cause.
fn explain_conditions(machines: &[Option<MachineCheck>], named: &[bool], shared: &mut Shared) {
    let is_named = |machine: MachineId| named.get(machine.index()).copied().unwrap_or(false);
    for (me, _) in ids(machines) {
        let broken = shared.violations.count_on(CONDITION, me);
        let breaks = |peer: &MachineId| {
            let channel = shared.channels.get(*peer, me);
            channel.is_some_and(|channel| channel.unordered > 0)
        };
        let mut senders = ids(machines).map(|(peer, _)| peer).filter(breaks);
        if broken > 0 && (is_named(me) || senders.all(is_named)) {
            let text = format!(
                "C(send) < C(receive) is broken by {broken} messages to machine {me}, as a consequence of the wrong clock rule above"
            );
            explain(CONDITION, me, text, shared);
        }
    }
}

/// One explanation in place of what was kept, with the places of the first case.
fn explain(rule: &'static str, machine: MachineId, text: String, shared: &mut Shared) {
    let places = shared.violations.first_places(rule, machine);
    let explanation = Violation { rule, places, text };
    shared.violations.explain(rule, machine, vec![explanation]);
}
