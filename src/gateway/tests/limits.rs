//! What happens at each limit, and to clients that do not behave.
#![allow(clippy::disallowed_methods, reason = "tests wait for servers in real time")]

use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::{
    Site,
    assignment::{elsewhere, elsewhere_text},
    client::Client,
};
use crate::gateway::{Access, Options};

fn site(change: impl FnOnce(&mut Options)) -> Site {
    let mut options = Options::default();
    change(&mut options);
    Site::with(Access::open_to_all(), options)
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let site = Site::new();
    let large = vec![b'x'; 1 << 20];
    let said = site.client().ask("PUT", "/v1/keys/k", &[], &large);
    assert_eq!(said.status, 413, "the value");
    let said = site.client().ask("PUT", "/v1/keys/k", &[], &large[..768 << 10]);
    assert_eq!(said.status, 201, "the largest value");
    let mut client = site.client();
    client.send(b"PUT /kvs/k HTTP/1.1\r\nhost: a\r\ncontent-length: 3145728\r\n\r\n");
    client.send(&vec![b'x'; 3 << 20]);
    assert_eq!(client.read(false).status, 413, "the length alone");
    assert_eq!(
        client.json("GET", "/ping", "").status,
        200,
        "it was read to its end"
    );
    let mut client = site.client();
    client.send(b"PUT /kvs/k HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n100001\r\n");
    client.send(&vec![b' '; (1 << 20) + 1]);
    client.send(b"\r\n0\r\n\r\n");
    assert_eq!(client.read(false).status, 413, "chunks");
}

