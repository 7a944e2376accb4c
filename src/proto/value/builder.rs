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

    pub fn finish(self, root: NodeId) -> Value {
        Value { nodes: self.nodes, root }
    }
}
