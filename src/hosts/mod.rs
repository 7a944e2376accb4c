//! Names: what is behind `-w`. Pure: no files, no look-ups.

pub mod inventory;
pub mod nodeset;
pub mod target;
pub mod wildcard;
