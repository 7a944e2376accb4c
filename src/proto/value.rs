//! Python values on the wire, and as the controller holds them: without code, without recursion.
//!
//! A [`Value`] is a flat list of nodes that refer to each other by place, so shared and circular
//! structures need no special case, and neither decoding nor dropping one recurses.

mod builder;
mod reading;
mod tag;

pub use builder::Builder;
pub use tag::Tag;

use num_bigint::BigInt;
use std::collections::HashMap;
use std::fmt;

/// Values of more parts than this are refused here: each takes some tens of bytes.
pub const MAX_NODES: usize = 4_000_000;
/// Containers nested deeper than this are refused, by this code and by the agent.
pub const MAX_DEPTH: usize = 100;

/// Where a node stands in its [`Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(usize);

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    None,
    Bool(bool),
    Int(i64),
    /// An integer that does not fit 64 bits.
    BigInt(BigInt),
    Float(f64),
    Bytes(Vec<u8>),
    /// UTF-8 in which single surrogates may occur, as in Python.
    Text(Vec<u8>),
    List(Vec<NodeId>),
    Tuple(Vec<NodeId>),
    Set(Vec<NodeId>),
    FrozenSet(Vec<NodeId>),
    Dict(Vec<(NodeId, NodeId)>),
    /// A value of another type, as plain ones say it.
    Tagged(Tag, NodeId),
}

impl Node {
    /// So many; what is more than any count stands for itself.
    pub fn count(count: u64) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    nodes: Vec<Node>,
    root: NodeId,
}

/// Why bytes are not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueError {
    Truncated,
    TrailingBytes,
    UnknownCode(u8),
    /// A reference to a container that has not begun.
    BadReference,
    BadNumber,
    /// A type that is not known, or not said as it should be.
    BadTag,
    TooDeep,
    /// More parts than [`MAX_NODES`].
    TooMany,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "it is cut short",
            Self::TrailingBytes => "something follows it",
            Self::UnknownCode(_) => "it has a part of no known kind",
            Self::BadReference => "it refers to what is not there",
            Self::BadNumber => "it has a number that is none",
            Self::BadTag => "it has a type that is not known, or not written as it should be",
            Self::TooDeep => "it is nested too deep",
            Self::TooMany => "it has more than 4,000,000 parts",
        })
    }
}

impl Value {
    pub fn root(&self) -> NodeId {
        self.root
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// How deep containers are nested; a circle counts once.
    pub fn depth(&self) -> usize {
        let (mut deepest, mut seen) = (0, HashMap::new());
        let mut todo = vec![(self.root, 1)];
        while let Some((id, depth)) = todo.pop() {
            let Some(children) = children(self.node(id)) else { continue };
            if seen.insert(id, depth).is_none() {
                deepest = deepest.max(depth);
                todo.extend(children.into_iter().map(|child| (child, depth + 1)));
            }
        }
        deepest
    }

    /// Appends the encoded value to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut numbers: HashMap<NodeId, u32> = HashMap::new();
        let mut todo = vec![self.root];
        while let Some(id) = todo.pop() {
            let node = self.node(id);
            if let Node::Tagged(tag, inner) = node {
                put_data(out, code::TAGGED, tag.name().as_bytes());
                todo.push(*inner);
            } else if let Some(children) = children(node) {
                if let Some(number) = numbers.get(&id) {
                    put_sized(out, code::REFERENCE, *number);
                    continue;
                }
                numbers.insert(id, size(numbers.len()));
                let count = if matches!(node, Node::Dict(_)) { children.len() / 2 } else { children.len() };
                put_sized(out, container_code(node), size(count));
                todo.extend(children.into_iter().rev());
            } else {
                encode_leaf(node, out);
            }
        }
    }

    /// Decodes a value that fills `bytes`. Memory stays within a small multiple of their length.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        let mut decoder =
            Decoder { bytes, nodes: Vec::new(), containers: Vec::new(), references: 0, open: Vec::new() };
        let root = decoder.run()?;
        if !decoder.bytes.is_empty() {
            return Err(ValueError::TrailingBytes);
        }
        Ok(Self { nodes: decoder.nodes, root })
    }
}

mod code {
    pub(super) const NONE: u8 = b'n';
    pub(super) const TRUE: u8 = b't';
    pub(super) const FALSE: u8 = b'f';
    pub(super) const INT: u8 = b'i';
    pub(super) const FLOAT: u8 = b'd';
    pub(super) const BYTES: u8 = b'b';
    pub(super) const TEXT: u8 = b's';
    pub(super) const LIST: u8 = b'l';
    pub(super) const TUPLE: u8 = b'u';
    pub(super) const SET: u8 = b'S';
    pub(super) const FROZEN_SET: u8 = b'F';
    pub(super) const DICT: u8 = b'D';
    pub(super) const REFERENCE: u8 = b'r';
    pub(super) const TAGGED: u8 = b'x';
}

fn size(length: usize) -> u32 {
    u32::try_from(length).unwrap_or_else(|_| panic!("a value has less than 2^32 parts"))
}

