//! What a guest asks of its tunnels: one stream for each, on which comes what the agent says.

use super::telling::error_message;
use super::{GUEST, MAX_UNSENT_BYTES, Session};
use crate::controller::operation::{Answer, Feed, OperationId, Report, Request, Run, Said, Source, Words};
use crate::error::HostErrorKind;
use crate::proto::frame::Priority;
use crate::proto::message::{FromAgent, MessageError, ToAgent, ToGuest};
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, Value};
use crate::sys::clock;
use crate::sys::stdio::Stream;
use std::time::Duration;

/// What a command there has not read yet is not added to beyond this.
const MAX_UNREAD_BYTES: usize = 128 * 1024;

#[derive(Debug)]
pub(super) struct Asked {
    stream: StreamKey,
    /// Whom it is asked.
    host: String,
    /// Where what has come up came from, until the guest has taken it.
    unsent: Vec<Source>,
    /// What has gone down and is not yet credited to the guest.
    owed_bytes: usize,
    /// The guest does not wait for it any more.
    cancelled: bool,
}

impl Session {
    /// Asks a tunnel's context; returns what is wrong with the message.
    pub(super) fn ask(
        &mut self,
        key: StreamKey,
        tunnel: u32,
        timeout_ms: u32,
        imports: String,
        message: &[u8],
        end: bool,
    ) -> Result<(), MessageError> {
        let request = request(ToAgent::decode(message)?, imports, end)?;
        let (context, host) = match self.context_of(tunnel) {
            Ok(found) => found,
            Err(error) => {
                self.streams.send(key, error_message("", &error), true);
                return Ok(());
            }
        };
        let timeout = (timeout_ms > 0).then(|| Duration::from_millis(timeout_ms.into()));
        self.controller.settings_mut().timeout = timeout;
        let operation = self.controller.submit(context, &request, clock::now());
        self.controller.settings_mut().timeout = None;
        self.streams.hold(key);
        self.desk.by_stream.insert(key, operation);
        let asked = Asked { stream: key, host, unsent: Vec::new(), owed_bytes: 0, cancelled: false };
        self.desk.asked.insert(operation, asked);
        Ok(())
    }

    /// More of what an operation takes.
    pub(super) fn pass_down(&mut self, operation: OperationId, message: &[u8], end: bool, owed_bytes: usize) {
        let Some(asked) = self.desk.asked.get_mut(&operation) else { return };
        asked.owed_bytes += owed_bytes;
        self.desk.in_debt.insert(operation);
        match ToAgent::decode(message) {
            Ok(message @ (ToAgent::Input(_) | ToAgent::Send(_))) => {
                self.controller.send(operation, &message, end);
            }
            Ok(_) | Err(_) => {
                let what = "what goes on with a call is its input, or what is sent on a channel".to_owned();
                self.controller.abandon(operation, what, clock::now());
            }
        }
    }

    /// What has come of it so far, or in the end.
    pub(super) fn pass_up(&mut self, operation: OperationId, report: Report) {
        let Some(asked) = self.desk.asked.get_mut(&operation) else { return };
        match report {
            Report::Said { source, said, .. } => {
                asked.unsent.push(source);
                self.desk.in_debt.insert(operation);
                if let Some(message) = message(said).filter(|_| !asked.cancelled) {
                    self.streams.send(asked.stream, message.encode(), false);
                }
            }
            Report::LeftBehind { .. } => {}
            Report::Done { outcome, .. } => {
                let Some(asked) = self.desk.asked.remove(&operation) else { return };
                self.desk.by_stream.remove(&asked.stream);
                for source in asked.unsent {
                    self.controller.consumed(source, clock::now());
                }
                if asked.cancelled {
                    return self.streams.confirm(asked.stream);
                }
                let message = match outcome {
                    Ok(Answer::Value(value)) => FromAgent::Result(value).encode(),
                    Ok(Answer::Exhausted) => FromAgent::Exhausted.encode(),
                    // As wait(2) has it.
                    Ok(Answer::Exit(status)) => FromAgent::Exit(status.unsigned_abs() << 8).encode(),
                    Ok(Answer::Killed(signal)) => FromAgent::Exit(signal.unsigned_abs()).encode(),
                    Err(error) => match error.kind {
                        HostErrorKind::Exception(exception) => FromAgent::Failure(exception.details).encode(),
                        _ => error_message(&asked.host, &error),
                    },
                };
                self.streams.send(asked.stream, message, true);
            }
        }
    }

