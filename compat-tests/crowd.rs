//! Stands in for a part of the tree, with as many contexts in it as it is asked for: `crowd COUNT BELL GATE REPORT`, as
//! the command of an `exec:` hop. One process speaks for all of them, with the project's own protocol and without any Python.
//!
//! A context answers a command with its number and status 0, and a call with its number. When COUNT of them have been
//! asked, it writes its process id to BELL; a byte from GATE, and all are answered. At its end it appends to REPORT, as a JSON
//! object, what its parent has taken until then.

use hopvine::link::uplink::{Uplink, UplinkEvent};
use hopvine::payload;
use hopvine::proto::VERSION;
use hopvine::proto::frame::Frame;
use hopvine::proto::ids::ContextId;
use hopvine::proto::message::{ChildHello, FromAgent, ParentHello, Record, ToAgent};
use hopvine::proto::stream::{StreamEvent, StreamKey, Streams};
use hopvine::proto::value::{Builder, Node, Value};
use hopvine::report;
use hopvine::sys::poll::{Interest, Poller};
use hopvine::sys::{clock, fd};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;

/// As an agent on Python 3.11 says it.
const PYTHON: u32 = 0x030b_0000;
const INPUT: usize = 0;
const OUTPUT: usize = 1;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // Behind these come those of the start command.
    let [count, bell, gate, report, ..] = &words[..] else {
        report::complain("usage: crowd COUNT BELL GATE REPORT");
        return ExitCode::FAILURE;
    };
    let served =
        count.parse().map_err(io::Error::other).and_then(|count| Crowd::new(count, bell, gate)?.serve());
    match served.and_then(|()| tell_of_parent(report)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&format!("crowd: {error}"));
            ExitCode::FAILURE
        }
    }
}

struct Crowd<'a> {
    uplink: Uplink,
    contexts: HashMap<ContextId, Streams>,
    /// The streams on which children are told of, by relay.
    orders: HashMap<(ContextId, StreamKey), ContextId>,
    /// Who has been asked, and not been answered.
    asked: Vec<Asked>,
    count: usize,
    bell: &'a str,
    gate: &'a str,
}

struct Asked {
    context: ContextId,
    key: StreamKey,
    answers: Vec<FromAgent>,
}

impl<'a> Crowd<'a> {
    fn new(count: usize, bell: &'a str, gate: &'a str) -> io::Result<Self> {
        let [input, output] = fd::take_standard_streams()?;
        // For the Python that it stands in for.
        let skip = payload::second_stage().len() + payload::CORE.len();
        let uplink = Uplink::new(input, output, skip, clock::now());
        let (contexts, orders, asked) = (HashMap::new(), HashMap::new(), Vec::new());
        Ok(Self { uplink, contexts, orders, asked, count, bell, gate })
    }

    /// Until the parent has gone, or has said goodbye.
    fn serve(mut self) -> io::Result<()> {
        let (mut poller, mut ready, mut buffer) = (Poller::new()?, Vec::new(), Vec::new());
        poller.add(self.uplink.input().as_fd(), INPUT, Interest::default())?;
        poller.add(self.uplink.output().as_fd(), OUTPUT, Interest::default())?;
        loop {
            while let Some(event) = self.uplink.poll_event() {
                match event {
                    UplinkEvent::Greeted(hello) => {
                        self.uplink.answer(&hello);
                        self.add(ContextId(hello.context));
                    }
                    UplinkEvent::Frame(frame) => self.handle_frame(frame)?,
                    UplinkEvent::Pinged => {}
                    UplinkEvent::Ended(_) => return Ok(()),
                }
            }
            self.uplink.flush();
            let (input, output) = self.uplink.interest();
            poller.modify(self.uplink.input().as_fd(), INPUT, input)?;
            poller.modify(self.uplink.output().as_fd(), OUTPUT, output)?;
            ready.clear();
            poller.wait(None, &mut ready)?;
            if ready.iter().any(|ready| ready.key == INPUT) {
                self.uplink.handle_readable(&mut buffer, clock::now());
            }
        }
    }

    fn add(&mut self, context: ContextId) {
        self.contexts.insert(context, Streams::new(context));
    }

