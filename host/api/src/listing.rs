//! Lists: which page is wanted, in which order, of which rows. The parameters come from the store's tables
//! ([`store::lists`]), in the document as in the requests, so that a noun's list has all that its rows can be found by.

use crate::nouns::Many;
use crate::problem::Problem;
use crate::stamp;
use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::marker::PhantomData;
use model::{CallId, Instant};
use std::collections::BTreeSet;
use store::{Filter, Found, Listing, Mark, Page, Test, Value, Wanted};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required};

/// Longest text that a parameter may have.
const TEXT_BYTES_MAX: usize = 256;
/// Longest `after`: the texts of some columns.
const AFTER_BYTES_MAX: usize = 8 * 1024;
/// Rows of a page where nothing else is asked for.
const LIMIT_USUAL: u32 = 100;

/// What is listed from the store.
pub(crate) trait Noun {
    /// What it can be ordered and filtered by.
    fn listing() -> &'static Listing;
}

/// The page of a list of nouns that a request asks for.
#[derive(Debug)]
pub(crate) struct Asked<N>(pub(crate) Wanted, PhantomData<N>);

impl<N: Noun + Send, S: Send + Sync> FromRequestParts<S> for Asked<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(N::listing(), named(parts)?).map(|wanted| Asked(wanted, PhantomData))
    }
}

/// The parameters of a request, each once.
fn named(parts: &Parts) -> Result<Vec<(String, String)>, Problem> {
    let Query(all) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|_| Problem::malformed("The query cannot be read."))?;
    let mut seen = BTreeSet::new();
    for (name, value) in &all {
        let most = if name == "after" { AFTER_BYTES_MAX } else { TEXT_BYTES_MAX };
        if !seen.insert(name.as_str()) {
            return Err(Problem::field(name.as_str(), "is there twice"));
        }
        if value.len() > most || value.contains('\0') {
            return Err(Problem::field(name.as_str(), format!("expected at most {most} bytes, none of them 0")));
        }
    }
    Ok(all)
}

fn read(of: &'static Listing, named: Vec<(String, String)>) -> Result<Wanted, Problem> {
    let of_name = |wanted: &str| named.iter().find(|(name, _)| name == wanted).map(|(_, text)| text.as_str());
    let mut wanted = Wanted::of(of, limit_of(of_name("limit"))?);
    for (name, text) in named.iter().filter(|(name, _)| !["order", "after", "limit"].contains(&name.as_str())) {
        let Some(filter) = of.filter(name) else {
            let filters = of.filters().iter().map(Filter::name);
            let known: Vec<&str> = filters.chain(["order", "after", "limit", "fields"]).collect();
            return Err(Problem::field(name.as_str(), format!("is unknown here, expected {}", known.join(", "))));
        };
        wanted = wanted.only(name, value(filter, text)?);
    }
    match of_name("order") {
        Some(order) => wanted = wanted.ordered(order).map_err(|why| Problem::field("order", why))?,
        // The legs of one call are told in their order.
        None if wanted.has("call") && of.columns().any(|column| column == "leg") => {
            wanted = wanted.ordered("leg").map_err(|why| Problem::field("order", why))?;
        }
        None => {}
    }
    match of_name("after") {
        Some(after) => {
            let mark = mark(after, &wanted).ok_or_else(no_mark)?;
            wanted.after(&mark).map_err(|_| no_mark())
        }
        None => Ok(wanted),
    }
}

fn no_mark() -> Problem {
    Problem::field("after", "expected `next` of the page before, of the same order and filters")
}

fn limit_of(text: Option<&str>) -> Result<u32, Problem> {
    let wrong = || Problem::field("limit", format!("expected 1 to {}", Page::LIMIT_MAX));
    let limit = text.map_or(Ok(LIMIT_USUAL), str::parse::<u32>).map_err(|_| wrong())?;
    if (1..=Page::LIMIT_MAX).contains(&limit) { Ok(limit) } else { Err(wrong()) }
}

fn value(filter: &Filter, text: &str) -> Result<Value, Problem> {
    let expected = |what: &str| Problem::field(filter.name(), format!("expected {what}"));
    Ok(match filter.test() {
        Test::Number => Value::Number(text.parse().map_err(|_| expected("a number"))?),
        Test::Truth => Value::Truth(text.parse().map_err(|_| expected("true or false"))?),
        Test::Text | Test::Begins | Test::BeginsNumber => Value::Text(text.to_owned()),
        Test::Call => {
            let call: CallId = text.parse().map_err(|_| expected("a call's id, 32 hex digits"))?;
            Value::Text(call.to_string())
        }
        Test::Word(words) => {
            let words = words();
            if !words.contains(&text) {
                return Err(expected(&format!("one of {}", words.join(", "))));
            }
            Value::Text(text.to_owned())
        }
        Test::From | Test::Until => moment(filter.name(), text)?.into(),
    })
}

