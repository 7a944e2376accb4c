//! What has come of one request for several tunnels.

use crate::error::HostError;

/// Results by name, in the order in which the tunnels were given; what fails on one host fails on no other.
#[derive(Clone, Debug)]
pub struct Group<T> {
    results: Vec<(String, Result<T, HostError>)>,
}

impl<T> Group<T> {
    pub(super) fn new(results: Vec<(String, Result<T, HostError>)>) -> Self {
        Self { results }
    }

    /// The result of that name; of the first, where several are called so.
    pub fn get(&self, name: &str) -> Option<&Result<T, HostError>> {
        self.results.iter().find(|(its, _)| its == name).map(|(_, result)| result)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Result<T, HostError>)> {
        self.results.iter().map(|(name, result)| (name.as_str(), result))
    }

    /// What went well.
    pub fn successful(&self) -> impl Iterator<Item = (&str, &T)> {
        self.iter().filter_map(|(name, result)| Some((name, result.as_ref().ok()?)))
    }

    /// What did not.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &HostError)> {
        self.iter().filter_map(|(name, result)| Some((name, result.as_ref().err()?)))
    }
}

impl<T> IntoIterator for Group<T> {
    type Item = (String, Result<T, HostError>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.results.into_iter()
    }
}
