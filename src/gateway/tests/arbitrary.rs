//! Whatever comes: an answer, and never a status of 500 and above but 503.

use proptest::prelude::*;

use super::{Site, client::Client};
use crate::{clock::VersionVector, kv::token_text};

fn site() -> &'static Site {
    use std::sync::OnceLock;

    static SITE: OnceLock<Site> = OnceLock::new();
    SITE.get_or_init(Site::new)
}

fn path() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        Just("/kvs/"),
        Just("/data/"),
        Just("/data"),
        Just("/view"),
        Just("/v1/keys/"),
        Just("/v1/keys"),
        Just("/v1/batch"),
        Just("/v1/members/"),
        Just("/v1/why/"),
        Just("/v1/"),
        Just("/"),
    ];
    (start, "[!-~]{0,60}").prop_map(|(start, rest)| format!("{start}{}", rest.replace('#', "%23")))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let metadata = prop_oneof![
        Just("null".to_owned()),
        Just("{}".to_owned()),
        Just("7".to_owned()),
        Just("[]".to_owned()),
        "\"[A-Za-z0-9_-]{0,80}\"",
        "\\{\"clocklab\":\"[A-Za-z0-9_-]{0,40}\"\\}",
        "\\{\"[a-z]{0,9}\":[0-9]{1,30}\\}",
        Just(format!("\"{}\"", token_text(&VersionVector::new()))),
    ];
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[ -~]{0,100}".prop_map(String::into_bytes),
        metadata.prop_map(|metadata| format!(r#"{{"value":1,"causal-metadata":{metadata}}}"#).into_bytes()),
    ]
}

fn check(client: &mut Client, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
    let said = client.ask(method, path, headers, body);
    assert!(
        said.status < 500 || said.status == 503,
        "{method} {path} {body:?}: {said:?}"
    );
    let is_assignment = ["/kvs/", "/data/"].iter().any(|start| path.starts_with(start));
    // What is no HTTP at all is refused without a body.
    let is_http = said.status != 400 || said.header("connection") != "close";
    if is_assignment && is_http && method != "HEAD" {
        assert!(said.json().is_object(), "{method} {path} {body:?}: {said:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_request_breaks_it(
        method in prop_oneof![Just("GET"), Just("PUT"), Just("DELETE"), Just("POST"), Just("HEAD"), Just("PATCH")],
        path in path(),
        body in body(),
    ) {
        check(&mut site().client(), method, &path, &[], &body);
    }

    #[test]
    fn no_header_breaks_it(
        name in prop_oneof![
            Just("clocklab-token"), Just("if-match"), Just("if-none-match"), Just("last-event-id"), Just("authorization"),
            Just("content-type"), Just("origin"), Just("sec-fetch-site"),
        ],
        value in "[!-~]{0,60}",
        method in prop_oneof![Just("GET"), Just("PUT"), Just("DELETE"), Just("POST")],
    ) {
        check(&mut site().client(), method, "/v1/keys/k", &[(name, &value)], b"{\"add\":1}");
    }

    #[test]
    fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        let mut client = site().client();
        client.send(&bytes);
        client.send(b"\r\n\r\n");
        // It answers or closes; and serves the next one.
        drop(client);
        prop_assert_eq!(site().client().json("GET", "/ping", "").status, 200);
    }
}
