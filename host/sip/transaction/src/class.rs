//! The three classes of status the machines tell apart (RFC 3261 section 17).

/// What a status means to a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx to 6xx.
    Failure,
}

impl Class {
    pub(crate) const fn of(status: u16) -> Class {
        match status {
            ..=199 => Class::Provisional,
            200..=299 => Class::Success,
            300.. => Class::Failure,
        }
    }

    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Class::Success | Class::Failure)
    }
}

/// The status of a response's first bytes, `SIP/2.0 NNN`.
pub(crate) fn status_of(response: &[u8]) -> Option<u16> {
    let digits = response.strip_prefix(b"SIP/2.0 ")?.get(..3)?;
    let status = digits.iter().try_fold(0_u16, |sum, d| d.is_ascii_digit().then(|| sum * 10 + u16::from(d - b'0')))?;
    (100..=699).contains(&status).then_some(status)
}
