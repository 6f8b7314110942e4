//! The hands of a soak: start replicas, do the plan's troubles to them, and mend everything again.
#![allow(clippy::disallowed_methods, reason = "the launcher waits in real time")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::PathBuf,
    thread,
    time::Duration,
};

use super::{
    end::status,
    plan::{Timed, Trouble},
    shared::{Chapter, Shared},
    voice::connect,
    world::State,
};
use crate::{
    control::Command,
    faults::{Fault, LinkEffect, Links},
    kv::{Action, Answer, MemberChange, Request, Token},
    lab::{
        controller::{Controller, Target},
        process::{Process, failure},
        replicas::{ReplicaSettings, is_ready},
    },
    units::{MachineId, Time},
    wire::Reason,
};

/// How long replicas may take to be ready, and members to be drained, once all faults are over.
const HEALED_AFTER: Duration = Duration::from_secs(40);

/// How long replicas may take to end in order.
const GRACE: Duration = Duration::from_secs(15);

/// How often those that are waited for are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often a member that leaves is looked at, in microseconds.
const LEAVING_LOOK_US: u64 = 500_000;

/// From the end of one that left to its return, in microseconds.
const RETURN_US: u64 = 500_000;

/// What is to be done at a time.
#[derive(Debug)]
enum Due {
    Start(MachineId),
    Wake(MachineId),
    /// A fault of links ends by itself.
    LinksEnd(BTreeSet<MachineId>),
}

/// A member that leaves.
#[derive(Debug)]
struct Leaving {
    returns: bool,
    asked: bool,
    looked: Time,
}

/// The hands.
pub(super) struct Hands<'a> {
    shared: &'a Shared,
    settings: ReplicaSettings,
    program: PathBuf,
    processes: BTreeMap<MachineId, Process>,
    /// Who is to be a member, as far as decisions go.
    members: BTreeSet<MachineId>,
    due: Vec<(Time, Due)>,
    leaving: BTreeMap<MachineId, Leaving>,
    fault_id: u32,
}

impl<'a> Hands<'a> {
    /// Starts the replicas of the beginning.
    pub(super) fn start(
        shared: &'a Shared,
        settings: &ReplicaSettings,
        program: PathBuf,
        replicas: u16,
    ) -> io::Result<Self> {
        let mut hands = Self {
            shared,
            settings: settings.clone(),
            program,
            processes: BTreeMap::new(),
            members: MachineId::all(replicas).collect(),
            due: Vec::new(),
            leaving: BTreeMap::new(),
            fault_id: 0,
        };
        for id in MachineId::all(replicas) {
            hands.start_one(id)?;
        }
        Ok(hands)
    }

    /// Who is to be a member.
    pub(super) fn members(&self) -> &BTreeSet<MachineId> {
        &self.members
    }

    fn view(&self) -> String {
        let entries = self.members.iter();
        let entries = entries.map(|id| format!("{}={}", id.0, self.settings.address(*id)));
        entries.collect::<Vec<_>>().join(",")
    }

    fn start_one(&mut self, id: MachineId) -> io::Result<()> {
        self.members.insert(id);
        let mut command = self.settings.command(&self.program, id, &self.view());
        self.shared.world.set(id, State::Starting, self.shared.now());
        let process = Process::start(id, &mut command)?;
        self.processes.insert(id, process);
        Ok(())
    }

    /// Does a trouble.
    pub(super) fn trouble(&mut self, timed: &Timed) -> io::Result<()> {
        let now = self.shared.now();
        let end = now.after(timed.lasts.unwrap_or_default());
        let world = &self.shared.world;
        let done = match &timed.trouble {
            Trouble::Link(fault) => self.break_links(fault, timed.lasts, end),
            Trouble::Kill(id) if [State::Up, State::Starting].contains(&world.state(*id)) => {
                world.set(*id, State::Dead, now);
                self.kill(*id)?;
                self.due.push((end, Due::Start(*id)));
                Ok(())
            }
            Trouble::End(id) if world.state(*id) == State::Up => {
                world.set(*id, State::Dead, now);
                self.end(*id)?;
                self.due.push((end, Due::Start(*id)));
                Ok(())
            }
            Trouble::Pause(id) if world.state(*id) == State::Up => {
                world.set(*id, State::Paused, now);
                if let Some(process) = self.processes.get(id) {
                    process.suspend();
                }
                self.due.push((end, Due::Wake(*id)));
                Ok(())
            }
            Trouble::Join(id) if world.state(*id) == State::Away => self.start_one(*id),
            Trouble::Leave(id) => self.leave(*id, true),
            Trouble::Retire(id) => self.leave(*id, false),
            Trouble::Kill(id) | Trouble::End(id) | Trouble::Pause(id) | Trouble::Join(id) => Err(
                io::Error::other(format!("it is {:?}", world.state(*id)).to_lowercase()),
            ),
        };
        let kind = timed.trouble.kind();
        self.shared.tally(|tally| match done {
            Ok(()) => *tally.troubles.entry(kind).or_default() += 1,
            Err(why) => *tally.undone.entry(format!("{kind} ({why})")).or_default() += 1,
        });
        Ok(())
    }

