//! How a hop is started, as data: a command line, and what its failures mean. Nothing spawns here.

pub mod diagnosis;
pub mod exec;
pub mod local;
pub mod ssh;

/// What to run for one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub argv: Vec<String>,
    pub terminal: Terminal,
}

/// How the questions of a hop's program are heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// It asks nothing.
    None,
    /// A terminal of ours is its controlling one, and it asks there; the link is its standard input
    /// and output.
    Beside { prompt: Prompt },
    /// The terminal is also its standard input and output, and the link is its descriptor 3.
    Input { prompt: Prompt },
}

/// Which question is one for the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Only a line with this text of ours.
    Token(String),
    /// The first one with echo off.
    Hidden,
}
