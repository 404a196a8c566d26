//! Running programs, and the commands that only run one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The top of the tree.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where cargo builds to.
pub(crate) fn target_dir() -> PathBuf {
    let given = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(given.unwrap_or_else(|| "target".into()))
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command to its end, showing it first.
pub(crate) fn go(command: &mut Command) -> Result<(), String> {
    let shown = show(command);
    eprintln!("xtask: {shown}");
    let status = command.status().map_err(|error| format!("{shown}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

/// Runs a command and gives what it printed.
pub(crate) fn read(command: &mut Command) -> Result<String, String> {
    let shown = show(command);
    let output = command.output().map_err(|error| format!("{shown}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{shown}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    command.get_args().fold(program, |line, arg| format!("{line} {}", arg.to_string_lossy()))
}

/// Whether a program is on the path.
pub(crate) fn has(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

pub(crate) fn demo(args: &[String]) -> Result<(), String> {
    crate::install::wasm_target()?;
    eprintln!("xtask: building the switch and its plugins (some minutes the first time)");
    go(cargo().args(["build", "--quiet", "--package", "strowger"]))?;
    go(cargo().args(["run", "--quiet", "--package", "strowger", "--", "demo"]).args(args))
}

pub(crate) fn sim(args: &[String]) -> Result<(), String> {
    if args == ["--nightly"] {
        return nightly();
    }
    go(cargo().args(["run", "--quiet", "--package", "sim", "--bin", "sim", "--"]).args(args))
}

/// What each night looks at, in all worlds together 10,000 seeds and more: the arguments before the first seed, and how many.
const NIGHT: [(&[&str], u64); 4] =
    [(&[], 10_000), (&["--shards", "2"], 2_000), (&["--shards", "3"], 2_000), (&["--chain"], 2_000)];

/// The seeds of a night, which no other night has: who looks at the same ones again and again learns nothing new. A seed
/// that fails is named, and the same command with `--seed` shows it on any day.
fn nightly() -> Result<(), String> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let day = since.map_err(|_| "the clock stands before 1970".to_owned())?.as_secs() / 86_400;
    let mut failed = Vec::new();
    for (world, seeds) in NIGHT {
        let (from, seeds) = ((day * 10_000).to_string(), seeds.to_string());
        let args = world.iter().copied().chain(["--from", &from, "--seeds", &seeds, "--keep-going"]);
        // The others are looked at all the same.
        if let Err(words) = sim(&args.map(str::to_owned).collect::<Vec<_>>()) {
            failed.push(words);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

/// The faults that the simulation must catch.
pub(crate) fn planted() -> Result<(), String> {
    go(cargo().args(["run", "--quiet", "--package", "sim", "--bin", "planted"]))
}

pub(crate) fn load(args: &[String]) -> Result<(), String> {
    crate::install::packages(&["sip-tester"])?;
    go(cargo().args(["build", "--quiet", "--release", "--package", "strowger"]))?;
    go(cargo().args(["run", "--quiet", "--release", "--package", "interop", "--bin", "load", "--"]).args(args))
}

pub(crate) fn bench(args: &[String]) -> Result<(), String> {
    go(cargo().args(["bench", "--package", "sip-message", "--package", "media", "--package", "plugin"]).args(args))
}
