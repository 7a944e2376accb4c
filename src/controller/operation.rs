//! What can be asked of a context, and what comes of it.

mod orders;

pub(super) use orders::lanes;

use super::ways::Runtime;
use crate::error::HostError;
use crate::payload::{self, AGENT_MODULE};
use crate::proto::entry::Piece;
use crate::proto::frame::Priority;
use crate::proto::message::{FromAgent, Own, ToAgent};
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, NodeId, Value};
use crate::sys::stdio::Stream;
use std::time::Instant;

/// The part of the agent that watches, and its function.
const WATCH: &str = "watch";

/// An operation of this controller; not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

#[derive(Clone, Debug)]
pub enum Request {
    Call {
        /// `module:name`
        function: String,
        /// The module that travels along with what it imports, where it is not the function's own.
        imports: Option<String>,
        /// A tuple of a tuple and a dict.
        arguments: Value,
        own: Own,
    },
    /// A call that brings messages while it goes on: what a generator yields, or what a function sends on the
    /// channel that it takes.
    Watch {
        /// `module:name`
        function: String,
        /// A tuple of a tuple and a dict.
        arguments: Value,
    },
    Run(Run),
    /// A connection from there: what it brings is output, and an empty one says that nothing more will come.
    Dial(Dial),
    /// Programs there are to find an ssh that is led elsewhere: what it is called for comes by
    /// [`super::Controller::poll_join`], with this token. An item tells what their environment has to have.
    Lend(u32),
    Script(Script),
    /// A file, or a tree of them, which [`super::Controller::send`] is given piece by piece.
    Put(Put),
    Fetch(Fetch),
    /// The other end of a channel that has this token, for calls that follow.
    Channel(u64),
    /// A function of the agent's own, without arguments: from the part of that name, by that name.
    Builtin(&'static str),
}

/// A whole Python script.
#[derive(Clone, Debug)]
pub struct Script {
    /// What its tracebacks and `sys.argv[0]` call it.
    pub name: String,
    pub source: Vec<u8>,
    pub words: Vec<String>,
    pub stdin: Feed,
}

/// A command.
#[derive(Clone, Debug, Default)]
pub struct Run {
    pub words: Vec<Vec<u8>>,
    pub interpreter: Words,
    pub stdin: Feed,
    /// What its environment has beside that of the agent.
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// No command: the user's shell itself, as at a login.
    pub login: bool,
    /// It starts in the user's home folder, as with ssh; else where the agent is.
    pub home: bool,
    /// Where its input comes from and its output goes to, if not its own stream.
    pub lanes: Option<[StreamKey; 2]>,
    /// A script of ours: where it fails, what it says on standard error is why, as of a file.
    pub explains: bool,
    /// What it has in the place of three pipes; its input is what is typed there, and has no end.
    pub terminal: Option<Terminal>,
}

/// A terminal, by what programs there know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its kind, as in `TERM`.
    pub term: Vec<u8>,
    pub rows: u16,
    pub columns: u16,
}

/// Where to connect to, by TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    pub host: String,
    pub port: u16,
}

/// Where files go.
#[derive(Clone, Debug)]
pub struct Put {
    /// A fresh temporary file, if not named.
    pub path: Option<Vec<u8>>,
    /// What its permissions will be; 0644 for a file, the sender's within the umask for those of a tree.
    pub mode: Option<u32>,
    /// Whether it is our standard input.
    pub stdin: Feed,
    /// Whether another machine feeds it, which may not send without end what it says no size of.
    pub foreign: bool,
    pub transfer: Transfer,
}

/// Where files come from.
#[derive(Clone, Debug)]
pub struct Fetch {
    pub path: Vec<u8>,
    pub transfer: Transfer,
}

/// How files are moved, either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Folders, with all that is in them.
    pub tree: bool,
    /// All modes and times stay as they are.
    pub keep: bool,
    /// Contents are compressed on the way.
    pub packed: bool,
}

/// Who makes a command of the words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Words {
    /// The user's shell there, as with ssh.
    #[default]
    Shell,
    /// Nobody: the first word is the program.
    Exact,
}

/// What a command reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Feed {
    #[default]
    Nothing,
    /// What [`super::Controller::input`] is given.
    Piped,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Value(Value),
    /// A generator has ended; what it yielded has been reported.
    Exhausted,
    /// How the command ended by itself: 0 to 255.
    Exit(i32),
    /// The signal that has ended the command.
    Killed(i32),
}

impl Answer {
    /// Whether it says that all went well: a command may say that it did not.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Value(_) | Self::Exhausted | Self::Exit(0))
    }

    /// How a command ended, as a shell has it: 0 to 255, or 128 and the signal.
    pub fn status(&self) -> Option<i32> {
        match self {
            Self::Exit(status) => Some(*status),
            Self::Killed(signal) => Some(128 + signal),
            Self::Value(_) | Self::Exhausted => None,
        }
    }
}

/// What an operation brings while it goes on.
#[derive(Clone, Debug)]
pub enum Said {
    Output(Stream, Vec<u8>),
    /// It is a generator that runs.
    Yields,
    /// What a generator has yielded, or what was sent on a channel.
    Item(Value),
    /// A record of `logging`.
    Record(Record),
    /// A piece of what is fetched.
    Piece(Piece),
}

