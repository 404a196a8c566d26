//! Prices: the lines become the brand's prefix table, in one change. Calls price themselves by the table as it was or as it
//! is, never by half of one.

use super::plan::Plan;
use super::text::{Record, Records, every, written};
use super::{Broke, Columns, LINES_MAX, Place, Run, cells, columns, fault, finish, live};
use crate::auth::Caller;
use model::BrandId;
use serde_json::Value;
use std::collections::BTreeMap;
use store::{JobLine, NewPrefixTable, Page};

/// Lines after which the job says how far it is.
const STEP_LINES: u64 = 10_000;
/// Most seconds of an increment.
const SECONDS_MAX: u32 = 86_400;
/// What lines may say; tables have at least these columns.
const COLUMNS: [&str; 6] = ["name", "per_minute", "connect", "increment", "initial", "start"];

/// A table as it grows: its columns, and its rows by prefix.
#[derive(Default)]
struct Table {
    columns: Vec<String>,
    rows: BTreeMap<String, Vec<String>>,
}

impl Table {
    /// The table of a text.
    fn read(text: &str) -> Result<Table, String> {
        let mut lines = every(text)?.into_iter();
        let heading = lines.next().map(|record| record.cells).unwrap_or_default();
        let columns = heading.into_iter().skip(1).collect();
        let row = |record: Record| {
            let mut cells = record.cells.into_iter();
            (digits(&cells.next().unwrap_or_default()), cells.collect())
        };
        Ok(Table { columns, rows: lines.map(row).collect() })
    }

    /// Where a column is; a new one is empty in the rows that are there.
    fn column(&mut self, name: &str) -> usize {
        self.columns.iter().position(|column| column == name).unwrap_or_else(|| {
            self.columns.push(name.to_owned());
            for row in self.rows.values_mut() {
                row.push(String::new());
            }
            self.columns.len() - 1
        })
    }

    fn text(&self) -> String {
        let heading = core::iter::once("prefix").chain(self.columns.iter().map(String::as_str));
        let mut out: String = table_line(heading);
        for (prefix, row) in &self.rows {
            out += &table_line(core::iter::once(prefix.as_str()).chain(row.iter().map(String::as_str)));
        }
        out
    }
}

/// A line of a table's own text, which no spreadsheet opens.
fn table_line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let quoted = |cell: &str| {
        if cell.contains([',', '"']) || cell != cell.trim() {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.to_owned()
        }
    };
    let mut line = cells.map(quoted).collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

fn digits(prefix: &str) -> String {
    prefix.strip_prefix('+').unwrap_or(prefix).to_owned()
}

pub(super) async fn run(run: &Run, plan: &Plan, caller: &Caller) -> Result<Value, Broke> {
    let failed = |why: String| Broke::Final(why, None);
    let (db, name) = (&run.api.db, plan.table.clone().unwrap_or_default());
    let there = if plan.replace { None } else { current(run, plan, caller).await? };
    let mut table = match there {
        Some(text) => {
            tokio::task::spawn_blocking(move || Table::read(&text)).await.map_err(|e| failed(e.to_string()))?
        }
        None => Ok(Table::default()),
    }
    .map_err(failed)?;
    let place = lines(run, plan, &mut table).await?;
    let result = place.result(plan);
    if plan.dry_run {
        let batch = db.batch().await?;
        finish(run, batch, (place.lines, place.faults), &result).await?;
        return Ok(result);
    }
    if plan.atomic && place.faults > 0 {
        return Err(Broke::Final(format!("{} lines are wrong; nothing was taken in", place.faults), Some(result)));
    }
    let checked = tokio::task::spawn_blocking(move || {
        let text = table.text();
        tables::PrefixTable::from_csv(&text).map(|read| (read.len(), text)).map_err(|e| e.to_string())
    });
    let (rows, csv) = checked.await.map_err(|e| failed(e.to_string()))?.map_err(failed)?;
    let new = NewPrefixTable { brand: BrandId(plan.brand), name, rows, csv, loaded_at: run.api.switch.now() };
    let batch = db.batch().await?;
    batch.step(db.prefix_tables().load(&caller.ctx, new)).await??;
    finish(run, batch, (place.lines, place.faults), &result).await?;
    live(run).await;
    Ok(result)
}

/// The text of the table as it is.
async fn current(run: &Run, plan: &Plan, caller: &Caller) -> Result<Option<String>, Broke> {
    let db = &run.api.db;
    let all = db.prefix_tables().list(&caller.ctx, Page::first()).await?;
    let found = all.into_iter().find(|t| t.brand.0 == plan.brand && Some(&t.name) == plan.table.as_ref());
    Ok(match found {
        Some(table) => db.prefix_tables().text(table.id).await?,
        None => None,
    })
}

