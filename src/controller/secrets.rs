//! Passwords: asked for before anything is started, sent once to a program of ours that asks, never shown.

use super::context::Place;
use super::{Command, Controller};
use crate::error::HostErrorKind;
use crate::hosts::target::Way;
use crate::link::Cause;
use crate::proto::ids::ContextId;
use crate::proto::message::ToAgent;
use crate::proto::prompt::Question;
use std::fmt;
use zeroize::Zeroizing;

/// One password; its memory, and that of each clone, is overwritten when it is let go.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What the user has given us to answer questions with.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// For ssh: a password, or the phrase of a key.
    pub login: Option<Secret>,
    /// For sudo, su and doas.
    pub become_other: Option<Secret>,
}

impl Controller {
    /// A hop's program asks on its terminal. It is answered once.
    pub(super) fn asked(&mut self, id: ContextId, question: &Question) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        let is_login = matches!(context.target.hops.last().map(|hop| &hop.way), Some(Way::Ssh(_)));
        let secrets = &self.settings.secrets;
        let secret = if is_login { &secrets.login } else { &secrets.become_other };
        let text = String::from_utf8_lossy(&question.text).into_owned();
        let again = std::mem::replace(&mut context.answered, true);
        let refusal = match secret {
            _ if is_login && text.contains("(yes/no") => HostErrorKind::HostKeyUnknown,
            _ if !question.password => HostErrorKind::OtherQuestion { text },
            Some(_) if again => HostErrorKind::WrongPassword,
            Some(secret) => {
                match context.place {
                    Place::Behind { stream, .. } => {
                        let reply = ToAgent::Reply(secret.bytes().to_vec());
                        self.streams.send(stream, reply.encode(), false);
                    }
                    Place::Here(link) => {
                        let secret = secret.clone();
                        self.commands.extend(link.map(|link| Command::Reply(link, secret)));
                    }
                }
                return self.collect_frames();
            }
            None => HostErrorKind::PasswordNeeded { program: context.program.clone() },
        };
        context.refusal = Some(refusal);
        self.abort(id, Cause::Question);
    }
}
