//! A switch with one company, reached by every transport.

use crate::{Certificate, Run, Switch, until};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// The company's domain.
pub const DOMAIN: &str = "acme.test";
/// Every account's password.
pub const PASSWORD: &str = "correct horse";

/// A line of `[sip]`.
const MD5: &str = "digest = [\"md5\"]\n";

/// The switch and what it needs.
#[derive(Debug)]
pub struct Office {
    switch: Switch,
    certificate: Certificate,
    company: i64,
    _data: tempfile::TempDir,
}

impl Office {
    /// One whose company is so, as `{ "media": "direct", "handling": "proxy" }`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn open(company: &Value) -> Office {
        Office::configured(company, "")
    }

    /// The same with more sections of a configuration.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn configured(company: &Value, sections: &str) -> Office {
        Office::begin(company, sections, "", "", false)
    }

    /// One whose sessions are refreshed by this interval, in seconds (RFC 4028).
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn with_sessions(company: &Value, seconds: u32) -> Office {
        Office::begin(company, "", "", &format!("session_interval_s = {seconds}\n"), false)
    }

    /// One whose brand has what the demo's has: an attendant at 100, an echo at 101, a room at 102.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn furnished(company: &Value) -> Office {
        Office::begin(company, "", MD5, "", true)
    }

    /// One at which baresip can register too, which knows no other digest than MD5.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn for_phones(company: &Value) -> Office {
        Office::begin(company, "", MD5, "", false)
    }

    /// One that trusts nothing on this machine either, and is asked with MD5: what scanners of passwords know.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn exposed() -> Office {
        Office::begin(&json!({}), "[protection]\ntrust_loopback = false\n", MD5, "", false)
    }

    fn begin(company: &Value, sections: &str, sip: &str, limits: &str, furnished: bool) -> Office {
        let data = tempfile::tempdir().expect("a folder");
        if furnished {
            drop(Switch::demo(&data.path().join("data")));
        }
        let certificate = Certificate::new();
        let listen = ["udp", "tcp", "tls", "ws", "wss"].map(|t| format!("\"{t}:127.0.0.1:0\"")).join(", ");
        let config = format!(
            "[sip]\nlisten = [{listen}]\ndefault_domain = \"{DOMAIN}\"\n{sip}[http]\nlisten = \"127.0.0.1:0\"\n\
             [media]\nstreams_max = 32\nports = \"0\"\n[limits]\nnotify_gap_ms = 100\n\
             route_deadline_ms = 1000\nregister_deadline_ms = 1000\n{limits}\
             [tls]\ncertificates = [{{ domain = \"localhost\", cert = {:?}, key = {:?} }}]\n{sections}",
            certificate.cert(),
            certificate.key(),
        );
        let switch = Switch::start(&Run::Serve(config), &data.path().join("data"));
        let brand = if furnished {
            switch.rest().all("/brands").first().expect("the demo's brand")["id"].clone()
        } else {
            let brand = json!({ "name": "brand", "default_verdict": "extensions" });
            switch.rest().write("POST", "/brands", &brand)["id"].clone()
        };
        let mut wanted = json!({ "brand": brand, "name": "acme", "domain": DOMAIN });
        for (field, value) in company.as_object().into_iter().flatten() {
            wanted[field] = value.clone();
        }
        let company = switch.rest().write("POST", "/companies", &wanted)["id"].as_i64().expect("an id");
        if furnished {
            for (number, app) in [("100", "attendant"), ("101", "echo"), ("102", "conference")] {
                let target = json!({ "kind": "app", "name": app });
                let extension = json!({ "company": company, "number": number, "target": target });
                let _ = switch.rest().write("POST", "/extensions", &extension);
            }
        }
        Office { switch, certificate, company, _data: data }
    }

    /// The switch.
    #[must_use]
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// The same, to be sent signals.
    pub fn switch_mut(&mut self) -> &mut Switch {
        &mut self.switch
    }

    /// What its peers are to trust.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Where it listens for `udp`, `tcp`, `tls`, `ws` or `wss`.
    #[must_use]
    pub fn at(&self, transport: &str) -> SocketAddr {
        self.switch.listener(transport)
    }

    /// Adds an account; gives its id.
    ///
    /// # Panics
    /// When it is refused.
    pub fn account(&self, username: &str) -> i64 {
        self.account_with(username, PASSWORD)
    }

    /// Adds an account with this password; gives its id.
    ///
    /// # Panics
    /// When it is refused.
    pub fn account_with(&self, username: &str, password: &str) -> i64 {
        let account = json!({ "company": self.company, "username": username, "password": password });
        self.switch.rest().write("POST", "/accounts", &account)["id"].as_i64().expect("an id")
    }

    /// Changes the company: `{ "media_security": "require" }`.
    pub fn change(&self, company: &Value) {
        self.switch.rest().write("PATCH", &format!("/companies/{}", self.company), company);
    }

    /// The company's id.
    #[must_use]
    pub fn company(&self) -> i64 {
        self.company
    }

    /// Waits until this account has so many bindings over a transport.
    pub fn registered(&self, username: &str, transport: &str, bindings: usize) {
        let over = format!("{transport}/");
        until(&format!("the registration of {username}"), || {
            let all = self.switch.rest().all("/registrations");
            let here =
                |r: &&Value| r["username"] == username && r["source"].as_str().is_some_and(|s| s.starts_with(&over));
            (all.iter().filter(here).count() >= bindings).then_some(())
        });
    }

    /// Waits until the live calls are those: the states of each, as `answered`.
    pub fn calls(&self, states: &[&str]) -> Vec<Value> {
        until(&format!("calls that are {states:?}"), || {
            let calls = self.switch.rest().all("/calls");
            let mut now: Vec<&str> = calls.iter().filter_map(|c| c["state"].as_str()).collect();
            now.sort_unstable();
            (now == states).then(|| calls.clone())
        })
    }

    /// Waits for so many CDRs: `role party cause`, sorted.
    #[must_use]
    pub fn cdrs(&self, legs: usize) -> Vec<String> {
        let all = until("the CDRs", || Some(self.switch.rest().all("/cdrs")).filter(|c| c.len() >= legs));
        let text = |c: &Value, name: &str| c[name].as_str().unwrap_or_default().to_owned();
        let mut lines: Vec<String> =
            all.iter().map(|c| format!("{} {} {}", text(c, "role"), text(c, "callee"), text(c, "cause"))).collect();
        lines.sort();
        lines
    }
}
