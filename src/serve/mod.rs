//! What this binary does as a context itself, without Python: commands, files, and what there is to know
//! of the machine. All else is answered with a reset, after which whoever asked may start an agent here.

mod facts;
mod transfers;

pub use transfers::Transfers;

use crate::mux::Mux;
use crate::payload::AGENT_MODULE;
use crate::proto::message::{FromAgent, ResetReason, ToAgent};
use crate::proto::stream::{StreamKey, Streams};
use crate::proto::value::{Node, NodeId, Value};
use crate::sys::child::Child;
use crate::sys::clock;
use crate::sys::fd::{self, Read, Write};
use crate::sys::poll::Interest;
use crate::sys::process::{self, Account, Order, Started};
use crate::sys::tcp::Dialing;
use crate::sys::tty;
use crate::sys::watchdog::Watched;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Output that may wait for credit before more is read.
const MAX_UNSENT_BYTES: usize = 64 * 1024;
/// With its tag, that is one frame.
const READ_BYTES: usize = 65_534;
/// How often the outputs of a command that has ended are still read: others may hold them.
const LAST_READS: usize = 64;
/// A command's numbers for the mux: input, output, errors; and of a connection, that it is there.
const NUMBERS: usize = 4;
/// What a shell says of a program that is not there, and of one that cannot be run.
const NOT_FOUND: u32 = 127 << 8;
const NOT_RUN: u32 = 126 << 8;
/// What ssh ends with where it has no connection.
const NOT_CONNECTED: u32 = 255 << 8;

/// The commands that run here, and the connections that were made from here.
#[derive(Debug, Default)]
pub struct Commands {
    running: BTreeMap<usize, Running>,
    next: usize,
}

#[derive(Debug)]
struct Running {
    key: StreamKey,
    what: What,
    input: Option<OwnedFd>,
    /// What it has not read yet, with the credit that is owed for it.
    unread: VecDeque<(Vec<u8>, usize)>,
    /// Nothing more comes to be read, or nobody reads it.
    fed: bool,
    refuses: bool,
    outputs: [Option<OwnedFd>; 2],
    watched: [bool; NUMBERS],
    /// Whoever asked does not want it any more.
    cancelled: bool,
}

#[derive(Debug)]
enum What {
    Command {
        child: Child,
        /// The command's end of its terminal.
        slave: Option<OwnedFd>,
    },
    /// To be made; what it is called.
    Dialing(Dialing, String),
    Connection {
        made: bool,
    },
}

impl Commands {
    /// Starts a command, as a Run message has it.
    pub fn start(
        &mut self,
        key: StreamKey,
        order: &Value,
        end: bool,
        streams: &mut Streams,
        watched: &mut Watched,
    ) {
        let account = Account::ours();
        let Some(order) = self::order(order, &account) else {
            return streams.reset(key, ResetReason::UnknownMessage);
        };
        let number = u32::try_from(self.next).unwrap_or(u32::MAX);
        watched.begin(number);
        match process::start(&order, &account) {
            Ok(Started { child, input, output, errors, slave, strayed }) => {
                if let Some(why) = strayed {
                    streams.send(key, said(&why), false);
                }
                let what = What::Command { child, slave };
                self.add(Running {
                    input,
                    fed: end,
                    outputs: [Some(output), errors],
                    ..Running::new(key, what)
                });
                streams.hold(key);
            }
            Err((what, error)) => {
                watched.finish(number);
                let missing = error.kind() == std::io::ErrorKind::NotFound;
                streams.send(key, said(&format!("{what}: {error}")), false);
                let status = if missing { NOT_FOUND } else { NOT_RUN };
                streams.send(key, FromAgent::Exit(status).encode(), true);
            }
        }
    }

