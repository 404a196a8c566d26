//! Writes `sdk/rust/src/generated` from `wit/`; with `--check` compares instead and fails on a difference.
//!
//! The bindings are committed because the `generate!` macro costs every plugin author forty crates and half a minute.

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

struct World {
    package: &'static str,
    name: &'static str,
    module: &'static str,
    shared: bool,
}

const fn world(package: &'static str, name: &'static str, module: &'static str) -> World {
    World { package, name, module, shared: true }
}

const WORLDS: [World; 5] = [
    // The world with every host interface: the others share its types. What a plugin does not use, it does not import.
    World { shared: false, ..world("routing", "strowger:routing/router-io-plugin", "router") },
    world("call", "strowger:call/call-app-plugin", "app"),
    world("hooks", "strowger:hooks/registration-plugin", "registration"),
    world("hooks", "strowger:hooks/feature-plugin", "feature"),
    world("hooks", "strowger:hooks/event-sink-plugin", "event_sink"),
];

const SHARED: [&str; 9] = [
    "types/types",
    "host/log",
    "host/config",
    "host/clock",
    "host/metrics",
    "host/directory",
    "host/kv",
    "host/secrets",
    "host/http",
];

fn generate(wit: &Path, world: &World) -> Result<String> {
    let mut resolve = Resolve::default();
    let mut packages = Vec::new();
    for folder in ["types", "host", world.package] {
        packages.push(resolve.push_dir(&wit.join(folder))?.0);
    }
    let id = resolve.select_world(&packages, Some(world.name))?;
    let mut opts = Opts {
        generate_all: true,
        pub_export_macro: true,
        export_macro_name: Some(format!("export_{}_bindings", world.module)),
        default_bindings_module: Some(format!("$crate::generated::{}", world.module)),
        runtime_path: Some("wit_bindgen::rt".to_owned()),
        format: true,
        ..Opts::default()
    };
    if world.shared {
        let world = &resolve.worlds[id];
        let imports: Vec<_> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
        for name in SHARED.into_iter().filter(|name| imports.contains(&format!("strowger:{name}@0.1.0"))) {
            let path = format!("crate::generated::router::strowger::{}", name.replace('/', "::"));
            opts.with.push((format!("strowger:{name}@0.1.0"), WithOption::Path(path)));
        }
    }
    let mut files = Files::default();
    opts.build().generate(&mut resolve, id, &mut files)?;
    let (_, bytes) = files.iter().find(|(name, _)| name.ends_with(".rs")).context("no Rust file came out")?;
    Ok(String::from_utf8(bytes.to_vec())?)
}

fn main() -> Result<()> {
    let check = std::env::args().any(|a| a == "--check");
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..");
    for world in &WORLDS {
        let text = generate(&root.join("wit"), world)?;
        let path = root.join(format!("sdk/rust/src/generated/{}.rs", world.module));
        if !check {
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            bail!(
                "sdk/rust/src/generated/{}.rs is not what wit/ gives: run `cargo run` in sdk/rust/generate",
                world.module
            );
        }
    }
    Ok(())
}