/// Reads the file into the table.
async fn lines(run: &Run, plan: &Plan, table: &mut Table) -> Result<Place, Broke> {
    let mut records = Records::of(run);
    let first = if plan.columns.is_none() { records.next().await? } else { None };
    let (columns, mut told) = columns(plan, first.as_ref())?;
    let places = COLUMNS.map(|name| table.column(name));
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut place = Place::default();
    run.api.db.job_runs().unsay(run.job.id).await?;
    while let Some(record) = records.next().await? {
        let done = line(&columns, &record, &mut seen).map(|(prefix, values)| put(table, &places, prefix, values));
        place.lines += 1;
        match done {
            Ok(true) => place.added += 1,
            Ok(false) => place.changed += 1,
            Err(faults) => {
                place.faults += 1;
                told.extend(faults);
            }
        }
        if place.lines > LINES_MAX {
            return Err(Broke::Final(format!("the file has more than {LINES_MAX} lines"), None));
        }
        if place.lines.is_multiple_of(STEP_LINES) {
            step(run, &place, &mut told).await?;
            tokio::task::yield_now().await;
        }
    }
    step(run, &place, &mut told).await?;
    Ok(place)
}

async fn step(run: &Run, place: &Place, told: &mut Vec<JobLine>) -> Result<(), Broke> {
    let runs = run.api.db.job_runs();
    runs.say(run.job.id, told.get(..told.len().min(1_000)).unwrap_or_default()).await?;
    told.clear();
    Ok(runs.step(run.lease(), place.step(None, run.job.total)).await?)
}

/// Puts a row in; whether its prefix is new.
fn put(table: &mut Table, places: &[usize; 6], prefix: String, values: [Option<String>; 6]) -> bool {
    let width = table.columns.len();
    let new = !table.rows.contains_key(&prefix);
    let row = table.rows.entry(prefix).or_insert_with(|| vec![String::new(); width]);
    for (at, value) in places.iter().zip(values) {
        if let (Some(cell), Some(value)) = (row.get_mut(*at), value) {
            *cell = value;
        }
    }
    new
}

type Values = [Option<String>; 6];

/// What a line says: its prefix, and its values in the order of [`COLUMNS`].
fn line(
    columns: &Columns,
    record: &Record,
    seen: &mut BTreeMap<String, u64>,
) -> Result<(String, Values), Vec<JobLine>> {
    let named = cells(columns, record)?;
    let cell = |name: &str| named.iter().find(|(column, _)| *column == name).map(|(_, cell)| *cell);
    let mut faults = Vec::new();
    let mut wrong = |field: &str, why: &str| faults.push(fault(record.line, field, why));
    let prefix = digits(cell("prefix").unwrap_or_default());
    if !(1..=15).contains(&prefix.len()) || !prefix.bytes().all(|b| b.is_ascii_digit()) {
        wrong("prefix", "expected 1 to 15 digits, a + before them or not");
    } else if let Some(line) = seen.insert(prefix.clone(), record.line) {
        wrong("prefix", &format!("line {line} has it too"));
    }
    if cell("per_minute").is_none() {
        wrong("per_minute", "must not be empty");
    }
    for name in ["per_minute", "connect"] {
        if cell(name).is_some_and(|text| !is_money(text)) {
            wrong(name, "expected digits, at most 6 of them after a point");
        }
    }
    for (name, least) in [("increment", 1), ("initial", 1), ("start", 0)] {
        let fits = |text: &str| text.parse().is_ok_and(|n: u32| (least..=SECONDS_MAX).contains(&n));
        if cell(name).is_some_and(|text| !fits(text)) {
            wrong(name, &format!("expected {least} to {SECONDS_MAX} seconds"));
        }
    }
    if cell("name").is_some_and(|text| text.chars().count() > 128 || text.chars().any(char::is_control)) {
        wrong("name", "expected at most 128 characters of one line");
    }
    let values = COLUMNS.map(|name| cell(name).map(str::to_owned));
    if faults.is_empty() { Ok((prefix, values)) } else { Err(faults) }
}

/// As the rater reads amounts.
fn is_money(text: &str) -> bool {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let plain = |text: &str, max: usize| (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain(whole, 9) && plain(rest, 6)
}

/// A table's text for whoever asks for it: with care for spreadsheets.
pub(crate) fn shown(text: &str) -> Result<Vec<String>, String> {
    Ok(every(text)?.iter().map(|record| written(record.cells.iter().map(String::as_str))).collect())
}
