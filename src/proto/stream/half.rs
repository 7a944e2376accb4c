//! The two halves of a stream: what waits for the peer's credit, and what the peer may still send.

use super::WINDOW_BYTES;
use super::window::{Pool, Window};
use crate::proto::frame::{Frame, Kind, MAX_BODY_BYTES};
use std::collections::VecDeque;
use std::time::Instant;

#[derive(Debug)]
pub(super) struct SendHalf {
    opening: bool,
    credit_bytes: u32,
    unsent: VecDeque<Outgoing>,
    /// Of all that is in it.
    unsent_bytes: usize,
    ended: bool,
}

#[derive(Debug)]
struct Outgoing {
    message: Vec<u8>,
    /// `0 <= sent <= message.len()`
    sent: usize,
    end: bool,
}

/// What one frame carries of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) more: bool,
    pub(super) end: bool,
    pub(super) body: Vec<u8>,
}

impl SendHalf {
    /// `opening`: its first frame opens the stream.
    pub(super) fn new(opening: bool) -> Self {
        Self { opening, credit_bytes: WINDOW_BYTES, unsent: VecDeque::new(), unsent_bytes: 0, ended: false }
    }

    /// Of a stream that only brings.
    pub(super) fn closed() -> Self {
        Self { ended: true, ..Self::new(false) }
    }

    pub(super) fn push(&mut self, message: Vec<u8>, end: bool) {
        self.unsent_bytes += message.len();
        self.unsent.push_back(Outgoing { message, sent: 0, end });
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent_bytes
    }

    /// Takes more credit; `None` when that is more than there can be.
    pub(super) fn add_credit(&mut self, bytes: u32) -> Option<()> {
        self.credit_bytes = self.credit_bytes.checked_add(bytes)?;
        Some(())
    }

    /// Cuts the next piece off what waits, as far as credit goes.
    pub(super) fn next_piece(&mut self) -> Option<Piece> {
        let outgoing = self.unsent.front_mut()?;
        let rest = outgoing.message.len() - outgoing.sent;
        let credit = usize::try_from(self.credit_bytes).unwrap_or(usize::MAX);
        let length = rest.min(MAX_BODY_BYTES).min(credit);
        if length == 0 && rest > 0 {
            return None;
        }
        self.credit_bytes -= u32::try_from(length).ok()?;
        let whole = length == rest;
        let body = if whole && outgoing.sent == 0 {
            std::mem::take(&mut outgoing.message)
        } else {
            outgoing.message[outgoing.sent..outgoing.sent + length].to_vec()
        };
        outgoing.sent += length;
        self.unsent_bytes -= length;
        let end = whole && outgoing.end;
        if whole {
            self.unsent.pop_front();
        }
        self.ended |= end;
        let kind = if std::mem::replace(&mut self.opening, false) { Kind::Open } else { Kind::Data };
        Some(Piece { kind, more: !whole, end, body })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}

#[derive(Debug)]
pub(super) struct ReceiveHalf {
    /// What the peer may still send.
    pub(super) granted_bytes: u32,
    window: Window,
    partial: Vec<u8>,
    fresh: bool,
    ended: bool,
    held: bool,
}

/// What a frame has brought.
#[derive(Debug)]
pub(super) struct Received {
    /// The message that it completed, and whether that is the stream's first.
    pub(super) message: Option<(Vec<u8>, bool)>,
    /// To be granted again at once; otherwise by the message's owner.
    pub(super) used_bytes: usize,
    pub(super) owed_bytes: usize,
}

impl ReceiveHalf {
    /// `fresh`: the peer's first message opens the stream.
    pub(super) fn new(fresh: bool) -> Self {
        Self {
            granted_bytes: WINDOW_BYTES,
            window: Window::default(),
            partial: Vec::new(),
            fresh,
            ended: false,
            held: false,
        }
    }

    /// Of a stream that only takes.
    pub(super) fn closed() -> Self {
        Self { ended: true, ..Self::new(false) }
    }

    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Takes a frame; `None` when it breaks the rules: no credit, after the end, more unfinished
    /// bytes than the `room` that all streams of the peer share.
    pub(super) fn take(&mut self, frame: Frame, room: &mut usize) -> Option<Received> {
        let length = frame.body.len();
        if self.ended {
            return None;
        }
        self.granted_bytes = self.granted_bytes.checked_sub(u32::try_from(length).ok()?)?;
        if frame.more {
            *room = room.checked_sub(length)?;
            self.partial.extend(&*frame.body);
            return Some(Received { message: None, used_bytes: length, owed_bytes: 0 });
        }
        let message = if self.partial.is_empty() {
            frame.body.into_bytes()
        } else {
            let mut message = std::mem::take(&mut self.partial);
            *room += message.len();
            message.extend(&*frame.body);
            message
        };
        self.ended = frame.end;
        let opens = std::mem::replace(&mut self.fresh, false);
        let (used_bytes, owed_bytes) = if self.held { (0, length) } else { (length, 0) };
        Some(Received { message: Some((message, opens)), used_bytes, owed_bytes })
    }

    /// Notes what has been used up, and returns the credit to give for it, if it is time.
    pub(super) fn credit_for(
        &mut self,
        bytes: usize,
        adapts: bool,
        pool: &mut Pool,
        now: Instant,
    ) -> Option<u32> {
        if self.ended {
            return None;
        }
        let credit = self.window.use_up(bytes, adapts, pool, now)?;
        self.granted_bytes += credit;
        Some(credit)
    }

    /// What has come of a message that is not whole yet.
    pub(super) fn partial_bytes(&self) -> usize {
        self.partial.len()
    }

    /// What the window has grown by.
    pub(super) fn growth_bytes(&self) -> u32 {
        self.window.growth_bytes()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}
