//! Translation sets: how a brand's carriers write numbers.

use super::{Listed, Many};
use crate::extract::{Body, Id};
use crate::listing::{Asked, Noun};
use crate::problem::{Problem, Refusals};
use crate::{Api, auth::Caller};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::{Country, NumberingPlan, RuleList, TranslationLists, TranslationRule, TranslationSetId};
use serde::{Deserialize, Serialize};
use store::NewTranslationSet;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Carriers are a brand's own: their settings are no company's to change.
const BRANDS: &str = "Translation sets are for a brand's operator.";

/// One rule: the first of its list whose pattern matches rewrites the number.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TranslationRule)]
pub(crate) struct Rule {
    /// A regular expression without look-around and back-references.
    pattern: String,
    /// What the number becomes; `\1` to `\9` are the pattern's groups, `\0` is the match.
    replacement: String,
}

impl From<&TranslationRule> for Rule {
    fn from(r: &TranslationRule) -> Self {
        Rule { pattern: r.pattern.clone(), replacement: r.replacement.clone() }
    }
}

fn compiled(field: &str, rules: Vec<Rule>) -> Result<RuleList, Problem> {
    let rule = |r: Rule| TranslationRule { pattern: r.pattern, replacement: r.replacement };
    RuleList::new(rules.into_iter().map(rule).collect()).map_err(|e| Problem::field(field, e.to_string()))
}

/// A translation set.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TranslationSet {
    id: i64,
    brand: i64,
    /// Unique within the brand.
    name: String,
    /// The caller's number of calls that come in, to E.164.
    caller_in: Vec<Rule>,
    /// The caller's number of calls that go out, to the carrier's form.
    caller_out: Vec<Rule>,
    /// The dialled number of calls that come in, to E.164.
    callee_in: Vec<Rule>,
    /// The dialled number of calls that go out, to the carrier's form.
    callee_out: Vec<Rule>,
}

impl From<model::TranslationSet> for TranslationSet {
    fn from(s: model::TranslationSet) -> Self {
        let list = |l: &RuleList| l.rules().iter().map(Rule::from).collect();
        TranslationSet {
            id: s.id.0,
            brand: s.brand.0,
            name: s.name,
            caller_in: list(&s.lists.caller_in),
            caller_out: list(&s.lists.caller_out),
            callee_in: list(&s.lists.callee_in),
            callee_out: list(&s.lists.callee_out),
        }
    }
}

/// How numbers are written in a country, and perhaps in one area of it: the lists are made from it. What is not named is
/// as in `country`; without one, `country_code` and `international_prefix` are needed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numbering {
    /// Two letters (ISO 3166), as in `/countries`: `DE`.
    country: Option<String>,
    /// Without `+`: `49`.
    country_code: Option<String>,
    /// What is dialled before a number of another country: `00`.
    international_prefix: Option<String>,
    /// What is dialled before a number of another area: `0`; else nothing.
    national_prefix: Option<String>,
    /// The area whose numbers are dialled without it; else none.
    #[serde(default)]
    area_code: String,
    /// How many digits a national number has, area code included and prefix not; else they vary.
    national_length: Option<u8>,
}

impl Numbering {
    fn lists(self) -> Result<TranslationLists, Problem> {
        let plan = self.plan()?;
        plan.lists().map_err(|e| Problem::field("numbering", e.to_string()))
    }

    fn plan(self) -> Result<NumberingPlan, Problem> {
        let unknown = |code: &str| Problem::field("numbering.country", format!("there is no country {code:?}"));
        let country = self.country.map(|code| Country::of_code(&code).ok_or_else(|| unknown(&code))).transpose()?;
        let known = country.map(|country| country.numbering(""));
        let fact = |field: &str, said: Option<String>, known: Option<String>| {
            said.or(known).ok_or_else(|| Problem::field(field, "name it, or a country"))
        };
        let of = |fact: fn(&NumberingPlan) -> &String| known.as_ref().map(|plan| fact(plan).clone());
        Ok(NumberingPlan {
            country_code: fact("numbering.country_code", self.country_code, of(|p| &p.country_code))?,
            international_prefix: fact(
                "numbering.international_prefix",
                self.international_prefix,
                of(|p| &p.international_prefix),
            )?,
            national_prefix: self.national_prefix.or(of(|p| &p.national_prefix)).unwrap_or_default(),
            area_code: self.area_code,
            national_length: self.national_length.or(known.as_ref().and_then(|plan| plan.national_length)),
        })
    }
}

