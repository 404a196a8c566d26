//! `plugin new`: a plugin to begin with.

use super::files;
use super::script::Script;
use super::template_hooks;
use crate::exit::Failure;
use std::path::{Path, PathBuf};

const ROUTER: &str = r#"//! A router: says where calls go. `strowger_sdk` tells what it may decide.

use strowger_sdk::prelude::*;

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Calls to numbers with this beginning are mine.
    prefix: String,
    /// Whom they ring.
    account: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { prefix: "8".to_owned(), account: "1001".to_owned() }
    }
}

struct Plugin;

impl Router for Plugin {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        if !call.callee.user.starts_with(&config.prefix) {
            return Ok(next());
        }
        Ok(Plan::new(Step::new().account(&config.account).ring(seconds(20))).connect())
    }
}

export_router!(Plugin);
"#;

const ROUTER_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "prefix": { "type": "string", "minLength": 1, "maxLength": 15 },
    "account": { "type": "string", "minLength": 1, "maxLength": 64 }
  }
}
"#;

const APP: &str = r#"//! A call app: a script that runs a call.

use strowger_sdk::prelude::*;

#[derive(serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Whom a pressed 1 rings.
    operator: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { operator: "1001".to_owned() }
    }
}

struct Plugin;

impl App for Plugin {
    fn run(call: Call) -> Result<Ended> {
        let config: Config = config()?;
        call.leg.answer()?;
        let pressed = call.leg.collect(Collect::digits(1).prompts(&[file("attendant-menu")]))?;
        if pressed.digits == "1" {
            let callee = dial(&call.leg, Dial::to([config.operator.as_str()]).ring(seconds(20)))?;
            bridge(&call.leg, &callee)?;
        }
        call.leg.hangup();
        Ok(Ended::default())
    }
}

export_app!(Plugin);
"#;

const FILTER: &str = r#"//! A filter: changes header fields of INVITEs and their responses where they enter and leave.

use strowger_sdk::export_sip_filter;
use strowger_sdk::filter::{Message, SipFilter, Verdict, pass_with, remove, set};
use strowger_sdk::prelude::*;

#[derive(serde::Deserialize)]
#[serde(default)]
struct Config {
    /// The field that says where a message is from.
    field: String,
    /// What it says.
    value: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { field: "X-Site".to_owned(), value: "main".to_owned() }
    }
}

struct Plugin;

impl SipFilter for Plugin {
    fn filter(message: Message) -> Result<Verdict> {
        let config: Config = config()?;
        // Nobody else may say it, and we say it of all that leaves.
        let change = if message.inbound { remove(&config.field) } else { set(&config.field, &config.value) };
        Ok(pass_with([change]))
    }
}

export_sip_filter!(Plugin);
"#;

const FILTER_SCHEMA: &str = r##"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "$defs": {
    "names": {
      "anyOf": [
        { "const": "*" },
        { "type": "array", "maxItems": 1000, "items": { "type": "string", "minLength": 1, "maxLength": 64 } }
      ]
    }
  },
  "properties": {
    "trunks": { "$ref": "#/$defs/names", "description": "The trunks it is for" },
    "accounts": { "$ref": "#/$defs/names", "description": "The accounts whose terminals it is for" },
    "field": { "type": "string", "minLength": 1, "maxLength": 64 },
    "value": { "type": "string", "minLength": 1, "maxLength": 256 }
  }
}
"##;

const APP_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "operator": { "type": "string", "minLength": 1, "maxLength": 64 }
  }
}
"#;

const ROUTER_SCENARIO: &str = r#"# What the router decides. Play it: strowger plugin test
call: { from: "1002", config: { prefix: "8", account: "1001" } }
steps:
  - { ask: route, to: "8123", expect: connect, with: { steps: [["1001"]], ring-timeout-ms: [20000] } }
  - { ask: route, to: "1003", expect: next }
"#;

const FILTER_SCENARIO: &str = r#"# What the filter makes of messages. Play it: strowger plugin test
call: { from: "1001", config: { field: X-Site, value: north } }
steps:
  - { ask: filter, headers: { X-Site: forged, Subject: lunch }, expect: pass, with: { ops: ["remove X-Site"] } }
  - { ask: filter, message: { outbound: true }, expect: pass, with: { headers: { X-Site: north } } }
  - { ask: filter, message: { outbound: true, status: 180, trunk: carrier }, expect: pass, with: { headers: { X-Site: north } } }
"#;

const APP_SCENARIO: &str = r#"# A caller presses 1 and talks to the operator. Play it: strowger plugin test
call: { from: "+442079460000", to: "100", config: { operator: "1001" } }
steps:
  - { expect: answer }
  - { expect: collect, with: { prompts: [attendant-menu], max-digits: 1 }, reply: { digits: "1", after-ms: 1800 } }
  - { expect: dial, with: { targets: ["1001"], ring-timeout-ms: 20000 }, reply: { after-ms: 3000 } }
  - { expect: bridge, with: { a: 0, b: 1 }, reply: { ended-by: a, after-ms: 60000 } }
  - { expect: hangup, with: { leg: 0 } }
ends: {}
"#;

/// Whether its hooks want to be kept warm: an interpreter of Python takes most of a millisecond to begin.
fn is_slow_to_begin(script: Option<Script>, point: &str) -> bool {
    script == Some(Script::Python) && point != "call/app"
}

