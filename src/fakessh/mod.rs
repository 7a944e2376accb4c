//! ssh(1) as other programs call it.

pub mod standin;