/// A translation set to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddTranslationSet {
    /// The brand's id; a brand's token may leave it out.
    brand: Option<i64>,
    /// Unique within the brand.
    name: String,
    /// Makes the lists; then none may be named.
    numbering: Option<Numbering>,
    #[serde(default)]
    caller_in: Vec<Rule>,
    #[serde(default)]
    caller_out: Vec<Rule>,
    #[serde(default)]
    callee_in: Vec<Rule>,
    #[serde(default)]
    callee_out: Vec<Rule>,
}

/// What changes; a list is replaced whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchTranslationSet {
    name: Option<String>,
    caller_in: Option<Vec<Rule>>,
    caller_out: Option<Vec<Rule>>,
    callee_in: Option<Vec<Rule>>,
    callee_out: Option<Vec<Rule>>,
}

impl Noun for TranslationSet {
    fn listing() -> &'static store::Listing {
        store::lists::TRANSLATION_SETS
    }
}

/// Lists translation sets.
#[utoipa::path(get, path = "/translation-sets", tag = "trunks", params(Asked<TranslationSet>),
    responses((status = 200, body = Many<TranslationSet>), Refusals))]
async fn list(State(api): State<Api>, caller: Caller, asked: Asked<TranslationSet>) -> Listed<TranslationSet> {
    Ok(Many::found(api.db.translation_sets().found(&caller.ctx, &asked.0).await?))
}

/// Shows a translation set.
#[utoipa::path(get, path = "/translation-sets/{id}", tag = "trunks", params(("id" = i64, Path)),
    responses((status = 200, body = TranslationSet), Refusals))]
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<Json<TranslationSet>, Problem> {
    Ok(Json(api.db.translation_sets().get(&caller.ctx, TranslationSetId(id)).await?.into()))
}

/// Adds a translation set. For a brand's operator.
#[utoipa::path(post, path = "/translation-sets", tag = "trunks", request_body = AddTranslationSet,
    responses((status = 201, body = TranslationSet), Refusals))]
async fn add(
    State(api): State<Api>,
    caller: Caller,
    Body(body): Body<AddTranslationSet>,
) -> Result<(StatusCode, Json<TranslationSet>), Problem> {
    caller.needs_brand(BRANDS)?;
    let written = [&body.caller_in, &body.caller_out, &body.callee_in, &body.callee_out].iter().any(|l| !l.is_empty());
    let lists = match body.numbering {
        Some(_) if written => return Err(Problem::field("numbering", "it makes the lists: name either it or them")),
        Some(numbering) => numbering.lists()?,
        None => TranslationLists {
            caller_in: compiled("caller_in", body.caller_in)?,
            caller_out: compiled("caller_out", body.caller_out)?,
            callee_in: compiled("callee_in", body.callee_in)?,
            callee_out: compiled("callee_out", body.callee_out)?,
        },
    };
    let new = NewTranslationSet { brand: caller.brand(body.brand)?, name: body.name, lists };
    let set = api.db.translation_sets().create(&caller.ctx, new).await?;
    api.live().await?;
    Ok((StatusCode::CREATED, Json(set.into())))
}

/// Changes a translation set. For a brand's operator.
#[utoipa::path(patch, path = "/translation-sets/{id}", tag = "trunks", params(("id" = i64, Path)),
    request_body = PatchTranslationSet, responses((status = 200, body = TranslationSet), Refusals))]
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    Body(body): Body<PatchTranslationSet>,
) -> Result<Json<TranslationSet>, Problem> {
    let mut set = api.db.translation_sets().get(&caller.ctx, TranslationSetId(id)).await?;
    set.name = body.name.unwrap_or(set.name);
    let lists = &mut set.lists;
    for (field, rules, list) in [
        ("caller_in", body.caller_in, &mut lists.caller_in),
        ("caller_out", body.caller_out, &mut lists.caller_out),
        ("callee_in", body.callee_in, &mut lists.callee_in),
        ("callee_out", body.callee_out, &mut lists.callee_out),
    ] {
        if let Some(rules) = rules {
            *list = compiled(field, rules)?;
        }
    }
    let set = api.db.translation_sets().update(&caller.ctx, &set).await?;
    api.live().await?;
    Ok(Json(set.into()))
}

/// Deletes a translation set that no trunk uses. For a brand's operator.
#[utoipa::path(delete, path = "/translation-sets/{id}", tag = "trunks", params(("id" = i64, Path)),
    responses((status = 204, description = "Gone"), Refusals))]
async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    caller.needs_brand(BRANDS)?;
    api.db.translation_sets().delete(&caller.ctx, TranslationSetId(id)).await?;
    api.live().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(show, patch, delete))
}
