//! Places for instances, and shares of them: one brand, or one binding, never has them all.
//!
//! A lane's pool is divided by what its guests do: hooks, parked call apps, hooks that may wait, raters. Whoever finds
//! no place is told at once; nobody queues. A place is counted three times: for all, for its brand, for its binding.
//!
//! A share is kept for others, so it holds while there are others: the only brand that is bound at a pool's points may
//! have every place of it, and so may the only binding (decision 0324).

use crate::{HostConfig, Point};
use model::{BindingId, BrandId};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What instances a place is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Pool {
    /// Hooks that never wait: routers, registration, features, filters.
    Hooks,
    /// Call apps, parked for as long as their calls.
    Apps,
    /// Hooks that may wait: `routing/router-io` and event sinks.
    Waits,
    /// Raters, which no parked app and no slow sink may keep from a place.
    Raters,
}

impl Pool {
    /// Every pool.
    pub const ALL: [Pool; 4] = [Pool::Hooks, Pool::Apps, Pool::Waits, Pool::Raters];

    /// The name in figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Pool::Hooks => "hooks",
            Pool::Apps => "apps",
            Pool::Waits => "waits",
            Pool::Raters => "raters",
        }
    }

    /// Where the guests of a point have their places.
    pub(crate) const fn of(point: Point) -> Pool {
        match point {
            Point::Router | Point::Registration | Point::Feature | Point::SipFilter => Pool::Hooks,
            Point::App => Pool::Apps,
            Point::RouterIo | Point::EventSink => Pool::Waits,
            Point::Rater => Pool::Raters,
        }
    }
}

/// How many places there are, and how many of them one may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bounds {
    pub(crate) all: u32,
    pub(crate) brand: u32,
    pub(crate) binding: u32,
}

impl Bounds {
    /// So many places, with the shares that the operator named; a share is a place at least.
    pub(crate) fn of(all: u32, config: &HostConfig) -> Bounds {
        let share = |percent: u8| {
            let part = u64::from(all) * u64::from(percent.min(100)) / 100;
            u32::try_from(part).unwrap_or(all).clamp(1, all.max(1))
        };
        Bounds { all, brand: share(config.brand_share_percent), binding: share(config.binding_share_percent) }
    }
}

/// What kept a guest from a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Full {
    /// There is no place at all.
    All,
    /// Its brand has its share.
    Brand,
    /// Its binding has its share.
    Binding,
}

/// The places of one pool. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// What there is, and the shares where there is more than one to share it.
    bounds: Bounds,
    taken: Mutex<Taken>,
}

/// # Invariants
/// `all` is the sum of `brands`, and of `bindings`; neither has an entry of 0.
#[derive(Debug)]
struct Taken {
    /// What holds now.
    bounds: Bounds,
    all: u32,
    brands: HashMap<BrandId, u32>,
    bindings: HashMap<BindingId, u32>,
    /// How often there was none, by what was full.
    refused: [u64; 3],
}

/// How the places of a pool are taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolUse {
    /// Which.
    pub pool: Pool,
    /// Places taken now.
    pub live: u32,
    /// Places there are.
    pub max: u32,
    /// Places that one brand may take now: its share, or all where no other brand is bound at these points.
    pub brand_max: u32,
    /// Places that one binding may take now: its share, or all where it is the only one.
    pub binding_max: u32,
    /// How often there was none because all were taken.
    pub refused_all: u64,
    /// How often because the brand had its share.
    pub refused_brand: u64,
    /// How often because the binding had its share.
    pub refused_binding: u64,
    /// Places taken now, by brand; brands without one are left out.
    pub brands: Vec<(BrandId, u32)>,
}

impl Places {
    pub(crate) fn new(bounds: Bounds) -> Places {
        let alone = Bounds { brand: bounds.all, binding: bounds.all, ..bounds };
        let (brands, bindings, refused) = (HashMap::new(), HashMap::new(), [0; 3]);
        let taken = Mutex::new(Taken { bounds: alone, all: 0, brands, bindings, refused });
        Places(Arc::new(Inner { bounds, taken }))
    }

    /// Says how many brands and bindings there are to share the places; gives the bounds if they are others now. Whoever
    /// has more than its share keeps it until its instances end, and gets no more meanwhile.
    pub(crate) fn shared_by(&self, brands: usize, bindings: usize) -> Option<Bounds> {
        let Bounds { all, brand, binding } = self.0.bounds;
        let share = |of: usize, share: u32| if of > 1 { share } else { all };
        let bounds = Bounds { all, brand: share(brands, brand), binding: share(bindings, binding) };
        let mut taken = self.0.lock();
        (core::mem::replace(&mut taken.bounds, bounds) != bounds).then_some(bounds)
    }

    /// Takes a place for a binding of a brand.
    ///
    /// # Errors
    /// [`Full`]: what kept it from one.
    pub(crate) fn take(&self, brand: BrandId, binding: BindingId) -> Result<Slot, Full> {
        let mut taken = self.0.lock();
        let bounds = taken.bounds;
        let has = |n: Option<&u32>| n.copied().unwrap_or(0);
        let full = if taken.all >= bounds.all {
            Some(Full::All)
        } else if has(taken.bindings.get(&binding)) >= bounds.binding {
            Some(Full::Binding)
        } else {
            (has(taken.brands.get(&brand)) >= bounds.brand).then_some(Full::Brand)
        };
        if let Some(full) = full {
            taken.refused[full as usize] += 1;
            return Err(full);
        }
        taken.all += 1;
        *taken.brands.entry(brand).or_default() += 1;
        *taken.bindings.entry(binding).or_default() += 1;
        drop(taken);
        Ok(Slot { places: self.clone(), brand, binding })
    }

