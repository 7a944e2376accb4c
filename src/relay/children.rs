//! The children of a relay: started as it is told, reported on the streams that asked for them.

use crate::link::{Cause, End, LinkEvent, Start};
use crate::mux::Mux;
use crate::payload;
use crate::proto::frame::{Kind, Priority};
use crate::proto::ids::ContextId;
use crate::proto::message::{FromAgent, ParentHello, Record, ResetReason, ToAgent};
use crate::proto::session::Closed;
use crate::proto::stream::{StreamKey, Streams};
use crate::proto::value::{Builder, Node, Value};
use crate::route::LinkId;
use crate::sys::process;
use crate::sys::tty::Role;
use crate::sys::watchdog::Watched;
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(super) struct Children {
    by_link: HashMap<LinkId, StreamKey>,
    by_stream: HashMap<StreamKey, LinkId>,
    /// Their processes, until they have been reaped.
    pids: HashMap<LinkId, i32>,
    /// Messages for more than one child, by number.
    kept: HashMap<u32, Vec<u8>>,
}

impl Children {
    pub(super) fn start(
        &mut self,
        key: StreamKey,
        order: &Value,
        mux: &mut Mux,
        streams: &mut Streams,
        watched: &mut Watched,
    ) {
        let Some(start) = start_of(order) else { return streams.reset(key, ResetReason::UnknownMessage) };
        let context = ContextId(start.hello.context);
        let is_agent = order.get("core").is_some_and(|id| order.is_true(id));
        match mux.start(start) {
            Ok(link) => {
                if let Some(pid) = mux.pid(link) {
                    watched.leads(pid);
                    self.pids.insert(link, pid);
                }
                self.by_link.insert(link, key);
                self.by_stream.insert(key, link);
                if let Some(guard) = payload::part("guard").filter(|_| is_agent) {
                    let message = ToAgent::Part(guard.packed.to_vec()).encode();
                    streams.tell(context, Priority::Interactive, message);
                }
            }
            Err(error) => {
                let end = End {
                    cause: Cause::Eof,
                    started: false,
                    exit: None,
                    stderr: Vec::new(),
                    noise: Vec::new(),
                };
                streams.send(key, FromAgent::Ended(report(&end, Some(error.to_string()))).encode(), true);
            }
        }
    }

    /// Those that have not been reaped.
    pub(super) fn processes(&self) -> impl Iterator<Item = i32> {
        self.pids.values().copied()
    }

    pub(super) fn keep(&mut self, key: u32, message: Vec<u8>) {
        self.kept.insert(key, message);
    }

    pub(super) fn give(&mut self, to: ContextId, keep: bool, keys: &[u32], streams: &mut Streams) {
        for key in keys {
            let Some(message) = self.kept.get(key).cloned() else { continue };
            let message = if keep { ToAgent::Keep { key: *key, message }.encode() } else { message };
            streams.tell(to, Priority::Interactive, message);
        }
    }

    /// From above, for a child; whether the stream is about one.
    pub(super) fn told(&mut self, key: StreamKey, message: &[u8], mux: &mut Mux) -> bool {
        let Some(link) = self.by_stream.get(&key).copied() else { return false };
        match ToAgent::decode(message) {
            Ok(ToAgent::Leave { at_once: true }) => mux.abort(link, Cause::TooSlow),
            Ok(ToAgent::Leave { at_once: false }) => mux.close(link),
            Ok(ToAgent::Reply(password)) => mux.reply(link, &zeroize::Zeroizing::new(password)),
            Ok(_) | Err(_) => {}
        }
        true
    }

    /// Whoever asked for a child does not want to hear of it any more.
    pub(super) fn cancel(&mut self, key: StreamKey, mux: &mut Mux) {
        if let Some(link) = self.by_stream.remove(&key) {
            self.by_link.remove(&link);
            mux.abort(link, Cause::TooSlow);
        }
    }

