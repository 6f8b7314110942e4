//! The server on real sockets, with logs that grow: every event once, whoever comes late, goes away or is slow; and
//! nobody commands but the page.
#![allow(clippy::disallowed_methods, reason = "tests wait for servers in real time")]

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::Server;
use crate::wire::{CONTROLLER, Control, Decoder, FRAME_LENGTH_MAX, Hello, Standing, Trust, kind};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server of a folder, ended with the test.
struct Served {
    address: SocketAddr,
    /// The address of the page, as it is printed.
    page: String,
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn start(folder: &Path, port: u16) -> Self {
        Self::serve(Server::bind(folder, Some(port), None).unwrap())
    }

    fn serve(server: Server) -> Self {
        let (address, page) = (server.address(), server.page_address());
        let (stop, stopped) = UnixStream::pair().unwrap();
        let serve = move || server.serve(stopped).unwrap();
        let thread = thread::Builder::new()
            .name("server".to_owned())
            .spawn(serve)
            .unwrap();
        Self {
            address,
            page,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Sends a request as it stands, and gives the stream behind it.
    fn send(&self, request: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        BufReader::new(stream)
    }

    /// The status and the body of a request with the headers given.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String, String) {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut text = String::new();
        self.send(&format!("{request}\r\n{body}"))
            .read_to_string(&mut text)
            .unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    fn host(&self) -> String {
        self.address.to_string()
    }

    fn key(&self) -> &str {
        self.page.split_once("?key=").unwrap().1
    }

    /// What the browser brings that opened the page by its address.
    fn cookie(&self) -> String {
        format!("clocklab-{}={}", self.address.port(), self.key())
    }

    /// A command as the page gives it.
    fn command(&self, body: &str) -> (u16, Value) {
        let (host, cookie) = (self.host(), self.cookie());
        let origin = format!("http://{host}");
        let headers = [("host", host.as_str()), ("origin", &origin), ("cookie", &cookie)];
        let (status, _, body) = self.ask("POST", "/command", &headers, body);
        (status, serde_json::from_str(&body).unwrap())
    }

    /// How everything is, as a program asks for it.
    fn state(&self) -> Value {
        let path = format!("/state?key={}", self.key());
        let (status, _, body) = self.ask("GET", &path, &[("host", &self.host())], "");
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    fn listen(&self, last_id: Option<&str>) -> Listener {
        let back = last_id.map_or(String::new(), |id| format!("last-event-id: {id}\r\n"));
        let request = format!(
            "GET /events HTTP/1.1\r\nhost: {}\r\ncookie: {}\r\n{back}\r\n",
            self.address,
            self.cookie()
        );
        Listener {
            stream: self.send(&request),
            last_id: String::new(),
            seen: BTreeMap::new(),
            remarks: Vec::new(),
            left_out: 0,
            fresh: 0,
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(thread::panicking() || ended.is_ok());
    }
}

/// What a browser has heard.
struct Listener {
    stream: BufReader<TcpStream>,
    last_id: String,
    /// By machine and tick: how often, and the clock.
    seen: BTreeMap<(u64, u64), (u32, i64)>,
    remarks: Vec<String>,
    left_out: u64,
    fresh: u32,
}

impl Listener {
    /// Hears the next batch.
    fn hear(&mut self) -> Value {
        let (mut id, mut data) = (None, None);
        loop {
            let mut line = String::new();
            assert!(
                self.stream.read_line(&mut line).unwrap() > 0,
                "the stream goes on"
            );
            let line = line.trim_end();
            if let Some(text) = line.strip_prefix("id: ") {
                id = Some(text.to_owned());
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text).unwrap());
            } else if line.is_empty()
                && let Some(batch) = data.take()
            {
                if let Some(id) = id {
                    self.last_id = id;
                }
                self.note(&batch);
                return batch;
            }
        }
    }

    fn note(&mut self, batch: &Value) {
        if batch["fresh"] == true {
            self.fresh += 1;
            self.seen.clear();
            self.left_out = batch["left_out"].as_u64().unwrap();
        }
        for columns in batch["columns"].as_array().unwrap() {
            let (machine, tick) = (
                columns["machine"].as_u64().unwrap(),
                columns["tick"].as_u64().unwrap(),
            );
            let mut clock = 0;
            for (place, step) in (0_u64..).zip(columns["clock_steps"].as_array().unwrap()) {
                clock += step.as_i64().unwrap();
                let seen = self.seen.entry((machine, tick + place)).or_default();
                *seen = (seen.0 + 1, clock);
            }
        }
        for remark in batch["remarks"].as_array().unwrap() {
            self.remarks.push(remark["text"].as_str().unwrap().to_owned());
        }
    }

    /// Hears on until it has so many events.
    fn until(&mut self, events: usize) {
        let begun = Instant::now();
        while self.seen.len() < events {
            assert!(
                begun.elapsed() < PATIENCE,
                "{} of {events} events",
                self.seen.len()
            );
            self.hear();
        }
    }

    fn has_each_once(&self) -> bool {
        self.seen
            .iter()
            .all(|((_, tick), (times, clock))| *times == 1 && *clock == i64::try_from(*tick).unwrap() * 2)
    }
}

/// A log that grows: machine `id` of two, with an event a millisecond whose clock is twice its tick.
struct Log {
    file: File,
    tick: u64,
}

impl Log {
    fn new(folder: &Path, id: u16) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(folder.join(format!("machine-{id}.log")))
            .unwrap();
        writeln!(
            file,
            "# clocklab-log 1\n# machine={id} machines=2 rate=1000 draw=10 clock=lamport seed=1 run=r \
             started=2026-11-20T23:00:00.000000Z"
        )
        .unwrap();
        Self { file, tick: 0 }
    }

    fn grow(&mut self, events: u64) {
        let mut text = String::new();
        for tick in self.tick + 1..=self.tick + events {
            let (minute, second, millis) = (tick / 60_000, tick / 1000 % 60, tick % 1000);
            text += &format!(
                "2026-11-20T23:{minute:02}:{second:02}.{millis:03}000Z internal tick={tick} clock={}\n",
                tick * 2
            );
        }
        self.tick += events;
        self.file.write_all(text.as_bytes()).unwrap();
    }

    fn say(&mut self, line: &str) {
        writeln!(self.file, "{line}").unwrap();
    }
}

#[test]
fn each_event_comes_once_to_a_browser_that_goes_away_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), 0);
    let mut browser = served.listen(None);
    assert_eq!(browser.hear()["machines"], 0, "there is no run yet");
    let mut logs = [Log::new(folder.path(), 0), Log::new(folder.path(), 1)];
    logs[0].grow(50);
    logs[1].grow(70);
    browser.until(120);
    logs[0].say("# fault=2026-11-20T23:00:00.060000Z id=1001 kind=loss to=1 detail=30%");
    logs[0].grow(10);
    browser.until(130);
    assert_eq!(browser.remarks, ["fault 1001 begins: loss to 1 (30%)"]);

    // Away while the logs go on, half a line included; then back at the same server, and at another one.
    let place = browser.last_id.clone();
    drop(browser);
    logs[1].grow(500);
    logs[1]
        .file
        .write_all(b"2026-11-20T23:00:02.000000Z internal ti")
        .unwrap();
    let mut back = served.listen(Some(&place));
    back.until(500);
    logs[1].file.write_all(b"ck=571 clock=1142\n").unwrap();
    logs[1].tick += 1;
    back.until(501);
    assert!(back.has_each_once() && back.fresh == 0);
    assert_eq!(back.seen.keys().next(), Some(&(1, 71)));
    let place = back.last_id.clone();
    let other = Served::start(folder.path(), 0);
    logs[0].grow(5);
    let mut back = other.listen(Some(&place));
    back.until(5);
    assert_eq!(
        back.seen.keys().collect::<Vec<_>>(),
        (61..=65)
            .map(|tick| (0, tick))
            .collect::<Vec<_>>()
            .iter()
            .collect::<Vec<_>>()
    );

    // Who comes late is given everything, and so is one whose place is of another run or inside a line.
    for id in [None, Some("other~0.9.999"), Some("r~0.3.200"), Some("nonsense")] {
        let mut late = served.listen(id);
        late.until(636);
        assert!(late.has_each_once(), "{id:?}");
        assert_eq!((late.fresh, late.left_out), (1, 0), "{id:?}");
        assert_eq!(late.remarks.len(), 1, "{id:?}");
    }
}

