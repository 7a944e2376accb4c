//! Files without a name, which nobody has to remove: open(2), O_TMPFILE.

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Makes one on the file system of that folder, for its owner alone; `None` where it knows none.
pub fn in_folder(folder: &Path) -> Option<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(OFlag::O_TMPFILE.bits())
        .open(folder)
        .ok()?;
    way_to(&file).exists().then_some(file)
}

/// Gives it a name, which must be new.
///
/// # Errors
///
/// As linkat(2).
pub fn give_name(file: &File, name: &Path) -> io::Result<()> {
    linkat(AT_FDCWD, &way_to(file), AT_FDCWD, name, AtFlags::AT_SYMLINK_FOLLOW).map_err(io::Error::from)
}

fn way_to(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
