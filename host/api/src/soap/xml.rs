//! XML as SOAP 1.1 needs it, and nothing more: elements, text, namespaces. A document type, an entity of its own and a
//! processing instruction are refused (SOAP 1.1 section 3 forbids them), so nothing in a body expands, fetches or nests
//! without bound.

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use std::fmt::Write as _;

/// Deepest element.
const DEPTH_MAX: usize = 16;
/// Most elements.
const ELEMENTS_MAX: usize = 10_000;
/// Longest list of attributes of one element, in bytes: each is compared with the others.
const ATTRIBUTES_BYTES_MAX: usize = 4_096;
/// Namespaces declared at once.
const NAMESPACES_MAX: usize = 64;
/// Longest namespace: each element keeps its own.
const NAMESPACE_BYTES_MAX: usize = 256;

/// An element.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Element {
    /// Its namespace; empty if it has none.
    pub(super) space: String,
    /// Its name without a prefix.
    pub(super) name: String,
    /// The text in it, its children's left out, without blanks around.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
    /// `xsi:nil`.
    pub(super) nil: bool,
}

impl Element {
    /// Its children of a name, whatever their namespace: the schema says unqualified, and clients qualify.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Its first child of a name.
    pub(super) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of a child; none if it is not there, nil or empty.
    pub(super) fn said(&self, name: &str) -> Option<&str> {
        self.child(name).filter(|child| !child.nil).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }
}

/// Elements that are open.
struct Reading {
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl Reading {
    fn begin(&mut self, element: Element) -> Result<(), String> {
        self.count += 1;
        if self.count > ELEMENTS_MAX {
            return Err(format!("there are more than {ELEMENTS_MAX} elements"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("elements are nested deeper than {DEPTH_MAX}"));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err("there is more than one element at the top".to_owned());
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let mut done = self.open.pop().ok_or("an element ends that did not begin")?;
        done.text = done.text.trim().to_owned();
        match self.open.last_mut() {
            Some(parent) => parent.children.push(done),
            None => self.root = Some(done),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err("there is text outside of the element at the top".to_owned()),
        }
        Ok(())
    }
}

/// Reads a document.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(bytes: &[u8]) -> Result<Element, String> {
    let text = core::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = NsReader::from_str(text);
    reader.resolver_mut().set_max_namespace_bindings(NAMESPACES_MAX);
    let mut reading = Reading { open: Vec::new(), root: None, count: 0 };
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(start) => {
                let element = element(&reader, &start)?;
                reading.begin(element)?;
            }
            Event::Empty(start) => {
                let element = element(&reader, &start)?;
                reading.begin(element)?;
                reading.end()?;
            }
            Event::End(_) => reading.end()?,
            Event::Text(text) => reading.text(&text.xml10_content())?,
            Event::CData(text) => reading.text(&text.xml10_content())?,
            Event::GeneralRef(named) => {
                let known = match named.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(c) => c,
                    None => entity(&named)?,
                };
                reading.text(known.encode_utf8(&mut [0; 4]))?;
            }
            Event::Comment(_) | Event::Decl(_) => {}
            Event::DocType(_) => return Err("a document type is not allowed in SOAP".to_owned()),
            Event::PI(_) => return Err("a processing instruction is not allowed in SOAP".to_owned()),
            Event::Eof => break,
        }
    }
    if !reading.open.is_empty() {
        return Err("it breaks off".to_owned());
    }
    reading.root.ok_or_else(|| "there is no element".to_owned())
}

/// The five that XML itself has.
fn entity(name: &str) -> Result<char, String> {
    match name {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err("an entity is named that XML does not have".to_owned()),
    }
}