/// A moment of a parameter.
pub(crate) fn moment(field: &str, text: &str) -> Result<Instant, Problem> {
    let wrong = || Problem::field(field, "expected a time as 2026-11-22T05:48:00Z, or a date");
    stamp::parse(text).ok_or_else(wrong)
}

/// A mark as it goes out: a number where the order is that of one; else for the client to carry, not to read.
fn written(mark: &Mark) -> String {
    match mark.values.as_slice() {
        [only] if only.parse::<i64>().is_ok() => only.clone(),
        values => {
            let all: Vec<&str> = [mark.order.as_str()].into_iter().chain(values.iter().map(String::as_str)).collect();
            URL_SAFE_NO_PAD.encode(serde_json::Value::from(all).to_string())
        }
    }
}

fn mark(text: &str, wanted: &Wanted) -> Option<Mark> {
    if text.parse::<i64>().is_ok() {
        return Some(Mark { order: wanted.order_words(), values: vec![text.to_owned()] });
    }
    let mut all: Vec<String> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    if all.is_empty() || all.iter().any(|text| text.contains('\0')) {
        return None;
    }
    Some(Mark { order: all.remove(0), values: all })
}

impl<T> Many<T> {
    /// A page as it was found.
    pub(crate) fn found<R: Into<T>>(found: Found<R>) -> Json<Self> {
        let next = found.next.as_ref().map(written);
        Self::of(found.rows, next)
    }
}

impl<N: Noun> IntoParams for Asked<N> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let of = N::listing();
        let mut all: Vec<Parameter> = of.filters().iter().map(told).collect();
        let one = format!("-?({})", of.columns().collect::<Vec<_>>().join("|"));
        let order = string().pattern(Some(format!("^{one}(,{one}){{0,{}}}$", store::ORDER_MAX - 1)));
        let about = format!(
            "Columns to order by, with commas between, each from the last to the first with a `-` before it; else `{}`, or \
             what a filter says the beginning of. Rows that are the same in all of them come in the order of their ids.",
            of.usual()
        );
        all.push(parameter("order", &about, order));
        all.extend(paging());
        all
    }
}

fn paging() -> [Parameter; 2] {
    let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(Page::LIMIT_MAX));
    [
        parameter("after", "`next` of the page before.", string().max_length(Some(AFTER_BYTES_MAX))),
        parameter("limit", &format!("At most so many, 1 to {}; else {LIMIT_USUAL}.", Page::LIMIT_MAX), limit),
    ]
}

fn number() -> ObjectBuilder {
    let format = SchemaFormat::KnownFormat(KnownFormat::Int64);
    ObjectBuilder::new().schema_type(Type::Integer).format(Some(format))
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

fn parameter(name: &str, about: &str, schema: ObjectBuilder) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(RefOr::<Schema>::from(schema)))
        .build()
}

fn told(filter: &Filter) -> Parameter {
    let schema = match filter.test() {
        Test::Number => number(),
        Test::Truth => ObjectBuilder::new().schema_type(Type::Boolean),
        Test::Word(words) => string().enum_values(Some(words())),
        Test::Text | Test::Begins | Test::BeginsNumber | Test::Call | Test::From | Test::Until => {
            string().max_length(Some(TEXT_BYTES_MAX))
        }
    };
    parameter(filter.name(), filter.about(), schema)
}

/// The page of a snapshot that a request asks for: of what is in no table, in the one order that it has. What belongs to
/// tenants can be narrowed to one of them.
#[derive(Debug)]
pub(crate) struct Snapshot<const OF_TENANTS: bool> {
    company: Option<i64>,
    account: Option<i64>,
    after: Option<String>,
    limit: u32,
}

/// Of what belongs to tenants.
pub(crate) type OfTenants = Snapshot<true>;
/// Of what does not, or of one tenant only.
pub(crate) type Plain = Snapshot<false>;

impl<const OF_TENANTS: bool, S: Send + Sync> FromRequestParts<S> for Snapshot<OF_TENANTS> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut asked = Snapshot { company: None, account: None, after: None, limit: limit_of(None)? };
        for (name, text) in named(parts)? {
            let number = || text.parse().map(Some).map_err(|_| Problem::field(name.as_str(), "expected a number"));
            match name.as_str() {
                "company" if OF_TENANTS => asked.company = number()?,
                "account" if OF_TENANTS => asked.account = number()?,
                "limit" => asked.limit = limit_of(Some(&text))?,
                "after" => {
                    let key = URL_SAFE_NO_PAD.decode(&text).ok().and_then(|key| String::from_utf8(key).ok());
                    asked.after = Some(key.ok_or_else(no_mark)?);
                }
                _ => {
                    let known =
                        if OF_TENANTS { "company, account, after, limit, fields" } else { "after, limit, fields" };
                    return Err(Problem::field(name.as_str(), format!("is unknown here, expected {known}")));
                }
            }
        }
        Ok(asked)
    }
}

