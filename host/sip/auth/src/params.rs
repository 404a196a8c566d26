//! Reads and writes the parameter list of challenges and credentials (RFC 3261 section 25.1, `auth-param`).

/// The parameters of one `Digest` header field value.
///
/// Values are as they stand between the quotes, backslashes kept: the digest is computed over exactly that.
#[derive(Debug)]
pub(crate) struct Params<'a>(Vec<(&'a str, &'a str)>);

/// Most parameters of one value: the grammar knows a dozen.
const PARAMS_MAX: usize = 32;

impl<'a> Params<'a> {
    /// Reads one value; `Ok(None)` if its scheme is not Digest.
    ///
    /// # Errors
    /// Where the list breaks the grammar or names a parameter twice.
    pub(crate) fn read(value: &'a str) -> Result<Option<Params<'a>>, &'static str> {
        let value = trim_start(value);
        let blank = value.bytes().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(value.len());
        let (scheme, rest) = value.split_at(blank);
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Ok(None);
        }
        let mut params: Vec<(&str, &str)> = Vec::with_capacity(12);
        let mut rest = trim_start(rest);
        while !rest.is_empty() {
            let equals = rest.bytes().position(|b| b == b'=').ok_or("parameter without a value")?;
            let name = rest[..equals].trim_ascii_end();
            let (found, after) = read_value(trim_start(&rest[equals + 1..]))?;
            if params.len() >= PARAMS_MAX || params.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err("repeated or too many parameters");
            }
            params.push((name, found));
            let after = trim_start(after);
            rest = match after.strip_prefix(',') {
                Some(next) => trim_start(next),
                None if after.is_empty() => "",
                None => return Err("no comma between parameters"),
            };
        }
        Ok(Some(Params(params)))
    }

    /// The parameter's value as written between the quotes.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// The value at the start of `text`, and what comes after it.
fn read_value(text: &str) -> Result<(&str, &str), &'static str> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.bytes().position(|b| b == b',').unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return Ok((value.trim_ascii_end(), after));
    };
    let mut at = 0;
    while let Some(byte) = quoted.as_bytes().get(at) {
        match byte {
            b'"' => return Ok((&quoted[..at], &quoted[at + 1..])),
            // What is escaped may be longer than a byte: none of its others is a quote or a backslash.
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    Err("unterminated quoted string")
}

/// `text` without white space at its start.
fn trim_start(text: &str) -> &str {
    text.trim_ascii_start()
}

/// Removes the backslashes of a quoted string's inside.
pub(crate) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        out.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    out
}

/// `text` as it stands between quotes; line ends and other controls are left out, as no header may carry them.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
