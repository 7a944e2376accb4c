//! Files for whoever is above: put here, or fetched from here, a bounded piece of work at a time.

#[cfg(test)]
mod tests;

use crate::files::{self, Incoming, LocalError, Outgoing, Rules, Side, Source};
use crate::proto::entry::{MAX_PIECE_BYTES, Piece};
use crate::proto::frame::Priority;
use crate::proto::ids::{ContextId, StreamId};
use crate::proto::message::{FromAgent, ResetReason, ToAgent};
use crate::proto::stream::{StreamKey, Streams};
use crate::proto::value::{Builder, Node, Value};
use crate::sys::watchdog::Watched;
use crate::sys::{clock, identity};
use std::collections::{BTreeMap, VecDeque};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How much may wait here for the credit of its reader.
const MAX_UNSENT_BYTES: usize = 256 * 1024;
/// How many pieces, of 64 KiB at most, a transfer moves before anybody else has a turn.
const PIECES_OF_A_TURN: usize = 16;
/// What a file has that comes alone, if nobody says otherwise.
const MODE: u32 = 0o644;

/// The transfers that run.
#[derive(Debug, Default)]
pub struct Transfers {
    /// By the stream that asked for it.
    running: BTreeMap<StreamKey, Running>,
    /// What contents come or go on, where that is another: a splice leads on from there.
    wires: BTreeMap<StreamKey, StreamKey>,
    /// So many have been put.
    puts: u32,
}

#[derive(Debug)]
enum Running {
    In(Box<Taking>),
    Out(Box<Giving>),
}

#[derive(Debug)]
struct Taking {
    wire: StreamKey,
    incoming: Incoming,
    path: PathBuf,
    tree: bool,
    /// What has come and is not on the disk, with the credit that is owed for it: no more than was granted.
    waiting: VecDeque<(Piece, usize)>,
    /// Nothing more comes.
    ended: bool,
}

#[derive(Debug)]
struct Giving {
    wire: StreamKey,
    outgoing: Outgoing,
    path: PathBuf,
}

/// How far a transfer has come in its turn.
enum State {
    /// For what others do.
    Waits,
    /// For its next turn.
    Busy,
    Done(Value),
}

impl Transfers {
    /// Takes files, as a Put message has it.
    pub fn put(&mut self, key: StreamKey, order: &Value, streams: &mut Streams, watched: &Watched) {
        let wire = wire(order).unwrap_or(key);
        if wire != key {
            streams.join_receiving(wire);
        }
        streams.hold(wire);
        self.puts = self.puts.wrapping_add(1);
        let taking = taking(order, wire, self.puts, watched);
        self.start(key, wire, taking.map(Running::In), streams);
    }

    /// Sends files, as a Fetch message has it.
    pub fn fetch(&mut self, key: StreamKey, order: &Value, streams: &mut Streams) {
        let wire = wire(order).unwrap_or(key);
        if wire != key {
            streams.join_sending(wire, Priority::Bulk);
        }
        self.start(key, wire, giving(order, wire).map(Running::Out), streams);
    }

    fn start(
        &mut self,
        key: StreamKey,
        wire: StreamKey,
        running: Result<Running, LocalError>,
        streams: &mut Streams,
    ) {
        match running {
            Ok(running) => {
                self.running.insert(key, running);
                self.wires.extend((wire != key).then_some((wire, key)));
            }
            Err(error) => refuse(key, wire, error, streams),
        }
    }

    /// A message on the stream of a put; returns whether it is of one.
    pub fn take(
        &mut self,
        wire: StreamKey,
        message: &[u8],
        owed: usize,
        end: bool,
        streams: &mut Streams,
    ) -> bool {
        let key = self.wires.get(&wire).copied().unwrap_or(wire);
        let Some(Running::In(taking)) = self.running.get_mut(&key).filter(|running| running.wire() == wire)
        else {
            return false;
        };
        match ToAgent::decode(message) {
            Ok(ToAgent::File(piece)) => {
                taking.waiting.push_back((piece, owed));
                taking.ended = end;
            }
            Ok(_) | Err(_) => {
                self.forget(key);
                streams.reset(wire, ResetReason::UnknownMessage);
                if wire != key {
                    refuse(key, wire, LocalError("refused: what comes is no file".to_owned()), streams);
                }
            }
        }
        true
    }

