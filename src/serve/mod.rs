//! What this binary does as a context itself, without Python: commands, files, and what there is to know
//! of the machine. All else is answered with a reset, after which whoever asked may start an agent here.

mod facts;
mod transfers;

pub use transfers::Transfers;

use crate::mux::Mux;
use crate::payload::AGENT_MODULE;
use crate::proto::message::{FromAgent, ResetReason, ToAgent};
use crate::proto::stream::{StreamKey, Streams};
use crate::proto::value::{Node, Value};
use crate::sys::child::Child;
use crate::sys::clock;
use crate::sys::fd::{self, Read, Write};
use crate::sys::poll::Interest;
use crate::sys::process::{self, Started};
use crate::sys::watchdog::Watched;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// Output that may wait for credit before more is read.
const MAX_UNSENT_BYTES: usize = 64 * 1024;
const READ_BYTES: usize = 32 * 1024;
/// How often the outputs of a command that has ended are still read: others may hold them.
const LAST_READS: usize = 64;
/// A command's numbers for the mux: input, output, errors.
const NUMBERS: usize = 3;
/// What a shell says of a program that is not there, and of one that cannot be run.
const NOT_FOUND: u32 = 127 << 8;
const NOT_RUN: u32 = 126 << 8;

/// The commands that run here.
#[derive(Debug, Default)]
pub struct Commands {
    running: BTreeMap<usize, Running>,
    next: usize,
}

#[derive(Debug)]
struct Running {
    key: StreamKey,
    child: Child,
    input: Option<OwnedFd>,
    /// What it has not read yet, with the credit that is owed for it.
    unread: VecDeque<(Vec<u8>, usize)>,
    /// Nothing more comes to be read.
    fed: bool,
    outputs: [Option<OwnedFd>; 2],
    watched: [bool; NUMBERS],
    /// Whoever asked does not want it any more.
    cancelled: bool,
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
        let Some((program, words)) = words(order) else {
            return streams.reset(key, ResetReason::UnknownMessage);
        };
        let reads = order.get("stdin").is_some_and(|id| order.is_true(id));
        let number = u32::try_from(self.next).unwrap_or(u32::MAX);
        watched.begin(number);
        match process::start(&program, &words, reads) {
            Ok(Started { child, input, output, errors }) => {
                streams.hold(key);
                let running = Running {
                    key,
                    child,
                    input,
                    unread: VecDeque::new(),
                    fed: end,
                    outputs: [Some(output), Some(errors)],
                    watched: [false; NUMBERS],
                    cancelled: false,
                };
                self.running.insert(self.next, running);
                self.next += 1;
            }
            Err(error) => {
                watched.finish(number);
                let program = program.to_string_lossy();
                let said = format!("hopvine: cannot run {program}: {error}\n");
                let missing = error.kind() == std::io::ErrorKind::NotFound;
                streams.send(key, FromAgent::Errors(said.into_bytes()).encode(), false);
                let status = if missing { NOT_FOUND } else { NOT_RUN };
                streams.send(key, FromAgent::Exit(status).encode(), true);
            }
        }
    }

    /// Something to read for the command of a stream.
    pub fn input(&mut self, key: StreamKey, message: &[u8], owed: usize, end: bool) {
        let Some(running) = self.running.values_mut().find(|running| running.key == key) else { return };
        if let Ok(ToAgent::Input(bytes)) = ToAgent::decode(message) {
            running.unread.push_back((bytes, owed));
        }
        running.fed |= end;
    }

    /// Ends the command of a stream; its end is told once it has come.
    pub fn cancel(&mut self, key: StreamKey) -> bool {
        let found = self.running.values_mut().find(|running| running.key == key);
        if let Some(running) = found {
            running.cancelled = true;
            running.child.kill_tree();
            return true;
        }
        false
    }

    /// Reads and writes what goes, buries what has ended, and has the mux watch the rest.
    pub fn turn(&mut self, mux: &mut Mux, streams: &mut Streams, watched: &mut Watched) {
        for (place, running) in &mut self.running {
            running.feed(mux, streams);
            running.pass_on(mux, streams, MAX_UNSENT_BYTES);
            running.watch(mux, *place * NUMBERS, streams);
        }
        let ended: Vec<(usize, u32)> = self
            .running
            .iter_mut()
            .filter_map(|(place, running)| Some((*place, process::status_of(running.child.poll_exit()?))))
            .collect();
        for (place, status) in ended {
            let Some(mut running) = self.running.remove(&place) else { continue };
            watched.finish(u32::try_from(place).unwrap_or(u32::MAX));
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
    fn feed(&mut self, mux: &mut Mux, streams: &mut Streams) {
        let Some(input) = &self.input else { return };
        while let Some((bytes, owed)) = self.unread.front_mut() {
            match fd::write(input.as_fd(), bytes) {
                Write::Done(count) if count < bytes.len() => drop(bytes.drain(..count)),
                Write::WouldBlock => return,
                // What it does not read is used up all the same.
                Write::Done(_) | Write::Closed | Write::Failed(_) => {
                    streams.grant(self.key, *owed, clock::now());
                    self.unread.pop_front();
                }
            }
        }
        if self.fed {
            if self.watched[0] {
                mux.ignore(input);
                self.watched[0] = false;
            }
            self.input = None;
        }
    }

    /// Sends what it has written, as long as less than `limit` waits for credit.
    fn pass_on(&mut self, mux: &mut Mux, streams: &mut Streams, limit: usize) {
        for (at, output) in self.outputs.iter_mut().enumerate() {
            for _ in 0..LAST_READS {
                let Some(source) = output.as_ref().filter(|_| streams.unsent_bytes(self.key) < limit) else {
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
                        if std::mem::take(&mut self.watched[at + 1]) {
                            mux.ignore(source);
                        }
                        *output = None;
                    }
                }
            }
        }
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

/// The program and its words, its own name first.
fn words(order: &Value) -> Option<(std::ffi::OsString, Vec<Vec<u8>>)> {
    let Node::List(words) = order.node(order.get("words")?) else { return None };
    let words: Vec<Vec<u8>> = words.iter().filter_map(|word| order.bytes(*word)).collect();
    if !order.get("shell").is_some_and(|id| order.is_true(id)) {
        return Some((OsStr::from_bytes(words.first()?).to_owned(), words));
    }
    let shell = process::login_shell();
    let name = shell.file_name().unwrap_or(shell.as_os_str()).as_bytes().to_vec();
    let words = [vec![name, b"-c".to_vec()], words].concat();
    Some((shell.into_os_string(), words))
}