impl<const OF_TENANTS: bool> IntoParams for Snapshot<OF_TENANTS> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let narrowed = [("company", "Of this company."), ("account", "Of this account.")];
        let narrowed =
            narrowed.into_iter().filter(|_| OF_TENANTS).map(|(name, about)| parameter(name, about, number()));
        narrowed.chain(paging()).collect()
    }
}

impl<const OF_TENANTS: bool> Snapshot<OF_TENANTS> {
    /// Whether something of this company and account is asked for.
    pub(crate) fn wants(&self, company: i64, account: Option<i64>) -> bool {
        self.company.is_none_or(|asked| asked == company) && self.account.is_none_or(|asked| Some(asked) == account)
    }

    /// The page, in the order of the keys, of which no two are the same: what comes or goes meanwhile moves nothing else.
    pub(crate) fn page<R: Into<T>, T>(&self, rows: Vec<R>, key: impl Fn(&R) -> String) -> Json<Many<T>> {
        let mut keyed: Vec<(String, R)> = rows.into_iter().map(|row| (key(&row), row)).collect();
        keyed.retain(|(key, _)| self.after.as_ref().is_none_or(|after| key > after));
        keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = keyed.len() > limit;
        keyed.truncate(limit);
        let next = keyed.last().filter(|_| more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
        Many::of(keyed.into_iter().map(|(_, row)| row).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(of: &'static Listing, query: &str) -> Result<Wanted, Problem> {
        let request = axum::http::Request::builder().uri(format!("/x?{query}")).body(()).unwrap();
        read(of, named(&request.into_parts().0)?)
    }

    #[test]
    fn a_mark_comes_back_as_it_went() {
        let by_name = asked(store::lists::ACCOUNTS, "order=-username,enabled").unwrap();
        let ended = Mark { order: by_name.order_words(), values: vec!["ä\"".into(), "true".into(), "7".into()] };
        assert_eq!(mark(&written(&ended), &by_name), Some(ended));
        let by_id = asked(store::lists::ACCOUNTS, "").unwrap();
        let ended = Mark { order: "id".to_owned(), values: vec!["17".to_owned()] };
        assert_eq!(written(&ended), "17");
        assert_eq!(mark("17", &by_id), Some(ended));
    }

    #[test]
    fn what_is_wrong_is_named_with_what_there_is() {
        for (query, field, words) in [
            ("order=password", "order", "username"),
            ("order=", "order", "username"),
            ("order=username&after=17", "after", "page before"),
            ("after=x", "after", "page before"),
            ("after=W10", "after", "page before"),
            ("limit=0", "limit", "1 to 1000"),
            ("limit=x", "limit", "1 to 1000"),
            ("company=x", "company", "a number"),
            ("enabled=maybe", "enabled", "true or false"),
            ("ha1_md5=a", "ha1_md5", "expected company"),
            ("username=a&username=b", "username", "twice"),
            ("username=a%00", "username", "bytes"),
        ] {
            let problem = asked(store::lists::ACCOUNTS, query).unwrap_err();
            let error = &problem.errors[0];
            assert_eq!((problem.status, error.field.as_str()), (422, field), "{query}");
            assert!(error.detail.contains(words), "{query}: {}", error.detail);
        }
        assert_eq!(asked(store::lists::JOBS, "state=gone").unwrap_err().errors[0].field, "state");
        assert_eq!(asked(store::lists::CDRS, "call=x").unwrap_err().errors[0].field, "call");
        assert_eq!(asked(store::lists::CDRS, "from=x").unwrap_err().errors[0].field, "from");
        assert_eq!(asked(store::lists::CDRS, "call=7").unwrap().order_words(), "leg,call");
    }

    #[test]
    fn a_snapshot_is_paged_while_things_come_and_go() {
        let of = |after: Option<String>| Plain { company: None, account: None, after, limit: 2 };
        let page = |after: Option<String>, rows: &[&'static str]| -> (Vec<String>, Option<String>) {
            let many: Json<Many<String>> = of(after).page(rows.to_vec(), |row| (*row).to_owned());
            let value = serde_json::to_value(&many.0).unwrap();
            let next =
                value["next"].as_str().map(|next| String::from_utf8(URL_SAFE_NO_PAD.decode(next).unwrap()).unwrap());
            (serde_json::from_value(value["items"].clone()).unwrap(), next)
        };
        let (items, next) = page(None, &["d", "b", "a", "c"]);
        assert_eq!(items, ["a", "b"]);
        // One before it came, the last one of it is gone.
        let (items, next) = page(next, &["aa", "d", "c", "a"]);
        assert_eq!((items, next), (vec!["c".to_owned(), "d".to_owned()], None));
    }
}
