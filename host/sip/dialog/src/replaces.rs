//! Replaces (RFC 3891): naming a dialog from outside of it.

use crate::DialogKey;
use crate::layer::Layer;
use crate::usage::{Phase, Role};
use sip_message::{Message, Name};

/// The dialog a Replaces names, in the words of the side that reads it: our tag is its to-tag (section 3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    /// The dialog's Call-ID.
    pub call_id: String,
    /// The reader's own tag.
    pub to_tag: String,
    /// The other side's tag.
    pub from_tag: String,
    /// Only an early dialog is meant: one that is answered is not to be replaced.
    pub early_only: bool,
}

/// The value could not be read, or there was more than one: answer 400 (section 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Replaces cannot be read")]
pub struct BadReplaces;

/// What a Replaces has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Named {
    /// A confirmed dialog.
    Confirmed(DialogKey),
    /// An early dialog that an INVITE of ours made: the one kind that an INVITE may replace.
    EarlyOurs(DialogKey),
    /// An early dialog that an INVITE of theirs made.
    EarlyTheirs(DialogKey),
    /// It has just been hung up: 603.
    Ending,
    /// No dialog of ours: 481.
    Unknown,
}

impl Replaces {
    /// Reads a header value: `call-id;to-tag=..;from-tag=..[;early-only]`.
    ///
    /// # Errors
    /// No Call-ID, or a tag is missing or there twice.
    pub fn parse(value: &str) -> Result<Replaces, BadReplaces> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty()).ok_or(BadReplaces)?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            let (name, text) = part.split_once('=').unwrap_or((part, ""));
            let slot = match name.trim().to_ascii_lowercase().as_str() {
                "to-tag" => &mut to_tag,
                "from-tag" => &mut from_tag,
                "early-only" => {
                    early_only = true;
                    continue;
                }
                _ => continue,
            };
            if slot.replace(text.trim().to_owned()).is_some() {
                return Err(BadReplaces);
            }
        }
        let tags = (to_tag.ok_or(BadReplaces)?, from_tag.ok_or(BadReplaces)?);
        Ok(Replaces { call_id, to_tag: tags.0, from_tag: tags.1, early_only })
    }

    /// The Replaces of a request; `None` where it has none.
    ///
    /// # Errors
    /// There is more than one, or it cannot be read.
    pub fn of(request: &Message) -> Result<Option<Replaces>, BadReplaces> {
        let mut fields = request.headers(Name::Replaces);
        let Some(first) = fields.next() else { return Ok(None) };
        if fields.next().is_some() {
            return Err(BadReplaces);
        }
        Replaces::parse(&first.text()).map(Some)
    }
}

impl Layer {
    /// The dialog of ours that a Replaces names. A tag of ours is 100 random bits: who can name it has heard it.
    #[must_use]
    pub fn named(&self, replaces: &Replaces) -> Named {
        let Some((key, usage)) = self.by_tag(&replaces.to_tag) else { return Named::Unknown };
        if !usage.matches(&replaces.call_id, &replaces.from_tag) {
            return Named::Unknown;
        }
        match &usage.phase {
            Phase::Confirmed(confirmed) if confirmed.leaving.is_none() => Named::Confirmed(key),
            Phase::Confirmed(_) | Phase::Leaving(_) => Named::Ending,
            Phase::Calling(calling) => {
                let heard = calling.early.iter().any(|early| early.remote_tag == replaces.from_tag);
                if heard { Named::EarlyOurs(key) } else { Named::Unknown }
            }
            Phase::Ringing(_) if usage.role == Role::Uas => Named::EarlyTheirs(key),
            Phase::Ringing(_) | Phase::Over => Named::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_or_refused() {
        let good = Replaces::parse("98732@sip.example.com ;from-tag=r33th4x0r;to-tag=ff87ff").expect("as in the RFC");
        assert_eq!((good.call_id.as_str(), good.to_tag.as_str()), ("98732@sip.example.com", "ff87ff"));
        assert_eq!((good.from_tag.as_str(), good.early_only), ("r33th4x0r", false));
        assert!(Replaces::parse("a;to-tag=1;from-tag=2;early-only").is_ok_and(|r| r.early_only));
        for bad in ["", ";to-tag=1;from-tag=2", "a;to-tag=1", "a;from-tag=1", "a;to-tag=1;to-tag=2;from-tag=3"] {
            assert_eq!(Replaces::parse(bad), Err(BadReplaces), "{bad}");
        }
    }
}
