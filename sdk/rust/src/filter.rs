//! Filters of SIP messages: header fields of INVITEs and their responses, where they enter and leave.

use crate::generated::sip_filter::exports::strowger::hooks::sip_filter as wit;
use crate::{Header, HeaderOp, Result};

pub use wit::{Message, Verdict};

#[doc(hidden)]
pub use wit::Guest as SipFilterGuest;

/// Asked for every INVITE and every response to one at the trunks and terminals of its binding. A fresh instance answers
/// each question; nothing is remembered.
pub trait SipFilter {
    /// What of the message shall be otherwise?
    ///
    /// # Errors
    /// The filter cannot judge: the message passes unchanged, or not at all where the binding is mandatory.
    fn filter(message: Message) -> Result<Verdict>;
}

/// Lets it pass as it is.
#[must_use]
pub fn pass() -> Verdict {
    Verdict::Pass(Vec::new())
}

/// Lets it pass, changed so, in this order.
#[must_use]
pub fn pass_with(changes: impl IntoIterator<Item = HeaderOp>) -> Verdict {
    Verdict::Pass(changes.into_iter().collect())
}

/// Answers an INVITE that begins a call, on its way in ([`is_refusable`]), with 400 to 699 and a reason.
#[must_use]
pub fn refuse(sip: u16, reason: &str) -> Verdict {
    Verdict::Refuse((sip, reason.to_owned()))
}

/// Whether it may be refused.
#[must_use]
pub fn is_refusable(message: &Message) -> bool {
    message.inbound && !message.within && message.status.is_none()
}

/// The value of the first field of that name, in whatever case it is written.
#[must_use]
pub fn field<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
}

/// One field of that name in place of all.
#[must_use]
pub fn set(name: &str, value: &str) -> HeaderOp {
    HeaderOp::Set(Header { name: name.to_owned(), value: value.to_owned() })
}

/// One more field.
#[must_use]
pub fn add(name: &str, value: &str) -> HeaderOp {
    HeaderOp::Add(Header { name: name.to_owned(), value: value.to_owned() })
}

/// No field of that name.
#[must_use]
pub fn remove(name: &str) -> HeaderOp {
    HeaderOp::Remove(name.to_owned())
}

/// Exports a [`SipFilter`].
#[macro_export]
macro_rules! export_sip_filter {
    ($filter:ty) => {
        #[doc(hidden)]
        struct StrowgerSipFilterExport;
        impl $crate::filter::SipFilterGuest for StrowgerSipFilterExport {
            fn filter(message: $crate::filter::Message) -> $crate::Result<$crate::filter::Verdict> {
                $crate::log_panics();
                <$filter as $crate::filter::SipFilter>::filter(message)
            }
        }
        $crate::generated::sip_filter::export_sip_filter_bindings!(
            StrowgerSipFilterExport with_types_in $crate::generated::sip_filter
        );
    };
}
