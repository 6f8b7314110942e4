//! What a side of a connection offers to be sure of the other: a fresh nonce, if there is a secret.

use std::io;

use rand::{TryRng, rngs::SysRng};

use crate::wire::{NONCE_BYTES, Secret, Trust};

/// The trust of one more hello. Each has a nonce of its own, from the operating system.
///
/// # Errors
/// What the system says if it has no random numbers.
pub fn offer(secret: Option<&Secret>) -> io::Result<Trust> {
    if secret.is_none() {
        return Ok(Trust::Open);
    }
    let mut nonce = [0; NONCE_BYTES];
    SysRng.try_fill_bytes(&mut nonce).map_err(io::Error::other)?;
    Ok(Trust::Secret { nonce })
}
