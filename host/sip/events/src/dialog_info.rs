//! The calls of an account as RFC 4235 shows them: dialog-info documents, full and partial.

use crate::document::Document;
use crate::package::Package;
use crate::xml::escape;
use core::fmt::Write;

/// Who began a dialog, seen from the watched party (RFC 4235 section 4.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The watched party called.
    Initiator,
    /// The watched party was called.
    Recipient,
}

/// Where a dialog stands (RFC 4235 section 3.7.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// The INVITE is out.
    Trying,
    /// It rings.
    Early,
    /// It was answered.
    Confirmed,
}

/// A party of a dialog.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Party {
    /// Its SIP URI, as others reach it through us.
    pub uri: String,
    /// Its name; empty for none.
    pub display: String,
}

/// One dialog of the watched party, as the party itself sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dialog {
    /// Names the dialog in all documents about the party.
    pub id: String,
    /// Its Call-ID.
    pub call_id: String,
    /// The watched party's tag; `None` as long as it has none.
    pub local_tag: Option<String>,
    /// The other side's tag: ours.
    pub remote_tag: Option<String>,
    /// Who began it.
    pub direction: Direction,
    /// Where it stands.
    pub phase: Phase,
    /// Whether the watched party holds the other (RFC 4235 section 4.1.6.3, `+sip.rendering`).
    pub held: bool,
    /// With whom; `None` where the caller withheld its identity (RFC 3323).
    pub remote: Option<Party>,
}

/// What is watched, with how and since when each dialog changed.
///
/// # Invariants
/// `gone` is in order of its generations, and none of them is below `floor`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialogs {
    standing: Vec<(u64, Dialog)>,
    gone: Vec<(u64, Dialog)>,
    /// A watcher who saw less than this generation gets everything.
    floor: u64,
}

/// Ended dialogs that are remembered for watchers who have not heard of the end.
const GONE_MAX: usize = 16;

impl Dialogs {
    /// Takes the dialogs as they are now; `true` where that is news, which is then numbered `generation`.
    pub(crate) fn set(&mut self, now: Vec<Dialog>, generation: u64) -> bool {
        let mut changed = false;
        let mut standing = Vec::with_capacity(now.len());
        for dialog in now {
            match self.standing.iter().position(|(_, old)| old.id == dialog.id) {
                Some(at) => {
                    let (since, old) = self.standing.remove(at);
                    let same = old == dialog;
                    changed |= !same;
                    standing.push((if same { since } else { generation }, dialog));
                }
                None => {
                    changed = true;
                    standing.push((generation, dialog));
                }
            }
        }
        for (_, old) in core::mem::replace(&mut self.standing, standing) {
            changed = true;
            self.gone.push((generation, old));
        }
        while self.gone.len() > GONE_MAX {
            self.floor = self.gone.remove(0).0;
        }
        changed
    }

    /// The whole state.
    pub(crate) fn full(&self, entity: &str) -> Document {
        let standing = self.standing.iter().map(|(_, dialog)| (dialog, dialog.phase.word()));
        document(entity, "full", standing)
    }

    /// What changed after generation `seen`; `None` where that is not known any more.
    pub(crate) fn since(&self, entity: &str, seen: u64) -> Option<Document> {
        if seen < self.floor {
            return None;
        }
        let standing = self.standing.iter().filter(|(at, _)| *at > seen).map(|(_, d)| (d, d.phase.word()));
        let gone = self.gone.iter().filter(|(at, _)| *at > seen).map(|(_, d)| (d, "terminated"));
        Some(document(entity, "partial", standing.chain(gone)))
    }
}

impl Phase {
    const fn word(self) -> &'static str {
        match self {
            Phase::Trying => "trying",
            Phase::Early => "early",
            Phase::Confirmed => "confirmed",
        }
    }
}

fn document<'a>(entity: &str, state: &str, dialogs: impl Iterator<Item = (&'a Dialog, &'static str)>) -> Document {
    let before = "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"";
    let entity = escape(entity);
    let mut after = format!("\" state=\"{state}\" entity=\"{entity}\">\n");
    for (dialog, state) in dialogs {
        element(&mut after, &entity, dialog, state);
    }
    after.push_str("</dialog-info>\n");
    Document::versioned(Package::Dialog.media_type(), before.to_owned(), after)
}

