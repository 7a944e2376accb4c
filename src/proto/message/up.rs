//! What a context says to an ancestor.

use super::{ChildHello, MessageError, Record, number};
use crate::proto::entry::Piece;
use crate::proto::prompt::Question;
use crate::proto::stream::StreamKey;
use crate::proto::value::Value;

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
    /// A request: that a file goes to, or comes from, a tunnel that it has been granted, as a dict.
    Join(Value),
    /// What a generator that was called has yielded; the result follows.
    Item(Value),
    /// A record of `logging`: a tuple of logger, level number, level name, text.
    Log(Value),
    /// What was called is a generator, of which nothing has been asked yet.
    Yields,
    /// The generator that was called has ended, or the channel is closed.
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
    /// Why a file is not moved; empty: the other end of its splice has gone.
    Trouble(Vec<u8>),
    /// This stream of a splice has taken nothing for too long, and is left behind.
    Dropped(StreamKey),
}

impl FromAgent {
    fn tag(&self) -> u8 {
        match self {
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
            Self::Dropped(_) => 36,
            Self::Yields => 39,
            Self::Join(_) => 40,
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.tag()];
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
            | Self::Join(value)
            | Self::Ended(value) => value.encode(&mut out),
            Self::Exit(status) => out.extend(status.to_be_bytes()),
            Self::Need(name) => out.extend(name.as_bytes()),
            Self::Exhausted | Self::Yields => {}
            Self::Started(hello) => out.extend(Record::encode(hello)),
            Self::Dropped(key) => key.encode(&mut out),
            Self::Asked(question) => {
                out.push(u8::from(!question.password));
                out.extend(&question.text);
            }
        }
        out
    }

    /// As [`Self::decode`], for whom the message is not needed any more: what is much is not copied.
    pub fn take(mut message: Vec<u8>) -> Result<Self, MessageError> {
        let wrap = match message.first() {
            Some(17) => Self::Output,
            Some(18) => Self::Errors,
            Some(32) => |bytes| Self::File(Piece::Content(bytes)),
            Some(_) | None => return Self::decode(&message),
        };
        message.remove(0);
        Ok(wrap(message))
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
            36 => Self::Dropped(StreamKey::decode(body)?),
            39 if body.is_empty() => Self::Yields,
            40 => Self::Join(Value::decode(body)?),
            unknown => return Err(MessageError::UnknownTag(*unknown)),
        })
    }
}
