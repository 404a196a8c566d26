//! Overload control between neighbours (RFC 7339): a client says in its Via that it would send less if it were asked,
//! a server asks in the same Via of its answers. Only the algorithm `loss`, which everybody who speaks it has.

use crate::ViaRef;
use crate::scan::trim_str;
use bytes::Bytes;

/// What a client writes into its top Via (section 4.1).
pub(crate) const OFFER: &str = ";oc;oc-algo=\"loss\"";
const ALGORITHM: &str = "loss";
/// What an answer is good for that does not say (section 4.3), in milliseconds.
const VALIDITY_MS: u32 = 500;
/// Digits behind the dot of a sequence (section 4.4).
const FRACTION: usize = 5;

/// What a server asks of a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct OverloadReport {
    /// Grows with every change: hundred-thousandths of a second, or of anything else. A smaller one is late.
    pub sequence: u64,
    /// How much less than all it wants, in percent of the requests that could be left out.
    pub percent: u8,
    /// For how long, in milliseconds; 0 ends it.
    pub validity_ms: u32,
}

impl ViaRef<'_> {
    /// Whether the client that wrote this Via would send less if asked: `oc` without a value.
    #[must_use]
    pub fn offers_overload_control(&self) -> bool {
        let loss = || self.params().get("oc-algo").is_none_or(names_loss);
        self.speaks_of_overload() && self.params().find("oc").is_some_and(|oc| oc.value.is_none()) && loss()
    }

    /// What the server asks that answered with this Via; `None` where it asks nothing that can be understood.
    #[must_use]
    pub fn overload(&self) -> Option<OverloadReport> {
        if !self.speaks_of_overload() {
            return None;
        }
        let params = self.params();
        let percent = u8::try_from(number(params.get("oc")?)?).ok().filter(|percent| *percent <= 100)?;
        if !params.get("oc-algo").is_none_or(names_loss) {
            return None;
        }
        let validity_ms = match params.get("oc-validity") {
            Some(text) => number(text)?,
            None => VALIDITY_MS,
        };
        let sequence = match params.get("oc-seq") {
            Some(text) => sequence(text)?,
            None => 0,
        };
        Some(OverloadReport { sequence, percent, validity_ms })
    }
}

fn names_loss(algorithms: &str) -> bool {
    algorithms.trim_matches('"').split(',').any(|name| trim_str(name).eq_ignore_ascii_case(ALGORITHM))
}

fn number(text: &str) -> Option<u32> {
    let short = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    short.then(|| text.parse().ok()).flatten()
}

/// `1282321615.782` (section 4.4): up to 12 digits, and up to 5 behind the dot.
fn sequence(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits =
        |text: &str, most: usize| !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole, 12) || !all_digits(fraction, FRACTION) {
        return None;
    }
    format!("{whole}{fraction:0<FRACTION$}").parse().ok()
}

/// A response with `report` in its top Via, if that Via's client asked for it; `None`: as it is.
#[must_use]
pub fn with_overload(response: &Bytes, report: &OverloadReport) -> Option<Bytes> {
    let start = response.windows(2).position(|w| w == b"\r\n")? + 2;
    let rest = response.get(start..)?;
    let line = rest.get(..rest.windows(2).position(|w| w == b"\r\n")?)?;
    let value = line.strip_prefix(b"Via: ")?;
    // A Via that is folded or has several values was written by nobody of ours, who copies each to a line of its own.
    let segments = split(value)?;
    let top = core::str::from_utf8(value).ok()?;
    if !ViaRef::parse(top.as_bytes()).ok()?.offers_overload_control() {
        return None;
    }
    let kept = segments.iter().filter(|segment| {
        let name = segment.split('=').next().map_or("", trim_str);
        !["oc", "oc-algo", "oc-validity", "oc-seq"].iter().any(|oc| name.eq_ignore_ascii_case(oc))
    });
    let kept: Vec<&str> = kept.copied().collect();
    let OverloadReport { sequence, percent, validity_ms } = report;
    let (whole, fraction) = (sequence / 100_000, sequence % 100_000);
    let via = format!(
        "Via: {};oc={percent};oc-algo=\"{ALGORITHM}\";oc-validity={validity_ms};oc-seq={whole}.{fraction:05}",
        kept.join(";")
    );
    let head = response.get(..start)?;
    let tail = rest.get(line.len()..)?;
    Some(Bytes::from([head, via.as_bytes(), tail].concat()))
}

/// The parts of one Via value between semicolons; `None` where there is a second value.
fn split(value: &[u8]) -> Option<Vec<&str>> {
    let text = core::str::from_utf8(value).ok()?;
    let mut parts = Vec::new();
    let (mut from, mut quoted) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return None,
            b';' if !quoted => {
                parts.push(text.get(from..at)?);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..)?);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(params: &str) -> String {
        format!("SIP/2.0/TLS p1.example.net;branch=z9hG4bK2d4790.1{params}")
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (params, offers, report) in [
            ("", false, None),
            (";oc;oc-algo=\"loss,A\"", true, None),
            (";oc", true, None),
            (";oc;oc-algo=\"rate\"", false, None),
            (
                ";oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.782",
                false,
                Some((128_232_161_578_200, 20, 500)),
            ),
            (";oc=0;oc-validity=0;oc-seq=3", false, Some((300_000, 0, 0))),
            (";oc=100", false, Some((0, 100, 500))),
            (";oc=101;oc-seq=1", false, None),
            (";oc=5;oc-algo=\"rate\";oc-seq=1", false, None),
            (";oc=5;oc-seq=1.123456", false, None),
            (";oc=5;oc-validity=x", false, None),
        ] {
            let text = via(params);
            let via = ViaRef::parse(text.as_bytes()).unwrap();
            let found = via.overload().map(|r| (r.sequence, r.percent, r.validity_ms));
            assert_eq!((via.offers_overload_control(), found), (offers, report), "{params}");
        }
    }

    #[test]
    fn an_answer_asks_those_who_offered_and_nobody_else() {
        let report = OverloadReport { sequence: 128_232_161_578_200, percent: 20, validity_ms: 500 };
        let response =
            |via: &str| Bytes::from(format!("SIP/2.0 503 No\r\nVia: {via}\r\nVia: SIP/2.0/UDP b;branch=2\r\n\r\n"));
        let told = with_overload(&response(&via(";oc;oc-algo=\"loss,A\";received=192.0.2.1")), &report).unwrap();
        let expected = via(";received=192.0.2.1;oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.78200");
        assert_eq!(told, response(&expected));
        for other in [via(""), via(";oc=7"), via(";oc;oc-algo=\"rate\""), format!("{}, SIP/2.0/UDP c;oc", via(";oc"))] {
            assert_eq!(with_overload(&response(&other), &report), None, "{other}");
        }
        assert_eq!(with_overload(&Bytes::from_static(b"SIP/2.0 200 OK\r\n"), &report), None);
    }
}
