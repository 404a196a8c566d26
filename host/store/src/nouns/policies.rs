//! Company settings: how its phones register, and from where it may be used. Kept as one JSON text, read by
//! [`model::CompanyPolicy`], so that a setting more needs no migration.

use crate::known::{cut, keep_known};
use crate::sql::{args, in_scope, statements, stored};
use crate::{Db, OpContext, StoreError};
use model::{CompanyId, CompanyPolicy, RegistrationPolicy, SourcePolicy};

/// Longest shortest registration: RFC 3261 section 10.3 never refuses an hour as too brief.
const MIN_S_MAX: u32 = 3_600;
/// Most Service-Route values, address blocks, countries.
const LIST_MAX: usize = 1_000;

statements! { "company";
    GET = concat!("SELECT company_id, policy FROM company_policies WHERE company_id = $3 AND ", in_scope!());
    PUT = concat!("INSERT INTO company_policies (company_id, brand_id, policy) SELECT id, brand_id, $4 FROM companies
        WHERE id = $3 AND ", in_scope!("brand_id", "id"),
        " ON CONFLICT (company_id) DO UPDATE SET policy = excluded.policy RETURNING company_id, policy");
}

#[derive(sqlx::FromRow)]
pub(crate) struct PolicyRow {
    company_id: i64,
    policy: String,
}

impl TryFrom<PolicyRow> for (CompanyId, CompanyPolicy) {
    type Error = StoreError;
    fn try_from(row: PolicyRow) -> Result<(CompanyId, CompanyPolicy), StoreError> {
        let policy = stored("company settings", serde_json::from_str(&row.policy).ok())?;
        Ok((CompanyId(row.company_id), policy))
    }
}

impl PolicyRow {
    /// Leaves of the settings what this program knows; why something had to go.
    pub(crate) fn cut(&mut self) -> Option<StoreError> {
        cut::<CompanyPolicy>("company settings", &mut self.policy, |policy| {
            keep_known::<RegistrationPolicy>(policy.get_mut("registration"));
            keep_known::<SourcePolicy>(policy.get_mut("sources"));
        })
    }
}

/// The operations on company settings.
#[derive(Clone, Copy, Debug)]
pub struct Policies<'a>(pub(crate) &'a Db);

impl Policies<'_> {
    /// The settings of a company: the defaults where none were made.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the company is not in scope.
    pub async fn get(&self, ctx: &OpContext, company: CompanyId) -> Result<CompanyPolicy, StoreError> {
        self.0.companies().get(ctx, company).await?;
        match self.0.one::<PolicyRow>(GET, args![ctx, company.0]).await? {
            Some(row) => Ok(<(CompanyId, CompanyPolicy)>::try_from(row)?.1),
            None => Ok(CompanyPolicy::default()),
        }
    }

    /// Replaces the settings of a company.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Invalid`].
    pub async fn put(
        &self,
        ctx: &OpContext,
        company: CompanyId,
        policy: &CompanyPolicy,
    ) -> Result<CompanyPolicy, StoreError> {
        check(policy)?;
        let text = serde_json::to_string(policy)
            .map_err(|e| StoreError::Invalid { what: "company settings", why: e.to_string() })?;
        let row: PolicyRow = self.0.write_one(PUT, args![ctx, company.0, &text]).await?;
        Ok(<(CompanyId, CompanyPolicy)>::try_from(row)?.1)
    }
}

fn check(policy: &CompanyPolicy) -> Result<(), StoreError> {
    let wrong = |what: &'static str, why: &str| Err(StoreError::Invalid { what, why: why.to_owned() });
    let (registration, sources) = (&policy.registration, &policy.sources);
    if registration.min_s.is_some_and(|s| !(1..=MIN_S_MAX).contains(&s)) {
        return wrong("registration.min_s", "expected 1 to 3600 seconds");
    }
    if let (Some(min), Some(max)) = (registration.min_s, registration.max_s)
        && min > max
    {
        return wrong("registration.max_s", "it is below registration.min_s");
    }
    if registration.spread_percent.is_some_and(|p| p > 90) {
        return wrong("registration.spread_percent", "expected 0 to 90");
    }
    if registration.contacts_max == Some(0) {
        return wrong("registration.contacts_max", "expected at least 1");
    }
    let is_route = |value: &String| {
        let inside = value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).unwrap_or_default();
        let scheme = inside.starts_with("sip:") || inside.starts_with("sips:");
        scheme && inside.contains(";lr") && inside.bytes().all(|b| b.is_ascii_graphic() && !b"<>\",".contains(&b))
    };
    if !registration.service_route.iter().all(is_route) {
        return wrong("registration.service_route", "expected values such as <sip:edge.example;lr>");
    }
    let is_country = |code: &String| code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase());
    if !sources.countries.iter().all(is_country) {
        return wrong("sources.countries", "expected two-letter country codes in capitals");
    }
    let longest = [sources.allow.len(), sources.deny.len(), sources.countries.len(), registration.service_route.len()];
    if longest.into_iter().any(|n| n > LIST_MAX) {
        return wrong("company settings", "a list has more than 1000 values");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let registration = |r: RegistrationPolicy| CompanyPolicy { registration: r, ..CompanyPolicy::default() };
        let d = RegistrationPolicy::default;
        let good = registration(RegistrationPolicy {
            min_s: Some(60),
            max_s: Some(60),
            service_route: vec!["<sip:edge.example:5070;lr>".to_owned()],
            ..d()
        });
        assert!(check(&good).is_ok() && check(&CompanyPolicy::default()).is_ok());
        for wrong in [
            registration(RegistrationPolicy { min_s: Some(0), ..d() }),
            registration(RegistrationPolicy { min_s: Some(3_601), ..d() }),
            registration(RegistrationPolicy { min_s: Some(60), max_s: Some(59), ..d() }),
            registration(RegistrationPolicy { spread_percent: Some(91), ..d() }),
            registration(RegistrationPolicy { contacts_max: Some(0), ..d() }),
            registration(RegistrationPolicy { service_route: vec!["sip:edge.example;lr".to_owned()], ..d() }),
            registration(RegistrationPolicy { service_route: vec!["<sip:a;lr>\r\nX: y".to_owned()], ..d() }),
            CompanyPolicy {
                sources: SourcePolicy { countries: vec!["de".to_owned()], ..SourcePolicy::default() },
                ..CompanyPolicy::default()
            },
        ] {
            assert!(matches!(check(&wrong), Err(StoreError::Invalid { .. })), "{wrong:?}");
        }
    }
}
