//! `/v1`: tokens, tags, conditions, types, pages, batches, watches, members, and the OpenAPI document.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    Site,
    client::{Client, Said},
    memory::ORIGIN,
};
use crate::{
    clock::{Dot, Origin, VersionVector},
    gateway::{path::Resource, v1::document},
    kv::token_text,
    units::MachineId,
};

fn put(client: &mut Client, key: &str, headers: &[(&str, &str)], value: &str) -> Said {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    client.ask("PUT", &format!("/v1/keys/{key}"), &all, value.as_bytes())
}

fn get(client: &mut Client, path: &str, headers: &[(&str, &str)]) -> Said {
    client.ask("GET", path, headers, b"")
}

/// An error is a problem of this status, and says what is definite.
fn check_problem(said: &Said, status: u16, kind: &str) -> Value {
    assert_eq!(said.status, status, "{said:?}");
    assert_eq!(said.header("content-type"), "application/problem+json");
    let body = said.json();
    assert_eq!(body["type"], format!("urn:clocklab:problem:{kind}"), "{body}");
    assert_eq!(body["status"], status);
    assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    body
}

#[test]
fn values_are_bytes_or_json_by_content_type() {
    let site = Site::new();
    let mut client = site.client();
    let said = put(&mut client, "a/b", &[], " {\"x\": 1e400}\n");
    assert_eq!((said.status, said.text()), (201, ""));
    assert_eq!(said.header("etag"), "\"1.7.1\"");
    assert_eq!(said.header("clocklab-write"), "1.7.1");
    let token = said.header("clocklab-token").to_owned();
    assert_eq!(token, token_text(&VersionVector::from_iter([(ORIGIN, 1)])));
    let said = get(&mut client, "/v1/keys/a/b", &[("clocklab-token", &token)]);
    assert_eq!((said.status, said.text()), (200, "{\"x\": 1e400}"));
    assert_eq!(said.header("content-type"), "application/json");
    assert_eq!(
        (said.header("etag"), said.header("clocklab-type")),
        ("\"1.7.1\"", "json")
    );
    assert_eq!(
        (
            said.header("cache-control"),
            said.header("x-content-type-options")
        ),
        ("no-store", "nosniff")
    );
    let said = client.ask("PUT", "/v1/keys/a%2Fb", &[], b"\0\xff raw");
    assert_eq!(said.status, 204);
    let said = get(&mut client, "/v1/keys/a/b", &[]);
    assert_eq!(
        (&said.body[..], said.header("content-type")),
        (&b"\0\xff raw"[..], "application/octet-stream")
    );
    let said = client.ask("HEAD", "/v1/keys/a/b", &[], b"");
    assert_eq!(
        (said.status, said.header("content-length"), said.header("etag")),
        (200, "6", "\"1.7.2\"")
    );
    check_problem(&put(&mut client, "a", &[], "{x"), 400, "malformed");
    let said = client.ask("DELETE", "/v1/keys/a/b", &[], b"");
    assert_eq!((said.status, said.header("clocklab-write")), (204, "1.7.3"));
    check_problem(&client.ask("DELETE", "/v1/keys/a/b", &[], b""), 404, "not-found");
    check_problem(&get(&mut client, "/v1/keys/a/b", &[]), 404, "not-found");
}

