//! `plugin replay`: a recording's questions, asked again of the recorded component or of another.

use super::files::read;
use super::{UNPACKED_MAX, compile_on};
use crate::exit::Failure;
use bundle::Bundle;
use plugin::{Host, HostConfig, Recording, Reuse, Secret};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

/// What one question may compute. Nobody waits: what was quick on the switch may be slow here.
const CPU_MAX: Duration = Duration::from_secs(10);

/// A component, the one in a bundle, or the one of a folder.
fn component(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.is_dir() {
        return read(&path.join(bundle::COMPONENT));
    }
    let bytes = read(path)?;
    if Bundle::is(&bytes) {
        let bundle = Bundle::open(&bytes, UNPACKED_MAX).map_err(Failure::refused)?;
        return Ok(bundle.component().to_vec());
    }
    Ok(bytes)
}

fn secrets(path: Option<&Path>) -> Result<BTreeMap<String, Secret>, Failure> {
    let Some(path) = path else { return Ok(BTreeMap::new()) };
    let texts: BTreeMap<String, String> =
        serde_json::from_slice(&read(path)?).map_err(|e| Failure::start(format!("{}: {e}", path.display())))?;
    Ok(texts.into_iter().map(|(name, text)| (name, Secret::new(text))).collect())
}

/// What a replay cannot show, for a binding that keeps its instances.
fn fresh(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::Fresh => "",
        Reuse::Warm => {
            "The binding keeps its instances warm; these questions were recorded, and are replayed, in fresh ones.\n"
        }
    }
}

/// Replays; gives what to print. Differences are printed and are a failure, so that a build can depend on it.
pub(super) async fn replay(file: &Path, with: &Path, keys: Option<&Path>) -> Result<String, Failure> {
    let text = String::from_utf8(read(file)?).map_err(|_| Failure::refused("this is no recording: it is no text"))?;
    let recording = Recording::read(&text).map_err(Failure::refused)?;
    let config = HostConfig {
        hooks_max: 1,
        apps_max: 1,
        waits_max: 1,
        raters_max: 1,
        hook_threads: 1,
        app_threads: 1,
        hook_cpu: CPU_MAX,
        app_cpu: CPU_MAX,
        ..HostConfig::default()
    };
    let host = Host::new(config).map_err(Failure::start)?;
    let artifact = compile_on(&host, &component(with)?)?;
    let replayed = host.replay(&recording, &artifact, secrets(keys)?).await.map_err(Failure::refused)?;
    let mut out = String::new();
    for (number, one) in replayed.iter().enumerate() {
        let Some(how) = &one.difference else { continue };
        let call = one.call.as_deref().unwrap_or("no call");
        // What guests say may hold anything; a terminal gets text.
        let how: String = how.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let _ = writeln!(out, "{} {} ({call}): {how}", number + 1, one.asked);
    }
    let (different, all, plugin) = (out.lines().count(), replayed.len(), recording.plugin());
    if different == 0 {
        return Ok(format!("{all} of {all} as {plugin} answered.\n{}", fresh(recording.reuse())));
    }
    out.push_str(fresh(recording.reuse()));
    let _ = std::io::stdout().lock().write_all(out.as_bytes());
    Err(Failure::refused(format!("{different} of {all} differ from what {plugin} answered")))
}
