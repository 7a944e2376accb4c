//! Unguessable bytes.

use std::io;

/// Returns bytes from the system's random source.
///
/// # Errors
///
/// Where the system has none.
pub fn bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
