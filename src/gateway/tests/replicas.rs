//! Three replicas on real sockets, each with a gateway: what a session sees as it moves between them.
#![allow(
    clippy::disallowed_methods,
    reason = "three drivers run in threads, and are waited for"
)]

use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::client::{Client, Said};
use crate::{
    gateway::{Access, Options, Server},
    kv::{Config, Replica, derived_id},
    mesh::{
        Handle, NoLog,
        open::{Handover, OpenMesh, Place},
    },
    service::{Address, NoDisk, Peer},
};

struct Running {
    address: Address,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn client(&self) -> Client {
        Client::new(TcpStream::connect(self.address.as_str()).expect("it listens"))
    }

    fn json(&self, method: &str, path: &str, body: &str) -> Said {
        self.client().json(method, path, body)
    }

    fn stop(&mut self) {
        // The second call ends the wait for peers.
        self.handle.stop(crate::wire::Reason::Terminated);
        self.handle.stop(crate::wire::Reason::Terminated);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it ends in order");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.stop();
        }
    }
}

fn start(count: usize) -> Vec<Running> {
    // All are asked for before any is given back, so that none is given twice.
    let ports: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
        .collect();
    let addresses = ports
        .iter()
        .map(|port| port.local_addr().expect("an address").to_string());
    let addresses: Vec<Address> = addresses.map(|text| text.parse().expect("an address")).collect();
    drop(ports);
    let peer = |address: &Address| Peer {
        id: derived_id(address),
        address: address.clone(),
    };
    let members: Vec<Peer> = addresses.iter().map(peer).collect();
    let incarnation = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let start_one = |address: &Address| {
        let id = derived_id(address);
        let config = Config::new(id, address.clone(), Some(members.clone()));
        let place = Place {
            me: id,
            incarnation: u32::try_from(incarnation).expect("before 2106"),
            listen: address.as_str().parse().expect("an address"),
            run: "gateway".parse().expect("a name"),
            log_run: "gateway".parse().expect("a name"),
            secret: None,
            seed: 1,
            log_end: None,
        };
        let replica = Replica::new(config).expect("parameters");
        let mut mesh =
            OpenMesh::new(place, replica, NoLog, Box::new(NoDisk::default()), None).expect("its port");
        let server = Server::start(mesh.desk(), Access::open_to_all(), Options::default()).expect("a server");
        mesh.set_handover(Handover(Box::new(move |stream, _| server.take(stream))));
        let handle = mesh.handle();
        let thread = thread::Builder::new().spawn(move || {
            mesh.run().expect("an orderly end");
        });
        Running {
            address: address.clone(),
            handle,
            thread: Some(thread.expect("a thread")),
        }
    };
    let running: Vec<Running> = addresses.iter().map(start_one).collect();
    for one in &running {
        // One that meets another which serves already has to get first what that one has.
        wait_for(3, || {
            view(one).len() == count && one.json("GET", "/kvs/none", "").status == 404
        });
    }
    running
}

fn view(replica: &Running) -> Vec<String> {
    let said = replica.json("GET", "/view", "").json();
    serde_json::from_value(said["view"].clone()).unwrap_or_default()
}

fn wait_for(seconds: u64, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(
            Instant::now() < until,
            "it has not come to hold within {seconds} s"
        );
        thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_write_is_seen_everywhere_as_soon_as_it_is_answered() {
    let replicas = start(3);
    for number in 0..20 {
        let key = format!("/kvs/k{number}");
        let writer = &replicas[number % 3];
        let said = writer.json("PUT", &key, &format!(r#"{{"value":{number}}}"#));
        assert_eq!(said.status, 201, "{said:?}");
        for reader in &replicas {
            let said = reader.json("GET", &key, "");
            assert_eq!(
                (said.status, &said.json()["value"]),
                (200, &number.into()),
                "{said:?}"
            );
        }
    }
}

#[test]
fn a_session_moves_between_replicas_and_forms() {
    let replicas = start(3);
    let mut metadata = serde_json::Value::Null;
    for number in 0..60 {
        let form = if number % 2 == 0 { "kvs" } else { "data" };
        let body = serde_json::json!({"value": number, "causal-metadata": metadata}).to_string();
        let said = replicas[number % 3].json("PUT", &format!("/{form}/k"), &body);
        assert!(matches!(said.status, 200 | 201), "{said:?}");
        metadata = said.json()["causal-metadata"].clone();
        let body = serde_json::json!({"causal-metadata": metadata}).to_string();
        let said = replicas[(number + 1) % 3].json("GET", "/data/k", &body);
        assert_eq!(
            (said.status, &said.json()["value"]),
            (200, &number.into()),
            "{said:?}"
        );
        metadata = said.json()["causal-metadata"].clone();
    }
}

#[test]
fn a_replica_that_goes_fails_no_client() {
    let mut replicas = start(3);
    assert_eq!(replicas[0].json("PUT", "/kvs/k", r#"{"value":1}"#).status, 201);
    let gone = replicas.pop().expect("three");
    let address = gone.address.to_string();
    drop(gone);
    assert_eq!(replicas[1].json("PUT", "/kvs/k", r#"{"value":2}"#).status, 200);
    let said = replicas[0].json("GET", "/kvs/k", "");
    assert_eq!((said.status, &said.json()["value"]), (200, &2.into()));
    wait_for(10, || {
        replicas.iter().all(|replica| !view(replica).contains(&address))
    });
}

#[test]
fn counters_batches_and_conditions_work_on_the_real_store() {
    let replicas = start(2);
    for replica in &replicas {
        assert!(matches!(
            replica.json("POST", "/v1/keys/n?w=2", r#"{"add":5}"#).status,
            201 | 204
        ));
    }
    let said = replicas[0].json("GET", "/v1/keys/n", "");
    assert_eq!((said.text(), said.header("clocklab-type")), ("10", "counter"));
    let batch = r#"{"operations":[{"key":"a","put":{"x":1.0}},{"key":"s","insert":["e"]},{"key":"n","delete":true}]}"#;
    let said = replicas[1].json("POST", "/v1/batch", batch);
    assert_eq!(said.status, 200, "{said:?}");
    let token = said.header("clocklab-token").to_owned();
    let mut client = replicas[0].client();
    let said = client.ask("GET", "/v1/keys/a?wait=5s", &[("clocklab-token", &token)], b"");
    assert_eq!((said.status, said.text()), (200, "{\"x\":1.0}"), "{said:?}");
    let etag = said.header("etag").to_owned();
    assert_eq!(
        client
            .ask("PUT", "/v1/keys/a", &[("if-match", &etag)], b"1")
            .status,
        204
    );
    assert_eq!(
        client
            .ask("PUT", "/v1/keys/a", &[("if-match", &etag)], b"2")
            .status,
        412
    );
    assert_eq!(
        client
            .ask("PUT", "/v1/keys/a", &[("if-none-match", "*")], b"2")
            .status,
        412
    );
    let page = client.json("GET", "/v1/keys?limit=1", "").json();
    assert_eq!(page["items"][0]["key"], "a");
    assert_eq!(client.json("GET", "/readyz", "").status, 200);
    assert_eq!(
        client.json("GET", "/v1/why/a", "").json()["unmet"],
        serde_json::json!([])
    );
    assert!(
        client
            .json("GET", "/metrics", "")
            .text()
            .contains("clocklab_kv_peer_lag_writes{peer=")
    );
}
