//! Rows for the directory, by noun: all of them page by page, those that the log of changes names, or those of one tenant.
//!
//! A row that has no meaning to this program is given as such, with its id and its tenant, so that it holds up nobody else.

use crate::nouns::{
    accounts::AccountRow, brands::BrandRow, brands::BrandRulesRow, companies::CompanyRow, ddis::DdiRow,
    extensions::ExtensionRow, outgoing_routes, policies::PolicyRow, route_groups, route_patterns::PatternRow,
    route_tags, rules::RuleRow, targets::target_columns, translation_sets::SetRow, trunks,
};
use crate::secrets::SecretKey;
use crate::sql::{Arg, Statement, Tx, statements};
use crate::{StoreError, sql};
use model::{
    AccountId, Brand, BrandId, BrandRules, CompanyId, DdiId, ExtensionId, Holder, RoutePattern, Routing, Row, RowId,
    RuleId, TranslationSetId, TrunkId,
};
use std::collections::BTreeSet;

/// Rows of one page: what is read of the whole platform lies in memory twice only so far.
pub(crate) const PAGE: i64 = 5_000;
/// Rows that one statement asks for by id.
const SOME: usize = 16;

macro_rules! brands {
    () => {
        "id, id AS of_brand, CAST(0 AS BIGINT) AS of_company, name, default_verdict, rules FROM brands"
    };
}
macro_rules! sets {
    () => {
        "id, brand_id AS of_brand, CAST(0 AS BIGINT) AS of_company, brand_id, name, caller_in, caller_out, callee_in, callee_out
         FROM translation_sets"
    };
}
macro_rules! trunks {
    () => {
        "id, brand_id AS of_brand, CAST(0 AS BIGINT) AS of_company, brand_id, name, enabled, servers, username, secret, registration,
         from_user, from_domain, headers, calls_max, cps_max, answer_ms, ping_s, translation_set_id, anchor, stir
         FROM trunks"
    };
}
/// Brands that say how their calls leave.
macro_rules! routings {
    () => {
        "id, id AS of_brand, CAST(0 AS BIGINT) AS of_company FROM brands WHERE (EXISTS (SELECT 1 FROM outgoing_routes r
         WHERE r.brand_id = brands.id) OR EXISTS (SELECT 1 FROM route_patterns p WHERE p.brand_id = brands.id) OR EXISTS
         (SELECT 1 FROM route_groups g WHERE g.brand_id = brands.id) OR EXISTS (SELECT 1 FROM route_tags t
         WHERE t.brand_id = brands.id))"
    };
}
macro_rules! companies {
    () => {
        "id, brand_id AS of_brand, id AS of_company, brand_id, name, domain, media, calls_max, media_security, codecs,
         handling, decline_ends_all, hold_music, kind, rules FROM companies"
    };
}
macro_rules! policies {
    () => {
        "company_id AS id, brand_id AS of_brand, company_id AS of_company, company_id, policy FROM company_policies"
    };
}
macro_rules! accounts {
    () => {
        "id, brand_id AS of_brand, company_id AS of_company, company_id, username, display_name, ha1_md5, ha1_sha256,
         direct, enabled, media_security, rules FROM accounts"
    };
}
macro_rules! extensions {
    () => {
        concat!(
            "id, brand_id AS of_brand, company_id AS of_company, company_id, number, ",
            target_columns!(),
            " FROM extensions"
        )
    };
}
macro_rules! ddis {
    () => {
        concat!(
            "id, brand_id AS of_brand, company_id AS of_company, company_id, e164, extension, call_filter, record, trunk_id,
            tag_id, display_name, ",
            target_columns!(),
            " FROM ddis"
        )
    };
}
macro_rules! rules {
    () => {
        "id, brand_id AS of_brand, company_id AS of_company, company_id, kind, name, body FROM rules"
    };
}
macro_rules! some {
    ($columns:expr, $id:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " WHERE ",
            $id,
            " IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
        )
    };
}
macro_rules! page {
    ($columns:expr, $id:literal) => {
        concat!("SELECT ", $columns, " WHERE ", $id, " > $1 ORDER BY ", $id, " LIMIT $2")
    };
}
macro_rules! of {
    ($columns:expr, $holder:literal) => {
        concat!("SELECT ", $columns, " WHERE ", $holder, " = $1")
    };
}

