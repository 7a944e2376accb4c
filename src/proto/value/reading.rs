//! What is read out of a value once it is decoded.

use super::{Node, NodeId, Value};

impl Value {
    /// Returns the node that the root, a dict, holds under that text.
    pub fn get(&self, key: &str) -> Option<NodeId> {
        self.get_in(self.root, key)
    }

    /// The same for another dict of this value.
    fn get_in(&self, dict: NodeId, key: &str) -> Option<NodeId> {
        let Node::Dict(pairs) = self.node(dict) else { return None };
        let named = |id: NodeId| matches!(self.node(id), Node::Text(text) if text == key.as_bytes());
        pairs.iter().find(|(name, _)| named(*name)).map(|(_, value)| *value)
    }

    /// Whether `id` is True.
    pub fn is_true(&self, id: NodeId) -> bool {
        *self.node(id) == Node::Bool(true)
    }

    /// Returns the number at `id`, if it is one of 32 bits.
    pub fn number(&self, id: NodeId) -> Option<u32> {
        match self.node(id) {
            Node::Int(number) => u32::try_from(*number).ok(),
            _ => None,
        }
    }

    /// Returns the number at `id`, if it is an integer of 64 bits.
    pub fn int(&self, id: NodeId) -> Option<i64> {
        match self.node(id) {
            Node::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns what a list or a tuple at `id` holds.
    pub fn items(&self, id: NodeId) -> Option<&[NodeId]> {
        match self.node(id) {
            Node::List(items) | Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The whole value, as an integer of 64 bits.
    pub fn as_int(&self) -> Option<i64> {
        self.int(self.root)
    }

    /// The whole value, as a float.
    pub fn as_float(&self) -> Option<f64> {
        match self.node(self.root) {
            Node::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The whole value, as text.
    pub fn as_text(&self) -> Option<String> {
        self.text(self.root)
    }

    /// The text that the whole value, a dict, holds under that name.
    pub fn text_of(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|id| self.text(id))
    }

    /// Whether Python takes it for true.
    pub fn is_truthy(&self) -> bool {
        match self.node(self.root()) {
            Node::None => false,
            Node::Bool(truth) => *truth,
            Node::Int(number) => *number != 0,
            Node::Float(number) => *number != 0.0,
            Node::Bytes(bytes) | Node::Text(bytes) => !bytes.is_empty(),
            Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
                !items.is_empty()
            }
            Node::Dict(pairs) => !pairs.is_empty(),
            Node::BigInt(_) | Node::Tagged(..) => true,
        }
    }

    /// Returns the text or bytes at `id`, with what is not UTF-8 replaced.
    pub fn text(&self, id: NodeId) -> Option<String> {
        match self.node(id) {
            Node::Text(text) | Node::Bytes(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    }

    /// The bytes of `id`, or of its text.
    pub fn bytes(&self, id: NodeId) -> Option<Vec<u8>> {
        match self.node(id) {
            Node::Text(bytes) | Node::Bytes(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }
}
