//! A program in the foreground: signals of the terminal are its own, those that are sent to us are passed on.

use super::poll::{Interest, Poller};
use super::signals::is_ignored;
use super::window::heed;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGTERM};
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

const ENDED_KEY: usize = 0;
const TOLD_KEY: usize = 1;
const READABLE: Interest = Interest { readable: true, writable: false };

/// Runs it to its end, with more in its environment; returns how it ended, as wait(2) has it.
///
/// # Errors
///
/// When it cannot be started.
pub fn run(words: &[OsString], more: &[(&str, OsString)]) -> io::Result<u32> {
    let (program, words) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut poller = Poller::new()?;
    // What is ignored stays so, for the program too.
    let wanted: Vec<i32> = [SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)).collect();
    let (ended, told) = (heed(&[SIGCHLD])?, heed(&wanted)?);
    poller.add(ended.as_fd(), ENDED_KEY, READABLE)?;
    poller.add(told.as_fd(), TOLD_KEY, READABLE)?;
    let mut child =
        Command::new(program).args(words).envs(more.iter().map(|(name, value)| (name, value))).spawn()?;
    for of_terminal in [Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { signal(of_terminal, SigHandler::SigIgn) }?;
    }
    let pid = i32::try_from(child.id()).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut ready = Vec::new();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.into_raw().unsigned_abs());
        }
        ready.clear();
        poller.wait(None, &mut ready)?;
        let mut byte = [0];
        if (&told).read(&mut byte).is_ok_and(|count| count > 0) {
            kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
        }
        while (&ended).read(&mut byte).is_ok_and(|count| count > 0) {}
    }
}
