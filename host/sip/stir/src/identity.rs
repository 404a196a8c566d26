//! The Identity header field (RFC 8224 section 4): a token, where its certificate is, and what kind it is.

use crate::passport::{PassportError, Signed, is_https};

/// One Identity field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The token, read.
    pub signed: Signed,
}

/// Why a field cannot be used. Each is 438 (RFC 8224 section 6.2.2), but for a kind of token that we do not know: such a
/// field is passed by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IdentityError {
    /// Another extension's token.
    #[error("a token of another kind")]
    OtherKind,
    /// Not the form of RFC 8224 section 4.
    #[error("not a token with its info")]
    Form,
    /// `info` and the token's x5u differ.
    #[error("info is not what was signed")]
    Info,
    /// The token.
    #[error(transparent)]
    Token(#[from] PassportError),
}

impl Identity {
    /// Writes the field's value.
    #[must_use]
    pub fn value(token: &str, x5u: &str) -> String {
        format!("{token};info=<{x5u}>;alg=ES256;ppt=\"shaken\"")
    }

    /// Reads a field's value.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn parse(value: &str) -> Result<Identity, IdentityError> {
        let mut parts = value.split(';').map(str::trim);
        let token = parts.next().unwrap_or_default();
        let (mut info, mut ppt) = (None, None);
        for part in parts {
            let (name, value) = part.split_once('=').ok_or(IdentityError::Form)?;
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "info" if info.is_none() => info = value.strip_prefix('<').and_then(|v| v.strip_suffix('>')),
                "ppt" if ppt.is_none() => ppt = Some(value.trim_matches('"')),
                "info" | "ppt" => return Err(IdentityError::Form),
                "alg" if value.trim_matches('"') != "ES256" => return Err(IdentityError::Token(PassportError::Header)),
                // RFC 8224 section 4: what is not known is passed by.
                _ => {}
            }
        }
        if ppt != Some("shaken") {
            return Err(IdentityError::OtherKind);
        }
        let info = info.filter(|info| is_https(info)).ok_or(IdentityError::Form)?;
        let signed = Signed::parse(token)?;
        if signed.x5u != info { Err(IdentityError::Info) } else { Ok(Identity { signed }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passport::tests::{Sum, passport};

    #[test]
    fn a_field_is_read_as_it_was_written() {
        let x5u = "https://cert.example.org/a.cer";
        let token = passport().sign(&Sum(x5u)).unwrap();
        let value = Identity::value(&token, x5u);
        assert_eq!(Identity::parse(&value).unwrap().signed.passport, passport());
        let spaced = value.replace(';', " ; ").replace("ppt=\"shaken\"", "PPT=shaken; x=y");
        assert_eq!(Identity::parse(&spaced).unwrap().signed.passport, passport());
        for (from, to, why) in [
            ("shaken", "div", IdentityError::OtherKind),
            (";ppt=\"shaken\"", "", IdentityError::OtherKind),
            ("a.cer>", "b.cer>", IdentityError::Info),
            ("info=<", "info=", IdentityError::Form),
            ("info=<https", "info=<http", IdentityError::Form),
            ("alg=ES256", "alg=RS256", IdentityError::Token(PassportError::Header)),
            ("alg=ES256", "ppt=shaken", IdentityError::Form),
        ] {
            assert_eq!(Identity::parse(&value.replacen(from, to, 1)).map(|_| ()), Err(why), "{from} {to}");
        }
        assert_eq!(Identity::parse("").map(|_| ()), Err(IdentityError::OtherKind));
    }
}
