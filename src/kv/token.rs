//! A token as text: what clients carry in a header, a body or a file, and never look into.
//!
//! ```text
//!   base64url, no padding, of:   version u8 = 1 | version vector | check u32
//! ```
//!
//! The check finds what was cut, mistyped or mixed up; it is no signature: a client can forge a token, and all it can
//! do with it is make itself wait. A token names at least one hundred and fifty lives of replicas within
//! [`TOKEN_TEXT_BYTES_MAX`]; before it has more, the replicas leave out lives that have ended.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::request::Token;
use crate::{
    clock::VersionVector,
    wire::{FieldError, Fields},
};

/// Longest text of a token, in bytes: what HTTP servers and proxies let through in one header.
pub const TOKEN_TEXT_BYTES_MAX: usize = 4096;

/// Longest version vector of a token, in bytes.
pub const TOKEN_BYTES_MAX: usize = TOKEN_TEXT_BYTES_MAX / 4 * 3 - VERSION_BYTES - CHECK_BYTES;

const VERSION: u8 = 1;
const VERSION_BYTES: usize = 1;
const CHECK_BYTES: usize = 4;

/// A text that is no token.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    /// It is too long.
    #[error(
        "the token has {bytes} bytes, and has at most {TOKEN_TEXT_BYTES_MAX}: start a new session without a token"
    )]
    TooLong {
        /// How many bytes.
        bytes: usize,
    },
    /// It has characters that no token has, or too few of them.
    #[error("the token is cut off or changed: pass on unchanged what the last answer had")]
    Text,
    /// It is none that a replica has given.
    #[error("this is no token of this store: pass on unchanged what the last answer had")]
    Foreign,
    /// It is of another version.
    #[error("the token is of version {version}, and this replica knows version {VERSION}")]
    Version {
        /// Which.
        version: u8,
    },
    /// Something in it was changed.
    #[error("the token is damaged: pass on unchanged what the last answer had")]
    Damaged,
    /// It is whole and yet makes no sense.
    #[error("the token makes no sense: {0}")]
    Layout(#[from] FieldError),
}

/// The text of a token; empty for the one that has seen nothing.
#[must_use]
pub fn token_text(token: &Token) -> String {
    if token.is_empty() {
        return String::new();
    }
    let mut bytes = vec![VERSION];
    token.encode(&mut bytes);
    bytes.extend_from_slice(&check(&bytes).to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`token_text`] wrote; an empty text is a session that has seen nothing. Spaces around it are none of it.
///
/// # Errors
/// [`TokenError`] says what is wrong with it; the request is not done.
pub fn parse_token(text: &str) -> Result<Token, TokenError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Token::new());
    }
    if text.len() > TOKEN_TEXT_BYTES_MAX {
        return Err(TokenError::TooLong { bytes: text.len() });
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Text)?;
    let (&version, _) = bytes.split_first().ok_or(TokenError::Text)?;
    let parts = bytes.split_last_chunk::<CHECK_BYTES>();
    let whole = parts.filter(|(checked, given)| check(checked) == u32::from_be_bytes(**given));
    let checked = match (version, whole) {
        (VERSION, Some((checked, _))) => checked,
        (VERSION, None) => return Err(TokenError::Damaged),
        (version, Some(_)) => return Err(TokenError::Version { version }),
        (_, None) => return Err(TokenError::Foreign),
    };
    let mut fields = Fields::new(checked.get(VERSION_BYTES..).unwrap_or_default());
    let token = VersionVector::decode(&mut fields)?;
    fields.end()?;
    Ok(token)
}

/// FNV-1a in 32 bits (Fowler, Noll, Vo).
fn check(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811C_9DC5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests;
