//! A child process on this machine.

use super::Plan;

/// The shell runs the start command as a login shell elsewhere would.
pub fn plan(command: String) -> Plan {
    Plan { argv: vec!["/bin/sh".into(), "-c".into(), command], ..Plan::default() }
}
