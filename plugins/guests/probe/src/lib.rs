//! A plugin that uses every capability as its configuration says and tells what it got. For tests only.

use serde::Deserialize;
use strowger_sdk::filter::{self, Message, SipFilter, add, pass, pass_with, remove, set};
use strowger_sdk::lifecycle::{Checked, Lifecycle, document, fault};
use strowger_sdk::prelude::*;
use strowger_sdk::{
    Action, Attempt, Bucket, EventSink, Feature, Http, Item, Mail, Registration, Verdict, export_event_sink,
    export_feature, export_lifecycle, export_registration, export_sip_filter, local_time, longest_prefix, no_objection,
    prefixes, secret,
};

const STORE: Bucket = Bucket("probe");

#[derive(Deserialize)]
#[serde(default)]
struct Config {
    r#do: String,
    url: String,
    text: String,
    number: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config { r#do: "next".to_owned(), url: String::new(), text: String::new(), number: 0 }
    }
}

struct Probe;

fn misbehave(what: &str) {
    match what {
        "trap" => panic!("on purpose"),
        "spin" => loop {
            std::hint::black_box(());
        },
        _ => {}
    }
}

/// A mail to `text`, in the words of the template `url`.
fn letter(config: &Config) -> Mail {
    let mail = Mail::new(&config.url).field("caller", "1001").to(&config.text);
    if config.number > 0 { mail.once(&config.number.to_string()) } else { mail }
}

/// What came back, as words in a refusal.
fn tell<T: std::fmt::Debug>(got: Result<T>) -> Decision {
    let words = match got {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error:?}"),
    };
    refuse(480, &words.chars().filter(|c| *c != '"').take(120).collect::<String>())
}

impl Router for Probe {
    fn route(call: CallInfo) -> Result<Decision> {
        let config: Config = config()?;
        misbehave(&config.r#do);
        Ok(match config.r#do.as_str() {
            "http" => {
                let mut request = Http::get(&config.url).timeout(5_000);
                if !config.text.is_empty() {
                    request = request.bearer(&config.text);
                }
                tell(request.send().map(|r| (r.status, String::from_utf8_lossy(&r.body).into_owned())))
            }
            "mail" => tell(letter(&config).send()),
            "count" => tell(STORE.add(&config.text, 1, None)),
            "put" => tell(STORE.put("k", &config.text)),
            "get" => tell(STORE.text("k")),
            // Fills its bucket and says what stopped it.
            "fill" => {
                let put = |n: u32| STORE.put(&format!("{n}"), vec![0; 60 << 10]);
                let stopped = (0..u32::MAX).find_map(|n| put(n).err().map(|why| (n, why)));
                tell(Ok::<_, Error>(stopped))
            }
            // Calls the host without end.
            "storm" => loop {
                let _ = STORE.text("k");
            },
            "long" => tell(STORE.put(&"k".repeat(1 << 14), "")),
            "leak" => return Err(Error::Unavailable(format!("key {}", secret(&config.text)?))),
            "log" => {
                strowger_sdk::info!("{}", secret(&config.text)?);
                tell(Ok(()))
            }
            "huge" => tell(STORE.put("k", vec![0; 65 << 10])),
            "secret" => tell(secret(&config.text)),
            "prefix" => tell(longest_prefix(&config.text, &call.callee.user)),
            "prefixes" => tell(prefixes(&config.text, &call.callee.user).map(|all| all.len())),
            "clock" => tell(Ok(local_time(&config.text, 0).map(|l| (l.year, l.hour, l.weekday)))),
            _ => next(),
        })
    }
}

impl Lifecycle for Probe {
    fn validate_config(json: &str) -> Checked<()> {
        let config: Config = document(json)?;
        misbehave(&config.r#do);
        match config.r#do.as_str() {
            "get" => drop(STORE.text("k")),
            "log" => strowger_sdk::info!("{}", config.text),
            "grow" => drop(std::hint::black_box(vec![1_u8; config.number as usize])),
            "faults" => {
                let faults = (0..config.number).map(|n| fault(&format!("/text/{n}"), &config.text));
                return Err(faults.collect());
            }
            _ => {}
        }
        Ok(())
    }

