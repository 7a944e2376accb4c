//! What is asked of a context, as the values of docs/PROTOCOL.md.

use super::{Dial, Feed, Fetch, Put, Run, Script, Words};
use crate::proto::ids::ContextId;
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, Value};

impl Run {
    pub(super) fn order(&self) -> Value {
        let mut builder = Builder::default();
        let words: Vec<Vec<u8>> = match self.interpreter {
            Words::Shell => vec![self.words.join(&b' ')],
            Words::Exact => self.words.clone(),
        };
        let words = words.into_iter().map(|word| builder.add(Node::Bytes(word))).collect();
        let environment = self.environment.iter().map(|(name, value)| {
            let [name, value] = [name, value].map(|side| builder.add(Node::Bytes(side.clone())));
            (name, value)
        });
        let environment = environment.collect();
        let terminal = self.terminal.as_ref().map_or(Node::None, |terminal| {
            let term = ("term", Node::Bytes(terminal.term.clone()));
            let sides = [("rows", terminal.rows), ("columns", terminal.columns)];
            let sides = sides.map(|(name, size)| (name, Node::Int(size.into())));
            let fields = std::iter::once(term).chain(sides);
            Node::Dict(fields.map(|(name, node)| (builder.text(name), builder.add(node))).collect())
        });
        let lanes = self.lanes.map_or(Node::None, |[input, output]| {
            Node::List(numbers(input.peer, [input, output]).map(|number| builder.add(number)).to_vec())
        });
        let fields = [
            ("words", Node::List(words)),
            ("shell", Node::Bool(self.interpreter == Words::Shell)),
            ("stdin", Node::Bool(self.stdin == Feed::Piped)),
            ("env", Node::Dict(environment)),
            ("login", Node::Bool(self.login)),
            ("home", Node::Bool(self.home)),
            ("terminal", terminal),
            ("lanes", lanes),
        ];
        builder.dict(fields)
    }
}

/// A context, and two streams that are joined there.
pub(super) fn numbers(peer: ContextId, [input, output]: [StreamKey; 2]) -> [Node; 3] {
    [peer.0, input.id.0, output.id.0].map(|number| Node::Int(number.into()))
}

/// Where what an ssh is called for goes and comes: for whoever has called it.
pub(in crate::controller) fn lanes(ends: [StreamKey; 2]) -> Value {
    let mut builder = Builder::default();
    let items = numbers(ends[0].peer, ends).map(|number| builder.add(number)).to_vec();
    builder.dict([("lanes", Node::List(items))])
}

impl Dial {
    pub(super) fn order(&self) -> Value {
        Builder::default().dict([
            ("host", Node::Text(self.host.clone().into_bytes())),
            ("port", Node::Int(self.port.into())),
        ])
    }
}

impl Script {
    pub(super) fn order(&self) -> Value {
        let mut builder = Builder::default();
        let words = self.words.iter().map(|word| builder.text(word)).collect();
        let fields = [
            ("name", Node::Text(self.name.clone().into_bytes())),
            ("source", Node::Bytes(self.source.clone())),
            ("words", Node::List(words)),
            ("stdin", Node::Bool(self.stdin == Feed::Piped)),
        ];
        builder.dict(fields)
    }
}

/// A stream with another peer than who asks.
fn joined_fields(joined: Option<StreamKey>) -> [(&'static str, Node); 2] {
    let number = |number: u32| Node::Int(number.into());
    [
        ("peer", joined.map_or(Node::None, |joined| number(joined.peer.0))),
        ("stream", joined.map_or(Node::None, |joined| number(joined.id.0))),
    ]
}

impl Put {
    pub(super) fn order(&self, joined: Option<StreamKey>) -> Value {
        let [peer, stream] = joined_fields(joined);
        Builder::default().dict([
            peer,
            stream,
            ("path", self.path.clone().map_or(Node::None, Node::Bytes)),
            ("mode", self.mode.map_or(Node::None, |mode| Node::Int(mode.into()))),
            ("foreign", Node::Bool(self.foreign)),
            ("keep", Node::Bool(self.transfer.keep)),
            ("tree", Node::Bool(self.transfer.tree)),
            ("packed", Node::Bool(self.transfer.packed)),
        ])
    }
}

impl Fetch {
    pub(super) fn order(&self, joined: Option<StreamKey>) -> Value {
        let [peer, stream] = joined_fields(joined);
        Builder::default().dict([
            peer,
            stream,
            ("path", Node::Bytes(self.path.clone())),
            ("tree", Node::Bool(self.transfer.tree)),
            ("packed", Node::Bool(self.transfer.packed)),
        ])
    }
}
