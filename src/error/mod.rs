//! What went wrong, for the user: all wording, all exit codes.
//!
//! [`HostError`] is about one host and never ends the run for others; [`UsageError`] is about what
//! was typed and comes before anything is started; [`Failure`] is what the library's own callers get.

mod advice;
mod host;
mod input;
mod inventory;
mod library;
mod loss;
mod machine;
mod nodeset;
mod operation;
mod session;
mod ssh;
mod usage;
mod withheld;

pub use host::{HostError, HostErrorKind, RemoteException, nth_hop};
pub use input::InputError;
pub use library::Failure;
pub use loss::Loss;
pub use machine::{CommandError, Unwritten, machine_fails};
pub use operation::OperationError;
pub use session::SessionError;
pub use ssh::SshError;
pub use usage::{Stranger, UsageError};
pub use withheld::{Instead, Withheld};

/// The longest text for `--name`.
pub const MAX_NAME_BYTES: usize = 1000;

/// The exit status of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    Success,
    /// One host: what the remote command said.
    Remote(i32),
    /// One host: the call raised.
    Failed,
    Usage,
    SomeTimedOut,
    SomeUnreachable,
    SomeFailed,
    TimedOut,
    Interrupted,
    Terminated,
    HungUp,
    /// One host: no connection.
    Unreachable,
}

impl ExitCode {
    pub fn status(self) -> i32 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::SomeTimedOut => 3,
            Self::SomeUnreachable => 4,
            Self::SomeFailed => 5,
            Self::TimedOut => 124,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Unreachable => 255,
            Self::Remote(status) => status,
        }
    }

    /// One host: as ssh. Many: by the gravest class.
    pub fn of(outcomes: &[Outcome]) -> Self {
        if let [outcome] = outcomes {
            return match outcome {
                Outcome::Done(0) => Self::Success,
                Outcome::Done(status) => Self::Remote(*status),
                Outcome::Failed => Self::Failed,
                Outcome::TimedOut => Self::TimedOut,
                Outcome::Unreachable | Outcome::Stopped => Self::Unreachable,
            };
        }
        Self::of_many(outcomes)
    }

    /// By the gravest class.
    pub fn of_many(outcomes: &[Outcome]) -> Self {
        let any = |class: fn(&Outcome) -> bool| outcomes.iter().any(class);
        if any(|outcome| *outcome == Outcome::Unreachable) {
            Self::SomeUnreachable
        } else if any(|outcome| *outcome == Outcome::TimedOut) {
            Self::SomeTimedOut
        } else if any(|outcome| !matches!(outcome, Outcome::Done(0))) {
            Self::SomeFailed
        } else {
            Self::Success
        }
    }
}

impl ExitCode {
    /// The largest status of all: a failure without one counts as it does for one host. Those that were
    /// stopped because of others have none, unless there are no others.
    pub fn largest(outcomes: &[Outcome]) -> Self {
        let any = outcomes.iter().any(|outcome| *outcome != Outcome::Stopped);
        let counted = outcomes.iter().filter(|outcome| !any || **outcome != Outcome::Stopped);
        let all = counted.map(|outcome| Self::of(std::slice::from_ref(outcome)));
        all.max_by_key(|code| code.status()).unwrap_or(Self::Success)
    }
}

/// How it went on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With the command's status; a call that returned has 0.
    Done(i32),
    Failed,
    TimedOut,
    Unreachable,
    /// By us, or not started: others tell more.
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_ends_as_ssh_does() {
        let status = |outcome| ExitCode::of(&[outcome]).status();
        assert_eq!(status(Outcome::Done(7)), 7);
        assert_eq!(status(Outcome::Failed), 1);
        assert_eq!(status(Outcome::TimedOut), 124);
        assert_eq!(status(Outcome::Unreachable), 255);
    }

    #[test]
    fn many_hosts_end_with_the_gravest_class() {
        let status = |outcomes: &[Outcome]| ExitCode::of(outcomes).status();
        assert_eq!(status(&[Outcome::Done(0), Outcome::Done(0)]), 0);
        assert_eq!(status(&[Outcome::Done(0), Outcome::Done(3)]), 5);
        assert_eq!(status(&[Outcome::Failed, Outcome::TimedOut]), 3);
        assert_eq!(status(&[Outcome::TimedOut, Outcome::Unreachable, Outcome::Failed]), 4);
        assert_eq!(status(&[Outcome::Stopped, Outcome::Failed]), 5);
    }

    #[test]
    fn the_largest_status_is_that_of_the_worst_host() {
        let status = |outcomes: &[Outcome]| ExitCode::largest(outcomes).status();
        assert_eq!(status(&[]), 0);
        assert_eq!(status(&[Outcome::Done(0), Outcome::Done(7), Outcome::Failed]), 7);
        assert_eq!(status(&[Outcome::TimedOut, Outcome::Done(3)]), 124);
        assert_eq!(status(&[Outcome::Unreachable, Outcome::TimedOut]), 255);
        assert_eq!(status(&[Outcome::Done(7), Outcome::Stopped, Outcome::Done(3)]), 7);
        assert_eq!(status(&[Outcome::Stopped, Outcome::Stopped]), 255);
    }
}
