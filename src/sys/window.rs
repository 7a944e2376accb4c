//! The user's own terminal, as a program far away has it: in raw mode, with its size, and news of that.

use super::signals::is_ignored;
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::low_level::pipe;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

nix::ioctl_read_bad!(window_size, nix::libc::TIOCGWINSZ, nix::libc::winsize);

/// Standard input in raw mode, until this is dropped.
#[derive(Debug)]
pub struct Raw(Termios);

impl Raw {
    /// Whether there is a terminal to type at.
    pub fn is_possible() -> bool {
        io::stdin().is_terminal()
    }

    /// # Errors
    ///
    /// When standard input is no terminal.
    pub fn enter() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&stdin, SetArg::TCSADRAIN, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.0).ok();
    }
}

/// Rows and columns of the terminal that is standard input, or output; `None` where neither is one.
pub fn size() -> Option<(u16, u16)> {
    let (stdin, stdout) = (io::stdin(), io::stdout());
    let terminals = [(stdin.is_terminal(), stdin.as_raw_fd()), (stdout.is_terminal(), stdout.as_raw_fd())];
    let (_, fd) = terminals.into_iter().find(|(is, _)| *is)?;
    let mut size = nix::libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open, and `size` is what the ioctl writes.
    unsafe { window_size(fd, &raw mut size) }.ok()?;
    Some((size.ws_row, size.ws_col))
}

/// Can be read when the size has changed.
///
/// # Errors
///
/// When the system refuses the handler.
pub fn changes() -> io::Result<UnixStream> {
    heed(&[SIGWINCH])
}

/// News that this process is to end, which it then does by itself.
#[derive(Debug)]
pub struct Endings {
    heard: UnixStream,
    /// Where everything is ignored, nobody else has it.
    _told: UnixStream,
    signal: Arc<AtomicUsize>,
}

impl Endings {
    /// From now on; whatever is ignored already stays so.
    ///
    /// # Errors
    ///
    /// When the system refuses the handlers.
    pub fn new() -> io::Result<Self> {
        let wanted = [SIGTERM, SIGHUP, SIGINT, SIGQUIT].into_iter().filter(|signal| !is_ignored(*signal));
        let (wanted, signal): (Vec<_>, _) = (wanted.collect(), Arc::new(AtomicUsize::new(0)));
        for number in &wanted {
            // Before what wakes us.
            let known = usize::try_from(*number).unwrap_or_default();
            signal_hook::flag::register_usize(*number, Arc::clone(&signal), known)?;
        }
        let (heard, told) = told(&wanted)?;
        Ok(Self { heard, _told: told, signal })
    }

    /// Whether it was asked for by kill(1) and not by a terminal.
    pub fn is_wanted(&self) -> bool {
        i32::try_from(self.signal.load(Ordering::SeqCst)).is_ok_and(|signal| signal == SIGTERM)
    }
}

impl AsFd for Endings {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.heard.as_fd()
    }
}

pub(super) fn heed(signals: &[i32]) -> io::Result<UnixStream> {
    told(signals).map(|(heard, _)| heard)
}

fn told(signals: &[i32]) -> io::Result<(UnixStream, UnixStream)> {
    let (heard, told) = UnixStream::pair()?;
    heard.set_nonblocking(true)?;
    told.set_nonblocking(true)?;
    for signal in signals {
        pipe::register(*signal, told.try_clone()?)?;
    }
    Ok((heard, told))
}
