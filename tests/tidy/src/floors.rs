//! An arrow never points up: what a crate may depend on, read from `cargo metadata`.

use serde_json::Value;
use std::collections::BTreeMap;

/// The floor of each of our crates (design/architecture.md section 2). The tests stand outside the house.
const FLOORS: &[(&str, u8)] = &[
    ("model", 0),
    ("tables", 0),
    ("bundle", 0),
    ("sip-message", 0),
    ("sdp", 0),
    ("rtp", 0),
    ("sip-transaction", 1),
    ("sip-auth", 1),
    ("sip-stir", 1),
    ("media", 1),
    ("policy", 1),
    ("sip-dialog", 2),
    ("sip-proxy", 2),
    ("registrar", 2),
    ("sip-trunk", 2),
    ("sip-events", 2),
    ("admission", 2),
    ("call", 3),
    ("switch", 4),
    ("net", 5),
    ("resolver", 5),
    ("identity", 5),
    ("dtls", 5),
    ("opus", 5),
    ("facsimile", 5),
    ("mail", 5),
    ("plugin", 5),
    ("store", 5),
    ("shell", 6),
    ("api", 7),
    ("strowger", 8),
    ("shipped", 7),
];

/// Crates that see the world: never below floor 5.
const WORLD: &[&str] = &[
    "tokio",
    "hickory-resolver",
    "rustls",
    "mio",
    "socket2",
    "sqlx",
    "wasmtime",
    "axum",
    "reqwest",
    "lettre",
    "rand",
    "getrandom",
    "tracing",
    "rustix",
    "libc",
    "nix",
];

/// Edges that the table of floors allows although it reads otherwise, each with its reason.
const ALLOWED: &[(&str, &str)] = &[
    // The net frames streams before anything else may read them.
    ("net", "sip-message"),
];

/// Every dependency that breaks the floors.
///
/// # Panics
/// When `metadata` is not what `cargo metadata --no-deps` prints.
#[must_use]
pub fn floor_breaks(metadata: &Value) -> Vec<String> {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    let mut breaks = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(&floor) = floors.get(name) else { continue };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let on = dependency["name"].as_str().unwrap_or_default();
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            if let Some(why) = edge_break(name, floor, on, &floors) {
                breaks.push(why);
            }
        }
    }
    breaks
}

fn edge_break(name: &str, floor: u8, on: &str, floors: &BTreeMap<&str, u8>) -> Option<String> {
    if ALLOWED.contains(&(name, on)) {
        return None;
    }
    if floor <= 4 && WORLD.contains(&on) {
        return Some(format!(
            "{name} (floor {floor}) depends on {on}, which sees the world: move it to floor 5 or above"
        ));
    }
    let below = *floors.get(on)?;
    let same_floor_allowed = floor == 0 && on == "model";
    let floor_five = floor == 5 && below > 0;
    let face = floor == 7 && on.starts_with("sip-");
    if floor_five {
        return Some(format!(
            "{name} (floor 5) depends on {on} (floor {below}): floor 5 sees floor 0 only, never another of its kind"
        ));
    }
    if face {
        return Some(format!("{name} (floor 7) depends on {on}: faces never see SIP"));
    }
    (below >= floor && !same_floor_allowed)
        .then(|| format!("{name} (floor {floor}) depends on {on} (floor {below}): the arrow must point down"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(name: &str, on: &str) -> Value {
        serde_json::json!({ "packages": [{ "name": name, "dependencies": [{ "name": on, "kind": null }] }] })
    }

    #[test]
    fn an_arrow_up_sideways_or_into_the_world_is_found() {
        assert_eq!(floor_breaks(&metadata("call", "switch")).len(), 1);
        assert_eq!(floor_breaks(&metadata("net", "store")).len(), 1);
        assert_eq!(floor_breaks(&metadata("sip-dialog", "registrar")).len(), 1);
        assert_eq!(floor_breaks(&metadata("switch", "tokio")).len(), 1);
        assert_eq!(floor_breaks(&metadata("api", "sip-message")).len(), 1);
        assert_eq!(floor_breaks(&metadata("call", "sip-dialog")), Vec::<String>::new());
    }
}