/// One `dialog` element. Writing to a string cannot fail.
fn element(out: &mut String, entity: &str, dialog: &Dialog, state: &str) {
    let _ = write!(out, "<dialog id=\"{}\" call-id=\"{}\"", escape(&dialog.id), escape(&dialog.call_id));
    for (name, tag) in [("local-tag", &dialog.local_tag), ("remote-tag", &dialog.remote_tag)] {
        if let Some(tag) = tag.as_deref().filter(|t| !t.is_empty()) {
            let _ = write!(out, " {name}=\"{}\"", escape(tag));
        }
    }
    let direction = match dialog.direction {
        Direction::Initiator => "initiator",
        Direction::Recipient => "recipient",
    };
    let _ = write!(out, " direction=\"{direction}\"><state>{state}</state><local><identity>{entity}</identity>");
    let held = if dialog.held && state != "terminated" { "<param pname=\"+sip.rendering\" pval=\"no\"/>" } else { "" };
    let _ = write!(out, "<target uri=\"{entity}\">{held}</target></local>");
    let (uri, display) = match &dialog.remote {
        Some(party) => (escape(&party.uri), escape(&party.display)),
        None => ("sip:anonymous@anonymous.invalid".to_owned(), String::new()),
    };
    let display = if display.is_empty() { display } else { format!(" display=\"{display}\"") };
    let _ = writeln!(out, "<remote><identity{display}>{uri}</identity><target uri=\"{uri}\"/></remote></dialog>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(id: &str, phase: Phase) -> Dialog {
        Dialog {
            id: id.to_owned(),
            call_id: format!("{id}@x"),
            local_tag: Some("lt".to_owned()),
            remote_tag: None,
            direction: Direction::Recipient,
            phase,
            held: false,
            remote: Some(Party { uri: "sip:1001@demo.test".to_owned(), display: "A \"b\" <c>".to_owned() }),
        }
    }

    fn text(document: &Document) -> String {
        String::from_utf8(document.body(3).to_vec()).unwrap()
    }

    #[test]
    fn a_full_document_says_who_and_where() {
        let mut dialogs = Dialogs::default();
        assert!(dialogs.set(vec![dialog("1", Phase::Early)], 1));
        let full = text(&dialogs.full("sip:1002@demo.test"));
        assert!(crate::xml::read(&full).is_some(), "{full}");
        assert!(full.contains("version=\"3\" state=\"full\" entity=\"sip:1002@demo.test\""));
        assert!(
            full.contains("<dialog id=\"1\" call-id=\"1@x\" local-tag=\"lt\" direction=\"recipient\"><state>early")
        );
        assert!(full.contains("<identity display=\"A &quot;b&quot; &lt;c&gt;\">sip:1001@demo.test</identity>"));
        let hidden = Dialog { remote: None, held: true, ..dialog("1", Phase::Confirmed) };
        assert!(dialogs.set(vec![hidden], 2));
        let full = text(&dialogs.full("sip:1002@demo.test"));
        assert!(full.contains("sip:anonymous@anonymous.invalid") && !full.contains("1001"), "{full}");
        assert!(full.contains("<param pname=\"+sip.rendering\" pval=\"no\"/>"));
    }

    #[test]
    fn a_partial_document_says_what_changed_since() {
        let mut dialogs = Dialogs::default();
        assert!(!dialogs.set(Vec::new(), 1));
        assert!(dialogs.set(vec![dialog("1", Phase::Early), dialog("2", Phase::Confirmed)], 2));
        assert!(!dialogs.set(vec![dialog("2", Phase::Confirmed), dialog("1", Phase::Early)], 3), "order is no news");
        assert!(dialogs.set(vec![dialog("1", Phase::Confirmed)], 4));
        let partial = text(&dialogs.since("sip:x@y", 2).unwrap());
        assert!(partial.contains("state=\"partial\""));
        assert!(partial.contains("id=\"1\"") && partial.contains("<state>confirmed"));
        assert!(partial.contains("id=\"2\"") && partial.contains("<state>terminated"));
        let partial = text(&dialogs.since("sip:x@y", 4).unwrap());
        assert!(!partial.contains("<dialog "), "{partial}");
    }

    #[test]
    fn who_missed_too_much_gets_everything() {
        let mut dialogs = Dialogs::default();
        for generation in 1..=40 {
            let standing =
                if generation % 2 == 1 { vec![dialog(&generation.to_string(), Phase::Early)] } else { vec![] };
            dialogs.set(standing, generation);
        }
        assert!(dialogs.since("sip:x@y", 1).is_none());
        let late = dialogs.since("sip:x@y", 38).unwrap();
        assert_eq!(text(&late).matches("<state>terminated").count(), 1);
        assert_eq!(dialogs.gone.len(), GONE_MAX);
    }
}
