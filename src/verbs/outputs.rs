//! What is written, and who waits for that: a slow reader stops its sources.

use crate::controller::Controller;
use crate::controller::operation::Source;
use crate::error::ExitCode;
use crate::mux::Mux;
use crate::report::Pressure;
use crate::sys::clock;
use crate::sys::stdio::Stream;
use std::collections::BTreeSet;

#[derive(Default)]
pub(super) struct Outputs {
    /// Where output came from that has been queued but not yet written.
    unwritten: Vec<Source>,
    watched: BTreeSet<Stream>,
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

    /// A stream takes more.
    pub(super) fn is_writable(&mut self, stream: Stream) {
        self.watched.remove(&stream);
    }

    pub(super) fn are_written(&self) -> bool {
        self.watched.is_empty()
    }

    /// Acts on what the last attempt to write has shown; returns why it was the last one.
    pub(super) fn settle(
        &mut self,
        pressure: &Pressure,
        mux: &mut Mux,
        controller: &mut Controller,
    ) -> Option<Stopped> {
        for stream in &pressure.full {
            if !self.watched.contains(stream) && mux.watch_output(*stream).is_ok() {
                self.watched.insert(*stream);
            }
        }
        if !pressure.high {
            for source in std::mem::take(&mut self.unwritten) {
                controller.consumed(source, clock::now());
            }
        }
        match pressure.failed {
            Some(errno) => Some(Stopped {
                code: ExitCode::Failed,
                why: Some(format!("standard output cannot be written: {errno}")),
            }),
            None => pressure.closed.then_some(Stopped { code: ExitCode::Success, why: None }),
        }
    }
}
