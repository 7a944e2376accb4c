//! The client that stands in for ssh: hands its standard streams to a session, tells that what the user's terminal
//! does, and waits.

use crate::error::SessionError;
use crate::fakessh::Refusal;
use crate::proto::message::session::{Fault, FromSession, Place, ToSession, What};
use crate::session::caller::Caller;
use crate::sys::fd::{self, Errno, Read, Write};
use crate::sys::handed::{self, Offer};
use crate::sys::poll::{Interest, Poller};
use crate::sys::{guest, window};
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

const READ_BYTES: usize = 32 * 1024;
const SESSION_KEY: usize = 0;
const WINDOW_KEY: usize = 1;
const ENDING_KEY: usize = 2;
/// What has come of a command that ended well, where its output is lost here: as wait(2) has it.
const UNWRITTEN: u32 = (Refusal::STATUS as u32) << 8;
const READABLE: Interest = Interest { readable: true, writable: false };

/// How much it matters what is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Detail,
    Warning,
    /// Something is lost.
    Error,
}

/// How the stand-in behaves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Goes to the background once the way is open.
    pub background: bool,
    /// What begins an escape at the beginning of a line, where the terminal is raw.
    pub escape: Option<u8>,
}

/// How it ended.
#[derive(Debug)]
pub enum Ended {
    /// As wait(2) has it.
    Exit(u32),
    Failed(Fault),
    /// The session has gone.
    Lost,
    /// The user wanted so, at the terminal.
    Left,
    /// By a signal; `wanted`: of kill(1).
    Told {
        wanted: bool,
    },
}

/// Has a session run something with our standard streams, by an Exec or a Lend; `note` shows what it notes meanwhile.
///
/// # Errors
///
/// When this machine fails us: no descriptors, no threads.
pub fn attend(
    mut caller: Caller,
    request: ToSession,
    manner: Manner,
    note: &dyn Fn(&str, &str, Weight),
) -> io::Result<Ended> {
    let (reads, terminal) = match &request {
        ToSession::Exec(exec) => (exec.reads, exec.terminal.is_some()),
        ToSession::Lend(lend) => (lend.reads, false),
        _ => (false, false),
    };
    let dials = matches!(&request, ToSession::Exec(exec) if matches!(exec.what, What::Dial { .. }));
    let raw = terminal && window::Raw::is_possible();
    let target = match &request {
        ToSession::Exec(exec) => match &exec.place {
            Place::Path(path) => path.name.clone(),
            Place::Host { host, .. } => host.clone(),
        },
        ToSession::Lend(lend) => lend.on.name.clone(),
        _ => String::new(),
    };
    let mut desk = Desk::new(reads)?;
    if caller.say(&request, &desk.numbers()).is_err() {
        return Ok(Ended::Lost);
    }
    desk.handed_over(dials);
    let (left, unwritten) = (Arc::default(), false);
    let mut call = Call { caller, desk, manner, terminal, raw, screen: None, left, target, unwritten, note };
    let ended = call.wait()?;
    if let Ended::Exit(_) = ended {
        call.caller.part();
    }
    Ok(ended)
}

/// What runs for us.
struct Call<'a> {
    caller: Caller,
    desk: Desk,
    manner: Manner,
    /// Whether it has a terminal there.
    terminal: bool,
    /// Whether ours passes on all keys meanwhile.
    raw: bool,
    screen: Option<window::Raw>,
    /// Whether the user has wanted to leave.
    left: Arc<AtomicBool>,
    /// What it is shown as where it runs.
    target: String,
    /// Whether some of its output is lost.
    unwritten: bool,
    note: &'a dyn Fn(&str, &str, Weight),
}

