//! Digits and numbers as a list of stored prompts: a prompt pack is a folder of names, `en/7`, `en/hundred`.
//!
//! A pack's name begins with its language: `en`, `en-gb`, `de-anna`. Wherever the pack has a number whole (`de/21`), that is
//! said; what it has not is put together by the rules of its language, and in a language without rules only what is above
//! 99. A prompt that lacks is named in the error.

use model::Prompt;

/// Most characters of a list of digits.
const DIGITS_MAX: usize = 64;
/// Numbers from here on are read digit by digit.
const NUMBER_MAX: u64 = 1_000_000_000;

/// How a language puts numbers together.
#[derive(Clone, Copy)]
struct Rules {
    below_hundred: Below,
    /// One hundred and one thousand are said without the one.
    bare_one: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Below {
    /// Twenty, one.
    TensFirst,
    /// One, and, twenty.
    UnitsFirst,
    /// Each has a word of its own.
    Whole,
}

impl Rules {
    fn of(pack: &str) -> Rules {
        let language = pack.split(['-', '_', '/']).next().unwrap_or_default();
        match language {
            "en" | "sv" | "no" | "nb" | "fi" => Rules { below_hundred: Below::TensFirst, bare_one: false },
            "de" | "nl" | "da" => Rules { below_hundred: Below::UnitsFirst, bare_one: false },
            "fr" | "es" | "pt" | "it" => Rules { below_hundred: Below::Whole, bare_one: true },
            _ => Rules { below_hundred: Below::Whole, bare_one: false },
        }
    }
}

/// The names of what a prompt is made of; `None` for a prompt that is not spoken, or that breaks a rule.
pub(crate) fn words(prompt: &Prompt, has: &dyn Fn(&str) -> bool) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let pack = match prompt {
        Prompt::Digits { pack, text } => {
            let known = text.chars().count() <= DIGITS_MAX && text.chars().all(|c| word_of(c).is_some());
            out.extend(text.chars().filter(|_| known).filter_map(word_of));
            if !known {
                return None;
            }
            pack
        }
        Prompt::Number { pack, value } if *value >= NUMBER_MAX => {
            out.extend(value.to_string().chars().map(String::from));
            pack
        }
        Prompt::Number { pack, value } => {
            let speaker = Speaker { rules: Rules::of(pack), has: &|word| has(&format!("{pack}/{word}")) };
            speaker.number(*value, &mut out);
            pack
        }
        Prompt::File(_) | Prompt::Tone(_) | Prompt::SilenceMs(_) | Prompt::Clip { .. } | Prompt::Brought { .. } => {
            return None;
        }
    };
    Some(out.into_iter().map(|word| format!("{pack}/{word}")).collect())
}

fn word_of(digit: char) -> Option<String> {
    Some(match digit {
        '0'..='9' => digit.to_string(),
        '*' => "star".to_owned(),
        '#' => "pound".to_owned(),
        '+' => "plus".to_owned(),
        'a'..='z' | 'A'..='Z' => digit.to_ascii_lowercase().to_string(),
        _ => return None,
    })
}

struct Speaker<'a> {
    rules: Rules,
    has: &'a dyn Fn(&str) -> bool,
}

impl Speaker<'_> {
    fn number(&self, value: u64, out: &mut Vec<String>) {
        let whole = value.to_string();
        if value < 20 || (self.has)(&whole) {
            out.push(whole);
            return;
        }
        for (unit, word) in [(1_000_000, "million"), (1_000, "thousand"), (100, "hundred")] {
            let (count, rest) = (value / unit, value % unit);
            if count == 0 {
                continue;
            }
            let own = (count * unit).to_string();
            if (self.has)(&own) {
                out.push(own);
            } else {
                if !(count == 1 && self.rules.bare_one && unit < 1_000_000) {
                    self.number(count, out);
                }
                out.push(word.to_owned());
            }
            if rest > 0 {
                self.number(rest, out);
            }
            return;
        }
        let (tens, units) = (value / 10 * 10, value % 10);
        match self.rules.below_hundred {
            Below::Whole => out.push(whole),
            _ if units == 0 => out.push(whole),
            Below::TensFirst => out.extend([tens.to_string(), units.to_string()]),
            Below::UnitsFirst => out.extend([units.to_string(), "and".to_owned(), tens.to_string()]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pack: &str, value: u64, has: &[&str]) -> String {
        let prompt = Prompt::Number { pack: pack.to_owned(), value };
        let words = words(&prompt, &|name| has.contains(&name)).unwrap();
        let bare = words.iter().map(|w| w.rsplit('/').next().unwrap().to_owned());
        assert!(words.iter().all(|w| w.starts_with(&format!("{pack}/"))));
        bare.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn numbers_by_language_and_by_what_the_pack_has() {
        for (pack, value, expected) in [
            ("en", 0, "0"),
            ("en", 13, "13"),
            ("en", 20, "20"),
            ("en", 21, "20 1"),
            ("en-gb", 342, "3 hundred 40 2"),
            ("en", 1_000, "1 thousand"),
            ("en", 21_100, "20 1 thousand 1 hundred"),
            ("en", 2_000_007, "2 million 7"),
            ("en", 1_234_567_890, "1 2 3 4 5 6 7 8 9 0"),
            ("de", 21, "1 and 20"),
            ("de-anna", 999, "9 hundred 9 and 90"),
            ("fr", 171, "hundred 71"),
            ("fr", 1_000_000, "1 million"),
            ("xx", 42, "42"),
        ] {
            assert_eq!(said(pack, value, &[]), expected, "{pack} {value}");
        }
        assert_eq!(said("es", 342, &["es/300"]), "300 42");
        assert_eq!(said("de", 1_042, &["de/42", "de/1000"]), "1000 42");
    }

    #[test]
    fn digits_one_by_one() {
        let digits = |text: &str| words(&Prompt::Digits { pack: "en".to_owned(), text: text.to_owned() }, &|_| false);
        assert_eq!(digits("+4*#a").unwrap(), ["en/plus", "en/4", "en/star", "en/pound", "en/a"]);
        assert_eq!(digits("1 2"), None);
        assert_eq!(digits(&"1".repeat(65)), None);
        assert_eq!(digits("").unwrap(), Vec::<String>::new());
    }
}
