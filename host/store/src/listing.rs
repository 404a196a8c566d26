//! Lists: what each noun's can be ordered and filtered by, and the text of a page made from that.
//!
//! A text is put together of what the tables of the nouns say and of numbers of arguments, never of what a client said:
//! a name that comes from outside is looked up, and what it is compared with is an argument. The API makes its parameters
//! from the same tables. A page begins behind the last row of the one before, whose columns and key are in its [`Mark`]: so
//! rows that come and go between pages are neither shown twice nor left out. See decision 0328.

use crate::sql::{Arg, Listed, Row, micros};
use crate::{Db, OpContext, Page, Scope, StoreError};
use core::fmt::Write as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Row as _};

/// Most columns that a list may be ordered by at once.
pub const ORDER_MAX: usize = 4;
/// From so many bytes on the beginning of a number leaves so few rows that they are found by it, and not by whose they are.
const SHARP_BYTES: usize = 10;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Holds {
    Number,
    Text,
    Truth,
}

/// A column that a list can be ordered by. None of them is ever null.
#[derive(Debug)]
pub struct Column {
    name: &'static str,
    sql: &'static str,
    holds: Holds,
}

impl Column {
    pub(crate) const fn number(name: &'static str, sql: &'static str) -> Column {
        Column { name, sql, holds: Holds::Number }
    }

    pub(crate) const fn text(name: &'static str, sql: &'static str) -> Column {
        Column { name, sql, holds: Holds::Text }
    }

    pub(crate) const fn truth(name: &'static str, sql: &'static str) -> Column {
        Column { name, sql, holds: Holds::Truth }
    }

    fn read(&self, text: &str) -> Option<Value> {
        match self.holds {
            Holds::Number => text.parse().ok().map(Value::Number),
            Holds::Text => Some(Value::Text(text.to_owned())),
            Holds::Truth => text.parse().ok().map(Value::Truth),
        }
    }
}

/// How a filter compares.
#[derive(Clone, Copy, Debug)]
pub enum Test {
    /// The column is this number.
    Number,
    /// The column is true, or is false.
    Truth,
    /// The column is this text.
    Text,
    /// The column is the id of this call.
    Call,
    /// The column is one of these words.
    Word(fn() -> Vec<&'static str>),
    /// The column begins with this text.
    Begins,
    /// The column, a number in E.164, begins with this, with its `+` or without.
    BeginsNumber,
    /// The column is this instant, or later.
    From,
    /// The column is before this instant.
    Until,
}

/// What a list can be narrowed by.
#[derive(Debug)]
pub struct Filter {
    name: &'static str,
    sql: &'static str,
    test: Test,
    about: &'static str,
    /// Whether its column alone has an index, whoever the rows belong to.
    sharp: bool,
}

impl Filter {
    pub(crate) const fn new(name: &'static str, sql: &'static str, test: Test, about: &'static str) -> Filter {
        Filter { name, sql, test, about, sharp: false }
    }

    /// What a column with an index of its own begins with.
    pub(crate) const fn sharp(name: &'static str, sql: &'static str, about: &'static str) -> Filter {
        Filter { name, sql, test: Test::Begins, about, sharp: true }
    }

    pub(crate) const fn company(sql: &'static str) -> Filter {
        Filter::new("company", sql, Test::Number, "Of this company.")
    }

    pub(crate) const fn brand(sql: &'static str) -> Filter {
        Filter::new("brand", sql, Test::Number, "Of this brand.")
    }

    pub(crate) const fn name_begins(sql: &'static str) -> Filter {
        Filter::new("name", sql, Test::Begins, "Whose name begins with this, in the same case.")
    }

    pub(crate) const fn enabled(sql: &'static str) -> Filter {
        Filter::new("enabled", sql, Test::Truth, "Only those that are switched on, or off.")
    }

    /// Its column as a value of which there is no index; the same words in both databases.
    fn looked_at(&self) -> String {
        let column = self.sql;
        match self.test {
            Test::Number | Test::From | Test::Until => format!("+{column}"),
            Test::Text | Test::Call | Test::Word(_) | Test::Begins | Test::BeginsNumber => format!("({column} || '')"),
            Test::Truth => format!("COALESCE({column}, FALSE)"),
        }
    }

