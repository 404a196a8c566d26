//! What a guest asks of its imports and what they answer: kept while its binding is recorded, given again while the
//! recording is replayed (design/plugins.md, section 5).
//!
//! A guest sees the world only through its imports, so its question and these answers are all that decides what it says.
//! `log`, `metrics` and `config` are no part of it: the first two answer nothing, the third is one document, kept once.

use crate::capability::Powers;
use crate::guest::Guest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

/// A secret's place in a recording. Replayed guests are given it for the secret, where nobody has one for them.
pub(crate) const SECRET: &str = "[secret]";
/// Imports of this interface may be asked more or less often than in the recording.
const CLOCK: &str = "clock.";

/// One call of an import.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Exchange {
    /// Interface and function: `kv.get`.
    pub(crate) import: String,
    /// Its arguments.
    pub(crate) with: Value,
    /// What it answered.
    pub(crate) said: Value,
}

/// An instance's relation to recordings.
#[derive(Debug, Default)]
pub(crate) enum Tape {
    /// None.
    #[default]
    Off,
    /// It is recorded.
    Recording(Take),
    /// It is replayed.
    Replaying(Replay),
    /// It was replayed and went another way: the world is empty now.
    Strayed(String),
}

/// What is kept of one instance.
#[derive(Debug)]
pub(crate) struct Take {
    pub(crate) exchanges: Vec<Exchange>,
    /// What was checked or set as a PIN: whoever pressed it pressed it for nobody else.
    pub(crate) pins: Vec<String>,
    bytes: usize,
    bytes_max: usize,
    /// Its place among those that are under way.
    _place: Arc<()>,
}

impl Take {
    pub(crate) fn new(bytes_max: usize, place: Arc<()>) -> Take {
        Take { exchanges: Vec::new(), pins: Vec::new(), bytes: 0, bytes_max, _place: place }
    }

    /// Whether all of it could be kept.
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes <= self.bytes_max
    }

    fn keep(&mut self, exchange: Exchange) {
        self.bytes += size(&exchange.with) + size(&exchange.said) + exchange.import.len();
        if self.is_whole() {
            self.exchanges.push(exchange);
        } else {
            self.exchanges = Vec::new();
        }
    }
}

fn size(value: &Value) -> usize {
    value.to_string().len()
}

/// What is left of a recording.
#[derive(Debug)]
pub(crate) struct Replay {
    left: VecDeque<Exchange>,
    clock: Option<Exchange>,
    asked: usize,
}

impl Replay {
    pub(crate) fn new(exchanges: Vec<Exchange>) -> Replay {
        Replay { left: exchanges.into(), clock: None, asked: 0 }
    }

    /// The recorded answer, or how this is another way.
    fn answer(&mut self, import: &str, with: &Value) -> Result<Value, String> {
        self.asked += 1;
        let asked = format!("host call {}: ", self.asked);
        if import.starts_with(CLOCK) {
            let same = |e: &Exchange| e.import == import && e.with == *with;
            if self.left.front().is_some_and(same) {
                self.clock = self.left.pop_front();
            }
            // One that looks at the clock once more sees what the last look showed.
            let seen = self.clock.as_ref().filter(|e| same(e)).or_else(|| self.left.iter().find(|e| same(e)));
            return seen
                .map(|e| e.said.clone())
                .ok_or_else(|| format!("{asked}the recording never looked at the clock so: {}", shown(import, with)));
        }
        while self.left.front().is_some_and(|e| e.import.starts_with(CLOCK)) {
            self.clock = self.left.pop_front();
        }
        match self.left.pop_front() {
            Some(e) if e.import == import && e.with == *with => Ok(e.said),
            Some(e) => Err(format!("{asked}was {}, is {}", shown(&e.import, &e.with), shown(import, with))),
            None => Err(format!("{asked}the recording has none; it is {}", shown(import, with))),
        }
    }