/// What comes of an operation, in order; `Done` is the last.
#[derive(Clone, Debug)]
pub enum Report {
    /// `source` is to be given back to [`super::Controller::consumed`].
    Said {
        operation: OperationId,
        source: Source,
        said: Said,
    },
    /// A put whose context has held up others that are fed with it: it is to be asked again, alone.
    LeftBehind {
        operation: OperationId,
        /// For [`super::Controller::keep_deadline`].
        deadline: Option<Instant>,
    },
    Done {
        operation: OperationId,
        outcome: Result<Answer, HostError>,
    },
}

impl Report {
    pub fn operation(&self) -> OperationId {
        match self {
            Self::Said { operation, .. }
            | Self::LeftBehind { operation, .. }
            | Self::Done { operation, .. } => *operation,
        }
    }
}

/// What user code has said by Python's `logging`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub logger: String,
    pub number: u32,
    /// The level's name: WARNING.
    pub level: String,
    pub text: String,
}

impl Record {
    /// From a tuple of logger, level number, level name and text.
    pub fn of(value: &Value) -> Option<Self> {
        let Node::Tuple(fields) = value.node(value.root()) else { return None };
        let [logger, number, level, text] = fields[..] else { return None };
        let (number, level) = (value.number(number)?, value.text(level)?);
        Some(Self { logger: value.text(logger)?, number, level, text: value.text(text)? })
    }
}

/// Where output came from, and the credit that its stream is owed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    pub key: StreamKey,
    pub owed_bytes: usize,
}

impl Request {
    /// A call of `module:name` in the agent's main thread; `arguments` is a tuple of a tuple and a dict.
    pub fn call(function: &str, arguments: Value) -> Self {
        Self::Call { function: function.to_owned(), imports: None, arguments, own: Own::Nothing }
    }

    /// A command's input and output may be of any size; a call's answer is waited for.
    pub fn priority(&self) -> Priority {
        match self {
            Self::Call { .. } | Self::Watch { .. } | Self::Channel(_) | Self::Builtin(_) | Self::Lend(_) => {
                Priority::Interactive
            }
            // What is typed, and what that shows.
            Self::Run(Run { terminal: Some(_), .. }) => Priority::Interactive,
            Self::Run(_) | Self::Dial(_) | Self::Script(_) | Self::Put(_) | Self::Fetch(_) => Priority::Bulk,
        }
    }

    /// The parts of the agent without which it cannot be served, each behind those that it uses.
    pub fn parts(&self) -> &[&'static str] {
        match self {
            Self::Call { own: Own::Nothing, function, .. } => {
                let ours = function.strip_prefix(AGENT_MODULE).and_then(|rest| rest.strip_prefix(':'));
                ours.and_then(payload::part).map_or(&[], |part| std::slice::from_ref(&part.name))
            }
            Self::Call { own: Own::Thread, .. } => &["threaded"],
            Self::Call { own: Own::Process, .. } => &["adopt", "process"],
            Self::Watch { .. } => &["offer", "produce", WATCH],
            Self::Builtin(name) => std::slice::from_ref(name),
            Self::Run(Run { terminal: Some(_), .. }) => &["adopt", "input", "screen", "run"],
            Self::Run(Run { lanes: Some(_), .. }) => &["adopt", "input", "run", "crossed"],
            Self::Run(_) => &["adopt", "input", "run"],
            Self::Lend(_) => &["adopt", "input", "run", "crossed", "fakessh"],
            Self::Dial(_) => &["input", "dial"],
            Self::Script(_) => &["adopt", "input", "importer", "script"],
            Self::Channel(_) => &["channel"],
            Self::Put(_) => &["bulk", "files", "folders", "put"],
            Self::Fetch(_) => &["bulk", "files", "fetch"],
        }
    }

    /// Whether only an agent can do it, where that may run or does.
    pub fn is_for_python(&self, runtime: Runtime) -> bool {
        match self {
            Self::Run(Run { lanes: Some(_), .. }) | Self::Lend(_) => true,
            Self::Run(_) | Self::Dial(_) | Self::Put(_) | Self::Fetch(_) => false,
            // Where there may be an agent, that knows more.
            Self::Builtin(_) => runtime != Runtime::Native,
            Self::Call { .. } | Self::Watch { .. } | Self::Script(_) | Self::Channel(_) => true,
        }
    }

