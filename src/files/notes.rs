//! What is to be told of a transfer beside its result: of each kind how many there are, and the first of them.

use crate::proto::value::{Builder, Node, Value};

const MAX_FIRST: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// Somebody has written to it while it was read.
    Changed,
    /// A device, a socket or a pipe in a tree.
    Skipped,
    /// What of a tree cannot be read, with the reason.
    Unread,
}

impl NoteKind {
    pub const ALL: [Self; 3] = [Self::Changed, Self::Skipped, Self::Unread];

    fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Skipped => "skipped",
            Self::Unread => "unread",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes([Note; NoteKind::ALL.len()]);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    pub count: u64,
    pub first: Vec<Vec<u8>>,
}

impl Notes {
    pub(super) fn add(&mut self, kind: NoteKind, what: Vec<u8>) {
        let note = &mut self.0[kind as usize];
        note.count += 1;
        if note.first.len() < MAX_FIRST {
            note.first.push(what);
        }
    }

    pub fn of(&self, kind: NoteKind) -> &Note {
        &self.0[kind as usize]
    }

    /// As whoever has sent files tells them.
    pub fn fields(&self, builder: &mut Builder) -> [(&'static str, Node); NoteKind::ALL.len()] {
        NoteKind::ALL.map(|kind| {
            let Note { count, first } = self.of(kind);
            let first = first.iter().cloned().map(Node::Bytes);
            let items = std::iter::once(Node::count(*count)).chain(first);
            (kind.name(), Node::List(items.map(|item| builder.add(item)).collect()))
        })
    }

    /// Those that have been told; of more than would be told here, the first.
    pub fn told(value: &Value) -> Self {
        Self(NoteKind::ALL.map(|kind| {
            let items = value.get(kind.name()).and_then(|id| value.items(id)).unwrap_or_default();
            let count = items.first().and_then(|count| value.int(*count));
            let first = items.iter().skip(1).filter_map(|item| value.bytes(*item)).take(MAX_FIRST).collect();
            Note { count: count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0), first }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_told_and_the_others_counted() {
        let mut notes = Notes::default();
        (0..30u8).for_each(|n| notes.add(NoteKind::Skipped, vec![n]));
        notes.add(NoteKind::Unread, b"why".to_vec());
        let mut builder = Builder::default();
        let fields = notes.fields(&mut builder);
        let told = Notes::told(&builder.dict(fields));
        assert_eq!(told, notes);
        assert_eq!((told.of(NoteKind::Skipped).count, told.of(NoteKind::Skipped).first.len()), (30, 20));
        assert_eq!(told.of(NoteKind::Changed), &Note::default());
    }
}
