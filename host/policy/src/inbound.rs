//! Which public number a carrier's call is for, where the same address serves several brands and trunks.

use model::{BrandId, Ddi, TranslationLists, TrunkId};

/// A trunk that the call may have come by, with its rules.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The trunk.
    pub trunk: TrunkId,
    /// Its brand.
    pub brand: BrandId,
    /// How it writes numbers.
    pub lists: &'a TranslationLists,
}

/// A number that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found<'d> {
    /// The number.
    pub ddi: &'d Ddi,
    /// The trunk that the call counts for.
    pub trunk: TrunkId,
}

/// What the directory knows of a number of a brand.
pub trait Numbers<'d> {
    /// The number, and the trunk that it is bound to.
    fn number(&self, brand: BrandId, e164: &str) -> Option<(&'d Ddi, Option<TrunkId>)>;
}

impl<'d, F: Fn(BrandId, &str) -> Option<(&'d Ddi, Option<TrunkId>)>> Numbers<'d> for F {
    fn number(&self, brand: BrandId, e164: &str) -> Option<(&'d Ddi, Option<TrunkId>)> {
        self(brand, e164)
    }
}

/// The first candidate by whose rules the number is one of its own brand's. A number that is bound to another of the
/// candidates counts for that one.
///
/// # Errors
/// The status that refuses the call: 403 without any candidate, 404 where none knows the number.
pub fn inbound_ddi<'d>(
    candidates: &[Candidate<'_>],
    dialled: &str,
    numbers: &impl Numbers<'d>,
) -> Result<Found<'d>, u16> {
    if candidates.is_empty() {
        return Err(403);
    }
    for candidate in candidates {
        let number = candidate.lists.callee_in.apply(dialled);
        let Some((ddi, bound)) = numbers.number(candidate.brand, &number) else { continue };
        let of_brand = |trunk: &TrunkId| candidates.iter().any(|c| c.trunk == *trunk && c.brand == candidate.brand);
        return Ok(Found { ddi, trunk: bound.filter(of_brand).unwrap_or(candidate.trunk) });
    }
    Err(404)
}
