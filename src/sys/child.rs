//! Child processes: started in a session of their own, talked to over a socket pair, always reaped.

use super::fd::set_nonblocking;
use super::guardian::{Guardian, Line};
use super::limits;
use super::lineage;
use super::signals;
use super::tty::{self, Role, Terminal};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const SSH: &str = "ssh";

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Status(i32),
    Signal(i32),
}

impl Exit {
    /// From a status of wait(2).
    pub fn from_wait(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Status(status >> 8 & 0xff),
            signal => Self::Signal(signal),
        }
    }
}

/// A child by its number, which no other has while it has not been reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Process(i32);

/// A child of ours that has ended and has not been reaped, whoever has started it; the same until somebody reaps it.
pub fn next_ended() -> Option<Process> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::All, flags).ok()?.pid().map(|pid| Process(pid.as_raw()))
}

/// A running process, the leader of its own session. Killed and reaped when dropped.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    exit: Option<Exit>,
}

/// A child with our ends of its standard streams, which do not block.
#[derive(Debug)]
pub struct Spawned {
    pub child: Child,
    /// Its standard input and output.
    pub link: OwnedFd,
    pub stderr: OwnedFd,
    pub terminal: Option<Terminal>,
}

/// Starts `argv`, with a terminal where it may ask for a password, and with more in its environment; what is
/// guarded runs when its guardian has been told.
///
/// # Errors
///
/// As exec(2) and fork(2); `NotFound` names a program that is not there.
pub fn spawn(
    argv: &[String],
    role: Role,
    more: Vec<(&str, OsString)>,
    guardian: Option<&Guardian>,
) -> io::Result<Spawned> {
    let (program, args) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let terminal = if role == Role::None { None } else { Some(Terminal::open()?) };
    let (ours, theirs) = UnixStream::pair()?;
    let (stderr, their_stderr) = UnixStream::pair()?;
    // The one in PATH may be this program, which stands in for it.
    let other = if program == SSH { super::program::another(SSH) } else { None };
    let mut command = Command::new(other.as_deref().unwrap_or(Path::new(program)));
    command.arg0(program);
    let theirs = OwnedFd::from(theirs);
    let input = match &terminal {
        Some(terminal) if role == Role::Input => terminal.slave(),
        Some(_) | None => &theirs,
    };
    command.args(args).envs(more).stdin(input.try_clone()?).stdout(input.try_clone()?);
    command.stderr(OwnedFd::from(their_stderr));
    let control = terminal.as_ref().map(|terminal| (terminal.slave().as_raw_fd(), theirs.as_raw_fd()));
    let line = guardian.and_then(Guardian::line);
    // SAFETY: these system calls are async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        command.pre_exec(move || {
            limits::restore();
            nix::unistd::setsid()?;
            line.into_iter().for_each(Line::tell);
            control.map_or(Ok(()), |(slave, link)| tty::take(role, slave, link))
        });
    }
    let pid = command.spawn()?.id();
    let (link, stderr) = (OwnedFd::from(ours), OwnedFd::from(stderr));
    set_nonblocking(&link)?;
    set_nonblocking(&stderr)?;
    let pid = i32::try_from(pid).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Spawned { child: Child { pid, exit: None }, link, stderr, terminal })
}

impl Child {
    /// A child that leads its own session.
    pub(super) fn of(pid: i32) -> Self {
        Self { pid, exit: None }
    }

    pub fn process(&self) -> Process {
        Process(self.pid)
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Kills it and all that descends from it.
    pub fn kill_tree(&self) {
        if self.exit.is_none() {
            lineage::kill_tree(self.pid);
        }
    }

    /// Returns how the process ended, once it has.
    pub fn poll_exit(&mut self) -> Option<Exit> {
        if self.exit.is_none() {
            self.exit = match waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, status)) => Some(Exit::Status(status)),
                Ok(WaitStatus::Signaled(_, signal, _)) => Some(Exit::Signal(signal as i32)),
                Err(Errno::ECHILD) => Some(Exit::Status(255)),
                Ok(_) | Err(_) => None,
            };
        }
        self.exit
    }

    /// Asks the process and what it started in its session's first group to end.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
        // What is stopped hears nothing else.
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to end, and does not wait: whoever asks is about to end too.
    pub fn dismiss(&mut self) {
        self.terminate();
        self.exit.get_or_insert(Exit::Signal(Signal::SIGTERM as i32));
    }

    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }

    fn signal(&self, signal: Signal) {
        if self.exit.is_none() {
            // The group may have gone although its leader has not been reaped yet.
            signals::send(-self.pid, signal).or_else(|_| signals::send(self.pid, signal)).ok();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.poll_exit().is_none() {
            self.kill();
            // After SIGKILL this does not last; an error means that there is nothing to reap.
            waitpid(Pid::from_raw(self.pid), None).ok();
        }
    }
}