#[test]
fn a_late_browser_of_a_long_run_begins_near_its_end_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut logs = [Log::new(folder.path(), 0), Log::new(folder.path(), 1)];
    logs[0].say("# link-lost=2026-11-20T23:00:00.000000Z peer=1");
    for log in &mut logs {
        log.grow(60_000);
    }
    let served = Served::start(folder.path(), 0);
    let mut late = served.listen(None);
    let begun = Instant::now();
    while late.seen.len() as u64 + late.left_out < 120_000 || late.fresh == 0 {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} and {}",
            late.seen.len(),
            late.left_out
        );
        late.hear();
    }
    assert!(late.has_each_once());
    assert!(
        late.left_out > 60_000 && late.seen.len() > 10_000,
        "{} and {}",
        late.left_out,
        late.seen.len()
    );
    assert_eq!(
        late.remarks,
        ["link to 1 is lost"],
        "what was said before is told"
    );
    logs[1].grow(3);
    let events = late.seen.len() + 3;
    late.until(events);

    // Who comes back after too long does not get it all either. How far behind it is, the server knows once it has read
    // the logs itself.
    let place = late.last_id.clone();
    drop(late);
    for log in &mut logs {
        log.grow(155_000);
    }
    let begun = Instant::now();
    while served.state()["events"] != 430_003 {
        assert!(begun.elapsed() < PATIENCE, "{}", served.state());
        thread::sleep(Duration::from_millis(20));
    }
    let mut back = served.listen(Some(&place));
    let begun = Instant::now();
    while (back.seen.len() as u64) + back.left_out < 430_003 {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} and {}",
            back.seen.len(),
            back.left_out
        );
        back.hear();
    }
    assert!(back.has_each_once());
    assert!(
        back.left_out > 300_000 && back.fresh > 0,
        "{} and {}",
        back.left_out,
        back.fresh
    );
}

