//! What a program that uses a controller, a script's interpreter, and the controller say to each other.

use super::{MessageError, number};
use crate::proto::value::Value;

/// From a guest to its controller: the first message of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum ToController {
    /// Who it is: a dict of `roots`, `python`.
    Setup(Value),
    /// It has one more tunnel, which the stream is about from then on: a dict of `tunnel`, `target` and what is to hold for it.
    Tunnel(Value),
    /// Something is asked of a tunnel; the message is one of [`super::ToAgent`].
    Ask { tunnel: u32, timeout_ms: u32, imports: String, message: Vec<u8> },
    /// A file goes to several tunnels: a dict of `tunnels`, `local`, `remote`, `mode`, `keep`, `tree`, `packed`.
    Put(Value),
    /// A file comes from a tunnel: a dict of `tunnel`, `remote`, `local`, `keep`, `tree`, `packed`.
    Fetch(Value),
    /// What runs behind a tunnel may have files moved to and from another one, by a token: a dict of `tunnel`, `to`, `token`.
    Grant(Value),
    /// The answer to a request for a module or a data file.
    Found(Value),
}

/// From a controller to its guest, beside what agents say.
#[derive(Clone, Debug, PartialEq)]
pub enum ToGuest {
    /// The tunnel of this stream runs: a dict of `python`.
    Opened(Value),
    /// Why nothing comes of what was asked: a dict of `kind`, `message`, `hop`, `said`, `host`.
    Error(Value),
    /// What has come of a file: a tuple of the tunnel, whether all is well, a result or an error.
    Moved(Value),
    /// To be told: a tuple of its weight, a target and a text.
    Note(Value),
    /// What has been said in a context beside all calls: a tuple of a tunnel and what an agent says, a message.
    Aside(Value),
    /// A module, or `data:`, a package, `:` and a path: what does your interpreter know of it?
    Need(String),
}

impl ToController {
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let (tag, body) = message.split_first().ok_or(MessageError::UnknownTag(0))?;
        Ok(match tag {
            64 => Self::Tunnel(Value::decode(body)?),
            67 => {
                let (head, rest) = body.split_at_checked(10).ok_or(MessageError::BadRecord)?;
                let size = usize::from(head[8]) << 8 | usize::from(head[9]);
                let (imports, message) = rest.split_at_checked(size).ok_or(MessageError::BadRecord)?;
                Self::Ask {
                    tunnel: number(&head[..4])?,
                    timeout_ms: number(&head[4..8])?,
                    imports: str::from_utf8(imports).map_err(|_| MessageError::BadRecord)?.to_owned(),
                    message: message.to_vec(),
                }
            }
            68 => Self::Put(Value::decode(body)?),
            69 => Self::Fetch(Value::decode(body)?),
            71 => Self::Found(Value::decode(body)?),
            73 => Self::Setup(Value::decode(body)?),
            74 => Self::Grant(Value::decode(body)?),
            unknown => return Err(MessageError::UnknownTag(*unknown)),
        })
    }
}

impl ToGuest {
    pub fn encode(&self) -> Vec<u8> {
        let (tag, value) = match self {
            Self::Opened(value) => (65, value),
            Self::Error(value) => (66, value),
            Self::Moved(value) => (70, value),
            Self::Note(value) => (72, value),
            Self::Aside(value) => (75, value),
            Self::Need(name) => return [&[22], name.as_bytes()].concat(),
        };
        let mut out = vec![tag];
        value.encode(&mut out);
        out
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
            let known = |tag| matches!(tag, 64 | 67..=69 | 71 | 73 | 74);
            prop_assert!(ToController::decode(&bytes).is_err() || known(bytes[0]));
        }
    }

    #[test]
    fn what_is_asked_has_the_layout_that_the_protocol_document_gives() {
        let bytes = b"\x43\0\0\0\x07\0\0\x03\xe8\0\x03a.bMORE";
        let ask =
            ToController::Ask { tunnel: 7, timeout_ms: 1000, imports: "a.b".into(), message: b"MORE".into() };
        assert_eq!(ToController::decode(bytes), Ok(ask));
        assert_eq!(ToController::decode(&bytes[..13]), Err(MessageError::BadRecord));
        assert_eq!(ToGuest::Error(Builder::default().none()).encode(), b"\x42n");
    }
}
