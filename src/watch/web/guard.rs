//! Who may ask: a browser that was given this server's key, on this server's page.
//!
//! The server listens on loopback, which everybody who is logged in to this computer reaches, and it may hold the run's
//! secret. So each request has to bring the server's key, which stands in the address that `clocklab watch --web` prints:
//!
//! ```text
//!   GET /?key=KEY   -->  the cookie, and on to /: the key does not stay in the address bar
//!   GET / …, with the cookie, or with ?key=KEY where a program asks
//! ```
//!
//! A page of another site could still make the browser send requests here, under another host's name (DNS rebinding) or
//! under ours. So every request has to name this host, none may come from another site but one that opens the page, and
//! one that commands has to come from the page. Nothing allows other sites to read answers (CORS).
//!
//! What this leaves open: cookies know no ports, so that a server of somebody else on this computer, opened in the same
//! browser on 127.0.0.1, is sent the cookie too. README.md says so.

use axum::{
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{Html, IntoResponse, Response},
};
use hmac::{Hmac, KeyInit, Mac};
use rand::{TryRng, rngs::SysRng};
use sha2::Sha256;

/// What a browser is given that came with the key: it goes on to the page by itself. Not a redirect by status, which
/// would still count as coming from the site that a link stood on, and bring no cookie.
const WELCOME: &str = "<!DOCTYPE html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"0;url=/\">\
    <link rel=\"icon\" href=\"data:,\"><title>clocklab, live</title><p><a href=\"/\">On to the page</a></p>\n";

/// What a request has to show.
#[derive(Clone)]
pub(super) struct Guard {
    /// Host headers that name this server.
    hosts: Vec<String>,
    key: String,
    /// With the port in it: cookies do not tell the ports of a host apart.
    cookie: String,
}

/// How a request is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// To what it asks for.
    Granted,
    /// To [`Guard::welcome`]: it came by the address with the key.
    Welcome,
}

/// A refusal: the status, and words that name the mend.
pub(super) type Refusal = (StatusCode, &'static str);

impl Guard {
    /// The guard of a server on `port` of loopback, with a fresh key.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn new(port: u16) -> Result<Self, String> {
        let mut key = String::new();
        for _ in 0..4 {
            let drawn = SysRng.try_next_u64().map_err(|error| error.to_string())?;
            key += &format!("{drawn:016x}");
        }
        let mut hosts = vec![format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        if port == 80 {
            hosts.extend(["127.0.0.1".to_owned(), "localhost".to_owned()]);
        }
        let cookie = format!("clocklab-{port}");
        Ok(Self { hosts, key, cookie })
    }

    /// What stands behind the host in the address that opens the page.
    pub(super) fn path(&self) -> String {
        format!("/?key={}", self.key)
    }

    /// Judges a request by its method, address and headers.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<Entry, Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST.as_str()).unwrap_or_default();
        if !self.hosts.iter().any(|known| known == host) {
            return Err((
                StatusCode::MISDIRECTED_REQUEST,
                "This server is called 127.0.0.1 or localhost, with its port. Open the address that `clocklab watch --web` printed.\n",
            ));
        }
        // Browsers say where a request comes from; only the page itself may be opened from elsewhere.
        let site = text("sec-fetch-site").unwrap_or("none");
        let opens_page = uri.path() == "/" && text("sec-fetch-mode") == Some("navigate");
        if !matches!(site, "same-origin" | "none") && !opens_page {
            return Err((
                StatusCode::FORBIDDEN,
                "Only the page of this server may ask for this.\n",
            ));
        }
        let asked = uri.query().unwrap_or_default().split('&');
        let has_key = asked
            .filter_map(|part| part.strip_prefix("key="))
            .any(|given| self.is_key(given));
        if !has_key && !self.has_cookie(headers) {
            return Err((
                StatusCode::FORBIDDEN,
                "This page is for whoever started it: open the address that `clocklab watch --web` printed, with its key. \
                 Every server has another one.\n",
            ));
        }
        if method == Method::GET || method == Method::HEAD {
            let is_arrival = has_key && uri.path() == "/";
            return Ok(if is_arrival {
                Entry::Welcome
            } else {
                Entry::Granted
            });
        }
        let origin = text(header::ORIGIN.as_str()).and_then(|origin| origin.strip_prefix("http://"));
        if !origin.is_some_and(|origin| self.hosts.iter().any(|known| known == origin)) {
            return Err((
                StatusCode::FORBIDDEN,
                "Only the page of this server may give commands.\n",
            ));
        }
        Ok(Entry::Granted)
    }

    /// Gives the cookie, and leads on to the page.
    pub(super) fn welcome(&self) -> Response {
        let cookie = format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie, self.key);
        ([(header::SET_COOKIE, cookie)], Html(WELCOME)).into_response()
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).into_iter();
        cookies
            .filter_map(|cookies| cookies.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .any(|(name, given)| name == self.cookie && self.is_key(given))
    }

    /// Whether a text is the key. Takes the same time wherever a wrong one differs.
    fn is_key(&self, given: &str) -> bool {
        let hmac = |text: &str| Hmac::<Sha256>::new_from_slice(text.as_bytes()).ok();
        let known = hmac(&self.key).map(|hmac| hmac.finalize().into_bytes());
        known
            .zip(hmac(given))
            .is_some_and(|(known, given)| given.verify_slice(&known).is_ok())
    }
}
