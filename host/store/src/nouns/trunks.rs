//! Trunks: a brand's links to carriers. A company's operator sees none of them.

use super::outgoing_routes;
use super::translation_sets::brands_own;
use crate::listing::{Column, Filter, Found, Listing, Owner, Wanted};
use crate::secrets::SecretKey;
use crate::sql::{Arg, Tx, args, statements, stored};
use crate::{Db, OpContext, Page, StoreError, check};
use core::net::SocketAddr;
use ipnet::IpNet;
use model::{BrandId, TranslationSetId, Trunk, TrunkCredentials, TrunkId, TrunkSource};
use std::time::Instant;

macro_rules! columns {
    () => {
        "id, brand_id, name, enabled, servers, username, secret, registration, from_user, from_domain, headers, \
         calls_max, cps_max, answer_ms, ping_s, translation_set_id, anchor, stir"
    };
}

statements! { "trunk";
    CREATE = concat!("INSERT INTO trunks (brand_id, name, enabled, servers, username, secret, registration, from_user,
        from_domain, headers, calls_max, cps_max, answer_ms, ping_s, translation_set_id, anchor, stir)
        SELECT id, $4, CAST($5 AS BOOLEAN), $6, CAST($7 AS TEXT), $8, CAST($9 AS TEXT), CAST($10 AS TEXT),
        CAST($11 AS TEXT), $12, CAST($13 AS BIGINT), CAST($14 AS BIGINT), CAST($15 AS BIGINT), CAST($16 AS BIGINT),
        CAST($17 AS BIGINT), CAST($18 AS BOOLEAN), CAST($19 AS TEXT) FROM brands WHERE id = $3 AND ", brands_own!("id"), " RETURNING ", columns!());
    GET = concat!("SELECT ", columns!(), " FROM trunks WHERE id = $3 AND ", brands_own!("brand_id"));
    UPDATE = concat!("UPDATE trunks SET name = $4, enabled = $5, servers = $6, username = $7, secret = $8,
        registration = $9, from_user = $10, from_domain = $11, headers = $12, calls_max = $13, cps_max = $14,
        answer_ms = $15, ping_s = $16, translation_set_id = $17, anchor = $18, stir = $19 WHERE id = $3 AND ",
        brands_own!("brand_id"), " RETURNING ", columns!());
    DELETE = concat!("DELETE FROM trunks WHERE id = $3 AND ", brands_own!("brand_id"));
    SOURCES = concat!("SELECT trunk_id, network, listener FROM trunk_sources WHERE trunk_id >= $3 AND trunk_id <= $4 AND ",
        brands_own!("brand_id"), " ORDER BY trunk_id, position");
    CLEAR_SOURCES = concat!("DELETE FROM trunk_sources WHERE trunk_id = $3 AND ", brands_own!("brand_id"));
    ADD_SOURCE = concat!("INSERT INTO trunk_sources (trunk_id, position, brand_id, network, listener)
        SELECT id, CAST($4 AS BIGINT), brand_id, $5, CAST($6 AS TEXT) FROM trunks WHERE id = $3 AND ",
        brands_own!("brand_id"));
    FOREIGN_SOURCES = "SELECT network FROM trunk_sources WHERE brand_id <> $1";
    FOREIGN_DIRECTS = "SELECT direct FROM accounts WHERE direct IS NOT NULL AND brand_id <> $1";
}

pub(crate) static LISTING: Listing = Listing {
    what: "trunk",
    columns: columns!(),
    from: "trunks",
    owner: Owner::Brand("brand_id"),
    key: &[Column::number("id", "id")],
    usual: "id",
    by: &[
        Column::number("id", "id"),
        Column::text("name", "name"),
        Column::truth("enabled", "enabled"),
        Column::number("brand", "brand_id"),
    ],
    filters: &[Filter::brand("brand_id"), Filter::name_begins("name"), Filter::enabled("enabled")],
};

#[derive(sqlx::FromRow)]
pub(crate) struct TrunkRow {
    id: i64,
    brand_id: i64,
    name: String,
    enabled: bool,
    servers: String,
    username: Option<String>,
    secret: Option<Vec<u8>>,
    registration: Option<String>,
    from_user: Option<String>,
    from_domain: Option<String>,
    headers: String,
    calls_max: Option<i64>,
    cps_max: Option<i64>,
    answer_ms: i64,
    ping_s: Option<i64>,
    translation_set_id: Option<i64>,
    anchor: bool,
    stir: String,
}

