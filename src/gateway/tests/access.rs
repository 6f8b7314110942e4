//! Bearer tokens, as requests meet them.

use std::{fs, path::PathBuf, time::Duration};

use futures_util::StreamExt;
use tempfile::TempDir;

use super::{
    Site,
    assignment::{elsewhere, elsewhere_text},
    client::Client,
};
use crate::gateway::{Access, FILE, Options, Scope, TokenFile};

struct Tokens {
    _folder: TempDir,
    path: PathBuf,
    file: TokenFile,
}

impl Tokens {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        Self {
            _folder: folder,
            path,
            file: TokenFile::default(),
        }
    }

    /// Makes one, and gives the header's value.
    fn make(&mut self, name: &str, scope: Scope, prefix: &str) -> String {
        let made = "2026-11-21T00:00:00Z".to_owned();
        let text = self.file.create(name, scope, prefix, made).expect("a token");
        self.file.write(&self.path).expect("written");
        format!("Bearer {}", text.as_str())
    }

    fn site(&self) -> Site {
        let access = Access::open(Some(self.path.clone()), false).expect("readable");
        Site::with(access, Options::default())
    }
}

fn status(site: &Site, token: &str, method: &str, path: &str) -> u16 {
    let body: &[u8] = if method == "GET" { b"" } else { br#"{"value":1}"# };
    site.client()
        .ask(method, path, &[("authorization", token)], body)
        .status
}

#[test]
fn without_tokens_nobody_needs_one() {
    let tokens = Tokens::new();
    let site = tokens.site();
    assert_eq!(site.client().json("PUT", "/kvs/k", r#"{"value":1}"#).status, 201);
    let strict = Site::with(
        Access::open(None, true).expect("nothing to read"),
        Options::default(),
    );
    let said = strict.client().json("GET", "/kvs/k", "");
    assert_eq!(
        (said.status, said.header("www-authenticate")),
        (401, "Bearer realm=\"clocklab\"")
    );
    assert!(said.json()["error"].is_string());
    let detail = said.json()["error"].to_string();
    assert!(detail.contains("--data instead of --memory"), "{detail}");
    assert_eq!(strict.client().json("GET", "/healthz", "").status, 200);
    assert_eq!(strict.client().json("GET", "/ping", "").status, 200);
}

#[test]
fn scopes_and_prefixes_bound_what_a_token_does() {
    let mut tokens = Tokens::new();
    let reader = tokens.make("reader", Scope::Read, "");
    let writer = tokens.make("writer", Scope::Write, "app/");
    let admin = tokens.make("admin", Scope::Admin, "");
    let site = tokens.site();
    for (token, method, path, expected) in [
        (&reader, "GET", "/kvs/k", 404),
        (&reader, "PUT", "/kvs/k", 403),
        (&reader, "GET", "/view", 200),
        (&reader, "GET", "/data", 200),
        (&reader, "GET", "/v1/keys", 200),
        (&reader, "DELETE", "/view", 403),
        (&writer, "PUT", "/kvs/app/k", 201),
        (&writer, "PUT", "/v1/keys/app%2Fk", 204),
        (&writer, "PUT", "/kvs/k", 403),
        (&writer, "GET", "/kvs/k", 403),
        (&writer, "GET", "/v1/why/k", 403),
        (&writer, "GET", "/data", 403),
        (&writer, "GET", "/v1/keys", 403),
        (&writer, "GET", "/v1/keys?prefix=app/x", 200),
        (&writer, "GET", "/v1/watch?prefix=ap", 403),
        (&writer, "GET", "/v1/status", 200),
        (&writer, "GET", "/metrics", 200),
        (&writer, "PUT", "/view", 403),
        (&writer, "POST", "/v1/members/1/drain", 403),
        (&admin, "PUT", "/kvs/k", 201),
        (&admin, "DELETE", "/v1/members/9", 404),
    ] {
        assert_eq!(
            status(&site, token, method, path),
            expected,
            "{token} {method} {path}"
        );
    }
    let batch = |key: &str| {
        let body = format!(r#"{{"operations":[{{"key":"app/a","put":1}},{{"key":"{key}","put":1}}]}}"#);
        site.client().ask(
            "POST",
            "/v1/batch",
            &[("authorization", &writer)],
            body.as_bytes(),
        )
    };
    assert_eq!(batch("app/b").status, 200);
    let said = batch("other");
    assert_eq!(said.status, 403);
    assert!(
        said.header("www-authenticate").contains("insufficient_scope"),
        "{said:?}"
    );
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer clk_0",
        &reader[..reader.len() - 1],
    ] {
        assert_eq!(status(&site, wrong, "GET", "/kvs/k"), 401, "{wrong}");
    }
    assert_eq!(site.client().json("GET", "/kvs/k", "").status, 401);
}

#[test]
fn the_page_is_for_everybody_and_what_it_asks_for_is_not() {
    let mut tokens = Tokens::new();
    let reader = tokens.make("reader", Scope::Read, "app/");
    let said = |router: &'static str| axum::routing::get(async move || router);
    let options = Options {
        pages: Some(axum::Router::new().route("/", said("page"))),
        events: Some(axum::Router::new().route("/v1/events", said("events"))),
        ..Options::default()
    };
    let access = Access::open(Some(tokens.path.clone()), false).expect("readable");
    let site = Site::with(access, options);
    assert_eq!(status(&site, "", "GET", "/"), 200);
    assert_eq!(status(&site, "", "GET", "/nothing"), 404);
    for path in ["/v1/events", "/v1/access", "/v1/status", "/v1/why", "/v1/keys"] {
        assert_eq!(status(&site, "", "GET", path), 401, "{path}");
    }
    for path in ["/v1/events", "/v1/status", "/v1/why", "/v1/keys?prefix=app/"] {
        assert_eq!(status(&site, &reader, "GET", path), 200, "{path}");
    }
    let told = site
        .client()
        .ask("GET", "/v1/access", &[("authorization", &reader)], b"");
    assert_eq!(
        told.json(),
        serde_json::json!({ "name": "reader", "scope": "read", "prefix": "app/" })
    );
    let open = Site::new().client().json("GET", "/v1/access", "");
    assert_eq!(
        open.json(),
        serde_json::json!({ "name": null, "scope": "admin", "prefix": "" })
    );
}

#[test]
fn a_token_that_is_revoked_or_made_counts_within_seconds() {
    let mut tokens = Tokens::new();
    let site = tokens.site();
    assert_eq!(status(&site, "", "GET", "/kvs/k"), 404);
    let first = tokens.make("first", Scope::Read, "");
    wait_for(|| status(&site, "", "GET", "/kvs/k") == 401);
    assert_eq!(status(&site, &first, "GET", "/kvs/k"), 404);
    let second = tokens.make("second", Scope::Read, "");
    wait_for(|| status(&site, &second, "GET", "/kvs/k") == 404);
    tokens.file.revoke("first").expect("there");
    tokens.file.write(&tokens.path).expect("written");
    wait_for(|| status(&site, &first, "GET", "/kvs/k") == 401);
    fs::write(&tokens.path, "{").expect("written");
    // What cannot be read lets nobody in, and nobody is told that his token was revoked.
    wait_for(|| status(&site, &second, "GET", "/kvs/k") == 503);
    assert_eq!(status(&site, "", "GET", "/v1/keys/k"), 503);
    let said = site
        .client()
        .ask("GET", "/v1/keys/k", &[("authorization", &second)], b"");
    let detail = said.json()["detail"].to_string();
    assert!(detail.contains("tokens.json cannot be read"), "{detail}");
    tokens.file.write(&tokens.path).expect("written");
    wait_for(|| status(&site, &second, "GET", "/kvs/k") == 404);
}

#[test]
fn what_goes_on_ends_when_its_token_is_revoked() {
    let mut tokens = Tokens::new();
    let stream = || {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>("data: x\n\n")]);
        axum::body::Body::from_stream(first.chain(futures_util::stream::pending()))
    };
    let events = axum::routing::get(async move || axum::response::Response::new(stream()));
    let options = Options {
        events: Some(axum::Router::new().route("/v1/events", events)),
        ..Options::default()
    };
    let access = Access::open(Some(tokens.path.clone()), false).expect("readable");
    let site = Site::with(access, options);
    let open = |path: &str, token: &str| {
        let mut client = site.client();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: {token}\r\n\r\n").as_bytes());
        assert_eq!(client.head().0, 200, "{path}");
        client
    };
    let check_ended = |mut client: Client, status: u16| {
        while client.line() != "event: problem" {}
        let line = client.line();
        let data = line.strip_prefix("data: ").expect("data");
        let problem: serde_json::Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(problem["status"], status, "{problem}");
    };
    // Nobody needs a token yet.
    let anybody = [open("/v1/watch", ""), open("/v1/events", "")];
    let first = tokens.make("first", Scope::Read, "");
    for client in anybody {
        check_ended(client, 401);
    }
    let ends = [open("/v1/watch", &first), open("/v1/events", &first)];
    let second = tokens.make("second", Scope::Write, "");
    wait_for(|| status(&site, &second, "GET", "/kvs/k") == 404);
    let mut stays = open("/v1/watch", &second);
    tokens.file.revoke("first").expect("there");
    tokens.file.write(&tokens.path).expect("written");
    for client in ends {
        check_ended(client, 401);
    }
    assert_eq!(status(&site, &second, "PUT", "/kvs/k"), 201);
    while stays.line() != "event: change" {}
    // The same token reaches less.
    let text = fs::read_to_string(&tokens.path).expect("readable");
    let less = text.replace("\"prefix\": \"\"", "\"prefix\": \"app/\"");
    assert_ne!(text, less);
    fs::write(&tokens.path, less).expect("written");
    check_ended(stays, 403);
}

#[test]
fn what_waits_is_given_up_when_its_token_is_revoked() {
    let mut tokens = Tokens::new();
    let first = tokens.make("first", Scope::Write, "");
    let second = tokens.make("second", Scope::Write, "");
    let site = tokens.site();
    let seen = elsewhere_text();
    let ask = |method: &str, token: &str| {
        let mut client = site.client();
        let text = format!(
            "{method} /v1/keys/k?wait=30s HTTP/1.1\r\nhost: a\r\nauthorization: {token}\r\nclocklab-token: {seen}\r\n\
             content-length: 1\r\n\r\n1"
        );
        client.send(text.as_bytes());
        client
    };
    let [mut reader, mut writer] = ["GET", "PUT"].map(|method| ask(method, &first));
    let mut stays = ask("GET", &second);
    wait_for(|| site.desk.open() == 3);
    tokens.file.revoke("first").expect("there");
    tokens.file.write(&tokens.path).expect("written");
    assert_eq!(reader.read(false).status, 401);
    let said = writer.read(false);
    assert_eq!(
        (said.status, &said.json()["outcome"]),
        (500, &serde_json::json!("indefinite"))
    );
    assert_eq!(site.desk.open(), 1, "they are cancelled");
    site.desk.learn(elsewhere());
    assert_eq!(
        stays.read(false).status,
        404,
        "the other is served, and the write is not done"
    );
}

fn wait_for(mut holds: impl FnMut() -> bool) {
    for _ in 0..200 {
        if holds() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    panic!("it has not come to hold within ten seconds");
}
