//! Presence: what phones publish about themselves (RFC 3856, PIDF of RFC 3863, activities of RFC 4480), put together
//! with what the switch knows.
//!
//! A published document is read, not passed on: what watchers get is always written here, so that nobody's XML reaches
//! another's phone.

use crate::document::Document;
use crate::package::Package;
use crate::xml::{self, Element, escape};
use core::fmt::Write;
use std::collections::BTreeSet;

/// Longest note, in characters.
const NOTE_MAX: usize = 256;
/// Most tuples of one publication.
const TUPLES_MAX: usize = 8;

/// What somebody does (RFC 4480 section 3.2), as far as phones show it.
const ACTIVITIES: &[&str] = &[
    "appointment",
    "away",
    "breakfast",
    "busy",
    "dinner",
    "holiday",
    "in-transit",
    "lunch",
    "meal",
    "meeting",
    "on-the-phone",
    "permanent-absence",
    "playing",
    "presentation",
    "sleeping",
    "steering",
    "travel",
    "tv",
    "vacation",
    "working",
    "worship",
];
/// The activity that the switch adds.
const ON_THE_PHONE: &str = "on-the-phone";

/// One way to reach somebody.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tuple {
    /// Whether it is open.
    pub open: bool,
    /// Its URI; empty for none.
    pub contact: String,
    /// What it says; empty for nothing.
    pub note: String,
}

/// Somebody's presence, read from a document or put together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Presence {
    /// The ways.
    pub tuples: Vec<Tuple>,
    /// What they do; every word is of RFC 4480.
    pub activities: BTreeSet<&'static str>,
    /// What they say; empty for nothing.
    pub note: String,
}

impl Presence {
    /// Reads a PIDF document; `None` where it is none.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Presence> {
        let root = xml::read(core::str::from_utf8(body).ok()?)?;
        if root.name != "presence" {
            return None;
        }
        let mut presence = Presence::default();
        for tuple in root.all("tuple").take(TUPLES_MAX) {
            let status = tuple.child("status");
            presence.tuples.push(Tuple {
                open: status.and_then(|s| s.child("basic")).is_some_and(|b| b.text.trim() == "open"),
                contact: tuple.child("contact").map(words).unwrap_or_default(),
                note: tuple.child("note").map(words).unwrap_or_default(),
            });
            // Before RFC 4479 activities stood in the status of a tuple; some phones never learned better.
            presence.take_activities(tuple);
            status.into_iter().for_each(|s| presence.take_activities(s));
        }
        for person in root.all("person") {
            presence.take_activities(person);
            if let Some(note) = person.child("note") {
                presence.note = words(note);
            }
        }
        if let Some(note) = root.child("note") {
            presence.note = words(note);
        }
        Some(presence)
    }

    fn take_activities(&mut self, of: &Element) {
        for activity in of.all("activities").flat_map(|a| &a.children) {
            self.activities.extend(ACTIVITIES.iter().copied().find(|known| *known == activity.name));
        }
    }

    /// One presence out of all that was published, newest last, and of what the switch sees: without a publication,
    /// who has a binding can be reached; who is in an answered call is on the phone, whatever was published.
    #[must_use]
    pub fn composed<'a>(published: impl Iterator<Item = &'a Presence>, bound: bool, on_the_phone: bool) -> Presence {
        let mut whole = Presence::default();
        for one in published {
            whole.tuples.extend(one.tuples.iter().cloned());
            whole.activities.extend(&one.activities);
            if !one.note.is_empty() {
                whole.note.clone_from(&one.note);
            }
        }
        whole.tuples.truncate(TUPLES_MAX);
        if whole.tuples.is_empty() {
            whole.tuples.push(Tuple { open: bound, contact: String::new(), note: String::new() });
        }
        if on_the_phone {
            whole.activities.insert(ON_THE_PHONE);
        }
        whole
    }

    /// The PIDF document about `entity`.
    #[must_use]
    pub fn document(&self, entity: &str) -> Document {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
             xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\" \
             entity=\"{}\">\n",
            escape(entity)
        );
        for (tuple, number) in self.tuples.iter().zip(1_usize..) {
            let basic = if tuple.open { "open" } else { "closed" };
            let contact = if tuple.contact.is_empty() { entity } else { &tuple.contact };
            let _ = write!(
                text,
                "<tuple id=\"t{number}\"><status><basic>{basic}</basic></status><contact>{}</contact>",
                escape(contact)
            );
            note(&mut text, "note", &tuple.note);
            text.push_str("</tuple>\n");
        }
        if !self.activities.is_empty() || !self.note.is_empty() {
            text.push_str("<dm:person id=\"p1\">");
            if !self.activities.is_empty() {
                text.push_str("<rpid:activities>");
                self.activities.iter().for_each(|a| text.push_str(&format!("<rpid:{a}/>")));
                text.push_str("</rpid:activities>");
            }
            note(&mut text, "dm:note", &self.note);
            text.push_str("</dm:person>\n");
        }
        text.push_str("</presence>\n");
        Document::plain(Package::Presence.media_type(), text)
    }
}

