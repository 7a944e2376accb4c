//! Names while operators are applied to them: each costs what its operand holds, however many names there are.

use super::Nodeset;
use indexmap::IndexMap;

/// So many names may have been taken out, beyond as many as there are, before they are forgotten.
const MAX_GONE: usize = 1_000;

#[derive(Default)]
pub(super) struct Working {
    /// When each name came; one that has been taken out keeps its place for a while.
    turns: IndexMap<String, Option<usize>>,
    came: usize,
    len: usize,
}

impl Working {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn union(&mut self, names: Nodeset) {
        names.names.into_iter().for_each(|name| self.insert(name));
    }

    pub(super) fn difference(&mut self, names: &Nodeset) {
        for name in names.iter() {
            self.remove(name);
        }
        self.forget();
    }

    pub(super) fn symmetric_difference(&mut self, names: Nodeset) {
        for name in names.names {
            if !self.remove(&name) {
                self.insert(name);
            }
        }
        self.forget();
    }

    /// Leaves only those that are `wanted`.
    pub(super) fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.turns.retain(|name, turn| turn.is_some() && wanted(name));
        self.len = self.turns.len();
    }

    /// In the order in which they came.
    pub(super) fn finish(mut self) -> Nodeset {
        self.turns.retain(|_, turn| turn.is_some());
        if !self.turns.values().is_sorted() {
            self.turns.sort_by(|_, one, _, other| one.cmp(other));
        }
        Nodeset { names: self.turns.into_keys().collect() }
    }

    fn insert(&mut self, name: String) {
        let turn = self.turns.entry(name).or_default();
        if turn.is_none() {
            *turn = Some(self.came);
            self.came += 1;
            self.len += 1;
        }
    }

    /// Whether it was there.
    fn remove(&mut self, name: &str) -> bool {
        let was_there = self.turns.get_mut(name).is_some_and(|turn| turn.take().is_some());
        self.len -= usize::from(was_there);
        was_there
    }

    fn forget(&mut self) {
        if self.turns.len() > 2 * self.len + MAX_GONE {
            self.turns.retain(|_, turn| turn.is_some());
        }
    }
}
