//! Plugins in JavaScript, Python and C: what `plugin new` writes, and the tool that `plugin build` asks.
//!
//! The contract and the few words of help travel in this binary: a folder needs nothing but its language's tool, which
//! comes from the language's own registry.

use super::{c, files};
use crate::exit::Failure;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `wit/` as this switch speaks it.
const WIT: [(&str, &str); 29] = [
    ("billing/ledger.wit", include_str!("../../../wit/billing/ledger.wit")),
    ("billing/rater.wit", include_str!("../../../wit/billing/rater.wit")),
    ("billing/world.wit", include_str!("../../../wit/billing/world.wit")),
    ("call/app.wit", include_str!("../../../wit/call/app.wit")),
    ("call/control.wit", include_str!("../../../wit/call/control.wit")),
    ("call/mailbox.wit", include_str!("../../../wit/call/mailbox.wit")),
    ("call/rooms.wit", include_str!("../../../wit/call/rooms.wit")),
    ("call/sound.wit", include_str!("../../../wit/call/sound.wit")),
    ("call/voice.wit", include_str!("../../../wit/call/voice.wit")),
    ("call/world.wit", include_str!("../../../wit/call/world.wit")),
    ("hooks/event-sink.wit", include_str!("../../../wit/hooks/event-sink.wit")),
    ("hooks/feature.wit", include_str!("../../../wit/hooks/feature.wit")),
    ("hooks/registration.wit", include_str!("../../../wit/hooks/registration.wit")),
    ("hooks/sip-filter.wit", include_str!("../../../wit/hooks/sip-filter.wit")),
    ("hooks/world.wit", include_str!("../../../wit/hooks/world.wit")),
    ("host/clock.wit", include_str!("../../../wit/host/clock.wit")),
    ("host/config.wit", include_str!("../../../wit/host/config.wit")),
    ("host/directory.wit", include_str!("../../../wit/host/directory.wit")),
    ("host/http.wit", include_str!("../../../wit/host/http.wit")),
    ("host/kv.wit", include_str!("../../../wit/host/kv.wit")),
    ("host/lifecycle.wit", include_str!("../../../wit/host/lifecycle.wit")),
    ("host/log.wit", include_str!("../../../wit/host/log.wit")),
    ("host/mail.wit", include_str!("../../../wit/host/mail.wit")),
    ("host/metrics.wit", include_str!("../../../wit/host/metrics.wit")),
    ("host/secrets.wit", include_str!("../../../wit/host/secrets.wit")),
    ("host/world.wit", include_str!("../../../wit/host/world.wit")),
    ("routing/router.wit", include_str!("../../../wit/routing/router.wit")),
    ("routing/world.wit", include_str!("../../../wit/routing/world.wit")),
    ("types/types.wit", include_str!("../../../wit/types/types.wit")),
];

/// A language but Rust.
#[expect(clippy::enum_variant_names, reason = "it is called so")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Script {
    /// JavaScript, by QuickJS.
    JavaScript,
    /// Python.
    Python,
    /// C, by zig's clang.
    C,
}

impl Script {
    const ALL: [Script; 3] = [Script::JavaScript, Script::Python, Script::C];

    /// The one that a folder is written in.
    pub(super) fn of(dir: &Path) -> Option<Script> {
        Script::ALL.into_iter().find(|s| dir.join(s.source()).is_file())
    }

