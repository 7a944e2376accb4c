//! What is printed of results, and how.

/// How results look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One host: nothing but what it said.
    Plain,
    /// Many: `host: line`.
    Prefixed,
    /// One JSON object for each result.
    Json,
}

/// Where the output of user code goes: a command's is the result, a call's is beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultKind {
    Output,
    Value,
    /// A value, shown to people as one line for each leaf.
    Outline,
    /// A value that is `wanted` to be true, or not to be: the names of those where it is so, folded, at the end.
    Matches {
        wanted: bool,
    },
    /// Messages, as they come; what the call printed is told at its end.
    Messages,
    /// What has become of files: a dict, shown to people as its values in one line.
    Files,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Always,
    Never,
}

/// For each of our standard streams.
#[derive(Clone, Copy, Debug)]
pub struct Colors {
    pub out: Color,
    pub err: Color,
}