    /// What the recording did and this did not.
    pub(crate) fn missing(&self) -> Option<String> {
        let left = self.left.iter().find(|e| !e.import.starts_with(CLOCK))?;
        Some(format!("host call {}: was {}, is none", self.asked + 1, shown(&left.import, &left.with)))
    }
}

fn shown(import: &str, with: &Value) -> String {
    let text: String = with.to_string().chars().take(400).collect();
    format!("{import} {text}")
}

/// What is to be done about one call of an import.
pub(crate) enum Cue<R> {
    /// Ask, and nothing more.
    Off,
    /// Do not ask: this is the answer.
    Known(R),
    /// Ask, and keep what it says with these arguments.
    Keep(&'static str, Value),
}

/// Asks an import, or takes its answer from a recording.
macro_rules! taped {
    ($guest:expr, $import:literal, $with:expr, $real:expr) => {{
        let cue = $guest.cue($import, &$with);
        match cue {
            $crate::tape::Cue::Known(said) => said,
            cue => {
                let said = $real;
                $guest.keep(cue, &said);
                said
            }
        }
    }};
}
pub(crate) use taped;

impl Guest {
    pub(crate) fn cue<R: DeserializeOwned>(&mut self, import: &'static str, with: &impl Serialize) -> Cue<R> {
        if matches!(self.tape, Tape::Off | Tape::Strayed(_)) {
            return Cue::Off;
        }
        let mut with = serde_json::to_value(with).unwrap_or_default();
        hush(&mut with, &self.bound.powers);
        let Tape::Replaying(replay) = &mut self.tape else { return Cue::Keep(import, with) };
        let answer = replay.answer(import, &with);
        let read = |said| {
            let read = serde_json::from_value(said);
            read.map_err(|e| format!("the recorded answer of {import} is none of this version: {e}"))
        };
        match answer.and_then(read) {
            Ok(said) => Cue::Known(said),
            Err(how) => {
                self.tape = Tape::Strayed(how);
                Cue::Off
            }
        }
    }

    pub(crate) fn keep<R: Serialize>(&mut self, cue: Cue<R>, said: &R) {
        if let (Cue::Keep(import, with), Tape::Recording(take)) = (cue, &mut self.tape) {
            let mut said = serde_json::to_value(said).unwrap_or_default();
            hush(&mut said, &self.bound.powers);
            take.keep(Exchange { import: import.to_owned(), with, said });
        }
    }

    /// Keeps a PIN out of the recording, wherever else it stands.
    pub(crate) fn conceal(&mut self, pin: &str) {
        if let Tape::Recording(take) = &mut self.tape {
            take.pins.push(pin.to_owned());
        }
    }