#[test]
fn conditions_are_judged() {
    let site = Site::new();
    let mut client = site.client();
    let tag = put(&mut client, "k", &[("if-none-match", "*")], "1")
        .header("etag")
        .to_owned();
    let again = put(&mut client, "k", &[("if-none-match", "*")], "2");
    assert_eq!(check_problem(&again, 412, "condition")["etag"], tag);
    assert_eq!(put(&mut client, "k", &[("if-match", &tag)], "2").status, 204);
    let stale = put(&mut client, "k", &[("if-match", &tag)], "3");
    assert_eq!(check_problem(&stale, 412, "condition")["outcome"], "definite");
    for (tag, status) in [
        ("\"other\"", 412),
        ("W/\"1.7.1\"", 412),
        ("*", 204),
        ("\"1.7.1\", \"1.7.2\"", 400),
    ] {
        assert_eq!(
            put(&mut client, "k", &[("if-match", tag)], "4").status,
            status,
            "{tag}"
        );
    }
    assert_eq!(put(&mut client, "new", &[("if-match", "*")], "4").status, 412);
    assert_eq!(
        put(&mut client, "k", &[("if-none-match", "\"1.7.1\"")], "4").status,
        400
    );
    let tag = get(&mut client, "/v1/keys/k", &[]).header("etag").to_owned();
    for known in [
        tag.clone(),
        format!("\"1.7.1,2.1.9\", {tag}"),
        format!("W/{tag}"),
        "*".to_owned(),
    ] {
        let said = get(&mut client, "/v1/keys/k", &[("if-none-match", &known)]);
        assert_eq!((said.status, said.header("etag")), (304, &*tag), "{known}");
    }
    assert_eq!(
        get(&mut client, "/v1/keys/k", &[("if-none-match", "\"x\"")]).status,
        200
    );
}

