//! What the system does with what has been written to a file, and when.

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;

/// Has the system begin to bring that part of a file to the disk, which whoever syncs it later need
/// not wait for. Nothing depends on it, so it cannot fail.
pub fn begin_writing(file: &File, from: u64, bytes: u64) {
    // Under Linux that is its first effect; what is still being written stays in memory.
    if let (Ok(from), Ok(bytes)) = (from.try_into(), bytes.try_into()) {
        posix_fadvise(file, from, bytes, PosixFadviseAdvice::POSIX_FADV_DONTNEED).ok();
    }
}
