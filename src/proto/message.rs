//! What streams and links say: one enum for each direction, and the flat records of both hellos.
//!
//! A message is a tag byte and a body. This is the only file that knows bincode: big-endian,
//! fixed-width integers, lengths of 64 bits, at most 64 KiB, nothing left over.

use super::entry::Piece;
use super::ids::ContextId;
use super::prompt::Question;
use super::value::{Value, ValueError};
use bincode::config::{BigEndian, Configuration, Fixint, Limit};
use bincode::{Decode, Encode};
use std::fmt;

/// Length of the random text that a parent sends and its child sends back reversed.
pub const NONCE_BYTES: usize = 16;
/// Most bytes a flat record may take.
const MAX_RECORD_BYTES: usize = 65536;

const RECORDS: Configuration<BigEndian, Fixint, Limit<MAX_RECORD_BYTES>> =
    bincode::config::standard().with_big_endian().with_fixed_int_encoding().with_limit::<MAX_RECORD_BYTES>();

/// The first frame of a parent: who the child is and whom it obeys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ParentHello {
    pub version: u16,
    pub context: u32,
    pub keepalive_ms: u32,
    /// Below this number, records of Python's `logging` are not sent; 0: as user code has it.
    pub log_level: u8,
    pub nonce: [u8; NONCE_BYTES],
    /// The contexts from the parent up to the controller.
    pub ancestors: Vec<u32>,
    /// What `ps` shows.
    pub title: String,
}

/// The first frame of a child, after the marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChildHello {
    pub version: u16,
    pub pid: u32,
    /// `sys.hexversion`; 0 for a native context.
    pub python: u32,
}

/// More bytes that the sender of a stream may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Credit {
    pub bytes: u32,
}

/// Why a stream ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResetReason {
    Cancelled,
    UnknownMessage,
    TooManyStreams,
    /// More bytes than were granted, or a message larger than allowed.
    TooMuch,
}

impl ResetReason {
    /// Encoded as one byte.
    pub fn encode(self) -> Vec<u8> {
        vec![match self {
            Self::Cancelled => 1,
            Self::UnknownMessage => 2,
            Self::TooManyStreams => 3,
            Self::TooMuch => 4,
        }]
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        match bytes {
            [1] => Ok(Self::Cancelled),
            [2] => Ok(Self::UnknownMessage),
            [3] => Ok(Self::TooManyStreams),
            [4] => Ok(Self::TooMuch),
            _ => Err(MessageError::BadRecord),
        }
    }
}

/// The records that are sent as they are.
pub trait Record: Encode + Decode<()> {
    fn encode(&self) -> Vec<u8> {
        bincode::encode_to_vec(self, RECORDS)
            .unwrap_or_else(|_| panic!("a flat record is smaller than 64 KiB"))
    }

    fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        match bincode::decode_from_slice(bytes, RECORDS) {
            Ok((record, used)) if used == bytes.len() => Ok(record),
            Ok(_) | Err(_) => Err(MessageError::BadRecord),
        }
    }
}

impl Record for ParentHello {}
impl Record for ChildHello {}
impl Record for Credit {}

/// What a call has for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Own {
    /// Nothing: it waits for its turn in the agent's main thread.
    #[default]
    Nothing,
    Thread,
    /// A fresh interpreter, a child of the agent.
    Process,
}

