//! The SIP message layer: zero-copy parse, borrowed views, a separate validity pass, writers and stream framing.
//!
//! Floor 0. [`Message::parse`] indexes the header fields of a datagram or framed message and allocates nothing;
//! everything else is read where it lies when somebody asks. It takes what RFC 4475 says must be taken (folds,
//! compact forms, unknown methods and fields, bytes that are not UTF-8) and refuses what would be read in two ways.
//! [`Message::validate`] gives the RFC 4475 verdict. The writers cannot be made to inject a header field.
#![forbid(unsafe_code)]

mod auth;
mod date;
mod dialog_path;
mod edit;
mod error;
mod frame;
mod host;
mod known;
mod message;
mod method;
mod multipart;
mod name;
mod name_addr;
mod overload;
mod params;
mod parse;
mod place;
mod reason;
#[cfg(not(target_family = "wasm"))]
pub mod rsip_boundary;
mod scan;
mod target;
mod uri;
mod uri_eq;
mod validate;
mod value;
mod via;
mod write;

pub use auth::{AuthParam, AuthParams};
pub use date::date;
pub use dialog_path::{DialogPath, Hop};
pub use edit::{edited, renumbered};
pub use error::{ParseError, Rejected};
pub use frame::{Framed, FramingError, FramingFault, StreamFramer};
pub use message::{CSeqRef, Headers, Message, Values};
pub use method::Method;
pub use name::Name;
pub use name_addr::{Contacts, NameAddrRef};
pub use overload::{OverloadReport, with_overload};
pub use params::{Param, ParamIter, Params};
pub use parse::ParseLimits;
pub use place::{Place, ViaStamp, stamped_via, via_stamp};
pub use reason::reason_phrase;
pub use scan::is_token;
pub use target::respond_target;
pub use uri::{Uri, UriRef, unescape};
pub use value::{HeaderValue, ValueList};
pub use via::{MAGIC_COOKIE, ViaRef};
pub use write::{
    RequestWriter, ResponseWriter, address_text, ip_text, name_addr, push_address, push_ip, push_number, push_stamp,
    quoted, via_value,
};