    const fn source(self) -> &'static str {
        match self {
            Script::JavaScript => "plugin.js",
            Script::Python => "plugin.py",
            Script::C => "plugin.c",
        }
    }

    const fn help(self) -> (&'static str, &'static str) {
        match self {
            Script::JavaScript => ("strowger.js", include_str!("../../../sdk/javascript/strowger.js")),
            Script::Python => ("strowger.py", include_str!("../../../sdk/python/strowger.py")),
            Script::C => ("strowger.h", include_str!("../../../sdk/c/strowger.h")),
        }
    }

    /// The tool, where npm or pip put it, and how to have it.
    const fn tool(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Script::JavaScript => {
                ("componentize-qjs", "node_modules/.bin", "npm install --prefix DIR componentize-qjs@0.4.5")
            }
            Script::Python => (
                "componentize-py",
                ".venv/bin",
                "python3 -m venv DIR/.venv && DIR/.venv/bin/pip install componentize-py==0.25.0",
            ),
            Script::C => {
                ("python-zig", ".venv/bin", "python3 -m venv DIR/.venv && DIR/.venv/bin/pip install ziglang==0.17.1")
            }
        }
    }

    fn template(self, point: &str) -> Result<(&'static str, &'static str), Failure> {
        match (self, point) {
            (Script::JavaScript, "routing/router") => Ok((JS_ROUTER, ROUTER_WORLD)),
            (Script::JavaScript, "call/app") => Ok((JS_APP, APP_WORLD)),
            (Script::Python, "routing/router") => Ok((PY_ROUTER, ROUTER_WORLD)),
            (Script::Python, "call/app") => Ok((PY_APP, APP_WORLD)),
            (Script::C, "routing/router") => Ok((c::ROUTER, ROUTER_WORLD)),
            (Script::C, "call/app") => Ok((c::APP, APP_WORLD)),
            (Script::JavaScript, "hooks/sip-filter") => Ok((JS_FILTER, FILTER_WORLD)),
            (Script::Python, "hooks/sip-filter") => Ok((PY_FILTER, FILTER_WORLD)),
            (Script::C, "hooks/sip-filter") => Ok((c::FILTER, FILTER_WORLD)),
            (Script::JavaScript | Script::Python | Script::C, other) => {
                super::script_hooks::template(self, other).ok_or_else(|| super::template::no_template(other))
            }
        }
    }

    /// What the folder of a new plugin has beside manifest and schema.
    pub(super) fn folder(self, name: &str, point: &str) -> Result<Vec<(String, String)>, Failure> {
        let (source, world) = self.template(point)?;
        let (help, text) = self.help();
        let mut out = vec![
            (self.source().to_owned(), source.to_owned()),
            (help.to_owned(), text.to_owned()),
            ("wit/world.wit".to_owned(), format!("package author:{name}@0.1.0;\n\n{world}")),
            (".gitignore".to_owned(), "node_modules\n.venv\nbindings\ncomponent.wasm\n*.splug\n".to_owned()),
        ];
        out.extend(WIT.iter().map(|(path, text)| (format!("wit/deps/{path}"), (*text).to_owned())));
        Ok(out)
    }

    /// How to build it, for who has just made it.
    pub(super) fn hint(self, dir: &Path) -> String {
        let (tool, _, how) = self.tool();
        format!("It is built by {tool}: {}", how.replace("DIR", &dir.display().to_string()))
    }

    /// Builds a folder; gives its component.
    pub(super) fn build(self, dir: &Path) -> Result<Vec<u8>, Failure> {
        let (tool, beside, _) = self.tool();
        let own = dir.join(beside).join(tool);
        let program = own.canonicalize().unwrap_or_else(|_| PathBuf::from(tool));
        let mut command = Command::new(program);
        command.current_dir(dir).env("PYTHONDONTWRITEBYTECODE", "1");
        match self {
            Script::JavaScript => command.args([
                "--js",
                "plugin.js",
                "--wit",
                "wit",
                "--world",
                "plugin",
                "--sync",
                "--stub-wasi",
                "--opt-size",
                "--minify",
                "-o",
                "component.wasm",
            ]),
            Script::Python => command.args([
                "--quiet",
                "--wit-path",
                "wit",
                "--world",
                "plugin",
                "componentize",
                "--stub-wasi",
                "-p",
                ".",
                "plugin",
                "-o",
                "component.wasm",
            ]),
            Script::C => {
                command = c::compile(dir, command)?;
                &mut command
            }
        };
        let output =
            command.output().map_err(|e| Failure::start(format!("{tool} did not start: {e}. {}", self.hint(dir))))?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            return Err(Failure::refused(format!("the plugin did not build: {said}")));
        }
        if self == Script::C { c::wrap(dir) } else { files::read(&dir.join("component.wasm")) }
    }
}

// A component imports what its world names, used or not: with `host/http` a router becomes one that waits.
const ROUTER_WORLD: &str = "world plugin {\n  include strowger:host/base@0.1.0;\n  \
    import strowger:host/directory@0.1.0;\n  export strowger:routing/router@0.1.0;\n}\n";
const APP_WORLD: &str = "world plugin {\n  include strowger:host/base@0.1.0;\n  import strowger:call/control@0.1.0;\n  \
    export strowger:call/app@0.1.0;\n}\n";
const FILTER_WORLD: &str =
    "world plugin {\n  include strowger:host/base@0.1.0;\n  export strowger:hooks/sip-filter@0.1.0;\n}\n";