    /// The parameter's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it does, for people.
    #[must_use]
    pub const fn about(&self) -> &'static str {
        self.about
    }

    /// How it compares.
    #[must_use]
    pub const fn test(&self) -> Test {
        self.test
    }
}

/// Whose a row is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    /// The columns of its brand and of its company.
    Tenant(&'static str, &'static str),
    /// The column of its brand; a company sees none.
    Brand(&'static str),
    /// The row is a brand, this its number; a company sees its own.
    Itself(&'static str),
    /// The column of its brand; without one it is everybody's to see.
    Shared(&'static str),
}

/// What the lists of a noun can be ordered and filtered by.
#[derive(Debug)]
pub struct Listing {
    pub(crate) what: &'static str,
    pub(crate) columns: &'static str,
    pub(crate) from: &'static str,
    pub(crate) owner: Owner,
    /// What tells one row from all others.
    pub(crate) key: &'static [Column],
    /// The order where none is asked for.
    pub(crate) usual: &'static str,
    pub(crate) by: &'static [Column],
    pub(crate) filters: &'static [Filter],
}

impl Listing {
    /// The noun.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        self.what
    }

    /// The order where none is asked for.
    #[must_use]
    pub const fn usual(&self) -> &'static str {
        self.usual
    }

    /// The names of the columns it can be ordered by.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> {
        self.by.iter().map(|column| column.name)
    }

    /// What it can be filtered by.
    #[must_use]
    pub const fn filters(&self) -> &'static [Filter] {
        self.filters
    }

    /// The filter of that name.
    #[must_use]
    pub fn filter(&self, name: &str) -> Option<&'static Filter> {
        self.filters.iter().find(|filter| filter.name == name)
    }

    fn order(&self, text: &str) -> Result<Vec<(&'static Column, bool)>, String> {
        let mut all: Vec<(&'static Column, bool)> = Vec::new();
        for one in text.split(',') {
            let (down, name) = one.strip_prefix('-').map_or((false, one), |name| (true, name));
            let Some(column) = self.by.iter().find(|column| column.name == name) else {
                let known = self.columns().collect::<Vec<_>>().join(", ");
                return Err(format!("expected {known}, each with or without a `-` before it, with commas between"));
            };
            // What rows have in common already orders them no further.
            if !all.iter().any(|(known, _)| known.name == name) {
                all.push((column, down));
            }
        }
        if all.len() > ORDER_MAX {
            return Err(format!("expected at most {ORDER_MAX} columns"));
        }
        Ok(all)
    }
}

/// What a column is compared with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// A number; an instant is its microseconds.
    Number(i64),
    /// A text.
    Text(String),
    /// Yes or no.
    Truth(bool),
}

impl Value {
    fn arg(&self) -> Arg<'_> {
        match self {
            Value::Number(number) => Arg::Int(*number),
            Value::Text(text) => Arg::Text(text),
            Value::Truth(truth) => Arg::Bool(*truth),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}
impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Value::Truth(truth)
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}
impl From<model::Instant> for Value {
    fn from(at: model::Instant) -> Self {
        Value::Number(micros(at))
    }
}

/// Where a page ended: the order it has, and of its last row what that order looks at and the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The order, as [`Wanted::ordered`] reads it.
    pub order: String,
    /// As texts, in that order.
    pub values: Vec<String>,
}

/// Rows, and where the page after them begins; none = these were the last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where they ended.
    pub next: Option<Mark>,
}

