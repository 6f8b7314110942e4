//! Those who ask: by the wire, and at the desk.

use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::channel,
    },
    time::{Duration, Instant},
};

use clocklab::{
    mesh::{
        MeshError, NoLog,
        open::{Client, ClientError, PIPELINE_MAX},
    },
    service::{Desk, Disk, Guard, Last, NoDisk, Progress, Row, Shown},
    wire::{Control, ErrorCode, Hello, Trust, encode_frame, encode_request},
};

use super::{
    Ask, Asker, Running, Told, WAIT, ask, place, secret,
    tally::{BURST_BYTES, Sum, Tally},
    wait_for_sum,
};
use crate::support::Peer;

/// A disk that keeps when it is told to.
#[derive(Clone, Default)]
struct Late(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    given: u64,
    progress: Progress,
    wake: Option<Box<dyn Fn() + Send + Sync>>,
    is_closed: bool,
    fails_at_end: bool,
}

impl Late {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.lock().unwrap();
        let changed = change(&mut state);
        if let Some(wake) = &state.wake {
            wake();
        }
        changed
    }
}

impl Disk for Late {
    fn append(&mut self, number: u64, rows: Vec<Row>) {
        assert!(!rows.is_empty());
        let mut state = self.0.lock().unwrap();
        assert_eq!(number, state.given + 1, "numbers count up");
        state.given = number;
    }

    fn progress(&mut self) -> Progress {
        self.0.lock().unwrap().progress.clone()
    }

    fn on_progress(&mut self, wake: Box<dyn Fn() + Send + Sync>) {
        self.0.lock().unwrap().wake = Some(wake);
    }

    fn close(&mut self) {
        let mut state = self.0.lock().unwrap();
        state.is_closed = true;
        if state.fails_at_end {
            state.progress.failed = Some("it could not be synced".to_owned());
        }
    }
}

#[test]
fn a_deep_pipeline_is_answered_request_by_request() {
    const REQUESTS: u64 = 20_000;
    let machine = Running::start(place(1), Vec::new());
    let mut client = machine.client();
    let (mut sent, mut seen) = (0, vec![false; usize::try_from(REQUESTS).unwrap()]);
    let mut answered = 0;
    while answered < REQUESTS {
        while sent < REQUESTS && client.waiting() < PIPELINE_MAX {
            assert_eq!(client.send(&Ask::Add(1)).unwrap(), sent);
            sent += 1;
        }
        if sent < REQUESTS {
            assert!(matches!(client.send(&Ask::Add(1)), Err(ClientError::TooMany)));
        }
        let answer = client.receive().unwrap();
        assert!(
            answer.is_last && !std::mem::replace(&mut seen[usize::try_from(answer.ticket).unwrap()], true)
        );
        answered += 1;
    }
    assert_eq!(ask(&mut client, &Ask::Read), REQUESTS);
    machine.stop();
}

#[test]
fn a_watch_goes_on_beside_other_requests() {
    let machine = Running::start(place(1), Vec::new());
    let (mut watcher, mut writer) = (machine.client(), machine.client());
    let watch = watcher.send(&Ask::Watch).unwrap();
    assert_eq!(watcher.receive().unwrap().reply.0, 0);
    for sum in 1..=50 {
        assert_eq!(ask(&mut writer, &Ask::Add(1)), sum);
        let answer = watcher.receive().unwrap();
        assert_eq!((answer.ticket, answer.is_last), (watch, false));
        assert_eq!(answer.reply.0, sum);
    }
    drop(watcher);
    machine.wait_for(|told| matches!(told, Told::Cancelled(_)));
    assert_eq!(ask(&mut writer, &Ask::Add(1)), 51, "nobody watches, nobody minds");
    machine.stop();
}

/// Lets everybody ask everything but what is forbidden, and who asks for bytes shows who it is.
#[derive(Debug, Default)]
struct Forbidding {
    /// Whose watches and whose waiting is forbidden.
    forbidden: Mutex<Vec<String>>,
    turn: AtomicU64,
}

impl Forbidding {
    fn forbid(&self, whose: &str) {
        self.forbidden.lock().unwrap().push(whose.to_owned());
        self.turn.fetch_add(1, Ordering::SeqCst);
    }
}

impl Guard<Tally> for Forbidding {
    fn judge(&self, shown: &mut Shown, request: &Ask) -> Option<Sum> {
        if let Ask::Bytes(who) = request {
            shown.text = who.to_string();
        }
        let goes_on = matches!(request, Ask::Watch | Ask::Never);
        let is_forbidden = goes_on && self.forbidden.lock().unwrap().contains(&shown.text);
        is_forbidden.then(|| Sum(u64::MAX, Vec::new()))
    }

