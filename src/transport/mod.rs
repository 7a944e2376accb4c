//! How a hop is started, as data: a command line, and what its failures mean. Nothing spawns here.

pub mod diagnosis;
pub mod exec;
pub mod local;
pub mod ssh;

/// What to run for one hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub argv: Vec<String>,
}
