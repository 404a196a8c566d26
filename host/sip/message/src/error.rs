//! What can be wrong with a message, and the status that says so (RFC 3261 section 21.4, 21.5).

use crate::{Message, Name};

/// Why a message was refused. Each is the peer's fault; none is ever a panic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParseError {
    /// Nothing but line ends: a keep-alive (RFC 5626 section 3.5.1).
    #[error("empty datagram")]
    Empty,
    /// Larger than the limit.
    #[error("message too large")]
    TooLarge,
    /// More header fields than the limit.
    #[error("too many header fields")]
    TooManyHeaders,
    /// The request line is no request line (section 7.1).
    #[error("malformed request line")]
    RequestLine,
    /// The status line is no status line (section 7.2); such a message is dropped.
    #[error("malformed status line")]
    StatusLine,
    /// Not SIP/2.0.
    #[error("SIP version not supported")]
    Version,
    /// A line of the header block is no header field.
    #[error("malformed header line")]
    HeaderLine,
    /// The bytes end before the header block does.
    #[error("no end of header block")]
    Truncated,
    /// Content-Length is larger than the body that came (section 18.3).
    #[error("body shorter than Content-Length")]
    BodyShort,
    /// A mandatory header field is missing (section 8.1.1).
    #[error("missing {0} header field")]
    Missing(Name<'static>),
    /// A header field that may stand once stands more often.
    #[error("more than one {0} header field")]
    Repeated(Name<'static>),
    /// A header field cannot be read.
    #[error("malformed {0} header field")]
    Malformed(Name<'static>),
    /// The Request-URI cannot be read, or carries header fields (section 19.1.1).
    #[error("malformed Request-URI")]
    RequestUri,
    /// A URI cannot be read.
    #[error("malformed URI")]
    Uri,
    /// The Request-URI's scheme is unknown (section 8.2.2.1).
    #[error("URI scheme not supported")]
    Scheme,
    /// The method of CSeq is not the request's (section 8.1.1.5).
    #[error("CSeq method does not match")]
    MethodMismatch,
    /// Max-Forwards is zero and the request would have to be forwarded (section 16.3).
    #[error("too many hops")]
    TooManyHops,
}

impl ParseError {
    /// The status to answer a request with; `None` means drop it. A response is always dropped.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            ParseError::Empty | ParseError::StatusLine => None,
            ParseError::TooLarge | ParseError::TooManyHeaders => Some(513),
            ParseError::Version => Some(505),
            ParseError::Scheme => Some(416),
            ParseError::TooManyHops => Some(483),
            ParseError::RequestLine
            | ParseError::HeaderLine
            | ParseError::Truncated
            | ParseError::BodyShort
            | ParseError::Missing(_)
            | ParseError::Repeated(_)
            | ParseError::Malformed(_)
            | ParseError::RequestUri
            | ParseError::Uri
            | ParseError::MethodMismatch => Some(400),
        }
    }

    /// A reason phrase that says what was wrong (section 21.4.1 asks for one that identifies the problem).
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            ParseError::TooLarge | ParseError::TooManyHeaders => "Message Too Large".to_owned(),
            ParseError::Version => "Version Not Supported".to_owned(),
            ParseError::Scheme => "Unsupported URI Scheme".to_owned(),
            ParseError::TooManyHops => "Too Many Hops".to_owned(),
            ParseError::Empty
            | ParseError::StatusLine
            | ParseError::RequestLine
            | ParseError::HeaderLine
            | ParseError::Truncated
            | ParseError::BodyShort
            | ParseError::Missing(_)
            | ParseError::Repeated(_)
            | ParseError::Malformed(_)
            | ParseError::RequestUri
            | ParseError::Uri
            | ParseError::MethodMismatch => format!("Bad Request ({self})"),
        }
    }
}

/// A message that could not be parsed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct Rejected {
    /// The first thing that was wrong.
    pub error: ParseError,
    /// The request as far as it could be read, where Via, From, To, Call-ID and CSeq are there, so that
    /// [`crate::ResponseWriter`] can answer it. `None` means drop: a response, an ACK, or too broken.
    pub answerable: Option<Message>,
}
