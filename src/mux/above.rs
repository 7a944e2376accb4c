//! The mux of a relay: its parent is one more source, and frames pass between it and the links below.

use super::{Event, Mux, READABLE, UPLINK_KEYS};
use crate::link::uplink::{Uplink, UplinkEvent};
use crate::proto::ids::ContextId;
use crate::proto::message::ParentHello;
use crate::sys::poll::Interest;
use std::io;
use std::os::fd::AsFd;

impl Mux {
    /// Makes this the mux of a relay, which hears who it is from its parent.
    ///
    /// # Errors
    ///
    /// When the descriptors cannot be watched.
    pub fn attach(&mut self, uplink: Uplink) -> io::Result<()> {
        self.poller.add(uplink.input().as_fd(), UPLINK_KEYS[0], READABLE)?;
        self.poller.add(uplink.output().as_fd(), UPLINK_KEYS[1], Interest::default())?;
        self.uplink = Some(uplink);
        Ok(())
    }

    /// Takes what the parent has said about us.
    pub fn settle_in(&mut self, hello: &ParentHello) {
        self.me = ContextId(hello.context);
        self.ancestors = hello.ancestors.iter().copied().map(ContextId).collect();
    }

    /// Answers the parent's hello.
    pub fn answer(&mut self, hello: &ParentHello) {
        if let Some(uplink) = &mut self.uplink {
            uplink.answer(hello);
        }
    }

    /// The same for the parent: what is not for us goes on to whom it is for.
    pub(super) fn settle_above(&mut self) {
        let Some(uplink) = &mut self.uplink else { return };
        let mut onward = Vec::new();
        while let Some(event) = self.events.is_empty().then(|| uplink.poll_event()).flatten() {
            match event {
                UplinkEvent::Frame(frame) if frame.to != self.me => onward.push(frame),
                // It may change where what follows belongs: who we are, a child that is started.
                event => {
                    self.events.push_back(Event::Above(event));
                    break;
                }
            }
        }
        for frame in onward {
            if self.ancestors.contains(&frame.from) && !self.ancestors.contains(&frame.to) {
                self.send(frame);
            }
        }
    }

    pub(super) fn flush_above(&mut self) {
        let Some(uplink) = &mut self.uplink else { return };
        uplink.flush();
        let (input, output) = uplink.interest();
        self.poller.modify(uplink.input().as_fd(), UPLINK_KEYS[0], input).ok();
        self.poller.modify(uplink.output().as_fd(), UPLINK_KEYS[1], output).ok();
    }
}