    /// Connects to somewhere, as a Dial message has it.
    pub fn dial(&mut self, key: StreamKey, order: &Value, end: bool, streams: &mut Streams) {
        let host = order.get("host").and_then(|id| order.text(id));
        let port =
            order.get("port").and_then(|id| order.number(id)).and_then(|port| u16::try_from(port).ok());
        let (Some(host), Some(port)) = (host, port) else {
            return streams.reset(key, ResetReason::UnknownMessage);
        };
        let name = format!("connect to {host} port {port}");
        match Dialing::begin(host, port) {
            Ok(dialing) => {
                self.add(Running { fed: end, ..Running::new(key, What::Dialing(dialing, name)) });
                streams.hold(key);
            }
            Err(error) => {
                streams.send(key, said(&format!("{name}: {error}")), false);
                streams.send(key, FromAgent::Exit(NOT_CONNECTED).encode(), true);
            }
        }
    }

    fn add(&mut self, running: Running) {
        self.running.insert(self.next, running);
        self.next += 1;
    }

    /// Something to read for the command of a stream.
    pub fn input(&mut self, key: StreamKey, message: &[u8], owed: usize, end: bool, streams: &mut Streams) {
        let Some(running) = self.running.values_mut().find(|running| running.key == key) else { return };
        match ToAgent::decode(message) {
            Ok(ToAgent::Input(bytes)) => running.unread.push_back((bytes, owed)),
            Ok(ToAgent::Resize { rows, columns }) => {
                running.resize(rows, columns);
                streams.grant(key, owed, clock::now());
            }
            Ok(_) | Err(_) => {}
        }
        running.fed |= end;
    }

    /// Nobody reads what the command of a stream writes: it has the end of a pipe that is closed. A terminal stays.
    pub fn unheard(&mut self, key: StreamKey, mux: &mut Mux) {
        let found = self.running.values_mut().find(|running| running.key == key);
        if let Some(running) = found.filter(|running| running.is_piped()) {
            running.close_output(0, mux);
        }
    }

    /// Ends the command of a stream; its end is told once it has come.
    pub fn cancel(&mut self, key: StreamKey) -> bool {
        let found = self.running.values_mut().find(|running| running.key == key);
        if let Some(running) = found {
            running.cancelled = true;
            if let What::Command { child, .. } = &running.what {
                child.kill_tree();
            }
            return true;
        }
        false
    }

    /// Reads and writes what goes, buries what has ended, and has the mux watch the rest.
    pub fn turn(&mut self, mux: &mut Mux, streams: &mut Streams, watched: &mut Watched) {
        for (place, running) in &mut self.running {
            running.connect(mux, streams);
            running.feed(mux, streams);
            running.pass_on(mux, streams, MAX_UNSENT_BYTES);
            running.watch(mux, *place * NUMBERS, streams);
        }
        let ended: Vec<(usize, u32)> = self
            .running
            .iter_mut()
            .filter_map(|(place, running)| Some((*place, running.poll_end()?)))
            .collect();
        for (place, status) in ended {
            let Some(mut running) = self.running.remove(&place) else { continue };
            if let What::Command { slave, .. } = &mut running.what {
                watched.finish(u32::try_from(place).unwrap_or(u32::MAX));
                *slave = None;
            }
            running.pass_on(mux, streams, usize::MAX);
            running.let_go(mux);
            if running.cancelled {
                streams.confirm(running.key);
            } else {
                streams.send(running.key, FromAgent::Exit(status).encode(), true);
            }
        }
    }
}

impl Running {
    fn new(key: StreamKey, what: What) -> Self {
        Self {
            key,
            what,
            input: None,
            unread: VecDeque::new(),
            fed: false,
            refuses: false,
            outputs: [None, None],
            watched: [false; NUMBERS],
            cancelled: false,
        }
    }

