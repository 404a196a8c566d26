//! Tables of each machine (one file each), the layer's rules, and a pair of layers on a bad network.

mod cancel;
mod forward;
mod large;
mod layer;
mod pair;
mod refusals;
mod seeds;
mod streams;
pub(crate) mod tools;