#[derive(sqlx::FromRow)]
pub(crate) struct SourceRow {
    trunk_id: i64,
    network: String,
    listener: Option<String>,
}

/// The place a secret is sealed for.
fn owner(brand: BrandId, name: &str) -> String {
    format!("trunk {brand} {name}")
}

impl TrunkRow {
    /// The credentials, where the key opens them.
    fn credentials(&self, key: Option<&SecretKey>) -> Result<Option<TrunkCredentials>, StoreError> {
        let (Some(username), Some(sealed)) = (&self.username, &self.secret) else { return Ok(None) };
        let plain = key.and_then(|key| key.open(&owner(BrandId(self.brand_id), &self.name), sealed));
        let secret = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        let secret = secret.ok_or_else(|| StoreError::Refused {
            why: format!("the secret of trunk {} cannot be read: it was sealed with another key", self.name),
        })?;
        Ok(Some(TrunkCredentials { username: username.clone(), secret }))
    }

    /// The trunk, with its sources out of `sources`.
    fn trunk(self, key: Option<&SecretKey>, sources: &[SourceRow]) -> Result<Trunk, StoreError> {
        let credentials = self.credentials(key)?;
        self.without_credentials(sources).map(|trunk| Trunk { credentials, ..trunk })
    }

    fn without_credentials(self, sources: &[SourceRow]) -> Result<Trunk, StoreError> {
        let count = |n: Option<i64>| n.map(|n| stored("limit of a trunk", u32::try_from(n).ok())).transpose();
        let registration = self.registration.as_deref().map(serde_json::from_str).transpose();
        let own = sources.iter().filter(|s| s.trunk_id == self.id).map(TrunkSource::try_from);
        Ok(Trunk {
            id: TrunkId(self.id),
            brand: BrandId(self.brand_id),
            name: self.name,
            enabled: self.enabled,
            servers: stored("server of a trunk", serde_json::from_str(&self.servers).ok())?,
            credentials: None,
            registration: stored("registration of a trunk", registration.ok())?,
            from_user: self.from_user,
            from_domain: self.from_domain,
            headers: stored("header policy of a trunk", serde_json::from_str(&self.headers).ok())?,
            calls_max: count(self.calls_max)?,
            cps_max: count(self.cps_max)?,
            answer_ms: stored("answer time of a trunk", u32::try_from(self.answer_ms).ok())?,
            ping_s: count(self.ping_s)?,
            translation: self.translation_set_id.map(TranslationSetId),
            anchor: self.anchor,
            sources: own.collect::<Result<_, _>>()?,
            stir: stored("identity policy of a trunk", serde_json::from_str(&self.stir).ok())?,
        })
    }
}

impl TryFrom<&SourceRow> for TrunkSource {
    type Error = StoreError;
    fn try_from(row: &SourceRow) -> Result<TrunkSource, StoreError> {
        let network = stored("network of a trunk", row.network.parse().ok())?;
        let listener = row.listener.as_deref().map(|l| stored("listener of a trunk", l.parse().ok())).transpose()?;
        Ok(TrunkSource { network, listener })
    }
}

/// A trunk of the feed. One whose secret cannot be read goes on without it: the rest of the platform must.
pub(crate) fn for_the_switch(
    row: TrunkRow,
    sources: &[SourceRow],
    key: Option<&SecretKey>,
) -> Result<Trunk, StoreError> {
    let credentials = row.credentials(key).unwrap_or_else(|error| {
        tracing::error!(%error, "this trunk cannot answer its carrier's challenges");
        None
    });
    row.without_credentials(sources).map(|trunk| Trunk { credentials, ..trunk })
}

/// Every text that is a column of its own or JSON in one.
struct Texts {
    servers: String,
    username: Option<String>,
    secret: Option<Vec<u8>>,
    registration: Option<String>,
    headers: String,
    stir: String,
}