    fn turn(&self) -> u64 {
        self.turn.load(Ordering::SeqCst)
    }
}

#[test]
fn what_goes_on_or_waits_ends_when_it_is_forbidden() {
    let guard = Arc::new(Forbidding::default());
    let disk = Box::new(NoDisk::default());
    let forbidding: Arc<dyn Guard<Tally>> = Arc::<Forbidding>::clone(&guard);
    let machine = Running::start_guarded(place(1), Vec::new(), NoLog, disk, None, Some(forbidding));
    let (mut first, mut second) = (machine.client(), machine.client());
    for (who, client) in (1..).zip([&mut first, &mut second]) {
        ask(client, &Ask::Bytes(who));
        client.send(&Ask::Never).unwrap();
        client.send(&Ask::Watch).unwrap();
        assert_eq!(client.receive().unwrap().reply, Sum(0, Vec::new()));
    }
    // Nobody asks anything, and the first is told all the same, each request once and for good.
    guard.forbid("1");
    let mut told: Vec<_> = (0..2)
        .map(|_| {
            let answer = first.receive().unwrap();
            assert_eq!((answer.is_last, answer.reply), (true, Sum(u64::MAX, Vec::new())));
            answer.ticket
        })
        .collect();
    told.sort_unstable();
    assert_eq!(told, [1, 2]);
    for _ in 0..2 {
        machine.wait_for(|told| matches!(told, Told::Cancelled(_)));
    }
    // It is still heard, the other still watches, and of what waits nothing was answered.
    assert_eq!(ask(&mut first, &Ask::Add(1)), 1);
    let answer = second.receive().unwrap();
    assert_eq!((answer.ticket, answer.is_last, answer.reply.0), (2, false, 1));
    first.send(&Ask::Watch).unwrap();
    let answer = first.receive().unwrap();
    assert_eq!((answer.is_last, answer.reply.0), (true, u64::MAX));
    machine.stop();
}

#[test]
fn what_a_client_that_is_gone_asked_for_is_cancelled_and_its_seat_is_free() {
    let machine = Running::start(place(1), Vec::new());
    for _ in 0..5 {
        let mut client = machine.client();
        for _ in 0..3 {
            client.send(&Ask::Never).unwrap();
        }
        // The answer to a later one says that they are there.
        ask(&mut client, &Ask::Read);
        drop(client);
        for _ in 0..3 {
            machine.wait_for(|told| matches!(told, Told::Cancelled(_)));
        }
    }
    machine.stop();
}

#[test]
fn no_answer_comes_before_the_disk_has_it_and_a_failure_is_told() {
    let late = Late::default();
    let machine = Running::start_with(place(1), Vec::new(), NoLog, Box::new(late.clone()), None);
    let mut client = machine.client();
    client.set_patience(Duration::from_millis(150));
    client.send(&Ask::Add(3)).unwrap();
    assert!(matches!(client.receive(), Err(ClientError::Silent { .. })));
    client.set_patience(WAIT);
    late.with(|state| state.progress.through = state.given);
    assert_eq!(client.receive().unwrap().reply.0, 3);
    late.with(|state| state.progress.failed = Some("it is full".to_owned()));
    assert_eq!(
        machine.wait_for(|told| matches!(told, Told::Failed(_))),
        Told::Failed("it is full".to_owned())
    );
    assert_eq!(machine.client().send(&Ask::Read).unwrap(), 0);
    // The end is no orderly one then.
    let error = machine.end().unwrap_err();
    assert!(
        matches!(&error, MeshError::Disk { why, .. } if why == "it is full"),
        "{error}"
    );
    assert!(
        late.with(|state| state.is_closed),
        "the disk is closed at the end"
    );
}

#[test]
fn a_disk_that_fails_when_it_is_closed_is_told() {
    let late = Late::default();
    late.with(|state| state.fails_at_end = true);
    let machine = Running::start_with(place(1), Vec::new(), NoLog, Box::new(late.clone()), None);
    let mut client = machine.client();
    client.send(&Ask::Add(3)).unwrap();
    client.flush().unwrap();
    while late.with(|state| state.given) == 0 {
        std::thread::yield_now();
    }
    late.with(|state| state.progress.through = state.given);
    assert_eq!(client.receive().unwrap().reply.0, 3);
    let error = machine.end().unwrap_err();
    assert!(matches!(&error, MeshError::Disk { .. }), "{error}");
    assert!(error.to_string().contains("could not be synced"), "{error}");
}

