//! The operating system: the only room with `unsafe`, nix, polling and signal-hook.
//!
//! It imports nothing of ours. Quirks end here: an interrupted call is repeated, the end of a pty
//! or a broken pipe is an end like any other, and what cannot be polled counts as always ready.

pub mod askpass;
pub mod child;
pub mod clock;
pub mod disk;
pub mod environment;
pub mod fd;
pub mod folder;
pub mod foreground;
pub mod guardian;
pub mod guest;
pub mod handed;
pub mod identity;
pub mod limits;
mod lineage;
pub mod machine;
mod memory;
pub mod poll;
pub mod process;
pub mod program;
pub mod random;
pub mod rendezvous;
pub mod signals;
pub mod stdio;
pub mod tcp;
pub mod tty;
pub mod unfinished;
pub mod watchdog;
pub mod window;
