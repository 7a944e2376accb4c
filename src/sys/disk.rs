//! Files on their way from memory to the disk, so that no single wait for all of one is long; the times of links.

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::libc;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::{TimeSpec, TimeValLike};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Has the system begin to write these bytes of a file.
///
/// # Errors
///
/// When the disk takes no more.
pub fn begin(file: &File, bytes: Range<u64>) -> io::Result<()> {
    write_back(file, bytes, libc::SYNC_FILE_RANGE_WRITE)
}

/// Waits until these have been written; the metadata may be missing yet.
///
/// # Errors
///
/// When they could not be.
pub fn wait(file: &File, bytes: Range<u64>) -> io::Result<()> {
    let all =
        libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    write_back(file, bytes, all)
}

/// Sets the times of a symbolic link itself, in nanoseconds since 1970.
///
/// # Errors
///
/// When its file system has none to set.
pub fn set_link_time(link: &Path, mtime_ns: i64) -> io::Result<()> {
    let time = TimeSpec::nanoseconds(mtime_ns);
    Ok(utimensat(AT_FDCWD, link, &time, &time, UtimensatFlags::NoFollowSymlink)?)
}

fn write_back(file: &File, bytes: Range<u64>, flags: libc::c_uint) -> io::Result<()> {
    // No bytes would be all of them.
    if bytes.is_empty() {
        return Ok(());
    }
    let [start, size] = [bytes.start, bytes.end - bytes.start].map(i64::try_from);
    let (Ok(start), Ok(size)) = (start, size) else { return Ok(()) };
    // SAFETY: the descriptor is open; no memory is handed over.
    let done = unsafe { libc::sync_file_range(file.as_raw_fd(), start, size, flags) };
    match Errno::result(done) {
        Err(error @ (Errno::EIO | Errno::ENOSPC | Errno::EDQUOT)) => Err(error.into()),
        // What does not know this is left to fsync(2).
        Ok(_) | Err(_) => Ok(()),
    }
}