    /// Takes the connection that has been made.
    fn connect(&mut self, mux: &mut Mux, streams: &mut Streams) {
        let What::Dialing(dialing, name) = &mut self.what else { return };
        let made = match dialing.poll_outcome() {
            Some(made) => {
                made.and_then(|made| Ok([made.try_clone().map_err(|error| error.to_string())?, made]))
            }
            None => return,
        };
        match made {
            Ok([input, output]) => (self.input, self.outputs[0]) = (Some(input), Some(output)),
            Err(why) => streams.send(self.key, said(&format!("{name}: {why}")), false),
        }
        if std::mem::take(&mut self.watched[NUMBERS - 1]) {
            mux.ignore(dialing.bell());
        }
        self.what = What::Connection { made: self.input.is_some() };
    }

    fn resize(&self, rows: u16, columns: u16) {
        if let (What::Command { slave: Some(_), .. }, Some(master)) = (&self.what, &self.input) {
            // A size that it does not take is the one it has.
            tty::resize(master, rows, columns).ok();
        }
    }

    /// How it ended, once it has, as wait(2) has it.
    fn poll_end(&mut self) -> Option<u32> {
        match &mut self.what {
            What::Command { child, .. } => child.poll_exit().map(process::status_of),
            What::Dialing(..) => self.cancelled.then_some(0),
            What::Connection { made: false } => Some(NOT_CONNECTED),
            What::Connection { made: true } => {
                let over = self.input.is_none() && self.outputs[0].is_none();
                (over || self.cancelled).then_some(0)
            }
        }
    }

    fn feed(&mut self, mux: &mut Mux, streams: &mut Streams) {
        let Some(input) = &self.input else { return };
        while let Some((bytes, owed)) = self.unread.front_mut() {
            match fd::write(input.as_fd(), bytes) {
                Write::Done(count) if count < bytes.len() => drop(bytes.drain(..count)),
                Write::WouldBlock => return,
                written => {
                    // What it does not read is used up all the same.
                    self.refuses |= !matches!(written, Write::Done(_));
                    streams.grant(self.key, *owed, clock::now());
                    self.unread.pop_front();
                }
            }
        }
        let ends = match &self.what {
            // What is typed has no end.
            What::Command { slave, .. } => self.fed && slave.is_none(),
            What::Dialing(..) => false,
            What::Connection { .. } => self.fed || self.refuses,
        };
        if ends {
            if let What::Connection { .. } = self.what {
                fd::shut_write(input).ok();
            }
            if std::mem::take(&mut self.watched[0]) {
                mux.ignore(input);
            }
            self.input = None;
        }
    }

    /// Sends what it has written, as long as less than `limit` waits for credit.
    fn pass_on(&mut self, mux: &mut Mux, streams: &mut Streams, limit: usize) {
        for at in 0..self.outputs.len() {
            for _ in 0..LAST_READS {
                let Some(source) =
                    self.outputs[at].as_ref().filter(|_| streams.unsent_bytes(self.key) < limit)
                else {
                    break;
                };
                let mut buffer = vec![0; READ_BYTES];
                match fd::read(source.as_fd(), &mut buffer) {
                    Read::Data(count) => {
                        buffer.truncate(count);
                        let message =
                            if at == 0 { FromAgent::Output(buffer) } else { FromAgent::Errors(buffer) };
                        streams.send(self.key, message.encode(), false);
                    }
                    Read::WouldBlock => break,
                    Read::Eof | Read::Failed(_) => {
                        if let What::Connection { .. } = self.what {
                            streams.send(self.key, FromAgent::Output(Vec::new()).encode(), false);
                        }
                        self.close_output(at, mux);
                    }
                }
            }
        }
    }

    fn close_output(&mut self, at: usize, mux: &mut Mux) {
        let source = self.outputs[at].take();
        if std::mem::take(&mut self.watched[at + 1]) {
            source.iter().for_each(|source| mux.ignore(source));
        }
    }

    fn is_piped(&self) -> bool {
        matches!(self.what, What::Command { slave: None, .. })
    }

