//! Ladders for every race, and seeds over a lossy network.

mod basic;
mod bye;
mod cancel;
mod fork;
mod pair;
mod reinvite;
mod route;
mod seeds;
mod two_hundred;
