//! A table or a short story for each rule of section 16.

mod anchored;
mod dialog;
mod fork;
mod forward;
mod kit;
mod response;
