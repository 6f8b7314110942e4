//! What a path names. Everything behind `/kvs/`, `/data/`, `/v1/keys/` and `/v1/why/` is a key, so that no route of ours
//! takes a name away from clients.

use crate::{kv::Key, units::MachineId};

/// Most characters of a key in the assignment's 2024 form.
pub(super) const KEY_CHARACTERS_MAX: usize = 50;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// `/kvs/KEY`.
    Kvs(Key),
    /// `/data/KEY`.
    Data(Key),
    /// `/data`.
    AllData,
    /// `/view`.
    View,
    /// `/ping`.
    Ping,
    /// `/v1/keys/KEY`.
    Key(Key),
    /// `/v1/keys`.
    Keys,
    /// `/v1/batch`.
    Batch,
    /// `/v1/watch`.
    Watch,
    /// `/v1/members`.
    Members,
    /// `/v1/members/ID`.
    Member(MachineId),
    /// `/v1/members/ID/drain`.
    Drain(MachineId),
    /// `/v1/members/ID/replace`.
    Replace(MachineId),
    /// `/v1/status`.
    Status,
    /// `/v1/why/KEY`; of the empty key, which is none, and `/v1/why`: of all keys.
    Why(Key),
    /// `/v1/events`.
    Events,
    /// `/v1/access`.
    Access,
    /// `/v1/openapi.json`.
    OpenApi,
    /// `/healthz`.
    Health,
    /// `/readyz`.
    Ready,
    /// `/metrics`.
    Metrics,
    /// Under `/v1/`, and nothing that there is.
    Nothing,
    /// Anything else: pages, if there are any.
    Page,
}

/// How errors are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `{"error": …}`, as the assignment has them.
    Assignment,
    /// `application/problem+json` (RFC 9457).
    Problem,
}

impl Resource {
    /// What a path names, without its query.
    pub(super) fn of(path: &str) -> Self {
        if let Some(key) = path.strip_prefix("/kvs/") {
            return Self::Kvs(decode(key));
        }
        if let Some(key) = path.strip_prefix("/v1/keys/") {
            return Self::Key(decode(key));
        }
        if let Some(key) = path.strip_prefix("/data/") {
            return Self::Data(decode(key));
        }
        if let Some(key) = path.strip_prefix("/v1/why/") {
            return Self::Why(decode(key));
        }
        if let Some(member) = path.strip_prefix("/v1/members/") {
            return Self::of_member(member);
        }
        match path {
            "/data" => Self::AllData,
            "/view" => Self::View,
            "/ping" => Self::Ping,
            "/v1/keys" => Self::Keys,
            "/v1/batch" => Self::Batch,
            "/v1/watch" => Self::Watch,
            "/v1/members" => Self::Members,
            "/v1/status" => Self::Status,
            "/v1/why" => Self::Why(Key::default()),
            "/v1/events" => Self::Events,
            "/v1/access" => Self::Access,
            "/v1/openapi.json" => Self::OpenApi,
            "/healthz" => Self::Health,
            "/readyz" => Self::Ready,
            "/metrics" => Self::Metrics,
            _ if path == "/v1" || path.starts_with("/v1/") => Self::Nothing,
            _ => Self::Page,
        }
    }

    fn of_member(rest: &str) -> Self {
        let (id, action) = match rest.split_once('/') {
            Some((id, action)) => (id, Some(action)),
            None => (rest, None),
        };
        match (id.parse().map(MachineId), action) {
            (Ok(id), None) => Self::Member(id),
            (Ok(id), Some("drain")) => Self::Drain(id),
            (Ok(id), Some("replace")) => Self::Replace(id),
            _ => Self::Nothing,
        }
    }

    /// How errors of it are told.
    pub(super) fn style(&self) -> Style {
        match self {
            Self::Kvs(_) | Self::Data(_) | Self::AllData | Self::View | Self::Ping => Style::Assignment,
            Self::Key(_)
            | Self::Keys
            | Self::Batch
            | Self::Watch
            | Self::Members
            | Self::Member(_)
            | Self::Drain(_)
            | Self::Replace(_)
            | Self::Status
            | Self::Why(_)
            | Self::Events
            | Self::Access
            | Self::OpenApi
            | Self::Health
            | Self::Ready
            | Self::Metrics
            | Self::Nothing
            | Self::Page => Style::Problem,
        }
    }

    /// Whether it takes one of the places of requests. What tells how the replica is, and the page that shows it, is there
    /// for as long as there are connections: it waits for nobody.
    pub(super) fn needs_place(&self) -> bool {
        match self {
            Self::Ping | Self::Health | Self::Ready | Self::Metrics | Self::Page => false,
            Self::Kvs(_)
            | Self::Data(_)
            | Self::AllData
            | Self::View
            | Self::Key(_)
            | Self::Keys
            | Self::Batch
            | Self::Watch
            | Self::Members
            | Self::Member(_)
            | Self::Drain(_)
            | Self::Replace(_)
            | Self::Status
            | Self::Why(_)
            | Self::Events
            | Self::Access
            | Self::OpenApi
            | Self::Nothing => true,
        }
    }

