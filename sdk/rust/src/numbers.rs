//! Numbers as people dial them, and as routers compare them.

/// The number in E.164 form, if what was dialled is a public one: with its `+`, with the prefix of calls abroad, or with
/// that of calls within the country of this code (empty: none). `None` for short numbers and star codes.
#[must_use]
pub fn public_number(dialled: &str, country: &str, international: &str, national: &str) -> Option<String> {
    let digits = |text: &str| (3..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let number = if let Some(number) = dialled.strip_prefix('+') {
        number.to_owned()
    } else if let Some(number) = dialled.strip_prefix(international).filter(|n| !n.starts_with('0')) {
        number.to_owned()
    } else if let Some(number) = dialled.strip_prefix(national).filter(|_| !country.is_empty()) {
        format!("{country}{number}")
    } else {
        return None;
    };
    digits(&number).then(|| format!("+{number}"))
}

#[cfg(test)]
mod tests {
    use super::public_number;

    #[test]
    fn what_is_dialled_becomes_public() {
        let of = |dialled| public_number(dialled, "44", "00", "0");
        assert_eq!(of("+4930123").as_deref(), Some("+4930123"));
        assert_eq!(of("004930123").as_deref(), Some("+4930123"));
        assert_eq!(of("02079460000").as_deref(), Some("+442079460000"));
        assert_eq!((of("1001"), of("*97"), of("+12"), of("000123")), (None, None, None, Some("+4400123".to_owned())));
        assert_eq!(public_number("0207", "", "00", "0"), None);
    }
}