#[test]
fn a_slow_browser_holds_up_nobody_and_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut logs = [Log::new(folder.path(), 0), Log::new(folder.path(), 1)];
    logs[0].grow(1);
    let served = Served::start(folder.path(), 0);
    let (mut slow, mut quick) = (served.listen(None), served.listen(None));
    slow.until(1);
    // More than sockets and buffers hold, while one browser takes nothing.
    for round in 1..=40 {
        logs[0].grow(2500);
        logs[1].grow(2500);
        let begun = Instant::now();
        quick.until(1 + round * 5000);
        assert!(begun.elapsed() < Duration::from_secs(5), "round {round}");
    }
    slow.until(200_001);
    assert!(slow.has_each_once() && quick.has_each_once());
    assert_eq!((slow.fresh, slow.left_out), (1, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_browser_that_takes_nothing_loses_its_place() {
    use rustix::net::sockopt;

    let folder = tempfile::tempdir().unwrap();
    let mut logs = [Log::new(folder.path(), 0), Log::new(folder.path(), 1)];
    logs[0].grow(1);
    let mut server = Server::bind(folder.path(), Some(0), None).unwrap();
    server.take_within = Duration::from_millis(300);
    let shared = Arc::clone(&server.shared);
    let served = Served::serve(server);
    let browsers = || shared.browsers.load(Ordering::SeqCst);
    let (stuck, mut quick) = (served.listen(None), served.listen(None));
    sockopt::set_socket_recv_buffer_size(stuck.stream.get_ref(), 4096).unwrap();
    let begun = Instant::now();
    while browsers() < 2 {
        assert!(begun.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(1));
    }
    let mut round = 0;
    while browsers() > 1 {
        assert!(begun.elapsed() < PATIENCE, "{} browsers", browsers());
        round += 1;
        logs[0].grow(2500);
        quick.until(1 + round * 2500);
    }
    // Who reads stays, and misses nothing.
    assert_eq!(browsers(), 1);
    assert!(quick.has_each_once() && quick.fresh == 1);
}

#[test]
fn only_who_has_the_key_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let (served, other) = (Served::start(folder.path(), 0), Served::start(folder.path(), 0));
    let (host, cookie) = (served.host(), served.cookie());
    assert_ne!(served.key(), other.key());
    let port = served.address.port();
    let wrong = format!("clocklab-{port}={}", other.key());
    let shorter = cookie[..cookie.len() - 1].to_owned();
    let empty = format!("clocklab-{port}=");
    for path in ["/", "/page.js", "/page.css", "/events", "/state", "/elsewhere"] {
        for cookie in ["", "clocklab", &wrong, &shorter, &empty, &other.cookie()] {
            let (status, _, said) = served.ask("GET", path, &[("host", &host), ("cookie", cookie)], "");
            assert_eq!(status, 403, "{path} with {cookie}");
            assert!(
                said.contains("the address that `clocklab watch --web` printed"),
                "{said}"
            );
        }
        for query in [
            "key=",
            "key",
            &format!("key={}", other.key()),
            &format!("cookie={}", served.key()),
        ] {
            let (status, ..) = served.ask("GET", &format!("{path}?{query}"), &[("host", &host)], "");
            assert_eq!(status, 403, "{path}?{query}");
        }
    }
    let origin = format!("http://{host}");
    let headers = [("host", host.as_str()), ("origin", &origin)];
    let (status, ..) = served.ask("POST", "/command", &headers, "{\"command\":\"pause\"}");
    assert_eq!(status, 403);

    // The address that is printed gives the cookie and leads on; nothing of the page is in it, nor the key.
    let path = served.page.strip_prefix(&origin).unwrap();
    let (status, head, body) = served.ask("GET", path, &[("host", &host)], "");
    assert_eq!(status, 200, "{body}");
    let given = format!("set-cookie: {cookie}; HttpOnly; SameSite=Strict; Path=/\r\n");
    assert!(head.contains(&given), "{head}");
    assert!(
        body.contains("content=\"0;url=/\"") && !body.contains(served.key()),
        "{body}"
    );
    let both = format!("other=1; {cookie}; {}", other.cookie());
    let (status, head, page) = served.ask("GET", "/", &[("host", &host), ("cookie", &both)], "");
    assert_eq!(status, 200);
    assert!(page.contains("page.js") && !page.contains(served.key()), "{page}");
    assert!(!head.contains("set-cookie"), "{head}");
}

#[test]
fn only_the_page_of_this_server_is_served_and_commands() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), 0);
    let (host, cookie) = (served.host(), served.cookie());
    let origin = format!("http://{host}");
    let get = |path: &str, headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers
            .iter()
            .copied()
            .chain([("cookie", cookie.as_str())])
            .collect();
        served.ask("GET", path, &headers, "").0
    };
    let port = served.address.port();
    assert_eq!(get("/state", &[("host", &host)]), 200);
    assert_eq!(get("/state", &[("host", &format!("localhost:{port}"))]), 200);
    for wrong in [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:1",
        &format!("evil.example:{port}"),
        "",
    ] {
        assert_eq!(get("/", &[("host", wrong)]), 421, "{wrong}");
        assert_eq!(get("/events", &[("host", wrong)]), 421, "{wrong}");
    }
    for site in ["cross-site", "same-site"] {
        let from = |mode| {
            [
                ("host", host.as_str()),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
            ]
        };
        assert_eq!(get("/", &from("navigate")), 200, "a link to the page");
        assert_eq!(get("/", &from("no-cors")), 403, "a part of another page");
        assert_eq!(get("/state", &from("navigate")), 403);
        assert_eq!(get("/state", &from("cors")), 403);
    }
    assert_eq!(get("/elsewhere", &[("host", &host)]), 404);

    let post = |headers: &[(&str, &str)]| served.ask("POST", "/command", headers, "{\"command\":\"pause\"}");
    let whole = [("host", host.as_str()), ("origin", &origin), ("cookie", &cookie)];
    assert_eq!(
        post(&whole).0,
        400,
        "it gets through, to a run that has not started"
    );
    for missing in 0..whole.len() {
        let mut headers = whole.to_vec();
        headers.remove(missing);
        if missing > 0 {
            assert_eq!(post(&headers).0, 403, "without {}", whole[missing].0);
        }
        let mut headers = whole.to_vec();
        headers[missing].1 = "http://evil.example";
        assert!(
            matches!(post(&headers).0, 403 | 421),
            "with another {}",
            whole[missing].0
        );
    }
    let (_, head, _) = served.ask("GET", "/", &whole, "");
    assert!(
        head.contains("content-security-policy: default-src 'none'; script-src 'self'"),
        "{head}"
    );
    assert!(
        head.contains("cross-origin-resource-policy: same-origin"),
        "{head}"
    );
    assert!(!head.contains("access-control"), "{head}");
}

