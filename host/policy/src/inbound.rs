//! A call from a carrier: by which trunk it came, for which public number, of which company.

use model::{Company, Ddi, Directory, TranslationLists, Trunk};
use std::sync::Arc;

/// Whose a call from a carrier is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inbound<'d> {
    /// The trunk that is said to have brought it.
    pub trunk: &'d Arc<Trunk>,
    /// The number called.
    pub ddi: &'d Arc<Ddi>,
    /// Whose number it is.
    pub company: &'d Arc<Company>,
}

/// Finds whose a call is that any of `trunks` may have brought, the likeliest first, of whatever brands: the first by
/// whose rules one of the numbers `dialled` is one of its own brand. Where that number is bound to another of them, it
/// came by that one. A number that is bound to a trunk which cannot have brought the call is reached all the same.
///
/// A number that no company has is nobody's, as is another brand's.
#[must_use]
pub fn inbound<'d>(directory: &'d Directory, trunks: &'d [Arc<Trunk>], dialled: &[String]) -> Option<Inbound<'d>> {
    let unchanged = TranslationLists::default();
    let (trunk, ddi, company) = trunks.iter().find_map(|trunk| {
        let lists = directory.translation_of(trunk).map_or(&unchanged, |set| &set.lists);
        let own = |number: &String| {
            let ddi = directory.ddi(&lists.callee_in.apply(number))?;
            let company = directory.company(ddi.company).filter(|company| company.brand == trunk.brand)?;
            Some((trunk, ddi, company))
        };
        dialled.iter().find_map(own)
    })?;
    let is_bound = |other: &&Arc<Trunk>| other.brand == trunk.brand && ddi.trunk == Some(other.id);
    Some(Inbound { trunk: trunks.iter().find(is_bound).unwrap_or(trunk), ddi, company })
}