impl Call<'_> {
    fn wait(&mut self) -> io::Result<Ended> {
        let mut poller = Poller::new()?;
        let (changes, endings) = (window::changes()?, window::Endings::new()?);
        poller.add(self.caller.as_fd(), SESSION_KEY, READABLE)?;
        poller.add(changes.as_fd(), WINDOW_KEY, READABLE)?;
        poller.add(endings.as_fd(), ENDING_KEY, READABLE)?;
        let mut ready = Vec::new();
        loop {
            ready.clear();
            poller.wait(None, &mut ready)?;
            for one in &ready {
                let ended = match one.key {
                    ENDING_KEY => Some(Ended::Told { wanted: endings.is_wanted() }),
                    WINDOW_KEY => {
                        drain(&changes);
                        self.resized();
                        None
                    }
                    _ => self.hear()?,
                };
                if let Some(ended) = ended {
                    return Ok(ended);
                }
            }
        }
    }

    fn resized(&mut self) {
        if let Some((rows, columns)) = window::size().filter(|_| self.terminal) {
            // Where it has gone, that is seen next.
            self.caller.say(&ToSession::Resize { rows, columns }, &[]).ok();
        }
    }

    /// Takes what the session has said; returns how it ended, once it has.
    fn hear(&mut self) -> io::Result<Option<Ended>> {
        let Some(messages) = self.caller.hear_some()? else {
            let left = self.left.load(Ordering::SeqCst);
            return Ok(Some(if left { Ended::Left } else { Ended::Lost }));
        };
        for message in messages {
            if let Some(ended) = self.take(message)? {
                return Ok(Some(ended));
            }
        }
        Ok(None)
    }

    fn take(&mut self, message: FromSession) -> io::Result<Option<Ended>> {
        match message {
            FromSession::Started => self.started()?,
            FromSession::Ask { number, target, text, shown } => {
                self.caller.ask_user(number, &target, &text, shown).ok();
            }
            FromSession::Note { target, text, warning } => {
                (self.note)(&target, &text, if warning { Weight::Warning } else { Weight::Detail });
            }
            FromSession::Unwritten(number) => self.is_unwritten(Errno::from_raw(number)),
            FromSession::Exit(status) => {
                self.finish();
                // Who asks for the status alone must not take what has come for all.
                let all = status != 0 || !self.unwritten;
                return Ok(Some(Ended::Exit(if all { status } else { UNWRITTEN })));
            }
            FromSession::Failed(fault) => {
                self.finish();
                return Ok(Some(Ended::Failed(fault)));
            }
            FromSession::Hello { .. }
            | FromSession::Opened { .. }
            | FromSession::Asked
            | FromSession::Held(_)
            | FromSession::Tree { .. }
            | FromSession::Done => {}
        }
        Ok(None)
    }

    /// The way is open.
    fn started(&mut self) -> io::Result<()> {
        (self.note)("session", "the way is open", Weight::Detail);
        if self.manner.background {
            guest::stay_behind()?;
            self.desk.let_go_of_outputs();
        }
        if self.raw {
            self.screen = Some(window::Raw::enter()?);
        }
        let escape = self.manner.escape.filter(|_| self.raw);
        self.desk.begin(escape, self.caller.handle()?, &self.left)
    }

    fn is_unwritten(&mut self, errno: Errno) {
        self.unwritten = true;
        let text = SessionError::Unwritten(errno.into()).to_string();
        (self.note)(&self.target, &text, Weight::Error);
    }

    /// All has been shown, and the terminal is as it was.
    fn finish(&mut self) {
        let unwritten = self.desk.finish();
        self.screen = None;
        unwritten.into_iter().for_each(|errno| self.is_unwritten(errno));
    }
}

fn drain(mut stream: &UnixStream) {
    let mut buffer = [0; 64];
    while matches!(stream.read(&mut buffer), Ok(1..)) {}
}

/// Our standard streams: what the session gets for each, and what of ours stays and is copied.
struct Desk {
    given: Vec<OwnedFd>,
    /// Of streams that had to stay: our ends of what the session has instead.
    kept: [Option<UnixStream>; 3],
    /// Each returns why it could not go on.
    copies: Vec<JoinHandle<Option<Errno>>>,
}

impl Desk {
    fn new(reads: bool) -> io::Result<Self> {
        let (stdin, stdout, stderr) = handed::ours();
        let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
        let mut desk = Self { given: Vec::new(), kept: [None, None, None], copies: Vec::new() };
        for (at, stream) in streams.into_iter().enumerate() {
            if at == 0 && !reads {
                desk.given.push(std::fs::File::open("/dev/null")?.into());
                continue;
            }
            match handed::offer(stream) {
                Offer::AsIs(fd) => desk.given.push(fd),
                Offer::Kept => {
                    let (ours, theirs) = UnixStream::pair()?;
                    desk.given.push(theirs.into());
                    desk.kept[at] = Some(ours);
                }
            }
        }
        Ok(desk)
    }

    fn numbers(&self) -> Vec<i32> {
        self.given.iter().map(AsRawFd::as_raw_fd).collect()
    }

    /// From now on, whoever writes to us waits for the session alone. Our output stays ours too, as with ssh: who reads it
    /// to its end then finds that we have ended, and how. What comes from a connection (`dials`) may end before we do.
    fn handed_over(&mut self, dials: bool) {
        self.given.clear();
        handed::let_go_of_ours([self.kept[0].is_none(), dials && self.kept[1].is_none(), false]);
    }