/// From an ancestor to a context.
#[derive(Clone, Debug, PartialEq)]
pub enum ToAgent {
    /// Call `function` (`module:name`) with `arguments`, a tuple of positional ones and a dict.
    Call {
        function: String,
        arguments: Value,
        own: Own,
    },
    /// Start a command: a dict of `words`, `shell`, `stdin`.
    Run(Value),
    /// Run a script as `__main__`: a dict of `name`, `source`, `words`, `stdin`.
    Script(Value),
    /// What the command or script of this stream reads; the stream's end is its end of file.
    Input(Vec<u8>),
    /// A part of the agent, compressed by raw deflate.
    Part(Vec<u8>),
    /// Names that the user's roots hold, and modules, as PROTOCOL.md has it; a value, compressed by raw deflate.
    Modules(Vec<u8>),
    /// A piece of a Modules message's body, which ends with the last.
    Piece {
        last: bool,
        bytes: Vec<u8>,
    },
    /// The answer to a request for data: bytes, a list of (name, is a folder), or None.
    Data(Value),
    /// Start a child: a dict of `context`, `argv`, `hello`, `start`, `core`, `terminal`, `token`. The
    /// stream is about this child from then on.
    Spawn(Value),
    /// Become this binary, which follows as `Input`, deflated: a dict of `arch`, `size`, `sum`, `build`, `title`.
    Native(Value),
    /// Keep a message for children, under a number.
    Keep {
        key: u32,
        message: Vec<u8>,
    },
    /// Hand kept messages to a child: to use them, or to keep them for its own children.
    Give {
        to: ContextId,
        keep: bool,
        keys: Vec<u32>,
    },
    /// `context` will be behind `child`, which is a child of whoever reads this.
    Behind {
        context: ContextId,
        child: ContextId,
    },
    /// The child of this stream is to go: orderly, or at once.
    Leave {
        at_once: bool,
    },
    /// What the terminal of this stream's child is told when it has asked.
    Reply(Vec<u8>),
    /// Take a file, or a tree: a dict of `path`, `mode`, `keep`, `tree`, `packed`. What it is made of follows.
    Put(Value),
    /// Send a file, or a tree: a dict of `path`, `tree`, `packed`.
    Fetch(Value),
    File(Piece),
}

impl ToAgent {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![match self {
            Self::Call { own: Own::Nothing, .. } => 1,
            Self::Call { own: Own::Thread, .. } => 8,
            Self::Call { own: Own::Process, .. } => 9,
            Self::Run(_) => 2,
            Self::Input(_) => 3,
            Self::Part(_) => 4,
            Self::Modules(_) => 5,
            Self::Data(_) => 6,
            Self::Piece { .. } => 16,
            Self::Script(_) => 7,
            Self::Spawn(_) => 10,
            Self::Native(_) => 17,
            Self::Keep { .. } => 11,
            Self::Give { .. } => 12,
            Self::Behind { .. } => 13,
            Self::Leave { .. } => 14,
            Self::Reply(_) => 15,
            Self::Put(_) => 18,
            Self::Fetch(_) => 19,
            Self::File(piece) => 20 + piece.offset(),
        }];
        match self {
            Self::Call { function, arguments, .. } => {
                out.extend((function.len() as u64).to_be_bytes());
                out.extend(function.as_bytes());
                arguments.encode(&mut out);
            }
            Self::Run(value)
            | Self::Script(value)
            | Self::Data(value)
            | Self::Spawn(value)
            | Self::Native(value)
            | Self::Put(value)
            | Self::Fetch(value) => {
                value.encode(&mut out);
            }
            Self::File(piece) => piece.encode(&mut out),
            Self::Input(bytes) | Self::Part(bytes) | Self::Modules(bytes) | Self::Reply(bytes) => {
                out.extend(bytes);
            }
            Self::Piece { last, bytes } => {
                out.push(u8::from(*last));
                out.extend(bytes);
            }
            Self::Keep { key, message } => {
                out.extend(key.to_be_bytes());
                out.extend(message);
            }
            Self::Give { to, keep, keys } => {
                out.extend(to.0.to_be_bytes());
                out.push(u8::from(*keep));
                out.extend(keys.iter().flat_map(|key| key.to_be_bytes()));
            }
            Self::Behind { context, child } => {
                out.extend([context.0, child.0].iter().flat_map(|id| id.to_be_bytes()));
            }
            Self::Leave { at_once } => out.push(u8::from(*at_once)),
        }
        out
    }
}

