//! What a program and a session, a controller in the background, say to each other over a socket. Both are the same
//! build, which the first message makes sure of, so these are records as bincode has them, each behind its length.

use super::MessageError;
use bincode::config::{BigEndian, Configuration, Fixint, Limit};
use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use std::fmt;
use zeroize::Zeroizing;

/// An inventory may be so large.
const MAX_BYTES: usize = 4 << 20;
const LENGTH_BYTES: usize = 4;
const MESSAGES: Configuration<BigEndian, Fixint, Limit<MAX_BYTES>> =
    bincode::config::standard().with_big_endian().with_fixed_int_encoding().with_limit::<MAX_BYTES>();

/// A way through hops, and what it is shown as.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Path {
    pub name: String,
    /// With all options, as it can be typed.
    pub hops: String,
}

/// A way that is open.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Open {
    pub path: Path,
    /// What the command lines of its `exec:` are: other inventories may have others.
    pub exec: Vec<(String, Vec<String>)>,
}

/// A password; its memory, and that of each clone, is overwritten when it is let go.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(Zeroizing<Vec<u8>>);

impl Hidden {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

impl Encode for Hidden {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        Encode::encode(&*self.0, encoder)
    }
}

impl<Context> Decode<Context> for Hidden {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Self::new(Vec::decode(decoder)?))
    }
}

bincode::impl_borrow_decode!(Hidden);

/// What holds for contexts that are opened for a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    /// The command lines of `exec:`.
    pub exec: Vec<(String, Vec<String>)>,
    pub login: Option<Hidden>,
    pub become_other: Option<Hidden>,
    /// Whether the client shows what is asked.
    pub asks: bool,
    pub connect_timeout_ms: u64,
    pub keepalive_ms: u64,
    pub python: Option<String>,
    pub agent: u8,
    pub relay: u8,
    pub max_hops: u32,
    pub title: String,
    /// How long what is opened stays when nobody uses it; otherwise until it is closed.
    pub persist_ms: Option<u64>,
}

/// Where a command is to run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Place {
    Path(Path),
    /// What a program has called it, which the rule of its socket gives a meaning.
    Host {
        host: String,
        user: Option<String>,
        port: Option<u16>,
        config: Option<String>,
        options: Vec<String>,
    },
}

/// What is to run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum What {
    /// By the user's shell there.
    Shell(Vec<u8>),
    /// The user's shell itself, as at a login.
    Login,
    Words(Vec<Vec<u8>>),
    /// A connection from there.
    Dial {
        host: String,
        port: u16,
    },
    /// Nothing: only the way there.
    Nothing,
}

/// A terminal that a command is to have.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Window {
    pub term: Vec<u8>,
    pub rows: u16,
    pub columns: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Exec {
    pub place: Place,
    pub terms: Terms,
    pub what: What,
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    pub terminal: Option<Window>,
    /// Whether it is given standard input.
    pub reads: bool,
    /// Whether it starts in the user's home folder; otherwise where the context is.
    pub home: bool,
    /// What `ps` is to call it.
    pub label: String,
    /// Where it is not open, it is opened; otherwise that is an error.
    pub opens: bool,
}

/// What a socket is for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rule {
    /// All that is asked goes there.
    pub to: Option<Path>,
    /// What gives names their meaning.
    pub inventory: String,
    /// Hops before and behind each.
    pub via: String,
    pub become_other: String,
    /// Whether `--via`, `--become` and `--python` were typed, so that the inventory's are not looked at.
    pub said: [bool; 3],
    pub terms: Terms,
    /// What is removed when the socket's owner has gone.
    pub folder: Vec<u8>,
}

/// A program that is to run in a context, with an ssh that leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lend {
    pub on: Path,
    pub terms: Terms,
    pub rule: Rule,
    pub words: Vec<Vec<u8>>,
    pub reads: bool,
    pub label: String,
}

/// From a program to a session.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ToSession {
    /// The first; never changes.
    Hello {
        build: String,
    },
    /// Ways that are to be open.
    Open {
        paths: Vec<Path>,
        terms: Terms,
    },
    /// Something is to run; standard input, output and error come with it.
    Exec(Box<Exec>),
    Resize {
        rows: u16,
        columns: u16,
    },
    /// To the question of that number; `None`: there is none.
    Answer {
        number: u32,
        answer: Option<Hidden>,
    },
    /// Which ways are open?
    Held,
    /// Ways that stay open for as long as this client is here; the answer names those that are.
    Keep(Vec<Path>),
    /// What is there?
    Tree,
    /// Ways that are no longer needed; all, and the session, if none is named.
    Close(Vec<Path>),
    /// A socket comes with it, at which others ask, for as long as this client is here.
    Listen(Box<Rule>),
    /// A program is to run there; standard input, output and error come with it.
    Lend(Box<Lend>),
}

