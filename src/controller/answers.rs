//! What contexts say on their streams: answers and output of operations, requests, what belongs to nothing.

use super::Controller;
use super::operation::{Meaning, OperationId, Record, Report, Said, Source};
use crate::error::{HostErrorKind, Loss, RemoteException};
use crate::proto::message::{FromAgent, ResetReason};
use crate::proto::stream::{StreamEvent, StreamKey};
use crate::proto::value::Value;
use crate::sys::stdio::Stream;
use std::time::Instant;

impl Controller {
    pub(super) fn drain_streams(&mut self, now: Instant) {
        while let Some(event) = self.streams.poll_event() {
            match event {
                StreamEvent::Message { key, message, opens, end, owed_bytes } => {
                    if let Some(context) = self.made_native_by(key) {
                        self.handle_native(context, &message, end);
                        continue;
                    }
                    if self.is_lane(key) {
                        self.handle_lane(key, &message, end);
                        continue;
                    }
                    match self.spawns.get(&key).copied() {
                        Some(child) => self.handle_spawned(key, child, &message, now),
                        None => self.handle_message(Source { key, owed_bytes }, message, opens, now),
                    }
                }
                StreamEvent::Settled { key } => self.settled(key),
                StreamEvent::Reset { key, .. } if self.has_answered(key, now) => {}
                StreamEvent::Reset { key, .. } if self.made_native_by(key).is_some() => {
                    self.handle_native(key.peer, &[], true);
                }
                StreamEvent::Reset { key, .. } if self.is_lane(key) => self.not_laid(key),
                StreamEvent::Reset { key, .. } if self.spawns.contains_key(&key) => {
                    if let Some(child) = self.spawns.remove(&key) {
                        self.lose(child, &HostErrorKind::LinkLost { why: Loss::Rules }, &[]);
                    }
                }
                StreamEvent::Reset { key, reason } => {
                    if let Some(operation) = self.by_stream.get(&key).copied() {
                        let what = match reason {
                            ResetReason::TooMuch => {
                                "what is too large: more than 64 MiB at once, or more than it was allowed to"
                            }
                            ResetReason::Cancelled
                            | ResetReason::UnknownMessage
                            | ResetReason::TooManyStreams => "a refusal",
                        };
                        self.fail(operation, HostErrorKind::BadValue { what: what.to_owned() }, Vec::new());
                    } else {
                        self.end_wish(key);
                        self.unjoins.extend(self.joined.remove(&key).then_some(key));
                    }
                }
            }
        }
    }

    fn handle_message(&mut self, source: Source, message: Vec<u8>, opens: bool, now: Instant) {
        let key = source.key;
        match (FromAgent::take(message), self.by_stream.get(&key).copied()) {
            (Ok(FromAgent::Need(name)), None) if opens => self.serve(key, &name, now),
            (Ok(FromAgent::Join(order)), None) if opens && (self.settings.script || self.settings.lends) => {
                self.joined.insert(key);
                self.joins.push_back((key, order));
            }
            (Ok(FromAgent::Need(name)), None) if name.is_empty() => self.end_wish(key),
            (Ok(message), Some(operation)) => self.handle_answer(operation, source, message),
            // Output that belongs to no call: a background process goes on writing.
            (Ok(FromAgent::Output(bytes)), None) => self.late_output(source, Stream::Out, bytes, now),
            (Ok(FromAgent::Errors(bytes)), None) => self.late_output(source, Stream::Err, bytes, now),
            (Ok(FromAgent::Log(record)), None) => self.late_record(source, &record, now),
            (Ok(_), None) => self.refuse(key),
            (Err(error), operation) => {
                if let Some(operation) = operation {
                    let what = format!("a message that cannot be read: {error}");
                    self.fail(operation, HostErrorKind::BadValue { what }, Vec::new());
                }
                self.refuse(key);
            }
        }
    }

    /// It has asked for what nobody may ask of us.
    pub(super) fn refuse(&mut self, key: StreamKey) {
        self.streams.reset(key, ResetReason::UnknownMessage);
        self.warn(key.peer, || "refused: it asked for what it may not".to_owned());
    }

    fn handle_answer(&mut self, operation: OperationId, source: Source, message: FromAgent) {
        match Meaning::of(message) {
            Meaning::Said(said) => {
                if let Said::Output(_, bytes) = &said {
                    self.carries(operation, bytes.len());
                }
                self.reports.push_back(Report::Said { operation, source, said });
            }
            Meaning::Trouble(what) => self.fail(operation, HostErrorKind::File { what }, Vec::new()),
            Meaning::Answer(Ok(answer)) => self.finish(operation, answer),
            Meaning::Answer(Err(exception)) => {
                self.fail(operation, failure_of(*exception), Vec::new());
            }
            Meaning::Nonsense => {
                self.fail(
                    operation,
                    HostErrorKind::BadValue { what: "a request in the place of an answer".to_owned() },
                    Vec::new(),
                );
            }
        }
    }

    /// As a terminal would mix them.
    fn late_output(&mut self, source: Source, stream: Stream, bytes: Vec<u8>, now: Instant) {
        self.late(source, Said::Output(stream, bytes), now);
    }

    fn late_record(&mut self, source: Source, record: &Value, now: Instant) {
        match Record::of(record) {
            Some(record) => self.late(source, Said::Record(record), now),
            None => self.streams.reset(source.key, ResetReason::UnknownMessage),
        }
    }

    /// What belongs to no operation is a script's to show, else is shown with one that runs there; where none does, it is dropped.
    fn late(&mut self, source: Source, said: Said, now: Instant) {
        self.streams.hold(source.key);
        if self.settings.script {
            return self.asides.push_back((source, said));
        }
        match self.operations_of(source.key.peer).first().copied() {
            Some(operation) => self.reports.push_back(Report::Said { operation, source, said }),
            None => self.streams.grant(source.key, source.owed_bytes, now),
        }
    }

    /// What a context has said that belongs to no operation, where a script is above; to be given back to [`Self::consumed`].
    pub fn poll_aside(&mut self) -> Option<(Source, Said)> {
        self.asides.pop_front()
    }
}

/// What a call raised, or what of its result could not be sent.
fn failure_of(value: Value) -> HostErrorKind {
    let field = |name| value.get(name).and_then(|id| value.text(id)).unwrap_or_default();
    if value.get("unsendable").is_some_and(|id| value.is_true(id)) {
        return HostErrorKind::BadValue { what: format!("a result that is no value: {}", field("message")) };
    }
    HostErrorKind::Exception(Box::new(RemoteException {
        class: field("type"),
        message: field("message"),
        traceback: field("traceback"),
        details: value,
    }))
}