fn put_sized(out: &mut Vec<u8>, code: u8, size: u32) {
    out.push(code);
    out.extend(size.to_be_bytes());
}

fn put_data(out: &mut Vec<u8>, code: u8, data: &[u8]) {
    put_sized(out, code, size(data.len()));
    out.extend(data);
}

fn encode_leaf(node: &Node, out: &mut Vec<u8>) {
    match node {
        Node::None => out.push(code::NONE),
        Node::Bool(true) => out.push(code::TRUE),
        Node::Bool(false) => out.push(code::FALSE),
        Node::Int(int) => put_data(out, code::INT, format!("{:x}", BigInt::from(*int)).as_bytes()),
        Node::BigInt(int) => put_data(out, code::INT, format!("{int:x}").as_bytes()),
        Node::Float(float) => put_data(out, code::FLOAT, format!("{float:?}").as_bytes()),
        Node::Bytes(bytes) => put_data(out, code::BYTES, bytes),
        Node::Text(text) => put_data(out, code::TEXT, text),
        Node::List(_)
        | Node::Tuple(_)
        | Node::Set(_)
        | Node::FrozenSet(_)
        | Node::Dict(_)
        | Node::Tagged(..) => {
            unreachable!("containers have children")
        }
    }
}

/// The nodes within a container, keys and values in turn; `None` for a leaf.
fn children(node: &Node) -> Option<Vec<NodeId>> {
    match node {
        Node::List(items) | Node::Tuple(items) | Node::Set(items) | Node::FrozenSet(items) => {
            Some(items.clone())
        }
        Node::Dict(pairs) => Some(pairs.iter().flat_map(|(key, value)| [*key, *value]).collect()),
        Node::Tagged(_, inner) => Some(vec![*inner]),
        Node::None
        | Node::Bool(_)
        | Node::Int(_)
        | Node::BigInt(_)
        | Node::Float(_)
        | Node::Bytes(_)
        | Node::Text(_) => None,
    }
}

fn container_code(node: &Node) -> u8 {
    match node {
        Node::List(_) => code::LIST,
        Node::Tuple(_) => code::TUPLE,
        Node::Set(_) => code::SET,
        Node::FrozenSet(_) => code::FROZEN_SET,
        _ => code::DICT,
    }
}

/// A container whose items are still being read.
struct Open {
    id: NodeId,
    code: u8,
    /// What a [`code::TAGGED`] one is.
    tag: Option<Tag>,
    items: Vec<NodeId>,
    missing: usize,
}

struct Decoder<'a> {
    bytes: &'a [u8],
    nodes: Vec<Node>,
    /// Containers in the order in which they began: what references count.
    containers: Vec<NodeId>,
    references: usize,
    open: Vec<Open>,
}

