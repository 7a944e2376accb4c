//! Files on this machine: read for a put, written for a fetch. What comes from below chooses no
//! name here, and nothing that is there is touched before what takes its place is whole.

mod incoming;
mod outgoing;
mod packing;

pub use incoming::{Incoming, Received};
pub use outgoing::{Outgoing, Source};

use std::io;
use std::path::Path;

/// Why a file of this machine cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalError(pub String);

impl LocalError {
    fn of(path: &Path, error: &io::Error) -> Self {
        Self(format!(
            "{} here: {}",
            path.display(),
            error.to_string().split(" (os error").next().unwrap_or("")
        ))
    }
}

fn hex(sum: &[u8]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}
