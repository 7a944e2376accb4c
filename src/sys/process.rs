//! Commands that are run for somebody else: pipes for their standard streams, a session of their own.

use super::child::{Child, Exit};
use super::fd::set_nonblocking;
use super::limits;
use nix::unistd::{User, getuid};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A command with our ends of its pipes, which do not block.
#[derive(Debug)]
pub struct Started {
    pub child: Child,
    /// Where it is to read anything.
    pub input: Option<OwnedFd>,
    pub output: OwnedFd,
    pub errors: OwnedFd,
}

/// The login shell of the user that we run as, or `sh` where that lets nobody in.
pub fn login_shell() -> PathBuf {
    let user = User::from_uid(getuid()).ok().flatten();
    // Who cannot log in is reached by sudo or into a container, which do not ask that shell either.
    let lets_in = |shell: &PathBuf| {
        shell.file_name().is_some_and(|name| !matches!(name.as_bytes(), b"nologin" | b"false"))
    };
    let shell = user.map(|user| user.shell).filter(lets_in);
    shell.unwrap_or_else(|| Path::new("/bin/sh").to_owned())
}

/// Starts `program` with `words`, its own name first.
///
/// # Errors
///
/// As exec(2) and fork(2).
pub fn start(program: &OsStr, words: &[Vec<u8>], reads: bool) -> io::Result<Started> {
    let (name, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.arg0(OsStr::from_bytes(name)).args(arguments.iter().map(|word| OsStr::from_bytes(word)));
    command.stdin(if reads { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: these system calls are async-signal-safe, and nothing else happens between fork and exec.
    unsafe {
        command.pre_exec(|| {
            limits::restore();
            nix::unistd::setsid().map(drop).map_err(io::Error::from)
        });
    }
    let mut running = command.spawn()?;
    let pid = i32::try_from(running.id()).map_err(|_| io::ErrorKind::InvalidData)?;
    let input = running.stdin.take().map(OwnedFd::from);
    let (Some(output), Some(errors)) = (running.stdout.take(), running.stderr.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let (output, errors) = (OwnedFd::from(output), OwnedFd::from(errors));
    for fd in input.iter().chain([&output, &errors]) {
        set_nonblocking(fd)?;
    }
    Ok(Started { child: Child::of(pid), input, output, errors })
}

/// From wait(2)'s status to a shell's: a signal is 128 and its number.
pub fn shell_status(status: u32) -> i32 {
    let signal = (status & 0x7f) as i32;
    if signal == 0 { (status >> 8 & 0xff) as i32 } else { 128 + signal }
}

/// Asks a process to end, if it is still there.
pub fn terminate(pid: u32) {
    if let Ok(pid) = i32::try_from(pid) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).ok();
    }
}

/// wait(2)'s status of an end.
pub fn status_of(exit: Exit) -> u32 {
    match exit {
        Exit::Status(status) => (status as u32 & 0xff) << 8,
        Exit::Signal(signal) => signal as u32 & 0x7f,
    }
}