/// A page that is wanted of a list.
#[derive(Clone, Debug)]
pub struct Wanted {
    of: &'static Listing,
    filters: Vec<(&'static Filter, Value)>,
    order: Vec<(&'static Column, bool)>,
    after: Vec<Value>,
    limit: u32,
    /// A filter was named that the noun has not: nothing is found.
    nothing: bool,
}

impl Wanted {
    /// The first page of a list, of so many rows (at most [`Page::LIMIT_MAX`]).
    #[must_use]
    pub const fn of(of: &'static Listing, limit: u32) -> Wanted {
        Wanted { of, filters: Vec::new(), order: Vec::new(), after: Vec::new(), limit, nothing: false }
    }

    /// A page in the usual order of a noun whose key is its number.
    pub(crate) fn page(of: &'static Listing, page: Page) -> Wanted {
        let after = if page.after == 0 { Vec::new() } else { vec![Value::Number(page.after)] };
        Wanted { after, ..Wanted::of(of, page.limit) }
    }

    /// Of what list.
    #[must_use]
    pub const fn listing(&self) -> &'static Listing {
        self.of
    }

    /// Only rows that this filter lets through; of a name that the noun does not have, none at all.
    #[must_use]
    pub fn only(mut self, name: &str, value: impl Into<Value>) -> Wanted {
        match self.of.filter(name) {
            Some(filter) => self.filters.push((filter, value.into())),
            None => self.nothing = true,
        }
        self
    }

    /// As [`Wanted::only`], where there is a value.
    #[must_use]
    pub fn only_some(self, name: &str, value: Option<impl Into<Value>>) -> Wanted {
        match value {
            Some(value) => self.only(name, value),
            None => self,
        }
    }

    /// Whether it is looked for by something that few rows have.
    fn is_sharp(&self) -> bool {
        self.filters.iter().any(|(filter, value)| is_sharp(filter, value))
    }

    /// Whether a filter of that name is on.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.filters.iter().any(|(filter, _)| filter.name == name)
    }

    /// In this order: names of columns with commas between, from the last to the first with a `-` before it. Rows that are
    /// the same in all of them come in the order of their key, in the direction of the last.
    ///
    /// # Errors
    /// What is wrong with it, for people: it names a column that there is not, or more than [`ORDER_MAX`].
    pub fn ordered(mut self, order: &str) -> Result<Wanted, String> {
        self.order = self.of.order(order)?;
        Ok(self)
    }

    /// Begins behind that row; the order and the filters are to be said before.
    ///
    /// # Errors
    /// It is the mark of another order.
    pub fn after(mut self, mark: &Mark) -> Result<Wanted, String> {
        let wrong = || "expected `next` of the page before, of the same order and filters".to_owned();
        let order = self.whole_order();
        if mark.values.len() != order.len() || mark.order != words(&order) {
            return Err(wrong());
        }
        let values = order.iter().zip(&mark.values).map(|((column, _), text)| column.read(text));
        self.after = values.collect::<Option<_>>().ok_or_else(wrong)?;
        Ok(self)
    }

    /// The words of the order that a page of this has: what [`Mark::order`] is to be.
    #[must_use]
    pub fn order_words(&self) -> String {
        words(&self.whole_order())
    }

    /// All columns that order it, the key among them: no two rows are the same in them.
    fn whole_order(&self) -> Vec<(&'static Column, bool)> {
        let mut all = self.order.clone();
        if all.is_empty() {
            // Who asks for what begins with something wants to read it in that order, and there is an index for it.
            let begins = self.filters.iter().find(|(f, _)| matches!(f.test, Test::Begins | Test::BeginsNumber));
            let column = begins.and_then(|(f, _)| self.of.by.iter().find(|column| column.sql == f.sql));
            all = match column {
                Some(column) if self.of.usual == "id" => vec![(column, false)],
                _ => self.of.order(self.of.usual).unwrap_or_default(),
            };
        }
        let down = all.last().is_some_and(|(_, down)| *down);
        let named = |all: &[(&Column, bool)], key: &Column| all.iter().position(|(c, _)| c.sql == key.sql);
        for key in self.of.key {
            if named(&all, key).is_none() {
                all.push((key, down));
            }
        }
        // Behind the whole key nothing is left to order.
        let end = self.of.key.iter().filter_map(|key| named(&all, key)).max().unwrap_or(0);
        all.truncate(end + 1);
        all
    }

