//! The little XML that the packages need: escaping for what we write, and a reader for what phones publish.
//!
//! The reader takes no document type, so there is nothing to expand and nothing to fetch; depth and number of elements
//! are bounded, and what is not well-formed is refused whole.

/// Deepest nesting that is read.
const DEPTH_MAX: usize = 16;
/// Most elements in one document.
const ELEMENTS_MAX: usize = 512;

/// `text` with what may not stand in an attribute or in text as entities; what XML 1.0 forbids becomes a space.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if (c as u32) < 0x20 || matches!(c as u32, 0xfffe | 0xffff) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// An element: its name without prefix, its text, and what is in it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first child called `name`.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|c| c.name == name)
    }

    /// Every child called `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |c| c.name == name)
    }
}

/// Reads a document; `None` where it is not well-formed, has a document type, or is larger than we take.
pub(crate) fn read(text: &str) -> Option<Element> {
    let mut open: Vec<Element> = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut elements = 0;
    let mut root = None;
    while let Some(at) = rest.find('<') {
        let (before, tail) = rest.split_at(at);
        match open.last_mut() {
            Some(element) => element.text.push_str(&unescape(before)?),
            None if before.trim().is_empty() => {}
            None => return None,
        }
        let (tag, after) = markup(tail)?;
        rest = after;
        match tag {
            Tag::Nothing => {}
            Tag::Text(raw) => open.last_mut()?.text.push_str(raw),
            Tag::Open(name, closed) => {
                elements += 1;
                if root.is_some() || elements > ELEMENTS_MAX || open.len() >= DEPTH_MAX {
                    return None;
                }
                open.push(Element { name: local(name)?.to_owned(), ..Element::default() });
                if closed {
                    close(&mut open, &mut root)?;
                }
            }
            Tag::Close(name) => {
                if open.last()?.name != local(name)? {
                    return None;
                }
                close(&mut open, &mut root)?;
            }
        }
    }
    (open.is_empty() && rest.trim().is_empty()).then_some(root).flatten()
}

fn close(open: &mut Vec<Element>, root: &mut Option<Element>) -> Option<()> {
    let element = open.pop()?;
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
    Some(())
}

enum Tag<'a> {
    /// A comment or a processing instruction.
    Nothing,
    Text(&'a str),
    /// A name, and whether the element is empty.
    Open(&'a str, bool),
    Close(&'a str),
}

/// The markup at the beginning of `tail`, and what follows it.
fn markup(tail: &str) -> Option<(Tag<'_>, &str)> {
    let until = |from: &'static str, to: &'static str| tail.strip_prefix(from).map(|inside| inside.split_once(to));
    if let Some(found) = until("<!--", "-->") {
        return Some((Tag::Nothing, found?.1));
    }
    if let Some(found) = until("<![CDATA[", "]]>") {
        let (raw, after) = found?;
        return Some((Tag::Text(raw), after));
    }
    if let Some(found) = until("<?", "?>") {
        return Some((Tag::Nothing, found?.1));
    }
    if tail.starts_with("<!") {
        return None;
    }
    let end = tag_end(tail)?;
    let inside = tail.get(1..end)?;
    let after = tail.get(end + 1..)?;
    if let Some(name) = inside.strip_prefix('/') {
        return Some((Tag::Close(name.trim_end()), after));
    }
    let (inside, closed) = inside.strip_suffix('/').map_or((inside, false), |i| (i, true));
    let name = inside.split(|c: char| c.is_ascii_whitespace()).next()?;
    Some((Tag::Open(name, closed), after))
}

/// Where the tag that begins at 0 ends: a `>` outside quotes; a `<` inside is an error.
fn tag_end(tail: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tail.bytes().enumerate().skip(1) {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (_, b'<') => return None,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(q), b) if q == b => quote = None,
            (None | Some(_), _) => {}
        }
    }
    None
}

fn local(name: &str) -> Option<&str> {
    let name = name.split_once(':').map_or(name, |(_, local)| local);
    let good = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    good.then_some(name)
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once('&') {
        out.push_str(before);
        let (entity, after) = tail.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = entity.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_read_with_prefixes_entities_and_comments() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\n<!-- a > b -->\n<p:presence entity='sip:a@b>'>\n \
                    <tuple id=\"x/\"><status><basic> open </basic></status>\
                    <note>a &lt;b&gt; &amp; &#65;&#x42; <![CDATA[<raw>]]></note><empty/></tuple>\n</p:presence>\n";
        let root = read(text).unwrap();
        assert_eq!(root.name, "presence");
        let tuple = root.child("tuple").unwrap();
        assert_eq!(tuple.child("status").unwrap().child("basic").unwrap().text.trim(), "open");
        assert_eq!(tuple.child("note").unwrap().text, "a <b> & AB <raw>");
        assert_eq!(tuple.all("empty").count(), 1);
    }

    #[test]
    fn what_is_broken_or_too_large_is_refused() {
        let deep = "<a>".repeat(17) + &"</a>".repeat(17);
        let many = format!("<a>{}</a>", "<b/>".repeat(512));
        for bad in [
            "",
            "text",
            "<a>",
            "<a></b>",
            "<a></a><b/>",
            "<a></a>tail",
            "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>",
            "<a>&unknown;</a>",
            "<a>&#xD800;</a>",
            "<a b=\"<\"></a>",
            "<a b=\"></a>",
            "<></>",
            "<!-- never",
            deep.as_str(),
            many.as_str(),
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_we_write_can_be_read_and_says_the_same() {
        let odd = "a&b<c>\"d'e\u{1}\u{e9}";
        let text = format!("<a b=\"{0}\">{0}</a>", escape(odd));
        assert_eq!(read(&text).unwrap().text, "a&b<c>\"d'e \u{e9}");
    }
}
