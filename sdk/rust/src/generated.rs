//! The bindings of `wit/`, as the build script makes them.
#![allow(missing_docs, clippy::all, clippy::pedantic, unused)]

pub mod app {
    include!(concat!(env!("OUT_DIR"), "/app.rs"));
}

pub mod event_sink {
    include!(concat!(env!("OUT_DIR"), "/event_sink.rs"));
}

pub mod feature {
    include!(concat!(env!("OUT_DIR"), "/feature.rs"));
}

pub mod lifecycle {
    include!(concat!(env!("OUT_DIR"), "/lifecycle.rs"));
}

pub mod rater {
    include!(concat!(env!("OUT_DIR"), "/rater.rs"));
}

pub mod registration {
    include!(concat!(env!("OUT_DIR"), "/registration.rs"));
}

pub mod router {
    include!(concat!(env!("OUT_DIR"), "/router.rs"));
}

pub mod sip_filter {
    include!(concat!(env!("OUT_DIR"), "/sip_filter.rs"));
}
