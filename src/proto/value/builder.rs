//! How a value is made here.

use super::{Node, NodeId, Value};

/// Builds a [`Value`] from the leaves up.
#[derive(Debug, Default)]
pub struct Builder {
    nodes: Vec<Node>,
}

impl Builder {
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() - 1)
    }

    pub fn text(&mut self, text: &str) -> NodeId {
        self.add(Node::Text(text.as_bytes().to_vec()))
    }

    /// None, as a whole value.
    pub fn none(mut self) -> Value {
        let root = self.add(Node::None);
        self.finish(root)
    }

    /// A dict of those fields, as a whole value.
    pub fn dict<const N: usize>(mut self, fields: [(&str, Node); N]) -> Value {
        let pairs = fields.map(|(name, node)| (self.text(name), self.add(node))).to_vec();
        let root = self.add(Node::Dict(pairs));
        self.finish(root)
    }

    /// All of another value, as a part of this one.
    pub fn copy(&mut self, value: &Value) -> NodeId {
        let start = self.nodes.len();
        let moved = |id: NodeId| NodeId(id.0 + start);
        let all = |ids: &[NodeId]| ids.iter().copied().map(moved).collect();
        self.nodes.extend(value.nodes.iter().map(|node| match node {
            Node::List(items) => Node::List(all(items)),
            Node::Tuple(items) => Node::Tuple(all(items)),
            Node::Set(items) => Node::Set(all(items)),
            Node::FrozenSet(items) => Node::FrozenSet(all(items)),
            Node::Dict(pairs) => {
                Node::Dict(pairs.iter().map(|(key, value)| (moved(*key), moved(*value))).collect())
            }
            Node::Tagged(tag, inner) => Node::Tagged(*tag, moved(*inner)),
            leaf => leaf.clone(),
        }));
        moved(value.root)
    }

    pub fn finish(self, root: NodeId) -> Value {
        Value { nodes: self.nodes, root }
    }
}

/// Makes values of what a node can be made of, by the node's name.
macro_rules! values {
    ($($from:ty => |$it:ident| $node:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($it: $from) -> Self {
                let mut builder = Builder::default();
                let root = builder.add($node);
                builder.finish(root)
            }
        }
    )*};
}

values! {
    bool => |truth| Node::Bool(truth);
    i32 => |number| Node::Int(number.into());
    u32 => |number| Node::Int(number.into());
    i64 => |number| Node::Int(number);
    f64 => |number| Node::Float(number);
    &str => |text| Node::Text(text.as_bytes().to_vec());
    String => |text| Node::Text(text.into_bytes());
    &[u8] => |bytes| Node::Bytes(bytes.to_vec());
}