    /// Whether a replay has gone another way, where nothing real may be reached.
    pub(crate) const fn strayed(&self) -> bool {
        matches!(self.tape, Tape::Strayed(_))
    }
}

/// Takes the secrets that a binding knows out of a value, in texts and in bytes.
pub(crate) fn hush(value: &mut Value, powers: &Powers) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(hushed) = powers.hushed(text) {
                *text = hushed;
            }
        }
        Value::Array(list) => {
            let bytes: Option<Vec<u8>> = list.iter().map(|v| v.as_u64().and_then(|n| u8::try_from(n).ok())).collect();
            match bytes {
                Some(bytes) => {
                    if let Some(hushed) = powers.hushed_bytes(&bytes) {
                        *list = hushed.into_iter().map(Value::from).collect();
                    }
                }
                None => list.iter_mut().for_each(|v| hush(v, powers)),
            }
        }
        Value::Object(fields) => fields.values_mut().for_each(|v| hush(v, powers)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Puts zeros in place of texts that are a PIN: as many, so that whoever counts them counts the same.
pub(crate) fn without_pins(value: &mut Value, pins: &[String]) {
    match value {
        Value::String(text) if pins.contains(text) => *text = "0".repeat(text.chars().count()),
        Value::Array(list) => list.iter_mut().for_each(|v| without_pins(v, pins)),
        Value::Object(fields) => fields.values_mut().for_each(|v| without_pins(v, pins)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Where two values first differ: a path, what was, what is.
pub(crate) fn difference(was: &Value, is: &Value) -> Option<String> {
    fn walk(path: &str, was: &Value, is: &Value) -> Option<String> {
        match (was, is) {
            (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
                a.iter().find_map(|(k, v)| walk(&format!("{path}/{k}"), v, b.get(k).unwrap_or(&Value::Null)))
            }
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                a.iter().zip(b).enumerate().find_map(|(i, (x, y))| walk(&format!("{path}/{i}"), x, y))
            }
            _ if was == is => None,
            _ => {
                let cut = |v: &Value| v.to_string().chars().take(400).collect::<String>();
                Some(format!("{}: was {}, is {}", if path.is_empty() { "/" } else { path }, cut(was), cut(is)))
            }
        }
    }
    walk("", was, is)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn exchange(import: &str, with: Value, said: Value) -> Exchange {
        Exchange { import: import.to_owned(), with, said }
    }

    #[test]
    fn a_recording_answers_in_order_and_the_clock_as_often_as_it_is_asked() {
        let tape = vec![
            exchange("clock.now-ms", json!([]), json!(7)),
            exchange("kv.get", json!(["a", "b"]), json!({"Ok": null})),
            exchange("kv.get", json!(["a", "c"]), json!({"Ok": [1]})),
        ];
        let mut replay = Replay::new(tape.clone());
        assert_eq!(replay.answer("clock.now-ms", &json!([])), Ok(json!(7)));
        assert_eq!(replay.answer("clock.now-ms", &json!([])), Ok(json!(7)));
        assert_eq!(replay.answer("kv.get", &json!(["a", "b"])), Ok(json!({"Ok": null})));
        assert!(replay.missing().expect("one is left").contains(r#"was kv.get ["a","c"], is none"#));
        let how = replay.answer("kv.get", &json!(["a", "d"])).expect_err("another key");
        assert_eq!(how, r#"host call 4: was kv.get ["a","c"], is kv.get ["a","d"]"#);
        let mut replay = Replay::new(tape);
        assert_eq!(replay.answer("kv.get", &json!(["a", "b"])), Ok(json!({"Ok": null})), "it never asked the time");
    }

    #[test]
    fn the_first_difference_is_told_by_its_path() {
        let was = json!({"Connect": {"steps": [{"to": "1001"}, {"to": "1002"}]}});
        let is = json!({"Connect": {"steps": [{"to": "1001"}, {"to": "1003"}]}});
        assert_eq!(difference(&was, &is).as_deref(), Some(r#"/Connect/steps/1/to: was "1002", is "1003""#));
        assert_eq!(difference(&was, &was), None);
        assert_eq!(difference(&json!({"a": 1}), &json!({"b": 1})).as_deref(), Some(r#"/: was {"a":1}, is {"b":1}"#));
    }

    #[test]
    fn a_pin_stands_nowhere() {
        let mut value = json!({"digits": "4711", "other": ["4711", "47112", {"x": "4711"}], "n": 4711});
        without_pins(&mut value, &["4711".to_owned()]);
        assert_eq!(value, json!({"digits": "0000", "other": ["0000", "47112", {"x": "0000"}], "n": 4711}));
    }

    #[test]
    fn a_take_that_grows_too_large_keeps_nothing() {
        let mut take = Take::new(40, Arc::default());
        take.keep(exchange("kv.get", json!(["a"]), json!(1)));
        assert!(take.is_whole() && take.exchanges.len() == 1);
        take.keep(exchange("kv.get", json!(["a long argument, far too long"]), json!(1)));
        assert!(!take.is_whole() && take.exchanges.is_empty());
    }
}
