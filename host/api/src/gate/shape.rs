//! The shape of an answer: its tag, and the fields that were asked for.

use crate::problem::Problem;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Most fields that may be asked for.
const FIELDS_MAX: usize = 64;

/// The tag of a representation (RFC 9110 section 8.8.3): the same bytes have the same tag.
pub(super) fn tag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().take(16).map(|b| format!("{b:02x}")).collect();
    format!("\"{hex}\"")
}

/// The tag as a header.
pub(super) fn tag_header(bytes: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_str(&tag(bytes)).ok()
}

/// Whether the header names this tag, or any; `None` where there is no such header.
pub(super) fn names(headers: &HeaderMap, header: HeaderName, bytes: Option<&[u8]>) -> Option<bool> {
    let mut said = headers.get_all(header).iter().peekable();
    said.peek()?;
    let own = bytes.map(tag);
    Some(said.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).any(|one| {
        let one = one.trim();
        own.as_deref().is_some_and(|own| one == "*" || one.strip_prefix("W/").unwrap_or(one) == own)
    }))
}

/// Takes `fields=a,b` out of the query.
pub(super) fn take_fields(uri: &mut Uri) -> Result<Option<Vec<String>>, Problem> {
    let Some(query) = uri.query().filter(|q| q.split('&').any(|p| p.starts_with("fields="))) else { return Ok(None) };
    let (named, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(|p| p.starts_with("fields="));
    let named = named.iter().filter_map(|p| p.strip_prefix("fields=")).collect::<Vec<_>>().join(",");
    let named = named.replace("%2C", ",").replace("%2c", ",");
    let fields: Vec<String> = named.split(',').map(str::to_owned).collect();
    let word = |f: &String| !f.is_empty() && f.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fields.len() > FIELDS_MAX || !fields.iter().all(word) {
        return Err(Problem::field("fields", "expected names of fields with commas between, as id,name"));
    }
    let path = uri.path();
    let rest = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    *uri = rest.parse().map_err(|_| Problem::malformed("The path cannot be read."))?;
    Ok(Some(fields))
}

/// The value with these fields only; of a list, each item.
pub(super) fn only(mut value: Value, fields: &[String]) -> Value {
    if let Some(Value::Array(items)) = value.get_mut("items") {
        items.iter_mut().for_each(|item| keep(item, fields));
    } else {
        keep(&mut value, fields);
    }
    value
}

fn keep(value: &mut Value, fields: &[String]) {
    if let Value::Object(all) = value {
        all.retain(|name, _| fields.contains(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header;
    use serde_json::json;

    #[test]
    fn fields_are_taken_out_of_the_query() {
        let mut uri: Uri = "/x?limit=5&fields=id,name&after=7".parse().unwrap();
        assert_eq!(take_fields(&mut uri).unwrap().unwrap(), ["id", "name"]);
        assert_eq!(uri, "/x?limit=5&after=7");
        assert_eq!(take_fields(&mut uri).unwrap(), None);
        for bad in ["/x?fields=", "/x?fields=a,,b", "/x?fields=a.b"] {
            assert_eq!(take_fields(&mut bad.parse().unwrap()).unwrap_err().status, 422, "{bad}");
        }
        let list = only(json!({"items": [{"id": 1, "name": "x"}], "next": "1"}), &["id".to_owned()]);
        assert_eq!(list, json!({"items": [{"id": 1}], "next": "1"}));
        assert_eq!(only(json!({"id": 1, "name": "x"}), &["name".to_owned()]), json!({"name": "x"}));
    }

    #[test]
    fn a_tag_is_named_alone_in_a_list_weakly_or_by_a_star() {
        let mine = tag(b"x");
        for (said, named) in
            [(mine.clone(), true), (format!("\"a\", W/{mine}"), true), ("*".into(), true), ("\"a\"".into(), false)]
        {
            let headers = HeaderMap::from_iter([(header::IF_MATCH, said.parse().unwrap())]);
            assert_eq!(names(&headers, header::IF_MATCH, Some(b"x")), Some(named), "{said}");
            assert_eq!(names(&headers, header::IF_MATCH, None), Some(false), "{said}");
        }
        assert_eq!(names(&HeaderMap::new(), header::IF_MATCH, Some(b"x")), None);
    }
}
