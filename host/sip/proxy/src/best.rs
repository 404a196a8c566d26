//! The best response (section 16.7 step 6), with what phones' owners expect of it.

use crate::splice;
use bytes::Bytes;
use sip_message::{Message, Name};

/// What a branch ended with: a response, or our own status where none came.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) status: u16,
    pub(crate) response: Option<Message>,
}

/// The verdicts of a context so far.
#[derive(Default, Debug)]
pub(crate) struct Verdicts {
    best: Option<Verdict>,
    /// 3xx that nobody has followed, each with its target's token.
    redirects: Vec<(u16, Verdict)>,
    /// 401 and 407, for their challenges (section 16.7 step 7).
    challenged: Vec<Message>,
    /// A 6xx came, and the tenant lets it end the call.
    declined: bool,
}

impl Verdicts {
    /// Notes a verdict. `decline_ends_all`: a 6xx is worth more than anything else; else it is one phone's word.
    pub(crate) fn add(&mut self, verdict: Verdict, decline_ends_all: bool) {
        if matches!(verdict.status, 401 | 407) {
            self.challenged.extend(verdict.response.clone());
        }
        self.declined |= decline_ends_all && verdict.status >= 600;
        let better = match &self.best {
            Some(best) => rank(verdict.status, decline_ends_all) < rank(best.status, decline_ends_all),
            None => true,
        };
        if better {
            self.best = Some(verdict);
        }
    }

    /// Notes a 3xx of a target.
    pub(crate) fn add_redirect(&mut self, token: u16, verdict: Verdict) {
        self.redirects.push((token, verdict));
    }

    /// The 3xx of a target counts no more: its contacts have become targets (section 16.7 step 4).
    pub(crate) fn followed(&mut self, token: u16) {
        self.redirects.retain(|(of, _)| *of != token);
    }

    pub(crate) fn best(&self) -> Option<&Verdict> {
        match (&self.best, self.redirects.first()) {
            (Some(best), Some(_)) if best.status >= 600 && self.declined => Some(best),
            (_, Some((_, redirect))) => Some(redirect),
            (best, None) => best.as_ref(),
        }
    }

    /// The best response as it goes to the caller: every challenge in one, and a 503 made 500, since what one target
    /// cannot do now says nothing about the next.
    pub(crate) fn response(&self) -> Option<(u16, Bytes)> {
        let best = self.best()?;
        let response = best.response.as_ref()?;
        match best.status {
            401 | 407 => Some((best.status, splice::response(response, None, &self.challenges(response))?)),
            503 => Some((500, splice::response(response, Some((500, "Server Internal Error")), &[])?)),
            status => Some((status, splice::response(response, None, &[])?)),
        }
    }

    /// The challenges of the others.
    fn challenges<'a>(&'a self, best: &Message) -> Vec<(Name<'static>, &'a [u8])> {
        let others = self.challenged.iter().filter(|other| !other.is_same(best));
        let names = [Name::WwwAuthenticate, Name::ProxyAuthenticate];
        others
            .flat_map(|other| {
                names.into_iter().flat_map(|name| other.headers(name).map(move |value| (name, value.as_bytes())))
            })
            .collect()
    }
}

/// The order of statuses, best first.
fn rank(status: u16, decline_ends_all: bool) -> u8 {
    match status {
        600.. if decline_ends_all => 0,
        300..=399 => 1,
        401 | 407 => 2,
        // They say how to ask again (section 16.7 step 6).
        415 | 420 | 484 => 3,
        // A person or a phone said so.
        486 | 600.. => 4,
        404 | 408 | 410 | 480 | 487 => 6,
        400..=499 => 5,
        503 => 8,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(statuses: &[u16], decline_ends_all: bool) -> Option<u16> {
        let mut verdicts = Verdicts::default();
        for status in statuses {
            verdicts.add(Verdict { status: *status, response: None }, decline_ends_all);
        }
        verdicts.best().map(|best| best.status)
    }

    #[test]
    fn the_table_of_section_16_7_and_the_two_policies_for_6xx() {
        assert_eq!(best(&[486, 603, 404], true), Some(603));
        assert_eq!(best(&[404, 603, 480], false), Some(603));
        assert_eq!(best(&[486, 603], false), Some(486), "the first of equals");
        assert_eq!(best(&[486, 302], false), Some(302));
        assert_eq!(best(&[480, 407], false), Some(407));
        assert_eq!(best(&[503, 500], false), Some(500));
        assert_eq!(best(&[503, 408], false), Some(408));
        assert_eq!(best(&[404, 488], false), Some(488));
        assert_eq!(best(&[], false), None);
    }
}