    /// The text of the page and its arguments. Of the limit one more is asked for, which says whether there is another page.
    #[must_use]
    pub fn text(&self, ctx: &OpContext) -> (String, Vec<Value>) {
        let order = self.whole_order();
        let mut text = Text { sql: format!("SELECT {}", self.of.columns), args: Vec::new(), and: " WHERE " };
        for (at, (column, _)) in order.iter().enumerate() {
            let _ = match column.holds {
                Holds::Truth => {
                    write!(text.sql, ", CASE WHEN {} THEN 'true' ELSE 'false' END AS order_{at}", column.sql)
                }
                Holds::Number | Holds::Text => write!(text.sql, ", CAST({} AS TEXT) AS order_{at}", column.sql),
            };
        }
        let _ = write!(text.sql, " FROM {}", self.of.from);
        text.scope(self, ctx);
        let sharp = self.is_sharp();
        for (filter, value) in &self.filters {
            // Where rows are found by a number, every other condition only looks at what was found; else the number does.
            let looks = if sharp { !is_sharp(filter, value) } else { filter.sharp };
            let column = if looks { filter.looked_at() } else { filter.sql.to_owned() };
            text.filter(filter, &column, value);
        }
        text.behind(&order, &self.after);
        for (at, (column, down)) in order.iter().enumerate() {
            let (with, way) = (if at == 0 { " ORDER BY" } else { "," }, if *down { " DESC" } else { "" });
            let _ = write!(text.sql, "{with} {}{way}", column.sql);
        }
        let limit = text.bind(Value::Number(i64::from(self.limit.clamp(1, Page::LIMIT_MAX)) + 1));
        let _ = write!(text.sql, " LIMIT {limit}");
        (text.sql, text.args)
    }
}

fn is_sharp(filter: &Filter, value: &Value) -> bool {
    filter.sharp && matches!(value, Value::Text(text) if text.len() >= SHARP_BYTES)
}

fn words(order: &[(&Column, bool)]) -> String {
    let one = |(column, down): &(&Column, bool)| format!("{}{}", if *down { "-" } else { "" }, column.name);
    order.iter().map(one).collect::<Vec<_>>().join(",")
}

/// A text on its way.
struct Text {
    sql: String,
    args: Vec<Value>,
    and: &'static str,
}

impl Text {
    /// The place of an argument in the text.
    fn bind(&mut self, value: Value) -> String {
        self.args.push(value);
        format!("${}", self.args.len())
    }

    fn and(&mut self, condition: &str) {
        self.sql.push_str(self.and);
        self.sql.push_str(condition);
        self.and = " AND ";
    }

    fn is(&mut self, column: &str, value: Value) {
        let place = self.bind(value);
        self.and(&format!("{column} = {place}"));
    }

    /// Whose rows there are at all for whoever asks.
    fn scope(&mut self, wanted: &Wanted, ctx: &OpContext) {
        if wanted.nothing {
            self.and("1 = 0");
        }
        match (wanted.of.owner, ctx.scope) {
            (_, Scope::Platform) => {}
            (Owner::Tenant(brand, company), Scope::Brand(own)) => {
                // A company's index is the narrower one; behind a `+` the brand has none.
                let narrow = wanted.is_sharp() || wanted.filters.iter().any(|(filter, _)| filter.sql == company);
                self.is(&format!("{}{brand}", if narrow { "+" } else { "" }), Value::Number(own.0));
            }
            (Owner::Tenant(brand, company), Scope::Company(own_brand, own)) => {
                self.is(&format!("+{brand}"), Value::Number(own_brand.0));
                self.is(&format!("{}{company}", if wanted.is_sharp() { "+" } else { "" }), Value::Number(own.0));
            }
            (Owner::Brand(_), Scope::Company(..)) => self.and("1 = 0"),
            (Owner::Brand(brand) | Owner::Itself(brand), Scope::Brand(own) | Scope::Company(own, _)) => {
                self.is(brand, Value::Number(own.0));
            }
            (Owner::Shared(brand), Scope::Brand(own) | Scope::Company(own, _)) => {
                let place = self.bind(Value::Number(own.0));
                self.and(&format!("({brand} IS NULL OR {brand} = {place})"));
            }
        }
    }

    fn filter(&mut self, filter: &Filter, column: &str, value: &Value) {
        let value = value.clone();
        match (filter.test, value) {
            (Test::From, value) => {
                let place = self.bind(value);
                self.and(&format!("{column} >= {place}"));
            }
            (Test::Until, value) => {
                let place = self.bind(value);
                self.and(&format!("{column} < {place}"));
            }
            (Test::Begins, Value::Text(begin)) => self.begins(column, &begin),
            (Test::BeginsNumber, Value::Text(begin)) => {
                // A `+` that a client did not encode comes as a blank.
                let digits = begin.trim_start_matches(['+', ' ']);
                self.begins(column, &format!("+{digits}"));
            }
            (
                Test::Number
                | Test::Truth
                | Test::Text
                | Test::Call
                | Test::Word(_)
                | Test::Begins
                | Test::BeginsNumber,
                value,
            ) => {
                self.is(column, value);
            }
        }
    }

