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
    /// Queues a frame. A reset takes the place of all that its stream still had to say.
    pub fn push(&mut self, frame: Frame) {
        let flow = (frame.from, frame.to, frame.stream);
        if frame.kind == Kind::Reset {
            self.bytes -= self.classes.iter_mut().map(|class| class.forget(flow)).sum::<usize>();
        }
        self.bytes += frame.body.len();
        let class = &mut self.classes[frame.priority as usize];
        let queue = class.flows.entry(flow).or_default();
        if queue.is_empty() {
            class.turns.push_back(flow);
        }
        queue.push_back(frame);
    }

    /// Takes the frame whose turn it is.
    pub fn pop(&mut self) -> Option<Frame> {
        let frame = self.classes.iter_mut().find_map(Class::pop)?;
        self.bytes -= frame.body.len();
        Some(frame)
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

    /// Returns the size of what is forgotten.
    fn forget(&mut self, flow: Flow) -> usize {
        let Some(gone) = self.flows.remove(&flow) else { return 0 };
        self.turns.retain(|turn| *turn != flow);
        gone.iter().map(|frame| frame.body.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: Kind, priority: Priority, stream: u32, body: u8) -> Frame {
        Frame { priority, ..Frame::control(kind, ContextId(0), ContextId(1), StreamId(stream), vec![body]) }
    }

    fn drain(outbox: &mut Outbox) -> Vec<(u32, u8)> {
        std::iter::from_fn(|| outbox.pop()).map(|frame| (frame.stream.0, frame.body[0])).collect()
    }

    #[test]
    fn streams_of_one_priority_take_turns_and_keep_their_own_order() {
        let mut outbox = Outbox::default();
        for (stream, body) in [(2, 1), (2, 2), (2, 3), (4, 1), (6, 1), (6, 2)] {
            outbox.push(frame(Kind::Data, Priority::Interactive, stream, body));
        }
        assert_eq!(drain(&mut outbox), [(2, 1), (4, 1), (6, 1), (2, 2), (6, 2), (2, 3)]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn control_overtakes_interactive_and_that_overtakes_bulk() {
        let mut outbox = Outbox::default();
        outbox.push(frame(Kind::Data, Priority::Bulk, 2, 1));
        outbox.push(frame(Kind::Data, Priority::Interactive, 4, 1));
        outbox.push(frame(Kind::Credit, Priority::Control, 6, 1));
        assert_eq!(drain(&mut outbox), [(6, 1), (4, 1), (2, 1)]);
    }

    #[test]
    fn a_reset_replaces_what_its_stream_had_queued() {
        let mut outbox = Outbox::default();
        outbox.push(frame(Kind::Open, Priority::Interactive, 2, 1));
        outbox.push(frame(Kind::Data, Priority::Interactive, 4, 1));
        outbox.push(frame(Kind::Reset, Priority::Control, 2, 9));
        assert_eq!(drain(&mut outbox), [(2, 9), (4, 1)]);
    }
}
