//! Ladders for every race, and seeds over a lossy network.

mod pair;
