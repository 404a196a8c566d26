//! Plugins in C: the bindings are made here from `wit/`, zig compiles (its wheel carries clang, a linker and wasi-libc),
//! and the component is wrapped here. So an author needs one tool, of which no file is his machine's own.

use super::files;
use crate::exit::Failure;
use std::path::Path;
use std::process::Command;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

/// Where the generated files go, within the plugin's folder.
const BINDINGS: &str = "bindings";

fn broken(what: &str, error: impl core::fmt::Display) -> Failure {
    Failure::refused(format!("{what}: {error:#}"))
}

/// Makes `bindings/` anew, so that it never differs from `wit/`.
fn bind(dir: &Path) -> Result<(), Failure> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(dir.join("wit")).map_err(|e| broken("wit/ makes no sense", e))?;
    let world = resolve.select_world(&[package], Some("plugin")).map_err(|e| broken("wit/world.wit", e))?;
    let mut made = Files::default();
    let generated = wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut made);
    generated.map_err(|e| broken("no bindings for this world", e))?;
    let to = dir.join(BINDINGS);
    std::fs::create_dir_all(&to).map_err(|e| Failure::start(format!("cannot make {}: {e}", to.display())))?;
    made.iter().try_for_each(|(name, bytes)| files::write(&to.join(name), bytes))
}

/// Every `*.c` of the folder, in order.
fn sources(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|e| e.file_name().into_string().ok()).collect();
    names.retain(|name| name.ends_with(".c"));
    names.sort();
    names
}

/// Makes the bindings, and gives the command that compiles them and the folder to a core module.
pub(super) fn compile(dir: &Path, mut zig: Command) -> Result<Command, Failure> {
    bind(dir)?;
    zig.args(["cc", "-target", "wasm32-wasi", "-mexec-model=reactor", "-std=c17", "-Os", "-s", "-Wall", "-Wextra"]);
    zig.args(["-I.", "-Ibindings"]).args(sources(dir));
    zig.args(["bindings/plugin.c", "bindings/plugin_component_type.o", "-o", "bindings/core.wasm"]);
    Ok(zig)
}

/// Wraps the core module; gives the component.
pub(super) fn wrap(dir: &Path) -> Result<Vec<u8>, Failure> {
    let core = files::read(&dir.join(BINDINGS).join("core.wasm"))?;
    let encoder = wit_component::ComponentEncoder::default().module(&core);
    let component = encoder.and_then(|encoder| encoder.validate(true).encode());
    // What C's library needs of an operating system there is none of here: files, sockets, `printf`.
    let component = component.map_err(|e| broken("the module makes no component (plugins get no WASI)", e))?;
    files::write(&dir.join("component.wasm"), &component)?;
    Ok(component)
}

pub(super) const ROUTER: &str = r#"// A router: says where calls go. strowger.h tells what it may decide.

#include "strowger.h"

bool exports_strowger_routing_router_route(strowger_types_types_call_info_t *call, st_decision *ret, st_error *err) {
  const char *prefix = st_setting("/prefix", "8"), *account = st_setting("/account", "1001");
  if (!prefix || !account) return st_fails(err, "prefix and account are texts");
  if (!st_begins(call->callee.user, prefix)) return st_next(ret);
  return st_connect(ret, account, 20);
}

bool exports_strowger_routing_router_exhausted(strowger_types_types_call_info_t *call,
                                               exports_strowger_routing_router_list_tuple2_string_cause_t *tried,
                                               st_decision *ret, st_error *err) {
  (void)call, (void)tried, (void)err;
  return st_next(ret);
}
"#;

pub(super) const APP: &str = r#"// A call app: a script that runs a call.

#include "strowger.h"

bool exports_strowger_call_app_run(st_leg caller, exports_strowger_call_app_list_attr_t *args, plugin_option_u16_t *ret,
                                   st_error *err) {
  const char *operator = st_setting("/operator", "1001"), *digits;
  st_leg callee;
  (void)args;
  ret->is_some = false;
  if (!operator) return st_fails(err, "operator is a text");
  if (!st_answer(caller, err) || !st_collect(caller, 1, "attendant-menu", &digits, err)) return false;
  if (strcmp(digits, "1") == 0) {
    if (!st_dial(caller, operator, 20, &callee, err) || !st_bridge(caller, callee, err)) return false;
  }
  st_hangup(caller);
  return true;
}
"#;

pub(super) const FILTER: &str = r#"// A filter: changes header fields of INVITEs and their responses where they enter and leave.

#include "strowger.h"

bool exports_strowger_hooks_sip_filter_filter(exports_strowger_hooks_sip_filter_message_t *message, st_verdict *ret,
                                              st_error *err) {
  const char *field = st_setting("/field", "X-Site"), *value = st_setting("/value", "main");
  if (!field || !value) return st_fails(err, "field and value are texts");
  // Nobody else may say it, and we say it of all that leaves.
  st_header_op change = message->inbound ? st_remove_header(field) : st_set_header(field, value);
  return st_pass_with(ret, &change, 1);
}
"#;
