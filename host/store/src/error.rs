//! What may go wrong, by what the caller can do about it. Each variant prints as one sentence for a person.

/// Why the store could not do it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StoreError {
    /// No such row, or it belongs to somebody else.
    #[error("no such {what}")]
    NotFound {
        /// The noun.
        what: &'static str,
    },
    /// A name, number or address that must be unique is taken.
    #[error("this {what} exists already: its name, number or address is taken")]
    Conflict {
        /// The noun.
        what: &'static str,
    },
    /// Other rows name this one.
    #[error("this {what} is still in use: first remove what refers to it")]
    InUse {
        /// The noun.
        what: &'static str,
    },
    /// Another row names this one.
    #[error("this {what} is still in use: {by} names it")]
    UsedBy {
        /// The noun.
        what: &'static str,
        /// Which row: its noun and its name.
        by: String,
    },
    /// A value breaks a rule.
    #[error("{what}: {why}")]
    Invalid {
        /// The noun or field.
        what: &'static str,
        /// The rule.
        why: String,
    },
    /// The scope does not allow this act at all.
    #[error("only {who} may {act}")]
    Forbidden {
        /// The act.
        act: &'static str,
        /// Who may.
        who: &'static str,
    },
    /// The URL is not one.
    #[error("database URL: {why}; give sqlite:PATH or postgres://USER@HOST/DATABASE")]
    BadUrl {
        /// What is wrong with it.
        why: String,
    },
    /// Nobody answers, or the file cannot be opened.
    #[error("{database} cannot be opened: {why}")]
    Unreachable {
        /// The database as a person knows it; never a password.
        database: String,
        /// The reason.
        why: String,
    },
    /// It is there and its content is not what it should be.
    #[error("{database} is broken: {why}")]
    Broken {
        /// The database.
        database: String,
        /// What is wrong.
        why: String,
    },
    /// A newer program made it.
    #[error("{database} has schema version {found}, this program knows up to {known}: start the newer program")]
    NewerSchema {
        /// The database.
        database: String,
        /// The version found.
        found: i64,
        /// The newest version known.
        known: i64,
    },
    /// The database did not do it this time: connection lost, time-out, disk full. Trying again later may help.
    #[error("the database is away: {why}")]
    Away {
        /// The driver's words.
        why: String,
    },
    /// The database refused for a reason that will not go away by itself.
    #[error("the database refused: {why}")]
    Refused {
        /// The driver's words.
        why: String,
    },
}

impl StoreError {
    /// Translates a driver error of a statement about `what`. `deleting` tells a row that is referred to from a row
    /// that refers to nothing: SQLite does not.
    #[allow(clippy::wildcard_enum_match_arm, reason = "the driver's enum grows; what is new counts as passing trouble")]
    pub(crate) fn from_sqlx(error: sqlx::Error, what: &'static str, deleting: bool) -> StoreError {
        let sqlx::Error::Database(refusal) = &error else {
            return match error {
                sqlx::Error::RowNotFound => StoreError::NotFound { what },
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                    StoreError::Refused { why: format!("a stored {what} cannot be read: {error}") }
                }
                sqlx::Error::Encode(why) => StoreError::Invalid { what, why: why.to_string() },
                other => StoreError::Away { why: other.to_string() },
            };
        };
        use sqlx::error::ErrorKind;
        let kind = refusal.kind();
        if matches!(kind, ErrorKind::UniqueViolation) {
            return StoreError::Conflict { what };
        }
        if matches!(kind, ErrorKind::ForeignKeyViolation) {
            return if deleting {
                StoreError::InUse { what }
            } else {
                StoreError::Invalid { what, why: "it refers to something that does not exist".to_owned() }
            };
        }
        if matches!(kind, ErrorKind::CheckViolation | ErrorKind::NotNullViolation) {
            return StoreError::Invalid { what, why: refusal.message().to_owned() };
        }
        let why = refusal.message().to_owned();
        if is_about_the_row(refusal.code().as_deref()) {
            return StoreError::Invalid { what, why };
        }
        if is_passing(refusal.code().as_deref()) { StoreError::Away { why } } else { StoreError::Refused { why } }
    }

    /// Whether the same statement with other values would have worked.
    pub(crate) const fn is_about_the_row(&self) -> bool {
        matches!(
            self,
            StoreError::Invalid { .. }
                | StoreError::Conflict { .. }
                | StoreError::InUse { .. }
                | StoreError::UsedBy { .. }
        )
    }

    /// Whether trying the same again later may help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, StoreError::Away { .. } | StoreError::Unreachable { .. })
    }
}

/// Whether a database error code names a passing trouble: for SQLite the primary result codes, for PostgreSQL the
/// classes 08 (connection), 40 (serialisation), 53 (resources), 55 (locks), 57 (shutdown) and 58 (system).
pub(crate) fn is_passing(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    if code.len() == 5 {
        return ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class));
    }
    // BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL; the extended code is in the high bits.
    code.parse::<i32>().is_ok_and(|n| matches!(n & 0xff, 5 | 6 | 7 | 8 | 9 | 10 | 13 | 14 | 15))
}

/// Whether a database error code blames the values: SQLite's TOOBIG, CONSTRAINT and MISMATCH, PostgreSQL's classes 22
/// (data) and 23 (integrity).
fn is_about_the_row(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    if code.len() == 5 {
        return code.starts_with("22") || code.starts_with("23");
    }
    code.parse::<i32>().is_ok_and(|n| matches!(n & 0xff, 18..=20))
}