/// What a new plugin of a point has beside manifest and, in other languages, source.
pub(super) struct Template {
    pub(super) rust: &'static str,
    pub(super) schema: &'static str,
    pub(super) scenario: &'static str,
    /// What its manifest says beside the point.
    pub(super) needs: &'static str,
}

/// Every point that has one.
pub(super) const POINTS: [&str; 8] = [
    "routing/router",
    "routing/router-io",
    "call/app",
    "hooks/registration",
    "hooks/feature",
    "hooks/event-sink",
    "hooks/sip-filter",
    "billing/rater",
];

/// Of the points that have one.
fn template(point: &str) -> Result<Template, Failure> {
    let (rust, schema, scenario) = match point {
        "routing/router" => (ROUTER, ROUTER_SCHEMA, ROUTER_SCENARIO),
        "call/app" => (APP, APP_SCHEMA, APP_SCENARIO),
        "hooks/sip-filter" => (FILTER, FILTER_SCHEMA, FILTER_SCENARIO),
        other => return template_hooks::template(other).ok_or_else(|| no_template(other)),
    };
    Ok(Template { rust, schema, scenario, needs: "" })
}

pub(super) fn no_template(point: &str) -> Failure {
    let in_c = "in C for routing/router, call/app and hooks/sip-filter";
    Failure::start(format!("{point}: there is a template for {}; {in_c}", POINTS.join(", ")))
}

/// Writes the folder of a new plugin: in Rust, with the SDK's folder, or as a script.
pub(super) fn write(
    name: &str,
    point: &str,
    (script, sdk): (Option<Script>, Option<&Path>),
    dir: PathBuf,
) -> Result<String, Failure> {
    let template = template(point)?;
    let reuse = if is_slow_to_begin(script, point) { "reuse = \"warm\"\n" } else { "" };
    let manifest = format!(
        "id = \"{name}\"\nversion = \"0.1.0\"\nwit = \"{}\"\ndescription = \"\"\n\n[[provides]]\npoint = \"{point}\"\n{reuse}{}",
        bundle::WIT_VERSION,
        template.needs
    );
    bundle::Manifest::parse(&manifest).map_err(Failure::start)?;
    let mut files = match script {
        Some(script) => script.folder(name, point)?,
        None => rust(name, template.rust, sdk)?,
    };
    files.push(("tests/first.yaml".to_owned(), template.scenario.to_owned()));
    files.push(("plugin.toml".to_owned(), manifest));
    files.push(("config.schema.json".to_owned(), template.schema.to_owned()));
    if dir.exists() {
        return Err(Failure::start(format!("{} is there already", dir.display())));
    }
    for (file, text) in files {
        let path = dir.join(file);
        let folder = path.parent().unwrap_or(&dir);
        std::fs::create_dir_all(folder)
            .map_err(|e| Failure::start(format!("cannot make {}: {e}", folder.display())))?;
        files::write(&path, text.as_bytes())?;
    }
    let tool = script.map_or_else(String::new, |script| format!("{}\n", script.hint(&dir)));
    Ok(format!(
        "{} is ready. Build it: strowger plugin build {0}\nTest it: strowger plugin test {0}\n{tool}",
        dir.display()
    ))
}

/// A crate.
fn rust(name: &str, source: &str, sdk: Option<&Path>) -> Result<Vec<(String, String)>, Failure> {
    let missing = || Failure::start("a plugin in Rust needs the SDK: --sdk DIR, the folder sdk/rust of the source");
    let sdk = sdk.ok_or_else(missing)?;
    let sdk = sdk.canonicalize().map_err(|e| Failure::start(format!("the SDK {}: {e}", sdk.display())))?;
    let cargo = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n\
         [dependencies]\nstrowger-sdk = {{ path = {sdk:?} }}\n\
         serde = {{ version = \"1\", default-features = false, features = [\"alloc\", \"derive\"] }}\n\n\
         [profile.release]\nopt-level = \"s\"\nlto = true\ncodegen-units = 1\npanic = \"abort\"\nstrip = true\n\n[workspace]\n"
    );
    let linker = "[build]\ntarget = \"wasm32-unknown-unknown\"\n\n[target.wasm32-unknown-unknown]\n\
                  # Inside every rustup toolchain: links, then wraps the module as a component.\n\
                  linker = \"wasm-component-ld\"\n";
    let files = [
        ("Cargo.toml", cargo.as_str()),
        (".cargo/config.toml", linker),
        (".gitignore", "target\n*.splug\n"),
        ("src/lib.rs", source),
    ];
    Ok(files.map(|(file, text)| (file.to_owned(), text.to_owned())).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bundle::{Manifest, Reuse};

    #[test]
    fn a_hook_in_python_is_kept_warm_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        for script in [Script::JavaScript, Script::Python, Script::C] {
            for point in ["routing/router", "call/app"] {
                let folder = dir.path().join(format!("{script:?}-{}", point.len()));
                write("lucky", point, (Some(script), None), folder.clone()).unwrap();
                let manifest = std::fs::read_to_string(folder.join("plugin.toml")).unwrap();
                let warm = script == Script::Python && point == "routing/router";
                let expected = if warm { Reuse::Warm } else { Reuse::Fresh };
                assert_eq!(Manifest::parse(&manifest).unwrap().reuse(point), expected, "{manifest}");
            }
        }
    }
}
