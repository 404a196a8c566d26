//! Who is called: the user part, or the one device behind a GRUU (RFC 5627 section 5.3).

use crate::core::Core;
use model::{CompanyId, Instant};
use registrar::{GruuTarget, Registrar};
use sip_message::UriRef;

impl Core {
    /// The user part that routing sees, and the device where the URI is a GRUU. `None` for a GRUU that is nobody's: 404.
    pub(crate) fn called(
        &self,
        uri: UriRef<'_>,
        company: CompanyId,
        now: Instant,
    ) -> Option<(String, Option<GruuTarget>)> {
        let user = uri.user().unwrap_or_default();
        let Some(gr) = uri.param("gr") else { return Some((admission::dialled(uri)?, None)) };
        if gr.is_empty() {
            let target = self.registrar.temporary_gruu(user, now)?;
            let account = self.directory.account_by_id(target.account)?;
            let known = account.company == company && account.enabled;
            return known.then(|| (account.username.clone(), Some(target)));
        }
        let account = self.directory.account(company, &uri.user_unescaped()?)?;
        Some((account.username.clone(), Some(Registrar::public_gruu(account.id, gr))))
    }
}
