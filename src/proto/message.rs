//! What streams and links say: one enum for each direction, and the flat records of both hellos.
//!
//! A message is a tag byte and a body. Beside `session`, this is the only file that knows bincode: big-endian,
//! fixed-width integers, lengths of 64 bits, at most 64 KiB, nothing left over.

mod down;
mod guest;
pub mod session;
mod up;

use super::ids::ContextId;
use super::value::ValueError;
use bincode::config::{BigEndian, Configuration, Fixint, Limit};
use bincode::{Decode, Encode};
pub use down::{INPUT_BYTES, Own, ToAgent};
pub use guest::{ToController, ToGuest};
use std::fmt;
pub use up::FromAgent;

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

pub(super) fn number(bytes: &[u8]) -> Result<u32, MessageError> {
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| MessageError::BadRecord)
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
    use crate::proto::ids::StreamId;
    use crate::proto::value::Builder;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let read = FromAgent::decode(&bytes).is_ok();
            prop_assert_eq!(format!("{:?}", FromAgent::take(bytes.clone())), format!("{:?}", FromAgent::decode(&bytes)));
            prop_assert!(!read || (17..=36).contains(&bytes[0]) || matches!(bytes[0], 39 | 40));
            prop_assert!(ToAgent::decode(&bytes).is_err() || matches!(bytes[0], 1..=24 | 37 | 38 | 41 | 43 | 45));
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
        let call = |own| ToAgent::Call { function: "a:b".into(), arguments: arguments.clone(), own };
        for own in [Own::Nothing, Own::Thread, Own::Process] {
            assert_eq!(ToAgent::decode(&call(own).encode()), Ok(call(own)));
        }
        let mut long = call(Own::Nothing).encode();
        long[1] = 0xff;
        assert_eq!(ToAgent::decode(&long), Err(MessageError::BadRecord));
    }

    #[test]
    fn what_is_told_of_a_running_command_is_read_as_it_was_written() {
        let resize = ToAgent::Resize { rows: 0x0102, columns: 0xfffe };
        assert_eq!(resize.encode(), b"\x29\x01\x02\xff\xfe");
        for cut in [&b"\x29\x01\x02\xff"[..], b"\x29\x01\x02\xff\xfe\0", b"\x29"] {
            assert_eq!(ToAgent::decode(cut), Err(MessageError::BadRecord));
        }
        let dial = ToAgent::Dial(Builder::default().none());
        assert_eq!(dial.encode()[0], 43);
        let unheard = ToAgent::Unheard(StreamId(0x0102_0304));
        assert_eq!(unheard.encode(), b"\x2d\x01\x02\x03\x04");
        assert_eq!(ToAgent::decode(b"\x2d\x01\x02\x03"), Err(MessageError::BadRecord));
        for message in [resize, dial, unheard] {
            assert_eq!(ToAgent::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn trailing_bytes_and_huge_lengths_are_refused() {
        assert_eq!(<Credit as Record>::decode(&[0, 0, 0, 1, 0]), Err(MessageError::BadRecord));
        let mut hello = Record::encode(&greeting(ContextId(7), &[], [0; 16], 1, 0, String::new()));
        hello[27..35].fill(0xff);
        assert_eq!(<ParentHello as Record>::decode(&hello), Err(MessageError::BadRecord));
    }
}