    /// The guest does not want it any more: it is stopped there, and the guest is told when that is so.
    pub(super) fn cancel(&mut self, key: StreamKey, operation: OperationId) {
        if let Some(asked) = self.desk.asked.get_mut(&operation) {
            asked.cancelled = true;
            self.desk.by_stream.remove(&key);
            self.controller.cancel(operation, clock::now());
        }
    }

    /// What was said in a context beside all calls, by a stream of its own.
    pub(super) fn tell_aside(&mut self, source: Source, said: Said) {
        self.desk.aside.push(source);
        let (Some(number), Some(message)) = (self.desk.tunnels.of(source.key.peer), message(said)) else {
            return;
        };
        let mut builder = Builder::default();
        let fields = vec![builder.add(Node::Int(number.into())), builder.add(Node::Bytes(message.encode()))];
        let root = builder.add(Node::Tuple(fields));
        let told = ToGuest::Aside(builder.finish(root)).encode();
        match self.desk.asides {
            Some(key) => self.streams.send(key, told, false),
            None => self.desk.asides = Some(self.streams.open(GUEST, Priority::Bulk, told, false)),
        }
    }

    /// Those who have been read from, or written to, may go on.
    pub(super) fn give_credit(&mut self) {
        let now = clock::now();
        let unsent = self.desk.asides.map_or(0, |key| self.streams.unsent_bytes(key));
        if unsent < MAX_UNSENT_BYTES {
            for source in std::mem::take(&mut self.desk.aside) {
                self.controller.consumed(source, now);
            }
        }
        let (asked, controller, streams) = (&mut self.desk.asked, &mut self.controller, &mut self.streams);
        self.desk.in_debt.retain(|operation| {
            let Some(asked) = asked.get_mut(operation) else { return false };
            if !asked.unsent.is_empty()
                && (asked.cancelled || streams.unsent_bytes(asked.stream) < MAX_UNSENT_BYTES)
            {
                asked.unsent.drain(..).for_each(|source| controller.consumed(source, now));
            }
            if asked.owed_bytes > 0 && controller.unread(*operation) < MAX_UNREAD_BYTES {
                streams.grant(asked.stream, std::mem::take(&mut asked.owed_bytes), now);
            }
            asked.owed_bytes > 0 || !asked.unsent.is_empty()
        });
    }
}

/// What may be asked; `end`: nothing follows.
fn request(message: ToAgent, imports: String, end: bool) -> Result<Request, MessageError> {
    Ok(match message {
        ToAgent::Call { function, arguments, own } => {
            let imports = Some(imports).filter(|name| !name.is_empty());
            Request::Call { function, imports, arguments, own }
        }
        ToAgent::Run(order) => Request::Run(run(&order, end).ok_or(MessageError::BadRecord)?),
        ToAgent::Channel(token) => Request::Channel(token),
        _ => return Err(MessageError::BadRecord),
    })
}

/// A command, from a dict as an agent gets it.
fn run(order: &Value, end: bool) -> Option<Run> {
    let Node::List(words) = order.node(order.get("words")?) else { return None };
    let words: Vec<Vec<u8>> = words.iter().map(|word| order.bytes(*word)).collect::<Option<_>>()?;
    let flag = |name| order.get(name).is_some_and(|id| order.is_true(id));
    let interpreter = if flag("shell") { Words::Shell } else { Words::Exact };
    let stdin = if flag("stdin") && !end { Feed::Piped } else { Feed::Nothing };
    (!words.is_empty()).then(|| Run { words, interpreter, stdin, ..Run::default() })
}

/// What was said, as the agent has said it; pieces of files are for others.
fn message(said: Said) -> Option<FromAgent> {
    Some(match said {
        Said::Output(Stream::Out, bytes) => FromAgent::Output(bytes),
        Said::Output(Stream::Err, bytes) => FromAgent::Errors(bytes),
        Said::Yields => FromAgent::Yields,
        Said::Item(value) => FromAgent::Item(value),
        Said::Record(record) => {
            let mut builder = Builder::default();
            let fields = vec![
                builder.text(&record.logger),
                builder.add(Node::Int(record.number.into())),
                builder.text(&record.level),
                builder.text(&record.text),
            ];
            let root = builder.add(Node::Tuple(fields));
            FromAgent::Log(builder.finish(root))
        }
        Said::Piece(_) => return None,
    })
}