#[test]
fn a_body_in_pieces_is_whole() {
    let site = Site::new();
    let mut client = site.client();
    client.send(b"PUT /v1/keys/k HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
    client.send(b"2\r\nbc\r\n0\r\n\r\n");
    assert_eq!(client.read(false).status, 201);
    assert_eq!(client.json("GET", "/v1/keys/k", "").text(), "abc");
}

#[test]
fn headers_that_are_too_large_or_too_many_are_refused() {
    let site = Site::new();
    let mut client = site.client();
    client.send(format!("GET /ping HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(40_000)).as_bytes());
    assert_eq!(client.read(false).status, 431);
    let mut client = site.client();
    client.send(format!("GET /ping HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101)).as_bytes());
    assert_eq!(client.read(false).status, 431);
    let mut client = site.client();
    client.send(b"\x00\x01\x02 nonsense\r\n\r\n");
    assert_eq!(client.read(false).status, 400);
}

#[test]
fn slow_clients_are_ended() {
    let site = site(|options| {
        options.headers_within = Duration::from_millis(200);
        options.body_within = Duration::from_millis(200);
    });
    let mut client = site.client();
    client.send(b"GET /ping HT");
    assert!(client.is_closed(), "headers");
    let mut client = site.client();
    assert_eq!(client.json("GET", "/ping", "").status, 200);
    assert!(client.is_closed(), "idle");
    let mut client = site.client();
    client.send(b"PUT /kvs/k HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n{");
    assert_eq!(client.read(false).status, 408, "body");
}

#[test]
fn one_connection_too_many_is_told_so() {
    let site = site(|options| options.connections_max = 2);
    let (mut first, mut second) = (site.client(), site.client());
    assert_eq!(first.json("GET", "/ping", "").status, 200);
    let mut third = site.client();
    let said = third.read(false);
    assert_eq!((said.status, said.header("retry-after")), (503, "1"));
    assert!(said.json()["error"].is_string() && third.is_closed());
    assert_eq!(second.json("GET", "/ping", "").status, 200);
    drop(first);
    // Its place is free once the server has seen its end.
    while site.server.connections() > 1 {
        std::thread::yield_now();
    }
    assert_eq!(site.client().json("GET", "/ping", "").status, 200);
}

#[test]
fn one_request_too_many_is_told_so() {
    let site = site(|options| {
        options.requests_max = 0;
        options.watches_max = 0;
    });
    let mut client = site.client();
    let said = client.json("GET", "/v1/keys/k", "");
    assert_eq!((said.status, said.header("retry-after")), (429, "1"));
    let said = client.json("GET", "/kvs/k", "");
    assert_eq!((said.status, said.header("retry-after")), (503, "1"));
    assert!(said.json()["error"].is_string());
    // How it is can be asked all the same.
    for path in ["/ping", "/healthz", "/readyz", "/metrics"] {
        assert_eq!(client.json("GET", path, "").status, 200, "{path}");
    }
    assert_eq!(
        client.json("GET", "/page", "").status,
        404,
        "a page, if there were any"
    );
}

#[test]
fn those_who_wait_shut_nobody_out_who_waits_for_nothing() {
    let site = site(|options| {
        options.requests_max = 3;
        options.waits_max = 2;
    });
    let unmet = format!(r#"{{"causal-metadata":{{"clocklab":"{}"}}}}"#, elsewhere_text());
    let ask = |path: &str| {
        let mut client = site.client();
        let text = format!(
            "GET {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{unmet}",
            unmet.len()
        );
        client.send(text.as_bytes());
        client
    };
    let mut waiting = [ask("/data/k"), ask("/data/k")];
    let begun = Instant::now();
    while site.desk.open() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    let begun = Instant::now();
    assert_eq!(site.client().json("PUT", "/data/k", r#"{"value":1}"#).status, 201);
    assert_eq!(site.client().json("GET", "/kvs/k", "").status, 200);
    assert_eq!(site.client().json("GET", "/v1/keys/k?wait=30s", "").status, 200);
    // There is no place left to wait at.
    assert_eq!(ask("/data/k").read(false).status, 503);
    let seen = [("clocklab-token", &*elsewhere_text())];
    let said = site.client().ask("GET", "/v1/keys/k?wait=30s", &seen, b"");
    assert_eq!(said.status, 503);
    assert_eq!(said.json()["missing"].as_array().map(Vec::len), Some(1));
    let said = site.client().ask("PUT", "/v1/keys/k?wait=30s&w=2", &[], b"1");
    assert_eq!(
        said.status, 429,
        "it would wait for copies less long than it wants to"
    );
    assert!(begun.elapsed() < Duration::from_secs(5), "nobody waited");
    site.desk.learn(elsewhere());
    for client in &mut waiting {
        assert_eq!(client.read(false).status, 200);
    }
}

#[test]
fn one_watch_too_many_is_told_so() {
    let site = site(|options| options.watches_max = 1);
    let mut first = site.client();
    first.send(b"GET /v1/watch HTTP/1.1\r\n\r\n");
    assert_eq!(first.head().0, 200);
    assert_eq!(site.client().json("GET", "/v1/watch", "").status, 429);
    // Watches take no request's place.
    assert_eq!(site.client().json("GET", "/v1/keys/k", "").status, 404);
}

#[test]
fn all_bodies_together_are_bounded() {
    let site = site(|options| options.body_bytes_held_max = 300 << 10);
    let large = vec![b'x'; 500 << 10];
    assert_eq!(site.client().ask("PUT", "/v1/keys/k", &[], &large).status, 429);
    assert_eq!(
        site.client()
            .ask("PUT", "/v1/keys/k", &[], &large[..200 << 10])
            .status,
        201
    );
    // What was held for it is given back.
    assert_eq!(
        site.client()
            .ask("PUT", "/v1/keys/k", &[], &large[..200 << 10])
            .status,
        204
    );
}

#[test]
fn listings_on_their_way_are_bounded_together() {
    const VALUES: usize = 24;
    // Room for one, and not for two of which one is not read: far more than what sockets take.
    let site = site(|options| options.listing_bytes_held_max = 20 << 20);
    let body = format!(r#"{{"value":"{}"}}"#, "x".repeat(700_000));
    let mut client = site.client();
    for number in 0..VALUES {
        let path = format!("/data/{number}");
        assert_eq!(client.json("PUT", &path, &body).status, 201);
    }
    let mut slow = site.client();
    slow.send(b"GET /data HTTP/1.1\r\nhost: a\r\n\r\n");
    let (status, headers) = slow.head();
    assert_eq!(status, 200);
    let said = client.json("GET", "/data", "");
    assert_eq!((said.status, said.header("retry-after")), (503, "1"));
    assert!(said.json()["error"].is_string());
    // It is of no matter to others.
    assert_eq!(client.json("PUT", "/data/0", &body).status, 200);
    assert_eq!(client.json("GET", "/data/0", "").status, 200);
    let length = headers["content-length"].parse().expect("a length");
    let listing: serde_json::Value = serde_json::from_slice(&slow.bytes(length)).expect("JSON");
    assert_eq!(
        listing["items"].as_object().map(serde_json::Map::len),
        Some(VALUES)
    );
    assert!(listing["causal-metadata"]["clocklab"].is_string());
    let said = client.json("GET", "/data", "").json();
    assert_eq!(said["items"].as_object().map(serde_json::Map::len), Some(VALUES));
    // One that goes without having read gives back what was held for it.
    slow.send(b"GET /data HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(slow.head().0, 200);
    drop(slow);
    let begun = Instant::now();
    while client.json("GET", "/data", "").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_watch_that_takes_nothing_ends_after_so_many_bytes() {
    let site = Site::new();
    let (mut watch, mut client) = (site.client(), site.client());
    watch.send(b"GET /v1/watch HTTP/1.1\r\nhost: a\r\n\r\n");
    assert_eq!(watch.head().0, 200);
    while site.desk.open() == 0 {
        std::thread::yield_now();
    }
    let value = vec![b'x'; 700_000];
    let held = |client: &mut Client| {
        let said = client.json("GET", "/metrics", "");
        let line = said
            .text()
            .lines()
            .find_map(|line| line.strip_prefix("clocklab_http_watch_bytes_held "));
        line.and_then(|held| held.parse::<usize>().ok())
            .expect("a figure")
    };
    let writes = 60;
    for _ in 0..writes {
        assert!(matches!(
            client.ask("PUT", "/v1/keys/k", &[], &value).status,
            201 | 204
        ));
        assert!(held(&mut client) <= 8 << 20);
    }
    let mut changes = 0;
    let detail = loop {
        match &*watch.line() {
            "event: change" => changes += 1,
            "event: problem" => break watch.line(),
            _ => {}
        }
    };
    assert!((1..writes).contains(&changes), "{changes}");
    assert!(detail.contains("Last-Event-ID"), "{detail}");
    assert_eq!(held(&mut client), 0);
}

#[test]
fn pages_of_other_sites_change_nothing() {
    let site = Site::new();
    let mut client = site.client();
    let foreign = [("origin", "http://evil.example")];
    assert_eq!(
        client.ask("PUT", "/kvs/k", &foreign, br#"{"value":1}"#).status,
        403
    );
    assert_eq!(
        client
            .ask("POST", "/v1/batch", &[("sec-fetch-site", "cross-site")], b"{}")
            .status,
        403
    );
    assert_eq!(client.json("GET", "/kvs/k", "").status, 404);
}

#[test]
fn a_store_on_loopback_is_called_by_its_own_names() {
    let site = site(|options| options.only_loopback = "store-1:8090".parse().ok());
    for (host, status) in [("evil.example", 421), ("store-1:8090", 200), ("127.0.0.1", 200)] {
        let mut client = site.client();
        client.send(format!("GET /ping HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes());
        assert_eq!(client.read(false).status, status, "{host}");
    }
}

#[test]
fn requests_in_one_piece_are_answered_in_order() {
    let site = Site::new();
    let mut client = site.client();
    let mut all = Vec::new();
    for number in 0..50 {
        let body = format!(r#"{{"value":{number}}}"#);
        let put = format!(
            "PUT /kvs/k HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        all.extend_from_slice(put.as_bytes());
        all.extend_from_slice(b"GET /kvs/k HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    client.send(&all);
    for number in 0..50 {
        assert!(matches!(client.read(false).status, 200 | 201));
        assert_eq!(client.read(false).json()["value"], number);
    }
}

#[test]
fn a_server_that_stops_lets_requests_end() {
    let site = Site::new();
    let (mut idle, mut watch) = (site.client(), site.client());
    assert_eq!(idle.json("GET", "/ping", "").status, 200);
    watch.send(b"GET /v1/watch HTTP/1.1\r\n\r\n");
    assert_eq!(watch.head().0, 200);
    let Site { server, .. } = site;
    server.stop();
    assert!(idle.is_closed());
}

#[test]
fn pages_are_what_is_none_of_ours() {
    let pages = axum::Router::new().route("/", axum::routing::get(async || "a page"));
    let site = site(|options| options.pages = Some(pages));
    let mut client = site.client();
    let said = client.json("GET", "/", "");
    assert_eq!(
        (said.status, said.text(), said.header("x-content-type-options")),
        (200, "a page", "nosniff")
    );
    assert_eq!(client.json("GET", "/nothing", "").status, 404);
    assert_eq!(client.json("GET", "/v1/nothing", "").status, 404);
    assert_eq!(client.json("PUT", "/", "{}").status, 405);
    let said = client.json("GET", "/nothing", "").json();
    assert!(
        said["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("/kvs/KEY"))
    );
    // No page takes a key's name away.
    for key in ["/kvs/page.js", "/data/page.css"] {
        assert_eq!(client.json("GET", key, "").status, 404, "{key}");
        assert_eq!(client.json("PUT", key, r#"{"value":1}"#).status, 201, "{key}");
    }
}

#[test]
fn so_many_follow_the_events_and_a_place_is_free_once_one_goes() {
    let text = "data: x\n\n";
    let stream = move || {
        axum::body::Body::from_stream(
            futures_util::stream::iter([Ok::<_, std::io::Error>(text)])
                .chain(futures_util::stream::pending()),
        )
    };
    let events = axum::Router::new().route(
        "/v1/events",
        axum::routing::get(async move || axum::response::Response::new(stream())),
    );
    let none = Site::new();
    let said = none.client().json("GET", "/v1/events", "");
    assert_eq!(said.status, 404);
    assert!(
        said.json()["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("--logs"))
    );
    let site = site(|options| {
        options.events = Some(events);
        options.events_max = 2;
    });
    let open = || {
        let mut client = site.client();
        client.send(b"GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
        (client.head().0, client)
    };
    let (first, second) = (open(), open());
    assert_eq!((first.0, second.0), (200, 200));
    assert_eq!(open().0, 429);
    assert_eq!(site.client().json("POST", "/v1/events", "{}").status, 405);
    drop(first);
    let begun = Instant::now();
    while open().0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
