//! Browser safety: what a page of another site may make a visitor's browser do to a store that the browser can reach.
//!
//! - No request that changes anything may come from another site: browsers say so in `Sec-Fetch-Site` and `Origin`, which
//!   pages cannot forge; programs send neither. Nothing allows other sites to read answers (CORS).
//! - Another site may lead to an address here (a link), and not make what is here a part of itself; what goes on for as long
//!   as somebody listens it may not even open, since there are places for a few.
//! - A store that listens on loopback is asked by address, by `localhost` or by its own advertised name: a name that
//!   somebody else's DNS points at loopback (rebinding) is refused. Where it listens for other hosts there is a bearer token
//!   to ask for, or a spoken `--insecure`.

use hyper::{HeaderMap, Method, StatusCode, Uri, header};

use super::{path::Resource, problem::Problem};

/// How a server may be called.
#[derive(Debug)]
pub(super) struct Guard {
    /// The advertised host; `None` where any name will do.
    advertised: Option<String>,
}

impl Guard {
    /// The guard of a server that listens on loopback and is advertised as `host`, or of one that others reach (`None`).
    pub(super) fn new(advertised: Option<String>) -> Self {
        Self { advertised }
    }

    /// Judges a request.
    pub(super) fn judge(
        &self,
        resource: &Resource,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        let host = uri
            .authority()
            .map(|authority| authority.as_str())
            .or_else(|| text(header::HOST));
        if let (Some(advertised), Some(host)) = (&self.advertised, host)
            && !is_own(host, advertised)
        {
            let detail = "this server is called by its address, localhost, or the name it is advertised with";
            return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "host", detail));
        }
        let text_of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let is_cross_site = headers
            .get("sec-fetch-site")
            .is_some_and(|site| site != "same-origin" && site != "none");
        if *method == Method::GET || *method == Method::HEAD {
            let goes_on = matches!(resource, Resource::Events | Resource::Watch);
            let is_part = |dest| matches!(dest, "iframe" | "frame" | "embed" | "object" | "fencedframe");
            let is_link = text_of("sec-fetch-mode") == Some("navigate")
                && !text_of("sec-fetch-dest").is_some_and(is_part);
            if is_cross_site && (goes_on || !is_link) {
                let detail = "a page of another site may lead here by a link, and nothing else";
                return Err(Problem::new(StatusCode::FORBIDDEN, "cross-site", detail));
            }
            return Ok(());
        }
        let is_elsewhere = text(header::ORIGIN).is_some_and(|origin| {
            let origin = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"));
            origin.is_none() || origin != host
        });
        if is_cross_site || is_elsewhere {
            let detail = "a page of another site may not change anything here";
            return Err(Problem::new(StatusCode::FORBIDDEN, "cross-site", detail));
        }
        Ok(())
    }
}

/// Whether a `Host` is no name of somebody else's.
fn is_own(host: &str, advertised: &str) -> bool {
    let name = match host.strip_prefix('[') {
        // An IPv6 address.
        Some(_) => return true,
        None => host.split(':').next().unwrap_or(host),
    };
    name == advertised
        || name.eq_ignore_ascii_case("localhost")
        || name.parse::<core::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(method: &Method, headers: &[(&'static str, &str)]) -> Option<StatusCode> {
        judge_at("/kvs/a", method, headers)
    }

    fn judge_at(path: &str, method: &Method, headers: &[(&'static str, &str)]) -> Option<StatusCode> {
        let guard = Guard::new(Some("store-1".to_owned()));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header"));
        }
        let uri = path.parse().expect("a path");
        guard
            .judge(&Resource::of(path), method, &uri, &map)
            .err()
            .map(|problem| problem.status)
    }

    #[test]
    fn programs_and_the_own_page_may() {
        for host in [
            "127.0.0.1:8090",
            "localhost:8090",
            "[::1]:8090",
            "store-1:8090",
            "10.10.0.2",
        ] {
            assert_eq!(judge(&Method::PUT, &[("host", host)]), None, "{host}");
        }
        assert_eq!(judge(&Method::PUT, &[]), None);
        let page = [
            ("host", "localhost:8090"),
            ("origin", "http://localhost:8090"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert_eq!(judge(&Method::DELETE, &page), None);
    }

    #[test]
    fn pages_of_other_sites_may_not() {
        let host = ("host", "localhost:8090");
        for foreign in [
            ("origin", "http://evil.example"),
            ("origin", "http://localhost:8091"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let judged = judge(&Method::POST, &[host, foreign]);
            assert_eq!(judged, Some(StatusCode::FORBIDDEN), "{foreign:?}");
        }
        for path in ["/", "/kvs/a", "/v1/status", "/v1/events", "/v1/watch"] {
            for site in ["cross-site", "same-site"] {
                let from = |mode| {
                    judge_at(
                        path,
                        &Method::GET,
                        &[host, ("sec-fetch-site", site), ("sec-fetch-mode", mode)],
                    )
                };
                let link = path.ends_with("events") || path.ends_with("watch");
                assert_eq!(from("navigate"), link.then_some(StatusCode::FORBIDDEN), "{path}");
                let frame = [
                    host,
                    ("sec-fetch-site", site),
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "iframe"),
                ];
                assert_eq!(
                    judge_at(path, &Method::GET, &frame),
                    Some(StatusCode::FORBIDDEN),
                    "{path}"
                );
                assert_eq!(from("no-cors"), Some(StatusCode::FORBIDDEN), "{path}");
                assert_eq!(from("cors"), Some(StatusCode::FORBIDDEN), "{path}");
            }
            assert_eq!(
                judge_at(path, &Method::GET, &[host, ("sec-fetch-site", "same-origin")]),
                None
            );
        }
        let rebound = judge(&Method::GET, &[("host", "evil.example:8090")]);
        assert_eq!(rebound, Some(StatusCode::MISDIRECTED_REQUEST));
    }
}