#[test]
fn wrong_commands_are_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), 0);
    let (status, reply) = served.command("{\"command\":\"pause\"}");
    assert_eq!(
        (status, &reply["error"]),
        (400, &json!("the run has not started yet"))
    );
    let mut logs = [Log::new(folder.path(), 0), Log::new(folder.path(), 1)];
    logs[0].grow(1);
    served.listen(None).until(1);
    for (body, part) in [
        ("", "send {\"command\""),
        ("{}", "send either"),
        ("{\"command\":\"pause\",\"fault\":\"kill 1\"}", "send either"),
        ("{\"command\":\"halt\"}", "is no command"),
        (
            "{\"command\":\"pause\",\"machine\":2}",
            "there is no machine 2; the run has 0 to 1",
        ),
        ("{\"fault\":\"loss 0 / 1 130%\"}", "is no probability"),
        ("{\"fault\":\"kill 7\"}", "no machine 7"),
        ("{\"command\":\"pause\",\"more\":1}", "unknown field"),
    ] {
        let (status, reply) = served.command(body);
        let error = reply["error"].as_str().unwrap();
        assert!(status == 400 && error.contains(part), "{body}: {status} {error}");
    }
    // A run whose machines nobody described.
    let (status, reply) = served.command("{\"command\":\"pause\"}");
    let error = reply["error"].as_str().unwrap();
    assert!(status == 503 && error.contains("run.json"), "{status} {error}");
    let (host, cookie) = (served.host(), served.cookie());
    let origin = format!("http://{host}");
    let headers = [("host", host.as_str()), ("origin", &origin), ("cookie", &cookie)];
    assert_eq!(served.ask("POST", "/command", &headers, &"x".repeat(5000)).0, 413);
}

