//! The program's own standard streams, shared with others: their flags are never changed.

use super::fd::{self, Read, Write};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::SFlag;
use std::io::{self, IsTerminal, Read as _};
use std::os::fd::{AsFd, BorrowedFd};

/// A pipe takes this much at once where it takes anything (POSIX calls it PIPE_BUF).
const ATOMIC_BYTES: usize = 4096;

/// What is read from standard input, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    Terminal,
    /// Closed when the program started, or the null device.
    Nothing,
    /// Cannot be read.
    Folder,
    /// A pipe, a socket, a file.
    Piped,
}

/// Tells what standard input is.
pub fn input() -> Input {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Input::Terminal;
    }
    let null = nix::sys::stat::stat("/dev/null").map(|stat| stat.st_rdev);
    match nix::sys::stat::fstat(&stdin) {
        Ok(stat) if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR => {
            Input::Folder
        }
        Ok(stat) if Ok(stat.st_rdev) != null || stat.st_rdev == 0 => Input::Piped,
        Ok(_) | Err(_) => Input::Nothing,
    }
}

pub fn is_terminal(stream: Stream) -> bool {
    match stream {
        Stream::Out => io::stdout().is_terminal(),
        Stream::Err => io::stderr().is_terminal(),
    }
}

/// Whether both outputs are the same terminal.
pub fn is_one_terminal() -> bool {
    let device = |stream: Stream| {
        is_terminal(stream)
            .then(|| stream.with_fd(|fd| nix::sys::stat::fstat(fd)).ok().map(|stat| stat.st_rdev))
            .flatten()
    };
    device(Stream::Out).is_some_and(|out| device(Stream::Err) == Some(out))
}

nix::ioctl_read_bad!(window_size, nix::libc::TIOCGWINSZ, nix::libc::winsize);

/// Rows and columns of the terminal behind an output, while it is ours to draw on: not for a job in the
/// background. `None` too where it does not tell.
pub fn drawing_area(stream: Stream) -> Option<(usize, usize)> {
    use std::os::fd::AsRawFd;
    stream.with_fd(|fd| {
        if nix::unistd::tcgetpgrp(fd).is_ok_and(|group| group != nix::unistd::getpgrp()) {
            return None;
        }
        let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the descriptor is open, and `size` is what the ioctl writes.
        unsafe { window_size(fd.as_raw_fd(), &raw mut size) }.ok()?;
        (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row.into(), size.ws_col.into()))
    })
}

/// Reads what standard input has; waits where it has nothing yet.
pub fn read_input(buffer: &mut [u8]) -> Read {
    fd::read(io::stdin().as_fd(), buffer)
}

/// Waits until standard input has something; others may have made it not wait.
///
/// # Errors
///
/// When it cannot be waited for.
pub fn wait_for_input() -> io::Result<()> {
    let stdin = io::stdin();
    poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE)?;
    Ok(())
}

/// From now on, standard input is a file.
///
/// # Errors
///
/// As dup2(2).
pub fn replace_input(file: &std::fs::File) -> io::Result<()> {
    nix::unistd::dup2_stdin(file).map_err(io::Error::from)
}

/// Reads standard input to its end.
///
/// # Errors
///
/// When it cannot be read.
pub fn read_all_input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An output of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    Out,
    Err,
}

impl Stream {
    pub fn with_fd<T>(self, action: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
        match self {
            Self::Out => action(io::stdout().as_fd()),
            Self::Err => action(io::stderr().as_fd()),
        }
    }

    /// Whether it is a pipe or a socket that nobody reads any more.
    pub fn is_unread(self) -> bool {
        self.with_fd(|fd| {
            let mut polled = [PollFd::new(fd, PollFlags::empty())];
            let gone = PollFlags::POLLERR | PollFlags::POLLHUP;
            poll(&mut polled, PollTimeout::ZERO) == Ok(1)
                && polled[0].revents().is_some_and(|found| found.intersects(gone))
        })
    }

    /// Writes as much of `bytes` as goes without waiting.
    pub fn write(self, bytes: &[u8]) -> Write {
        self.with_fd(|fd| {
            let mut done = 0;
            while done < bytes.len() {
                let mut polled = [PollFd::new(fd, PollFlags::POLLOUT)];
                if poll(&mut polled, PollTimeout::ZERO) == Ok(0) {
                    break;
                }
                let chunk = &bytes[done..bytes.len().min(done + ATOMIC_BYTES)];
                match fd::write(fd, chunk) {
                    Write::Done(count) => done += count,
                    Write::WouldBlock => break,
                    end => return end,
                }
            }
            if done == 0 && !bytes.is_empty() { Write::WouldBlock } else { Write::Done(done) }
        })
    }
}