    /// What of the user's modules it will import; a command imports none.
    pub fn imports(&self) -> Option<Imports<'_>> {
        match self {
            Self::Call { function, imports, .. } => {
                Some(Imports::Module(imports.as_deref().unwrap_or(module_of(function))))
            }
            Self::Watch { function, .. } => Some(Imports::Module(module_of(function))),
            Self::Script(script) => Some(Imports::Script(&script.source)),
            Self::Run(_)
            | Self::Dial(_)
            | Self::Put(_)
            | Self::Fetch(_)
            | Self::Channel(_)
            | Self::Builtin(_)
            | Self::Lend(_) => None,
        }
    }

    /// What asks for it. Files come or go on the stream that is `joined` to it, else on its own.
    pub fn message(&self, joined: Option<StreamKey>) -> ToAgent {
        match self {
            Self::Call { function, arguments, own, .. } => {
                ToAgent::Call { function: function.clone(), arguments: arguments.clone(), own: *own }
            }
            Self::Watch { function, arguments } => {
                let mut builder = Builder::default();
                let given = vec![builder.text(function), builder.copy(arguments)];
                own_call(WATCH, given, builder)
            }
            Self::Run(run) => ToAgent::Run(run.order()),
            Self::Dial(dial) => ToAgent::Dial(dial.order()),
            Self::Lend(token) => {
                ToAgent::Lend(Builder::default().dict([("token", Node::Int((*token).into()))]))
            }
            Self::Script(script) => ToAgent::Script(script.order()),
            Self::Put(put) => ToAgent::Put(put.order(joined)),
            Self::Fetch(fetch) => ToAgent::Fetch(fetch.order(joined)),
            Self::Channel(token) => ToAgent::Channel(*token),
            Self::Builtin(name) => own_call(name, Vec::new(), Builder::default()),
        }
    }

    /// Whether it is given our standard input.
    pub fn reads_input(&self) -> bool {
        match self {
            Self::Run(Run { stdin, .. })
            | Self::Script(Script { stdin, .. })
            | Self::Put(Put { stdin, .. }) => *stdin == Feed::Piped,
            Self::Dial(_) => true,
            Self::Call { .. }
            | Self::Watch { .. }
            | Self::Fetch(_)
            | Self::Channel(_)
            | Self::Builtin(_)
            | Self::Lend(_) => false,
        }
    }

    /// Whether more follows on the stream after the first message.
    pub fn takes_input(&self) -> bool {
        // A terminal is told its size.
        matches!(self, Self::Put(_) | Self::Channel(_) | Self::Run(Run { terminal: Some(_), .. }))
            || self.reads_input()
    }
}

/// Where imports begin.
#[derive(Clone, Copy, Debug)]
pub enum Imports<'a> {
    Module(&'a str),
    /// The source of a script.
    Script(&'a [u8]),
}

/// What a call is given that takes nothing.
pub fn no_arguments() -> Value {
    arguments(Vec::new(), Builder::default())
}

/// What a call is given that takes no names.
fn arguments(positional: Vec<NodeId>, mut builder: Builder) -> Value {
    let pair = vec![builder.add(Node::Tuple(positional)), builder.add(Node::Dict(Vec::new()))];
    let root = builder.add(Node::Tuple(pair));
    builder.finish(root)
}

/// A call of one of the agent's own functions.
fn own_call(name: &str, given: Vec<NodeId>, builder: Builder) -> ToAgent {
    let function = format!("{AGENT_MODULE}:{name}");
    ToAgent::Call { function, arguments: arguments(given, builder), own: Own::Nothing }
}

/// Of `module:name`.
fn module_of(function: &str) -> &str {
    function.split(':').next().unwrap_or(function)
}

/// What a message from an operation's stream means.
#[derive(Debug)]
pub enum Meaning {
    Said(Said),
    Answer(Result<Answer, Box<Value>>),
    /// Why a file is not moved.
    Trouble(String),
    /// Something that does not belong there.
    Nonsense,
}

impl Meaning {
    pub fn of(message: FromAgent) -> Self {
        match message {
            FromAgent::Output(bytes) => Self::Said(Said::Output(Stream::Out, bytes)),
            FromAgent::Errors(bytes) => Self::Said(Said::Output(Stream::Err, bytes)),
            FromAgent::Result(value) => Self::Answer(Ok(Answer::Value(value))),
            FromAgent::Failure(value) => Self::Answer(Err(Box::new(value))),
            FromAgent::Exit(status) => Self::Answer(Ok(ended(status))),
            FromAgent::Exhausted => Self::Answer(Ok(Answer::Exhausted)),
            FromAgent::Yields => Self::Said(Said::Yields),
            FromAgent::Item(value) => Self::Said(Said::Item(value)),
            FromAgent::Log(value) => {
                Record::of(&value).map_or(Self::Nonsense, |record| Self::Said(Said::Record(record)))
            }
            FromAgent::File(piece) => Self::Said(Said::Piece(piece)),
            FromAgent::Trouble(text) => Self::Trouble(String::from_utf8_lossy(&text).into_owned()),
            FromAgent::Need(_)
            | FromAgent::Started(_)
            | FromAgent::Join(_)
            | FromAgent::Noise(_)
            | FromAgent::Ended(_)
            | FromAgent::Asked(_)
            | FromAgent::Refused(_)
            | FromAgent::Dropped(_) => Self::Nonsense,
        }
    }
}

/// From wait(2)'s status.
fn ended(status: u32) -> Answer {
    match status & 0x7f {
        0 => Answer::Exit((status >> 8 & 0xff) as i32),
        signal => Answer::Killed(signal as i32),
    }
}

#[cfg(test)]
mod tests;
