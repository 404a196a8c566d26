//! The bindings of an account (RFC 3680), with the public GRUUs of its devices (RFC 5628).

use crate::document::Document;
use crate::package::Package;
use crate::xml::escape;
use core::fmt::Write;
use model::BindingGone;

/// One binding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contact {
    /// Its URI.
    pub uri: String,
    /// Its preference, in thousandths.
    pub q: u16,
    /// The URN of its device, where it says (RFC 5626).
    pub instance: Option<String>,
    /// The device's public GRUU (RFC 5627).
    pub gruu: Option<String>,
}

impl Contact {
    /// What stands behind the URI in its element.
    fn more(&self) -> String {
        let instance = self.instance.iter().map(|urn| {
            format!("<unknown-param name=\"+sip.instance\">{}</unknown-param>", escape(&format!("\"<{urn}>\"")))
        });
        let gruu = self.gruu.iter().map(|gruu| format!("<gr:pub-gruu uri=\"{}\"/>", escape(gruu)));
        instance.chain(gruu).collect()
    }
}

/// The bindings watched. A document always shows all that stand, and those that ended with the change before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bindings {
    standing: Vec<(u64, Contact)>,
    gone: Vec<(u64, Contact, BindingGone)>,
    next_id: u64,
    known: bool,
}

impl Bindings {
    /// Takes the bindings as they are now, and why those that ended did; `true` where that is news. A refresh is none.
    pub(crate) fn set(&mut self, now: Vec<Contact>, ended: &[(String, BindingGone)]) -> bool {
        let first = !core::mem::replace(&mut self.known, true);
        let mut standing = Vec::with_capacity(now.len());
        let mut changed = false;
        for contact in now {
            match self.standing.iter().position(|(_, old)| *old == contact) {
                Some(at) => standing.push(self.standing.remove(at)),
                None => {
                    changed = true;
                    self.next_id += 1;
                    standing.push((self.next_id, contact));
                }
            }
        }
        let gone = core::mem::replace(&mut self.standing, standing);
        changed |= !gone.is_empty();
        if changed {
            let why = |uri: &str| ended.iter().find(|(contact, _)| contact == uri).map(|(_, why)| *why);
            let told = |(id, contact): (u64, Contact)| {
                let why = why(&contact.uri).unwrap_or(BindingGone::Unregistered);
                (id, contact, why)
            };
            self.gone = gone.into_iter().map(told).collect();
        }
        changed || first
    }

    /// The document.
    pub(crate) fn full(&self, aor: &str) -> Document {
        let before = "<?xml version=\"1.0\"?>\n<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" \
                      xmlns:gr=\"urn:ietf:params:xml:ns:gruuinfo\" version=\"";
        let state = if !self.standing.is_empty() {
            "active"
        } else if self.next_id == 0 {
            "init"
        } else {
            "terminated"
        };
        let mut after =
            format!("\" state=\"full\">\n<registration aor=\"{}\" id=\"r\" state=\"{state}\">\n", escape(aor));
        let standing = self.standing.iter().map(|(id, c)| (id, c, "active", "registered"));
        let gone = self.gone.iter().map(|(id, c, why)| (id, c, "terminated", why.token()));
        for (id, contact, state, event) in standing.chain(gone) {
            let Contact { uri, q, .. } = contact;
            let _ = writeln!(
                after,
                "<contact id=\"c{id}\" state=\"{state}\" event=\"{event}\" q=\"{}.{:03}\"><uri>{}</uri>{}</contact>",
                q / 1_000,
                q % 1_000,
                escape(uri),
                contact.more()
            );
        }
        after.push_str("</registration>\n</reginfo>\n");
        Document::versioned(Package::Reg.media_type(), before.to_owned(), after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(uri: &str) -> Contact {
        Contact { uri: uri.to_owned(), q: 500, instance: None, gruu: None }
    }

    #[test]
    fn a_device_is_named_with_its_gruu() {
        let mut bindings = Bindings::default();
        let gruu = "sip:1001@demo.test;gr=urn:uuid:1".to_owned();
        bindings.set(
            vec![Contact { instance: Some("urn:uuid:1".to_owned()), gruu: Some(gruu), ..contact("sip:a@b") }],
            &[],
        );
        let text = String::from_utf8(bindings.full("sip:1001@demo.test").body(0).to_vec()).unwrap();
        assert!(crate::xml::read(&text).is_some(), "{text}");
        assert!(text.contains("+sip.instance\">&quot;&lt;urn:uuid:1&gt;&quot;</unknown-param>"), "{text}");
        assert!(text.contains("<gr:pub-gruu uri=\"sip:1001@demo.test;gr=urn:uuid:1\"/></contact>"), "{text}");
    }

    #[test]
    fn bindings_come_and_go_and_keep_their_ids() {
        let mut bindings = Bindings::default();
        assert!(bindings.set(Vec::new(), &[]), "that nothing is there is news to somebody who knows nothing");
        let text = |b: &Bindings| String::from_utf8(b.full("sip:1001@demo.test").body(0).to_vec()).unwrap();
        assert!(text(&bindings).contains("state=\"init\""));
        assert!(bindings.set(vec![contact("sip:a@10.0.0.1?x&y")], &[]));
        assert!(!bindings.set(vec![contact("sip:a@10.0.0.1?x&y")], &[]), "a refresh is no news");
        let one = text(&bindings);
        assert!(crate::xml::read(&one).is_some(), "{one}");
        assert!(one.contains("<contact id=\"c1\" state=\"active\" event=\"registered\" q=\"0.500\">"));
        let expired = ("sip:a@10.0.0.1?x&y".to_owned(), BindingGone::Expired);
        assert!(bindings.set(vec![contact("sip:b@10.0.0.2")], &[expired]));
        let two = text(&bindings);
        assert!(two.contains("id=\"c1\" state=\"terminated\" event=\"expired\""), "{two}");
        assert!(two.contains("id=\"c2\" state=\"active\""), "{two}");
        assert!(bindings.set(Vec::new(), &[]));
        let none = text(&bindings);
        assert!(none.contains("id=\"r\" state=\"terminated\"") && none.contains("event=\"unregistered\""), "{none}");
    }
}