#[test]
fn counters_and_sets_merge_and_keep_their_type() {
    let site = Site::new();
    let mut client = site.client();
    let post =
        |client: &mut Client, key: &str, body: &str| client.json("POST", &format!("/v1/keys/{key}"), body);
    assert_eq!(post(&mut client, "n", r#"{"add":5}"#).status, 201);
    assert_eq!(post(&mut client, "n", r#"{"add":-7}"#).status, 204);
    let said = get(&mut client, "/v1/keys/n", &[]);
    assert_eq!((said.text(), said.header("clocklab-type")), ("-2", "counter"));
    assert_eq!(post(&mut client, "s", r#"{"insert":["a",{"b":1}]}"#).status, 201);
    assert_eq!(post(&mut client, "s", r#"{"remove":["a"]}"#).status, 204);
    assert_eq!(get(&mut client, "/v1/keys/s", &[]).text(), r#"[{"b":1}]"#);
    check_problem(&post(&mut client, "s", r#"{"add":1}"#), 409, "wrong-type");
    for body in [
        "",
        "{}",
        r#"{"add":1,"insert":[]}"#,
        r#"{"add":1.5}"#,
        r#"{"ad":1}"#,
        r#"{"add":9223372036854775808}"#,
    ] {
        check_problem(&post(&mut client, "n", body), 400, "malformed");
    }
}

#[test]
fn siblings_are_shown_to_those_who_ask() {
    let site = Site::new();
    let mut client = site.client();
    let first = put(&mut client, "k", &[], "1")
        .header("clocklab-token")
        .to_owned();
    put(&mut client, "k?siblings=true", &[], "2");
    let said = get(&mut client, "/v1/keys/k", &[]);
    assert_eq!((said.text(), said.header("clocklab-siblings")), ("2", "2"));
    let said = get(&mut client, "/v1/keys/k?siblings=true", &[]);
    assert_eq!(said.json()["siblings"], json!([2, 1]));
    // The first one alone was seen.
    put(&mut client, "k?siblings=true", &[("clocklab-token", &first)], "3");
    let said = get(&mut client, "/v1/keys/k?siblings=true", &[]);
    assert_eq!(said.json()["siblings"], json!([3, 2]));
}

#[test]
fn keys_are_listed_page_by_page() {
    let site = Site::new();
    let mut client = site.client();
    for number in 0..25 {
        put(
            &mut client,
            &format!("a%2F{number:02}%26+x"),
            &[],
            &number.to_string(),
        );
    }
    put(&mut client, "%ff", &[], "\"last\"");
    let mut path = "/v1/keys?prefix=a/&limit=10".to_owned();
    let mut seen = Vec::new();
    loop {
        let said = get(&mut client, &path, &[]);
        assert_eq!(said.status, 200, "{said:?}");
        let page = said.json();
        for item in page["items"].as_array().expect("items") {
            seen.push((item["key"].clone(), item["value"].clone()));
        }
        match &page["next"] {
            Value::String(next) => path.clone_from(next),
            _ => break,
        }
    }
    let all: Vec<_> = (0..25)
        .map(|number| (json!(format!("a/{number:02}&+x")), json!(number)))
        .collect();
    assert_eq!(seen, all);
    let last = get(&mut client, "/v1/keys?after=b", &[]).json();
    assert_eq!(last["items"][0]["key"], json!({"base64": "/w=="}));
    assert_eq!(last["next"], Value::Null);
    for query in ["limit=0", "limit=10001", "prefx=a", "wait=31s"] {
        check_problem(
            &get(&mut client, &format!("/v1/keys?{query}"), &[]),
            400,
            "malformed",
        );
    }
}

#[test]
fn batches_are_done_all_or_not_at_all() {
    let site = Site::new();
    let mut client = site.client();
    put(&mut client, "old", &[], "0");
    let batch = json!({"operations": [
        {"key": "a", "put": null, "ttl": "30s"},
        {"key": "b", "put_base64": "/wA="},
        {"key": "n", "add": 3},
        {"key": "s", "insert": ["x"]},
        {"key": "old", "delete": true, "if_match": "\"1.7.1\""},
        {"key_base64": "/w==", "put": 1, "if_none_match": "*"},
    ]});
    let said = client.json("POST", "/v1/batch", &batch.to_string());
    assert_eq!(said.status, 200, "{said:?}");
    let done = json!(["created", "created", "created", "created", "deleted", "created"]);
    assert_eq!(said.json(), json!({"write": "1.7.2", "done": done}));
    assert_eq!(get(&mut client, "/v1/keys/b", &[]).body, b"\xff\0");
    // The second one fails, so the first one is not done either.
    let batch = json!({"operations": [{"key": "z", "put": 1}, {"key": "a", "put": 1, "if_none_match": "*"}]});
    let said = client.json("POST", "/v1/batch", &batch.to_string());
    assert_eq!(check_problem(&said, 412, "condition")["operation"], 1);
    assert_eq!(get(&mut client, "/v1/keys/z", &[]).status, 404);
    for operations in [
        json!([]),
        json!([{"key": "a"}]),
        json!([{"put": 1}]),
        json!([{"key": "a", "put": 1, "add": 1}]),
        json!([{"key": "a", "delete": false}]),
        json!([{"key": "a", "add": 1, "ttl": "3s"}]),
        json!(7),
        json!([{"key": "a", "put": 1, "ttl": "soon"}]),
        json!([{"key": "a", "putt": 1}]),
        json!([{"key": "a", "put": 1, "if_match": "x"}]),
        json!([{"key": "a", "key_base64": "/w==", "put": 1}]),
    ] {
        let said = client.json(
            "POST",
            "/v1/batch",
            &json!({"operations": operations}).to_string(),
        );
        check_problem(&said, 400, "malformed");
    }
}

#[test]
fn what_is_missing_is_named_and_can_be_waited_for() {
    let site = Site::new();
    let mut client = site.client();
    let origin = Origin {
        machine: MachineId(2),
        incarnation: 3,
    };
    let token = token_text(&VersionVector::from_iter([(origin, 5)]));
    let said = get(&mut client, "/v1/keys/k", &[("clocklab-token", &token)]);
    let body = check_problem(&said, 503, "unmet");
    assert_eq!(
        body["missing"],
        json!([{"write": "2.3.5", "have": 0, "seen_by": [2]}])
    );
    assert_eq!(
        (said.header("retry-after"), &body["outcome"]),
        ("1", &json!("definite"))
    );
    let why = get(&mut client, "/v1/why/k", &[("clocklab-token", &token)]).json();
    assert_eq!(why["unmet"], body["missing"]);
    client.send(format!("GET /v1/keys/k?wait=20s HTTP/1.1\r\nclocklab-token: {token}\r\n\r\n").as_bytes());
    while site.desk.open() == 0 {
        std::thread::yield_now();
    }
    site.desk.learn(Dot::new(origin, 5));
    assert_eq!(client.read(false).status, 404);
    for text in ["x", "AAAA", "", &"A".repeat(4097), &token[1..]] {
        let said = get(&mut client, "/v1/keys/k", &[("clocklab-token", text)]);
        let expected = if text.is_empty() { 404 } else { 400 };
        assert_eq!(said.status, expected, "{text}: {said:?}");
    }
}

#[test]
fn an_indefinite_result_says_so() {
    let site = Site::new();
    let mut client = site.client();
    let body = check_problem(&put(&mut client, "k?w=2", &[], "1"), 504, "too-few-copies");
    assert_eq!(
        (&body["outcome"], &body["have"], &body["want"]),
        (&json!("indefinite"), &json!(1), &json!(2))
    );
}

#[test]
fn a_watch_tells_of_changes_and_goes_on_where_it_was() {
    let site = Site::new();
    let (mut watch, mut client) = (site.client(), site.client());
    watch.send(b"GET /v1/watch?prefix=a HTTP/1.1\r\n\r\n");
    let (status, headers) = watch.head();
    assert_eq!((status, &*headers["content-type"]), (200, "text/event-stream"));
    let event = |watch: &mut Client| loop {
        // Chunks have their lengths in lines of their own.
        if let Some(id) = watch.line().strip_prefix("id: ") {
            let id = id.to_owned();
            assert_eq!(watch.line(), "event: change");
            let data = watch.line();
            let data = data.strip_prefix("data: ").expect("data");
            return (id, serde_json::from_str::<Value>(data).expect("JSON"));
        }
    };
    while site.desk.open() == 0 {
        std::thread::yield_now();
    }
    put(&mut client, "b", &[], "0");
    put(&mut client, "a1", &[], "1");
    client.ask("DELETE", "/v1/keys/a1", &[], b"");
    let (id, data) = event(&mut watch);
    assert_eq!((&*id, &data["write"]), ("1.7.2", &json!("1.7.2")));
    let change = json!({"key": "a1", "type": "json", "value": 1, "etag": "\"1.7.2\""});
    assert_eq!(data["changes"], json!([change]));
    let (id, data) = event(&mut watch);
    assert_eq!(
        (&*id, &data["changes"]),
        ("1.7.3", &json!([{"key": "a1", "type": null}]))
    );
    drop(watch);
    while site.desk.open() > 0 {
        std::thread::yield_now();
    }
    let mut back = site.client();
    back.send(b"GET /v1/watch?prefix=a HTTP/1.1\r\nlast-event-id: 1.7.2\r\n\r\n");
    back.head();
    assert_eq!(event(&mut back).0, "1.7.3");
    // Nothing is known of another life, nor of a position that is not remembered; it goes on from now.
    for last in ["1.6.900", "1.7.900"] {
        let mut lost = site.client();
        lost.send(format!("GET /v1/watch HTTP/1.1\r\nlast-event-id: {last}\r\n\r\n").as_bytes());
        lost.head();
        // Once it is told, the watch from now on has begun.
        while lost.line() != "event: reset" {}
        put(&mut client, "a2", &[], "5");
        assert_eq!(event(&mut lost).1["changes"][0]["key"], "a2", "{last}");
    }
    check_problem(
        &get(&mut client, "/v1/watch", &[("last-event-id", "x")]),
        400,
        "malformed",
    );
}

#[test]
fn members_come_and_go() {
    let site = Site::new();
    let mut client = site.client();
    assert_eq!(
        client
            .json("PUT", "/v1/members/5", r#"{"address":"store-5:8090"}"#)
            .status,
        201
    );
    assert_eq!(
        client
            .json("PUT", "/v1/members/5", r#"{"address":"store-5:8090"}"#)
            .status,
        204
    );
    let member = client.json("GET", "/v1/members/5", "").json();
    assert_eq!(
        member,
        json!({"id": 5, "address": "store-5:8090", "standing": "not met yet", "incarnation": 0})
    );
    assert_eq!(client.json("POST", "/v1/members/5/drain", "").status, 202);
    check_problem(&client.json("DELETE", "/v1/members/5", ""), 404, "not-found");
    check_problem(
        &client.json("DELETE", "/v1/members/5?lost=true", ""),
        404,
        "not-found",
    );
    check_problem(
        &client.json("DELETE", "/v1/members/5?lost=perhaps", ""),
        400,
        "malformed",
    );
    check_problem(&client.json("GET", "/v1/members/5", ""), 404, "not-found");
    check_problem(
        &client.json("PUT", "/v1/members/65000", r#"{"address":"a:1"}"#),
        400,
        "malformed",
    );
    check_problem(
        &client.json("PUT", "/v1/members/6", r#"{"address":"a"}"#),
        400,
        "malformed",
    );
    assert_eq!(
        client
            .json("PUT", "/v1/members", r#"{"members":[{"id":1,"address":"a:1"}]}"#)
            .status,
        204
    );
    let replaced = client.json("POST", "/v1/members/1/replace", r#"{"id":2,"address":"b:1"}"#);
    assert_eq!(replaced.status, 204);
    assert_eq!(
        client.json("GET", "/v1/members", "").json(),
        json!({"members": []})
    );
}

#[test]
fn how_it_is_can_be_asked() {
    let site = Site::new();
    let mut client = site.client();
    put(&mut client, "k", &[], "1");
    let status = client.json("GET", "/v1/status", "").json();
    assert_eq!(
        (&status["origin"], &status["known"]),
        (&json!("1.7"), &json!({"1.7": 1}))
    );
    assert_eq!(client.json("GET", "/healthz", "").status, 200);
    assert_eq!(client.json("GET", "/readyz", "").status, 200);
    let said = client.json("GET", "/metrics", "");
    assert!(
        said.header("content-type")
            .starts_with("text/plain; version=0.0.4")
    );
    let mut families = BTreeSet::new();
    for line in said.text().lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').expect("a text");
            assert!(families.insert(name.to_owned()) && help.ends_with('.'), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a type");
            assert!(
                families.contains(name) && matches!(kind, "gauge" | "counter"),
                "{line}"
            );
        } else {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            let name = sample.split('{').next().expect("a name");
            assert!(families.contains(name) && value.parse::<f64>().is_ok(), "{line}");
        }
    }
    for line in [
        "clocklab_kv_keys 1",
        "clocklab_http_connections 1",
        "clocklab_http_answers_total{status=\"2xx\"} 4",
        "clocklab_kv_applied_writes{machine=\"1\",incarnation=\"7\"} 1",
        "clocklab_kv_writes_accepted_total 1",
    ] {
        assert!(
            said.text().lines().any(|said| said == line),
            "{line}: {}",
            said.text()
        );
    }
}

#[test]
fn the_document_has_every_route_and_no_other() {
    let site = Site::new();
    let mut client = site.client();
    let document = client.json("GET", "/v1/openapi.json", "").json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            assert!(operation["operationId"].is_string(), "{method} {path}");
            assert!(
                !operation["responses"].as_object().expect("responses").is_empty(),
                "{method} {path}"
            );
            described.insert(format!("{} {path}", method.to_uppercase()));
            for name in path.split('/').filter_map(|part| part.strip_prefix('{')) {
                let name = name.trim_end_matches('}');
                let parameters = operation["parameters"].as_array().expect("parameters");
                let is_there = |parameter: &Value| parameter["name"] == name && parameter["in"] == "path";
                assert!(parameters.iter().any(is_there), "{method} {path}: {name}");
            }
        }
    }
    let mut routed = BTreeSet::new();
    for path in [
        "/v1/keys/{key}",
        "/v1/keys",
        "/v1/batch",
        "/v1/watch",
        "/v1/members",
        "/v1/members/{id}",
        "/v1/members/{id}/drain",
        "/v1/members/{id}/replace",
        "/v1/status",
        "/v1/why/{key}",
        "/v1/why",
        "/v1/events",
        "/v1/access",
        "/v1/openapi.json",
        "/healthz",
        "/readyz",
        "/metrics",
    ] {
        let resource = Resource::of(&path.replace("{id}", "3"));
        assert!(!matches!(resource, Resource::Nothing | Resource::Page), "{path}");
        for method in resource.methods().split(", ").filter(|method| *method != "HEAD") {
            routed.insert(format!("{method} {path}"));
        }
    }
    assert_eq!(described, routed);
    check_references(&document, &document);
    assert_eq!(serde_json::to_value(self::document()).expect("JSON"), document);
}

/// Every `$ref` leads to something.
fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let pointer = reference.strip_prefix('#').expect("inside of the document");
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            members.values().for_each(|part| check_references(document, part));
        }
        Value::Array(parts) => parts.iter().for_each(|part| check_references(document, part)),
        _ => {}
    }
}
