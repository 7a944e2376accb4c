//! What is wrong with a line of a queue.

use super::UsageError;
use std::fmt;
use std::path::PathBuf;

#[derive(Debug)]
pub enum OperationError {
    /// Not JSON, or no object.
    Json(String),
    /// A key that an object has had already, and where.
    Repeated(String),
    /// Longer than so many bytes.
    TooLong(usize),
    /// None of those that are known, but others; or several of them.
    What {
        known: &'static [&'static str],
        said: Vec<&'static str>,
        others: Vec<String>,
    },
    /// A field that this kind of operation does not have.
    Field {
        name: String,
        verb: &'static str,
        known: Vec<&'static str>,
    },
    /// A field that is not what it should be.
    Value {
        field: &'static str,
        wanted: &'static str,
    },
    /// No `on`, and no `-w`.
    NoHosts,
    /// No earlier line has that `id`.
    Unknown(String),
    /// Another line has that `id`.
    Twice(String),
    /// Two files that are the same module to Python.
    SameModule {
        name: String,
        files: (PathBuf, PathBuf),
    },
    /// Both standard input.
    InputTwice,
    Usage(Box<UsageError>),
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "not one JSON object: {error}"),
            Self::Repeated(place) => write!(f, "{place}: the same object has that key already"),
            Self::TooLong(limit) => {
                write!(f, "a line of more than {} MiB; put larger things in a file", limit >> 20)
            }
            Self::What { known, said, others } if said.is_empty() => {
                write!(f, "nothing to do; one of {} is missing", known.join(", "))?;
                if others.is_empty() {
                    Ok(())
                } else {
                    write!(f, ", and {} is none of them", others.join(", "))
                }
            }
            Self::What { said, .. } => write!(f, "{} in one line; a line is one of them", said.join(" and ")),
            Self::Field { name, verb, known } => {
                write!(f, "{verb} has no {name:?}; it has {}", known.join(", "))
            }
            Self::Value { field, wanted } => write!(f, "{field:?} is not {wanted}"),
            Self::NoHosts => f.write_str("no host: \"on\" names them, or -w for all lines without it"),
            Self::Unknown(id) => write!(f, "\"after\": no earlier line has the id {id}"),
            Self::Twice(id) => write!(f, "an earlier line has the id {id} already"),
            Self::SameModule { name, files: (one, other) } => write!(
                f,
                "{} and {} are both module {name} to Python; rename one, or use another queue",
                one.display(),
                other.display()
            ),
            Self::InputTwice => f.write_str("standard input (-) is the queue already; name a file"),
            Self::Usage(error) => error.fmt(f),
        }
    }
}

impl From<UsageError> for OperationError {
    fn from(error: UsageError) -> Self {
        Self::Usage(Box::new(error))
    }
}