    fn handle_frame(&mut self, frame: Frame) -> io::Result<()> {
        let context = frame.to;
        // One that has gone hears nothing more.
        let Some(streams) = self.contexts.get_mut(&context) else { return Ok(()) };
        streams.handle_frame(frame, clock::now());
        let events: Vec<_> = std::iter::from_fn(|| streams.poll_event()).collect();
        for event in events {
            if let StreamEvent::Message { key, message, .. } = event {
                self.handle_message(context, key, &message)?;
            }
        }
        self.send_frames(context);
        Ok(())
    }

    fn handle_message(&mut self, context: ContextId, key: StreamKey, message: &[u8]) -> io::Result<()> {
        match ToAgent::decode(message).map_err(|error| io::Error::other(error.to_string()))? {
            ToAgent::Run(_) => {
                let output = FromAgent::Output(format!("{}\n", context.0).into_bytes());
                self.ask(context, key, vec![output, FromAgent::Exit(0)])
            }
            ToAgent::Call { .. } => {
                let number = Builder::default().dict([("context", Node::Int(context.0.into()))]);
                self.ask(context, key, vec![FromAgent::Result(number)])
            }
            ToAgent::Spawn(order) => {
                let child = child_of(&order)?;
                self.add(child);
                self.orders.insert((context, key), child);
                let hello = ChildHello { version: VERSION, pid: child.0, python: PYTHON };
                self.say(context, key, &FromAgent::Started(hello), false);
                Ok(())
            }
            ToAgent::Leave { .. } => {
                if let Some(child) = self.orders.remove(&(context, key)) {
                    self.contexts.remove(&child);
                    self.say(context, key, &FromAgent::Ended(orderly_end()), true);
                }
                Ok(())
            }
            // Nobody reads it.
            ToAgent::Input(_) => Ok(()),
            // What makes an agent able to do what this one pretends, and ways that are one here: it has no answer.
            _ => {
                if let Some(streams) = self.contexts.get_mut(&context) {
                    streams.answer_nothing(key);
                }
                Ok(())
            }
        }
    }

    /// Answers all when enough have been asked.
    fn ask(&mut self, context: ContextId, key: StreamKey, answers: Vec<FromAgent>) -> io::Result<()> {
        self.asked.push(Asked { context, key, answers });
        if self.asked.len() < self.count {
            return Ok(());
        }
        File::options()
            .write(true)
            .open(self.bell)?
            .write_all(format!("{}\n", std::process::id()).as_bytes())?;
        File::open(self.gate)?.read_exact(&mut [0])?;
        for Asked { context, key, answers } in std::mem::take(&mut self.asked) {
            let last = answers.len() - 1;
            for (at, answer) in answers.iter().enumerate() {
                self.say(context, key, answer, at == last);
            }
        }
        Ok(())
    }

    fn say(&mut self, context: ContextId, key: StreamKey, message: &FromAgent, end: bool) {
        if let Some(streams) = self.contexts.get_mut(&context) {
            streams.send(key, message.encode(), end);
        }
        self.send_frames(context);
    }

    fn send_frames(&mut self, context: ContextId) {
        let Some(streams) = self.contexts.get_mut(&context) else { return };
        while let Some(frame) = streams.poll_frame() {
            self.uplink.send(frame);
        }
    }
}

fn child_of(order: &Value) -> io::Result<ContextId> {
    let hello = order.get("hello").and_then(|id| order.bytes(id)).unwrap_or_default();
    let hello =
        <ParentHello as Record>::decode(&hello).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(ContextId(hello.context))
}

fn orderly_end() -> Value {
    let text = |text: &str| Node::Text(text.as_bytes().to_vec());
    Builder::default().dict([
        ("cause", text("bye")),
        ("started", Node::Bool(true)),
        ("exit", Node::Int(0)),
        ("error", Node::None),
        ("said", Node::Bytes(Vec::new())),
        ("noise", Node::Bytes(Vec::new())),
    ])
}

/// The most memory that the parent has had, and its processor time.
fn tell_of_parent(report: &str) -> io::Result<()> {
    let parent = format!("/proc/{}", std::os::unix::process::parent_id());
    let status = std::fs::read_to_string(format!("{parent}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
    let times = std::fs::read_to_string(format!("{parent}/schedstat"))?;
    let busy = times.split_whitespace().next();
    let line =
        format!("{{\"peak_kb\": {}, \"busy_ns\": {}}}\n", peak.unwrap_or("null"), busy.unwrap_or("null"));
    File::options().append(true).create(true).open(report)?.write_all(line.as_bytes())
}
