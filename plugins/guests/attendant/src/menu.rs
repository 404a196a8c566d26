//! The configuration: menus, and when each begins.

use serde::Deserialize;
use std::collections::BTreeMap;
use strowger_sdk::lifecycle::{Fault, fault, place};
use strowger_sdk::{Local, local_time, now_ms, warn};

/// The menu at the top.
const MAIN: &str = "main";

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    digits: BTreeMap<String, String>,
    menu: String,
    attempts: u32,
    extensions: bool,
    failed: Option<String>,
    menus: BTreeMap<String, Part>,
    schedules: Vec<Schedule>,
    zone: String,
    pub extension_digits: u32,
    pub ring_timeout_s: u32,
    pub invalid: String,
    pub busy: String,
    pub goodbye: String,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            digits: BTreeMap::new(),
            menu: "attendant-menu".to_owned(),
            attempts: 3,
            extensions: false,
            failed: None,
            menus: BTreeMap::new(),
            schedules: Vec::new(),
            zone: "UTC".to_owned(),
            extension_digits: 4,
            ring_timeout_s: 20,
            invalid: "attendant-invalid".to_owned(),
            busy: "attendant-busy".to_owned(),
            goodbye: "goodbye".to_owned(),
        }
    }
}

/// What a menu says of itself.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Part {
    digits: BTreeMap<String, String>,
    menu: Option<String>,
    attempts: Option<u32>,
    extensions: Option<bool>,
    failed: Option<String>,
}

/// When a menu is the first.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Schedule {
    /// Days of the week, 1 is Monday.
    days: Option<String>,
    /// `09:00-17:00`; over midnight `22:00-06:00`, by the day on which it is read.
    hours: Option<String>,
    /// Days of the year, `2026-12-25`, or of every year, `12-25`.
    dates: Vec<String>,
    menu: String,
}

/// A menu, whole.
pub struct Menu {
    pub digits: BTreeMap<String, String>,
    pub menu: String,
    pub attempts: u32,
    pub extensions: bool,
    pub failed: Option<String>,
}

impl Config {
    /// The menu of that name.
    pub fn menu(&self, name: &str) -> Option<Menu> {
        let main = || Menu {
            digits: self.digits.clone(),
            menu: self.menu.clone(),
            attempts: self.attempts,
            extensions: self.extensions,
            failed: self.failed.clone(),
        };
        match self.menus.get(name) {
            Some(part) => Some(Menu {
                digits: part.digits.clone(),
                menu: part.menu.clone().unwrap_or_else(|| self.menu.clone()),
                attempts: part.attempts.unwrap_or(self.attempts),
                extensions: part.extensions.unwrap_or(self.extensions),
                failed: part.failed.clone().or_else(|| self.failed.clone()),
            }),
            None if name == MAIN => Some(main()),
            None => None,
        }
    }

    /// What is wrong: menus that are named and are not there.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut look = |at: String, name: &str| {
            if self.menu(name).is_none() {
                faults.push(fault(&at, &format!("there is no menu {name:?}")));
            }
        };
        let tops = self.digits.iter().map(|(key, whom)| (place("/digits", key), whom));
        let others = self.menus.iter().flat_map(|(name, part)| {
            let at = place(&place("/menus", name), "digits");
            part.digits.iter().map(move |(key, whom)| (place(&at, key), whom))
        });
        for (at, whom) in tops.chain(others) {
            if let Some(name) = whom.strip_prefix("menu:") {
                look(at, name);
            }
        }
        for (n, schedule) in self.schedules.iter().enumerate() {
            look(format!("/schedules/{n}/menu"), &schedule.menu);
        }
        faults
    }

    /// The name of the menu with which a call begins now.
    pub fn begin(&self) -> String {
        if self.schedules.is_empty() {
            return MAIN.to_owned();
        }
        let now = local_time(&self.zone, now_ms());
        if now.is_none() {
            warn!("there is no time zone {}: no schedule holds", self.zone);
        }
        let fits = |schedule: &&Schedule| now.as_ref().is_some_and(|now| schedule.fits(now));
        self.schedules.iter().find(fits).map_or(MAIN, |schedule| schedule.menu.as_str()).to_owned()
    }
}

impl Schedule {
    fn fits(&self, now: &Local) -> bool {
        let day = format!("{:02}-{:02}", now.month, now.day);
        let whole = format!("{:04}-{day}", now.year);
        let on_day = self.days.as_ref().is_none_or(|days| days.contains(&now.weekday.to_string()));
        let on_date = self.dates.is_empty() || self.dates.iter().any(|date| *date == day || *date == whole);
        on_day && on_date && self.hours.as_deref().is_none_or(|hours| is_within(hours, now.hour, now.minute))
    }
}

/// Whether a time of day lies in `09:00-17:00`. What cannot be read holds never.
fn is_within(hours: &str, hour: u8, minute: u8) -> bool {
    let minutes = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute) = (hour.parse::<u16>().ok()?, minute.parse::<u16>().ok()?);
        (hour <= 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let Some((from, until)) = hours.split_once('-').and_then(|(from, until)| Some((minutes(from)?, minutes(until)?)))
    else {
        warn!("hours {hours}: expected 09:00-17:00");
        return false;
    };
    let now = u16::from(hour) * 60 + u16::from(minute);
    if from <= until { (from..until).contains(&now) } else { now >= from || now < until }
}