fn texts(trunk: &Trunk, key: Option<&SecretKey>) -> Result<Texts, StoreError> {
    let json = |e: serde_json::Error| StoreError::Invalid { what: "trunk", why: e.to_string() };
    let secret = match &trunk.credentials {
        None => None,
        Some(credentials) => {
            let no_key = || StoreError::Invalid {
                what: "password",
                why: "this node has no key to seal it with (see store.key_file in host/docs/config.md)".to_owned(),
            };
            let plain = serde_json::to_vec(&credentials.secret).map_err(json)?;
            Some(key.and_then(|key| key.seal(&owner(trunk.brand, &trunk.name), &plain)).ok_or_else(no_key)?)
        }
    };
    Ok(Texts {
        servers: serde_json::to_string(&trunk.servers).map_err(json)?,
        username: trunk.credentials.as_ref().map(|c| c.username.clone()),
        secret,
        registration: trunk.registration.as_ref().map(serde_json::to_string).transpose().map_err(json)?,
        headers: serde_json::to_string(&trunk.headers).map_err(json)?,
        stir: serde_json::to_string(&trunk.stir).map_err(json)?,
    })
}

/// The operations on trunks.
#[derive(Clone, Copy, Debug)]
pub struct Trunks<'a>(pub(crate) &'a Db);

impl Trunks<'_> {
    /// Makes a trunk; its id is not looked at.
    ///
    /// # Errors
    /// A company's operator; the brand is not in scope; the name is taken; a value breaks a rule; a source is another
    /// brand's; there is a secret and no key.
    pub async fn create(&self, ctx: &OpContext, trunk: &Trunk) -> Result<Trunk, StoreError> {
        ctx.needs_brand("make a trunk")?;
        match self.save(ctx, CREATE, trunk.brand.0, trunk).await {
            Err(StoreError::NotFound { .. }) => Err(StoreError::NotFound { what: "brand" }),
            other => other,
        }
    }

    /// Changes everything but the brand.
    ///
    /// # Errors
    /// As [`Trunks::create`]; [`StoreError::NotFound`].
    pub async fn update(&self, ctx: &OpContext, trunk: &Trunk) -> Result<Trunk, StoreError> {
        ctx.needs_brand("change a trunk")?;
        self.save(ctx, UPDATE, trunk.id.0, trunk).await
    }

    async fn save(
        &self,
        ctx: &OpContext,
        statement: crate::Statement,
        row: i64,
        trunk: &Trunk,
    ) -> Result<Trunk, StoreError> {
        check::trunk(trunk)?;
        let key = self.0.inner.key.as_ref();
        let texts = texts(trunk, key)?;
        let number = |n: Option<u32>| n.map(i64::from);
        let args: &[Arg<'_>] = args![
            ctx,
            row,
            &trunk.name,
            trunk.enabled,
            &texts.servers,
            texts.username.as_deref(),
            texts.secret.as_deref(),
            texts.registration.as_deref(),
            trunk.from_user.as_deref(),
            trunk.from_domain.as_deref(),
            &texts.headers,
            number(trunk.calls_max),
            number(trunk.cps_max),
            i64::from(trunk.answer_ms),
            number(trunk.ping_s),
            trunk.translation.map(|t| t.0),
            trunk.anchor,
            &texts.stir,
        ];
        // The first write moves the version, whose row is locked until the commit: two brands cannot take one source.
        let mut tx = self.0.begin().await?;
        let saved = tx.one::<TrunkRow>(statement, args).await?.ok_or(StoreError::NotFound { what: "trunk" })?;
        let sources = replace_sources((self.0, &mut tx), ctx, saved.id, &trunk.sources).await?;
        self.0.commit(tx).await?;
        saved.trunk(key, &sources)
    }

    /// One trunk.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; its secret was sealed with another key.
    pub async fn get(&self, ctx: &OpContext, id: TrunkId) -> Result<Trunk, StoreError> {
        let row = self.0.one::<TrunkRow>(GET, args![ctx, id.0]).await?;
        let row = row.ok_or(StoreError::NotFound { what: "trunk" })?;
        let sources = self.0.all::<SourceRow>(SOURCES, args![ctx, id.0, id.0]).await?;
        row.trunk(self.0.inner.key.as_ref(), &sources)
    }

    /// A page of the trunks in scope, as it is wanted.
    ///
    /// # Errors
    /// The database failed; a secret was sealed with another key.
    pub async fn found(&self, ctx: &OpContext, wanted: &Wanted) -> Result<Found<Trunk>, StoreError> {
        let found = self.0.found(&LISTING, (ctx, wanted), |row: TrunkRow| Ok(row)).await?;
        let ids = || found.rows.iter().map(|row| row.id);
        let (first, last) = (ids().min().unwrap_or(0), ids().max().unwrap_or(0));
        let sources = self.0.all::<SourceRow>(SOURCES, args![ctx, first, last]).await?;
        let key = self.0.inner.key.as_ref();
        let rows = found.rows.into_iter().map(|row| row.trunk(key, &sources)).collect::<Result<_, _>>()?;
        Ok(Found { rows, next: found.next })
    }

    /// The trunks in scope.
    ///
    /// # Errors
    /// The database failed; a secret was sealed with another key.
    pub async fn list(&self, ctx: &OpContext, page: Page) -> Result<Vec<Trunk>, StoreError> {
        Ok(self.found(ctx, &Wanted::page(&LISTING, page)).await?.rows)
    }

    /// Removes a trunk that no outgoing route and no public number names; calls under way go on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::UsedBy`]; a company's operator.
    pub async fn delete(&self, ctx: &OpContext, id: TrunkId) -> Result<(), StoreError> {
        ctx.needs_brand("remove a trunk")?;
        match self.0.write(DELETE, args![ctx, id.0]).await {
            Err(error) => outgoing_routes::named(self.0, ctx, (error, outgoing_routes::OF_TRUNK), id.0).await,
            Ok(()) => Ok(()),
        }
    }
}

