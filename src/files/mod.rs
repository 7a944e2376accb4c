//! Files of this machine: read for whoever wants them, written for whoever sends them, the same at either
//! end of a put and of a fetch. What comes from below chooses no name here, and nothing that is there is
//! touched before what takes its place is whole.

mod ground;
mod incoming;
mod notes;
mod outgoing;
mod packing;
mod place;
mod scratch;

pub use incoming::{Incoming, MAX_UNSIZED_BYTES, Received, Rules};
pub use notes::{Note, NoteKind, Notes};
pub use outgoing::{Outgoing, Source};
pub use place::{fresh, fresh_name, named};

use crate::sys::folder::Folder;
use scratch::Scratch;
use sha1::{Digest, Sha1};
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Why a file of this machine cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalError(pub String);

/// Whose words the files of this machine are told in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The user's, to whom they are here.
    Here,
    /// A host's, whose name the user sees in front of them.
    There,
}

impl Side {
    pub fn error(self, path: &Path, error: &io::Error) -> LocalError {
        LocalError(format!("{}: {}", self.name(path), words(error)))
    }

    fn name(self, path: &Path) -> String {
        match self {
            Self::Here => format!("{} here", path.display()),
            Self::There => path.display().to_string(),
        }
    }

    fn special(self, path: &Path) -> LocalError {
        LocalError(format!("{} is a device, a socket or a pipe, and no file", self.name(path)))
    }
}

/// What the system says, without its number.
pub fn words(error: &io::Error) -> String {
    match error.kind() {
        // As Python and the user's own programs have it; another C library leaves the first word out.
        io::ErrorKind::QuotaExceeded => "Disk quota exceeded".to_owned(),
        _ => error.to_string().split(" (os error").next().unwrap_or("").to_owned(),
    }
}

/// Puts a program in its place, whole or not at all, for everybody to run.
///
/// # Errors
///
/// When the place cannot have it; then what was there stays.
pub fn place_program(mut program: &File, path: &Path) -> Result<(), LocalError> {
    let mut scratch = Scratch::new(None);
    let (above, name) = (path.parent().unwrap_or(path), path.file_name().unwrap_or_default());
    let mut place = || {
        let folder = Folder::open(above)?;
        let temp = scratch.file_in(&folder, above)?;
        io::copy(&mut program, &mut temp.file())?;
        temp.file().set_permissions(Permissions::from_mode(0o755))?;
        temp.file().sync_all()?;
        scratch.persist(temp, &folder, name, above)
    };
    place().map_err(|error| Side::There.error(path, &error))
}

/// Adds so many zeros to a sum.
fn add_zeros(sum: &mut Sha1, count: u64) {
    const ZEROS: [u8; 1 << 14] = [0; 1 << 14];
    let mut left = usize::try_from(count).unwrap_or(usize::MAX);
    while left > 0 {
        let some = left.min(ZEROS.len());
        sum.update(&ZEROS[..some]);
        left -= some;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
