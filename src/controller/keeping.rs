//! What relays keep: a message for several contexts behind one crosses the link to it once.

use super::Controller;
use crate::proto::frame::Priority;
use crate::proto::ids::ContextId;
use crate::proto::message::ToAgent;
use crate::proto::stream::StreamKey;
use sha1::{Digest, Sha1};
use std::collections::HashMap;

/// A kept message and the one that brings it fit one frame.
const KEPT_BYTES: usize = 64_000;
/// What one relay is given to keep; beyond this, each child is sent its own.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// Messages that relays may keep, by what they hold.
#[derive(Debug, Default)]
pub(super) struct Keepsakes {
    numbers: HashMap<[u8; 20], u32>,
}

impl Keepsakes {
    fn number(&mut self, message: &[u8]) -> u32 {
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(Sha1::digest(message).into()).or_insert(next)
    }
}

impl Controller {
    /// Sends a message on a stream of its own: directly, or from the nearest relay, which keeps it.
    pub(super) fn push(&mut self, to: ContextId, message: &ToAgent) {
        if !self.hand_out(to, message) {
            self.open(to, message);
        }
    }

    /// Has the relays between us and a context keep a message, and the last of them give it to the
    /// context. Returns whether there are any, with room for it.
    pub(super) fn hand_out(&mut self, to: ContextId, message: &ToAgent) -> bool {
        let line = self.line(to);
        let relays = &line[1..line.len().saturating_sub(1)];
        let messages = pieces(message);
        let bytes: usize = messages.iter().map(Vec::len).sum();
        let room = |id: &ContextId| {
            self.contexts.get(id).is_some_and(|context| context.kept_bytes + bytes <= MAX_KEPT_BYTES)
        };
        if relays.is_empty()
            || messages.iter().any(|message| message.len() > KEPT_BYTES)
            || !relays.iter().all(room)
        {
            return false;
        }
        for message in messages {
            let key = self.keepsakes.number(&message);
            self.keep(relays, key, &message);
            self.give(relays[0], to, false, key);
        }
        true
    }

    /// Brings a message to each relay that does not have it, from the one above it. The nearest to the
    /// context comes first.
    fn keep(&mut self, relays: &[ContextId], key: u32, message: &[u8]) {
        let mut above = None;
        for relay in relays.iter().rev() {
            let Some(context) = self.contexts.get_mut(relay) else { return };
            if context.kept.insert(key) {
                context.kept_bytes += message.len();
                match above {
                    None => drop(self.open(*relay, &ToAgent::Keep { key, message: message.to_vec() })),
                    Some(above) => self.give(above, *relay, true, key),
                }
            }
            above = Some(*relay);
        }
    }

    /// Has a relay hand on what it keeps; a receiver that is to become another program first does not
    /// get it before.
    fn give(&mut self, relay: ContextId, to: ContextId, keep: bool, key: u32) {
        let stream = self.open(relay, &ToAgent::Give { to, keep, keys: vec![key] });
        self.meant_for.insert(stream, to);
    }

    fn open(&mut self, to: ContextId, message: &ToAgent) -> StreamKey {
        self.streams.tell(to, Priority::Interactive, message.encode())
    }
}

/// A message as it can be kept: modules that do not fit a frame come in pieces.
fn pieces(message: &ToAgent) -> Vec<Vec<u8>> {
    let whole = message.encode();
    let ToAgent::Modules(body) = message else { return vec![whole] };
    if whole.len() <= KEPT_BYTES {
        return vec![whole];
    }
    let chunks: Vec<&[u8]> = body.chunks(KEPT_BYTES - 2).collect();
    let count = chunks.len();
    let piece = |(at, bytes): (usize, &&[u8])| {
        ToAgent::Piece { last: at + 1 == count, bytes: bytes.to_vec() }.encode()
    };
    chunks.iter().enumerate().map(piece).collect()
}