/// What this binary serves when it is a context itself; all else is for Python.
impl ToAgent {
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let (tag, body) = message.split_first().ok_or(MessageError::UnknownTag(0))?;
        Ok(match tag {
            1 => {
                let (size, rest) = body.split_first_chunk().ok_or(MessageError::BadRecord)?;
                let size = usize::try_from(u64::from_be_bytes(*size)).ok();
                let split = size.and_then(|size| rest.split_at_checked(size));
                let (name, arguments) = split.ok_or(MessageError::BadRecord)?;
                let function = str::from_utf8(name).map_err(|_| MessageError::BadRecord)?.to_owned();
                Self::Call { function, arguments: Value::decode(arguments)?, own: Own::Nothing }
            }
            2 => Self::Run(Value::decode(body)?),
            3 => Self::Input(body.to_vec()),
            4 => Self::Part(body.to_vec()),
            5 | 16 => Self::Modules(body.to_vec()),
            10 => Self::Spawn(Value::decode(body)?),
            11 => {
                let (key, message) = body.split_at_checked(4).ok_or(MessageError::BadRecord)?;
                Self::Keep { key: number(key)?, message: message.to_vec() }
            }
            12 => {
                let (head, keys) = body.split_at_checked(5).ok_or(MessageError::BadRecord)?;
                let keys = keys.chunks(4).map(number).collect::<Result<_, _>>()?;
                Self::Give { to: ContextId(number(&head[..4])?), keep: head[4] != 0, keys }
            }
            13 => {
                let (context, child) = body.split_at_checked(4).ok_or(MessageError::BadRecord)?;
                Self::Behind { context: ContextId(number(context)?), child: ContextId(number(child)?) }
            }
            14 => Self::Leave { at_once: *body == [1] },
            15 => Self::Reply(body.to_vec()),
            18 => Self::Put(Value::decode(body)?),
            19 => Self::Fetch(Value::decode(body)?),
            20..=23 => Self::File(Piece::decode(tag - 20, body)?),
            unknown => return Err(MessageError::UnknownTag(*unknown)),
        })
    }
}

fn number(bytes: &[u8]) -> Result<u32, MessageError> {
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| MessageError::BadRecord)
}

/// From a context to an ancestor.
#[derive(Clone, Debug, PartialEq)]
pub enum FromAgent {
    /// Bytes written to standard output.
    Output(Vec<u8>),
    /// Bytes written to standard error.
    Errors(Vec<u8>),
    /// What the call returned.
    Result(Value),
    /// What the call raised: a dict of `type`, `message`, `args`, `attributes`, `traceback`, `cause`.
    Failure(Value),
    /// How the command ended, as wait(2) has it.
    Exit(u32),
    /// A request: the name of a module; `part:` and the name of a part; `data:`, a package, `:`, a path in it.
    Need(String),
    /// What a generator that was called has yielded; the result follows.
    Item(Value),
    /// A record of `logging`: a tuple of logger, level number, level name, text.
    Log(Value),
    /// The generator that was called has ended.
    Exhausted,
    /// The child of this stream runs.
    Started(ChildHello),
    /// The child's link brought something that is not ours.
    Noise(Vec<u8>),
    /// The child is gone: a dict of `cause`, `started`, `exit`, `error`, `said`, `noise`.
    Ended(Value),
    /// The child's program asks for a password on its terminal, or for something else.
    Asked(Question),
    /// The child, or what is behind it, did what it may not.
    Refused(Vec<u8>),
    /// What a file or a tree is made of.
    File(Piece),
    /// Why a file is not moved.
    Trouble(Vec<u8>),
}

impl FromAgent {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![match self {
            Self::Output(_) => 17,
            Self::Errors(_) => 18,
            Self::Result(_) => 19,
            Self::Failure(_) => 20,
            Self::Exit(_) => 21,
            Self::Need(_) => 22,
            Self::Item(_) => 23,
            Self::Log(_) => 24,
            Self::Exhausted => 25,
            Self::Started(_) => 26,
            Self::Noise(_) => 27,
            Self::Ended(_) => 28,
            Self::Asked(_) => 29,
            Self::Refused(_) => 30,
            Self::File(piece) => 31 + piece.offset(),
            Self::Trouble(_) => 35,
        }];
        match self {
            Self::Output(bytes)
            | Self::Errors(bytes)
            | Self::Noise(bytes)
            | Self::Refused(bytes)
            | Self::Trouble(bytes) => out.extend(bytes),
            Self::File(piece) => piece.encode(&mut out),
            Self::Result(value)
            | Self::Failure(value)
            | Self::Item(value)
            | Self::Log(value)
            | Self::Ended(value) => value.encode(&mut out),
            Self::Exit(status) => out.extend(status.to_be_bytes()),
            Self::Need(name) => out.extend(name.as_bytes()),
            Self::Exhausted => {}
            Self::Started(hello) => out.extend(Record::encode(hello)),
            Self::Asked(question) => {
                out.push(u8::from(!question.password));
                out.extend(&question.text);
            }
        }
        out
    }

    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let (tag, body) = message.split_first().ok_or(MessageError::UnknownTag(0))?;
        Ok(match tag {
            17 => Self::Output(body.to_vec()),
            18 => Self::Errors(body.to_vec()),
            19 => Self::Result(Value::decode(body)?),
            20 => Self::Failure(Value::decode(body)?),
            21 => Self::Exit(number(body)?),
            22 => Self::Need(String::from_utf8(body.to_vec()).map_err(|_| MessageError::BadRecord)?),
            23 => Self::Item(Value::decode(body)?),
            24 => Self::Log(Value::decode(body)?),
            25 if body.is_empty() => Self::Exhausted,
            26 => Self::Started(<ChildHello as Record>::decode(body)?),
            27 => Self::Noise(body.to_vec()),
            28 => Self::Ended(Value::decode(body)?),
            29 => {
                let (what, text) = body.split_first().ok_or(MessageError::BadRecord)?;
                Self::Asked(Question { password: *what == 0, text: text.to_vec() })
            }
            30 => Self::Refused(body.to_vec()),
            31..=34 => Self::File(Piece::decode(tag - 31, body)?),
            35 => Self::Trouble(body.to_vec()),
            unknown => return Err(MessageError::UnknownTag(*unknown)),
        })
    }
}

