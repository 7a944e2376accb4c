//! Passwords: asked for before anything is started, sent once to a program of ours that asks, never shown.
//! What else ssh asks, a one-time code, only the user can answer, who is asked then.

use super::context::{Place, State};
use super::{Command, Controller, Due};
use crate::error::HostErrorKind;
use crate::hosts::target::Way;
use crate::link::Cause;
use crate::proto::ids::ContextId;
use crate::proto::message::ToAgent;
use crate::proto::prompt::Question;
use crate::sys::tty::Echo;
use crate::transport::ssh;
use std::fmt;
use std::time::Instant;
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
    /// Who else can answer a question of ssh's.
    pub user: User,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum User {
    #[default]
    Away,
    /// At a terminal, and has said that there are questions.
    Present,
    /// At a terminal, and answers all of them, as with ssh itself.
    Alone,
}

/// What waits for the user's answer.
#[derive(Clone, Debug)]
pub struct OpenQuestion {
    pub context: ContextId,
    pub target: String,
    /// In the words of a stranger.
    pub text: String,
    /// Whether the answer may be seen.
    pub echo: Echo,
}

/// What a context's program has asked so far.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The question that was answered with the password.
    answered: Option<String>,
    /// It asks on a bare terminal: no words of ours tell its questions from those of others.
    is_bare: bool,
    /// The user has answered the last.
    user_answered: bool,
}

/// What a question is for.
enum Meaning {
    HostKey,
    Password,
    /// The same again.
    Refused,
    Other,
}

impl Heard {
    /// It has been told the password, and nothing else since.
    pub(super) fn knows_password(&self) -> bool {
        self.answered.is_some() && !self.user_answered
    }

    /// sudo, su and doas: the terminal tells.
    fn by_terminal(&mut self, question: &Question, text: &str) -> Meaning {
        let again = self.answered.replace(text.to_owned()).is_some();
        match (question.password, again) {
            (false, _) => Meaning::Other,
            (true, true) => Meaning::Refused,
            (true, false) => Meaning::Password,
        }
    }

    /// ssh, whose own words tell more. `ours`: it has asked in words that nobody else knows.
    fn by_ssh(&mut self, question: &Question, text: &str, ours: bool) -> Meaning {
        self.is_bare |= question.password && !ours;
        let is_from_ssh = ours || self.is_bare;
        match &self.answered {
            _ if ssh::is_about_a_key(text) => Meaning::HostKey,
            Some(before) if ssh::asks_again(before, text) => Meaning::Refused,
            None if is_from_ssh && ssh::wants_password(text) => {
                self.answered = Some(text.to_owned());
                Meaning::Password
            }
            Some(_) | None => Meaning::Other,
        }
    }
}

impl Controller {
    /// A way runs: what was to be said on it is not kept.
    pub fn forget_secrets(&mut self, id: ContextId) {
        for id in self.line(id) {
            if let Some(context) = self.contexts.get_mut(&id)
                && context.state == State::Open
            {
                context.secrets = Secrets::default();
            }
        }
    }

    /// A hop's program asks on its terminal. The password answers once.
    pub(super) fn asked(&mut self, id: ContextId, question: &Question) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        let is_login = matches!(context.target.hops.last().map(|hop| &hop.way), Some(Way::Ssh(_)));
        let secrets = context.secrets.clone();
        let secret = if is_login { secrets.login } else { secrets.become_other };
        let text = String::from_utf8_lossy(&question.text);
        let meaning = if is_login {
            let after = text.split_once(&context.token).map(|(_, after)| after);
            let asked = after.unwrap_or(&text).trim();
            context.heard.by_ssh(question, asked, after.is_some())
        } else {
            context.heard.by_terminal(question, &text)
        };
        let refusal = match (meaning, secret) {
            (_, None) if secrets.user == User::Alone => return self.ask_user(id, &text),
            (Meaning::HostKey, _) => HostErrorKind::HostKeyUnknown,
            (Meaning::Other, Some(_)) if is_login && secrets.user == User::Present => {
                return self.ask_user(id, &text);
            }
            (Meaning::Other, _) => {
                let text = text.replace(&context.token, "").trim().to_owned();
                HostErrorKind::OtherQuestion { text }
            }
            (Meaning::Refused, Some(_)) => HostErrorKind::WrongPassword,
            (Meaning::Password, Some(secret)) => return self.reply(id, &secret),
            (Meaning::Password | Meaning::Refused, None) => {
                HostErrorKind::PasswordNeeded { program: context.program.clone() }
            }
        };
        self.refuse_question(id, refusal);
    }

    fn refuse_question(&mut self, id: ContextId, refusal: HostErrorKind) {
        if let Some(context) = self.contexts.get_mut(&id) {
            context.refusal = Some(refusal);
            self.abort(id, Cause::Question);
        }
    }

    fn reply(&mut self, id: ContextId, secret: &Secret) {
        match self.contexts.get(&id).map(|context| context.place) {
            Some(Place::Behind { stream, .. }) => {
                self.streams.send(stream, ToAgent::Reply(secret.bytes().to_vec()).encode(), false);
            }
            Some(Place::Here(link)) => {
                self.commands.extend(link.map(|link| Command::Reply(link, secret.clone())));
            }
            None => {}
        }
        self.collect_frames();
    }

    /// The user takes the time that it takes; the server does not wait for ever.
    fn ask_user(&mut self, id: ContextId, text: &str) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        if let State::Connecting { until } = &mut context.state
            && let Some(until) = until.take()
        {
            self.deadlines.remove(&(until, Due::Connection(id)));
        }
        let (target, text) = (context.target.name.clone(), text.replace(&context.token, ""));
        let text = text.trim().to_owned();
        let echo = if ssh::is_answered_openly(&text) { Echo::Shown } else { Echo::Hidden };
        self.questions.push_back(OpenQuestion { context: id, target, text, echo });
    }

    /// What the user is to be asked now, until it is answered, or nobody wants to know any more.
    pub fn open_question(&mut self) -> Option<&OpenQuestion> {
        let waits = |question: &OpenQuestion| {
            let context = self.contexts.get(&question.context);
            context.is_some_and(|context| matches!(context.state, State::Connecting { .. }))
        };
        self.questions.retain(waits);
        self.questions.front()
    }

    /// The user's answer to the open question, or none.
    pub fn answer(&mut self, answer: Option<Secret>, now: Instant) {
        let Some(OpenQuestion { context: id, text, .. }) = self.questions.pop_front() else { return };
        let Some(answer) = answer else {
            return self.refuse_question(id, HostErrorKind::OtherQuestion { text });
        };
        if let Some(context) = self.contexts.get_mut(&id) {
            let until = now + context.patience;
            context.heard.user_answered = true;
            context.state = State::Connecting { until: Some(until) };
            self.deadlines.insert((until, Due::Connection(id)));
        }
        self.reply(id, &answer);
    }
}
