//! The API held to its own document by schemathesis: a real switch, and thousands of requests that the document allows or
//! forbids. A server error or an answer that the document does not know fails.

use crate::run::{cargo, go, has, target_dir};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SCHEMATHESIS: &str = "schemathesis==4.32.5";
/// What is looked at in each answer. Not `negative_data_rejection`: a query that says the same twice is no error here.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,unsupported_method,ignored_auth";
/// How long it may take.
const SECONDS_MAX: &str = "100";
/// How long the switch may take to start.
const START_MAX: Duration = Duration::from_secs(60);

/// `fields` leaves fields out on purpose, which the schema of the whole cannot know: it is not asked for.
const HOOKS: &str = "import schemathesis\n\n\n@schemathesis.hook\ndef before_load_schema(context, raw_schema):\n    \
                     for item in raw_schema['paths'].values():\n        for operation in item.values():\n            \
                     named = operation.get('parameters', [])\n            \
                     operation['parameters'] = [p for p in named if p.get('name') != 'fields']\n";

/// Installs schemathesis, once, into `target/tools`.
fn install() -> Result<PathBuf, String> {
    let tools = target_dir().join("tools/schemathesis");
    let tool = tools.join("bin/st");
    if tool.exists() {
        return Ok(tool);
    }
    if !has("python3") {
        return Err("python3 is not here".to_owned());
    }
    go(Command::new("python3").args(["-m", "venv"]).arg(&tools))?;
    go(Command::new(tools.join("bin/pip")).args(["install", "--quiet", "--disable-pip-version-check", SCHEMATHESIS]))?;
    Ok(tool)
}

/// A demo switch of its own, gone with this value.
pub(crate) struct Switch(Child);

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the switch; gives its address and token.
pub(crate) fn start(dir: &Path) -> Result<(Switch, String, String), String> {
    let failed = |error: std::io::Error| format!("the switch: {error}");
    let binary = target_dir().join("debug/strowger");
    let mut command = Command::new(binary);
    command.args(["demo", "--sip", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data"]).arg(dir);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(failed)?;
    let mut switch = Switch(child);
    let begun = Instant::now();
    // The file is the last thing that is written: then the API answers.
    while begun.elapsed() < START_MAX {
        if let Some(status) = switch.0.try_wait().map_err(failed)? {
            return Err(format!("the switch ended: {status}"));
        }
        let text = std::fs::read_to_string(dir.join("client.toml")).unwrap_or_default();
        let field = |name: &str| Some(text.lines().find_map(|l| l.strip_prefix(name))?.split('"').nth(1)?.to_owned());
        if let (Some(url), Some(token)) = (field("url"), field("token")) {
            return Ok((switch, url, token));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Err("the switch did not start".to_owned())
}

/// The step.
pub(crate) fn check() -> Result<(), String> {
    let tool = match install() {
        Ok(tool) => tool,
        Err(why) if std::env::var_os("CI").is_none() => {
            eprintln!("xtask: the contract is not checked: {why}");
            return Ok(());
        }
        Err(why) => return Err(why),
    };
    go(cargo().args(["build", "--quiet", "--workspace", "--bin", "strowger"]))?;
    let dir = target_dir().join("tmp/contract");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let hooks = dir.join("hooks.py");
    std::fs::write(&hooks, HOOKS).map_err(|error| format!("{}: {error}", hooks.display()))?;
    let (switch, url, token) = start(&dir.join("switch"))?;
    let checked = go(Command::new(tool)
        .env("SCHEMATHESIS_HOOKS", &hooks)
        .current_dir(&dir)
        .args(["run", &format!("{url}/api/v1/openapi.json"), "--header", &format!("Authorization: Bearer {token}")])
        // Less often than the switch lets one token ask, or it says nothing but 429.
        .args(["--rate-limit", "90/s"])
        .args(["--phases", "examples,coverage", "--checks", CHECKS, "--max-time", SECONDS_MAX])
        // A stream of events does not end.
        .args(["--exclude-path", "/api/v1/events", "--continue-on-failure", "--request-timeout", "15"]));
    drop(switch);
    checked
}
