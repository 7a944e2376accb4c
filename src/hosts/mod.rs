//! Names: what is behind `-w`. Pure: no files, no look-ups.

pub mod clustershell;
pub mod inventory;
pub mod nodeset;
pub mod ssh_config;
pub mod target;
pub mod wildcard;
