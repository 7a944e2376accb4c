//! What waits to be written to a link: three priorities, and turns between the streams of each.

use super::frame::{Frame, Kind, Priority};
use super::ids::{ContextId, StreamId};
use std::collections::{HashMap, VecDeque};

type Flow = (ContextId, ContextId, StreamId);

/// Frames by priority and stream. Its size is bounded by the credit of the streams that fill it.
#[derive(Debug, Default)]
pub struct Outbox {
    classes: [Class; Priority::ALL.len()],
    bytes: usize,
}

#[derive(Debug, Default)]
struct Class {
    turns: VecDeque<Flow>,
    flows: HashMap<Flow, VecDeque<Frame>>,
}

impl Outbox {
    /// Queues a frame. A reset takes the place of all that its stream still had to say. Where the other end has never heard of
    /// the stream, nothing is said, and what it would have answered is returned.
    #[must_use]
    pub fn push(&mut self, frame: Frame) -> Option<Frame> {
        let flow = (frame.from, frame.to, frame.stream);
        if frame.kind == Kind::Reset {
            let gone: Vec<Frame> = self.classes.iter_mut().flat_map(|class| class.forget(flow)).collect();
            self.bytes -= gone.iter().map(|frame| frame.body.len()).sum::<usize>();
            if gone.iter().any(|frame| frame.kind == Kind::Open) {
                return Some(Frame { to: frame.from, from: frame.to, ..frame });
            }
        }
        self.bytes += frame.body.len();
        let class = &mut self.classes[frame.priority as usize];
        let queue = class.flows.entry(flow).or_default();
        if queue.is_empty() {
            class.turns.push_back(flow);
        }
        queue.push_back(frame);
        None
    }

    /// Takes the frame whose turn it is.
    pub fn pop(&mut self) -> Option<Frame> {
        let frame = self.classes.iter_mut().find_map(Class::pop)?;
        self.bytes -= frame.body.len();
        Some(frame)
    }

    /// The frame that [`Self::pop`] would take.
    pub fn peek(&self) -> Option<&Frame> {
        self.classes.iter().find_map(|class| class.flows.get(class.turns.front()?)?.front())
    }

    /// The size of all bodies that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(|class| class.turns.is_empty())
    }
}

impl Class {
    fn pop(&mut self) -> Option<Frame> {
        let flow = self.turns.pop_front()?;
        let queue = self.flows.get_mut(&flow)?;
        let frame = queue.pop_front();
        if queue.is_empty() {
            self.flows.remove(&flow);
        } else {
            self.turns.push_back(flow);
        }
        frame
    }

    /// Returns what is forgotten.
    fn forget(&mut self, flow: Flow) -> VecDeque<Frame> {
        let Some(gone) = self.flows.remove(&flow) else { return VecDeque::new() };
        self.turns.retain(|turn| *turn != flow);
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: Kind, priority: Priority, stream: u32, body: u8) -> Frame {
        Frame { priority, ..Frame::control(kind, ContextId(0), ContextId(1), StreamId(stream), vec![body]) }
    }

    fn drain(outbox: &mut Outbox) -> Vec<(u32, u8)> {
        let mut next = || {
            let next = outbox.peek().cloned();
            let frame = outbox.pop();
            assert_eq!(next, frame);
            frame
        };
        std::iter::from_fn(&mut next).map(|frame| (frame.stream.0, frame.body[0])).collect()
    }

    #[test]
    fn streams_of_one_priority_take_turns_and_keep_their_own_order() {
        let mut outbox = Outbox::default();
        for (stream, body) in [(2, 1), (2, 2), (2, 3), (4, 1), (6, 1), (6, 2)] {
            assert!(outbox.push(frame(Kind::Data, Priority::Interactive, stream, body)).is_none());
        }
        assert_eq!(drain(&mut outbox), [(2, 1), (4, 1), (6, 1), (2, 2), (6, 2), (2, 3)]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn control_overtakes_interactive_and_that_overtakes_bulk() {
        let mut outbox = Outbox::default();
        for (kind, priority, stream) in [
            (Kind::Data, Priority::Bulk, 2),
            (Kind::Data, Priority::Interactive, 4),
            (Kind::Credit, Priority::Control, 6),
        ] {
            assert!(outbox.push(frame(kind, priority, stream, 1)).is_none());
        }
        assert_eq!(drain(&mut outbox), [(6, 1), (4, 1), (2, 1)]);
    }

    #[test]
    fn a_reset_replaces_what_its_stream_had_queued() {
        let mut outbox = Outbox::default();
        let data = |stream| frame(Kind::Data, Priority::Interactive, stream, 1);
        assert!(outbox.push(data(2)).is_none() && outbox.push(data(4)).is_none());
        assert!(outbox.push(frame(Kind::Reset, Priority::Control, 2, 9)).is_none());
        assert_eq!(drain(&mut outbox), [(2, 9), (4, 1)]);
    }

    #[test]
    fn what_has_never_been_heard_of_is_settled_without_a_word() {
        let mut outbox = Outbox::default();
        for kind in [Kind::Open, Kind::Data] {
            assert!(outbox.push(frame(kind, Priority::Interactive, 2, 1)).is_none());
        }
        let answer = outbox.push(frame(Kind::Reset, Priority::Control, 2, 9)).expect("an answer");
        assert_eq!((answer.kind, answer.from, answer.to), (Kind::Reset, ContextId(1), ContextId(0)));
        assert!(outbox.is_empty() && outbox.bytes() == 0);
    }
}
