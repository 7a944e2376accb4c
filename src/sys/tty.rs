//! Terminals for programs that ask for passwords: a pseudo-terminal of ours, which they control.

use super::askpass::on_one_line;
use super::fd::{self, Read, Write, set_nonblocking};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::pty::openpty;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::sys::time::TimeSpec;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// What a terminal takes as one line.
const MAX_LINE_BYTES: usize = 4096;

/// Where a child has its terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Nowhere.
    #[default]
    None,
    /// It is the controlling one; the link is standard input and output.
    Beside,
    /// It is standard input and output too, and the link is descriptor 3.
    Input,
}

/// Both ends. Ours keeps the other open, so that it can be read before and after the program has it.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
}

impl Terminal {
    /// # Errors
    ///
    /// When the system has none left.
    pub fn open() -> io::Result<Self> {
        let pair = openpty(None, None)?;
        for end in [&pair.master, &pair.slave] {
            fd::set_close_on_exec(end)?;
        }
        set_nonblocking(&pair.master)?;
        Ok(Self { master: pair.master, slave: pair.slave })
    }

    pub fn fd(&self) -> &OwnedFd {
        &self.master
    }

    pub(super) fn slave(&self) -> &OwnedFd {
        &self.slave
    }

    pub fn read(&self, buffer: &mut [u8]) -> Read {
        fd::read(self.master.as_fd(), buffer)
    }

    /// Ours, and the one of whoever has this as its terminal.
    pub(super) fn into_ends(self) -> (OwnedFd, OwnedFd) {
        (self.master, self.slave)
    }

    /// Types a line; whether all of it was taken.
    pub fn type_line(&self, line: &[u8]) -> bool {
        let text = zeroize::Zeroizing::new([line, b"\n"].concat());
        matches!(fd::write(self.master.as_fd(), &text), Write::Done(count) if count == text.len())
    }

    /// Whether what is typed is not shown.
    pub fn is_hidden(&self) -> bool {
        tcgetattr(&self.master).is_ok_and(|settings| !settings.local_flags.contains(LocalFlags::ECHO))
    }
}

/// Whether what is typed is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    Shown,
    Hidden,
}

impl Echo {
    fn applied_to(self, settings: &Termios) -> Termios {
        let mut settings = settings.clone();
        settings.local_flags.set(LocalFlags::ECHO, self == Self::Shown);
        settings
    }
}

/// Asks on the controlling terminal of this process. What is to be hidden is so before the question is
/// shown, and the terminal is as it was again whatever happens.
///
/// # Errors
///
/// When there is no terminal; `Interrupted` when the user does not want to answer.
pub fn ask(question: &str, echo: Echo) -> io::Result<Vec<u8>> {
    let terminal = own()?;
    let before = tcgetattr(&terminal)?;
    extern "C" fn nothing(_: i32) {}
    let handler = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing; without SA_RESTART it ends the wait.
    let (interrupt, terminate) =
        unsafe { (sigaction(Signal::SIGINT, &handler)?, sigaction(Signal::SIGTERM, &handler)?) };
    // Heard while we wait and at no other time: what comes between two steps is not lost.
    let mut signals = SigSet::empty();
    [Signal::SIGINT, Signal::SIGTERM].into_iter().for_each(|signal| signals.add(signal));
    let mask = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let read = tcsetattr(&terminal, SetArg::TCSAFLUSH, &echo.applied_to(&before))
        .map_err(io::Error::from)
        .and_then(|()| {
            // In the words of a stranger, perhaps.
            read_line(&terminal, &format!("{} ", on_one_line(question)), mask)
        });
    let restored = tcsetattr(&terminal, SetArg::TCSAFLUSH, &before);
    // SAFETY: what was there before; it has what comes from now on.
    unsafe {
        sigaction(Signal::SIGINT, &interrupt)?;
        sigaction(Signal::SIGTERM, &terminate)?;
    }
    mask.thread_set_mask()?;
    restored?;
    // Else what ended the line has been seen.
    if echo == Echo::Hidden || read.is_err() {
        (&terminal).write_all(b"\n")?;
    }
    read
}

/// The controlling terminal of this process.
fn own() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/tty")
}

pub fn is_there() -> bool {
    own().is_ok()
}

