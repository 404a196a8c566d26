//! What the switch does with companies' money. Every function is one transaction that first takes the lock of the
//! wallet's row (its first statement writes it), so that of two on one wallet the second sees all of the first, on both
//! databases. A key does its work once; asked again it says what was done.
//!
//! Invariants, which [`Ledger::audit`] compares: a wallet's balance is the sum of its movements and what the last of them
//! left, what it keeps is the sum of its open reservations, what it spent in its day is the sum of that day's charges, and
//! a leg's record says the cost that was moved for it.

use crate::sql::{Tx, micros, statements};
use crate::{Db, StoreError};
use model::{Attr, CompanyId, Instant, LedgerRefusal, Money, WalletView};

/// Longest key, in bytes.
pub(crate) const KEY_BYTES_MAX: usize = 128;
/// Longest time that an amount is kept, in seconds.
pub(crate) const RESERVE_MAX_S: u32 = 172_800;
/// Most reservations let go in one transaction.
const EXPIRE_MAX: i64 = 200;
/// Most reservations forgotten in one transaction.
const FORGET_MAX: i64 = 10_000;

macro_rules! wallet {
    () => {
        "brand_id, method, plan, currency, balance, reserved, credit, daily_cap, spent_day, spent"
    };
}

statements! { "wallet";
    LOCK = concat!("UPDATE wallets SET touched = touched + 1 WHERE company_id = $1 RETURNING ", wallet!());
    READ = concat!("SELECT ", wallet!(), " FROM wallets WHERE company_id = $1");
    SPENT = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM wallet_movements
        WHERE company_id = $1 AND at >= $2 AND kind = 'charge'";
    RESERVATION = "SELECT amount, state, expires_at FROM wallet_reservations WHERE company_id = $1 AND name = $2";
    KEEP = "INSERT INTO wallet_reservations (company_id, name, amount, state, made_at, expires_at)
        VALUES ($1, $2, $3, 'open', $4, $5) ON CONFLICT (company_id, name)
        DO UPDATE SET amount = excluded.amount, state = 'open', expires_at = excluded.expires_at";
    CLOSED = "INSERT INTO wallet_reservations (company_id, name, amount, state, made_at, expires_at)
        VALUES ($1, $2, 0, 'released', $3, $3) ON CONFLICT (company_id, name) DO NOTHING";
    CLOSE = "UPDATE wallet_reservations SET state = $3 WHERE company_id = $1 AND name = $2";
    MOVE = "INSERT INTO wallet_movements (company_id, brand_id, name, kind, amount, balance, at, memo)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    MOVED = "SELECT kind, amount FROM wallet_movements WHERE company_id = $1 AND name = $2";
    SET = "UPDATE wallets SET balance = $2, reserved = $3 WHERE company_id = $1";
    SET_SPENT = "UPDATE wallets SET spent_day = $2, spent = $3 WHERE company_id = $1";
    FORGET = "DELETE FROM wallet_reservations WHERE (company_id, name) IN (SELECT company_id, name FROM wallet_reservations
        WHERE state IN ('charged', 'released', 'expired') AND expires_at <= $1 ORDER BY expires_at LIMIT $2)";
    ENDING = "SELECT company_id, name FROM wallet_reservations WHERE state = 'open' AND expires_at <= $1
        ORDER BY expires_at LIMIT $2";
    AUDIT = "SELECT w.company_id, w.balance,
        CAST(COALESCE((SELECT SUM(amount) FROM wallet_movements m WHERE m.company_id = w.company_id), 0) AS BIGINT) AS moved,
        w.reserved, CAST(COALESCE((SELECT SUM(amount) FROM wallet_reservations r
        WHERE r.company_id = w.company_id AND r.state = 'open'), 0) AS BIGINT) AS kept,
        COALESCE((SELECT balance FROM wallet_movements m WHERE m.company_id = w.company_id ORDER BY id DESC LIMIT 1), 0)
        AS last, CASE WHEN w.spent_day < 0 THEN 0 ELSE w.spent END AS spent,
        CASE WHEN w.spent_day < 0 THEN 0 ELSE CAST(COALESCE((SELECT SUM(-amount) FROM wallet_movements m
            WHERE m.company_id = w.company_id AND m.at >= w.spent_day AND m.kind = 'charge'), 0) AS BIGINT) END AS charged,
        (SELECT CAST(COUNT(*) AS BIGINT) FROM wallet_reservations r
            WHERE r.company_id = w.company_id AND r.state = 'open' AND r.expires_at <= $1) AS overdue,
        (SELECT CAST(COUNT(*) AS BIGINT) FROM cdrs c JOIN wallet_movements m ON m.company_id = c.company_id
            AND m.name = 'rater/' || c.call_id || '/' || CAST(c.leg AS TEXT)
            WHERE c.company_id = w.company_id AND c.cost IS NOT NULL AND m.kind = 'charge' AND c.cost <> -m.amount)
        AS misbilled,
        (SELECT CAST(COUNT(*) AS BIGINT) FROM cdrs c WHERE c.company_id = w.company_id AND c.cost <> 0 AND NOT EXISTS
            (SELECT 1 FROM wallet_movements m WHERE m.company_id = c.company_id
            AND m.name = 'rater/' || c.call_id || '/' || CAST(c.leg AS TEXT))) AS unmoved FROM wallets w ORDER BY w.company_id";
}

