//! Time on the wire: RFC 3339 in UTC with milliseconds, `2026-11-22T05:48:00.123Z`.

use model::Instant;

/// Days since 1970-01-01 of a civil date (proleptic Gregorian; Hinnant's algorithm).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y - era * 400;
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// The civil date of a day since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z - era * 146_097;
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// `at` for people and programs.
#[must_use]
pub fn rfc3339(at: Instant) -> String {
    let ms = at.unix_millis();
    let secs = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    let (year, month, day) = civil_from_days(secs.div_euclid(86_400));
    let rest = secs.rem_euclid(86_400);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1_000)
}

/// The first moment of the month after that of `at`, in UTC.
pub(crate) fn next_month(at: Instant) -> Instant {
    let secs = i64::try_from(at.unix_millis() / 1_000).unwrap_or(i64::MAX);
    let (year, month, _) = civil_from_days(secs.div_euclid(86_400));
    let (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    let secs = u64::try_from(days_from_civil(year, month, 1) * 86_400).unwrap_or(0);
    Instant::from_unix_nanos(secs.saturating_mul(1_000_000_000))
}

/// Reads RFC 3339 (any offset), or a bare date, which is its first moment in UTC.
pub(crate) fn parse(text: &str) -> Option<Instant> {
    let number = |from: usize, to: usize| {
        text.get(from..to).filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?.parse::<i64>().ok()
    };
    let separator = |at: usize, allowed: &[u8]| text.as_bytes().get(at).filter(|b| allowed.contains(b)).map(|_| ());
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    separator(4, b"-")?;
    separator(7, b"-")?;
    if !(1970..=2500).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let mut secs = days_from_civil(year, month, day) * 86_400;
    let mut nanos = 0_u64;
    if text.len() > 10 {
        separator(10, b"Tt ")?;
        separator(13, b":")?;
        separator(16, b":")?;
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        secs += hour * 3_600 + minute * 60 + second;
        let mut rest = text.get(19..)?;
        if let Some(fraction) = rest.strip_prefix('.') {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            let text = fraction.get(..digits.min(9)).filter(|t| !t.is_empty())?;
            nanos = format!("{text:0<9}").parse().ok()?;
            rest = fraction.get(digits..)?;
        }
        secs -= offset_s(rest)?;
    }
    Some(Instant::from_unix_nanos(u64::try_from(secs).ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

/// `Z`, `+01:00`.
fn offset_s(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' | b' ' => 1, // a `+` in a query string arrives as a blank when the client forgot to escape it
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
    (hours <= 23 && minutes <= 59).then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_and_read_back() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_795_326_480, "2026-11-22T05:48:00.000Z"),
        ] {
            let at = Instant::from_unix_nanos(secs * 1_000_000_000);
            assert_eq!(rfc3339(at), text);
            assert_eq!(parse(text), Some(at));
        }
        assert_eq!(parse("2026-11-22T06:48:00.5+01:00"), parse("2026-11-22T05:48:00.500Z"));
        assert_eq!(parse("2026-11-22"), parse("2026-11-22T00:00:00Z"));
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        for (at, next) in [
            ("2024-02-29T23:59:59.999Z", "2024-03-01"),
            ("2026-12-31T23:59:59Z", "2027-01-01"),
            ("2026-01-01", "2026-02-01"),
        ] {
            assert_eq!(Some(next_month(parse(at).unwrap())), parse(next), "{at}");
        }
    }

    #[test]
    fn nonsense_is_no_time() {
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-11-22T25:00:00Z",
            "2026-11-22T05:48:00",
            "2026-11-22T05:48:00.Z",
            "2026-1é-22",
            "1900-01-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
