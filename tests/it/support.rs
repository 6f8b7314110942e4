//! What several tests need: free ports, a node that counts, and a peer made of a plain socket.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::{
        atomic::{AtomicU16, Ordering},
        mpsc::Sender,
    },
    time::Duration,
};

use clocklab::{
    faults::Plan,
    mesh::{Config, OnPeerLoss},
    node::{Effect, Effects, Input, Node},
    units::{MachineId, Time},
    wire::{
        Control, Decoder, FRAME_LENGTH_MAX, FieldError, Fields, Hello, Message, Reason, Standing, Trust, kind,
    },
};

/// The program with these words in a folder: it is told nothing, and what it says is for the test.
pub(crate) fn program(folder: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clocklab"));
    command
        .args(words.split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Addresses on loopback that were free a moment ago.
pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap())
        .collect()
}

/// Ports between the blocks that tests are given.
const BLOCK: u16 = 16;

/// The first of `count` consecutive ports that were free a moment ago, below those that systems hand out. No two
/// calls give the same, so tests that run side by side do not meet.
pub(crate) fn free_base_port(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    assert!(count <= BLOCK, "{count} ports are more than a block");
    let own = u16::try_from(std::process::id() % 1000).unwrap();
    (0..1000)
        .map(|_| 12_000 + (own + NEXT.fetch_add(1, Ordering::SeqCst)) % 1000 * BLOCK)
        .find(|base| (*base..*base + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()))
        .expect("free ports")
}

/// A place in a mesh of `addresses`, with a proposed run id.
pub(crate) fn place(me: u16, addresses: &[SocketAddr]) -> Config {
    Config {
        me: MachineId(me),
        incarnation: 1,
        addresses: addresses.to_vec(),
        listen: addresses[usize::from(me)],
        run: format!("proposal-{me}").parse().unwrap(),
        standing: Standing::Proposed,
        connect_timeout: Duration::from_secs(20),
        on_peer_loss: OnPeerLoss::Stop,
        duration: None,
        faults: Plan::default(),
        log_end: None,
        run_age: Duration::ZERO,
        secret: None,
    }
}

/// A number, and ballast so that frames have different lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u64);

impl Message for Number {
    const SYSTEM: u8 = 255;

    fn kind(&self) -> u8 {
        0xF1
    }

    fn encode(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&self.0.to_be_bytes());
        body.resize(body.len() + usize::try_from(self.0 % 5000).unwrap() / 10, 0xAB);
    }

    fn decode(kind: u8, body: &[u8]) -> Result<Self, FieldError> {
        if kind != 0xF1 {
            return Err(FieldError::Kind { kind });
        }
        let mut fields = Fields::new(body);
        let number = fields.u64("number")?;
        assert_eq!(
            fields.rest().len(),
            usize::try_from(number % 5000).unwrap() / 10,
            "a body came cut or joined"
        );
        Ok(Number(number))
    }
}

/// Sends the numbers from 0 to every peer as fast as it may, and tells everything that happens to it.
#[derive(Debug)]
pub(crate) struct Teller {
    pub(crate) tell: Sender<Input<Number>>,
    pub(crate) peers: Vec<MachineId>,
    pub(crate) numbers: u64,
    pub(crate) next: u64,
    pub(crate) started: bool,
}

impl Teller {
    pub(crate) fn new(me: u16, machines: u16, numbers: u64, tell: Sender<Input<Number>>) -> Self {
        Self {
            tell,
            peers: MachineId(me).peers(machines).collect(),
            numbers,
            next: 0,
            started: false,
        }
    }
}

impl Node for Teller {
    type Message = Number;

    fn handle(&mut self, _now: Time, input: Input<Number>, effects: &mut Effects<Number>) {
        match &input {
            Input::Start { .. } => self.started = true,
            // Nothing new: what it sends from now on would go nowhere.
            Input::Stop { .. } => self.numbers = 0,
            Input::Timeout => {
                for peer in &self.peers {
                    effects.push(Effect::Send {
                        to: *peer,
                        message: Number(self.next),
                    });
                }
                self.next += 1;
                return;
            }
            _ => {}
        }
        // A test that has seen enough listens no more.
        let _ = self.tell.send(input);
    }

    fn deadline(&self) -> Option<Time> {
        (self.started && self.next < self.numbers).then_some(Time(0))
    }
}

/// A peer made of a plain socket, which may say whatever it likes.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    decoder: Decoder,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let until = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(address) {
                Ok(stream) => return Self::of(stream),
                Err(error) if std::time::Instant::now() > until => panic!("{address}: {error}"),
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    /// The other side of a connection that was accepted.
    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self {
            stream,
            decoder: Decoder::new(FRAME_LENGTH_MAX),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn say(&mut self, control: &Control) {
        let mut bytes = Vec::new();
        control.encode(&mut bytes);
        self.send(&bytes);
    }

    pub(crate) fn hello(&mut self, hello: &Hello) {
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        self.send(&bytes);
    }

    /// The next frame's kind and body, or `None` at the end of the stream.
    pub(crate) fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some((frame.kind, frame.body.to_vec()));
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.decoder.extend(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// The error that ends the connection; panics at any other frame.
    pub(crate) fn error(&mut self) -> (clocklab::wire::ErrorCode, String) {
        let (kind, body) = self.frame().expect("an error frame before the end");
        match Control::decode(kind, &body) {
            Ok(Control::Error { code, text }) => {
                assert_eq!(self.frame(), None, "an error is the last frame");
                (code, text)
            }
            other => panic!("kind {kind:#04x}: {other:?}"),
        }
    }

    /// Joins as `hello` says and waits for the answer.
    pub(crate) fn join(&mut self, hello: &Hello) -> Hello {
        self.hello(hello);
        let (kind, body) = self.frame().expect("an answer to hello");
        assert_eq!(kind, kind::HELLO, "{:?}", Control::decode(kind, &body));
        Hello::decode(&body).unwrap()
    }
}

/// The hello of machine `sender` of `machines` to machine 0, proposing a run.
pub(crate) fn hello(sender: u16, machines: u16) -> Hello {
    Hello {
        system: 255,
        machines,
        sender: MachineId(sender),
        receiver: MachineId(0),
        incarnation: 1,
        trust: Trust::Open,
        standing: Standing::Proposed,
        run: format!("proposal-{sender}").parse().unwrap(),
    }
}

/// The goodbye of a machine that stops by itself.
pub(crate) fn goodbye(sender: u16, reason: Reason) -> Control {
    Control::Goodbye {
        reason,
        origin: MachineId(sender),
    }
}
