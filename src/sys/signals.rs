//! Signals as bytes on a socket, read by the loop like any other source.

use nix::errno::Errno;
use signal_hook::SigId;
use signal_hook::consts::{SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many listen; where nobody does, a signal ends the process as if it had never been handled.
static LISTENERS: AtomicUsize = AtomicUsize::new(0);
static DEFAULTS: Once = Once::new();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A child has ended.
    Child,
    Interrupt,
    Terminate,
    Hangup,
    /// It had been stopped, and goes on; others may have used the terminal meanwhile.
    Continue,
}

impl Signal {
    const ALL: [Self; 5] = [Self::Child, Self::Interrupt, Self::Terminate, Self::Hangup, Self::Continue];

    fn number(self) -> i32 {
        match self {
            Self::Child => SIGCHLD,
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
            Self::Hangup => SIGHUP,
            Self::Continue => SIGCONT,
        }
    }

    fn stays_ignored(self) -> bool {
        self == Self::Hangup && is_ignored(self.number())
    }
}

/// One pipe for each signal; the handlers do nothing but write to it.
#[derive(Debug)]
pub struct Signals {
    pipes: Vec<(Signal, UnixStream)>,
    handlers: Vec<SigId>,
}

impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
        LISTENERS.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Signals {
    /// Installs the handlers, until it is dropped. A signal that is ignored when we start (`nohup`) stays so.
    ///
    /// # Errors
    ///
    /// When the system refuses descriptors or handlers.
    pub fn install() -> io::Result<Self> {
        let mut kept = Ok(());
        DEFAULTS.call_once(|| kept = keep_defaults());
        kept?;
        LISTENERS.fetch_add(1, Ordering::SeqCst);
        let mut signals = Self { pipes: Vec::new(), handlers: Vec::new() };
        for signal in Signal::ALL {
            if signal.stays_ignored() {
                continue;
            }
            let (read, write) = UnixStream::pair()?;
            read.set_nonblocking(true)?;
            write.set_nonblocking(true)?;
            signals.handlers.push(low_level::pipe::register(signal.number(), write)?);
            signals.pipes.push((signal, read));
        }
        Ok(signals)
    }

    pub fn sources(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.pipes.iter().map(|(_, pipe)| pipe.as_fd())
    }

    /// Returns the signals that have come since the last call, each once.
    pub fn take(&mut self) -> Vec<Signal> {
        let mut taken = Vec::new();
        for (signal, pipe) in &self.pipes {
            let mut bytes = [0; 64];
            while let super::fd::Read::Data(_) = super::fd::read(pipe.as_fd(), &mut bytes) {
                if taken.last() != Some(signal) {
                    taken.push(*signal);
                }
            }
        }
        taken
    }
}

/// A signal that has had a handler once keeps one, whoever still listens.
fn keep_defaults() -> io::Result<()> {
    for signal in [Signal::Interrupt, Signal::Terminate, Signal::Hangup] {
        if signal.stays_ignored() {
            continue;
        }
        let number = signal.number();
        let unheard = move || {
            if LISTENERS.load(Ordering::SeqCst) == 0 {
                // It ends the process; where it cannot, nothing more can be done here.
                low_level::emulate_default_handler(number).ok();
            }
        };
        // SAFETY: it reads an atomic, and emulate_default_handler may be called in a handler.
        unsafe { low_level::register(number, unheard) }?;
    }
    Ok(())
}

/// Whether whoever has started this process wants a signal to be nothing to it.
pub(super) fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Sends `signal` to a process or, with a negative id, to a group.
pub(super) fn send(pid: i32, signal: nix::sys::signal::Signal) -> Result<(), Errno> {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    #[test]
    fn a_signal_becomes_readable_for_the_loop() {
        let mut signals = Signals::install().expect("handlers can be installed");
        let pid = i32::try_from(std::process::id()).expect("a pid fits");
        send(pid, nix::sys::signal::Signal::SIGTERM).expect("we may signal ourselves");
        send(pid, nix::sys::signal::Signal::SIGTERM).expect("we may signal ourselves");
        // Another thread of the tests may get them, a little later; others may have children that end.
        let mut taken = Vec::new();
        while !taken.contains(&Signal::Terminate) {
            let mut polled: Vec<_> =
                signals.sources().map(|source| PollFd::new(source, PollFlags::POLLIN)).collect();
            poll(&mut polled, PollTimeout::NONE).expect("can be polled");
            taken.extend(signals.take());
        }
    }
}
