//! ssh(1) as programs that call ssh write it: its command line, read without I/O, and the client that does what it says.
//!
//! [`grammar`] reads it in the order and manner of OpenSSH's own `main`; [`configuration`] is what
//! `ssh -G` prints of it. What OpenSSH would refuse is refused in its words, with its status.

pub mod configuration;
mod directive;
mod draft;
mod getopt;
pub mod grammar;
mod invocation;
mod keyword;
mod refusal;
pub mod standin;
mod value;

pub use invocation::{Control, Invocation, Level, Parsed, Session, Terminal};
pub use refusal::Refusal;
