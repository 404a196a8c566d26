//! The host names that TLS peers must prove, by the number under which a [`model::Flow`] carries them.

use core::num::NonZeroU32;
use model::TlsName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most names kept. A flow whose name was forgotten cannot be connected any more: its request is looked up anew.
const NAMES_MAX: usize = 65_536;

/// # Invariants
/// `by_name` and `by_id` hold the same pairs, at most `max` of them; numbers only grow, so the lowest is the oldest.
#[derive(Debug)]
pub(crate) struct Names {
    by_name: BTreeMap<Arc<str>, TlsName>,
    by_id: BTreeMap<TlsName, Arc<str>>,
    last: u32,
    max: usize,
}

impl Default for Names {
    fn default() -> Self {
        Names::new(NAMES_MAX)
    }
}

impl Names {
    fn new(max: usize) -> Names {
        Names { by_name: BTreeMap::new(), by_id: BTreeMap::new(), last: 0, max }
    }

    /// The number of a name; case does not matter.
    pub(crate) fn id(&mut self, name: &str) -> TlsName {
        let name: Arc<str> = Arc::from(name.trim_end_matches('.').to_ascii_lowercase());
        // A name that is used becomes the newest again only when it was forgotten: the table is far larger than the
        // number of carriers, and only a flood of names can fill it.
        if let Some(id) = self.by_name.get(&name) {
            return *id;
        }
        if self.by_id.len() >= self.max
            && let Some((_, oldest)) = self.by_id.pop_first()
        {
            self.by_name.remove(&oldest);
        }
        self.last = self.last.wrapping_add(1).max(1);
        let id = TlsName(NonZeroU32::new(self.last).unwrap_or(NonZeroU32::MIN));
        self.by_id.insert(id, Arc::clone(&name));
        self.by_name.insert(name, id);
        id
    }

    /// The name of a number.
    pub(crate) fn name(&self, id: TlsName) -> Option<&Arc<str>> {
        self.by_id.get(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_name_keeps_its_number_and_the_oldest_is_forgotten_first() {
        let mut names = Names::new(2);
        let a = names.id("A.test");
        assert_eq!((names.id("a.test."), names.name(a).map(|n| n.as_ref())), (a, Some("a.test")));
        let b = names.id("b.test");
        let c = names.id("c.test");
        assert!(a != b && b != c);
        assert_eq!((names.name(a), names.name(b).is_some(), names.by_name.len()), (None, true, 2));
        assert_ne!(names.id("a.test"), a, "a number is never used twice");
    }
}