#[test]
fn who_does_not_read_is_paused_and_keeps_nobody_waiting() {
    const BYTES: u64 = 500_000;
    let machine = Running::start(place(1), Vec::new());
    let (mut slow, mut quick) = (machine.client(), machine.client());
    for _ in 0..200 {
        slow.send(&Ask::Bytes(BYTES)).unwrap();
    }
    slow.flush().unwrap();
    for sum in 1..=100 {
        assert_eq!(ask(&mut quick, &Ask::Add(1)), sum);
    }
    // 100 MB are far above what may wait: it was paused in between, and has all of it in the end.
    for _ in 0..200 {
        assert_eq!(
            slow.receive().unwrap().reply.1.len(),
            usize::try_from(BYTES).unwrap()
        );
    }
    machine.stop();
}

#[test]
fn who_reads_is_never_closed_however_much_the_disk_holds_back() {
    const BYTES: usize = 700_000;
    const REQUESTS: usize = 400;
    let late = Late::default();
    let machine = Running::start_with(place(1), Vec::new(), NoLog, Box::new(late.clone()), None);
    let mut client = machine.client();
    client.set_patience(Duration::from_millis(200));
    for _ in 0..REQUESTS {
        client.send(&Ask::Late(BYTES as u64)).unwrap();
    }
    let (mut answered, mut in_a_row, mut most) = (0, 0, 0);
    while answered < REQUESTS {
        match client.receive() {
            Ok(answer) => {
                assert_eq!(answer.reply.1.len(), BYTES);
                answered += 1;
                in_a_row += 1;
                most = most.max(in_a_row);
            }
            Err(ClientError::Silent { .. }) => {
                in_a_row = 0;
                late.with(|state| state.progress.through = state.given);
            }
            Err(error) => panic!("after {answered} answers: {error}"),
        }
    }
    assert!(most < REQUESTS / 2, "{most} were held at once");
    machine.stop();
}

#[test]
fn who_reads_may_be_told_much_at_once() {
    const TIMES: u64 = 100;
    let machine = Running::start(place(1), Vec::new());
    let mut client = machine.client();
    let ticket = client.send(&Ask::Burst(TIMES)).unwrap();
    for time in 1..=TIMES {
        let answer = client.receive().unwrap();
        assert_eq!((answer.ticket, answer.is_last), (ticket, time == TIMES));
        assert_eq!((answer.reply.0, answer.reply.1.len()), (time, BURST_BYTES));
    }
    machine.stop();
}

#[test]
fn who_does_not_read_what_it_is_told_is_closed() {
    let machine = Running::start(place(1), Vec::new());
    let mut slow = machine.client();
    // More than may be unread, and than the system between the two takes.
    slow.send(&Ask::Burst(330)).unwrap();
    slow.flush().unwrap();
    let mut quick = machine.client();
    while ask(&mut quick, &Ask::Add(1)) < 100 {}
    let error = loop {
        if let Err(error) = slow.receive() {
            break error;
        }
    };
    assert!(error.to_string().contains("not read"), "{error}");
    machine.stop();
}

#[test]
fn an_answer_that_fits_no_frame_ends_the_client_and_not_the_machine() {
    let machine = Running::start(place(1), Vec::new());
    let mut client = machine.client();
    client.send(&Ask::Bytes(2 << 20)).unwrap();
    let error = client.receive().unwrap_err();
    assert!(error.to_string().contains("does not fit a frame"), "{error}");
    assert_eq!(ask(&mut machine.client(), &Ask::Add(1)), 1);
    machine.stop();
}

#[test]
fn requests_that_break_the_protocol_end_their_connection() {
    let machine = Running::start(place(1), Vec::new());
    let frame = |kind: u8, body: &[u8]| {
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, kind, |out| out.extend_from_slice(body));
        bytes
    };
    let cases: [(Vec<u8>, ErrorCode); 6] = [
        (vec![0, 0, 0, 0], ErrorCode::FrameTooLong),
        (vec![0xFF; 5], ErrorCode::FrameTooLong),
        (frame(0xF3, &[0x80]), ErrorCode::Malformed),
        (frame(0xF3, &[0, 9, 0]), ErrorCode::Malformed),
        (frame(0xF9, &[0, 0, 0]), ErrorCode::UnknownKind),
        (frame(0x06, b"status"), ErrorCode::UnexpectedFrame),
    ];
    for (bytes, code) in cases {
        let mut client = Peer::connect(machine.address);
        client.join(&Hello::of_client(255, None, Trust::Open));
        // What came before is done, and answered.
        let mut all = Vec::new();
        encode_request(&mut all, 17, &Ask::Read);
        all.extend_from_slice(&bytes);
        client.send(&all);
        let (kind, body) = client.frame().unwrap();
        if kind == 0xF4 {
            assert_eq!(body, [17, 1, 0]);
            assert_eq!(client.error().0, code, "{bytes:02x?}");
        } else {
            assert!(
                matches!(Control::decode(kind, &body), Ok(Control::Error { code: told, .. }) if told == code),
                "{bytes:02x?}"
            );
        }
    }
    machine.stop();
}

