//! An errand of the doctor's: a command of this machine to its end, or a connection to the first
//! line that comes over it. One at a time, through the loop, never beyond its deadline.

use super::agent::Asked;
use super::{Doctor, Step};
use crate::controller::operation::{Answer, Feed, Request, Run, Words};
use crate::error::{HostError, HostErrorKind};
use crate::mux::Event;
use crate::proto::ids::ContextId;
use crate::report::Finding;
use crate::sys::child::{Exit, Spawned};
use crate::sys::fd::{self, Errno, Read, Write};
use crate::sys::poll::Interest;
use crate::sys::stdio::Stream;
use crate::sys::{clock, tcp};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

const READABLE: Interest = Interest { readable: true, writable: false };
const WRITABLE: Interest = Interest { readable: false, writable: true };
const READ_BYTES: usize = 64 * 1024;
/// An agent's start takes more noise than this for none of ours, too.
pub(super) const MAX_OUTPUT_BYTES: usize = 1 << 20;
/// As RFC 4253 has it for a server's first line; lines before it may be longer together.
const MAX_GREETING_BYTES: usize = 8 * 1024;

/// What came of a command.
pub(super) struct Ran {
    pub(super) argv: Vec<String>,
    pub(super) end: End,
    pub(super) out: Vec<u8>,
    pub(super) err: Vec<u8>,
    /// Lines that the way there has said of itself, taken out of standard error.
    pub(super) aside: Vec<String>,
    pub(super) took: Duration,
}

pub(super) enum End {
    Exit(Exit),
    TooSlow,
    TooMuch,
    NotStarted(String),
}

/// What came of a connection.
pub(super) enum Knock {
    /// The server's line, as ssh servers introduce themselves.
    Greeted(String),
    /// Something else was said before time or bytes ran out, or nothing.
    Odd(Vec<u8>),
    /// Connected, and closed without a word of ssh.
    Closed(Vec<u8>),
    Failed(Errno),
    TooSlow,
}

/// What helps of all that ssh says of itself, by the kind of failure.
const TELLING: [(&str, &str); 5] = [
    ("auth_failed", "Offering public key: "),
    ("auth_failed", "Trying private key: "),
    ("auth_failed", "Authentications that can continue: "),
    ("host_key_unknown", "Server host key: "),
    ("host_key_changed", "Server host key: "),
];
/// Who has begun to talk does not wait before the greeting.
const TALK_WAIT: Duration = Duration::from_secs(2);

