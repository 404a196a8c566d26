//! Ladders for every race, and seeds over a lossy network.

mod auth;
mod basic;
mod bye;
mod cancel;
mod fork;
mod pair;
mod prack;
mod reinvite;
mod route;
mod seeds;
mod session_timer;
mod two_hundred;
mod update;