#[derive(sqlx::FromRow)]
struct WalletRow {
    brand_id: i64,
    method: String,
    plan: String,
    currency: String,
    balance: i64,
    reserved: i64,
    credit: i64,
    daily_cap: Option<i64>,
    spent_day: i64,
    spent: i64,
}

#[derive(sqlx::FromRow)]
struct Kept {
    amount: i64,
    state: String,
    expires_at: i64,
}

/// The books of one wallet, side by side.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
pub struct Book {
    /// Whose.
    pub company_id: i64,
    /// What the wallet says it has.
    pub balance: i64,
    /// What its movements say.
    pub moved: i64,
    /// What the wallet says it keeps.
    pub reserved: i64,
    /// What its open reservations say.
    pub kept: i64,
    /// The balance that the last movement left.
    pub last: i64,
    /// What the wallet says was charged since the midnight that it counts from.
    pub spent: i64,
    /// What its movements say.
    pub charged: i64,
    /// Reservations that are open past their time: nobody has let them go, as while the switch was down.
    pub overdue: i64,
    /// Legs whose records say another cost than what was moved for them.
    pub misbilled: i64,
    /// Legs that cost something, and nothing was moved for them: all of those whose rater charges elsewhere.
    pub unmoved: i64,
}

impl Book {
    /// Whether they agree. What is overdue is let go by itself, and what is charged elsewhere is moved elsewhere: neither
    /// breaks anything here.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.differences().is_empty()
    }

    /// What does not agree: each in words for people, amounts as [`model::amount_text`] has them.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        let text = model::amount_text;
        let pairs = [
            ("balance", self.balance, "its movements come to", self.moved),
            ("balance", self.balance, "the last movement left", self.last),
            ("reserved", self.reserved, "its open reservations come to", self.kept),
            ("spent", self.spent, "its charges since then come to", self.charged),
        ];
        let unequal = pairs.into_iter().filter(|(_, said, _, found)| said != found);
        let mut all: Vec<String> =
            unequal.map(|(what, said, by, found)| format!("{what} is {}, {by} {}", text(said), text(found))).collect();
        if self.misbilled > 0 {
            all.push(format!("legs that cost other than what was moved for them: {}", self.misbilled));
        }
        all
    }
}

/// Why the ledger did not do it: its word, or the database's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LedgerError {
    /// A rule of the ledger.
    Refused(LedgerRefusal),
    /// The database.
    Store(StoreError),
}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        LedgerError::Store(error)
    }
}

impl From<LedgerRefusal> for LedgerError {
    fn from(refusal: LedgerRefusal) -> Self {
        LedgerError::Refused(refusal)
    }
}

impl From<LedgerError> for LedgerRefusal {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Refused(refusal) => refusal,
            LedgerError::Store(StoreError::NotFound { .. }) => LedgerRefusal::NoWallet,
            LedgerError::Store(error) => LedgerRefusal::Away(error.to_string()),
        }
    }
}

/// A movement to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moving<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) amount: i64,
    pub(crate) memo: &'a str,
    pub(crate) at: Instant,
}

/// What goes with a charge.
#[derive(Clone, Copy, Debug)]
pub struct Charging<'a> {
    /// How it came to that.
    pub memo: &'a [Attr],
    /// When.
    pub now: Instant,
    /// The midnight of the company's zone before that.
    pub since: Instant,
}

/// The operations of the switch on wallets.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a>(pub(crate) &'a Db);