    pub(super) fn handle_link(
        &mut self,
        link: LinkId,
        event: LinkEvent,
        streams: &mut Streams,
        watched: &mut Watched,
    ) {
        if matches!(event, LinkEvent::Ended(_))
            && let Some(pid) = self.pids.remove(&link)
        {
            watched.leads_no_more(pid);
        }
        let Some(key) = self.by_link.get(&link).copied() else { return };
        let (message, end) = match event {
            LinkEvent::Ready(hello) => (FromAgent::Started(hello), false),
            LinkEvent::Noise(noise) => (FromAgent::Noise(noise), false),
            LinkEvent::Asked(question) => (FromAgent::Asked(question), false),
            LinkEvent::Refused(what) => (FromAgent::Refused(what.into_bytes()), false),
            LinkEvent::Ended(end) => {
                self.by_link.remove(&link);
                self.by_stream.remove(&key);
                (FromAgent::Ended(report(&end, None)), true)
            }
            // Credit for what it has been given, which fits the window of a new stream.
            LinkEvent::Frame(frame) if frame.kind != Kind::Open => return,
            // Nothing below may ask anything of us.
            LinkEvent::Frame(frame) => {
                streams.refuse(&frame);
                let what = format!("{} asked something of a relay", frame.from);
                (FromAgent::Refused(what.into_bytes()), false)
            }
        };
        streams.send(key, message.encode(), end);
    }
}

/// From a Spawn message.
fn start_of(order: &Value) -> Option<Start> {
    let bytes = |name| order.get(name).and_then(|id| order.bytes(id));
    let Node::List(words) = order.node(order.get("argv")?) else { return None };
    let word = |id| order.bytes(id).and_then(|word| String::from_utf8(word).ok());
    let argv = words.iter().map(|id| word(*id)).collect::<Option<Vec<_>>>()?;
    let mut payload = bytes("start")?;
    if order.get("core").is_some_and(|id| order.is_true(id)) {
        payload.extend_from_slice(payload::CORE);
    }
    let terminal = match order.node(order.get("terminal")?) {
        Node::Int(0) => Role::None,
        Node::Int(1) => Role::Beside,
        Node::Int(2) => Role::Input,
        _ => return None,
    };
    let hello = <ParentHello as Record>::decode(&bytes("hello")?).ok()?;
    let helper = bytes("helper").and_then(|words| String::from_utf8(words).ok()).unwrap_or_default();
    Some(Start { argv, payload, hello, terminal, token: bytes("token")?, helper })
}

/// How a child has ended, or why it could not be started.
fn report(end: &End, error: Option<String>) -> Value {
    let cause = match end.cause {
        Cause::Asked | Cause::TooSlow | Cause::Question | Cause::Stuck => "asked",
        Cause::Eof | Cause::Failed => "eof",
        Cause::TooNoisy => "noise",
        Cause::Forged { .. } => "forged",
        Cause::Session(Closed::Bye) => "bye",
        Cause::Session(Closed::Silent { .. }) => "silent",
        Cause::Session(Closed::BadFrame(_)) => "corrupt",
        Cause::Session(Closed::OutOfOrder(_) | Closed::BadHello | Closed::Version { .. }) => "rules",
    };
    let quiet = match end.cause {
        Cause::Session(Closed::Silent { quiet }) => {
            Node::Int(quiet.as_millis().try_into().unwrap_or(i64::MAX))
        }
        _ => Node::None,
    };
    let text = |text: String| Node::Text(text.into_bytes());
    let lines = |lines: &[String]| Node::Bytes(lines.join("\n").into_bytes());
    Builder::default().dict([
        ("cause", text(cause.to_owned())),
        ("quiet", quiet),
        ("started", Node::Bool(end.started)),
        ("exit", end.exit.map_or(Node::None, |exit| Node::Int(process::status_of(exit).into()))),
        ("error", error.map_or(Node::None, text)),
        ("said", lines(&end.stderr)),
        ("noise", lines(&end.noise)),
    ])
}
