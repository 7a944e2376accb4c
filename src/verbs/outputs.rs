//! What is written, and who waits for that: a slow reader stops its sources.

use crate::controller::Controller;
use crate::controller::operation::Source;
use crate::error::{ExitCode, Unwritten};
use crate::mux::Mux;
use crate::report::Pressure;
use crate::sys::clock;
use crate::sys::stdio::Stream;
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Outputs {
    /// Where output came from that has been queued but not yet written.
    unwritten: Vec<Source>,
    watched: BTreeMap<Stream, Watch>,
}

/// What is waited for of a stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    /// That it takes more.
    Room,
    /// That its reader goes.
    Reader,
    /// Nothing: it is a file, or of its kind.
    Nothing,
}

/// Why nothing more is to be written.
pub(super) struct Stopped {
    pub(super) code: ExitCode,
    /// What the user is to be told.
    pub(super) why: Option<String>,
}

impl Outputs {
    /// What came from there has been queued.
    pub(super) fn owe(&mut self, source: Source) {
        self.unwritten.push(source);
    }

    /// A stream takes more, or nobody reads it any more.
    pub(super) fn is_ready(&mut self, stream: Stream) {
        self.watched.remove(&stream);
    }

    pub(super) fn are_written(&self) -> bool {
        !self.watched.values().any(|watch| *watch == Watch::Room)
    }

    /// Acts on what the last attempt to write has shown; returns why it was the last one.
    pub(super) fn settle(
        &mut self,
        pressure: &Pressure,
        mux: &mut Mux,
        controller: &mut Controller,
    ) -> Option<Stopped> {
        pressure.full.iter().for_each(|stream| self.watch(*stream, Watch::Room, mux));
        // Whoever has read something and goes (`| head -1`) has had enough; who has had nothing yet may not want any.
        if pressure.begun && !pressure.closed && !pressure.full.contains(&Stream::Out) {
            self.watch(Stream::Out, Watch::Reader, mux);
        }
        if !pressure.high {
            for source in std::mem::take(&mut self.unwritten) {
                controller.consumed(source, clock::now());
            }
        }
        match pressure.failed {
            Some(errno) => {
                Some(Stopped { code: ExitCode::Failed, why: Some(Unwritten(errno.into()).to_string()) })
            }
            None => pressure.closed.then_some(Stopped { code: ExitCode::Success, why: None }),
        }
    }

    fn watch(&mut self, stream: Stream, what: Watch, mux: &mut Mux) {
        match self.watched.get(&stream) {
            Some(watch) if *watch == what || *watch == Watch::Nothing => return,
            Some(_) => mux.forget_output(stream),
            None => {}
        }
        let watched = mux.watch_output(stream, what == Watch::Room);
        self.watched.insert(stream, if watched.is_ok() { what } else { Watch::Nothing });
    }
}
