//! A phone that registers, with the words of a ladder: `erin > REGISTER auth nat instance=1 reg-id=2 path gruu`.

use crate::party::{Party, field};
use sip_auth::Credentials;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "secret";

impl Party {
    /// `auth` answers the last challenge, `wrong` with a wrong password, `replay` with the count of before; `nat` gives
    /// a private contact; `instance=N` and `reg-id=N` name a flow of a device; `path` says that an edge proxy is on the
    /// way, which keeps flows if `path=ob`; `gruu` wants GRUUs; `agent=X`, `expires=N`, `port=N`, `q=X` and `domain=X`
    /// say so.
    pub(crate) fn register(&mut self, words: &[&str]) -> String {
        let value = |key: &str| words.iter().find_map(|w| w.strip_prefix(key));
        let has = |word: &str| words.contains(&word);
        let domain = value("domain=").unwrap_or("demo.test").to_owned();
        let ip = if has("nat") { "192.168.0.5".to_owned() } else { self.address.ip().to_string() };
        let mut contact = format!("<sip:{}@{ip}:{}>", self.number, value("port=").unwrap_or("5060"));
        if let Some(q) = value("q=") {
            contact.push_str(&format!(";q={q}"));
        }
        if let Some(instance) = value("instance=") {
            contact.push_str(&format!(";+sip.instance=\"<urn:uuid:{instance}>\""));
        }
        if let Some(reg_id) = value("reg-id=") {
            contact.push_str(&format!(";reg-id={reg_id}"));
        }
        let mut more = format!("Contact: {contact};expires={}\r\n", value("expires=").unwrap_or("600"));
        if let Some(agent) = value("agent=") {
            more.push_str(&format!("User-Agent: {agent}\r\n"));
        }
        if let Some(path) = words.iter().find(|w| w.starts_with("path")) {
            let ob = if *path == "path=ob" { ";ob" } else { "" };
            more.push_str(&format!(
                "Path: <sip:edge@{};lr{ob}>\r\nVia: SIP/2.0/UDP 192.168.0.5;branch=z9hG4bKphone\r\n",
                self.address
            ));
        }
        if has("gruu") || value("reg-id=").is_some() {
            more.push_str("Supported: path, outbound, gruu\r\n");
        }
        if let Some(credentials) = self.credentials(&domain, words) {
            more.push_str(&format!("Authorization: {credentials}\r\n"));
        }
        let (cseq, via) = (self.next_cseq(), self.via());
        let (number, device) = (self.number, value("reg-id=").unwrap_or("0"));
        format!(
            "REGISTER sip:{domain} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:{number}@{domain}>;tag=r{cseq}\r\n\
             To: <sip:{number}@{domain}>\r\nCall-ID: reg-{}-{device}\r\nCSeq: {cseq} REGISTER\r\n{more}Content-Length: 0\r\n\r\n",
            self.name
        )
    }

    fn credentials(&mut self, domain: &str, words: &[&str]) -> Option<String> {
        let password = match words {
            w if w.contains(&"wrong") => "guess",
            w if w.contains(&"auth") || w.contains(&"replay") => PASSWORD,
            _ => return None,
        };
        let username = self.number;
        let (challenge, count) = self.challenge.as_mut()?;
        if !words.contains(&"replay") {
            *count += 1;
        }
        let who = Credentials { username, password };
        sip_auth::answer(&[challenge.as_str()], &who, ("REGISTER", &format!("sip:{domain}")), "c", *count).ok()
    }
}

/// What a ladder shows of a 200 to a REGISTER, besides its first line.
pub(crate) fn registered(message: &str) -> String {
    let mut out = String::new();
    let contacts = message.lines().filter_map(|l| l.strip_prefix("Contact: "));
    for contact in contacts {
        // What is drawn by lot would hide what matters.
        let shown: Vec<&str> = contact.split(';').filter(|p| !p.contains("temp-gruu") && *p != "gr\"").collect();
        out.push_str(&format!(" {}", shown.join(";")));
    }
    for name in ["require", "path", "service-route", "min-expires", "retry-after"] {
        if let Some(value) = field(message, name) {
            out.push_str(&format!(" {name}={value}"));
        }
    }
    if field(message, "www-authenticate").is_some_and(|c| c.contains("stale=true")) {
        out.push_str(" stale");
    }
    out
}
