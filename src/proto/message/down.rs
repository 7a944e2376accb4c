//! What an ancestor says to a context.

use super::{MessageError, number};
use crate::proto::entry::Piece;
use crate::proto::frame::MAX_BODY_BYTES;
use crate::proto::ids::{ContextId, StreamId};
use crate::proto::stream::StreamKey;
use crate::proto::value::Value;

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

/// What one frame takes of a command's input, beside the tag.
pub const INPUT_BYTES: usize = MAX_BODY_BYTES - 1;

/// From an ancestor to a context.
#[derive(Clone, Debug, PartialEq)]
pub enum ToAgent {
    /// Call `function` (`module:name`) with `arguments`, a tuple of positional ones and a dict.
    Call {
        function: String,
        arguments: Value,
        own: Own,
    },
    /// Start a command: a dict of `words`, `shell`, `stdin`, `env`, `login`, `home`, `terminal`.
    Run(Value),
    /// Run a script as `__main__`: a dict of `name`, `source`, `words`, `stdin`.
    Script(Value),
    /// What the command or script of this stream reads; the stream's end is its end of file.
    Input(Vec<u8>),
    /// The terminal of this stream's command is of another size now.
    Resize {
        rows: u16,
        columns: u16,
    },
    /// Nobody reads what the command of another stream writes to its standard output any more.
    Unheard(StreamId),
    /// Connect to somewhere from there: a dict of `host`, `port`.
    Dial(Value),
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
    /// This stream is the channel of that token, in both directions.
    Channel(u64),
    /// What is sent on a channel: how (a value or a pickle), and it.
    Send(Vec<u8>),
    /// Have programs find an ssh that is led elsewhere: a dict of `token`.
    Lend(Value),
    /// Pass what comes on a stream on to others; who holds up the rest for so long is left behind.
    Splice {
        patience_ms: u32,
        source: StreamKey,
        members: Vec<StreamKey>,
    },
}

impl ToAgent {
    fn tag(&self) -> u8 {
        match self {
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
            Self::Splice { .. } => 24,
            Self::Channel(_) => 37,
            Self::Send(_) => 38,
            Self::Lend(_) => 44,
            Self::Resize { .. } => 41,
            Self::Unheard(_) => 45,
            Self::Dial(_) => 43,
        }
    }

    /// What [`Self::Input`] becomes, without its bytes, and with room for so many.
    pub fn input_of(room_bytes: usize) -> Vec<u8> {
        let mut message = Vec::with_capacity(1 + room_bytes);
        message.push(Self::Input(Vec::new()).tag());
        message
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.tag()];
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
            | Self::Lend(value)
            | Self::Put(value)
            | Self::Dial(value)
            | Self::Fetch(value) => {
                value.encode(&mut out);
            }
            Self::File(piece) => piece.encode(&mut out),
            Self::Input(bytes)
            | Self::Part(bytes)
            | Self::Modules(bytes)
            | Self::Reply(bytes)
            | Self::Send(bytes) => out.extend(bytes),
            Self::Resize { rows, columns } => {
                out.extend([rows, columns].iter().flat_map(|number| number.to_be_bytes()));
            }
            Self::Channel(token) => out.extend(token.to_be_bytes()),
            Self::Unheard(stream) => out.extend(stream.0.to_be_bytes()),
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
            Self::Splice { patience_ms, source, members } => {
                out.extend(patience_ms.to_be_bytes());
                std::iter::once(source).chain(members).for_each(|key| key.encode(&mut out));
            }
        }
        out
    }
}

/// What this binary serves when it is a context itself; all else is for Python.
impl ToAgent {
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let (tag, body) = message.split_first().ok_or(MessageError::UnknownTag(0))?;
        Ok(match tag {
            1 | 8 | 9 => {
                let (size, rest) = body.split_first_chunk().ok_or(MessageError::BadRecord)?;
                let size = usize::try_from(u64::from_be_bytes(*size)).ok();
                let split = size.and_then(|size| rest.split_at_checked(size));
                let (name, arguments) = split.ok_or(MessageError::BadRecord)?;
                let function = str::from_utf8(name).map_err(|_| MessageError::BadRecord)?.to_owned();
                let own = match tag {
                    8 => Own::Thread,
                    9 => Own::Process,
                    _ => Own::Nothing,
                };
                Self::Call { function, arguments: Value::decode(arguments)?, own }
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
            24 => {
                let (patience, keys) = body.split_at_checked(4).ok_or(MessageError::BadRecord)?;
                let (source, members) = keys.split_at_checked(8).ok_or(MessageError::BadRecord)?;
                let members = members.chunks(8).map(StreamKey::decode).collect::<Result<_, _>>()?;
                Self::Splice { patience_ms: number(patience)?, source: StreamKey::decode(source)?, members }
            }
            37 => {
                let token = body.try_into().map_err(|_| MessageError::BadRecord)?;
                Self::Channel(u64::from_be_bytes(token))
            }
            38 => Self::Send(body.to_vec()),
            41 => {
                let [a, b, c, d] = body.try_into().map_err(|_| MessageError::BadRecord)?;
                Self::Resize { rows: u16::from_be_bytes([a, b]), columns: u16::from_be_bytes([c, d]) }
            }
            43 => Self::Dial(Value::decode(body)?),
            45 => Self::Unheard(StreamId(number(body)?)),
            unknown => return Err(MessageError::UnknownTag(*unknown)),
        })
    }
}
