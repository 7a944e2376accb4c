//! Standard input, read as far as those whom it goes to have room.

use crate::controller::feed::Feed;
use crate::error::InputError;
use crate::mux::Mux;
use crate::sys::fd::Read;
use crate::sys::stdio;
use std::io;

/// Standard input on its way to commands.
pub(super) struct Input {
    pub(super) feed: Feed,
    source: Source,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Watched,
    /// Nobody has room for more.
    Paused,
    /// A file: always ready, cannot be watched.
    Ready,
    Ended,
}

impl Input {
    pub(super) fn open(mux: &mut Mux) -> io::Result<Self> {
        let source = match mux.watch_input() {
            Ok(()) => Source::Watched,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Source::Ready,
            Err(error) => return Err(error),
        };
        Ok(Self { feed: Feed::default(), source })
    }

    /// Whether there is something to read, and room for it, without waiting.
    pub(super) fn is_ready(&self) -> bool {
        self.source == Source::Ready && self.feed.wants_more()
    }

    pub(super) fn read(&mut self) {
        let mut buffer = vec![0; 64 * 1024];
        match stdio::read_input(&mut buffer) {
            Read::Data(count) => self.feed.push(&buffer[..count]),
            Read::WouldBlock => {}
            Read::Eof => self.feed.end(),
            Read::Failed(errno) => self.feed.fail(InputError::Unread(errno.into())),
        }
    }

    /// Stops or starts watching the source, by whether anybody has room for more.
    pub(super) fn balance(&mut self, mux: &mut Mux) -> io::Result<()> {
        let (next, wants_more) = (self.feed.has_ended(), self.feed.wants_more());
        self.source = match (self.source, next, wants_more) {
            (Source::Watched, true, _) => {
                mux.forget_input()?;
                Source::Ended
            }
            (Source::Watched, false, false) => {
                mux.forget_input()?;
                Source::Paused
            }
            (Source::Paused, false, true) => {
                mux.watch_input()?;
                Source::Watched
            }
            (Source::Ready, true, _) => Source::Ended,
            (same, _, _) => same,
        };
        Ok(())
    }
}