    /// Brings the mux in line with what the command waits for.
    fn watch(&mut self, mux: &mut Mux, number: usize, streams: &Streams) {
        let room = streams.unsent_bytes(self.key) < MAX_UNSENT_BYTES;
        let wanted = [
            (
                self.input.as_ref().filter(|_| !self.unread.is_empty()),
                Interest { readable: false, writable: true },
            ),
            (self.outputs[0].as_ref().filter(|_| room), Interest { readable: true, writable: false }),
            (self.outputs[1].as_ref().filter(|_| room), Interest { readable: true, writable: false }),
        ];
        let all = [self.input.as_ref(), self.outputs[0].as_ref(), self.outputs[1].as_ref()];
        if let What::Dialing(dialing, _) = &self.what
            && !self.watched[NUMBERS - 1]
        {
            let readable = Interest { readable: true, writable: false };
            self.watched[NUMBERS - 1] = mux.heed(dialing.bell(), number + NUMBERS - 1, readable).is_ok();
        }
        for (at, (source, interest)) in wanted.into_iter().enumerate() {
            match (source, self.watched[at]) {
                (Some(source), false) => self.watched[at] = mux.heed(source, number + at, interest).is_ok(),
                (None, true) => {
                    all[at].into_iter().for_each(|source| mux.ignore(source));
                    self.watched[at] = false;
                }
                (Some(_), true) | (None, false) => {}
            }
        }
    }

    fn let_go(&mut self, mux: &mut Mux) {
        if let What::Dialing(dialing, _) = &self.what {
            mux.ignore(dialing.bell());
        }
        let all = [self.input.take(), self.outputs[0].take(), self.outputs[1].take()];
        for (source, watched) in all.into_iter().zip(self.watched) {
            if let Some(source) = source.filter(|_| watched) {
                mux.ignore(&source);
            }
        }
    }
}

/// What a function of the agent's own returns, of those that are done without Python.
pub fn answer(function: &str) -> Option<Value> {
    match function.strip_prefix(AGENT_MODULE)? {
        ":facts" => Some(facts::facts()),
        _ => None,
    }
}

/// What is ordered: the program and its words, and what it has of its own.
fn order(order: &Value, account: &Account) -> Option<Order> {
    let flag = |name| order.get(name).is_some_and(|id| order.is_true(id));
    let os = |bytes: Vec<u8>| OsString::from_vec(bytes);
    let Node::List(words) = order.node(order.get("words")?) else { return None };
    let words: Vec<OsString> = words.iter().filter_map(|word| order.bytes(*word)).map(os).collect();
    let name = account.shell.file_name().unwrap_or(account.shell.as_os_str());
    let shell = account.shell.clone().into_os_string();
    let (program, words) = if flag("login") {
        (shell, vec![os([b"-", name.as_bytes()].concat())])
    } else if flag("shell") {
        (shell, [vec![name.to_owned(), "-c".into()], words].concat())
    } else {
        (words.first()?.clone(), words)
    };
    let mut environment: Vec<(OsString, OsString)> = Vec::new();
    if let Some(Node::Dict(pairs)) = order.get("env").map(|id| order.node(id)) {
        let pair =
            |(name, value): &(NodeId, NodeId)| Some((os(order.bytes(*name)?), os(order.bytes(*value)?)));
        environment.extend(pairs.iter().filter_map(pair));
    }
    let mut terminal = None;
    if let Some(Node::Dict(pairs)) = order.get("terminal").map(|id| order.node(id)) {
        let field = |wanted: &str| {
            pairs
                .iter()
                .find(|(name, _)| order.text(*name).as_deref() == Some(wanted))
                .map(|(_, value)| *value)
        };
        let number = |name| field(name).and_then(|id| order.number(id)).and_then(|id| u16::try_from(id).ok());
        terminal = Some((number("rows")?, number("columns")?));
        environment.push(("TERM".into(), os(order.bytes(field("term")?)?)));
    }
    Some(Order { program, words, environment, reads: flag("stdin"), home: flag("home"), terminal })
}

/// A line on the errors of what was asked for.
fn said(what: &str) -> Vec<u8> {
    FromAgent::Errors(format!("hopvine: {what}\n").into_bytes()).encode()
}
