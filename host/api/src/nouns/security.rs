//! The word for SRTP, as companies and accounts have it.

use model::MediaSecurity;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether legs have SRTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MediaSecurity)]
pub(crate) enum Security {
    /// Never.
    Forbid,
    /// Where the parties offer it.
    Allow,
    /// Always.
    Require,
}

impl From<Security> for MediaSecurity {
    fn from(s: Security) -> Self {
        match s {
            Security::Forbid => MediaSecurity::Forbid,
            Security::Allow => MediaSecurity::Allow,
            Security::Require => MediaSecurity::Require,
        }
    }
}

impl From<MediaSecurity> for Security {
    fn from(s: MediaSecurity) -> Self {
        match s {
            MediaSecurity::Forbid => Security::Forbid,
            MediaSecurity::Allow => Security::Allow,
            MediaSecurity::Require => Security::Require,
        }
    }
}
