//! A message-summary NOTIFY that nobody subscribed to: phones of many makers light their lamp by it.
//!
//! RFC 6665 has no such NOTIFY; RFC 3842 deployments do. It is sent outside any dialog, to a binding, once.

use crate::messages::{Place, routed};
use crate::summary::Summary;
use sip_message::RequestWriter;

/// The NOTIFY to `place` about the mailbox of `aor` (a URI); `ids` are a Call-ID and a tag.
#[must_use]
pub fn summary_notify(
    aor: &str,
    place: &Place,
    summary: &Summary,
    ids: (&str, &str),
    user_agent: &str,
) -> RequestWriter {
    let (call_id, tag) = ids;
    let document = summary.document(aor);
    let request = routed(RequestWriter::new("NOTIFY", &place.uri), &place.routes)
        .header("Max-Forwards", "70")
        .header("From", format!("<{aor}>;tag={tag}"))
        .header("To", format!("<{aor}>"))
        .header("Call-ID", call_id)
        .header("CSeq", "1 NOTIFY")
        .header("Event", "message-summary")
        .header("Subscription-State", "active");
    let request = if user_agent.is_empty() { request } else { request.header("User-Agent", user_agent) };
    request.body(document.media_type(), document.body(0))
}
