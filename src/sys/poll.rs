//! The poller. It hides four facts about `polling`: level mode must be asked for, adding is unsafe
//! because a source must be deleted before it is closed, one key is reserved, and `wait` takes
//! care of EINTR itself, so that a signal must arrive as a readable descriptor.

use polling::{Event, Events, PollMode, Poller as Inner};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

/// What a source is watched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest {
    pub readable: bool,
    pub writable: bool,
}

/// A source that is ready, by the key it was added with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    pub key: usize,
    pub readable: bool,
    pub writable: bool,
}

#[derive(Debug)]
pub struct Poller {
    inner: Inner,
    events: Events,
}

impl Poller {
    /// # Errors
    ///
    /// Where the system refuses one more descriptor.
    pub fn new() -> io::Result<Self> {
        Ok(Self { inner: Inner::new()?, events: Events::new() })
    }

    /// Watches `source` until [`Self::remove`], which must come before it is closed.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` for what cannot be polled, such as a regular file.
    pub fn add(&self, source: BorrowedFd<'_>, key: usize, interest: Interest) -> io::Result<()> {
        // SAFETY: every owner in `link` and `mux` calls `remove` before it drops the descriptor.
        unsafe { self.inner.add_with_mode(source.as_raw_fd(), event(key, interest), PollMode::Level) }
    }

    /// Changes what a source is watched for.
    ///
    /// # Errors
    ///
    /// When the source has not been added.
    pub fn modify(&self, source: BorrowedFd<'_>, key: usize, interest: Interest) -> io::Result<()> {
        self.inner.modify_with_mode(source, event(key, interest), PollMode::Level)
    }

    /// Forgets a source.
    ///
    /// # Errors
    ///
    /// When the source has not been added.
    pub fn remove(&self, source: &impl AsFd) -> io::Result<()> {
        self.inner.delete(source.as_fd())
    }

    /// Waits until a source is ready or the time is up; appends what is ready to `ready`.
    ///
    /// # Errors
    ///
    /// When the system refuses to wait.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        self.events.clear();
        self.inner.wait(&mut self.events, timeout)?;
        ready.extend(self.events.iter().map(|event| Ready {
            key: event.key,
            readable: event.readable || event.is_interrupt(),
            writable: event.writable,
        }));
        Ok(())
    }
}

fn event(key: usize, interest: Interest) -> Event {
    let mut event = Event::none(key);
    event.readable = interest.readable;
    event.writable = interest.writable;
    if interest.readable {
        event.set_interrupt(true);
    }
    event
}
