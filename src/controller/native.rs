//! Making native relays of agents: the program is sent into the memory of a context that will have
//! children, and takes its place before the first of them. What is meant for these waits until then.

use super::{Command, Controller};
use crate::payload;
use crate::proto::frame::{Frame, Kind, Priority};
use crate::proto::ids::ContextId;
use crate::proto::message::{FromAgent, ToAgent};
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node};
use crate::sys::identity;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::{self, Write};

/// What is sent at a time.
const PIECE_BYTES: usize = 32 * 1024;

/// A context that is not yet what it is to be, and what waits for that.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    frames: Vec<Frame>,
    /// On which the program is sent.
    stream: Option<StreamKey>,
}

/// This program, for others.
#[derive(Debug)]
pub(super) struct Program {
    deflated: Vec<u8>,
    size: usize,
    sum: u32,
}

impl Program {
    fn itself() -> io::Result<Self> {
        let bytes = std::fs::read(identity::PROGRAM)?;
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&bytes)?;
        Ok(Self { size: bytes.len(), sum: crc32fast::hash(&bytes), deflated: encoder.finish()? })
    }
}

/// What the watchdog of an agent learns before this program takes the agent's place: it stays.
const WATCHDOG_PARTS: [&str; 2] = ["adopt", "hops"];

impl Controller {
    /// From now on, what is meant for a context, and for all that will be below it, waits.
    pub(super) fn wait_for_native(&mut self, id: ContextId) {
        self.collect_frames();
        self.waiting.entry(id).or_default();
    }

    /// Returns a frame that has nothing to wait for.
    pub(super) fn unless_waiting(&mut self, frame: Frame) -> Option<Frame> {
        let key = StreamKey { peer: frame.to, id: frame.stream };
        if let Some(waiting) = self.holder(key).filter(|waiting| waiting.stream != Some(key)) {
            waiting.frames.push(frame);
            return None;
        }
        if frame.end || frame.kind == Kind::Reset {
            self.meant_for.remove(&key);
            self.lanes.has_passed(key);
        }
        Some(frame)
    }

    /// What a frame on a stream would have to wait for, the highest first.
    fn holder(&mut self, key: StreamKey) -> Option<&mut Waiting> {
        if self.waiting.is_empty() {
            return None;
        }
        let line = self.line(self.meant_for.get(&key).copied().unwrap_or(key.peer));
        let mut all = line.iter().rev().chain(self.lanes.led_to(key));
        let holder = all.find(|id| self.waiting.contains_key(id)).copied()?;
        self.waiting.get_mut(&holder)
    }

    /// Whether a part would wait with what is meant for the program, which has no use for it.
    pub(super) fn would_wait(&self, id: ContextId, part: &str) -> bool {
        WATCHDOG_PARTS.contains(&part) && self.waiting.contains_key(&id)
    }

    /// A context that children wait for runs. Where it is an agent, it is asked whether it can become this program.
    pub(super) fn make_native(&mut self, id: ContextId, python: u32) {
        // What makes it native does not wait for that.
        let Some(waiting) = self.waiting.remove(&id) else { return };
        if python != 0 {
            WATCHDOG_PARTS.into_iter().for_each(|part| self.send_part(id, part));
        }
        let program = if python == 0 { None } else { self.program() };
        let Some(&Program { size, sum, .. }) = program else { return self.go_on(waiting) };
        self.send_part(id, "native");
        let bytes = |text: &str| Node::Bytes(text.as_bytes().to_vec());
        let order = Builder::default().dict([
            ("arch", Node::Text(std::env::consts::ARCH.as_bytes().to_vec())),
            ("size", Node::Int(i64::try_from(size).unwrap_or(i64::MAX))),
            ("sum", Node::Int(sum.into())),
            ("build", bytes(&payload::build())),
            ("title", bytes(&self.settings.title)),
        ]);
        let key = self.streams.open(id, Priority::Bulk, ToAgent::Native(order).encode(), false);
        self.collect_frames();
        self.waiting.insert(id, Waiting { stream: Some(key), ..waiting });
    }

    fn program(&mut self) -> Option<&Program> {
        if self.program.is_none() {
            self.program = Program::itself().ok();
        }
        self.program.as_ref()
    }

    /// Which context a stream is to make native.
    pub(super) fn made_native_by(&self, key: StreamKey) -> Option<ContextId> {
        self.waiting.get(&key.peer).filter(|waiting| waiting.stream == Some(key)).map(|_| key.peer)
    }

    /// The agent is ready for the program, or is the program, or cannot be.
    pub(super) fn handle_native(&mut self, id: ContextId, message: &[u8], end: bool) {
        let key = self.waiting.get(&id).and_then(|waiting| waiting.stream);
        let answer = FromAgent::decode(message);
        if let Ok(FromAgent::Result(_)) = answer
            && !end
            && let Some(key) = key
            && let Some(program) = self.program()
        {
            let pieces =
                program.deflated.chunks(PIECE_BYTES).map(|piece| ToAgent::Input(piece.to_vec()).encode());
            let pieces: Vec<Vec<u8>> = pieces.collect();
            let count = pieces.len();
            for (at, piece) in pieces.into_iter().enumerate() {
                self.streams.send(key, piece, at + 1 == count);
            }
            return self.collect_frames();
        }
        let target = self.target_name(id);
        self.note(&target, || match answer {
            Ok(FromAgent::Result(_)) => "hopvine runs in the agent's place".to_owned(),
            Ok(FromAgent::Failure(why)) => {
                format!("the agent relays: {}", why.text(why.root()).unwrap_or_default())
            }
            Ok(_) | Err(_) => "the agent relays".to_owned(),
        });
        if let Some(waiting) = self.waiting.remove(&id) {
            self.go_on(waiting);
        }
    }

    /// What has been waiting goes on its way.
    pub(super) fn go_on(&mut self, waiting: Waiting) {
        for frame in waiting.frames {
            if let Some(frame) = self.unless_waiting(frame) {
                self.commands.push_back(Command::Send(frame));
            }
        }
    }
}
