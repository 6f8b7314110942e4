//! Who may ask: only this computer's own browser, on this page.
//!
//! The server listens on loopback. A page of another site could still send requests here, under another host's name
//! (DNS rebinding) or under ours; so every request has to name this host, none may come from another site, and one
//! that commands has to come from this page and bring its token. Nothing allows other sites to read answers (CORS).

use axum::http::{HeaderMap, Method, StatusCode, header};
use rand::{TryRng, rngs::SysRng};

/// The header that carries the token.
pub(super) const TOKEN_HEADER: &str = "x-clocklab-token";

/// What a request has to show.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    /// Host headers that name this server.
    hosts: Vec<String>,
    token: String,
}

/// A refusal: the status, and words that name the mend.
pub(super) type Refusal = (StatusCode, &'static str);

impl Guard {
    /// The guard of a server on `port` of loopback, with a fresh token.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(super) fn new(port: u16) -> Result<Self, String> {
        let mut token = String::new();
        for _ in 0..4 {
            let drawn = SysRng.try_next_u64().map_err(|error| error.to_string())?;
            token += &format!("{drawn:016x}");
        }
        let mut hosts = vec![format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        if port == 80 {
            hosts.extend(["127.0.0.1".to_owned(), "localhost".to_owned()]);
        }
        Ok(Self { hosts, token })
    }

    /// What the page is given, so that it can command.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Judges a request by its method, path and headers.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn judge(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(header::HOST.as_str()).unwrap_or_default();
        if !self.hosts.iter().any(|known| known == host) {
            return Err((
                StatusCode::MISDIRECTED_REQUEST,
                "This server is called 127.0.0.1 or localhost, with its port. Open the address that `clocklab watch` printed.\n",
            ));
        }
        // Browsers say where a request comes from; only the page itself may be opened from elsewhere.
        let site = text("sec-fetch-site").unwrap_or("none");
        if path != "/" && !matches!(site, "same-origin" | "none") {
            return Err((
                StatusCode::FORBIDDEN,
                "Only the page of this server may ask for this.\n",
            ));
        }
        if method == Method::GET || method == Method::HEAD {
            return Ok(());
        }
        let origin = text(header::ORIGIN.as_str()).and_then(|origin| origin.strip_prefix("http://"));
        if !origin.is_some_and(|origin| self.hosts.iter().any(|known| known == origin)) {
            return Err((
                StatusCode::FORBIDDEN,
                "Only the page of this server may give commands.\n",
            ));
        }
        if text(TOKEN_HEADER) != Some(&self.token) {
            return Err((
                StatusCode::FORBIDDEN,
                "The page's token is missing or of an earlier server: reload the page.\n",
            ));
        }
        Ok(())
    }
}