struct Errand {
    spawned: Spawned,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Ran {
    pub(super) fn exit(&self) -> Option<Exit> {
        match self.end {
            End::Exit(exit) => Some(exit),
            End::TooSlow | End::TooMuch | End::NotStarted(_) => None,
        }
    }

    pub(super) fn succeeded(&self) -> bool {
        self.exit() == Some(Exit::Status(0))
    }

    pub(super) fn out_text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    pub(super) fn err_lines(&self) -> Vec<String> {
        lines(&self.err)
    }

    /// How it ended, then what it said.
    pub(super) fn got(&self) -> Vec<String> {
        let how = match &self.end {
            End::Exit(Exit::Status(status)) => format!("exit status {status}"),
            End::Exit(Exit::Signal(signal)) => format!("killed by signal {signal}"),
            End::TooSlow => format!("no end within {}", humantime::format_duration(self.took_whole())),
            End::TooMuch => "no end of output".to_owned(),
            End::NotStarted(error) => error.clone(),
        };
        [how].into_iter().chain(lines(&self.out)).chain(self.err_lines()).collect()
    }

    /// A finding with what was run and what came back, where that is not told already.
    pub(super) fn complete(self, finding: Finding) -> Finding {
        let mut got = self.got();
        let tells = |line: &str| {
            TELLING.iter().any(|(kind, words)| finding.kind.as_deref() == Some(kind) && line.contains(words))
        };
        for line in self.aside.iter().filter(|line| tells(line)) {
            let line = line.replacen("debug1: ", "ssh -v: ", 1);
            if !got.contains(&line) {
                got.push(line);
            }
        }
        let finding = finding.got(got);
        Finding { ran: Some(self.argv), took: Some(self.took), ..finding }
    }

    fn took_whole(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Lines as text, without those that are empty.
pub(super) fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

impl Doctor {
    /// Runs a command to its end, where the way that has been gone leads to; `input` is all that it can read.
    pub(super) fn run(&mut self, argv: Vec<String>, input: &[u8]) -> Step<Ran> {
        match self.relays.last() {
            Some(relay) => self.run_at(*relay, argv, input),
            None => self.run_here(argv, input),
        }
    }

    fn run_at(&mut self, relay: ContextId, argv: Vec<String>, input: &[u8]) -> Step<Ran> {
        let since = clock::now();
        let words = argv.iter().map(|word| word.clone().into_bytes()).collect();
        let request =
            Request::Run(Run { words, interpreter: Words::Exact, stdin: Feed::Piped, ..Run::default() });
        let Asked { answer, out, err } = self.ask_for(relay, &request, input)?;
        let end = match answer {
            _ if out.len() + err.len() > MAX_OUTPUT_BYTES => End::TooMuch,
            Ok(Answer::Exit(status)) => End::Exit(Exit::Status(status)),
            Ok(Answer::Killed(signal)) => End::Exit(Exit::Signal(signal)),
            Ok(Answer::Value(_) | Answer::Exhausted) => End::NotStarted("no answer".to_owned()),
            Err(HostError { kind: HostErrorKind::TimedOut { .. }, .. }) => End::TooSlow,
            Err(error) => End::NotStarted(error.to_string()),
        };
        Ok(Ran { argv, end, out, err, aside: Vec::new(), took: clock::now() - since })
    }

    fn run_here(&mut self, argv: Vec<String>, input: &[u8]) -> Step<Ran> {
        let (since, deadline) = (clock::now(), self.deadline());
        let spawned = match self.mux.start_errand(&argv) {
            Ok(spawned) => spawned,
            Err(error) => {
                let end = End::NotStarted(error.to_string());
                let (out, err, aside) = (Vec::new(), Vec::new(), Vec::new());
                return Ok(Ran { argv, end, out, err, aside, took: Duration::ZERO });
            }
        };
        // A few bytes always fit a new socket; who does not read them loses them.
        if fd::write(spawned.link.as_fd(), input) != Write::Closed {
            fd::shut_write(&spawned.link).ok();
        }
        let mut errand = Errand { spawned, out: Vec::new(), err: Vec::new() };
        let end = self.follow(&mut errand, deadline);
        self.mux.forget_errand(&errand.spawned.link);
        self.mux.forget_errand(&errand.spawned.stderr);
        let Errand { out, err, .. } = errand;
        Ok(Ran { argv, end: end?, out, err, aside: Vec::new(), took: clock::now() - since })
    }

    fn follow(&mut self, errand: &mut Errand, deadline: Instant) -> Step<End> {
        self.mux.watch_errand(&errand.spawned.link, Stream::Out, READABLE)?;
        self.mux.watch_errand(&errand.spawned.stderr, Stream::Err, READABLE)?;
        loop {
            // A process that has ended has written all; what others hold open does not matter.
            let exit = errand.spawned.child.poll_exit();
            if let Some(exit) = exit {
                for stream in [Stream::Out, Stream::Err] {
                    while !errand.is_full() && matches!(errand.read(stream), Read::Data(_)) {}
                }
                return Ok(End::Exit(exit));
            }
            if errand.is_full() {
                return Ok(End::TooMuch);
            }
            if clock::now() >= deadline {
                return Ok(End::TooSlow);
            }
            if let Some(Event::Errand(stream)) = self.turn(deadline)?
                && matches!(errand.read(stream), Read::Eof | Read::Failed(_))
            {
                self.mux.forget_errand(errand.fd(stream));
            }
        }
    }

    /// Connects, and waits for the line that every ssh server begins with.
    pub(super) fn knock(&mut self, address: SocketAddr, deadline: Instant) -> Step<Knock> {
        let fd = match tcp::begin(address) {
            Ok(fd) => fd,
            Err(errno) => return Ok(Knock::Failed(errno)),
        };
        let knock = self.listen(&fd, deadline);
        self.mux.forget_errand(&fd);
        knock
    }

    fn listen(&mut self, fd: &OwnedFd, mut deadline: Instant) -> Step<Knock> {
        self.mux.watch_errand(fd, Stream::Out, WRITABLE)?;
        if !self.ready(deadline)? {
            return Ok(Knock::TooSlow);
        }
        if let Err(errno) = tcp::outcome(fd) {
            return Ok(Knock::Failed(errno));
        }
        self.mux.forget_errand(fd);
        self.mux.watch_errand(fd, Stream::Out, READABLE)?;
        let mut heard = Vec::new();
        let mut buffer = vec![0; MAX_GREETING_BYTES];
        while heard.len() < MAX_GREETING_BYTES && self.ready(deadline)? {
            match fd::read(fd.as_fd(), &mut buffer) {
                Read::Data(count) => heard.extend_from_slice(&buffer[..count]),
                Read::WouldBlock => {}
                Read::Eof | Read::Failed(_) => return Ok(Knock::Closed(heard)),
            }
            // What follows the greeting may come with it.
            let whole = heard.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
            if let Some(greeting) = lines(&heard[..whole]).into_iter().find(|line| line.starts_with("SSH-")) {
                return Ok(Knock::Greeted(greeting));
            }
            deadline = deadline.min(clock::now() + TALK_WAIT);
        }
        Ok(Knock::Odd(heard))
    }

    /// Whether what is watched became ready in time.
    fn ready(&mut self, deadline: Instant) -> Step<bool> {
        while clock::now() < deadline {
            if let Some(Event::Errand(_)) = self.turn(deadline)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Errand {
    fn fd(&self, stream: Stream) -> &OwnedFd {
        match stream {
            Stream::Out => &self.spawned.link,
            Stream::Err => &self.spawned.stderr,
        }
    }

    /// Reads once.
    fn read(&mut self, stream: Stream) -> Read {
        let mut buffer = vec![0; READ_BYTES];
        let read = fd::read(self.fd(stream).as_fd(), &mut buffer);
        if let Read::Data(count) = read {
            match stream {
                Stream::Out => &mut self.out,
                Stream::Err => &mut self.err,
            }
            .extend_from_slice(&buffer[..count]);
        }
        read
    }

    fn is_full(&self) -> bool {
        self.out.len() + self.err.len() > MAX_OUTPUT_BYTES
    }
}