    /// Ends the transfer of a stream; what is not whole is gone when that is confirmed.
    pub fn cancel(&mut self, stream: StreamKey, streams: &mut Streams) -> bool {
        if let Some(key) = self.wires.remove(&stream) {
            self.running.remove(&key);
            // The other end has told why, or has gone.
            refuse(key, key, LocalError(String::new()), streams);
            return true;
        }
        let Some(wire) = self.forget(stream) else { return false };
        if wire != stream {
            streams.reset(wire, ResetReason::Cancelled);
        }
        streams.confirm(stream);
        true
    }

    /// Returns what it came or went on.
    fn forget(&mut self, key: StreamKey) -> Option<StreamKey> {
        let wire = self.running.remove(&key)?.wire();
        self.wires.remove(&wire);
        Some(wire)
    }

    /// Moves a piece of each; returns whether there is more to do at once.
    pub fn turn(&mut self, streams: &mut Streams) -> bool {
        let mut busy = false;
        let mut done = Vec::new();
        for (key, running) in &mut self.running {
            let state = match running {
                Running::In(taking) => taking.work(streams),
                Running::Out(giving) => giving.work(*key, streams),
            };
            match state {
                Ok(State::Waits) => {}
                Ok(State::Busy) => busy = true,
                Ok(State::Done(total)) => done.push((*key, Ok(total))),
                Err(error) => done.push((*key, Err(error))),
            }
        }
        for (key, total) in done {
            let wire = self.forget(key).unwrap_or(key);
            match total {
                Ok(total) => streams.send(key, FromAgent::Result(total).encode(), true),
                Err(error) => refuse(key, wire, error, streams),
            }
        }
        busy
    }
}

impl Running {
    fn wire(&self) -> StreamKey {
        match self {
            Self::In(taking) => taking.wire,
            Self::Out(giving) => giving.wire,
        }
    }
}

impl Taking {
    fn work(&mut self, streams: &mut Streams) -> Result<State, LocalError> {
        let mut left = PIECES_OF_A_TURN;
        while left > 0 {
            let Some((piece, owed)) = self.waiting.pop_front() else { break };
            left = left.saturating_sub(work(&piece));
            // The last one holds nothing.
            if !(self.ended && self.waiting.is_empty() && piece == Piece::Content(Vec::new())) {
                self.incoming.take(piece)?;
            }
            streams.grant(self.wire, owed, clock::now());
        }
        match (self.waiting.is_empty(), self.ended) {
            (false, _) => return Ok(State::Busy),
            (true, false) => return Ok(State::Waits),
            (true, true) => {}
        }
        let received = self.incoming.finish()?;
        let sum = received.sum.clone().filter(|_| !self.tree);
        Ok(State::Done(Builder::default().dict([
            ("path", path_node(&self.path)),
            ("size", Node::count(received.bytes)),
            ("sum", sum.map_or(Node::None, |sum| Node::Text(sum.into_bytes()))),
            ("files", Node::count(received.files)),
        ])))
    }
}

impl Giving {
    fn work(&mut self, key: StreamKey, streams: &mut Streams) -> Result<State, LocalError> {
        let mut left = PIECES_OF_A_TURN;
        while left > 0 {
            if streams.unsent_bytes(self.wire) >= MAX_UNSENT_BYTES {
                return Ok(State::Waits);
            }
            let piece = self.outgoing.next_piece()?;
            let joined = self.wire != key;
            left = left.saturating_sub(piece.as_ref().map_or(0, work));
            match piece {
                // Whoever takes it is told as from above.
                Some(piece) if joined => streams.send(self.wire, ToAgent::File(piece).encode(), false),
                Some(piece) => streams.send(key, FromAgent::File(piece).encode(), false),
                None => {
                    if joined {
                        let end = Piece::Content(Vec::new());
                        streams.send(self.wire, ToAgent::File(end).encode(), true);
                    }
                    return Ok(State::Done(self.total()));
                }
            }
        }
        Ok(State::Busy)
    }