impl Decoder<'_> {
    fn run(&mut self) -> Result<NodeId, ValueError> {
        loop {
            let Some(mut done) = self.item()? else { continue };
            loop {
                let Some(parent) = self.open.last_mut() else { return Ok(done) };
                parent.items.push(done);
                parent.missing -= 1;
                if parent.missing > 0 {
                    break;
                }
                done = self.close()?;
            }
        }
    }

    /// Reads one leaf or an empty container, or opens a container (`None`).
    fn item(&mut self) -> Result<Option<NodeId>, ValueError> {
        if self.nodes.len() + self.references >= MAX_NODES {
            return Err(ValueError::TooMany);
        }
        let code = self.take(1)?[0];
        let node = match code {
            code::NONE => Node::None,
            code::TRUE => Node::Bool(true),
            code::FALSE => Node::Bool(false),
            code::INT => integer(self.data()?)?,
            code::FLOAT => float(self.data()?)?,
            code::BYTES => Node::Bytes(self.data()?.to_vec()),
            code::TEXT => Node::Text(self.data()?.to_vec()),
            code::REFERENCE => {
                let number = self.size()?;
                // Free of memory, and not of the time to go through them.
                self.references += 1;
                return self.containers.get(number).copied().map(Some).ok_or(ValueError::BadReference);
            }
            code::LIST | code::TUPLE | code::SET | code::FROZEN_SET | code::DICT => return self.begin(code),
            code::TAGGED => {
                let tag = std::str::from_utf8(self.data()?).ok().and_then(Tag::named);
                return self.open(code, Some(tag.ok_or(ValueError::BadTag)?), 1);
            }
            unknown => return Err(ValueError::UnknownCode(unknown)),
        };
        self.nodes.push(node);
        Ok(Some(NodeId(self.nodes.len() - 1)))
    }

    fn begin(&mut self, code: u8) -> Result<Option<NodeId>, ValueError> {
        let missing = self.size()? * if code == code::DICT { 2 } else { 1 };
        if missing > self.bytes.len() {
            return Err(ValueError::Truncated);
        }
        self.open(code, None, missing)
    }

    fn open(&mut self, code: u8, tag: Option<Tag>, missing: usize) -> Result<Option<NodeId>, ValueError> {
        if self.open.len() == MAX_DEPTH {
            return Err(ValueError::TooDeep);
        }
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node::None);
        if tag.is_none() {
            self.containers.push(id);
        }
        self.open.push(Open { id, code, tag, items: Vec::new(), missing });
        if missing == 0 { self.close().map(Some) } else { Ok(None) }
    }

    /// Ends the innermost container.
    fn close(&mut self) -> Result<NodeId, ValueError> {
        let Open { id, code, tag, items, .. } =
            self.open.pop().unwrap_or_else(|| unreachable!("a container is open"));
        if let Some(tag) = tag {
            if !self.says(tag, items[0]) {
                return Err(ValueError::BadTag);
            }
            self.nodes[id.0] = Node::Tagged(tag, items[0]);
            return Ok(id);
        }
        self.nodes[id.0] = match code {
            code::LIST => Node::List(items),
            code::TUPLE => Node::Tuple(items),
            code::SET => Node::Set(items),
            code::FROZEN_SET => Node::FrozenSet(items),
            _ => Node::Dict(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()),
        };
        Ok(id)
    }

    /// Whether a plain value is what stands for a value of that type.
    fn says(&self, tag: Tag, id: NodeId) -> bool {
        match (tag, &self.nodes[id.0]) {
            (Tag::Record, Node::Tuple(pair)) => {
                let kinds: Vec<&Node> = pair.iter().map(|id| &self.nodes[id.0]).collect();
                matches!(kinds[..], [Node::Text(_), Node::Dict(_)])
            }
            (Tag::TimeDelta, Node::Text(text)) => {
                let text = text.strip_prefix(b"-").unwrap_or(text);
                let (whole, decimals) =
                    text.split_at(text.iter().position(|c| *c == b'.').unwrap_or(text.len()));
                let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
                digits(whole) && (decimals.is_empty() || digits(&decimals[1..]))
            }
            (Tag::DateTime | Tag::Date | Tag::Time | Tag::Decimal, Node::Text(_)) => true,
            _ => false,
        }
    }

    fn take(&mut self, length: usize) -> Result<&[u8], ValueError> {
        let (head, rest) = self.bytes.split_at_checked(length).ok_or(ValueError::Truncated)?;
        self.bytes = rest;
        Ok(head)
    }

    fn size(&mut self) -> Result<usize, ValueError> {
        let bytes: [u8; 4] = self.take(4)?.try_into().map_err(|_| ValueError::Truncated)?;
        usize::try_from(u32::from_be_bytes(bytes)).map_err(|_| ValueError::Truncated)
    }

    fn data(&mut self) -> Result<&[u8], ValueError> {
        let length = self.size()?;
        self.take(length)
    }
}

/// Hexadecimal digits, with a minus sign where it is negative.
fn integer(hex: &[u8]) -> Result<Node, ValueError> {
    let digits = hex.strip_prefix(b"-").unwrap_or(hex);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(ValueError::BadNumber);
    }
    let small = std::str::from_utf8(hex).ok().and_then(|hex| i64::from_str_radix(hex, 16).ok());
    small
        .map(Node::Int)
        .or_else(|| BigInt::parse_bytes(hex, 16).map(Node::BigInt))
        .ok_or(ValueError::BadNumber)
}

/// As Python's `repr` writes it: the shortest digits that give the same number.
fn float(text: &[u8]) -> Result<Node, ValueError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .map(Node::Float)
        .ok_or(ValueError::BadNumber)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(value: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_an_error_and_never_overflow_the_stack(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(value) = Value::decode(&bytes) {
                prop_assert_eq!(Value::decode(&encoded(&value)).map(|again| encoded(&again)), Ok(encoded(&value)));
            }
        }

        #[test]
        fn any_codes_are_a_value_or_an_error(codes in prop::collection::vec(prop::sample::select(&b"ntfidbsluSFDr\0\x01\x02"[..]), 0..400)) {
            drop(Value::decode(&codes));
        }
    }

    #[test]
    fn a_list_may_hold_itself() {
        let value = Value::decode(b"l\0\0\0\x02r\0\0\0\0n").expect("a list that holds itself");
        let Node::List(items) = value.node(value.root()) else { panic!("not a list") };
        assert_eq!(items[0], value.root());
        assert_eq!(encoded(&value), b"l\0\0\0\x02r\0\0\0\0n");
    }

    #[test]
    fn counts_are_checked_before_memory_is_taken() {
        assert_eq!(Value::decode(b"l\xff\xff\xff\xff"), Err(ValueError::Truncated));
        assert_eq!(Value::decode(b"D\x80\0\0\0nn"), Err(ValueError::Truncated));
        assert_eq!(Value::decode(b"s\xff\xff\xff\xffabc"), Err(ValueError::Truncated));
    }

    #[test]
    fn nesting_is_limited() {
        let nested =
            |depth: usize| b"l\0\0\0\x01".repeat(depth).into_iter().chain(*b"n").collect::<Vec<u8>>();
        assert!(Value::decode(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(Value::decode(&nested(MAX_DEPTH + 1)), Err(ValueError::TooDeep));
    }

    #[test]
    fn references_must_point_back() {
        assert_eq!(Value::decode(b"r\0\0\0\0"), Err(ValueError::BadReference));
    }
}
