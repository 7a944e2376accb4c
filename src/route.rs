//! Which link leads to which context. Pure; the same for a controller and for a relay.

use crate::proto::ids::ContextId;
use std::collections::HashMap;
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
}

impl Route {
    pub fn add(&mut self, context: ContextId, link: LinkId) {
        self.links.insert(context, link);
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
        let mut gone: Vec<_> =
            self.links.iter().filter(|(_, way)| **way == link).map(|(context, _)| *context).collect();
        gone.sort_unstable();
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
}
