//! Lists of resources (RFC 4662): one subscription, one NOTIFY with the states of many.

use crate::xml::escape;
use bytes::Bytes;
use core::fmt::Write;

/// One resource of a list, as one NOTIFY shows it.
#[derive(Clone, Debug)]
pub(crate) struct Shown<'a> {
    /// Its URI.
    pub(crate) uri: &'a str,
    /// What people call it; empty for nothing.
    pub(crate) name: &'a str,
    /// The media type and the text; `None` where the resource is only named.
    pub(crate) state: Option<(&'static str, Bytes)>,
    /// The virtual subscription is over: nothing is known of such a resource.
    pub(crate) gone: bool,
}

/// What is the same for a whole NOTIFY.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// The list's URI.
    pub(crate) uri: &'a str,
    /// How many documents this subscriber has had.
    pub(crate) version: u32,
    /// Whether every resource is named.
    pub(crate) full: bool,
    /// Separates the parts; it occurs in none of them, as it is random.
    pub(crate) boundary: &'a str,
}

/// The value of Content-Type and the body (RFC 4662 section 5, RFC 2387).
pub(crate) fn body(frame: Frame<'_>, shown: &[Shown<'_>]) -> (String, Bytes) {
    let Frame { uri, version, full, boundary } = frame;
    let mut list = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<list xmlns=\"urn:ietf:params:xml:ns:rlmi\" uri=\"{}\" \
         version=\"{version}\" fullState=\"{full}\">\r\n",
        escape(uri)
    );
    let mut parts: Vec<u8> = Vec::new();
    for (one, number) in shown.iter().zip(1_usize..) {
        let _ = write!(list, "<resource uri=\"{}\">", escape(one.uri));
        if !one.name.is_empty() {
            let _ = write!(list, "<name>{}</name>", escape(one.name));
        }
        match &one.state {
            Some((media_type, text)) => {
                let _ = write!(list, "<instance id=\"i\" state=\"active\" cid=\"{number}@{boundary}\"/>");
                part(&mut parts, boundary, &format!("{number}@{boundary}"), media_type);
                parts.extend_from_slice(text);
            }
            None if one.gone => {
                list.push_str("<instance id=\"i\" state=\"terminated\" reason=\"noresource\"/>");
            }
            None => {}
        }
        list.push_str("</resource>\r\n");
    }
    list.push_str("</list>");
    let mut whole: Vec<u8> = Vec::with_capacity(list.len() + parts.len() + 256);
    part(&mut whole, boundary, &format!("0@{boundary}"), "application/rlmi+xml;charset=\"UTF-8\"");
    whole.extend_from_slice(list.as_bytes());
    whole.extend_from_slice(&parts);
    whole.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    // A multipart body begins with its first boundary, not with the line end before it.
    let whole = Bytes::from(whole).slice(2..);
    let content_type =
        format!("multipart/related;type=\"application/rlmi+xml\";start=\"<0@{boundary}>\";boundary=\"{boundary}\"");
    (content_type, whole)
}

fn part(out: &mut Vec<u8>, boundary: &str, id: &str, media_type: &str) {
    let head = format!(
        "\r\n--{boundary}\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <{id}>\r\nContent-Type: {media_type}\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_all_and_carries_the_states_that_are_known() {
        let frame = Frame { uri: "sip:blf-desk@demo.test", version: 2, full: true, boundary: "bdry" };
        let shown = [
            Shown {
                uri: "sip:1001@demo.test",
                name: "Alice & Co",
                state: Some(("application/dialog-info+xml", Bytes::from_static(b"<dialog-info/>\n"))),
                gone: false,
            },
            Shown { uri: "sip:gone@demo.test", name: "", state: None, gone: true },
            Shown { uri: "sip:later@demo.test", name: "", state: None, gone: false },
        ];
        let (content_type, body) = body(frame, &shown);
        assert!(content_type.contains("start=\"<0@bdry>\""));
        let text = String::from_utf8(body.to_vec()).unwrap();
        let parts: Vec<&str> = text.split("--bdry").collect();
        assert_eq!(parts.len(), 4, "{text}");
        assert_eq!((parts[0], parts[3]), ("", "--\r\n"));
        let (head, list) = parts[1].split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-ID: <0@bdry>"));
        let list = crate::xml::read(list).unwrap();
        assert_eq!(list.all("resource").count(), 3);
        assert!(list.children[0].child("instance").is_some() && list.children[2].child("instance").is_none());
        assert!(text.contains("version=\"2\" fullState=\"true\"") && text.contains("cid=\"1@bdry\""));
        assert!(parts[2].contains("Content-ID: <1@bdry>") && parts[2].ends_with("<dialog-info/>\n\r\n"));
    }
}