impl Ledger<'_> {
    /// What a company has; `since` is its midnight.
    ///
    /// # Errors
    /// [`LedgerRefusal::NoWallet`]; the database failed.
    pub async fn account(
        &self,
        company: CompanyId,
        since: Instant,
        time_zone: Option<String>,
    ) -> Result<WalletView, LedgerError> {
        let row = self.0.one::<WalletRow>(READ, &[company.0.into()]).await?.ok_or(LedgerRefusal::NoWallet)?;
        let spent = match row.spent_day == micros(since) {
            true => row.spent,
            // Nothing was charged in this day yet, or the zone is another.
            false => spent_of(self.0.one(SPENT, &[company.0.into(), micros(since).into()]).await?),
        };
        Ok(WalletView {
            method: row.method,
            plan: row.plan,
            currency: row.currency,
            balance: row.balance,
            reserved: row.reserved,
            credit: row.credit,
            daily_cap: row.daily_cap,
            spent_today: spent,
            time_zone,
        })
    }

    /// Keeps an amount; a key that keeps something gives what it keeps. `since` is the company's midnight: what is charged
    /// since then and what is kept stay together below the cap of a day.
    ///
    /// # Errors
    /// [`LedgerRefusal`]; the database failed, and nothing was done.
    pub async fn reserve(
        &self,
        company: CompanyId,
        key: &str,
        amount: &Money,
        ttl_s: u32,
        (now, since): (Instant, Instant),
    ) -> Result<i64, LedgerError> {
        self.keep(company, key, amount, ttl_s, (now, since, false)).await
    }

    /// Keeps so much in all from now on.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn adjust(
        &self,
        company: CompanyId,
        key: &str,
        amount: &Money,
        ttl_s: u32,
        (now, since): (Instant, Instant),
    ) -> Result<i64, LedgerError> {
        self.keep(company, key, amount, ttl_s, (now, since, true)).await
    }

    async fn keep(
        &self,
        company: CompanyId,
        key: &str,
        amount: &Money,
        ttl_s: u32,
        (now, since, again): (Instant, Instant, bool),
    ) -> Result<i64, LedgerError> {
        check(key, amount)?;
        let mut tx = self.0.begin().await?;
        let wallet = lock(&mut tx, company).await?;
        in_currency(&wallet, amount)?;
        let before = tx.one::<Kept>(RESERVATION, &[company.0.into(), key.into()]).await?;
        let kept = match &before {
            Some(kept) if kept.state == "open" => {
                if !again {
                    return Ok(kept.amount);
                }
                kept.amount
            }
            Some(kept) if kept.state == "expired" => 0,
            Some(_) => return Err(LedgerRefusal::Closed.into()),
            None => 0,
        };
        let more = amount.micros - kept;
        let there = there(&mut tx, company, &wallet, since).await?;
        if more > there && more > 0 {
            return Err(LedgerRefusal::Insufficient(there.max(0)).into());
        }
        let ends = now + core::time::Duration::from_secs(u64::from(ttl_s.clamp(1, RESERVE_MAX_S)));
        let row = [company.0.into(), key.into(), amount.micros.into(), micros(now).into(), micros(ends).into()];
        tx.run(KEEP, &row).await?;
        set(&mut tx, company, wallet.balance, wallet.reserved.saturating_add(more)).await?;
        tx.commit().await?;
        Ok(amount.micros)
    }

    /// Charges once for ever by this key, and lets go what is kept under `reservation`; gives what was charged.
    ///
    /// # Errors
    /// As [`Ledger::reserve`], but never for want of money.
    pub async fn commit(
        &self,
        company: CompanyId,
        key: &str,
        reservation: Option<&str>,
        amount: &Money,
        on: Charging<'_>,
    ) -> Result<i64, LedgerError> {
        let Charging { memo, now, since } = on;
        check(key, amount)?;
        let mut tx = self.0.begin().await?;
        let wallet = lock(&mut tx, company).await?;
        in_currency(&wallet, amount)?;
        if let Some((_, charged)) = tx.one::<(String, i64)>(MOVED, &[company.0.into(), key.into()]).await? {
            return Ok(charged.saturating_neg());
        }
        let mut reserved = wallet.reserved;
        if let Some(name) = reservation {
            let kept = tx.one::<Kept>(RESERVATION, &[company.0.into(), name.into()]).await?;
            if let Some(kept) = kept.filter(|kept| kept.state == "open") {
                reserved = reserved.saturating_sub(kept.amount);
            }
            tx.run(CLOSE, &[company.0.into(), name.into(), "charged".into()]).await?;
        }
        let memo = serde_json::to_string(memo).unwrap_or_else(|_| "[]".to_owned()).replace('\0', "\u{fffd}");
        let moving = Moving { name: key, kind: "charge", amount: -amount.micros, memo: &memo, at: now };
        let spent = spent(&mut tx, company, &wallet, since).await?.saturating_add(amount.micros);
        let balance = move_money(&mut tx, company, (wallet.brand_id, wallet.balance), moving).await?;
        set(&mut tx, company, balance, reserved).await?;
        tx.run(SET_SPENT, &[company.0.into(), micros(since).into(), spent.into()]).await?;
        tx.commit().await?;
        Ok(amount.micros)
    }

    /// Lets go what is kept; a key that keeps nothing is fine, and keeps nothing from now on: whoever asks late for a call
    /// that is over comes too late.
    ///
    /// # Errors
    /// As [`Ledger::reserve`].
    pub async fn release(&self, company: CompanyId, key: &str, now: Instant) -> Result<(), LedgerError> {
        check_key(key)?;
        let mut tx = self.0.begin().await?;
        let wallet = lock(&mut tx, company).await?;
        let kept = tx.one::<Kept>(RESERVATION, &[company.0.into(), key.into()]).await?;
        match kept {
            None => {
                tx.run(CLOSED, &[company.0.into(), key.into(), micros(now).into()]).await?;
            }
            Some(kept) if kept.state == "open" || kept.state == "expired" => {
                tx.run(CLOSE, &[company.0.into(), key.into(), "released".into()]).await?;
                let open = if kept.state == "open" { kept.amount } else { 0 };
                set(&mut tx, company, wallet.balance, wallet.reserved.saturating_sub(open)).await?;
            }
            Some(_) => return Ok(()),
        }
        tx.commit().await?;
        Ok(())
    }

    /// Forgets reservations whose time is over for longer than any lasts.
    ///
    /// # Errors
    /// The database failed.
    pub async fn forget(&self, now: Instant) -> Result<(), StoreError> {
        let until = micros(now).saturating_sub(i64::from(RESERVE_MAX_S) * 1_000_000);
        let mut tx = self.0.begin().await?;
        tx.run(FORGET, &[until.into(), FORGET_MAX.into()]).await?;
        tx.commit().await
    }

    /// Lets go what is kept longer than it may; gives how many reservations.
    ///
    /// # Errors
    /// The database failed.
    pub async fn expire(&self, now: Instant) -> Result<usize, StoreError> {
        let ending = self.0.all::<(i64, String)>(ENDING, &[micros(now).into(), EXPIRE_MAX.into()]).await?;
        for (company, name) in &ending {
            let mut tx = self.0.begin().await?;
            let wallet = tx.one::<WalletRow>(LOCK, &[(*company).into()]).await?;
            let wallet = wallet.ok_or(StoreError::NotFound { what: "wallet" })?;
            let kept = tx.one::<Kept>(RESERVATION, &[(*company).into(), name.into()]).await?;
            // Somebody may have kept it for longer, or closed it, meanwhile.
            if let Some(kept) = kept.filter(|kept| kept.state == "open" && kept.expires_at <= micros(now)) {
                tx.run(CLOSE, &[(*company).into(), name.into(), "expired".into()]).await?;
                let reserved = wallet.reserved.saturating_sub(kept.amount);
                set(&mut tx, CompanyId(*company), wallet.balance, reserved).await?;
            }
            tx.commit().await?;
        }
        Ok(ending.len())
    }

    /// What was charged under a key; `None` where nothing was.
    ///
    /// # Errors
    /// The database failed.
    pub async fn charged(&self, company: CompanyId, key: &str) -> Result<Option<i64>, StoreError> {
        let moved = self.0.one::<(String, i64)>(MOVED, &[company.0.into(), key.into()]).await?;
        Ok(moved.map(|(_, amount)| amount.saturating_neg()))
    }

    /// The books of every wallet, of one moment.
    ///
    /// # Errors
    /// The database failed.
    pub async fn audit(&self, now: Instant) -> Result<Vec<Book>, StoreError> {
        self.0.all::<Book>(AUDIT, &[micros(now).into()]).await
    }
}

