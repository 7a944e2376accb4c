//! What can be asked of a context, and what comes of it.

use crate::error::HostError;
use crate::proto::frame::Priority;
use crate::proto::message::{FromAgent, ToAgent};
use crate::proto::stream::StreamKey;
use crate::proto::value::{Builder, Node, Value};
use crate::sys::stdio::Stream;

/// An operation of this controller; not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

#[derive(Clone, Debug)]
pub enum Request {
    Call {
        /// `module:name`
        function: String,
        /// A tuple of a tuple and a dict.
        arguments: Value,
    },
    Run(Run),
}

/// A command.
#[derive(Clone, Debug)]
pub struct Run {
    pub words: Vec<Vec<u8>>,
    pub interpreter: Words,
    pub stdin: Feed,
}

/// Who makes a command of the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// The user's shell there, as with ssh.
    Shell,
    /// Nobody: the first word is the program.
    Exact,
}

/// What a command reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feed {
    Nothing,
    /// What [`super::Controller::input`] is given.
    Piped,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Value(Value),
    /// How the command ended: 0 to 255, or 128 and the signal.
    Exit(i32),
}

/// What comes of an operation, in order; `Done` is the last.
#[derive(Clone, Debug)]
pub enum Report {
    /// `source` is to be given back to [`super::Controller::consumed`].
    Output {
        operation: OperationId,
        source: Source,
        stream: Stream,
        bytes: Vec<u8>,
    },
    Done {
        operation: OperationId,
        outcome: Result<Answer, HostError>,
    },
}

/// Where output came from, and the credit that its stream is owed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    pub key: StreamKey,
    pub owed_bytes: usize,
}

impl Request {
    /// A command's input and output may be of any size; a call's answer is waited for.
    pub fn priority(&self) -> Priority {
        match self {
            Self::Call { .. } => Priority::Interactive,
            Self::Run(_) => Priority::Bulk,
        }
    }

    /// The part of the agent without which it cannot be served.
    pub fn part(&self) -> Option<&'static str> {
        match self {
            Self::Call { .. } => None,
            Self::Run(_) => Some("run"),
        }
    }

    pub fn message(&self) -> ToAgent {
        match self {
            Self::Call { function, arguments } => {
                ToAgent::Call { function: function.clone(), arguments: arguments.clone() }
            }
            Self::Run(run) => ToAgent::Run(run.order()),
        }
    }

    /// Whether more follows on the stream after the first message.
    pub fn takes_input(&self) -> bool {
        matches!(self, Self::Run(Run { stdin: Feed::Piped, .. }))
    }
}

impl Run {
    fn order(&self) -> Value {
        let mut builder = Builder::default();
        let words: Vec<Vec<u8>> = match self.interpreter {
            Words::Shell => vec![self.words.join(&b' ')],
            Words::Exact => self.words.clone(),
        };
        let words = words.into_iter().map(|word| builder.add(Node::Bytes(word))).collect();
        let fields = [
            ("words", Node::List(words)),
            ("shell", Node::Bool(self.interpreter == Words::Shell)),
            ("stdin", Node::Bool(self.stdin == Feed::Piped)),
        ];
        let pairs = fields.map(|(name, node)| (builder.text(name), builder.add(node))).to_vec();
        let root = builder.add(Node::Dict(pairs));
        builder.finish(root)
    }
}

/// What a message from an operation's stream means.
#[derive(Debug)]
pub enum Meaning {
    Output(Stream, Vec<u8>),
    Answer(Result<Answer, Box<Value>>),
    /// Something that does not belong there.
    Nonsense,
}

impl Meaning {
    pub fn of(message: FromAgent) -> Self {
        match message {
            FromAgent::Output(bytes) => Self::Output(Stream::Out, bytes),
            FromAgent::Errors(bytes) => Self::Output(Stream::Err, bytes),
            FromAgent::Result(value) => Self::Answer(Ok(Answer::Value(value))),
            FromAgent::Failure(value) => Self::Answer(Err(Box::new(value))),
            FromAgent::Exit(status) => Self::Answer(Ok(Answer::Exit(exit_status(status)))),
            FromAgent::Need(_) => Self::Nonsense,
        }
    }
}

/// From wait(2)'s status to a shell's.
fn exit_status(status: u32) -> i32 {
    let signal = (status & 0x7f) as i32;
    if signal == 0 { (status >> 8 & 0xff) as i32 } else { 128 + signal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_a_shell() {
        assert_eq!(exit_status(7 << 8), 7);
        assert_eq!(exit_status(9), 137);
        assert_eq!(exit_status(0x80 | 11), 139);
    }
}
