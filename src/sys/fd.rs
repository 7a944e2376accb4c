//! Reading and writing of descriptors that do not block, with four outcomes.

pub use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    Data(usize),
    WouldBlock,
    /// Nothing more will come.
    Eof,
    Failed(Errno),
}

#[derive(Debug, PartialEq, Eq)]
pub enum Write {
    Done(usize),
    WouldBlock,
    /// Nobody reads any more.
    Closed,
    Failed(Errno),
}

pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Read {
    loop {
        return match nix::unistd::read(fd, buffer) {
            Ok(0) | Err(Errno::EIO | Errno::ECONNRESET) => Read::Eof,
            Ok(count) => Read::Data(count),
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => Read::WouldBlock,
            Err(errno) => Read::Failed(errno),
        };
    }
}

pub fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> Write {
    written(|| nix::unistd::write(fd, bytes))
}

/// The same of several pieces, as if they were one.
pub fn write_pieces(fd: BorrowedFd<'_>, pieces: &[IoSlice<'_>]) -> Write {
    written(|| nix::sys::uio::writev(fd, pieces))
}

fn written(mut write: impl FnMut() -> nix::Result<usize>) -> Write {
    loop {
        return match write() {
            Ok(count) => Write::Done(count),
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN) => Write::WouldBlock,
            Err(Errno::EPIPE | Errno::ECONNRESET) => Write::Closed,
            Err(errno) => Write::Failed(errno),
        };
    }
}

/// Opens what should be a file, to be read; a pipe without a writer is not waited for, and no terminal
/// becomes ours.
///
/// # Errors
///
/// As open(2).
pub fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    File::options().read(true).custom_flags(flags.bits()).open(path)
}

pub fn set_nonblocking(fd: &OwnedFd) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

pub fn set_close_on_exec(fd: &OwnedFd) -> nix::Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).map(drop)
}

/// Takes our standard input and output for a link, out of the way of everything else: both are
/// /dev/null from then on.
///
/// # Errors
///
/// When the system has no more descriptors.
pub fn take_standard_streams() -> io::Result<[OwnedFd; 2]> {
    let taken = [io::stdin().as_fd().try_clone_to_owned()?, io::stdout().as_fd().try_clone_to_owned()?];
    let null = File::options().read(true).write(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    nix::unistd::dup2_stdout(&null)?;
    taken.iter().try_for_each(set_nonblocking)?;
    Ok(taken)
}

/// Says that nothing more will be written to a socket.
pub fn shut_write(fd: &OwnedFd) -> nix::Result<()> {
    use std::os::fd::AsRawFd;
    nix::sys::socket::shutdown(fd.as_fd().as_raw_fd(), nix::sys::socket::Shutdown::Write)
}

/// Writes all of `bytes`, waiting where it has to.
pub fn write_all(fd: BorrowedFd<'_>, bytes: &[u8]) -> Write {
    let mut at = 0;
    while at < bytes.len() {
        match write(fd, &bytes[at..]) {
            Write::Done(count) => at += count,
            Write::WouldBlock => {
                let mut waits = [nix::poll::PollFd::new(fd, nix::poll::PollFlags::POLLOUT)];
                nix::poll::poll(&mut waits, nix::poll::PollTimeout::NONE).ok();
            }
            failed @ (Write::Closed | Write::Failed(_)) => return failed,
        }
    }
    Write::Done(at)
}