/// A question on the controlling terminal that does not wait for its answer: [`Self::fd`] tells when
/// there is more to read. The terminal is as it was again when this is dropped.
#[derive(Debug)]
pub struct Inquiry {
    terminal: OwnedFd,
    before: Termios,
    line: zeroize::Zeroizing<Vec<u8>>,
    echo: Echo,
    /// What is on the terminal ends in the middle of a line.
    open: bool,
}

/// What has come of an inquiry.
#[derive(Debug)]
pub enum Progress {
    Waiting,
    Answered(Vec<u8>),
    Declined,
}

impl Inquiry {
    /// # Errors
    ///
    /// When there is no terminal.
    pub fn open(question: &str, echo: Echo) -> io::Result<Self> {
        let mut terminal = own()?;
        let before = tcgetattr(&terminal)?;
        tcsetattr(&terminal, SetArg::TCSAFLUSH, &echo.applied_to(&before))?;
        let shown = terminal.write_all(question.as_bytes());
        let line = zeroize::Zeroizing::new(Vec::with_capacity(MAX_LINE_BYTES));
        let inquiry = Self { terminal: terminal.into(), before, line, echo, open: true };
        shown?;
        set_nonblocking(&inquiry.terminal)?;
        Ok(inquiry)
    }

    pub fn fd(&self) -> &OwnedFd {
        &self.terminal
    }

    /// Reads what has been typed. A line that is too long declines, as an end of file does.
    pub fn read(&mut self) -> Progress {
        let mut buffer = zeroize::Zeroizing::new([0; MAX_LINE_BYTES]);
        let count = match fd::read(self.terminal.as_fd(), buffer.as_mut_slice()) {
            Read::Data(count) => count,
            Read::WouldBlock => return Progress::Waiting,
            Read::Eof | Read::Failed(_) => return Progress::Declined,
        };
        let (line, ended) = match buffer[..count].iter().position(|byte| *byte == b'\n') {
            Some(end) => (&buffer[..end], true),
            None => (&buffer[..count], false),
        };
        if self.line.len() + line.len() > MAX_LINE_BYTES {
            return Progress::Declined;
        }
        self.line.extend_from_slice(line);
        if !ended {
            return Progress::Waiting;
        }
        self.open = self.echo == Echo::Hidden;
        Progress::Answered(std::mem::take(&mut *self.line))
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        tcsetattr(&self.terminal, SetArg::TCSAFLUSH, &self.before).ok();
        if self.open {
            fd::write(self.terminal.as_fd(), b"\n");
        }
    }
}

/// Reads a line; a signal that `mask` lets through ends that.
fn read_line(mut terminal: &File, question: &str, mask: SigSet) -> io::Result<Vec<u8>> {
    terminal.write_all(question.as_bytes())?;
    let mut line = Vec::with_capacity(MAX_LINE_BYTES);
    let mut byte = [0];
    while line.len() < MAX_LINE_BYTES {
        ppoll(&mut [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)], None, Some(mask))?;
        // What can be read hides a signal that came before it.
        ppoll(&mut [], Some(TimeSpec::from_duration(Duration::ZERO)), Some(mask))?;
        match nix::unistd::read(terminal, &mut byte)? {
            0 if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            _ if byte == *b"\n" => break,
            _ => line.push(byte[0]),
        }
    }
    Ok(line)
}

nix::ioctl_write_ptr_bad!(set_size, nix::libc::TIOCSWINSZ, nix::libc::winsize);

/// Tells a terminal, by our end of it, how large it is; what runs there hears of it.
///
/// # Errors
///
/// When it is no terminal.
pub fn resize(master: &OwnedFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = nix::libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: an ioctl on an open descriptor, which reads `size` only.
    unsafe { set_size(master.as_raw_fd(), &size) }?;
    Ok(())
}

nix::ioctl_write_int_bad!(set_controlling_terminal, nix::libc::TIOCSCTTY);

/// To be called between fork and exec, in a new session: takes the terminal, and for [`Role::Input`]
/// puts the link where it belongs.
pub(super) fn take(role: Role, slave: RawFd, link: RawFd) -> io::Result<()> {
    // SAFETY: an ioctl on a descriptor that the caller holds; async-signal-safe.
    unsafe { set_controlling_terminal(slave, 0) }?;
    if role == Role::Input {
        // SAFETY: dup2 is async-signal-safe; `link` is above 3, because our standard streams, the
        // poller and this terminal have been opened before it.
        if unsafe { nix::libc::dup2(link, 3) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