// The whole platform on purpose: a node routes for every tenant.
statements! { "directory";
    BRANDS = page!(brands!(), "id");
    SOME_BRANDS = some!(brands!(), "id");
    BRANDS_OF = of!(brands!(), "id");
    SETS = page!(sets!(), "id");
    SOME_SETS = some!(sets!(), "id");
    SETS_OF = of!(sets!(), "brand_id");
    TRUNKS = page!(trunks!(), "id");
    SOME_TRUNKS = some!(trunks!(), "id");
    TRUNKS_OF = of!(trunks!(), "brand_id");
    SOURCES = "SELECT trunk_id, network, listener FROM trunk_sources WHERE trunk_id >= $1 AND trunk_id <= $2
        ORDER BY trunk_id, position";
    ROUTINGS = concat!("SELECT ", routings!(), " AND id > $1 ORDER BY id LIMIT $2");
    SOME_ROUTINGS = concat!("SELECT ", routings!(),
        " AND id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)");
    ROUTINGS_OF = concat!("SELECT ", routings!(), " AND id = $1");
    PATTERNS = "SELECT id, brand_id, name, prefix, special FROM route_patterns WHERE brand_id = $1 ORDER BY id";
    GROUPS = "SELECT id, brand_id, name FROM route_groups WHERE brand_id = $1 ORDER BY id";
    GROUP_PATTERNS = "SELECT group_id, pattern_id FROM route_group_patterns WHERE brand_id = $1";
    TAGS = "SELECT id, brand_id, name, tag, everybody FROM route_tags WHERE brand_id = $1 ORDER BY id";
    TAG_COMPANIES = "SELECT tag_id, company_id FROM route_tag_companies WHERE brand_id = $1";
    ROUTES = "SELECT id, brand_id, name, company_id, company_kind, tag_id, pattern_id, group_id, mode, trunk_id, priority,
        weight, stopper, prefix, caller FROM outgoing_routes WHERE brand_id = $1 ORDER BY id";
    ROUTE_TRUNKS = "SELECT route_id, trunk_id, price_table FROM outgoing_route_trunks WHERE brand_id = $1
        ORDER BY route_id, position";
    COMPANIES = page!(companies!(), "id");
    SOME_COMPANIES = some!(companies!(), "id");
    COMPANIES_OF = of!(companies!(), "id");
    POLICIES = page!(policies!(), "company_id");
    SOME_POLICIES = some!(policies!(), "company_id");
    POLICIES_OF = of!(policies!(), "company_id");
    ACCOUNTS = page!(accounts!(), "id");
    SOME_ACCOUNTS = some!(accounts!(), "id");
    ACCOUNTS_OF = of!(accounts!(), "company_id");
    EXTENSIONS = page!(extensions!(), "id");
    SOME_EXTENSIONS = some!(extensions!(), "id");
    EXTENSIONS_OF = of!(extensions!(), "company_id");
    // What a brand has in stock, calls know nothing of.
    DDIS = concat!("SELECT ", ddis!(), " WHERE company_id IS NOT NULL AND id > $1 ORDER BY id LIMIT $2");
    SOME_DDIS = some!(ddis!(), "company_id IS NOT NULL AND id");
    DDIS_OF = of!(ddis!(), "company_id");
    RULES = page!(rules!(), "id");
    SOME_RULES = some!(rules!(), "id");
    RULES_OF = of!(rules!(), "company_id");
    STAND = "SELECT c.version, (SELECT MAX(l.mark) FROM change_log l WHERE l.version = c.version) AS mark FROM changes c";
    MARK = "SELECT MAX(mark) AS mark FROM change_log WHERE version = $1";
    SINCE = "SELECT noun, row_id, brand_id, company_id FROM change_log WHERE version > $1 ORDER BY version LIMIT $2";
}

