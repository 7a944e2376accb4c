//! What has come of transfers, by what both ends tell.

use super::Plan;
use crate::controller::operation::{Answer, Report};
use crate::error::{HostError, HostErrorKind};
use crate::files::{Incoming, LocalError, Note, NoteKind, Notes, Outgoing};
use crate::proto::value::{Builder, Node, Value};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const OTHER_SUM: &str = "what has come there has another SHA-1 sum than what was sent";

/// A report, and what is to be told beside it.
#[derive(Debug)]
pub struct Settled {
    pub report: Report,
    pub remarks: Vec<String>,
    /// Of what it has been fed by, which has fed others too.
    pub of_source: Vec<String>,
}

impl Settled {
    pub fn of(report: Report) -> Self {
        Self { report, remarks: Vec::new(), of_source: Vec::new() }
    }
}

/// What puts are fed by.
#[derive(Debug)]
pub(super) struct Feeder {
    pub(super) supply: Supply,
    /// How many puts are fed by it and have not ended.
    pub(super) puts: usize,
}

#[derive(Debug)]
pub(super) enum Supply {
    /// `ended`: all has been handed over.
    Here { outgoing: Box<Outgoing>, ended: bool },
    /// Another target, and what it has told.
    There(Option<Result<Value, HostError>>),
}

impl Feeder {
    /// What of it is to be told beside the result.
    pub(super) fn notes(&self) -> Notes {
        match &self.supply {
            Supply::Here { outgoing, .. } => outgoing.notes().clone(),
            Supply::There(Some(Ok(told))) => Notes::told(told),
            Supply::There(_) => Notes::default(),
        }
    }

    /// What has come of a put, by what its target tells.
    pub(super) fn settle(
        &self,
        outcome: Result<Answer, HostError>,
        plan: &Plan,
    ) -> Result<Answer, HostError> {
        match (&self.supply, outcome) {
            (Supply::Here { outgoing, .. }, Ok(Answer::Value(told))) => {
                let answer = sent(&told, outgoing.sum(), Node::count(outgoing.sent_bytes()))?;
                whole(&self.notes()).map(|()| answer).map_err(failed)
            }
            (Supply::There(there), Ok(Answer::Value(told))) => {
                let sum = |told: &Value| told.get("sum").and_then(|id| told.text(id));
                let size = told.get("size").map_or(Node::None, |id| told.node(id).clone());
                // One that has gone after all was sent has told nothing.
                let told_there = there.as_ref().and_then(|there| there.as_ref().ok());
                let expected = told_there.map_or_else(|| sum(&told), sum);
                let answer = sent(&told, expected.as_deref(), size)?;
                whole(&self.notes()).map(|()| answer).map_err(|error| of_origin(plan, failed(error)))
            }
            (Supply::There(Some(Err(error))), Err(cut)) if is_cut(&cut) && !is_cut(error) => {
                Err(of_origin(plan, error.clone()))
            }
            (_, Err(cut)) if is_cut(&cut) => Err(failed(LocalError("what feeds it has gone".to_owned()))),
            (_, outcome) => outcome,
        }
    }
}

fn of_origin(plan: &Plan, error: HostError) -> HostError {
    match plan {
        Plan::PutFrom(origin) => origin.named(error),
        Plan::None | Plan::Put(..) | Plan::Fetch(..) => error,
    }
}

/// Whether the other end of a splice has gone: no fault of who tells it.
pub(super) fn is_cut(error: &HostError) -> bool {
    matches!(&error.kind, HostErrorKind::File { what } if what.is_empty())
}

pub(super) fn failed(LocalError(what): LocalError) -> HostError {
    HostError { hop: None, kind: HostErrorKind::File { what }, said: Vec::new() }
}

fn sent(told: &Value, sum: Option<&str>, size: Node) -> Result<Answer, HostError> {
    let there = told.get("sum").and_then(|id| told.text(id));
    if there.as_deref() != sum {
        return Err(failed(LocalError(OTHER_SUM.to_owned())));
    }
    let files = told.get("files").map_or(Node::None, |id| told.node(id).clone());
    Ok(Answer::Value(Builder::default().dict([
        ("remote_path", remote_path(told)),
        ("size", size),
        ("sha1sum", text_or_none(there)),
        ("files", files),
    ])))
}

pub(super) fn fetched(
    told: &Value,
    incoming: &mut Incoming,
    root: Option<&Path>,
) -> Result<Value, LocalError> {
    let received = incoming.finish()?.clone();
    whole(&Notes::told(told))?;
    let local = root.map_or(Node::None, |root| path_node(root.as_os_str().as_bytes().to_vec()));
    Ok(Builder::default().dict([
        ("local_path", local),
        ("remote_path", remote_path(told)),
        ("size", Node::count(received.bytes)),
        ("sha1sum", text_or_none(received.sum)),
        ("files", Node::count(received.files)),
    ]))
}

/// What the other end has to tell beside its answer.
pub(super) fn notes(answer: &Answer) -> Notes {
    match answer {
        Answer::Value(told) => Notes::told(told),
        Answer::Exhausted | Answer::Exit(_) | Answer::Killed(_) => Notes::default(),
    }
}

/// A line for each that is told, and one for the rest of a kind.
pub(super) fn remarks(notes: &Notes) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in NoteKind::ALL {
        let (each, all) = match kind {
            NoteKind::Changed => (" has changed while it was read", "have changed while they were read"),
            NoteKind::Skipped => (" is no file, and is left out", "are no files, and are left out"),
            NoteKind::Unread => ("", "could not be read"),
        };
        let Note { count, first } = notes.of(kind);
        lines.extend(first.iter().map(|what| format!("{}{each}", String::from_utf8_lossy(what))));
        let more = count.saturating_sub(first.len() as u64);
        lines.extend((more > 0).then(|| format!("and {more} more {all}")));
    }
    lines
}

/// What is missing makes a failure of a transfer, at its end.
fn whole(notes: &Notes) -> Result<(), LocalError> {
    match notes.of(NoteKind::Unread).count {
        0 => Ok(()),
        count => Err(LocalError(format!("all has come but {count} that could not be read"))),
    }
}

fn remote_path(told: &Value) -> Node {
    told.get("path").and_then(|id| told.bytes(id)).map_or(Node::None, path_node)
}

fn path_node(path: Vec<u8>) -> Node {
    if std::str::from_utf8(&path).is_ok() { Node::Text(path) } else { Node::Bytes(path) }
}

fn text_or_none(text: Option<String>) -> Node {
    text.map_or(Node::None, |text| Node::Text(text.into_bytes()))
}
