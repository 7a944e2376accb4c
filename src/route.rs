//! Which link leads to which context. Pure; the same for a controller and for a relay.

use crate::proto::ids::ContextId;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// A link of this process; not used again in its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub usize);

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// The contexts below this one, each behind one link.
#[derive(Debug, Default)]
pub struct Route {
    links: HashMap<ContextId, LinkId>,
    /// The same from the other side, with contexts that have got another way since.
    behind: BTreeMap<LinkId, Vec<ContextId>>,
}

impl Route {
    pub fn add(&mut self, context: ContextId, link: LinkId) {
        if self.links.insert(context, link) != Some(link) {
            self.behind.entry(link).or_default().push(context);
        }
    }

    /// The link on the way to a context.
    pub fn link_to(&self, context: ContextId) -> Option<LinkId> {
        self.links.get(&context).copied()
    }

    /// Whether a frame from `source` may come over `link`.
    pub fn is_behind(&self, source: ContextId, link: LinkId) -> bool {
        self.link_to(source) == Some(link)
    }

    /// Forgets a link; returns the contexts that were behind it.
    pub fn remove_link(&mut self, link: LinkId) -> Vec<ContextId> {
        let mut gone = self.behind.remove(&link).unwrap_or_default();
        gone.retain(|context| self.link_to(*context) == Some(link));
        gone.sort_unstable();
        gone.dedup();
        for context in &gone {
            self.links.remove(context);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_only_accepted_from_the_link_that_leads_to_it() {
        let mut route = Route::default();
        route.add(ContextId(1), LinkId(10));
        route.add(ContextId(2), LinkId(20));
        route.add(ContextId(3), LinkId(10));
        assert!(route.is_behind(ContextId(3), LinkId(10)));
        assert!(!route.is_behind(ContextId(2), LinkId(10)));
        assert!(!route.is_behind(ContextId(4), LinkId(10)));
        assert_eq!(route.remove_link(LinkId(10)), [ContextId(1), ContextId(3)]);
        assert_eq!(route.link_to(ContextId(3)), None);
    }

    #[test]
    fn who_has_another_way_by_then_does_not_go_with_a_link() {
        let mut route = Route::default();
        for link in [10, 20, 10, 10, 20] {
            route.add(ContextId(1), LinkId(link));
        }
        route.add(ContextId(2), LinkId(10));
        assert_eq!(route.remove_link(LinkId(10)), [ContextId(2)]);
        assert_eq!(route.remove_link(LinkId(20)), [ContextId(1)]);
    }
}