#[test]
fn the_machines_of_a_store_are_those_that_there_are() {
    let folder = tempfile::tempdir().unwrap();
    for machine in [0, 7, 40_001] {
        let header = format!(
            "# clocklab-log 1\n# machine={machine} machines={} clock=lamport incarnation=5 seed=1 run=r \
             started=2026-11-20T23:16:01.000000Z\n",
            machine + 1
        );
        fs::write(folder.path().join(format!("machine-{machine}.log")), header).unwrap();
    }
    let served = Served::start(folder.path(), 0);
    let mut browser = served.listen(None);
    let begun = Instant::now();
    while browser.hear()["machines"] != 3 {
        assert!(begun.elapsed() < PATIENCE);
    }
    let (status, reply) = served.command("{\"command\":\"pause\",\"machine\":1}");
    assert_eq!(
        (status, &reply["error"]),
        (400, &json!("there is no machine 1; the run has 0, 7, 40001"))
    );
    // What follows is only that nobody described them.
    for body in [
        "{\"command\":\"status\",\"machine\":40001}",
        "{\"fault\":\"loss 7 / 40001 30%\"}",
    ] {
        let (status, reply) = served.command(body);
        assert_eq!(status, 503, "{body}: {reply}");
    }
}

/// A machine of which only the control connections are real: it answers each command with its text, and tells of it.
fn answering(listener: &TcpListener, machine: u16, connections: usize, tell: &Sender<String>) {
    for stream in listener.incoming().take(connections) {
        let mut stream = stream.unwrap();
        let mut decoder = Decoder::new(FRAME_LENGTH_MAX);
        loop {
            while let Some(frame) = decoder.next_frame().unwrap() {
                let mut bytes = Vec::new();
                if frame.kind == kind::HELLO {
                    let theirs = Hello::decode(frame.body).unwrap();
                    assert_eq!(theirs.sender, CONTROLLER);
                    let hello = Hello {
                        system: 1,
                        machines: 2,
                        sender: crate::units::MachineId(machine),
                        receiver: CONTROLLER,
                        incarnation: 1,
                        trust: Trust::Open,
                        standing: Standing::Given,
                        run: "r".parse().unwrap(),
                    };
                    hello.encode(&mut bytes);
                } else {
                    let Ok(Control::Command(text)) = Control::decode(frame.kind, frame.body) else {
                        panic!("a controller gives commands");
                    };
                    // The test may be over.
                    let _ = tell.send(text.clone());
                    let accepted = !(machine == 1 && text == "resume");
                    Control::Answer { accepted, text }.encode(&mut bytes);
                }
                stream.write_all(&bytes).unwrap();
            }
            let mut bytes = [0; 1024];
            match stream.read(&mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(count) => decoder.extend(&bytes[..count]),
            }
        }
    }
}