fn space_of(found: &ResolveResult<'_>) -> Result<String, String> {
    match found {
        ResolveResult::Bound(Namespace(space)) if space.len() > NAMESPACE_BYTES_MAX => {
            Err(format!("a namespace is longer than {NAMESPACE_BYTES_MAX} bytes"))
        }
        ResolveResult::Bound(Namespace(space)) => Ok((*space).to_owned()),
        ResolveResult::Unbound => Ok(String::new()),
        ResolveResult::Unknown(_) => Err("a prefix is used that is not declared".to_owned()),
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, String> {
    let (found, name) = reader.resolver().resolve_element(start.name());
    let (space, name) = (space_of(&found)?, name.into_inner().to_owned());
    if start.attributes_raw().len() > ATTRIBUTES_BYTES_MAX {
        return Err(format!("the attributes of an element are longer than {ATTRIBUTES_BYTES_MAX} bytes"));
    }
    let mut nil = false;
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let (found, name) = reader.resolver().resolve_attribute(attribute.key);
        if name.into_inner() == "nil" && space_of(&found)? == "http://www.w3.org/2001/XMLSchema-instance" {
            nil = ["true", "1"].contains(&attribute.value.as_ref());
        }
    }
    Ok(Element { space, name, nil, ..Element::default() })
}

/// Writes text so that it is text: what XML cannot say at all (control characters) becomes a replacement character.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            c if c.is_control() || ['\u{fffe}', '\u{ffff}'].contains(&c) => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Adds `<name>text</name>`, or that there is none.
pub(super) fn add(out: &mut String, name: &str, text: Option<&str>) {
    let _ = match text {
        Some(text) => write!(out, "<{name}>{}</{name}>", escaped(text)),
        None => write!(out, "<{name} xsi:nil=\"true\"/>"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_text_and_namespaces_are_read() {
        let text = "\u{feff}<?xml version=\"1.0\"?><!-- x --><a:e xmlns:a='urn:a' xmlns:i='http://www.w3.org/2001/XMLSchema-instance'>\
                    <b> 1 &lt; 2 &#38; <![CDATA[<3>]]> </b><c xmlns='urn:c'/><d i:nil='true'>x</d></a:e>";
        let e = read(text.as_bytes()).unwrap();
        assert_eq!((e.space.as_str(), e.name.as_str()), ("urn:a", "e"));
        assert_eq!(e.said("b"), Some("1 < 2 & <3>"));
        assert_eq!((e.children[1].space.as_str(), e.said("c"), e.said("d")), ("urn:c", None, None));
        assert_eq!(e.all("b").count(), 1);
    }

    #[test]
    fn what_is_hostile_is_refused_in_words() {
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        let many = format!("<a>{}</a>", "<b/>".repeat(10_000));
        let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>";
        let outside = "<!DOCTYPE l SYSTEM \"file:///etc/passwd\"><l/>";
        for (text, why) in [
            ("", "there is no element"),
            ("x", "text outside"),
            ("<a>", "breaks off"),
            ("<a/><b/>", "more than one element"),
            ("<a></b>", "expected"),
            ("<p:a/>", "prefix"),
            ("<a>&nbsp;</a>", "entity"),
            ("<a>&#0;</a>", ""),
            ("<a b=1/>", ""),
            ("<?php x?><a/>", "processing instruction"),
            (laughs, "document type"),
            (outside, "document type"),
            (deep.as_str(), "nested deeper"),
            (many.as_str(), "more than 10000"),
        ] {
            let said = read(text.as_bytes()).unwrap_err();
            assert!(said.contains(why), "{text:.40}: {said}");
        }
        assert_eq!(read(b"<a>\xff</a>").unwrap_err(), "it is not UTF-8");
        let wide: String = (0..1_000).map(|n| format!(" a{n}=''")).collect();
        assert!(read(format!("<a{wide}/>").as_bytes()).unwrap_err().contains("attributes"));
        let spaces: String = (0..100).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect();
        assert!(read(format!("<a{spaces}/>").as_bytes()).is_err(), "namespaces without end");
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let mut out = String::from("<e xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'>");
        let odd = "a<b>&\"c'\u{e9}]]>";
        add(&mut out, "t", Some(odd));
        add(&mut out, "n", None);
        add(&mut out, "bell", Some("\u{7}"));
        out.push_str("</e>");
        let e = read(out.as_bytes()).unwrap();
        assert_eq!((e.said("t"), e.said("n"), e.said("bell")), (Some(odd), None, Some("\u{fffd}")));
    }
}
