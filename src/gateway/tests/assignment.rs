//! Every row of the assignment's two interfaces: codes and texts.

use super::{Site, client::Client, memory::ORIGIN};
use crate::{
    clock::{Dot, Origin, VersionVector},
    kv::token_text,
    units::MachineId,
};

const UNMET: &str = r#"{"error":"Causal dependencies not satisfied; try again later"}"#;
const NO_KEY: &str = r#"{"error":"Key does not exist"}"#;

/// The token of this replica's first writes, as JSON strings have it.
fn own(number: u64) -> String {
    token_text(&VersionVector::from_iter([(ORIGIN, number)]))
}

/// A write of somebody else, which is not here.
pub(super) fn elsewhere() -> Dot {
    let origin = Origin {
        machine: MachineId(2),
        incarnation: 3,
    };
    Dot::new(origin, 5)
}

pub(super) fn elsewhere_text() -> String {
    let dot = elsewhere();
    token_text(&VersionVector::from_iter([(dot.origin, dot.number)]))
}

fn check(client: &mut Client, method: &str, path: &str, body: &str, status: u16, text: &str) {
    let said = client.json(method, path, body);
    assert_eq!(
        (said.status, said.text()),
        (status, text),
        "{method} {path} {body}"
    );
    assert_eq!(said.header("content-type"), "application/json", "{method} {path}");
}

