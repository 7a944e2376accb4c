//! What a guest is told beside answers, in values.

use super::{GUEST, Session};
use crate::controller::{Note, Weight};
use crate::error::HostError;
use crate::proto::frame::Priority;
use crate::proto::message::ToGuest;
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, NodeId};

/// An error as a part of a value: a dict of `kind`, `message`, `hop`, `said`, `host`.
pub(super) fn error_node(builder: &mut Builder, host: &str, error: &HostError) -> NodeId {
    let hop = error.hop.as_ref().map_or(Node::None, |hop| Node::Text(hop.clone().into_bytes()));
    let said = error.said.iter().map(|line| builder.text(line)).collect();
    let advice = error.advice().map(|advice| format!("\n{advice}")).unwrap_or_default();
    let pairs = [
        ("kind", Node::Text(error.word().into())),
        ("message", Node::Text(format!("{error}{advice}").into_bytes())),
        ("hop", hop),
        ("said", Node::List(said)),
        ("host", Node::Text(host.as_bytes().to_vec())),
    ]
    .map(|(name, node)| (builder.text(name), builder.add(node)));
    builder.add(Node::Dict(pairs.to_vec()))
}

pub(super) fn error_message(host: &str, error: &HostError) -> Vec<u8> {
    let mut builder = Builder::default();
    let root = error_node(&mut builder, host, error);
    ToGuest::Error(builder.finish(root)).encode()
}

impl Session {
    /// A stream that cannot be served.
    pub(super) fn refuse(&mut self, key: StreamKey, what: &str) {
        self.refuse_as(key, "bad_value", what);
    }

    pub(super) fn refuse_as(&mut self, key: StreamKey, kind: &str, what: &str) {
        let value = Builder::default().dict([
            ("kind", Node::Text(kind.into())),
            ("message", Node::Text(what.into())),
            ("hop", Node::None),
            ("said", Node::List(Vec::new())),
            ("host", Node::None),
        ]);
        self.streams.send(key, ToGuest::Error(value).encode(), true);
    }

    pub(super) fn tell_note(&mut self, note: &Note) {
        let weight = match note.weight {
            Weight::Detail => "detail",
            Weight::Warning => "warning",
        };
        self.note(weight, &note.target, &note.text);
    }

    /// Tells what has no answer.
    pub(super) fn note(&mut self, weight: &str, target: &str, text: &str) {
        if weight == "detail" && !self.desk.verbose {
            return;
        }
        let mut builder = Builder::default();
        let fields = [weight, target, text].map(|text| builder.text(text)).to_vec();
        let root = builder.add(Node::Tuple(fields));
        let message = ToGuest::Note(builder.finish(root)).encode();
        self.streams.tell(GUEST, Priority::Interactive, message);
    }
}
