//! The other end of a session's socket: a program that asks, and waits for what it hears.

use crate::payload;
use crate::proto::message::session::{FromSession, Hidden, Parcel, ToSession};
use crate::sys::rendezvous;
use crate::sys::tty::{self, Echo};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

const READ_BYTES: usize = 64 * 1024;
/// How long the other end may take to go.
const LAST_WAIT: Duration = Duration::from_secs(3);
/// How long it may take to answer a greeting.
const GREETING: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Caller {
    stream: UnixStream,
    heard: Vec<u8>,
}

/// Why there is nobody to ask.
#[derive(Debug)]
pub enum Silence {
    /// Another version runs, as this process, and understands nothing else.
    Version {
        build: String,
        pid: u32,
        caller: Caller,
    },
    /// It has ended, or is about to.
    Gone,
    Failed(io::Error),
}

impl From<io::Error> for Silence {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl AsFd for Caller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Caller {
    /// Greets whoever is at the other end.
    ///
    /// # Errors
    ///
    /// When that is another version, or has gone.
    pub fn greet(stream: UnixStream) -> Result<Self, Silence> {
        let mut caller = Self { stream, heard: Vec::new() };
        // A process that is stopped is waited for by nobody.
        caller.stream.set_read_timeout(Some(GREETING))?;
        caller.stream.set_write_timeout(Some(GREETING))?;
        let ended = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
        };
        match caller.say(&ToSession::Hello { build: payload::build() }, &[]) {
            Err(error) if ended(&error) => return Err(Silence::Gone),
            said => said?,
        }
        let heard = caller.hear().map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, "it does not answer"),
            _ => error,
        });
        caller.stream.set_read_timeout(None)?;
        caller.stream.set_write_timeout(None)?;
        match heard? {
            Some(FromSession::Hello { build, .. }) if build == payload::build() => Ok(caller),
            Some(FromSession::Hello { build, pid }) => Err(Silence::Version { build, pid, caller }),
            Some(_) => Err(Silence::Failed(io::ErrorKind::InvalidData.into())),
            None => Err(Silence::Gone),
        }
    }

    /// Who listens there; `None` where nobody does.
    ///
    /// # Errors
    ///
    /// As [`Self::greet`], and where the socket is another user's.
    pub fn find(path: &Path) -> Result<Option<Self>, Silence> {
        match rendezvous::connect(path) {
            Ok(stream) => match Self::greet(stream) {
                Err(Silence::Gone) => Ok(None),
                greeted => greeted.map(Some),
            },
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says something, with descriptors that go along.
    ///
    /// # Errors
    ///
    /// When the session has gone.
    pub fn say(&mut self, message: &ToSession, fds: &[RawFd]) -> io::Result<()> {
        let bytes = Zeroizing::new(message.pack().map_err(|error| io::Error::other(error.to_string()))?);
        rendezvous::send(&self.stream, &bytes, fds)
    }

    /// Puts the session's question to the user at the terminal, and passes the answer on, if there is one;
    /// `shown`: what is typed can be seen.
    ///
    /// # Errors
    ///
    /// When the session has gone.
    pub fn ask_user(&mut self, number: u32, target: &str, text: &str, shown: bool) -> io::Result<()> {
        let echo = if shown { Echo::Shown } else { Echo::Hidden };
        let answer = tty::ask(&format!("{target}: {text} "), echo).ok().map(Hidden::new);
        self.say(&ToSession::Answer { number, answer }, &[])
    }

    /// Waits for the next message; `None` when the session has gone.
    ///
    /// # Errors
    ///
    /// When what comes is no message.
    pub fn hear(&mut self) -> io::Result<Option<FromSession>> {
        loop {
            let message = FromSession::unpack(&mut self.heard);
            if let Some(message) = message.map_err(|error| io::Error::other(error.to_string()))? {
                return Ok(Some(message));
            }
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    /// Reads once what has come, and returns the messages in it; `None` when the session has gone.
    ///
    /// # Errors
    ///
    /// When what comes is no message.
    pub fn hear_some(&mut self) -> io::Result<Option<Vec<FromSession>>> {
        if !self.read()? {
            return Ok(None);
        }
        let mut messages = Vec::new();
        while let Some(message) =
            FromSession::unpack(&mut self.heard).map_err(|error| io::Error::other(error.to_string()))?
        {
            messages.push(message);
        }
        Ok(Some(messages))
    }

    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = vec![0; READ_BYTES];
        match rendezvous::receive(&self.stream, &mut buffer) {
            Ok((0, _)) => Ok(false),
            Ok((count, _)) => {
                self.heard.extend(&buffer[..count]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Says that nothing more will be asked, and waits until the other end has gone.
    pub fn part(self) {
        self.stream.shutdown(Shutdown::Write).ok();
        self.wait();
    }

    /// Waits until the other end has gone, for a while.
    pub fn wait(mut self) {
        self.stream.set_read_timeout(Some(LAST_WAIT)).ok();
        while self.read().unwrap_or_default() {}
    }

    /// A second handle, for another thread to end the call with.
    ///
    /// # Errors
    ///
    /// When the system has no more descriptors.
    pub fn handle(&self) -> io::Result<UnixStream> {
        self.stream.try_clone()
    }
}
