//! What can be judged only when all logs are at their end: missing logs, conservation, wrong clock rules by name.

use super::{
    loose::Broken,
    machine::{MachineCheck, Shared},
    rules::{CLOCK, COMPLETE, CONDITION, CONSERVATION, STAMP},
    vector,
    wrong_rule::RIGHT_RULE,
};
use crate::{trace::Violation, units::MachineId};

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
        if let Some((_, footer)) = &machine.footer {
            judge_conservation(me, machine, &footer.goodbye, machines, shared, &mut notes);
            if let Some(own) = machine.vector.own(me) {
                vector::judge_claim(me, own, &shared.claims, &shared.files, &mut shared.violations);
            }
        }
    }
    let unsaid = |machine: MachineId| {
        let log = machines.get(machine.index())?.as_ref()?;
        Some(u32::from(log.footer.is_none()))
    };
    shared.lives.finish(unsaid, &shared.files, &mut shared.violations);
    name_wrong_rules(machines, shared);
    notes
}

fn ids(machines: &[Option<MachineCheck>]) -> impl Iterator<Item = (MachineId, Option<&MachineCheck>)> {
    (0..)
        .map(MachineId)
        .zip(machines.iter().map(|machine| machine.as_ref()))
}

/// Per channel to `me`: sent − lost + duplicated = received + waiting where the sender said goodbye, sent >= received + waiting
/// elsewhere.
fn judge_conservation(
    me: MachineId,
    machine: &MachineCheck,
    goodbye: &[MachineId],
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
        let (sent, received, broken) = shared
            .channels
            .get(peer, me)
            .map_or((0, 0, Broken::default()), |channel| {
                (channel.sent, channel.received, channel.broken())
            });
        let waiting = footer.waiting.get(peer.index()).copied();
        let arrived = received.saturating_add(waiting.unwrap_or(0));
        let lost = shared.losses.contains_key(&(peer, me)) || shared.losses.contains_key(&(me, peer));
        // Without `waiting` the rest of the messages may be in the queue.
        let exact = goodbye.contains(&peer) && !lost && waiting.is_some();
        if arrived == sent {
            continue;
        }
        if arrived < sent && !exact {
            notes.push(format!(
                "{} messages of machine {peer} to machine {me} are unaccounted for: {}",
                sent - arrived,
                match [peer, me].into_iter().find(|id| shared.lives.has_restarted(*id)) {
                    Some(id) => format!(
                        "machine {id} was started again, so what waited in its queue, and what was on the link, is lost"
                    ),
                    None if lost => "a link was lost".to_owned(),
                    None => "the one did not hear the other's goodbye".to_owned(),
                },
            ));
            continue;
        }
        let here = shared.files.place(me, *line);
        let there = shared.files.place(peer, *sender_end);
        shared.violations.add(CONSERVATION, me, || {
            let asked = if exact {
                "it said goodbye, so all must have arrived"
            } else {
                "no more can arrive than were sent"
            };
            let Broken { lost, duplicated } = broken;
            let faults = match lost + duplicated {
                0 => String::new(),
                _ => format!(", {lost} lost and {duplicated} doubled by faults make {sent}"),
            };
            let text = format!(
                "machine {peer} sent {} messages to machine {me} ({there}){faults}; {received} were received and {} wait: {asked}",
                sent.saturating_sub(duplicated).saturating_add(lost),
                waiting.unwrap_or(0),
            );
            (vec![here, there], text)
        });
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