/// Refuses networks that hold, or lie in, what another brand's calls come from: its carriers' networks, or where its
/// direct accounts are. The nearest network and an account's own address go first when a call comes, whatever brand they
/// are of. The platform's operator may say otherwise. To be asked within the
/// transaction that has written already, about what was not there before: what the platform has shared, or what was so
/// before, stays as it is.
///
/// Each refusal tells something of the other brands, so a brand has few of them an hour.
pub(crate) async fn keep_apart(
    (db, tx): (&Db, &mut Tx),
    ctx: &OpContext,
    (what, networks): (&'static str, &[IpNet]),
) -> Result<(), StoreError> {
    let Some(brand) = ctx.brand_id() else { return Ok(()) };
    if networks.is_empty() {
        return Ok(());
    }
    if !db.inner.apart.may_ask(brand, Instant::now()) {
        return Err(StoreError::Refused {
            why:
                "too many networks were asked for that are taken: come again in an hour, or ask the platform's operator"
                    .to_owned(),
        });
    }
    let sources = tx.all::<(String,)>(FOREIGN_SOURCES, &[brand.into()]).await?;
    let directs = tx.all::<(String,)>(FOREIGN_DIRECTS, &[brand.into()]).await?;
    let sources = sources.iter().filter_map(|(text,)| text.parse::<IpNet>().ok());
    let directs = directs.iter().filter_map(|(text,)| text.parse::<SocketAddr>().ok()).map(|at| IpNet::from(at.ip()));
    // Two accounts behind one address are told apart by their ports; a whole network is not.
    let directs = directs.filter(|_| what == "sources");
    for theirs in sources.chain(directs) {
        if let Some(mine) = networks.iter().find(|mine| mine.contains(&theirs) || theirs.contains(*mine)) {
            db.inner.apart.refused(brand, Instant::now());
            return Err(StoreError::Invalid { what, why: format!("{mine} is taken: ask the platform's operator") });
        }
    }
    Ok(())
}

async fn replace_sources(
    (db, tx): (&Db, &mut Tx),
    ctx: &OpContext,
    trunk: i64,
    sources: &[TrunkSource],
) -> Result<Vec<SourceRow>, StoreError> {
    let before = tx.all::<SourceRow>(SOURCES, args![ctx, trunk, trunk]).await?;
    tx.run(CLEAR_SOURCES, args![ctx, trunk]).await?;
    for (position, source) in (0_i64..).zip(sources) {
        let network = source.network.trunc().to_string();
        let listener = source.listener.map(|l| l.to_string());
        tx.run(ADD_SOURCE, args![ctx, trunk, position, &network, listener.as_deref()]).await?;
    }
    // A network that was one listener's and is to be everybody's is new.
    let covers =
        |row: &SourceRow, listener: Option<&String>| row.listener.is_none() || row.listener.as_ref() == listener;
    let known = |source: &&TrunkSource| {
        let (network, listener) = (source.network.trunc(), source.listener.map(|l| l.to_string()));
        before.iter().any(|row| row.network.parse() == Ok(network) && covers(row, listener.as_ref()))
    };
    let new: Vec<IpNet> = sources.iter().filter(|source| !known(source)).map(|s| s.network.trunc()).collect();
    keep_apart((db, tx), ctx, ("sources", &new)).await?;
    tx.all::<SourceRow>(SOURCES, args![ctx, trunk, trunk]).await
}
