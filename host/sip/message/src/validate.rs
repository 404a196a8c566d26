//! The validity pass: is a well-framed message one that RFC 3261 allows? The verdicts follow RFC 4475 and RFC 5118.
//!
//! Where RFC 4475 leaves it open, this is strict about what changes meaning (URIs, Via, identifiers, numbers, lists)
//! and lenient about the rest (dates, unknown fields, display names).

use crate::{Message, Method, Name, NameAddrRef, ParseError, ViaRef};

/// Fields that stand once (section 7.3.1); two of them are two meanings.
const ONCE: [Name<'static>; 6] = [Name::From, Name::To, Name::CallId, Name::CSeq, Name::MaxForwards, Name::ContentType];

impl Message {
    /// Checks what every element must be able to rely on. An error's status answers a request; a response with an
    /// error is dropped (section 8.1.3).
    pub fn validate(&self) -> Result<(), ParseError> {
        self.validate_uri()?;
        self.validate_once()?;
        self.validate_vias()?;
        for (name, value) in [(Name::From, self.from()?), (Name::To, self.to()?)] {
            well_formed(value, name)?;
        }
        self.call_id()?;
        self.validate_cseq()?;
        self.validate_hops()?;
        self.validate_contacts()?;
        self.validate_routes()
    }

    fn validate_uri(&self) -> Result<(), ParseError> {
        if !self.is_request() {
            return Ok(());
        }
        let uri = self.request_uri().ok_or(ParseError::RequestUri)?;
        let urn = uri.scheme().eq_ignore_ascii_case("urn");
        if !uri.is_sip() && !uri.is_tel() && !urn {
            return Err(ParseError::Scheme);
        }
        if uri.headers().is_some() || !uri.params().well_formed() {
            return Err(ParseError::RequestUri);
        }
        Ok(())
    }

    fn validate_once(&self) -> Result<(), ParseError> {
        let repeated = ONCE.into_iter().find(|name| self.is_repeated(*name));
        repeated.map_or(Ok(()), |name| Err(ParseError::Repeated(name)))
    }

    fn validate_vias(&self) -> Result<(), ParseError> {
        let verdict = |sound: bool| if sound { Ok(()) } else { Err(ParseError::Malformed(Name::Via)) };
        let top_is_sound = self.top_via_is_sound()?;
        for (index, value) in self.headers(Name::Via).enumerate() {
            if index == 0 && !value.is_list() {
                verdict(top_is_sound)?;
                continue;
            }
            let mut list = value.list();
            while let Some(raw) = list.next_raw() {
                verdict(ViaRef::of(raw)?.at().is_sound())?;
            }
        }
        Ok(())
    }

    fn validate_cseq(&self) -> Result<(), ParseError> {
        let cseq = self.cseq()?;
        match self.method() {
            Some(method) if method != cseq.method => Err(ParseError::MethodMismatch),
            _ => Ok(()),
        }
    }

    fn validate_hops(&self) -> Result<(), ParseError> {
        let present = self.header(Name::MaxForwards).is_some();
        if present && self.is_request() && self.max_forwards().is_none() {
            return Err(ParseError::Malformed(Name::MaxForwards));
        }
        Ok(())
    }

    fn validate_contacts(&self) -> Result<(), ParseError> {
        let malformed = ParseError::Malformed(Name::Contact);
        let register = self.is_method(Method::Register);
        if register && !self.to()?.uri().is_sip() {
            return Err(ParseError::Malformed(Name::To));
        }
        if let Some(only) = self.only_contact() {
            return well_formed(only, Name::Contact);
        }
        let (mut stars, mut others) = (0_u32, 0_u32);
        for value in self.values(Name::Contact) {
            if value == "*" {
                stars += 1;
            } else {
                others += 1;
                well_formed(value.name_addr().map_err(|_| malformed)?, Name::Contact)?;
            }
        }
        // Section 10.3 step 6: the star stands alone, and only where bindings are removed.
        if stars > 0 && (!register || others > 0 || stars > 1) { Err(malformed) } else { Ok(()) }
    }

    fn validate_routes(&self) -> Result<(), ParseError> {
        for name in [Name::Route, Name::RecordRoute] {
            for (index, value) in self.values(name).enumerate() {
                let read = if index == 0 && name == Name::Route { self.top_route() } else { None };
                let route = match read {
                    Some(route) => route,
                    None => value.name_addr().map_err(|_| ParseError::Malformed(name))?,
                };
                well_formed(route, name)?;
            }
        }
        Ok(())
    }
}

fn well_formed(value: NameAddrRef<'_>, name: Name<'static>) -> Result<(), ParseError> {
    if value.is_sound() { Ok(()) } else { Err(ParseError::Malformed(name)) }
}
