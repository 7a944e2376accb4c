//! ssh(1)'s command line, as programs that call ssh write it: no I/O, no environment, no clock.
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
mod value;
mod wanted;

pub use invocation::{Control, Invocation, Level, Parsed, Session, Terminal};
pub use refusal::Refusal;
pub use wanted::wanted;
