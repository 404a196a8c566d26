//! Request methods (RFC 3261 section 7.1 and the method registry). Case counts; unknown ones are kept.

use core::fmt;

macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A request method.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Method<'a> {
            $($(#[$doc])* $name,)*
            /// Any other token.
            Other(&'a str),
        }

        impl<'a> Method<'a> {
            /// The method that `text` spells.
            #[must_use]
            pub fn new(text: &'a str) -> Self {
                Method::known(text).unwrap_or(Method::Other(text))
            }

            /// The method that `text` spells, if it is one of ours.
            pub(crate) fn known(text: &str) -> Option<Method<'static>> {
                match text { $($text => Some(Method::$name),)* _ => None }
            }

            /// Its spelling on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'a str {
                match self { $(Method::$name => $text,)* Method::Other(text) => text }
            }
        }
    };
}
methods! {
    /// RFC 3261 section 13.
    Invite = "INVITE";
    /// RFC 3261 section 13.
    Ack = "ACK";
    /// RFC 3261 section 15.
    Bye = "BYE";
    /// RFC 3261 section 9.
    Cancel = "CANCEL";
    /// RFC 3261 section 10.
    Register = "REGISTER";
    /// RFC 3261 section 11.
    Options = "OPTIONS";
    /// RFC 6086.
    Info = "INFO";
    /// RFC 3262.
    Prack = "PRACK";
    /// RFC 3311.
    Update = "UPDATE";
    /// RFC 3515.
    Refer = "REFER";
    /// RFC 6665.
    Subscribe = "SUBSCRIBE";
    /// RFC 6665.
    Notify = "NOTIFY";
    /// RFC 3428.
    Message = "MESSAGE";
    /// RFC 3903.
    Publish = "PUBLISH";
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'a> From<&'a str> for Method<'a> {
    fn from(text: &'a str) -> Self {
        Method::new(text)
    }
}

impl PartialEq<str> for Method<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Method<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}
