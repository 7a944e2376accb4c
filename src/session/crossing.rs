//! What an ssh that was called in one context runs in another: joined by the nearest context above both.

use crate::controller::Controller;
use crate::controller::operation::{Answer, Feed, OperationId, Report, Run, Words};
use crate::error::HostError;
use crate::fakessh::grammar::parse;
use crate::fakessh::{Invocation, Parsed, Refusal, configuration, wanted};
use crate::proto::ids::ContextId;
use crate::proto::message::session::What;
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, Value};
use crate::sys::clock;
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// What an ssh was called for.
#[derive(Debug)]
pub enum Called {
    Run {
        invocation: Box<Invocation>,
        run: Run,
    },
    /// It can be answered at once.
    Answered(Value),
}

/// Reads a request of a context's: a dict of `token` and `ssh`, the words. `None`: it is about something else.
pub fn called(order: &Value) -> Option<Called> {
    let words = order.get("ssh").and_then(|id| order.items(id))?;
    let words: Vec<OsString> =
        words.iter().filter_map(|id| order.bytes(*id)).map(OsString::from_vec).collect();
    let refused = |text: String| Called::Answered(answer(Refusal::STATUS, "", &text));
    let invocation = match parse(&words) {
        Ok(Parsed::Run(invocation)) => invocation,
        Ok(Parsed::Configuration(invocation)) => {
            return Some(Called::Answered(answer(0, &configuration::text(&invocation, ""), "")));
        }
        Ok(Parsed::Version) => {
            return Some(Called::Answered(answer(
                0,
                "",
                concat!("hopvine ", env!("CARGO_PKG_VERSION"), "\n"),
            )));
        }
        Ok(Parsed::Query(_) | Parsed::Control(..)) => {
            return Some(refused("hopvine: that is not to be had here\n".to_owned()));
        }
        Err(refusal) => return Some(refused(refusal.to_string())),
    };
    let stdin = if invocation.no_input { Feed::Nothing } else { Feed::Piped };
    let run = Run { stdin, home: true, ..Run::default() };
    let run = match wanted(&invocation) {
        Ok(What::Shell(command)) => Run { words: vec![command], ..run },
        Ok(What::Words(words)) => Run { words, interpreter: Words::Exact, ..run },
        Ok(What::Login) => Run { login: true, ..run },
        Ok(What::Dial { .. } | What::Nothing) => {
            return Some(refused("hopvine: -N and -W are not to be had from another machine\n".to_owned()));
        }
        Err(name) => {
            return Some(refused(format!("hopvine: subsystem request failed: there is no {name:?} here\n")));
        }
    };
    Some(Called::Run { invocation, run })
}

/// How it has ended, and what is to be shown.
pub fn answer(status: i32, out: &str, err: &str) -> Value {
    Builder::default().dict([
        ("status", Node::Int(status.into())),
        ("out", Node::Bytes(out.into())),
        ("err", Node::Bytes(err.into())),
    ])
}

/// All that runs so.
#[derive(Debug, Default)]
pub struct Crossings {
    /// What is to run when its context does.
    waiting: HashMap<OperationId, (StreamKey, ContextId, Run)>,
    running: HashMap<OperationId, StreamKey>,
    /// What each leads to, as it is shown.
    names: HashMap<StreamKey, String>,
}

/// What a report was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Something else.
    Another,
    GoesOn,
    /// It has ended, for whoever had asked on this stream.
    Ended(StreamKey),
}

impl Crossings {
    /// Runs it in `to`, for whoever has asked on `key`.
    pub fn begin(&mut self, controller: &mut Controller, key: StreamKey, to: ContextId, run: Run) {
        let name = controller.target(to).map(|target| target.name.clone());
        self.names.insert(key, name.unwrap_or_default());
        let operation = controller.await_opening(to);
        self.waiting.insert(operation, (key, to, run));
    }

    /// What has become of one.
    pub fn handle(&mut self, controller: &mut Controller, report: &Report) -> News {
        let operation = report.operation();
        if let Some((key, to, run)) = self.waiting.remove(&operation) {
            if let Report::Done { outcome: Err(error), .. } = report {
                return self.ended(controller, key, self.failed(key, error));
            }
            let now = clock::now();
            let apart = controller.apart(to, key.peer, "", now);
            let operation = controller.submit_between(key, apart, &run, now);
            self.running.insert(operation, key);
            return News::GoesOn;
        }
        let Some(key) = self.running.get(&operation).copied() else { return News::Another };
        match report {
            Report::Said { source, .. } => controller.consumed(*source, clock::now()),
            Report::LeftBehind { .. } => {}
            Report::Done { outcome, .. } => {
                self.running.remove(&operation);
                let told = match outcome {
                    Ok(Answer::Exit(status)) => answer(*status, "", ""),
                    Ok(_) => answer(Refusal::STATUS, "", ""),
                    Err(error) => self.failed(key, error),
                };
                return self.ended(controller, key, told);
            }
        }
        News::GoesOn
    }

    fn ended(&mut self, controller: &mut Controller, key: StreamKey, told: Value) -> News {
        self.names.remove(&key);
        controller.joined(key, told);
        News::Ended(key)
    }

    fn failed(&self, key: StreamKey, error: &HostError) -> Value {
        let said: String = error.said.iter().map(|line| format!("{line}\n")).collect();
        let name = self.names.get(&key).map_or("", String::as_str);
        answer(Refusal::STATUS, "", &format!("{said}hopvine: {name}: {error}\n"))
    }

    /// Whoever asked does not want it any more.
    pub fn cancel(&mut self, controller: &mut Controller, key: StreamKey) {
        self.waiting.retain(|_, (asked, ..)| *asked != key);
        if !self.running.values().any(|asked| *asked == key) {
            self.names.remove(&key);
        }
        let of = self.running.iter().filter(|(_, asked)| **asked == key);
        for operation in of.map(|(operation, _)| *operation).collect::<Vec<_>>() {
            controller.cancel(operation, clock::now());
        }
    }
}
