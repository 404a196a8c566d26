//! A parsed message: the bytes as they came and an index of the header fields; everything else is read when asked.

use crate::known::Known;
use crate::name::{COUNT, lookup};
use crate::scan::{is_lws, split_before};
use crate::value::ValueList;
use crate::{Contacts, HeaderValue, Method, Name, NameAddrRef, ParseError, UriRef, ViaRef};
use bytes::Bytes;
use bytestring::ByteString;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// A piece of the message's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// One header field in the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Field {
    /// [`Name::id`].
    pub(crate) id: u8,
    pub(crate) name_len: u16,
    pub(crate) start: u32,
    pub(crate) value: Span,
}

/// The first line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Request {
        method: Span,
        /// The method, if it is one that we know.
        known: Option<Method<'static>>,
        uri: Span,
    },
    Response {
        status: u16,
        reason: Span,
    },
}

/// One SIP message. A clone shares it.
///
/// # Invariants
/// Spans lie within `bytes`; method and Request-URI are UTF-8; fields are in wire order; `first` tells of each known
/// name where its first field is.
#[derive(Clone)]
pub struct Message(pub(crate) Arc<Parsed>);

/// What a message is made of. It lies in one place from the parser on: layers hand a pointer up.
pub(crate) struct Parsed {
    pub(crate) bytes: Bytes,
    /// All before the body, where it is UTF-8: so each piece of it is text without another look.
    pub(crate) head: Option<ByteString>,
    pub(crate) start: Start,
    pub(crate) fields: SmallVec<[Field; 16]>,
    pub(crate) first: First,
    pub(crate) body: Span,
    /// Whether each field fills one line, which ends in CRLF.
    pub(crate) plain: bool,
    pub(crate) known: OnceLock<Known>,
}

/// Of each known name, by id, one more than the index of its first field; 0 where there is none. Past what a byte
/// holds the largest byte stands for "there or later".
#[derive(Clone, Copy)]
pub(crate) struct First {
    at: [u8; COUNT],
    /// A bit for each name, by id, that more than one field has.
    repeated: u128,
}

const _: () = assert!(COUNT <= 128, "a bit for each known name");

impl First {
    pub(crate) const NONE: First = First { at: [0; COUNT], repeated: 0 };
    /// The index that stands for itself and every later one.
    const VAGUE: usize = u8::MAX as usize - 1;

    /// Notes a field; earlier ones of the same name stay the first.
    pub(crate) fn note(&mut self, id: u8, index: usize) {
        match self.at.get_mut(usize::from(id)) {
            Some(first) if *first == 0 => *first = u8::try_from(index + 1).unwrap_or(u8::MAX),
            Some(_) => self.repeated |= 1 << id,
            None => {}
        }
    }

    /// From where on to look for fields called so; `None` if there is none.
    fn of(&self, id: u8) -> Option<usize> {
        self.at.get(usize::from(id)).filter(|first| **first != 0).map(|first| usize::from(*first) - 1)
    }
}

/// The CSeq header field (section 20.16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CSeqRef<'a> {
    /// The sequence number, below 2^31.
    pub number: u32,
    /// The method.
    pub method: Method<'a>,
}

impl Message {
    pub(crate) fn cut(&self, span: Span) -> &[u8] {
        self.0.bytes.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    pub(crate) fn cut_str(&self, span: Span) -> &str {
        match &self.0.head {
            Some(head) => head.get(span.start as usize..span.end as usize).unwrap_or_default(),
            None => core::str::from_utf8(self.cut(span)).unwrap_or_default(),
        }
    }

    /// The whole line of a field that is written as we would write it (`Name: value`, CRLF), with its line end.
    pub(crate) fn canonical_line(&self, field: &Field, name: &str) -> Option<&[u8]> {
        let (start, value) = (field.start as usize, field.value);
        let line = self.0.bytes.get(start..value.end as usize + 2)?;
        let (head, tail) = (line.get(..name.len() + 2)?, line.get(line.len() - 2..)?);
        let plain = usize::from(field.name_len) == name.len()
            && value.start as usize == start + name.len() + 2
            && head.starts_with(name.as_bytes())
            && head.ends_with(b": ")
            && tail == b"\r\n"
            && (self.0.plain || !crate::scan::has_line_end(self.cut(value)));
        plain.then_some(line)
    }

    /// The fields of a known name, as they lie in the index.
    pub(crate) fn fields_of(&self, name: Name<'_>) -> impl Iterator<Item = &Field> {
        let wanted = Wanted::new(name);
        self.fields_from(wanted).filter(move |field| wanted.id != 0 && field.id == wanted.id)
    }

    /// A header field's value.
    pub(crate) fn value_at(&self, span: Span) -> HeaderValue<'_> {
        match self.0.head.as_ref().and_then(|head| head.get(span.start as usize..span.end as usize)) {
            Some(text) => HeaderValue::of_text(text),
            None => HeaderValue::of_bytes(self.cut(span)),
        }
    }