const JS_FILTER: &str = r#"// A filter: changes header fields of INVITEs and their responses where they enter and leave.

import { passWith, removeHeader, setHeader, settings } from './strowger.js';

export const sipFilter = {
  filter(message) {
    const { field, value } = settings({ field: 'X-Site', value: 'main' });
    // Nobody else may say it, and we say it of all that leaves.
    return passWith(message.inbound ? removeHeader(field) : setHeader(field, value));
  },
};
"#;

const PY_FILTER: &str = r#""""A filter: changes header fields of INVITEs and their responses where they enter and leave."""

import wit_world.exports as exports
from strowger import pass_with, remove_header, set_header, settings


class SipFilter(exports.SipFilter):
    def filter(self, message):
        config = settings(field="X-Site", value="main")
        # Nobody else may say it, and we say it of all that leaves.
        if message.inbound:
            return pass_with(remove_header(config["field"]))
        return pass_with(set_header(config["field"], config["value"]))
"#;

const JS_ROUTER: &str = r#"// A router: says where calls go. strowger.js tells what it may decide.

import { connect, next, settings, step } from './strowger.js';

export const router = {
  route(call) {
    const { prefix, account } = settings({ prefix: '8', account: '1001' });
    if (!call.callee.user.startsWith(prefix)) return next();
    return connect([step([account], { ringSeconds: 20 })]);
  },

  exhausted(call, tried) {
    return next();
  },
};
"#;

const JS_APP: &str = r#"// A call app: a script that runs a call.

import control from 'strowger:call/control@0.1.0';
import { digits, file, ring, settings } from './strowger.js';

export const app = {
  run(caller, args) {
    const { operator } = settings({ operator: '1001' });
    caller.answer([]);
    const pressed = caller.collect(digits(1, [file('attendant-menu')]));
    if (pressed.digits === '1') {
      const callee = control.dial(caller, ring([operator]));
      control.bridge(caller, callee, { maxS: null, attrs: [] });
    }
    caller.hangup();
    return null;
  },
};
"#;

const PY_ROUTER: &str = r#""""A router: says where calls go. strowger.py tells what it may decide."""

import wit_world.exports as exports
from strowger import connect, next_router, settings, step


class Router(exports.Router):
    def route(self, call):
        config = settings(prefix="8", account="1001")
        if not call.callee.user.startswith(config["prefix"]):
            return next_router()
        return connect(step(config["account"], ring_s=20))

    def exhausted(self, call, tried):
        return next_router()
"#;

const PY_APP: &str = r#""""A call app: a script that runs a call."""

import wit_world.exports as exports
from strowger import Failed, Party, file, settings


class App(exports.App):
    def run(self, caller, args):
        config = settings(operator="1001")
        with Party(caller) as caller:
            caller.answer()
            if caller.ask(1, file("attendant-menu")) == "1":
                try:
                    caller.talk_to(caller.dial(config["operator"]))
                except Failed:
                    # Nobody answered; a caller who is gone ends it here.
                    caller.play(file("attendant-busy"))
        return None
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_travels_whole() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut on_disk = Vec::new();
        for folder in std::fs::read_dir(&root).unwrap().flatten().filter(|e| e.path().is_dir()) {
            let name = folder.file_name().into_string().unwrap();
            let files = std::fs::read_dir(folder.path()).unwrap().flatten();
            on_disk.extend(files.map(|f| format!("{name}/{}", f.file_name().to_string_lossy())));
        }
        on_disk.sort();
        assert_eq!(on_disk, WIT.map(|(path, _)| path), "a file of wit/ is missing in WIT, or gone");
    }

    #[test]
    fn every_template_makes_a_folder_that_is_recognised() {
        for script in Script::ALL {
            for point in crate::author::template::POINTS {
                let of_three = ["routing/router", "call/app", "hooks/sip-filter"].contains(&point);
                if script == Script::C && !of_three {
                    assert!(script.folder("lucky", point).is_err(), "{point}");
                    continue;
                }
                let files = script.folder("lucky", point).unwrap();
                assert!(files.iter().any(|(path, _)| path == script.source()));
                let export = point.trim_end_matches("-io");
                assert!(files.iter().any(|(path, text)| path == "wit/world.wit" && text.contains(export)), "{files:?}");
            }
        }
    }
}