    /// The methods that it knows, as the header `Allow` has them.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Self::Kvs(_) | Self::Data(_) => "GET, HEAD, PUT, DELETE",
            Self::Key(_) => "GET, HEAD, PUT, POST, DELETE",
            Self::View => "GET, HEAD, PUT, DELETE",
            Self::Members => "GET, HEAD, PUT",
            Self::Member(_) => "GET, HEAD, PUT, DELETE",
            Self::Batch | Self::Drain(_) | Self::Replace(_) => "POST",
            Self::AllData
            | Self::Ping
            | Self::Keys
            | Self::Watch
            | Self::Status
            | Self::Why(_)
            | Self::Events
            | Self::Access
            | Self::OpenApi
            | Self::Health
            | Self::Ready
            | Self::Metrics
            | Self::Nothing
            | Self::Page => "GET, HEAD",
        }
    }
}

/// Takes the percent signs out. One that stands for no byte is itself, as browsers have it.
pub(super) fn decode(text: &str) -> Key {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return bytes.into();
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        match rest {
            [b'%', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                decoded.push(16 * digit(*high) + digit(*low));
                rest = behind;
            }
            [byte, behind @ ..] => {
                decoded.push(*byte);
                rest = behind;
            }
            [] => return decoded.into(),
        }
    }
}

/// A part of a query, where a plus is a blank, as forms have it.
pub(super) fn decode_query(text: &str) -> Key {
    if text.contains('+') {
        decode(&text.replace('+', " "))
    } else {
        decode(text)
    }
}

/// Puts percent signs in, so that the text can stand in a query or in a segment of a path.
pub(super) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            text.push(char::from(*byte));
            continue;
        }
        text.push('%');
        for half in [byte >> 4, byte & 15] {
            text.extend(DIGITS.get(usize::from(half)).map(|digit| char::from(*digit)));
        }
    }
    text
}

/// The value of a hexadecimal digit.
fn digit(text: u8) -> u8 {
    match text {
        b'0'..=b'9' => text - b'0',
        b'a'..=b'f' => text - b'a' + 10,
        _ => text.wrapping_sub(b'A').wrapping_add(10),
    }
}

/// Whether a key is longer than the assignment's 2024 form allows.
pub(super) fn is_too_long(key: &[u8]) -> bool {
    // No character has fewer bytes than one.
    key.len() > KEY_CHARACTERS_MAX && String::from_utf8_lossy(key).chars().count() > KEY_CHARACTERS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_behind_a_prefix_is_a_key() {
        for (path, key) in [
            ("/kvs/a", &b"a"[..]),
            ("/kvs/", b""),
            ("/kvs/view", b"view"),
            ("/kvs/a/b/../c", b"a/b/../c"),
            ("/kvs/%2e%2E", b".."),
            ("/kvs/%", b"%"),
            ("/kvs/%4", b"%4"),
            ("/kvs/%zz%41", b"%zzA"),
            ("/kvs/a+b", b"a+b"),
            ("/kvs/%C3%BC", "ü".as_bytes()),
            ("/kvs/%ff%00", b"\xff\0"),
        ] {
            assert_eq!(Resource::of(path), Resource::Kvs(key.into()), "{path}");
            let path = path.replacen("/kvs/", "/v1/keys/", 1);
            assert_eq!(Resource::of(&path), Resource::Key(key.into()), "{path}");
            let path = path.replacen("/v1/keys/", "/data/", 1);
            assert_eq!(Resource::of(&path), Resource::Data(key.into()), "{path}");
        }
    }

    #[test]
    fn members_have_numbers() {
        assert_eq!(Resource::of("/v1/members/7"), Resource::Member(MachineId(7)));
        assert_eq!(Resource::of("/v1/members/7/drain"), Resource::Drain(MachineId(7)));
        for path in [
            "/v1/members/",
            "/v1/members/x",
            "/v1/members/7/",
            "/v1/members/65536",
            "/v1/",
        ] {
            assert_eq!(Resource::of(path), Resource::Nothing, "{path}");
        }
        assert_eq!(Resource::of("/v10"), Resource::Page);
    }

    #[test]
    fn keys_have_characters_not_bytes() {
        assert!(!is_too_long("ü".repeat(50).as_bytes()));
        assert!(is_too_long("ü".repeat(51).as_bytes()));
        assert!(is_too_long(&[b'x'; 51]));
        assert!(!is_too_long(&[b'x'; 50]));
    }

    proptest::proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(bytes: Vec<u8>) {
            proptest::prop_assert_eq!(&*decode(&encode(&bytes)), &bytes[..]);
            proptest::prop_assert_eq!(&*decode_query(&encode(&bytes)), &bytes[..]);
        }
    }
}