    /// Whether more than one field is called `name`, a known one.
    pub(crate) fn is_repeated(&self, name: Name<'static>) -> bool {
        self.0.first.repeated & (1 << name.id()) != 0
    }

    /// The whole message as it came (a datagram's bytes past Content-Length are cut off).
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// Whether the two are one, not only equal: a clone is, the same bytes read again are not.
    #[must_use]
    pub fn is_same(&self, other: &Message) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it is a request.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(self.0.start, Start::Request { .. })
    }

    /// The method of a request's first line.
    #[must_use]
    pub fn method(&self) -> Option<Method<'_>> {
        match self.0.start {
            Start::Request { known: Some(known), .. } => Some(known),
            Start::Request { method, .. } => Some(Method::Other(self.cut_str(method))),
            Start::Response { .. } => None,
        }
    }

    /// Whether it is a request with this method.
    #[must_use]
    pub fn is_method(&self, method: Method<'_>) -> bool {
        self.method() == Some(method)
    }

    /// The Request-URI, if it is a request and the URI can be read (the validity pass refuses it otherwise).
    #[must_use]
    pub fn request_uri(&self) -> Option<UriRef<'_>> {
        let parts = self.known().uri?;
        Some(UriRef::again(self.request_uri_str()?, parts))
    }

    /// The Request-URI as written.
    #[must_use]
    pub fn request_uri_str(&self) -> Option<&str> {
        match self.0.start {
            Start::Request { uri, .. } => Some(self.cut_str(uri)),
            Start::Response { .. } => None,
        }
    }

    /// The status of a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self.0.start {
            Start::Request { .. } => None,
            Start::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase of a response, bytes that are not UTF-8 replaced; empty for a request.
    #[must_use]
    pub fn reason(&self) -> Cow<'_, str> {
        match self.0.start {
            Start::Request { .. } => Cow::Borrowed(""),
            Start::Response { reason, .. } => String::from_utf8_lossy(self.cut(reason)),
        }
    }

    /// The first field called `name`.
    pub fn header<'n>(&self, name: impl Into<Name<'n>>) -> Option<HeaderValue<'_>> {
        let wanted = Wanted::new(name.into());
        let mut fields = self.fields_from(wanted);
        fields.find(|field| wanted.is(self, field)).map(|field| self.value_at(field.value))
    }

    /// Every field called `name`, in order.
    pub fn headers<'a, 'n: 'a>(&'a self, name: impl Into<Name<'n>>) -> Headers<'a> {
        let wanted = Wanted::new(name.into());
        Headers { message: self, wanted, fields: self.fields_from(wanted) }
    }

    /// The fields that may be what is wanted, from the first one on: no other where the index tells that it is the only.
    fn fields_from(&self, wanted: Wanted<'_>) -> core::slice::Iter<'_, Field> {
        let fields = self.0.fields.as_slice();
        if wanted.id == 0 {
            return fields.iter();
        }
        let Some(first) = self.0.first.of(wanted.id) else { return [].iter() };
        let only = first < First::VAGUE && self.0.first.repeated & (1 << wanted.id) == 0;
        let end = if only { first + 1 } else { fields.len() };
        fields.get(first..end).unwrap_or_default().iter()
    }

    /// Every value of every field called `name`, comma lists split.
    ///
    /// Only for names whose fields are lists (Via, Route, Record-Route, Contact, Supported, Require, Allow, ...): a
    /// comma in Date, Subject or Authorization separates nothing.
    pub fn values<'a, 'n: 'a>(&'a self, name: impl Into<Name<'n>>) -> Values<'a> {
        Values { fields: self.headers(name), list: ValueList::EMPTY }
    }

    /// Every field in order: name as written, value unfolded and lossy.
    pub fn all_headers(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        self.raw_headers().map(|(name, value)| (name, value.text()))
    }

    /// Every field in order: name as written, value where it lies.
    pub fn raw_headers(&self) -> impl Iterator<Item = (&str, HeaderValue<'_>)> {
        self.0.fields.iter().map(|field| (self.name_of(field), self.value_at(field.value)))
    }

    pub(crate) fn name_of(&self, field: &Field) -> &str {
        self.cut_str(Span { start: field.start, end: field.start + u32::from(field.name_len) })
    }

    /// The first field called so, and where its value lies.
    pub(crate) fn required(&self, name: Name<'static>) -> Result<(Span, HeaderValue<'_>), ParseError> {
        let first = self.0.first.of(name.id()).and_then(|at| self.0.fields.get(at));
        // Past what the index tells exactly it has to be looked for.
        let field = first.filter(|field| field.id == name.id()).or_else(|| {
            let wanted = Wanted::new(name);
            self.fields_from(wanted).find(|field| wanted.is(self, field))
        });
        field.map(|field| (field.value, self.value_at(field.value))).ok_or(ParseError::Missing(name))
    }

    /// Where a piece of the message lies.
    pub(crate) fn span_of(&self, piece: &[u8]) -> Span {
        let start = (piece.as_ptr() as usize).wrapping_sub(self.0.bytes.as_ptr() as usize);
        // The whole message is shorter than 2^32 bytes.
        let start = u32::try_from(start).unwrap_or(0);
        Span { start, end: start + u32::try_from(piece.len()).unwrap_or(0) }
    }

    fn known(&self) -> &Known {
        self.0.known.get_or_init(|| Known::read(self))
    }

    /// The first value of the first Via.
    pub fn top_via(&self) -> Result<ViaRef<'_>, ParseError> {
        let via = self.known().via.as_ref().map_err(|error| *error)?;
        Ok(ViaRef::again(self.cut_str(via.value), via.parts))
    }

    /// Whether another Via value follows the top one.
    #[must_use]
    pub fn has_more_vias(&self) -> bool {
        self.known().more_vias
    }

    /// Every Via value in order, top first.
    pub fn vias(&self) -> impl Iterator<Item = Result<ViaRef<'_>, ParseError>> {
        let mut values = self.values(Name::Via);
        let top = values.next().map(|_| self.top_via());
        top.into_iter().chain(values.map(ViaRef::of))
    }

    /// From.
    pub fn from(&self) -> Result<NameAddrRef<'_>, ParseError> {
        self.known().from.as_ref().map(|at| at.view(self)).map_err(|error| *error)
    }

    /// To.
    pub fn to(&self) -> Result<NameAddrRef<'_>, ParseError> {
        self.known().to.as_ref().map(|at| at.view(self)).map_err(|error| *error)
    }

    /// Call-ID.
    pub fn call_id(&self) -> Result<&str, ParseError> {
        self.known().call_id.map(|at| self.cut_str(at))
    }

    pub(crate) fn read_call_id(&self) -> Result<Span, ParseError> {
        let (span, _) = self.required(Name::CallId)?;
        let text = self.cut_str(span);
        let broken = text.is_empty() || crate::scan::has_blank(text.as_bytes());
        if broken { Err(ParseError::Malformed(Name::CallId)) } else { Ok(span) }
    }

    /// The Contact, if there is one value that is no star and can be read, and nothing beside it.
    pub(crate) fn only_contact(&self) -> Option<NameAddrRef<'_>> {
        self.known().contact.as_ref().map(|at| at.view(self))
    }

    /// The first contact, if it can be read; of a star nothing can.
    #[must_use]
    pub fn contact(&self) -> Option<NameAddrRef<'_>> {
        self.only_contact().or_else(|| self.values(Name::Contact).next()?.name_addr().ok())
    }

    /// The first Route value, if it can be read.
    #[must_use]
    pub fn top_route(&self) -> Option<NameAddrRef<'_>> {
        self.known().route.as_ref().map(|at| at.view(self))
    }

    /// Whether every parameter of the top Via is well formed.
    pub(crate) fn top_via_is_sound(&self) -> Result<bool, ParseError> {
        self.known().via.as_ref().map(|via| via.parts.is_sound()).map_err(|error| *error)
    }

    /// CSeq.
    pub fn cseq(&self) -> Result<CSeqRef<'_>, ParseError> {
        let at = self.known().cseq.as_ref().map_err(|error| *error)?;
        let method = at.known.unwrap_or_else(|| Method::Other(self.cut_str(at.method)));
        Ok(CSeqRef { number: at.number, method })
    }

    pub(crate) fn read_cseq(&self) -> Result<(u32, &str), ParseError> {
        let malformed = ParseError::Malformed(Name::CSeq);
        let text = self.required(Name::CSeq)?.1.to_str().ok_or(malformed)?;
        let (number, method) = split_before(text, is_lws);
        let method = crate::scan::trim_str(method);
        let number: u32 = crate::scan::digits(number.as_bytes()).ok_or(malformed)?;
        if number >= 1 << 31 || !crate::is_token(method) {
            return Err(malformed);
        }
        Ok((number, method))
    }

    /// The contacts.
    pub fn contacts(&self) -> Result<Contacts<'_>, ParseError> {
        if let Some(only) = self.only_contact() {
            return Ok(Contacts::List(vec![only]));
        }
        let malformed = ParseError::Malformed(Name::Contact);
        let mut star = false;
        let mut list = Vec::new();
        for value in self.values(Name::Contact) {
            if value == "*" {
                star = true;
            } else {
                list.push(value.name_addr().map_err(|_| malformed)?);
            }
        }
        match (star, list.is_empty()) {
            (true, true) => Ok(Contacts::Star),
            (false, _) => Ok(Contacts::List(list)),
            // Section 10.3 step 6: the star stands alone.
            (true, false) => Err(malformed),
        }
    }

    /// Max-Forwards, if there is one that is a number from 0 to 255.
    #[must_use]
    pub fn max_forwards(&self) -> Option<u8> {
        self.header(Name::MaxForwards)?.number()
    }

    /// The Max-Forwards to send this request on with: one less, 70 where there was none, or 483 (section 16.3).
    pub fn next_max_forwards(&self) -> Result<u8, ParseError> {
        match self.header(Name::MaxForwards) {
            None => Ok(70),
            Some(value) => match value.number::<u8>() {
                Some(0) => Err(ParseError::TooManyHops),
                Some(hops) => Ok(hops - 1),
                None => Err(ParseError::Malformed(Name::MaxForwards)),
            },
        }
    }

    /// Expires in seconds, if it is a number; one past 2^32-1 is 2^32-1.
    #[must_use]
    pub fn expires(&self) -> Option<u32> {
        self.header(Name::Expires)?.to_str().and_then(crate::name_addr::seconds)
    }

    /// Content-Type as written.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.header(Name::ContentType)?.to_str()
    }

    /// Whether the body's media type is `media_type` (`application/sdp`), parameters aside.
    #[must_use]
    pub fn is_content_type(&self, media_type: &str) -> bool {
        let bare = self.content_type().map(|text| text.split(';').next().unwrap_or_default());
        let (Some(bare), Some((kind, subtype))) = (bare, media_type.split_once('/')) else { return false };
        bare.split_once('/').is_some_and(|(k, s)| {
            crate::scan::trim_str(k).eq_ignore_ascii_case(kind)
                && crate::scan::trim_str(s).eq_ignore_ascii_case(subtype)
        })
    }

    /// The option tags of Require that are not in `supported`: non-empty means 420 (section 8.2.2.3).
    pub fn unsupported_options(&self, supported: &[&str]) -> Vec<&str> {
        let tags = self.values(Name::Require).filter_map(HeaderValue::to_str);
        tags.filter(|tag| !supported.iter().any(|s| s.eq_ignore_ascii_case(tag))).collect()
    }

    /// Whether a comma list field called `name` has `token`, in any case: `has_token(Name::Supported, "100rel")`.
    #[must_use]
    pub fn has_token(&self, name: Name<'_>, token: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_case(token))
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.cut(self.0.body)
    }

    /// The body, sharing the message's memory.
    #[must_use]
    pub fn body_bytes(&self) -> Bytes {
        self.0.bytes.slice(self.0.body.start as usize..self.0.body.end as usize)
    }
}