/// Puts money in or takes it out by hand: `Ok(Err(..))` where the key has moved another amount.
pub(crate) async fn by_hand(
    db: &Db,
    company: CompanyId,
    moving: Moving<'_>,
) -> Result<Result<i64, StoreError>, StoreError> {
    let mut tx = db.begin().await?;
    let wallet = tx.one::<WalletRow>(LOCK, &[company.0.into()]).await?;
    let wallet = wallet.ok_or(StoreError::NotFound { what: "wallet" })?;
    if let Some((kind, amount)) = tx.one::<(String, i64)>(MOVED, &[company.0.into(), moving.name.into()]).await? {
        let same = kind == moving.kind && amount == moving.amount;
        return Ok(if same { Ok(wallet.balance) } else { Err(StoreError::Conflict { what: "idempotency key" }) });
    }
    let moved = move_money(&mut tx, company, (wallet.brand_id, wallet.balance), moving).await;
    let balance = match moved {
        Ok(balance) => balance,
        Err(LedgerError::Store(error)) => return Err(error),
        Err(LedgerError::Refused(_)) => {
            let why = "the balance would be more than can be counted".to_owned();
            return Err(StoreError::Invalid { what: "amount", why });
        }
    };
    set(&mut tx, company, balance, wallet.reserved).await?;
    // With the audit log's line of whoever does it.
    db.commit(tx).await?;
    Ok(Ok(balance))
}