    fn kill(&mut self, id: MachineId) -> io::Result<()> {
        match self.processes.remove(&id) {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// Ends a replica in order, and waits for its end.
    fn end(&mut self, id: MachineId) -> io::Result<()> {
        match self.processes.remove(&id) {
            Some(mut process) => {
                process.ask_to_stop(Reason::Interrupted);
                self.wait_for_end(id, &mut process)
            }
            None => Ok(()),
        }
    }

    fn leave(&mut self, id: MachineId, returns: bool) -> io::Result<()> {
        if self.shared.world.state(id) != State::Up || self.members.len() <= 2 {
            return Err(io::Error::other("it is not there"));
        }
        self.members.remove(&id);
        self.shared.world.set(id, State::Leaving, self.shared.now());
        let leaving = Leaving {
            returns,
            asked: false,
            looked: Time(0),
        };
        self.leaving.insert(id, leaving);
        Ok(())
    }

    /// Begins a fault at every replica that sends on its links.
    fn break_links(&mut self, fault: &Fault, lasts: Option<Duration>, end: Time) -> io::Result<()> {
        self.fault_id += 1;
        let command = Command::Fault {
            id: self.fault_id,
            fault: fault.clone(),
            lasts,
        };
        let mut begun = 0;
        let up = self.shared.world.all(State::Up);
        let (now, ends) = (self.shared.now(), concerned(fault, &up));
        for id in &ends {
            self.shared.world.fault_begins(*id, now);
        }
        self.due.push((end, Due::LinksEnd(ends)));
        for id in up.into_iter().filter(|id| fault.concerns(*id)) {
            begun += usize::from(self.command(id, &command));
        }
        match begun {
            0 => Err(io::Error::other("nobody is there")),
            _ => Ok(()),
        }
    }

    /// Whether a replica has done what it was told.
    fn command(&self, id: MachineId, command: &Command) -> bool {
        let target = Target {
            address: self.settings.address(id),
            machine: Some(id),
            run: None,
        };
        let told = Controller::connect(&target, None).and_then(|mut controller| controller.ask(command));
        if let Err(error) = &told {
            tracing::debug!("`{command}` was not done: {error}");
        }
        told.is_ok()
    }

    /// Does what is due, and looks after those that start, leave or have ended.
    pub(super) fn tick(&mut self, chapter: Option<&Chapter>) -> io::Result<()> {
        let now = self.shared.now();
        let (due, later) = self.due.drain(..).partition(|(at, _)| *at <= now);
        self.due = later;
        let due: Vec<(Time, Due)> = due;
        for (_, due) in due {
            self.do_due(due)?;
        }
        self.look_for_ends()?;
        for id in self.shared.world.all(State::Starting) {
            if is_ready(self.settings.address(id)) {
                if let Some(chapter) = chapter {
                    self.check_restored(chapter, id);
                }
                self.shared.world.set(id, State::Up, self.shared.now());
            }
        }
        let leaving: Vec<MachineId> = self.leaving.keys().copied().collect();
        for id in leaving {
            self.help_leave(id)?;
        }
        Ok(())
    }

    fn do_due(&mut self, due: Due) -> io::Result<()> {
        match due {
            Due::Start(id) => self.start_one(id)?,
            Due::Wake(id) => self.wake(id),
            Due::LinksEnd(ends) => {
                let now = self.shared.now();
                for id in ends {
                    self.shared.world.fault_ends(id, now);
                }
            }
        }
        Ok(())
    }

    fn wake(&mut self, id: MachineId) {
        if let Some(process) = self.processes.get(&id) {
            process.wake();
        }
        // Whether it serves already is asked.
        self.shared.world.set(id, State::Starting, self.shared.now());
    }

    /// A replica that ends by itself is a finding; it is started again.
    fn look_for_ends(&mut self) -> io::Result<()> {
        let mut ended = Vec::new();
        for (id, process) in &mut self.processes {
            if let Some(status) = process.look()? {
                process.note_end(failure(status).or(Some("exit status 0".to_owned())));
                ended.push(*id);
            }
        }
        for id in ended {
            let Some(process) = self.processes.remove(&id) else {
                continue;
            };
            if let Some(end) = process.ended() {
                let (failure, lines) = (
                    end.failure.clone().unwrap_or_default(),
                    end.last_lines.join("\n    "),
                );
                self.shared.breaks(&format!(
                    "replica {id} has ended by itself: {failure}\n    {lines}"
                ));
            }
            self.shared.world.set(id, State::Dead, self.shared.now());
            self.due
                .push((self.shared.now().after(Duration::from_secs(1)), Due::Start(id)));
        }
        Ok(())
    }

    /// One that is ready has what it acknowledged.
    fn check_restored(&self, chapter: &Chapter, id: MachineId) {
        // Before, so that what it acknowledges meanwhile does not count.
        let written = chapter.with(|book| book.acknowledged.len());
        if let Some(status) = status(self.shared, id) {
            chapter.with(|book| {
                let later = book.acknowledged.split_off(written);
                book.check_restored(id, &status.known);
                book.acknowledged.extend(later);
            });
        }
    }

    /// A member that leaves is told so; when it is removed its process ends in order and its disk is thrown away.
    fn help_leave(&mut self, id: MachineId) -> io::Result<()> {
        let now = self.shared.now();
        let Some(leaving) = self.leaving.get_mut(&id) else {
            return Ok(());
        };
        if now.0 < leaving.looked.0 + LEAVING_LOOK_US {
            return Ok(());
        }
        leaving.looked = now;
        let others = self.shared.world.all(State::Up);
        let Some(other) = others.first().copied() else {
            return Ok(());
        };
        if !leaving.asked {
            let drain = Action::Change(MemberChange::Drain { id });
            leaving.asked = matches!(
                ask(self.shared, other, drain),
                Some(Answer::MembersChanged { .. })
            );
            return Ok(());
        }
        let returns = leaving.returns;
        let Some(Answer::Members(members)) = ask(self.shared, other, Action::Members) else {
            return Ok(());
        };
        let standing = members
            .iter()
            .find(|member| member.id == id)
            .map(|member| member.standing);
        let is_removed = standing.is_none_or(|standing| !standing.is_member());
        if !is_removed {
            return Ok(());
        }
        self.leaving.remove(&id);
        self.end(id)?;
        self.shared.world.set(id, State::Away, self.shared.now());
        if let Some(data) = self.settings.data_of(id) {
            fs::remove_dir_all(data)?;
        }
        if returns {
            self.due
                .push((Time(self.shared.now().0 + RETURN_US), Due::Start(id)));
        }
        Ok(())
    }

    fn wait_for_end(&self, id: MachineId, process: &mut Process) -> io::Result<()> {
        let until = self.shared.now().after(GRACE);
        loop {
            if let Some(status) = process.look()? {
                process.note_end(failure(status));
                if let Some(failure) = process.ended().and_then(|end| end.failure.clone()) {
                    self.shared.breaks(&format!(
                        "replica {id} was to end in order, and failed: {failure}"
                    ));
                }
                return Ok(());
            }
            if self.shared.now() > until {
                self.shared
                    .breaks(&format!("replica {id} does not end within {} s", GRACE.as_secs()));
                return process.kill();
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends all faults, starts and wakes everybody, and waits for them.
    pub(super) fn heal(&mut self, chapter: &Chapter) -> io::Result<()> {
        for (_, due) in std::mem::take(&mut self.due) {
            self.do_due(due)?;
        }
        for id in self.shared.world.all(State::Up) {
            self.command(id, &Command::Mend { id: None });
        }
        self.wait(Some(chapter))
    }

    /// Waits until all members serve and nobody leaves any more.
    pub(super) fn wait(&mut self, chapter: Option<&Chapter>) -> io::Result<()> {
        let until = self.shared.now().after(HEALED_AFTER);
        loop {
            self.tick(chapter)?;
            let late: Vec<MachineId> = self
                .members
                .iter()
                .copied()
                .filter(|id| self.shared.world.state(*id) != State::Up)
                .collect();
            if late.is_empty() && self.leaving.is_empty() && self.due.is_empty() {
                return Ok(());
            }
            if self.shared.now() > until {
                let leaving: Vec<&MachineId> = self.leaving.keys().collect();
                let seconds = HEALED_AFTER.as_secs();
                self.shared.breaks(&format!(
                    "{seconds} s after the end of all faults members {late:?} do not serve, members {leaving:?} have not left"
                ));
                return Ok(());
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Ends all replicas in order.
    pub(super) fn stop(&mut self) -> io::Result<()> {
        let mut processes = std::mem::take(&mut self.processes);
        for (id, process) in &mut processes {
            self.shared.world.set(*id, State::Away, self.shared.now());
            process.wake();
            process.ask_to_stop(Reason::Duration);
        }
        for (id, process) in &mut processes {
            self.wait_for_end(*id, process)?;
        }
        Ok(())
    }
}

impl Drop for Hands<'_> {
    fn drop(&mut self) {
        // Whoever is left here was to be stopped in order, and something went wrong: there is nobody to tell.
        for process in self.processes.values_mut() {
            let _ = process.kill();
        }
    }
}

/// Whose links a fault breaks, so that others may not hear of what is written there.
fn concerned(fault: &Fault, machines: &[MachineId]) -> BTreeSet<MachineId> {
    let Fault::Link { links, effect } = fault else {
        return BTreeSet::new();
    };
    let is_cut = !matches!(effect, LinkEffect::Duplicate { .. });
    let touches = |id: &MachineId| match links {
        Links::All => true,
        Links::Between { from, to, .. } => from.contains(id) || to.contains(id),
    };
    machines
        .iter()
        .copied()
        .filter(|id| is_cut && touches(id))
        .collect()
}

/// What a replica answers to a question that needs no session.
fn ask(shared: &Shared, machine: MachineId, action: Action) -> Option<Answer> {
    let mut client = connect(*shared.addresses.get(machine.index())?).ok()?;
    let request = Request {
        token: Token::new(),
        wait_us: 0,
        action,
    };
    client.send(&request).ok()?;
    Some(client.receive().ok()?.reply.answer)
}
