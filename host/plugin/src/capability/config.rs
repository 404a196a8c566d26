//! `host/config`: the binding's document, parsed once when it was bound.

use crate::bindings::router::strowger::host::config::Host;
use crate::guest::Guest;

impl Host for Guest {
    fn get_json(&mut self) -> String {
        self.bound.spec.config_json.clone()
    }

    fn get(&mut self, pointer: String) -> Option<String> {
        self.bound.config.pointer(&pointer).map(ToString::to_string)
    }
}