#[test]
fn the_form_of_2024_has_its_codes_and_texts() {
    let site = Site::new();
    let mut client = site.client();
    let seen = |number| format!(r#""causal-metadata":"{}""#, own(number));
    let created = format!(r#"{{"result":"created",{}}}"#, seen(1));
    check(
        &mut client,
        "PUT",
        "/kvs/x",
        r#"{"value":1,"causal-metadata":null}"#,
        201,
        &created,
    );
    let replaced = format!(r#"{{"result":"replaced",{}}}"#, seen(2));
    let body = format!(r#"{{"value":{{"a":[1.0,1e400]}},{}}}"#, seen(1));
    check(&mut client, "PUT", "/kvs/x", &body, 200, &replaced);
    let found = format!(r#"{{"result":"found","value":{{"a":[1.0,1e400]}},{}}}"#, seen(2));
    for body in [
        "",
        "{}",
        "null",
        r#"{"causal-metadata":null}"#,
        r#"{"causal-metadata":{}}"#,
        r#"{"causal-metadata":""}"#,
    ] {
        check(&mut client, "GET", "/kvs/x", body, 200, &found);
    }
    check(&mut client, "GET", "/kvs/y", "", 404, NO_KEY);
    check(&mut client, "DELETE", "/kvs/y", "", 404, NO_KEY);
    let deleted = format!(r#"{{"result":"deleted",{}}}"#, seen(3));
    check(
        &mut client,
        "DELETE",
        "/kvs/x",
        &format!("{{{}}}", seen(2)),
        200,
        &deleted,
    );
    check(&mut client, "GET", "/kvs/x", "", 404, NO_KEY);
    let created = format!(r#"{{"result":"created",{}}}"#, seen(4));
    check(&mut client, "PUT", "/kvs/x", r#"{"value":null}"#, 201, &created);
    let found = format!(r#"{{"result":"found","value":null,{}}}"#, seen(4));
    check(&mut client, "GET", "/kvs/x", "", 200, &found);
    let unmet = format!(r#"{{"value":1,"causal-metadata":"{}"}}"#, elsewhere_text());
    for method in ["PUT", "GET", "DELETE"] {
        check(&mut client, method, "/kvs/x", &unmet, 503, UNMET);
    }
}

#[test]
fn what_is_wrong_with_a_put_is_judged_in_order() {
    let site = Site::new();
    let mut client = site.client();
    let no_value = r#"{"error":"PUT request does not specify a value"}"#;
    let too_long = r#"{"error":"Key is too long"}"#;
    let long = format!("/kvs/{}", "k".repeat(51));
    for body in ["", "{}", r#"{"causal-metadata":7}"#, r#"{"Value":1}"#] {
        check(&mut client, "PUT", "/kvs/x", body, 400, no_value);
        check(&mut client, "PUT", &long, body, 400, no_value);
    }
    check(
        &mut client,
        "PUT",
        &long,
        r#"{"value":1,"causal-metadata":7}"#,
        400,
        too_long,
    );
    let said = client.json("PUT", "/kvs/x", r#"{"value":1,"causal-metadata":7}"#);
    assert_eq!(said.status, 400);
    assert!(said.text().contains("causal-metadata has to be"), "{said:?}");
    // Fifty characters are allowed, however many bytes they have.
    let longest = format!("/kvs/{}", "%C3%BC".repeat(50));
    assert_eq!(client.json("PUT", &longest, r#"{"value":1}"#).status, 201);
    assert_eq!(
        client
            .json("PUT", &format!("{longest}x"), r#"{"value":1}"#)
            .status,
        400
    );
    check(&mut client, "GET", &long, "", 404, NO_KEY);
    for body in [
        "[1,2]",
        "7",
        "{",
        "{\"value\":1}x",
        "\u{feff}{}",
        r#"{"value":1,"value":2}"#,
    ] {
        let said = client.json("PUT", "/kvs/x", body);
        assert_eq!(said.status, 400, "{body}: {said:?}");
        assert!(said.json()["error"].is_string(), "{body}");
    }
}

#[test]
fn content_types_are_not_looked_at() {
    let site = Site::new();
    let mut client = site.client();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-8",
        "?",
    ] {
        let said = client.ask("PUT", "/kvs/t", &[("content-type", kind)], br#"{"value":"v"}"#);
        assert!(matches!(said.status, 200 | 201), "{kind}: {said:?}");
    }
}

#[test]
fn every_key_is_a_key() {
    let site = Site::new();
    let mut client = site.client();
    let keys = [
        "view",
        "data",
        "ping",
        "..",
        "a/b",
        "/",
        "%2F",
        "%2e%2e%2f",
        "a%20b",
        "%00",
        "%ff%fe",
        "%",
        "metrics",
        "%E2%9C%93",
        "a;b=c",
        "a:b@c",
        "~",
        "v1%2Fkeys",
        "causal-metadata",
        "*",
    ];
    for form in ["/kvs", "/data"] {
        for (number, key) in keys.iter().enumerate() {
            let path = format!("{form}/{key}");
            let body = format!(r#"{{"value":"{form}{number}"}}"#);
            let said = client.json("PUT", &path, &body);
            assert!(matches!(said.status, 200 | 201), "{path}: {said:?}");
            let said = client.json("GET", &path, "");
            assert_eq!(said.json()["value"], format!("{form}{number}"), "{path}");
        }
    }
    // But one has to be there.
    assert_eq!(client.json("PUT", "/kvs/", r#"{"value":1}"#).status, 400);
    check(&mut client, "GET", "/kvs/", "", 404, NO_KEY);
    check(&mut client, "DELETE", "/kvs/", "", 404, NO_KEY);
}

#[test]
fn values_are_returned_as_they_came() {
    let site = Site::new();
    let mut client = site.client();
    for value in [
        "1.0",
        "1e400",
        "-0",
        "123456789012345678901234567890",
        r#""\ud800""#,
        r#""\u0041""#,
        r#"{"b":1,"a":{"b":[ ]}}"#,
        "[]",
        "true",
        "\"\"",
        r#"{"a":1,"a":2}"#,
    ] {
        client.json("PUT", "/kvs/v", &format!(r#"{{"value": {value} }}"#));
        let said = client.json("GET", "/kvs/v", "");
        let start = format!(r#"{{"result":"found","value":{value},"causal"#);
        assert!(said.text().starts_with(&start), "{value}: {said:?}");
    }
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let said = client.json("PUT", "/kvs/deep", &format!(r#"{{"value":{deep}}}"#));
    assert_eq!(said.status, 201);
    assert!(client.json("GET", "/kvs/deep", "").text().contains(&deep));
}

#[test]
fn the_form_of_2025_has_its_codes_and_shapes() {
    let site = Site::new();
    let mut client = site.client();
    assert_eq!(client.json("GET", "/ping", "").status, 200);
    let seen = |number| format!(r#""causal-metadata":{{"clocklab":"{}"}}"#, own(number));
    let created = format!(r#"{{"result":"created",{}}}"#, seen(1));
    check(
        &mut client,
        "PUT",
        "/data/x",
        r#"{"value":"1","causal-metadata":{}}"#,
        201,
        &created,
    );
    let replaced = format!(r#"{{"result":"replaced",{}}}"#, seen(2));
    check(
        &mut client,
        "PUT",
        "/data/x",
        &format!(r#"{{"value":"2",{}}}"#, seen(1)),
        200,
        &replaced,
    );
    let found = format!(r#"{{"value":"2",{}}}"#, seen(2));
    check(
        &mut client,
        "GET",
        "/data/x",
        &format!("{{{}}}", seen(2)),
        200,
        &found,
    );
    let said = client.json("GET", "/data/y", &format!("{{{}}}", seen(2)));
    assert_eq!(
        (said.status, &said.json()["error"]),
        (404, &"Key does not exist".into())
    );
    client.json("PUT", "/data/a%2F%22", r#"{"value":[1.50]}"#);
    let all = format!(r#"{{"items":{{"a/\"":[1.50],"x":"2"}},{}}}"#, seen(3));
    check(&mut client, "GET", "/data", "{}", 200, &all);
    assert_eq!(client.json("DELETE", "/data/x", "{}").status, 200);
    assert_eq!(client.json("PUT", "/data/x", "{}").status, 400);
}

#[test]
fn either_form_takes_what_the_other_returned() {
    let site = Site::new();
    let mut client = site.client();
    let by_kvs = client.json("PUT", "/kvs/x", r#"{"value":1}"#).json()["causal-metadata"].clone();
    let body = serde_json::json!({"value": 2, "causal-metadata": by_kvs}).to_string();
    let by_data = client.json("PUT", "/data/x", &body).json()["causal-metadata"].clone();
    assert!(by_data.is_object());
    let body = serde_json::json!({"causal-metadata": by_data}).to_string();
    let said = client.json("GET", "/kvs/x", &body);
    assert_eq!((said.status, &said.json()["value"]), (200, &2.into()));
}

#[test]
fn the_form_of_2025_waits_for_what_is_missing() {
    let site = Site::new();
    let mut client = site.client();
    client.json("PUT", "/data/x", r#"{"value":1}"#);
    let body = format!(r#"{{"causal-metadata":{{"clocklab":"{}"}}}}"#, elsewhere_text());
    let request = format!(
        "GET /data/x HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.send(request.as_bytes());
    while site.desk.open() == 0 {
        std::thread::yield_now();
    }
    site.desk.learn(elsewhere());
    let said = client.read(false);
    assert_eq!((said.status, &said.json()["value"]), (200, &1.into()));
}

#[test]
fn a_client_that_goes_is_forgotten() {
    let site = Site::new();
    let mut client = site.client();
    let body = format!(r#"{{"causal-metadata":"{}"}}"#, elsewhere_text());
    client.send(
        format!(
            "GET /data/x HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    while site.desk.open() == 0 {
        std::thread::yield_now();
    }
    drop(client);
    while site.desk.open() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn both_forms_share_the_view() {
    let site = Site::new();
    let mut client = site.client();
    let view = |client: &mut Client| client.json("GET", "/view", "").text().to_owned();
    assert_eq!(view(&mut client), r#"{"view":["127.0.0.1:8090"]}"#);
    let other = r#"{"socket-address":"10.10.0.3:8090"}"#;
    check(&mut client, "PUT", "/view", other, 201, r#"{"result":"added"}"#);
    check(
        &mut client,
        "PUT",
        "/view",
        other,
        200,
        r#"{"result":"already present"}"#,
    );
    assert_eq!(
        view(&mut client),
        r#"{"view":["127.0.0.1:8090","10.10.0.3:8090"]}"#
    );
    check(
        &mut client,
        "DELETE",
        "/view",
        other,
        200,
        r#"{"result":"deleted"}"#,
    );
    let none = r#"{"error":"View has no such replica"}"#;
    check(&mut client, "DELETE", "/view", other, 404, none);
    check(
        &mut client,
        "DELETE",
        "/view",
        r#"{"socket-address":"nonsense"}"#,
        404,
        none,
    );
    let all = r#"{"view":[{"address":"a:1","id":0},{"address":"b:2","id":1}]}"#;
    let said = client.json("PUT", "/view", all);
    assert_eq!(said.status, 200);
    assert!(said.json().is_object());
    assert_eq!(view(&mut client), r#"{"view":["a:1","b:2"]}"#);
    for body in [
        "{}",
        r#"{"socket-address":7}"#,
        r#"{"socket-address":"x"}"#,
        r#"{"view":["a:1"]}"#,
        r#"{"view":[{"address":"a:1","id":65000}]}"#,
        r#"{"view":[{"address":"a:1","id":-1}]}"#,
        r#"{"view":[],"socket-address":"a:1"}"#,
    ] {
        assert_eq!(client.json("PUT", "/view", body).status, 400, "{body}");
    }
}

#[test]
fn what_other_interfaces_wrote_can_be_read() {
    let site = Site::new();
    let mut client = site.client();
    client.ask("PUT", "/v1/keys/text", &[], "grüße".as_bytes());
    client.ask("PUT", "/v1/keys/bytes", &[], b"\xff\x00");
    client.json("POST", "/v1/keys/count", r#"{"add":-7}"#);
    client.json("POST", "/v1/keys/set", r#"{"insert":["b",1]}"#);
    for (key, value) in [
        ("text", r#""grüße""#),
        ("bytes", r#"{"base64":"/wA="}"#),
        ("count", "-7"),
        ("set", r#"["b",1]"#),
    ] {
        let said = client.json("GET", &format!("/kvs/{key}"), "");
        assert!(said.text().contains(&format!(r#""value":{value},"#)), "{said:?}");
    }
}

#[test]
fn methods_that_are_not_known_are_told_which_are() {
    let site = Site::new();
    let mut client = site.client();
    for (method, path, allow) in [
        ("POST", "/kvs/x", "GET, HEAD, PUT, DELETE"),
        ("PUT", "/data", "GET, HEAD"),
        ("DELETE", "/ping", "GET, HEAD"),
        ("GET", "/v1/batch", "POST"),
    ] {
        let said = client.json(method, path, "");
        assert_eq!(
            (said.status, said.header("allow")),
            (405, allow),
            "{method} {path}"
        );
    }
    assert_eq!(client.json("GET", "/", "").status, 404);
    assert_eq!(client.json("GET", "/kvs", "").status, 404);
}