/// Why a message cannot be understood. It ends its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    UnknownTag(u8),
    BadRecord,
    BadValue(ValueError),
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownTag(tag) => write!(f, "message {tag} is not known"),
            Self::BadRecord => f.write_str("a record is broken"),
            Self::BadValue(error) => error.fmt(f),
        }
    }
}

impl From<ValueError> for MessageError {
    fn from(error: ValueError) -> Self {
        Self::BadValue(error)
    }
}

/// The hello that greets `context`, a child of the first of `ancestors`.
pub fn greeting(
    context: ContextId,
    ancestors: &[ContextId],
    nonce: [u8; NONCE_BYTES],
    keepalive_ms: u32,
    log_level: u8,
    title: String,
) -> ParentHello {
    let ancestors = ancestors.iter().map(|id| id.0).collect();
    ParentHello {
        version: super::VERSION,
        context: context.0,
        keepalive_ms,
        log_level,
        nonce,
        ancestors,
        title,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::value::Builder;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let read = FromAgent::decode(&bytes).is_ok();
            prop_assert!(!read || (17..=35).contains(&bytes[0]));
            prop_assert!(ToAgent::decode(&bytes).is_err() || (1..=23).contains(&bytes[0]));
            prop_assert!(<ChildHello as Record>::decode(&bytes).is_err() || bytes.len() == 10);
            prop_assert!(<ParentHello as Record>::decode(&bytes).is_err() || bytes.len() >= 43);
            prop_assert!(ResetReason::decode(&bytes).is_err() || bytes.len() == 1);
        }
    }

    #[test]
    fn hellos_have_the_layout_that_the_protocol_document_gives() {
        let hello = greeting(ContextId(7), &[ContextId(0)], *b"0123456789abcdef", 15000, 30, "t".into());
        let bytes = Record::encode(&hello);
        let expected =
            b"\0\x01\0\0\0\x07\0\0\x3a\x98\x1e0123456789abcdef\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x01t";
        assert_eq!(bytes, expected);
        assert_eq!(<ParentHello as Record>::decode(&bytes), Ok(hello));
    }

    #[test]
    fn a_call_is_read_as_it_was_written() {
        let arguments = Builder::default().none();
        let call = ToAgent::Call { function: "a:b".into(), arguments, own: Own::Nothing };
        assert_eq!(ToAgent::decode(&call.encode()), Ok(call.clone()));
        let mut long = call.encode();
        long[1] = 0xff;
        assert_eq!(ToAgent::decode(&long), Err(MessageError::BadRecord));
    }

    #[test]
    fn trailing_bytes_and_huge_lengths_are_refused() {
        assert_eq!(<Credit as Record>::decode(&[0, 0, 0, 1, 0]), Err(MessageError::BadRecord));
        let mut hello = Record::encode(&greeting(ContextId(7), &[], [0; 16], 1, 0, String::new()));
        hello[27..35].fill(0xff);
        assert_eq!(<ParentHello as Record>::decode(&hello), Err(MessageError::BadRecord));
    }
}
