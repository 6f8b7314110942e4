//! The open mesh on real sockets: who comes, who goes, who asks; one port for all of them.

pub(crate) mod clients;
pub(crate) mod doors;
pub(crate) mod links;
pub(crate) mod logs;
pub(crate) mod tally;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use clocklab::{
    mesh::{
        EventLog, Handle, MeshError, NoLog, Outcome,
        open::{Client, Handover, OpenDesk, OpenMesh, Place},
    },
    service::{Disk, Guard, NoDisk, Peer},
    units::MachineId,
    wire::{Hello, NOT_COUNTED, Reason, Secret, Standing, Trust},
};

use self::tally::{Ask, Sum, Tally, Told, Want};

/// How long something that has to come is waited for.
pub(crate) const WAIT: Duration = Duration::from_secs(20);

/// A client of a tally.
pub(crate) type Asker = Client<Ask, Sum>;

/// A machine of an open mesh in a thread of this process.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) told: Receiver<Told>,
    pub(crate) want: Sender<Want>,
    pub(crate) handle: Handle,
    pub(crate) desk: Arc<OpenDesk<Tally>>,
    thread: JoinHandle<Result<(Outcome, Tally), MeshError>>,
}

/// A place of machine `me`, on any free port of loopback.
pub(crate) fn place(me: u16) -> Place {
    Place {
        me: MachineId(me),
        incarnation: 1,
        listen: "127.0.0.1:0".parse().unwrap(),
        run: "tally".parse().unwrap(),
        log_run: "tally".parse().unwrap(),
        secret: None,
        seed: 7,
        log_end: None,
    }
}

pub(crate) fn peer(id: u16, address: SocketAddr) -> Peer {
    Peer {
        id: MachineId(id),
        address: address.to_string().parse().unwrap(),
    }
}

pub(crate) fn secret(letter: &str) -> Secret {
    Secret::new(&letter.repeat(32)).unwrap()
}

/// The hello of machine `sender` to `receiver`.
pub(crate) fn hello(sender: u16, receiver: u16, incarnation: u32) -> Hello {
    Hello {
        system: 255,
        machines: NOT_COUNTED,
        sender: MachineId(sender),
        receiver: MachineId(receiver),
        incarnation,
        trust: Trust::Open,
        standing: Standing::Given,
        run: "tally".parse().unwrap(),
    }
}

impl Running {
    pub(crate) fn start(place: Place, peers: Vec<Peer>) -> Self {
        Self::start_with(place, peers, NoLog, Box::new(NoDisk::default()), None)
    }

    pub(crate) fn start_with(
        place: Place,
        peers: Vec<Peer>,
        log: impl EventLog + Send + 'static,
        disk: Box<dyn Disk>,
        handover: Option<Handover>,
    ) -> Self {
        Self::start_guarded(place, peers, log, disk, handover, None)
    }

    pub(crate) fn start_guarded(
        place: Place,
        peers: Vec<Peer>,
        log: impl EventLog + Send + 'static,
        disk: Box<dyn Disk>,
        handover: Option<Handover>,
        guard: Option<Arc<dyn Guard<Tally>>>,
    ) -> Self {
        let ((tell, told), (want, wants)) = (channel(), channel());
        let service = Tally::new(place.me, peers, tell, wants);
        let mut mesh = OpenMesh::new(place, service, log, disk, handover).unwrap();
        if let Some(guard) = guard {
            mesh.set_guard(guard);
        }
        let (address, handle, desk) = (mesh.local_address().unwrap(), mesh.handle(), mesh.desk());
        Self {
            address,
            told,
            want,
            handle,
            desk,
            thread: std::thread::Builder::new().spawn(move || mesh.run()).unwrap(),
        }
    }

    /// The next thing told that `wanted` accepts; those before it are passed over.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.told.recv_timeout(WAIT).expect("it should be told");
            if wanted(&told) {
                return told;
            }
        }
    }

    /// What is told until `until` that `wanted` accepts.
    pub(crate) fn all_until(&self, until: Instant, wanted: impl Fn(&Told) -> bool) -> Vec<Told> {
        let mut all = Vec::new();
        while let Ok(told) = self
            .told
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if wanted(&told) {
                all.push(told);
            }
        }
        all
    }

    pub(crate) fn up(&self, peer: u16) {
        self.wait_for(|told| matches!(told, Told::Up(up, _) if up.0 == peer));
    }

    pub(crate) fn client(&self) -> Asker {
        Client::connect(&self.address.to_string().parse().unwrap(), None, None, WAIT).unwrap()
    }

    pub(crate) fn stop(self) -> (Outcome, Tally) {
        self.end().unwrap()
    }

    /// Stops it, in order or not.
    pub(crate) fn end(self) -> Result<(Outcome, Tally), MeshError> {
        self.handle.stop(Reason::Interrupted);
        self.thread.join().unwrap()
    }
}

/// Two machines that know each other: with ids 1 and 2.
pub(crate) fn pair() -> (Running, Running) {
    let addresses = crate::support::free_addresses(2);
    let machine = |me: u16, other: u16| {
        let mut place = place(me);
        place.listen = addresses[usize::from(me) - 1];
        Running::start(place, vec![peer(other, addresses[usize::from(other) - 1])])
    };
    (machine(1, 2), machine(2, 1))
}

/// Asks one thing and waits for its one answer.
pub(crate) fn ask(client: &mut Asker, ask: &Ask) -> u64 {
    let ticket = client.send(ask).unwrap();
    let answer = client.receive().unwrap();
    assert_eq!((answer.ticket, answer.is_last), (ticket, true));
    answer.reply.0
}

/// Asks for the sum until it is as wanted.
pub(crate) fn wait_for_sum(client: &mut Asker, sum: u64) {
    let until = Instant::now() + WAIT;
    while ask(client, &Ask::Read) != sum {
        assert!(Instant::now() < until, "the sum does not become {sum}");
        std::thread::yield_now();
    }
}