impl core::fmt::Debug for Message {
    /// The first line only: bodies and credentials stay out of logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match (self.method(), self.status()) {
            (Some(method), _) => write!(f, "{method} {}", self.request_uri_str().unwrap_or_default()),
            (None, status) => write!(f, "{} {}", status.unwrap_or_default(), self.reason()),
        }
    }
}

impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.0.bytes == other.0.bytes
    }
}

impl Eq for Message {}

/// The fields of one name: see [`Message::headers`].
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    message: &'a Message,
    wanted: Wanted<'a>,
    fields: core::slice::Iter<'a, Field>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = HeaderValue<'a>;
    fn next(&mut self) -> Option<HeaderValue<'a>> {
        let (message, wanted) = (self.message, self.wanted);
        self.fields.find(|field| wanted.is(message, field)).map(|field| message.value_at(field.value))
    }
}

/// The values of the comma lists of one name: see [`Message::values`].
#[derive(Clone, Debug)]
pub struct Values<'a> {
    fields: Headers<'a>,
    list: ValueList<'a>,
}

impl<'a> Iterator for Values<'a> {
    type Item = HeaderValue<'a>;
    fn next(&mut self) -> Option<HeaderValue<'a>> {
        loop {
            if let Some(value) = self.list.next() {
                return Some(value);
            }
            self.list = self.fields.next()?.list();
        }
    }
}

/// A name to look for: by id if known, else by text.
#[derive(Clone, Copy, Debug)]
struct Wanted<'n> {
    id: u8,
    text: &'n str,
}

impl<'n> Wanted<'n> {
    fn new(name: Name<'n>) -> Self {
        if let Name::Other(text) = name {
            return Wanted { id: lookup(text.as_bytes()), text };
        }
        Wanted { id: name.id(), text: "" }
    }

    fn is(self, message: &Message, field: &Field) -> bool {
        field.id == self.id && (self.id != 0 || message.name_of(field).eq_ignore_ascii_case(self.text))
    }
}