fn note(out: &mut String, element: &str, words: &str) {
    if !words.is_empty() {
        let _ = write!(out, "<{element}>{}</{element}>", escape(words));
    }
}

/// An element's text for people: one line, of bounded length.
fn words(element: &Element) -> String {
    let text = element.text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(NOTE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = "<?xml version=\"1.0\"?><pres:presence xmlns:pres=\"urn:ietf:params:xml:ns:pidf\" \
        xmlns:r=\"urn:ietf:params:xml:ns:pidf:rpid\" entity=\"sip:somebody.else@x\"><pres:tuple id=\"a\"><pres:status>\
        <pres:basic>open</pres:basic></pres:status><pres:contact>sip:1001@10.0.0.1</pres:contact></pres:tuple>\
        <person><r:activities><r:meeting/><r:rocketry/></r:activities><note> Back\n at &lt;three&gt; </note></person>\
        </pres:presence>";

    #[test]
    fn a_publication_is_read_and_written_anew() {
        let presence = Presence::read(PUBLISHED.as_bytes()).unwrap();
        assert_eq!(presence.activities, BTreeSet::from(["meeting"]));
        assert_eq!(presence.note, "Back at <three>");
        let text = String::from_utf8(presence.document("sip:1001@demo.test").body(0).to_vec()).unwrap();
        assert!(text.contains("entity=\"sip:1001@demo.test\"") && !text.contains("somebody"), "{text}");
        assert_eq!(Presence::read(text.as_bytes()).unwrap(), presence);
    }

    #[test]
    fn what_is_no_presence_is_refused() {
        for bad in [&b"<presence>"[..], b"<reginfo/>", b"\xff", b"", b"<!DOCTYPE x><presence/>"] {
            assert_eq!(Presence::read(bad), None);
        }
        assert_eq!(Presence::read(b"<presence/>"), Some(Presence::default()));
    }

    #[test]
    fn what_the_switch_knows_is_added() {
        let nothing = || core::iter::empty::<&Presence>();
        assert!(!Presence::composed(nothing(), false, false).tuples[0].open);
        assert!(Presence::composed(nothing(), true, false).tuples[0].open);
        let published = Presence::read(PUBLISHED.as_bytes()).unwrap();
        let closed =
            Presence::read(b"<presence><tuple><status><basic>closed</basic></status></tuple></presence>").unwrap();
        let whole = Presence::composed([&closed, &published].into_iter(), false, true);
        assert_eq!(whole.tuples.iter().map(|t| t.open).collect::<Vec<_>>(), [false, true]);
        assert_eq!(whole.activities, BTreeSet::from(["meeting", "on-the-phone"]));
        assert_eq!(whole.note, "Back at <three>");
    }
}
