//! Hopvine.
pub mod cli;
pub mod controller;
pub mod error;
pub mod hosts;
pub mod link;
pub mod modules;
pub mod mux;
pub mod payload;
pub mod proto;
pub mod report;
pub mod route;
pub mod sys;
pub mod transport;
pub mod verbs;