async fn lock(tx: &mut Tx, company: CompanyId) -> Result<WalletRow, LedgerError> {
    let row = tx.one::<WalletRow>(LOCK, &[company.0.into()]).await?;
    Ok(row.ok_or(LedgerRefusal::NoWallet)?)
}

async fn set(tx: &mut Tx, company: CompanyId, balance: i64, reserved: i64) -> Result<(), StoreError> {
    tx.run(SET, &[company.0.into(), balance.into(), reserved.into()]).await.map(|_| ())
}

/// What was charged since the company's midnight: the wallet's row knows, but for the first charge of a day.
async fn spent(tx: &mut Tx, company: CompanyId, wallet: &WalletRow, since: Instant) -> Result<i64, StoreError> {
    if wallet.spent_day == micros(since) {
        return Ok(wallet.spent);
    }
    Ok(spent_of(tx.one(SPENT, &[company.0.into(), micros(since).into()]).await?))
}

fn spent_of(sum: Option<(i64,)>) -> i64 {
    sum.map_or(0, |(sum,)| sum.saturating_neg())
}

/// What is there to be kept: of the balance with its credit, and of the day's cap.
async fn there(tx: &mut Tx, company: CompanyId, wallet: &WalletRow, since: Instant) -> Result<i64, StoreError> {
    let balance = wallet.balance.saturating_add(wallet.credit);
    let day = match wallet.daily_cap {
        Some(cap) => cap.saturating_sub(spent(tx, company, wallet, since).await?),
        None => i64::MAX,
    };
    Ok(balance.min(day).saturating_sub(wallet.reserved))
}

async fn move_money(
    tx: &mut Tx,
    company: CompanyId,
    (brand, before): (i64, i64),
    moving: Moving<'_>,
) -> Result<i64, LedgerError> {
    let too_much = || LedgerRefusal::Invalid("the balance would be more than can be counted".to_owned());
    let balance = before.checked_add(moving.amount).ok_or_else(too_much)?;
    let row = [
        company.0.into(),
        brand.into(),
        moving.name.into(),
        moving.kind.into(),
        moving.amount.into(),
        balance.into(),
        micros(moving.at).into(),
        moving.memo.into(),
    ];
    tx.run(MOVE, &row).await?;
    Ok(balance)
}

fn check_key(key: &str) -> Result<(), LedgerRefusal> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.contains('\0') {
        return Err(LedgerRefusal::Invalid(format!("key: 1 to {KEY_BYTES_MAX} bytes")));
    }
    Ok(())
}

fn check(key: &str, amount: &Money) -> Result<(), LedgerRefusal> {
    check_key(key)?;
    if amount.micros < 0 {
        return Err(LedgerRefusal::Invalid("amount: zero or more".to_owned()));
    }
    Ok(())
}

fn in_currency(wallet: &WalletRow, amount: &Money) -> Result<(), LedgerRefusal> {
    if wallet.currency == amount.currency {
        return Ok(());
    }
    Err(LedgerRefusal::Invalid(format!("currency: the wallet is in {}", wallet.currency)))
}
