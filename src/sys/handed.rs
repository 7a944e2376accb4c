//! Standard streams that are handed to another process of ours, which reads and writes them without waiting and
//! without changing what others see of them.

use super::fd::{self, Read, Write};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::socket::{MsgFlags, send};
use nix::sys::stat::{SFlag, fstat};
use std::fs::File;
use std::io::{self, Stderr, Stdin, Stdout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A descriptor as another process may have it.
pub enum Offer {
    /// This one: it can be used without waiting, or never waits.
    AsIs(OwnedFd),
    /// It has to stay here: a terminal, which belongs to whoever is in its foreground.
    Kept,
}

/// Our own standard streams.
pub fn ours() -> (Stdin, Stdout, Stderr) {
    (io::stdin(), io::stdout(), io::stderr())
}

fn kind(fd: BorrowedFd<'_>) -> SFlag {
    fstat(fd).map_or(SFlag::empty(), |stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT)
}

/// What may be handed over of a standard stream. A pipe is opened once more, so that not waiting is a
/// matter of the new descriptor alone.
pub fn offer(stream: BorrowedFd<'_>) -> Offer {
    let kind = kind(stream);
    let same = || stream.try_clone_to_owned().map_or(Offer::Kept, Offer::AsIs);
    if kind == SFlag::S_IFSOCK || kind == SFlag::S_IFREG {
        return same();
    }
    if kind == SFlag::S_IFIFO {
        let Ok(flags) = fcntl(stream, FcntlArg::F_GETFL).map(OFlag::from_bits_retain) else {
            return Offer::Kept;
        };
        let access = flags & OFlag::O_ACCMODE;
        let path = Path::new("/proc/self/fd").join(stream.as_raw_fd().to_string());
        let again = File::options()
            .read(access != OFlag::O_WRONLY)
            .write(access != OFlag::O_RDONLY)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path);
        return again.map_or(Offer::Kept, |file| Offer::AsIs(file.into()));
    }
    let null = nix::sys::stat::stat("/dev/null").map(|stat| stat.st_rdev);
    if kind == SFlag::S_IFCHR && fstat(stream).map(|stat| stat.st_rdev) == null {
        return same();
    }
    Offer::Kept
}

/// A stream that was handed to us.
#[derive(Debug)]
pub struct Handed {
    fd: OwnedFd,
    socket: bool,
}

impl AsFd for Handed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Handed {
    pub fn new(fd: OwnedFd) -> Self {
        let socket = kind(fd.as_fd()) == SFlag::S_IFSOCK;
        Self { fd, socket }
    }

    /// Reads at most so many bytes to the end of a buffer.
    pub fn append(&self, to: &mut Vec<u8>, most: usize) -> Read {
        to.reserve(most);
        let (before, fd) = (to.len(), self.fd.as_raw_fd());
        let room = to.spare_capacity_mut()[..most].as_mut_ptr().cast();
        loop {
            let count = if self.socket {
                // SAFETY: there is room for as many bytes as it may write.
                unsafe { libc::recv(fd, room, most, libc::MSG_DONTWAIT) }
            } else {
                // SAFETY: as above.
                unsafe { libc::read(fd, room, most) }
            };
            return match fd::Errno::result(count).map(isize::unsigned_abs) {
                Ok(0) | Err(fd::Errno::EIO | fd::Errno::ECONNRESET) => Read::Eof,
                Ok(count) => {
                    // SAFETY: that many have been written behind those that were there.
                    unsafe { to.set_len(before + count) };
                    Read::Data(count)
                }
                Err(fd::Errno::EINTR) => continue,
                Err(fd::Errno::EAGAIN) => Read::WouldBlock,
                Err(errno) => Read::Failed(errno),
            };
        }
    }

    pub fn write(&self, bytes: &[u8]) -> Write {
        if !self.socket {
            return fd::write(self.fd.as_fd(), bytes);
        }
        loop {
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
            return match send(self.fd.as_raw_fd(), bytes, flags) {
                Ok(count) => Write::Done(count),
                Err(fd::Errno::EINTR) => continue,
                Err(fd::Errno::EAGAIN) => Write::WouldBlock,
                Err(fd::Errno::EPIPE | fd::Errno::ECONNRESET) => Write::Closed,
                Err(errno) => Write::Failed(errno),
            };
        }
    }
}

/// Those of our own standard streams are nothing any more: whoever waits for their end waits for those alone to whom they
/// were handed.
pub fn let_go_of_ours([input, output, errors]: [bool; 3]) {
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        if input {
            nix::unistd::dup2_stdin(&null).ok();
        }
        if output {
            nix::unistd::dup2_stdout(&null).ok();
        }
        if errors {
            nix::unistd::dup2_stderr(&null).ok();
        }
    }
}
