//! The plugin author's commands: they need no running switch.
//!
//! `new` writes a plugin to begin with, `build` compiles and packs it, `check` says what a bundle or component is, `test`
//! plays its scenarios, `keygen` and `sign` make its publisher known, `publish` hands it to registries.

mod c;
mod files;
mod layout;
mod replay;
mod scenario;
mod script;
mod script_hooks;
mod template;
mod template_hooks;

use crate::cli_author::{Author, Lang};
use crate::exit::Failure;
use bundle::{Bundle, SecretKey};
pub(crate) use files::pack;
use files::{read, write};
pub(crate) use layout::Place;
use plugin::{Artifact, Host, HostConfig};
use script::Script;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a bundle may unpack to, in bytes.
const UNPACKED_MAX: usize = 256 << 20;

/// Runs one of them; gives what to print.
///
/// # Errors
/// [`Failure`]: 1 where the plugin is refused, 2 for a file or tool that is missing.
pub(crate) async fn run(command: &Author) -> Result<String, Failure> {
    match command {
        Author::New { name, lang, point, sdk, dir } => {
            let script = match lang {
                Lang::Rust => None,
                Lang::Javascript => Some(Script::JavaScript),
                Lang::Python => Some(Script::Python),
                Lang::C => Some(Script::C),
            };
            template::write(name, point, (script, sdk.as_deref()), dir.clone().unwrap_or_else(|| PathBuf::from(name)))
        }
        Author::Build { dir } => build(dir),
        Author::Check { file } => check(file),
        Author::Test { path, component, only, fuzz, seeds, seed } => {
            let wanted = scenario::Wanted {
                path,
                component: component.as_deref(),
                only: only.as_deref(),
                fuzz: fuzz.then_some(*seeds),
                seed: *seed,
            };
            scenario::test(&wanted).await
        }
        Author::Replay { recording, component, secrets } => {
            replay::replay(recording, component, secrets.as_deref()).await
        }
        Author::Run { .. } => Err(Failure::start("this command runs a switch")),
        Author::Keygen { file } => keygen(file),
        Author::Publish { file, place } => publish(file, place),
        Author::Sign { file, key } => sign(file, key),
    }
}

/// A host with room for one of each: nothing is run, only compiled and linked.
fn compile(component: &[u8]) -> Result<Arc<Artifact>, Failure> {
    let config = HostConfig {
        hooks_max: 1,
        apps_max: 1,
        waits_max: 1,
        raters_max: 1,
        hook_threads: 1,
        app_threads: 1,
        ..HostConfig::default()
    };
    let host = Host::new(config).map_err(Failure::start)?;
    compile_on(&host, component)
}

fn compile_on(host: &Host, component: &[u8]) -> Result<Arc<Artifact>, Failure> {
    host.compile(component).map_err(Failure::refused)
}

/// Builds a plugin's folder; gives its component.
///
/// # Errors
/// [`Failure`]: 1 with the compiler's words, 2 for a tool that is missing.
pub(crate) fn component(dir: &Path) -> Result<Vec<u8>, Failure> {
    match Script::of(dir) {
        Some(script) => script.build(dir),
        None => files::cargo_build(dir),
    }
}

fn build(dir: &Path) -> Result<String, Failure> {
    let bundle = pack(dir, component(dir)?)?;
    let said = describe(&bundle)?;
    let manifest = bundle.manifest();
    let file = dir.join(format!("{}-{}.splug", manifest.id, manifest.version));
    let bytes = bundle.pack().map_err(Failure::refused)?;
    write(&file, &bytes)?;
    Ok(format!("{said}Packed {} ({} bytes).\nInstall it: strowger plugin install {0}\n", file.display(), bytes.len()))
}

fn check(file: &Path) -> Result<String, Failure> {
    if file.is_dir() {
        let component = read(&file.join(bundle::COMPONENT))?;
        return describe(&pack(file, component)?);
    }
    let bytes = read(file)?;
    if Bundle::is(&bytes) {
        return describe(&Bundle::open(&bytes, UNPACKED_MAX).map_err(Failure::refused)?);
    }
    let artifact = compile(&bytes)?;
    Ok(format!(
        "A bare component, good for this switch; without a manifest it is granted nothing.\n{}",
        shows(&artifact)
    ))
}

/// What a bundle is, or why it is refused: manifest and exports must say the same.
fn describe(bundle: &Bundle) -> Result<String, Failure> {
    let artifact = compile(bundle.component())?;
    let manifest = bundle.manifest();
    let promised: Vec<&str> = manifest.provides.iter().map(|p| p.point.as_str()).collect();
    let exports: Vec<&str> = artifact.points().iter().map(|p| p.name()).collect();
    if !promised.iter().all(|p| exports.contains(p)) || promised.len() != exports.len() {
        let (promised, exports) = (promised.join(", "), exports.join(", "));
        return Err(Failure::refused(format!("plugin.toml provides {promised}, and the component serves {exports}")));
    }
    let signer = bundle.signed_by().map_or("nobody".to_owned(), ToString::to_string);
    let mut out = format!("{}@{}, signed by {signer}\n{}", manifest.id, manifest.version, shows(&artifact));
    let asks = serde_json::to_string(&manifest.needs).map_err(Failure::start)?;
    let _ = writeln!(out, "asks for  {}", if manifest.needs.is_empty() { "nothing" } else { &asks });
    Ok(out)
}

fn shows(artifact: &Artifact) -> String {
    let points: Vec<&str> = artifact.points().iter().map(|p| p.name()).collect();
    let imports: Vec<&str> =
        artifact.imports().iter().filter_map(|i| i.strip_prefix("strowger:")?.split('@').next()).collect();
    let checks = if artifact.has_lifecycle() { "checks    its configuration\n" } else { "" };
    let (points, imports) = (points.join(", "), imports.join(", "));
    format!("serves    {points}\nimports   {imports}\nbytes     {}\n{checks}", artifact.bytes())
}

fn keygen(file: &Path) -> Result<String, Failure> {
    if file.exists() {
        return Err(Failure::start(format!("{} is there already: a key is never overwritten", file.display())));
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| Failure::start(format!("no randomness: {e}")))?;
    let key = SecretKey::from_seed(seed);
    files::write_secret(file, key.reveal().as_bytes())?;
    Ok(format!("Secret key in {}.\nPublic key for `plugins.trusted_keys`: {}\n", file.display(), key.public()))
}

fn publish(file: &Path, place: &Path) -> Result<String, Failure> {
    let expected = || Failure::start(format!("expected oci:DIR[:TAG], not {}", place.display()));
    let place = Place::of(place).ok_or_else(expected)?;
    let bytes = read(file)?;
    let bundle = Bundle::open(&bytes, UNPACKED_MAX).map_err(Failure::refused)?;
    let manifest = bundle.manifest();
    let tag = place.publish(&bytes, &format!("{}-{}", manifest.id, manifest.version))?;
    Ok(format!("{}@{} is published as {tag}.\n", manifest.id, manifest.version))
}

fn sign(file: &Path, key: &Path) -> Result<String, Failure> {
    let secret = String::from_utf8_lossy(&read(key)?).into_owned();
    let secret = SecretKey::parse(&secret).map_err(|e| Failure::start(format!("{}: {e}", key.display())))?;
    let mut bundle = Bundle::open(&read(file)?, UNPACKED_MAX).map_err(Failure::refused)?;
    bundle.sign(&secret);
    write(file, &bundle.pack().map_err(Failure::refused)?)?;
    Ok(format!("{} is signed by {}.\n", file.display(), secret.public()))
}