    /// Both databases order these columns by their bytes, so what begins with something is one stretch of an index.
    fn begins(&mut self, column: &str, begin: &str) {
        let place = self.bind(Value::Text(begin.to_owned()));
        self.and(&format!("{column} >= {place}"));
        if let Some(end) = beyond(begin) {
            let place = self.bind(Value::Text(end));
            self.and(&format!("{column} < {place}"));
        }
    }

    /// Only rows behind that one.
    fn behind(&mut self, order: &[(&Column, bool)], after: &[Value]) {
        if after.is_empty() {
            return;
        }
        let places: Vec<String> = after.iter().map(|value| self.bind(value.clone())).collect();
        let columns: Vec<&str> = order.iter().map(|(column, _)| column.sql).collect();
        let sign = |down: bool| if down { '<' } else { '>' };
        let first = order.first().is_some_and(|(_, down)| *down);
        if order.iter().all(|(_, down)| *down == first) {
            return self.and(&format!("({}) {} ({})", columns.join(", "), sign(first), places.join(", ")));
        }
        // The first column alone bounds the walk of an index; the rest decides among its equals.
        let mut rest = String::new();
        for ((column, place), (_, down)) in columns.iter().zip(&places).zip(order).rev() {
            let sign = sign(*down);
            rest = match rest.as_str() {
                "" => format!("{column} {sign} {place}"),
                rest => format!("({column} {sign} {place} OR ({column} = {place} AND {rest}))"),
            };
        }
        if let (Some(column), Some(place)) = (columns.first(), places.first()) {
            self.and(&format!("{column} {}= {place}", sign(first)));
        }
        self.and(&rest);
    }
}

/// The least text that is behind all that begin with this; none where there is no such.
fn beyond(begin: &str) -> Option<String> {
    let mut text = begin.to_owned();
    while let Some(last) = text.pop() {
        // The step over the surrogates is one too: no text has a character there.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// A row, and what orders it.
pub(crate) struct Keyed<R> {
    row: R,
    order: Vec<String>,
}

macro_rules! keyed_row {
    ($($row:ty),*) => {$(
        impl<'r, R: FromRow<'r, $row>> FromRow<'r, $row> for Keyed<R> {
            fn from_row(row: &'r $row) -> Result<Self, sqlx::Error> {
                let mut order = Vec::new();
                for at in 0.. {
                    match row.try_get::<String, _>(format!("order_{at}").as_str()) {
                        Ok(text) => order.push(text),
                        Err(sqlx::Error::ColumnNotFound(_)) => break,
                        Err(error) => return Err(error),
                    }
                }
                Ok(Keyed { row: R::from_row(row)?, order })
            }
        }
    )*};
}
keyed_row!(SqliteRow, PgRow);

impl Db {
    /// A page of a list.
    pub(crate) async fn found<R: Row, T>(
        &self,
        of: &'static Listing,
        (ctx, wanted): (&OpContext, &Wanted),
        into: impl Fn(R) -> Result<T, StoreError>,
    ) -> Result<Found<T>, StoreError> {
        if !core::ptr::eq(of, wanted.of) {
            let why = format!("a list of another noun, {}, was asked for", wanted.of.what);
            return Err(StoreError::Invalid { what: of.what, why });
        }
        let (sql, values) = wanted.text(ctx);
        let args: Vec<Arg<'_>> = values.iter().map(Value::arg).collect();
        let mut rows = self.all_of::<Keyed<R>>(Listed { what: of.what, sql }, &args).await?;
        let limit = usize::try_from(wanted.limit.clamp(1, Page::LIMIT_MAX)).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| Mark { order: wanted.order_words(), values: row.order.clone() });
        let rows = rows.into_iter().map(|keyed| into(keyed.row)).collect::<Result<_, _>>()?;
        Ok(Found { rows, next })
    }
}

#[cfg(test)]
mod tests;
