//! What is told beside the results.

use super::Controller;
use crate::proto::ids::ContextId;

const MAX_WARNINGS: u32 = 20;

/// Something to tell beside the results.
#[derive(Clone, Debug)]
pub struct Note {
    pub weight: Weight,
    pub target: String,
    pub text: String,
}

/// Whether everybody is told, or only those who asked for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Detail,
    Warning,
}

impl Controller {
    /// Takes what has been noted since the last call.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    pub(super) fn noise(&mut self, id: ContextId, noise: &[u8]) {
        let target = self.target_name(id);
        self.note(&target, || format!("skipped what is not ours: {:?}", String::from_utf8_lossy(noise)));
    }

    pub(super) fn target_name(&self, id: ContextId) -> String {
        self.contexts.get(&id).map(|context| context.target.name.clone()).unwrap_or_default()
    }

    pub(super) fn note(&mut self, target: &str, text: impl FnOnce() -> String) {
        self.notes.push(Note { weight: Weight::Detail, target: target.to_owned(), text: text() });
    }

    /// A context can cause so many warnings, and no more.
    pub(super) fn warn(&mut self, id: ContextId, text: impl FnOnce() -> String) {
        let Some(context) = self.contexts.get_mut(&id) else { return };
        context.warned += 1;
        let target = context.target.name.clone();
        let (weight, text) = match context.warned {
            ..MAX_WARNINGS => (Weight::Warning, text()),
            MAX_WARNINGS => (Weight::Warning, format!("{}; more of that kind is not told", text())),
            _ => return,
        };
        self.notes.push(Note { weight, target, text });
    }
}