/// What a session could not do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Fault {
    /// Of the way that it is about, if it is about one.
    pub name: String,
    /// One word, for programs.
    pub kind: String,
    pub text: String,
    /// The hop that failed, with which the text begins then.
    pub hop: Option<String>,
    /// What programs on the way have said.
    pub lines: Vec<String>,
    pub advice: Option<String>,
}

impl Fault {
    /// The `kind` of [`Self::new`].
    pub const OF_SESSION: &'static str = "session";

    /// One that the session itself finds.
    pub fn new(name: &str, text: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            kind: Self::OF_SESSION.to_owned(),
            text: text.into(),
            ..Self::default()
        }
    }
}

/// What a context is like, in the order of the tree.
#[derive(Clone, Debug, Default, PartialEq, Encode, Decode)]
pub struct Branch {
    pub depth: u32,
    pub context: u32,
    pub hop: String,
    pub path: String,
    pub state: String,
    /// `sys.hexversion`, 0 for this program.
    pub python: u32,
    /// `None` where nothing has been heard since it runs.
    pub round_trip_us: Option<u64>,
    /// Since when a question has had no answer.
    pub silent_ms: Option<u64>,
    pub streams: u32,
    pub queued_bytes: u64,
    pub sent_bytes: u64,
    pub received_bytes: u64,
    /// What runs there, and for how long.
    pub running: Vec<(String, u64)>,
    /// When it is closed, if nobody uses it.
    pub closes_in_ms: Option<u64>,
    pub held: bool,
}

/// From a session to a program.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub enum FromSession {
    /// The first; never changes.
    Hello {
        build: String,
        pid: u32,
    },
    Opened {
        name: String,
    },
    Failed(Fault),
    /// A question for whoever sits at the client's terminal.
    Ask {
        number: u32,
        target: String,
        text: String,
        /// Whether the answer may be seen.
        shown: bool,
    },
    /// Nobody needs to answer any more.
    Asked,
    /// What was to run runs.
    Started,
    /// How it ended: as wait(2) has it.
    Exit(u32),
    Held(Vec<Open>),
    Tree {
        pid: u32,
        seconds: u64,
        clients: u32,
        branches: Vec<Branch>,
    },
    Note {
        target: String,
        text: String,
        warning: bool,
    },
    /// What was asked is done.
    Done,
    /// An output of what runs cannot be written, other than that nobody reads it: the number of the error.
    Unwritten(i32),
}

/// Messages behind their length.
pub trait Parcel: Encode + Decode<()> {
    /// # Errors
    ///
    /// What is too long for any session.
    fn pack(&self) -> Result<Vec<u8>, MessageError> {
        let body = bincode::encode_to_vec(self, MESSAGES).map_err(|_| MessageError::BadRecord)?;
        // There may be a password in it.
        let body = Zeroizing::new(body);
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_BYTES);
        Ok([&length.ok_or(MessageError::BadRecord)?.to_be_bytes(), &body[..]].concat())
    }

    /// Takes the first whole message off the front, if there is one.
    ///
    /// # Errors
    ///
    /// When it is none of these, or too long; nothing that follows can be read then.
    fn unpack(bytes: &mut Vec<u8>) -> Result<Option<Self>, MessageError> {
        let Some(length) = bytes.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_BYTES {
            return Err(MessageError::BadRecord);
        }
        let Some(body) = bytes.get(LENGTH_BYTES..LENGTH_BYTES + length) else { return Ok(None) };
        match bincode::decode_from_slice(body, MESSAGES) {
            Ok((message, used)) if used == length => {
                bytes.drain(..LENGTH_BYTES + length);
                Ok(Some(message))
            }
            Ok(_) | Err(_) => Err(MessageError::BadRecord),
        }
    }
}

impl Parcel for ToSession {}
impl Parcel for FromSession {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_messages_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = bytes;
            while let Ok(Some(_)) = ToSession::unpack(&mut bytes) {}
        }
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut() {
        let path = Path { name: "web1".into(), hops: "ssh:web1/sudo:root".into() };
        let sent = [
            ToSession::Hello { build: "0.1.0".into() },
            ToSession::Close(vec![path]),
            ToSession::Answer { number: 1, answer: Some(Hidden::new(b"secret".to_vec())) },
            ToSession::Tree,
        ];
        let (mut heard, mut waiting) = (Vec::new(), Vec::new());
        for byte in sent.iter().flat_map(|message| message.pack().unwrap_or_default()) {
            waiting.push(byte);
            heard.extend(ToSession::unpack(&mut waiting).unwrap_or_else(|error| panic!("{error}")));
        }
        assert_eq!(heard, sent);
        assert!(waiting.is_empty());
    }

    #[test]
    fn the_first_message_has_the_layout_that_the_protocol_document_gives() {
        let hello = ToSession::Hello { build: "b".into() }.pack();
        assert_eq!(hello, Ok(b"\0\0\0\x0d\0\0\0\0\0\0\0\0\0\0\0\x01b".to_vec()));
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_has_come() {
        assert_eq!(ToSession::unpack(&mut b"\x7f\0\0\0".to_vec()), Err(MessageError::BadRecord));
    }
}