    /// Places taken now.
    pub(crate) fn live(&self) -> u32 {
        self.0.lock().all
    }

    /// Places that a binding has taken now.
    pub(crate) fn of_binding(&self, binding: BindingId) -> u32 {
        self.0.lock().bindings.get(&binding).copied().unwrap_or(0)
    }

    /// The bounds that hold now.
    pub(crate) fn bounds(&self) -> Bounds {
        self.0.lock().bounds
    }

    /// How they are taken.
    pub(crate) fn used(&self, pool: Pool) -> PoolUse {
        let taken = self.0.lock();
        let Bounds { all: max, brand: brand_max, binding: binding_max } = taken.bounds;
        let [refused_all, refused_brand, refused_binding] = taken.refused;
        let mut brands: Vec<(BrandId, u32)> = taken.brands.iter().map(|(brand, n)| (*brand, *n)).collect();
        brands.sort_unstable();
        let live = taken.all;
        PoolUse { pool, live, max, brand_max, binding_max, refused_all, refused_brand, refused_binding, brands }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One instance's place. Outlives the store: drop it last.
#[derive(Debug)]
pub(crate) struct Slot {
    places: Places,
    brand: BrandId,
    binding: BindingId,
}

impl Drop for Slot {
    fn drop(&mut self) {
        fn less<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: K) {
            if let Entry::Occupied(mut held) = counts.entry(key) {
                *held.get_mut() -= 1;
                if *held.get() == 0 {
                    held.remove();
                }
            }
        }
        let mut taken = self.places.0.lock();
        taken.all -= 1;
        less(&mut taken.brands, self.brand);
        less(&mut taken.bindings, self.binding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_and_a_brand_have_their_shares_and_give_them_back() {
        let places = Places::new(Bounds { all: 4, brand: 3, binding: 2 });
        assert_eq!(places.shared_by(3, 4), Some(Bounds { all: 4, brand: 3, binding: 2 }));
        let take = |brand, binding| places.take(BrandId(brand), BindingId(binding));
        let own = [take(1, 1).expect("a place"), take(1, 1).expect("a place")];
        assert_eq!(take(1, 1).map(drop), Err(Full::Binding));
        let third = take(1, 2).expect("a place");
        assert_eq!(take(1, 2).map(drop), Err(Full::Brand));
        let other = take(2, 3).expect("another brand is not concerned");
        assert_eq!(take(3, 4).map(drop), Err(Full::All));
        assert_eq!((places.of_binding(BindingId(1)), places.live()), (2, 4));
        let used = places.used(Pool::Apps);
        assert_eq!((used.refused_all, used.refused_brand, used.refused_binding), (1, 1, 1));
        assert_eq!(used.brands, [(BrandId(1), 3), (BrandId(2), 1)]);
        drop((own, third));
        assert!(take(1, 1).is_ok(), "what was given back can be taken");
        drop(other);
        let taken = places.0.lock();
        assert_eq!((taken.all, taken.brands.len(), taken.bindings.len()), (0, 0, 0), "and nothing is kept of it");
    }

    #[test]
    fn who_is_alone_may_have_all_until_somebody_else_is_bound() {
        let places = Places::new(Bounds { all: 4, brand: 3, binding: 2 });
        assert_eq!(places.shared_by(1, 1), None, "as it began");
        let take = |brand, binding| places.take(BrandId(brand), BindingId(binding));
        let mut all: Vec<Slot> = (0..4).map(|_| take(1, 1).expect("a place")).collect();
        assert_eq!(take(1, 1).map(drop), Err(Full::All));
        assert_eq!(places.shared_by(1, 2), Some(Bounds { all: 4, brand: 4, binding: 2 }), "two bindings of one brand");
        assert_eq!(places.shared_by(2, 3), Some(Bounds { all: 4, brand: 3, binding: 2 }));
        assert_eq!(places.shared_by(2, 3), None);
        // What it has it keeps; what it gives back is for others.
        assert_eq!(take(2, 3).map(drop), Err(Full::All));
        drop(all.pop());
        assert_eq!(take(1, 1).map(drop), Err(Full::Binding));
        assert_eq!(take(1, 2).map(drop), Err(Full::Brand));
        let other = take(2, 3).expect("a place of another brand");
        drop((all.pop(), other));
        assert_eq!((places.shared_by(0, 0), places.live()), (Some(Bounds { all: 4, brand: 4, binding: 4 }), 2));
        assert!(take(1, 1).is_ok());
    }

    #[test]
    fn shares_are_of_what_there_is_and_at_least_a_place() {
        let config = HostConfig { brand_share_percent: 30, binding_share_percent: 20, ..HostConfig::default() };
        assert_eq!(Bounds::of(1_000, &config), Bounds { all: 1_000, brand: 300, binding: 200 });
        assert_eq!(Bounds::of(2, &config), Bounds { all: 2, brand: 1, binding: 1 });
        let config = HostConfig { brand_share_percent: 255, binding_share_percent: 0, ..config };
        assert_eq!(Bounds::of(7, &config), Bounds { all: 7, brand: 7, binding: 1 });
    }
}