/// A noun of the directory; those that others name come before them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Noun {
    Brand,
    TranslationSet,
    Trunk,
    Routing,
    Company,
    Policy,
    Account,
    Extension,
    Ddi,
    Rule,
}

impl Noun {
    pub(crate) const ALL: [Noun; 10] = [
        Noun::Brand,
        Noun::TranslationSet,
        Noun::Trunk,
        Noun::Routing,
        Noun::Company,
        Noun::Policy,
        Noun::Account,
        Noun::Extension,
        Noun::Ddi,
        Noun::Rule,
    ];

    /// The noun of a word of the log.
    pub(crate) fn from_word(word: &str) -> Option<Noun> {
        Some(match word {
            "brand" => Noun::Brand,
            "translation-set" => Noun::TranslationSet,
            "trunk" => Noun::Trunk,
            "routing" => Noun::Routing,
            "company" => Noun::Company,
            "policy" => Noun::Policy,
            "account" => Noun::Account,
            "extension" => Noun::Extension,
            "ddi" => Noun::Ddi,
            "rule" => Noun::Rule,
            _ => return None,
        })
    }

    /// The row of this noun with this id.
    pub(crate) const fn row(self, id: i64) -> RowId {
        match self {
            Noun::Brand => RowId::Brand(BrandId(id)),
            Noun::TranslationSet => RowId::TranslationSet(TranslationSetId(id)),
            Noun::Trunk => RowId::Trunk(TrunkId(id)),
            Noun::Routing => RowId::Routing(BrandId(id)),
            Noun::Company => RowId::Company(CompanyId(id)),
            Noun::Policy => RowId::Policy(CompanyId(id)),
            Noun::Account => RowId::Account(AccountId(id)),
            Noun::Extension => RowId::Extension(ExtensionId(id)),
            Noun::Ddi => RowId::Ddi(DdiId(id)),
            Noun::Rule => RowId::Rule(RuleId(id)),
        }
    }

    /// The statements: a page, some by id, those of a tenant.
    const fn statements(self) -> (Statement, Statement, Statement) {
        match self {
            Noun::Brand => (BRANDS, SOME_BRANDS, BRANDS_OF),
            Noun::TranslationSet => (SETS, SOME_SETS, SETS_OF),
            Noun::Trunk => (TRUNKS, SOME_TRUNKS, TRUNKS_OF),
            Noun::Routing => (ROUTINGS, SOME_ROUTINGS, ROUTINGS_OF),
            Noun::Company => (COMPANIES, SOME_COMPANIES, COMPANIES_OF),
            Noun::Policy => (POLICIES, SOME_POLICIES, POLICIES_OF),
            Noun::Account => (ACCOUNTS, SOME_ACCOUNTS, ACCOUNTS_OF),
            Noun::Extension => (EXTENSIONS, SOME_EXTENSIONS, EXTENSIONS_OF),
            Noun::Ddi => (DDIS, SOME_DDIS, DDIS_OF),
            Noun::Rule => (RULES, SOME_RULES, RULES_OF),
        }
    }

    /// Whether tenants of this kind have it.
    const fn is_of(self, holder: Holder) -> bool {
        matches!(self, Noun::Brand | Noun::TranslationSet | Noun::Trunk | Noun::Routing)
            == matches!(holder, Holder::Brand(_))
    }
}

/// A row as it was found.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) id: RowId,
    /// The bare id, by which pages go on.
    pub(crate) number: i64,
    pub(crate) holder: Holder,
    pub(crate) brand: BrandId,
    /// What it says, or why not all of that has a meaning.
    pub(crate) row: Result<Row, StoreError>,
    /// Where not all has: the row as far as it has.
    pub(crate) rest: Option<Row>,
}

impl Found {
    /// The row, as far as it has a meaning.
    pub(crate) fn known(&self) -> Option<&Row> {
        self.row.as_ref().ok().or(self.rest.as_ref())
    }
}

/// What has become of a row when it was read.
struct Read {
    row: Result<Row, StoreError>,
    rest: Option<Row>,
}

