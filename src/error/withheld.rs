//! What a host wrote, and its result does not hold.

use std::fmt;

/// What a host wrote, and its result does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld {
    pub told_bytes: u64,
    pub all_bytes: u64,
    pub instead: Instead,
}

/// Where all of it is, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// In files that are written too.
    Folder,
    /// There could be such files.
    NoFolder,
    /// Of a queue: there are none.
    Queue,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { told_bytes, all_bytes, instead } = self;
        write!(f, "its result has {told_bytes} of the {all_bytes} bytes that it wrote; ")?;
        f.write_str(match instead {
            Instead::Folder => "the folder of --outdir has all",
            Instead::NoFolder => "--outdir DIR keeps all, and so does a run without --json",
            Instead::Queue => "for all let it write to a file, and fetch that",
        })
    }
}
