//! Makes the bindings of `wit/`: one file for each world, in `OUT_DIR`; `src/generated.rs` takes them in.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// A world, and the module that its bindings become.
struct World {
    package: &'static str,
    name: &'static str,
    module: &'static str,
    /// Takes the types of the host interfaces from `router`.
    shared: bool,
}

const fn world(package: &'static str, name: &'static str, module: &'static str) -> World {
    World { package, name, module, shared: true }
}

const WORLDS: [World; 8] = [
    // The world with every host interface: the others share its types. What a plugin does not use, it does not import.
    World { shared: false, ..world("routing", "strowger:routing/router-io-plugin", "router") },
    world("call", "strowger:call/call-app-plugin", "app"),
    world("hooks", "strowger:hooks/registration-plugin", "registration"),
    world("hooks", "strowger:hooks/feature-plugin", "feature"),
    world("hooks", "strowger:hooks/event-sink-plugin", "event_sink"),
    world("hooks", "strowger:hooks/sip-filter-plugin", "sip_filter"),
    world("billing", "strowger:billing/rater-plugin", "rater"),
    world("host", "strowger:host/lifecycle-plugin", "lifecycle"),
];

/// What `router` has for the others.
const SHARED: [&str; 10] = [
    "types/types",
    "host/log",
    "host/config",
    "host/clock",
    "host/metrics",
    "host/directory",
    "host/kv",
    "host/secrets",
    "host/http",
    "host/mail",
];

/// The bindings of one world, as Rust.
fn generate(wit: &Path, world: &World) -> Result<String> {
    let mut resolve = Resolve::default();
    let mut packages = Vec::new();
    let own = (world.package != "host").then_some(world.package);
    for folder in ["types", "host"].into_iter().chain(own) {
        packages.push(resolve.push_dir(&wit.join(folder))?.0);
    }
    let id = resolve.select_world(&packages, Some(world.name))?;
    let mut opts = Opts {
        generate_all: true,
        pub_export_macro: true,
        export_macro_name: Some(format!("export_{}_bindings", world.module)),
        default_bindings_module: Some(format!("$crate::generated::{}", world.module)),
        runtime_path: Some("wit_bindgen::rt".to_owned()),
        format: false,
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
    let variable = |name| std::env::var_os(name).map(PathBuf::from).with_context(|| format!("{name} is not set"));
    // Asked now, not when this was compiled: a target folder may serve two clones.
    let wit = variable("CARGO_MANIFEST_DIR")?.join("../../wit");
    let out = variable("OUT_DIR")?;
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", wit.display());
    for world in &WORLDS {
        let path = out.join(format!("{}.rs", world.module));
        std::fs::write(&path, generate(&wit, world)?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