impl Read {
    /// Of a row that was cut to what has a meaning, and why.
    fn cut(gone: Option<StoreError>, row: Result<Row, StoreError>) -> Read {
        match gone {
            None => row.into(),
            Some(error) => Read { row: Err(error), rest: row.ok() },
        }
    }
}

impl From<Result<Row, StoreError>> for Read {
    fn from(row: Result<Row, StoreError>) -> Read {
        Read { row, rest: None }
    }
}

/// Where rows are read from.
pub(crate) struct Reader<'a> {
    pub(crate) tx: &'a mut Tx,
    pub(crate) key: Option<&'a SecretKey>,
}

impl Reader<'_> {
    /// The rows of a noun whose ids come after this one, by id; a page of them.
    pub(crate) async fn page(&mut self, noun: Noun, after: i64) -> Result<Vec<Found>, StoreError> {
        self.read(noun, noun.statements().0, &[after.into(), PAGE.into()]).await
    }

    /// The rows of a noun with these ids.
    pub(crate) async fn some(&mut self, noun: Noun, ids: &BTreeSet<i64>) -> Result<Vec<Found>, StoreError> {
        let ids: Vec<i64> = ids.iter().copied().collect();
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(SOME) {
            // No row has the id 0: the rest asks for nothing.
            let args: Vec<Arg<'_>> = (0..SOME).map(|at| some.get(at).copied().unwrap_or(0).into()).collect();
            found.extend(self.read(noun, noun.statements().1, &args).await?);
        }
        Ok(found)
    }

    /// Every row of a tenant.
    pub(crate) async fn of(&mut self, holder: Holder) -> Result<Vec<Found>, StoreError> {
        let (Holder::Brand(BrandId(id)) | Holder::Company(CompanyId(id))) = holder;
        let mut found = Vec::new();
        for noun in Noun::ALL.into_iter().filter(|noun| noun.is_of(holder)) {
            found.extend(self.read(noun, noun.statements().2, &[id.into()]).await?);
        }
        Ok(found)
    }

    async fn read(&mut self, noun: Noun, s: Statement, args: &[Arg<'_>]) -> Result<Vec<Found>, StoreError> {
        match noun {
            Noun::Brand => {
                self.found(noun, (s, args), |mut row: FedBrand| {
                    let gone = row.brand.cut(&mut row.rules);
                    let rules: Result<(BrandId, BrandRules), StoreError> = row.rules.try_into();
                    let brand: Result<Brand, StoreError> = row.brand.try_into();
                    Read::cut(gone, rules.and_then(|(_, rules)| Ok(Row::Brand(brand?, rules))))
                })
                .await
            }
            Noun::TranslationSet => {
                self.found(noun, (s, args), |row: SetRow| row.try_into().map(Row::TranslationSet).into()).await
            }
            Noun::Trunk => self.trunks(s, args).await,
            Noun::Routing => self.routings(s, args).await,
            Noun::Company => {
                let read = |mut row: CompanyRow| Read::cut(row.cut(), row.try_into().map(Row::Company));
                self.found(noun, (s, args), read).await
            }
            Noun::Policy => {
                let read = |mut row: PolicyRow| {
                    Read::cut(row.cut(), row.try_into().map(|(id, policy)| Row::Policy(id, policy)))
                };
                self.found(noun, (s, args), read).await
            }
            Noun::Account => {
                let read = |mut row: AccountRow| Read::cut(row.cut(), row.try_into().map(Row::Account));
                self.found(noun, (s, args), read).await
            }
            Noun::Extension => {
                self.found(noun, (s, args), |row: ExtensionRow| row.try_into().map(Row::Extension).into()).await
            }
            Noun::Ddi => self.found(noun, (s, args), |row: DdiRow| row.try_into().map(Row::Ddi).into()).await,
            Noun::Rule => self.found(noun, (s, args), |row: RuleRow| row.try_into().map(Row::Rule).into()).await,
        }
    }

    async fn found<T: sql::Row>(
        &mut self,
        noun: Noun,
        (s, args): (Statement, &[Arg<'_>]),
        read: impl Fn(T) -> Read,
    ) -> Result<Vec<Found>, StoreError> {
        let rows = self.tx.each::<Whose, T>(s, args).await?;
        let read = |row: Result<T, StoreError>| row.map_or_else(|error| Read::from(Err(error)), &read);
        Ok(rows.into_iter().map(|(whose, row)| whose.found(noun, read(row))).collect())
    }

    async fn trunks(&mut self, s: Statement, args: &[Arg<'_>]) -> Result<Vec<Found>, StoreError> {
        let rows = self.tx.each::<Whose, trunks::TrunkRow>(s, args).await?;
        let ids = || rows.iter().map(|(whose, _)| whose.id);
        let (Some(first), Some(last)) = (ids().min(), ids().max()) else { return Ok(Vec::new()) };
        let sources = self.tx.all::<trunks::SourceRow>(SOURCES, &[first.into(), last.into()]).await?;
        let key = self.key;
        let read = |row| trunks::for_the_switch(row, &sources, key).map(Row::Trunk);
        Ok(rows.into_iter().map(|(whose, row)| whose.found(Noun::Trunk, row.and_then(read).into())).collect())
    }
}

impl Reader<'_> {
    /// How the brands of these rows let their calls leave: all that each of them says.
    async fn routings(&mut self, s: Statement, args: &[Arg<'_>]) -> Result<Vec<Found>, StoreError> {
        let mut found = Vec::new();
        for whose in self.tx.all::<Whose>(s, args).await? {
            let brand = BrandId(whose.id);
            let routing = match self.routing(brand).await {
                // What could not be read now may be read later; what has no meaning is the brand's own.
                Err(error) if error.is_passing() => return Err(error),
                other => other,
            };
            found.push(whose.found(Noun::Routing, routing.map(|routing| Row::Routing(brand, routing)).into()));
        }
        Ok(found)
    }

    async fn routing(&mut self, brand: BrandId) -> Result<Routing, StoreError> {
        let of = &[brand.0.into()];
        let patterns = self.tx.all::<PatternRow>(PATTERNS, of).await?;
        let members = self.tx.all::<route_groups::MemberRow>(GROUP_PATTERNS, of).await?;
        let groups = self.tx.all::<route_groups::GroupRow>(GROUPS, of).await?;
        let users = self.tx.all::<route_tags::UserRow>(TAG_COMPANIES, of).await?;
        let tags = self.tx.all::<route_tags::TagRow>(TAGS, of).await?;
        let trunks = self.tx.all::<outgoing_routes::RouteTrunkRow>(ROUTE_TRUNKS, of).await?;
        let routes = self.tx.all::<outgoing_routes::RouteRow>(ROUTES, of).await?;
        Ok(Routing::new(
            patterns.into_iter().map(RoutePattern::from).collect(),
            groups.into_iter().map(|row| row.group(&members)).collect(),
            tags.into_iter().map(|row| row.tag(&users)).collect(),
            routes.into_iter().map(|row| row.route(&trunks)).collect::<Result<_, _>>()?,
        ))
    }
}

#[derive(sqlx::FromRow)]
struct FedBrand {
    #[sqlx(flatten)]
    brand: BrandRow,
    #[sqlx(flatten)]
    rules: BrandRulesRow,
}

/// What every row says first.
#[derive(sqlx::FromRow)]
struct Whose {
    id: i64,
    of_brand: i64,
    of_company: i64,
}

impl Whose {
    fn found(&self, noun: Noun, Read { row, rest }: Read) -> Found {
        let brand = BrandId(self.of_brand);
        Found { id: noun.row(self.id), number: self.id, holder: holder(brand, self.of_company), brand, row, rest }
    }
}

/// The holder of a row of this brand and company; without a company it is the brand's own.
pub(crate) const fn holder(brand: BrandId, company: i64) -> Holder {
    if company == 0 { Holder::Brand(brand) } else { Holder::Company(CompanyId(company)) }
}
