//! `plugin test`: a plugin's scenarios, played on a clock that stands still between steps, with media, keys, web services,
//! directory and mailboxes that are lists. The component runs in the real plugin host, with its checks and its limits but those of time.
//!
//! A scenario is a YAML file of the folder `tests/`; `form` says what stands in it, `wit/README.md` shows one.

mod asked;
mod books;
mod filter;
mod form;
mod fuzz;
mod letters;
mod play;
mod reply;
mod view;
mod world;

use super::files::{pack, read};
use super::script::Script;
use super::{UNPACKED_MAX, files};
use crate::exit::Failure;
use bundle::{Bundle, Manifest};
use form::Scenario;
use std::fmt::Write as _;
use std::path::Path;
use world::{Bench, Failed, World};

/// What is tested.
pub(super) struct Subject<'a> {
    manifest: &'a Manifest,
    bench: &'a Bench,
}

/// What the command line says.
pub(super) struct Wanted<'a> {
    /// The folder of a plugin, or a bundle.
    pub(super) path: &'a Path,
    /// A component that is there already, for the folder.
    pub(super) component: Option<&'a Path>,
    /// Only scenarios whose file's name has this in it.
    pub(super) only: Option<&'a str>,
    /// Seeds by chance in fuzz mode; none: no fuzz mode.
    pub(super) fuzz: Option<u64>,
    /// The first seed.
    pub(super) seed: u64,
}

/// Plays every scenario; gives what to print.
pub(super) async fn test(wanted: &Wanted<'_>) -> Result<String, Failure> {
    let bundle = bundle(wanted)?;
    let bench = Bench::new(bundle.component()).map_err(Failure::refused)?;
    let subject = Subject { manifest: bundle.manifest(), bench: &bench };
    let mut out = String::new();
    let mut played = 0;
    let files = bundle.folder("tests/").filter(|(name, _)| name.ends_with(".yaml"));
    for (name, text) in files.filter(|(name, _)| wanted.only.is_none_or(|only| name.contains(only))) {
        let (fuel, runs) = one(&subject, text, wanted).await.map_err(|failed| failed.shown(name))?;
        let astray = if runs > 0 { format!(", {runs} runs astray") } else { String::new() };
        let _ = writeln!(out, "ok  {name}  {fuel} instructions{astray}");
        played += 1;
    }
    if played == 0 {
        return Err(Failure::start("there is no scenario: tests/NAME.yaml, in the plugin's folder"));
    }
    let _ = writeln!(out, "{played} scenarios of {}@{}.", subject.manifest.id, subject.manifest.version);
    Ok(out)
}

/// The bundle itself, or what a folder makes.
fn bundle(wanted: &Wanted<'_>) -> Result<Bundle, Failure> {
    if !wanted.path.is_dir() {
        let bytes = read(wanted.path)?;
        return Bundle::open(&bytes, UNPACKED_MAX).map_err(Failure::refused);
    }
    let component = match (wanted.component, Script::of(wanted.path)) {
        (Some(file), _) => read(file)?,
        (None, Some(script)) => script.build(wanted.path)?,
        (None, None) => files::cargo_build(wanted.path)?,
    };
    pack(wanted.path, component)
}

/// One scenario; gives the instructions it took, and how many runs went astray.
async fn one(subject: &Subject<'_>, text: &[u8], wanted: &Wanted<'_>) -> Result<(u64, usize), Failed> {
    let text = str::from_utf8(text).map_err(|e| Failed { line: 0, text: e.to_string() })?;
    let scenario: Scenario = serde_saphyr::from_str(text).map_err(|e| {
        let line = e.location().map_or(0, |at| at.line());
        Failed { line, text: e.to_string().lines().next().unwrap_or_default().to_owned() }
    })?;
    let world = World::new(subject.bench, subject.manifest, &scenario, &subject.manifest.needs)?;
    play::play(&world, &scenario, &subject.manifest.id).await?;
    let fuel = world.fuel();
    let runs = match wanted.fuzz {
        Some(seeds) => fuzz::run(subject, &scenario, (wanted.seed, seeds)).await?,
        None => 0,
    };
    Ok((fuel, runs))
}
