//! The run's secret, and the proofs of a handshake that both sides know it (protocol.md, section 2).
//!
//! ```text
//!   dialler                                   accepter
//!      | hello, with a nonce  ------------------> |
//!      | <------------------  hello, with a nonce |
//!      | <-----------------------  proof(accepter) |     verified first
//!      | proof(dialler)  ------------------------> |     verified; the link is up
//! ```
//!
//! Pure: no socket, no file, no random numbers. Encrypts nothing.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use super::{
    control::{ErrorCode, PROOF_BYTES},
    handshake::{Hello, Refusal, Trust},
};

/// Fewest bytes of a secret. Whoever connects is given a proof to try guesses on, so a secret must be beyond guessing.
pub const SECRET_BYTES_MIN: usize = 32;

/// In front of everything that is proved, so that no other use of the secret gives the same bytes.
const LABEL: &[u8] = b"clocklab proof";

/// What all machines of a run know, and nobody else. Never shown, not even by `Debug`.
///
/// `==` takes as long as the texts agree: it is for settings, never for what a peer sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

/// A text that is too short for a secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "a secret has at least {SECRET_BYTES_MIN} characters, this one {bytes}: make one with `clocklab secret`"
)]
pub struct SecretError {
    /// How many bytes it has.
    pub bytes: usize,
}

/// On which side of a connection a proof is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The side that connected.
    Dialler,
    /// The side that was listening.
    Accepter,
}

/// Both hellos of one connection: what its proofs are about.
#[derive(Clone, Copy, Debug)]
pub struct Handshake<'a> {
    /// As the dialler sent it.
    pub dialler: &'a Hello,
    /// As the accepter sent it.
    pub accepter: &'a Hello,
}

impl Secret {
    /// The secret that a text holds; space around it is none of it.
    ///
    /// # Errors
    /// [`SecretError`] if less than [`SECRET_BYTES_MIN`] bytes are left.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        match text.len() {
            bytes if bytes < SECRET_BYTES_MIN => Err(SecretError { bytes }),
            _ => Ok(Self(text.as_bytes().into())),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

impl Role {
    fn byte(self) -> u8 {
        match self {
            Role::Dialler => 1,
            Role::Accepter => 2,
        }
    }
}

impl Handshake<'_> {
    /// The proof that the side `role` knows `secret`: HMAC-SHA-256 over the label, the role, and both hellos.
    ///
    /// Both nonces, ids, runs and lives are in it: it is worth nothing on another connection, nor in the other direction.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    #[must_use]
    pub fn proof(&self, secret: &Secret, role: Role) -> [u8; PROOF_BYTES] {
        self.hmac(secret, role).finalize().into_bytes().into()
    }

    /// Whether the other side knows the secret. Takes the same time wherever a wrong proof differs.
    ///
    /// # Errors
    /// [`Refusal`] with `not_authenticated`.
    ///
    /// # Panics
    /// Never: HMAC takes a key of any length.
    pub fn verify(&self, secret: &Secret, role: Role, proof: &[u8; PROOF_BYTES]) -> Result<(), Refusal> {
        let verified = self.hmac(secret, role).verify_slice(proof);
        verified.map_err(|_| {
            Refusal::new(
                ErrorCode::NotAuthenticated,
                "the proof is wrong: give every machine the same --secret-file",
            )
        })
    }

    fn hmac(&self, secret: &Secret, role: Role) -> Hmac<Sha256> {
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&secret.0) else {
            unreachable!("HMAC takes a key of any length");
        };
        hmac.update(LABEL);
        hmac.update(&[role.byte()]);
        for hello in [self.dialler, self.accepter] {
            let body = hello.body();
            // A hello has at most 116 bytes; its length in front keeps the two apart.
            hmac.update(&u16::try_from(body.len()).unwrap_or(u16::MAX).to_be_bytes());
            hmac.update(&body);
        }
        hmac
    }
}

impl Trust {
    /// Judges how the other side wants to be sure: both have a secret, or neither.
    ///
    /// # Errors
    /// [`Refusal`] with `not_authenticated`, in words for the other side.
    pub fn judge(&self, other: &Trust) -> Result<(), Refusal> {
        let text = match (self, other) {
            (Trust::Open, Trust::Open) | (Trust::Secret { .. }, Trust::Secret { .. }) => return Ok(()),
            (Trust::Secret { .. }, Trust::Open) => {
                "this run has a secret and you gave none: give its --secret-file"
            }
            (Trust::Open, Trust::Secret { .. }) => {
                "you have a secret and this machine has none: give every machine the same --secret-file"
            }
        };
        Err(Refusal::new(ErrorCode::NotAuthenticated, text))
    }
}
