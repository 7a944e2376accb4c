//! The wire, without I/O: bytes and `now` go in; bytes, events and deadlines come out.
//!
//! Nothing here makes a system call or reads a clock. The order of use is the same for each type:
//! feed it (`handle_*`), then drain it (`poll_*`) until it has no more to say. The byte layout is
//! in `docs/PROTOCOL.md`; `fixtures/` holds recorded bytes that this code and the agent both read.

pub mod dialog;
pub mod entry;
pub mod frame;
pub mod ids;
pub mod json;
pub mod message;
pub mod outbox;
pub mod prompt;
pub mod session;
pub mod splice;
pub mod stream;
pub mod value;

#[cfg(test)]
mod fixtures;

/// The version of the protocol that both ends of a link must speak.
pub const VERSION: u16 = 1;
