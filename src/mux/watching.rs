//! What the owner of a mux watches beside its links.

use super::{ERRAND_KEYS, Event, FIRST_OWN_KEY, INPUT_KEY, Mux, OUTPUT_KEYS, READABLE};
use crate::sys::child::{self, Spawned};
use crate::sys::poll::Interest;
use crate::sys::stdio::Stream;
use crate::sys::tty::Role;
use std::io;
use std::os::fd::AsFd;

impl Mux {
    /// Watches a descriptor of the owner's, by a number of the owner's, until [`Self::ignore`].
    ///
    /// # Errors
    ///
    /// When it cannot be watched.
    pub fn heed(&mut self, fd: &impl AsFd, number: usize, interest: Interest) -> io::Result<()> {
        self.poller.add(fd.as_fd(), FIRST_OWN_KEY + number, interest)
    }

    /// Must come before the descriptor is closed; one that is not watched is left alone.
    pub fn ignore(&mut self, fd: &impl AsFd) {
        self.poller.remove(fd).ok();
    }

    /// Watches standard input.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` where it is always ready, as a file is.
    pub fn watch_input(&mut self) -> io::Result<()> {
        self.poller.add(io::stdin().as_fd(), INPUT_KEY, READABLE)
    }

    /// # Errors
    ///
    /// When it was not watched.
    pub fn forget_input(&mut self) -> io::Result<()> {
        self.poller.remove(&io::stdin())
    }

    /// Tells once when a standard stream takes more, or has no reader any more; without `writable` the latter only.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` where it always takes more, as a file does.
    pub fn watch_output(&mut self, stream: Stream, writable: bool) -> io::Result<()> {
        let interest = Interest { readable: false, writable };
        stream.with_fd(|fd| self.poller.add(fd, Self::key_of(stream, &OUTPUT_KEYS), interest))
    }

    /// One that is not watched is left alone.
    pub fn forget_output(&mut self, stream: Stream) {
        stream.with_fd(|fd| self.poller.remove(&fd)).ok();
    }

    /// Starts the one errand that the owner may have beside its links; the owner ends it.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub fn start_errand(&self, argv: &[String]) -> io::Result<Spawned> {
        child::spawn(argv, Role::None, Vec::new(), self.guardian.as_ref())
    }

    /// Watches an output of the one errand that the owner may have beside its links, until
    /// [`Self::forget_errand`]. A child's end comes as [`Event::Signal`].
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be watched.
    pub fn watch_errand(&mut self, fd: &impl AsFd, output: Stream, interest: Interest) -> io::Result<()> {
        self.poller.add(fd.as_fd(), Self::key_of(output, &ERRAND_KEYS), interest)
    }

    /// Must come before the descriptor is closed; one that is not watched is left alone.
    pub fn forget_errand(&mut self, fd: &impl AsFd) {
        self.poller.remove(fd).ok();
        // What is still watched will be ready again.
        self.events.retain(|event| !matches!(event, Event::Errand(_)));
    }
}
