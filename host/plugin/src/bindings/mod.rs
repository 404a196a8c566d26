//! Typed bindings of `wit/`, generated at compile time. The only place that calls `bindgen!`.
//!
//! One submodule per world; types and host interfaces are generated once, by [`router`], and shared.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::wildcard_enum_match_arm, clippy::large_futures, clippy::unused_async)]

/// World `strowger:routing/router-io-plugin`: a router, and every host interface there is.
pub(crate) mod router {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/host", "../../wit/routing"],
        world: "strowger:routing/router-io-plugin",
        imports: { "strowger:host/http.send": async, "strowger:host/mail.send": async },
        exports: { default: async },
        additional_derives: [serde::Serialize, serde::Deserialize],
    });
}

/// World `strowger:call/call-app-plugin`: what a call app imports and exports.
pub(crate) mod app {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/host", "../../wit/call"],
        world: "strowger:call/call-app-plugin",
        imports: {
            "strowger:call/control.[method]leg.info": trappable,
            "strowger:call/control.[method]leg.state": trappable,
            "strowger:call/control.[drop]leg": trappable,
            "strowger:call/control": async | trappable,
            "strowger:call/sound": async | trappable,
            "strowger:call/rooms": async | trappable,
            "strowger:call/mailbox": async | trappable,
            "strowger:call/voice": async | trappable,
        },
        exports: { default: async },
        additional_derives: [serde::Serialize, serde::Deserialize],
        with: {
            "strowger:types": super::router::strowger::types,
            "strowger:host": super::router::strowger::host,
            "strowger:call/control.leg": crate::control::Leg,
        },
    });
}

/// World `strowger:hooks/registration-plugin`.
pub(crate) mod registration {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/host", "../../wit/hooks"],
        world: "strowger:hooks/registration-plugin",
        exports: { default: async },
        additional_derives: [serde::Serialize, serde::Deserialize],
        with: {
            "strowger:types": super::router::strowger::types,
            "strowger:host": super::router::strowger::host,
        },
    });
}

/// World `strowger:hooks/feature-plugin`.
pub(crate) mod feature {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/host", "../../wit/hooks"],
        world: "strowger:hooks/feature-plugin",
        exports: { default: async },
        additional_derives: [serde::Serialize, serde::Deserialize],
        with: {
            "strowger:types": super::router::strowger::types,
            "strowger:host": super::router::strowger::host,
        },
    });
}

/// World `strowger:hooks/event-sink-plugin`.
pub(crate) mod event_sink {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/host", "../../wit/hooks"],
        world: "strowger:hooks/event-sink-plugin",
        exports: { default: async },
        additional_derives: [serde::Serialize, serde::Deserialize],
        with: {
            "strowger:types": super::router::strowger::types,
            "strowger:host": super::router::strowger::host,
        },
    });
}

/// World `strowger:hooks/sip-filter-plugin`.
pub(crate) mod sip_filter {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/host", "../../wit/hooks"],
        world: "strowger:hooks/sip-filter-plugin",
        exports: { default: async },
        additional_derives: [serde::Serialize, serde::Deserialize],
        with: {
            "strowger:types": super::router::strowger::types,
            "strowger:host": super::router::strowger::host,
        },
    });
}

/// World `strowger:billing/rater-plugin`.
pub(crate) mod rater {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/host", "../../wit/billing"],
        world: "strowger:billing/rater-plugin",
        imports: { "strowger:billing/ledger": async },
        exports: { default: async },
        additional_derives: [serde::Serialize, serde::Deserialize],
        with: {
            "strowger:types": super::router::strowger::types,
            "strowger:host": super::router::strowger::host,
        },
    });
}

/// World `strowger:host/lifecycle-plugin`: what any component may export beside its points.
pub(crate) mod lifecycle {
    wasmtime::component::bindgen!({
        path: ["../../wit/types", "../../wit/host"],
        world: "strowger:host/lifecycle-plugin",
    });
}