    fn total(&self) -> Value {
        let mut builder = Builder::default();
        let [changed, skipped, unread] = self.outgoing.notes().fields(&mut builder);
        let sum = self.outgoing.sum().map_or(Node::None, |sum| Node::Text(sum.as_bytes().to_vec()));
        builder.dict([
            ("path", path_node(&self.path)),
            ("size", Node::count(self.outgoing.sent_bytes())),
            ("sum", sum),
            ("files", Node::count(self.outgoing.files())),
            changed,
            skipped,
            unread,
        ])
    }
}

/// How many pieces it counts for in a turn: zeros are added to a sum too.
fn work(piece: &Piece) -> usize {
    match piece {
        Piece::Hole(size) => {
            usize::try_from(size.div_ceil(MAX_PIECE_BYTES as u64)).unwrap_or(usize::MAX).max(1)
        }
        Piece::Entry(_) | Piece::Content(_) | Piece::Sum(_) | Piece::Dropped => 1,
    }
}

/// The stream that contents come or go on, where an order names one.
fn wire(order: &Value) -> Option<StreamKey> {
    let number = |name| order.number(order.get(name)?);
    Some(StreamKey { peer: ContextId(number("peer")?), id: StreamId(number("stream")?) })
}

fn taking(order: &Value, wire: StreamKey, number: u32, watched: &Watched) -> Result<Box<Taking>, LocalError> {
    let is = |name| order.get(name).is_some_and(|id| order.is_true(id));
    let (tree, keep, packed) = (is("tree"), is("keep"), is("packed"));
    let mode = order.get("mode").and_then(|id| order.number(id));
    let mode = mode.or((!tree).then_some(MODE));
    // What another machine sends is as large as it says.
    let unsized_bytes = if is("foreign") { files::MAX_UNSIZED_BYTES } else { u64::MAX };
    let umask = identity::umask();
    let rules = Rules { side: Side::There, tree, keep, packed, mode, umask, unsized_bytes };
    let path = match order.get("path").and_then(|id| order.bytes(id)) {
        Some(name) => files::named(&name)?,
        None => files::fresh()?,
    };
    let unfinished = watched.unfinished(number).map_err(|error| Side::There.error(&path, &error))?;
    let mut incoming = Incoming::new(Some(path), rules, Some(unfinished));
    let path = incoming.settle()?.unwrap_or(Path::new("")).to_owned();
    Ok(Box::new(Taking { wire, incoming, path, tree, waiting: VecDeque::new(), ended: false }))
}

fn giving(order: &Value, wire: StreamKey) -> Result<Box<Giving>, LocalError> {
    let is = |name| order.get(name).is_some_and(|id| order.is_true(id));
    let name = order.get("path").and_then(|id| order.bytes(id)).unwrap_or_default();
    let path = files::named(&name)?;
    let source = Source::Local { path: path.clone(), tree: is("tree") };
    let outgoing = Outgoing::new(&source, is("packed"), Side::There);
    Ok(Box::new(Giving { wire, outgoing, path }))
}

fn refuse(key: StreamKey, wire: StreamKey, LocalError(why): LocalError, streams: &mut Streams) {
    if wire != key {
        streams.reset(wire, ResetReason::Cancelled);
    }
    streams.send(key, FromAgent::Trouble(why.into_bytes()).encode(), true);
}

fn path_node(path: &Path) -> Node {
    Node::Bytes(path.as_os_str().as_bytes().to_vec())
}