#[test]
fn commands_reach_the_machines_and_bring_their_answers() {
    let folder = tempfile::tempdir().unwrap();
    let mut logs = [Log::new(folder.path(), 0), Log::new(folder.path(), 1)];
    logs[0].grow(1);
    let _told = machines(folder.path(), &[]);
    let served = Served::start(folder.path(), 0);
    let mut browser = served.listen(None);
    browser.until(1);
    let (status, reply) = served.command("{\"command\":\"pause\"}");
    assert_eq!(status, 200, "{reply}");
    let answer = |machine: u16, accepted: bool, text: &str| json!({ "machine": machine, "accepted": accepted, "text": text });
    assert_eq!(
        reply["answers"],
        json!([answer(0, true, "pause"), answer(1, true, "pause")])
    );
    let (_, reply) = served.command("{\"command\":\"step 2\",\"machine\":1}");
    assert_eq!(reply["answers"], json!([answer(1, true, "step 2")]));
    let (_, reply) = served.command("{\"command\":\"resume\"}");
    assert_eq!(reply["answers"][1]["accepted"], false);
    let text = reply["answers"][1]["text"].as_str().unwrap();
    assert!(text.contains("did not accept"), "{text}");
    // A fault goes to those that it concerns, under one number.
    let (_, reply) = served.command("{\"fault\":\"loss 1 to 0 30% for 5s\"}");
    assert_eq!(reply["answers"].as_array().unwrap().len(), 1, "{reply}");
    let text = reply["answers"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("fault ") && text.ends_with(" loss 1 to 0 30% for 5000000us"),
        "{text}"
    );
    // The page hears that commands are possible.
    let begun = Instant::now();
    while !browser.hear()["no_control"].is_null() {
        assert!(begun.elapsed() < PATIENCE);
    }
}

/// Ports that answer as machines, but for those that are `gone`; described in the run's folder. Gives what they are told.
fn machines(folder: &Path, gone: &[u16]) -> Receiver<String> {
    let (tell, told) = channel();
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = listeners
        .each_ref()
        .map(|listener| listener.local_addr().unwrap());
    let file = json!({ "run": "r", "addresses": addresses });
    fs::write(folder.join("run.json"), file.to_string()).unwrap();
    for (machine, listener) in (0..).zip(listeners) {
        let tell = tell.clone();
        let answer = move || answering(&listener, machine, 1, &tell);
        if !gone.contains(&machine) {
            // It ends with the server's connection.
            drop(
                thread::Builder::new()
                    .name(format!("machine-{machine}"))
                    .spawn(answer)
                    .unwrap(),
            );
        }
    }
    told
}

#[test]
fn one_machine_that_answers_is_enough_for_commands() {
    for gone in [vec![0], vec![1], vec![0, 1]] {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = [Log::new(folder.path(), 0), Log::new(folder.path(), 1)];
        logs[0].grow(1);
        let told = machines(folder.path(), &gone);
        let served = Served::start(folder.path(), 0);
        let mut browser = served.listen(None);
        browser.until(1);
        if gone.len() < 2 {
            for _ in 0..2 {
                assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "status", "without {gone:?}");
            }
            let batch = browser.hear();
            assert!(
                batch["no_control"].is_null(),
                "without {gone:?}: {}",
                batch["no_control"]
            );
        } else {
            let begun = Instant::now();
            while browser.hear()["no_control"].is_null() {
                assert!(begun.elapsed() < PATIENCE);
            }
        }
    }
}

#[test]
fn what_the_logs_say_of_a_run_is_told_while_nobody_looks() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), 0);
    assert_eq!(served.state()["no_control"], "the run has not started yet");
    let mut logs = [Log::new(folder.path(), 0), Log::new(folder.path(), 1)];
    logs[0].grow(3);
    let until = |is_so: &dyn Fn(&Value) -> bool| {
        let begun = Instant::now();
        loop {
            let state = served.state();
            if is_so(&state) {
                return state;
            }
            assert!(begun.elapsed() < PATIENCE, "{state}");
            thread::sleep(Duration::from_millis(10));
        }
    };
    let state = until(&|state| state["events"] == 3);
    assert!(state["no_control"].is_null(), "{state}");
    for log in &mut logs {
        log.say("# ended=2026-11-20T23:00:01.000000Z reason=duration ticks=3 queued=0");
    }
    let state = until(&|state| state["ended"] == true);
    assert_eq!(state["no_control"], "the run has ended");
}

#[test]
fn a_port_that_is_taken_is_named_with_the_mend() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Server::bind(Path::new("logs"), Some(port), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("127.0.0.1:{port}")) && error.contains("--port 0"),
        "{error}"
    );
    // Where no port is asked for, another one is found.
    let servers = [(); 2].map(|()| Server::bind(Path::new("logs"), None, None).unwrap().address());
    assert!(servers.iter().all(|address| address.ip().is_loopback()));
}