    /// Nothing is said any more but by what runs there.
    fn let_go_of_outputs(&self) {
        handed::let_go_of_ours([false, self.kept[1].is_none(), self.kept[2].is_none()]);
    }

    /// Copies what had to stay.
    fn begin(&mut self, escape: Option<u8>, call: UnixStream, left: &Arc<AtomicBool>) -> io::Result<()> {
        let [input, output, errors] = std::mem::take(&mut self.kept);
        if let Some(to) = input {
            let left = Arc::clone(left);
            // It is never waited for: only the terminal's user ends it.
            std::thread::Builder::new().spawn(move || copy_input(to, escape, &call, &left))?;
        }
        if let Some(from) = output {
            self.copies.push(
                std::thread::Builder::new().spawn(move || copy_output(from, handed::ours().1.as_fd()))?,
            );
        }
        if let Some(from) = errors {
            self.copies.push(
                std::thread::Builder::new().spawn(move || copy_output(from, handed::ours().2.as_fd()))?,
            );
        }
        Ok(())
    }

    /// Waits until all has been shown; returns why some of it could not be.
    fn finish(&mut self) -> Vec<Errno> {
        self.copies.drain(..).filter_map(|copy| copy.join().ok().flatten()).collect()
    }
}

/// What is typed, until its end; `~.` at the beginning of a line ends the call.
fn copy_input(mut to: UnixStream, escape: Option<u8>, call: &UnixStream, left: &AtomicBool) {
    let mut typed = Typed { escape, state: State::LineStart };
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match fd::read(io::stdin().as_fd(), &mut buffer) {
            Read::Data(count) => {
                let (bytes, leaves) = typed.take(&buffer[..count]);
                if to.write_all(&bytes).is_err() {
                    return;
                }
                if leaves {
                    left.store(true, Ordering::SeqCst);
                    call.shutdown(Shutdown::Both).ok();
                    return;
                }
            }
            Read::WouldBlock => {
                if crate::sys::stdio::wait_for_input().is_err() {
                    return;
                }
            }
            Read::Eof | Read::Failed(_) => {
                to.shutdown(Shutdown::Write).ok();
                return;
            }
        }
    }
}

/// Returns why it could not go on, other than that nobody reads any more.
fn copy_output(mut from: UnixStream, to: BorrowedFd<'_>) -> Option<Errno> {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        match fd::write_all(to, &buffer[..count]) {
            Write::Failed(errno) => return Some(errno),
            Write::Closed => return None,
            Write::Done(_) | Write::WouldBlock => {}
        }
    }
    None
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    LineStart,
    Within,
    Escaped,
}

/// What is typed on a raw terminal.
#[derive(Debug)]
struct Typed {
    escape: Option<u8>,
    state: State,
}

impl Typed {
    /// What of it is to be passed on, and whether the user wants to leave.
    fn take(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let Some(escape) = self.escape else { return (bytes.to_vec(), false) };
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes.iter().copied() {
            match self.state {
                State::LineStart if byte == escape => {
                    self.state = State::Escaped;
                    continue;
                }
                State::Escaped if byte == b'.' => return (out, true),
                State::Escaped if byte == escape => {}
                State::Escaped => out.push(escape),
                State::LineStart | State::Within => {}
            }
            out.push(byte);
            self.state = if matches!(byte, b'\r' | b'\n') { State::LineStart } else { State::Within };
        }
        (out, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(escape: Option<u8>, pieces: &[&str]) -> (String, bool) {
        let mut typed = Typed { escape, state: State::LineStart };
        let (mut out, mut left) = (Vec::new(), false);
        for piece in pieces {
            let (bytes, leaves) = typed.take(piece.as_bytes());
            out.extend(bytes);
            left |= leaves;
        }
        (String::from_utf8_lossy(&out).into_owned(), left)
    }

    #[test]
    fn an_escape_leaves_at_the_beginning_of_a_line_alone() {
        assert_eq!(typed(Some(b'~'), &["ls\r~", "."]), ("ls\r".into(), true));
        assert_eq!(typed(Some(b'~'), &["~."]), (String::new(), true));
        assert_eq!(typed(Some(b'~'), &["cd ~.\r"]), ("cd ~.\r".into(), false));
        assert_eq!(typed(Some(b'~'), &["~~.\r~x"]), ("~.\r~x".into(), false));
        assert_eq!(typed(None, &["~.\r"]), ("~.\r".into(), false));
    }
}
