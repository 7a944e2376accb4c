//! A program in the place of this one, and this one beside it: they are joined by a socket, and neither is the
//! other's child, so the program's own wait(2) and signals never meet us.

use super::fd::{set_close_on_exec, set_nonblocking};
use super::limits;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, dup2_stdin, dup2_stdout, fork, setsid};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// One of both, and its end of the socket, which blocks.
#[derive(Debug)]
pub enum Side {
    /// The process that was started.
    Program(UnixStream),
    Beside(UnixStream),
}

/// Goes on twice. To be called while there is one thread.
///
/// # Errors
///
/// When the system has no more processes or descriptors.
pub fn part() -> io::Result<Side> {
    let (ours, theirs) = UnixStream::pair()?;
    // SAFETY: this process has no other thread.
    match unsafe { fork() }? {
        ForkResult::Parent { child } => {
            waitpid(child, None)?;
            Ok(Side::Program(theirs))
        }
        // SAFETY: as above; the one in between ends at once, with nothing of it dropped.
        ForkResult::Child => match unsafe { fork() } {
            Ok(ForkResult::Child) => Ok(Side::Beside(ours)),
            // SAFETY: what it would drop, the others have too.
            Ok(ForkResult::Parent { .. }) | Err(_) => unsafe { nix::libc::_exit(0) },
        },
    }
}

/// Leaves the terminal, standard input and output to the other side.
///
/// # Errors
///
/// When the system has no more descriptors.
pub fn step_back() -> io::Result<()> {
    setsid()?;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    Ok(())
}

/// Leaves the terminal and all standard streams: nobody waits for this process any more.
///
/// # Errors
///
/// When the system has no more descriptors.
pub fn leave_all() -> io::Result<()> {
    step_back()?;
    let nothing = File::options().write(true).open("/dev/null")?;
    Ok(nix::unistd::dup2_stderr(&nothing)?)
}

/// Goes on in the background; for who has started this process it ends with success. To be called while there is one
/// thread.
///
/// # Errors
///
/// When the system has no more processes.
pub fn stay_behind() -> io::Result<()> {
    // SAFETY: this process has no other thread.
    match unsafe { fork() }? {
        // Nothing is dropped here: what is watched, both processes watch by the same descriptors.
        // SAFETY: what it would drop, the other has too.
        ForkResult::Parent { .. } => unsafe { nix::libc::_exit(0) },
        ForkResult::Child => {
            setsid()?;
            Ok(())
        }
    }
}

/// Closes all descriptors but the standard ones and `kept`: those of whoever has started this process are no business of
/// one that stays.
///
/// # Errors
///
/// When they cannot be listed.
pub fn close_others(kept: &impl AsRawFd) -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| *fd > 2 && *fd != kept.as_raw_fd()) {
        // SAFETY: nothing in this process uses it; that of the listing has been closed already.
        unsafe { nix::libc::close(fd) };
    }
    Ok(())
}

/// Starts this program once more, with a socket as its standard input; returns when it has gone on by itself.
///
/// # Errors
///
/// When it cannot be started.
pub fn start_beside(words: &[&OsStr], socket: UnixListener) -> io::Result<()> {
    let mut command = Command::new(super::identity::PROGRAM);
    command.arg0("hopvine").args(words).stdin(OwnedFd::from(socket)).stdout(Stdio::null());
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

/// Our end of a link to whoever has started us with it as standard input.
///
/// # Errors
///
/// When standard input is no socket.
pub fn inherited() -> io::Result<OwnedFd> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    UnixStream::from(socket.try_clone()?).local_addr()?;
    set_close_on_exec(&socket)?;
    set_nonblocking(&socket)?;
    step_back_from_input()?;
    Ok(socket)
}

fn step_back_from_input() -> io::Result<()> {
    let nothing = File::open("/dev/null")?;
    Ok(dup2_stdin(&nothing)?)
}

/// A file in memory, which a program that we become can read.
///
/// # Errors
///
/// As memfd_create(2).
pub fn in_memory(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(name, MFdFlags::empty())?);
    file.write_all(bytes)?;
    Ok(file.into())
}

/// Becomes another program, which inherits those descriptors; returns why that cannot be.
pub fn become_program(program: &OsStr, words: &[impl AsRef<OsStr>], inherited: [&OwnedFd; 2]) -> io::Error {
    for fd in inherited {
        if let Err(error) = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))
        {
            return error.into();
        }
    }
    let mut command = Command::new(program);
    command.args(words);
    // SAFETY: nothing is forked here: it only changes limits of this process.
    unsafe {
        command.pre_exec(|| {
            limits::restore();
            Ok(())
        });
    }
    command.exec()
}

/// What a descriptor is called on another program's command line.
pub fn number(fd: &OwnedFd) -> String {
    fd.as_raw_fd().to_string()
}