#[test]
fn clients_prove_the_secret_and_name_the_mesh() {
    let mut place = place(1);
    place.secret = Some(secret("a"));
    let machine = Running::start(place, Vec::new());
    let address = machine.address.to_string().parse().unwrap();
    let connect = |run: Option<&str>, known: Option<&str>| -> Result<Asker, ClientError> {
        let run = run.map(|run| run.parse().unwrap());
        let known = known.map(secret);
        Client::connect(&address, run.as_ref(), known.as_ref(), WAIT)
    };
    let refused = |tried: Result<Asker, ClientError>| match tried.map(|_| ()) {
        Err(ClientError::Refused { refusal, .. }) => refusal.code,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(connect(None, None)), ErrorCode::NotAuthenticated);
    assert_eq!(refused(connect(None, Some("b"))), ErrorCode::NotAuthenticated);
    assert_eq!(refused(connect(Some("other"), Some("a"))), ErrorCode::WrongRun);
    let mut client = connect(Some("tally"), Some("a")).unwrap();
    assert_eq!(ask(&mut client, &Ask::Add(1)), 1);
    assert_eq!((client.machine().0, client.run().as_str()), (1, "tally"));
    machine.stop();
    let error = loop {
        if let Err(error) = client.send(&Ask::Read).and_then(|_| client.receive()) {
            break error;
        }
    };
    assert!(!error.is_definite(), "{error}");
    let error = Client::<Ask, Sum>::connect(&address, None, None, WAIT).unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}

#[test]
fn threads_ask_at_the_desk() {
    let machine = Running::start(place(1), Vec::new());
    let (tell, told) = channel();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (desk, tell) = (Arc::clone(&machine.desk), tell.clone());
            let work = move || {
                for _ in 0..500 {
                    let tell = tell.clone();
                    desk.submit(
                        Ask::Add(1),
                        Box::new(move |reply: Sum, last| tell.send((reply.0, last)).unwrap()),
                    );
                }
            };
            std::thread::Builder::new().spawn(work).unwrap()
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    for _ in 0..2000 {
        assert_eq!(told.recv_timeout(WAIT).unwrap().1, Last::Yes);
    }
    wait_for_sum(&mut machine.client(), 2000);
    // One that nobody waits for any more.
    let (kept, dropped) = channel::<()>();
    let ticket = machine
        .desk
        .submit(Ask::Never, Box::new(move |_, _| kept.send(()).unwrap()));
    machine.desk.cancel(ticket);
    machine.wait_for(|told| *told == Told::Cancelled(ticket));
    assert!(
        dropped.recv_timeout(WAIT).is_err(),
        "it is dropped without a call"
    );
    let desk = Arc::clone(&machine.desk);
    machine.stop();
    let (kept, dropped) = channel::<()>();
    desk.submit(Ask::Read, Box::new(move |_, _| kept.send(()).unwrap()));
    assert!(dropped.recv_timeout(WAIT).is_err(), "nobody is there any more");
}

#[test]
fn a_client_may_come_in_pieces_of_any_size() {
    let machine = Running::start(place(1), Vec::new());
    let mut client = Peer::connect(machine.address);
    let mut bytes = Vec::new();
    Hello::of_client(255, None, Trust::Open).encode(&mut bytes);
    for ticket in 0..20 {
        encode_request(&mut bytes, ticket, &Ask::Add(1));
    }
    client.stream.set_nodelay(true).unwrap();
    for byte in bytes {
        client.stream.write_all(&[byte]).unwrap();
    }
    client.frame().expect("hello");
    for ticket in 0..20 {
        let (kind, body) = client.frame().unwrap();
        assert_eq!((kind, body[0]), (0xF4, ticket));
    }
    let until = Instant::now() + Duration::from_millis(1);
    machine.all_until(until, |_| true);
    machine.stop();
}
