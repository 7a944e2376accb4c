//! Files on their way from memory to the disk, so that no single wait for all of one is long; where they have holes.

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

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

/// From some place in a file on: where what is written begins, and where that ends. The file is read from the first of
/// these next. Where the file system knows of no holes, all is written; behind the end nothing is.
///
/// # Errors
///
/// As lseek(2).
pub fn next_extent(file: &File, at: u64) -> io::Result<Range<u64>> {
    let size = file.metadata()?.len();
    if at >= size {
        return Ok(at..at);
    }
    let offset = |to: u64| i64::try_from(to).map_err(io::Error::other);
    let seek = |to: u64, whence: Whence| -> io::Result<u64> {
        match lseek(file, offset(to)?, whence) {
            Ok(found) => Ok(u64::try_from(found).unwrap_or(to)),
            // Nothing more is written.
            Err(Errno::ENXIO) if to < size => Ok(size),
            // Another whence is not known.
            Err(Errno::EINVAL) => Ok(if matches!(whence, Whence::SeekData) { to } else { size }),
            Err(errno) => Err(errno.into()),
        }
    };
    let start = seek(at, Whence::SeekData)?;
    let end = if start < size { seek(start, Whence::SeekHole)? } else { size };
    seek(start, Whence::SeekSet)?;
    Ok(start..end)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::FileExt;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_is_written_is_found_between_holes() {
        let mut file = tempfile::tempfile().expect("a file");
        file.set_len(8 * MIB).expect("a hole");
        file.write_all_at(b"data", 4 * MIB).expect("written");
        let found = next_extent(&file, 0).expect("looked");
        if found.start == 0 {
            assert_eq!(found, 0..8 * MIB, "no holes on this file system");
            return;
        }
        assert!(found.start <= 4 * MIB && found.end > 4 * MIB && found.end < 8 * MIB, "{found:?}");
        let mut bytes = [0; 8];
        file.read_exact(&mut bytes).expect("read");
        file.read_at(&mut bytes, 4 * MIB).expect("read");
        assert_eq!(&bytes, b"data\0\0\0\0");
        assert_eq!(next_extent(&file, found.end).expect("looked"), 8 * MIB..8 * MIB);
        assert_eq!(next_extent(&file, 9 * MIB).expect("looked"), 9 * MIB..9 * MIB);
    }
}
