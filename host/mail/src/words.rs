//! What mails say: templates and the fields in them.

use jiff::tz::TimeZone;
use model::{Instant, MailHost, MailTemplate};

/// Longest field, in bytes; of a longer one the beginning stands.
const FIELD_MAX: usize = 16_384;
/// Longest text, in bytes.
const TEXT_MAX: usize = 32_768;

/// Our own words for a kind of mail, where neither brand nor platform has any.
#[must_use]
pub fn own_template(name: &str) -> Option<MailTemplate> {
    let (subject, text) = match name {
        "voicemail" => (
            "Voice message from {caller} ({length})",
            "{display}, you have a new voice message.\n\nFrom:   {name} {caller}\nWhen:   {time}\nLength: {length}\n{urgent}\n\
             New messages in the mailbox {account}: {new}\n",
        ),
        "fax" => (
            "Fax from {caller} ({pages} pages)",
            "A fax has come for {callee}.\n\nFrom:  {caller} {station}\nWhen:  {time}\nPages: {pages}\n{whole}\n",
        ),
        "missed-call" => {
            ("Missed call from {caller}", "{name} {caller} called {account} at {time} and left no message.\n")
        }
        // For plugins that say everything themselves.
        "message" => ("{subject}", "{text}\n"),
        _ => return None,
    };
    Some(MailTemplate { subject: subject.to_owned(), text: text.to_owned() })
}

/// Subject and text of a mail. A field that nobody has said is empty; nothing that a field holds is read again.
#[must_use]
pub fn render(template: &MailTemplate, fields: &[(String, String)]) -> (String, String) {
    let mut text = filled(&template.text, fields);
    text.truncate(text.floor_char_boundary(TEXT_MAX));
    (line(&filled(&template.subject, fields), MailHost::SUBJECT_MAX), text)
}

fn filled(text: &str, fields: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let named = after.split_once('}').filter(|(name, _)| is_name(name));
        let Some((name, behind)) = named else {
            out.push('{');
            rest = after;
            continue;
        };
        if let Some((_, value)) = fields.iter().find(|(known, _)| known == name) {
            out.push_str(&plain(value));
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// A field's value without what steers terminals, and not too long.
fn plain(value: &str) -> String {
    let kept: String = value.chars().filter(|c| !c.is_control() || *c == '\n').collect();
    kept[..kept.floor_char_boundary(FIELD_MAX)].to_owned()
}

/// One line: what would end it is a blank.
#[must_use]
pub fn line(text: &str, max: usize) -> String {
    let one: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    one[..one.floor_char_boundary(max)].trim().to_owned()
}

/// A moment for people, in a zone by its IANA name; in UTC where there is no such zone.
#[must_use]
pub fn clock_text(at: Instant, zone: Option<&str>) -> String {
    let zone = zone.and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
    let second = i64::try_from(at.unix_secs()).unwrap_or_default();
    match jiff::Timestamp::from_second(second) {
        Ok(stamp) => stamp.to_zoned(zone).strftime("%A, %d %B %Y, %H:%M %Z").to_string(),
        Err(_) => String::new(),
    }
}

/// How long something is, as `1:05`.
#[must_use]
pub fn length_text(ms: u64) -> String {
    let seconds = ms.saturating_add(500) / 1_000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn fields_are_filled_in_once_and_a_subject_is_one_line() {
        let template = MailTemplate {
            subject: "From {caller}".to_owned(),
            text: "{caller}|{none}|{not a field}|{|}{length}".to_owned(),
        };
        let said = fields(&[("caller", "{length}\r\nBcc: x@y"), ("length", "0:07")]);
        let (subject, text) = render(&template, &said);
        assert_eq!(subject, "From {length}  Bcc: x@y".replace("  ", " "), "one line, and not filled in again");
        assert_eq!(text, "{length}\nBcc: x@y||{not a field}|{|}0:07");
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let at = Instant::from_unix_nanos(1_772_403_300_000_000_000);
        assert_eq!(clock_text(at, Some("Europe/Madrid")), "Sunday, 01 March 2026, 23:15 CET");
        assert_eq!(clock_text(at, Some("Mars/Olympus")), "Sunday, 01 March 2026, 22:15 UTC");
        assert_eq!((length_text(7_200), length_text(65_499)), ("0:07".to_owned(), "1:05".to_owned()));
    }

    #[test]
    fn long_fields_are_cut_between_characters() {
        let template = MailTemplate { subject: "{x}".to_owned(), text: "{x}".to_owned() };
        let (subject, text) = render(&template, &fields(&[("x", &"\u{e9}".repeat(10_000))]));
        assert_eq!((subject.len(), text.len()), (200, 16_384));
    }
}
