//! Plugins in every language but Rust: toolchains into `target/tools`, components into `target/languages`.
//!
//! A toolchain that cannot be had (no `node`, no registry) is told aloud and its tests are skipped; a plugin that does not
//! build with the toolchain that is here is a failure.

use crate::run::{cargo, go, has, root, target_dir};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const QUICKJS: &str = "componentize-qjs@0.4.5";
const PYTHON: &str = "componentize-py==0.25.0";
const ZIG: &str = "ziglang==0.17.1";

/// A language: how its toolchain is had, and how it builds.
struct Language {
    name: &'static str,
    install: fn(&Path) -> Result<PathBuf, String>,
    build: fn(&Path, &Job) -> Result<(), String>,
}

/// What to build from, and into what.
struct Job {
    /// The plugin's folder, from the root.
    folder: &'static str,
    /// A folder of this job's own, with `wit/` in it.
    work: PathBuf,
    output: PathBuf,
}

impl Job {
    fn wit(&self) -> PathBuf {
        self.work.join("wit")
    }
}

const JAVASCRIPT: Language = Language { name: "javascript", install: install_javascript, build: build_javascript };
const SNAKE: Language = Language { name: "python", install: install_python, build: build_python };
const C: Language = Language { name: "c", install: install_c, build: build_c };

/// Every plugin that is not Rust: the component's name, its language, its folder.
const PLUGINS: [(&str, &Language, &str); 8] = [
    ("javascript", &JAVASCRIPT, "sdk/javascript/example"),
    ("python", &SNAKE, "sdk/python/example"),
    ("c", &C, "sdk/c/example"),
    ("javascript-filter", &JAVASCRIPT, "sdk/javascript/filter"),
    ("python-filter", &SNAKE, "sdk/python/filter"),
    ("c-filter", &C, "sdk/c/filter"),
    ("webhook-events", &JAVASCRIPT, "plugins/javascript/webhook-events"),
    ("http-router", &SNAKE, "plugins/python/http-router"),
];

/// Builds what can be built.
pub(crate) fn build() -> Result<(), String> {
    let out = target_dir().join("languages");
    let mut skipped = Vec::new();
    for (name, language, folder) in PLUGINS {
        let output = out.join(format!("{name}.wasm"));
        let sources = [root().join(folder), root().join("sdk").join(language.name), root().join("wit")];
        if is_newer(&output, &sources) {
            continue;
        }
        let _ = std::fs::remove_file(&output);
        match (language.install)(&target_dir().join("tools").join(language.name)) {
            Ok(tool) => {
                let job = Job { folder, work: out.join(format!("work-{name}")), output };
                lay_out(&job.wit(), &root().join(folder).join("world.wit"))?;
                (language.build)(&tool, &job)?;
            }
            Err(why) => skipped.push(format!("{name}: {why}")),
        }
    }
    for why in skipped {
        eprintln!("xtask: !!! SKIPPED {why}");
    }
    Ok(())
}

/// The world with the packages it names beside it, as component tools want them.
fn lay_out(to: &Path, world: &Path) -> Result<(), String> {
    let fail = |e: std::io::Error| format!("{}: {e}", to.display());
    let _ = std::fs::remove_dir_all(to);
    for package in ["types", "host", "routing", "call", "hooks"] {
        let folder = to.join("deps").join(package);
        std::fs::create_dir_all(&folder).map_err(fail)?;
        for file in files(&root().join("wit").join(package)) {
            std::fs::copy(&file, folder.join(file.file_name().unwrap_or_default())).map_err(fail)?;
        }
    }
    std::fs::copy(world, to.join("world.wit")).map(drop).map_err(fail)
}

/// Every file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn is_newer(output: &Path, sources: &[PathBuf]) -> bool {
    let time = |path: &Path| path.metadata().and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    output.exists() && sources.iter().flat_map(|s| files(s)).all(|source| time(&source) < time(output))
}

fn install_javascript(tools: &Path) -> Result<PathBuf, String> {
    let tool = tools.join("node_modules/.bin/componentize-qjs");
    if tool.exists() {
        return Ok(tool);
    }
    if !has("npm") {
        return Err("npm is not here".to_owned());
    }
    std::fs::create_dir_all(tools).map_err(|e| e.to_string())?;
    go(Command::new("npm")
        .args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(tools)
        .arg(QUICKJS))?;
    Ok(tool)
}

fn build_javascript(tool: &Path, job: &Job) -> Result<(), String> {
    let mut command = Command::new(tool);
    command.arg("--js").arg(format!("{}/plugin.js", job.folder)).args(["--module-root", ".", "--world", "plugin"]);
    command
        .args(["--sync", "--stub-wasi", "--opt-size", "--minify", "--wit"])
        .arg(job.wit())
        .arg("-o")
        .arg(&job.output);
    go(command.current_dir(root()))
}

fn install_python(tools: &Path) -> Result<PathBuf, String> {
    let tool = tools.join("bin/componentize-py");
    if tool.exists() {
        return Ok(tool);
    }
    if !has("python3") {
        return Err("python3 is not here".to_owned());
    }
    go(Command::new("python3").args(["-m", "venv"]).arg(tools))?;
    go(Command::new(tools.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", PYTHON]))?;
    Ok(tool)
}

fn build_python(tool: &Path, job: &Job) -> Result<(), String> {
    let mut command = Command::new(tool);
    command.args(["--quiet", "--world", "plugin", "--wit-path"]).arg(job.wit());
    command
        .args(["componentize", "--stub-wasi", "-p", job.folder, "-p", "sdk/python", "plugin", "-o"])
        .arg(&job.output);
    // Byte code of the sources is no output of the build.
    go(command.env("PYTHONDONTWRITEBYTECODE", "1").current_dir(root()))
}

fn install_c(tools: &Path) -> Result<PathBuf, String> {
    let tool = tools.join("bin/python-zig");
    if tool.exists() {
        return Ok(tool);
    }
    if !has("python3") {
        return Err("python3 is not here".to_owned());
    }
    go(Command::new("python3").args(["-m", "venv"]).arg(tools))?;
    go(Command::new(tools.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", ZIG]))?;
    Ok(tool)
}

/// By the author's own command, which makes the bindings and the component.
fn build_c(tool: &Path, job: &Job) -> Result<(), String> {
    let folder = root().join(job.folder);
    let sources = [root().join("sdk/c/strowger.h"), folder.join("plugin.c"), folder.join("plugin.toml")];
    for file in sources {
        let to = job.work.join(file.file_name().unwrap_or_default());
        std::fs::copy(&file, to).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    go(cargo().args(["build", "--quiet", "--workspace", "--bin", "strowger"]))?;
    let bin = tool.parent().unwrap_or(tool);
    let path = std::env::var("PATH").unwrap_or_default();
    go(Command::new(target_dir().join("debug/strowger"))
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("ZIG_GLOBAL_CACHE_DIR", target_dir().join("tools/zig-cache"))
        .args(["plugin", "build"])
        .arg(&job.work))?;
    let made = job.work.join("component.wasm");
    std::fs::copy(&made, &job.output).map(drop).map_err(|e| format!("{}: {e}", made.display()))
}
