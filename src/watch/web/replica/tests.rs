//! What a page is told of the logs: every event once, from near the end on, and nothing read for nobody.

use std::{fmt::Write, fs};

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;

use super::*;
use crate::units::MachineId;

const PATIENCE: Duration = Duration::from_secs(20);

/// A log of a replica that grows.
struct Log {
    path: PathBuf,
    ticks: u64,
}

impl Log {
    fn new(folder: &Path, machine: u16) -> Self {
        let path = folder.join(format!("machine-{machine}.log"));
        let header = format!(
            "# clocklab-log 1\n# machine={machine} machines={} clock=lamport incarnation=5 seed=1 run=demo \
             started=2026-11-20T23:16:01.000000Z\n",
            machine + 1
        );
        fs::write(&path, header).unwrap();
        Self { path, ticks: 0 }
    }

    fn grow(&mut self, events: u64) {
        let mut text = String::new();
        for _ in 0..events {
            self.ticks += 1;
            let tick = self.ticks;
            writeln!(
                text,
                "2026-11-20T23:16:{:02}.{:06}Z internal tick={tick} clock={tick} wrote=7.5.{tick}-{tick}",
                2 + tick / 1_000_000,
                tick % 1_000_000
            )
            .unwrap();
        }
        let mut file = fs::OpenOptions::new().append(true).open(&self.path).unwrap();
        io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    }
}

/// Somebody who listens.
struct Listener {
    stream: BodyDataStream,
    rest: String,
    ticks: Vec<(u64, u64)>,
    texts: Vec<String>,
    left_out: u64,
    last_id: String,
}

impl Listener {
    async fn new(router: &Router, after: &str) -> Self {
        let request = Request::get(format!("/v1/events{after}"))
            .body(Body::empty())
            .unwrap();
        let response = TowerToHyperService::new(router.clone())
            .call(request)
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers().contains_key("content-security-policy"));
        Self {
            stream: response.into_body().into_data_stream(),
            rest: String::new(),
            ticks: Vec::new(),
            texts: Vec::new(),
            left_out: 0,
            last_id: String::new(),
        }
    }

    /// Listens until the logs, as far as it was told of them, have so many events.
    async fn until(&mut self, events: u64) -> Value {
        let begun = Instant::now();
        while self.left_out + (self.ticks.len() as u64) < events {
            assert!(begun.elapsed() < PATIENCE, "{} of {events}", self.ticks.len());
            self.hear().await;
        }
        self.hear().await
    }

    /// The next batch.
    async fn hear(&mut self) -> Value {
        let message = loop {
            if let Some((message, rest)) = self.rest.split_once("\n\n") {
                let message = message.to_owned();
                self.rest = rest.to_owned();
                break message;
            }
            let piece = self.stream.next().await.unwrap().unwrap();
            self.rest += std::str::from_utf8(&piece).unwrap();
        };
        let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name));
        if let Some(id) = field("id: ") {
            self.last_id = id.to_owned();
        }
        let batch: Value = serde_json::from_str(field("data: ").unwrap()).unwrap();
        if batch["fresh"] == true {
            self.ticks.clear();
            self.left_out = batch["left_out"].as_u64().unwrap();
        }
        for columns in batch["columns"].as_array().unwrap() {
            let machine = columns["machine"].as_u64().unwrap();
            let first = columns["tick"].as_u64().unwrap();
            let count = columns["kinds"].as_str().unwrap().len() as u64;
            self.ticks
                .extend((first..first + count).map(|tick| (machine, tick)));
            let texts = columns["texts"].as_array().into_iter().flatten();
            self.texts
                .extend(texts.map(|text| text[1].as_str().unwrap().to_owned()));
        }
        batch
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap();
    runtime.block_on(test);
    runtime.shutdown_background();
}

#[test]
fn every_event_of_every_log_comes_once_whatever_the_ids() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let router = replica_events(folder.path());
        let mut early = Listener::new(&router, "").await;
        assert!(early.hear().await["run"].is_null(), "there is no log yet");
        let mut logs = [7, 40_001].map(|machine| Log::new(folder.path(), machine));
        logs.iter_mut().for_each(|log| log.grow(3));
        let batch = early.until(6).await;
        assert_eq!((&batch["run"], &batch["machines"]), (&"demo".into(), &2.into()));
        assert!(
            early.texts.contains(&"wrote 7.5.3".to_owned()),
            "{:?}",
            early.texts
        );
        let id = early.last_id.clone();
        drop(early);
        logs[1].grow(2);
        let mut back = Listener::new(&router, &format!("?after={id}")).await;
        back.until(2).await;
        assert_eq!(back.ticks, [(40_001, 4), (40_001, 5)]);
    });
}

#[test]
fn a_long_run_is_begun_near_its_end_and_nothing_is_read_for_nobody() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let mut logs = [0, 1].map(|machine| Log::new(folder.path(), machine));
        logs.iter_mut().for_each(|log| log.grow(120_000));
        let followed = Arc::new(Followed::new(folder.path()));
        let router = router_of(Arc::clone(&followed));
        assert_eq!(followed.known().events, 0);
        let mut listener = Listener::new(&router, "").await;
        listener.until(240_000).await;
        assert!(listener.left_out > 0);
        for machine in [0, 1] {
            let ticks: Vec<u64> = listener
                .ticks
                .iter()
                .filter(|(of, _)| *of == machine)
                .map(|(_, tick)| *tick)
                .collect();
            assert!(ticks.len() < 60_000 && ticks.last() == Some(&120_000));
            assert!(
                ticks.windows(2).all(|pair| pair[0] + 1 == pair[1]),
                "without a gap"
            );
        }
        let before = listener.ticks.len();
        logs[0].grow(10);
        listener.until(240_010).await;
        assert_eq!(listener.ticks.len(), before + 10);
        assert_eq!(followed.known().ids(), [MachineId(0), MachineId(1)]);
        drop(listener);
        let begun = Instant::now();
        while followed.known().events > 0 {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(LOOK_EVERY).await;
        }
        logs[0].grow(10);
        tokio::time::sleep(4 * LOOK_EVERY).await;
        assert_eq!(followed.known().events, 0);
    });
}