    fn migrate_config(version: &str, json: String) -> Checked<String> {
        let config: Config = document(&json)?;
        misbehave(&config.r#do);
        match config.r#do.as_str() {
            "grow" => Ok("x".repeat(config.number as usize)),
            "refuse" => Err(vec![fault("/do", version)]),
            _ => Ok(json.replace("old", version)),
        }
    }
}

impl Registration for Probe {
    fn register(attempt: Attempt) -> Result<Verdict> {
        let config: Config = config()?;
        misbehave(&config.r#do);
        Ok(match config.r#do.as_str() {
            "err" => return Err(Error::NotFound),
            // Nobody may wait here.
            "mail" => Verdict::Refuse((403, format!("{:?}", letter(&config).send()).replace('"', ""))),
            "at-most" => Verdict::AtMost(config.number),
            "refuse" => Verdict::Refuse((config.number as u16, attempt.user_agent)),
            "mark" => Verdict::Next(vec![("seen".to_owned(), attempt.account)]),
            "told" => Verdict::Refuse((403, format!("{:?}", attempt.attrs).replace('"', ""))),
            _ => no_objection(),
        })
    }
}

impl Feature for Probe {
    fn invoke(_: CallInfo, code: String, digits: String) -> Result<Action> {
        let config: Config = config()?;
        misbehave(&config.r#do);
        Ok(match config.r#do.as_str() {
            "run" => Action::RunApp((config.text, vec![("digits".to_owned(), digits)])),
            "reroute" => Action::Reroute(digits),
            "ignore" => Action::Ignore,
            "nonsense" => Action::Refuse((200, String::new())),
            _ => Action::Refuse((480, format!("{code} {digits} {}", config.text))),
        })
    }
}

impl EventSink for Probe {
    fn deliver(batch: Vec<Item>) -> Result<u32> {
        let config: Config = config()?;
        misbehave(&config.r#do);
        if config.r#do == "err" {
            return Err(Error::NotFound);
        }
        let all = batch.len() as u32;
        let taken = if config.number > 0 { config.number.min(all) } else { all };
        for item in &batch[..taken as usize] {
            let attrs: Vec<_> = item.attrs.iter().map(|(n, v)| format!("{n}={v}")).collect();
            STORE.put(&format!("{:05}", item.id), format!("{} {} {}", item.kind, item.company, attrs.join(",")))?;
        }
        Ok(taken)
    }
}

impl SipFilter for Probe {
    fn filter(message: Message) -> Result<filter::Verdict> {
        let config: Config = config()?;
        misbehave(&config.r#do);
        let many = |count: u32, bytes: usize| (0..count).map(move |n| add(&format!("X-{n}"), &"x".repeat(bytes)));
        Ok(match config.r#do.as_str() {
            "err" => return Err(Error::NotFound),
            "refuse" => filter::refuse(config.number as u16, &config.text),
            "flood" => pass_with(many(config.number, 1)),
            "huge" => pass_with(many(1, config.number as usize)),
            "add" => pass_with([add("X-Probe", &config.text)]),
            "set" => pass_with([set(&config.text, "probed")]),
            "remove" => pass_with([remove(&config.text)]),
            "split" => pass_with([add("X-Probe", &format!("a\r\n{}: evil", config.text))]),
            "broken" => pass_with([add(&format!("X-Probe: a\r\n{}", config.text), "evil")]),
            "nul" => pass_with([add("X-Probe", "a\0b")]),
            // What it was told, for the next to see.
            "tell" => pass_with([add("X-Told", &told(&message))]),
            _ => pass(),
        })
    }
}

fn told(m: &Message) -> String {
    let names: Vec<_> = m.headers.iter().map(|h| format!("{}={}", h.name, h.value)).collect();
    let way = if m.inbound { "in" } else { "out" };
    format!("{} {:?} {way} {:?} {:?} {}", m.method, m.status, m.trunk, m.account, names.join(";")).replace('"', "'")
}

export_sip_filter!(Probe);
export_lifecycle!(Probe);
export_router!(Probe);
export_registration!(Probe);
export_feature!(Probe);
export_event_sink!(Probe);
