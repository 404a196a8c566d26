//! A REGISTER is carried out (RFC 3261 section 10.3): everything is checked before anything is changed.

use crate::binding::Held;
use crate::request::{Asked, Terms, Wish};
use crate::{Binding, Registrant, Registrar, Registration};
use core::time::Duration;
use model::{AccountId, BindingGone, CallEvent, Flow, Instant, NatPing, Transport};
use sip_message::Message;

/// A longer wish than this is never too brief, whatever the shortest registration is (section 10.3 step 7).
const BRIEF_S: u32 = 3_600;

impl Registrar {
    /// Carries out a REGISTER of an account (section 10.3). 403 if To names somebody else (step 4): an account that was
    /// admitted by its address gave no user name before.
    pub fn register(&mut self, who: &Registrant<'_>, request: &Message, flow: &Flow, now: Instant) -> Registration {
        // What has run out neither takes room nor keeps an order.
        self.handle_timeout(now);
        let Ok(to) = request.to() else { return Registration::refused(400) };
        if to.uri().user_unescaped().as_deref() != Some(who.account.username.as_str()) {
            return Registration::refused(403);
        }
        let read = Terms::read(request).and_then(|mut terms| {
            let wish = Wish::read(request, flow, &mut terms)?;
            Ok((terms, wish))
        });
        let (terms, wish) = match read {
            Ok(read) => read,
            Err(status) => return Registration::refused(status),
        };
        let carried_out = match wish {
            Wish::Query => Ok(()),
            Wish::RemoveAll { call_id, cseq } => self.remove_all(who.account.id, &call_id, cseq),
            Wish::Update(asked) => self.update(who, asked, now),
        };
        match carried_out {
            Ok(()) => self.standing(who, &terms, now),
            Err(refused) => refused,
        }
    }

    /// Section 10.3 step 6: `*` with Expires 0.
    fn remove_all(&mut self, account: AccountId, call_id: &str, cseq: u32) -> Result<(), Registration> {
        let held = self.held(account);
        if held.iter().any(|h| h.binding.call_id == call_id && h.binding.cseq >= cseq) {
            return Err(Registration::refused(500));
        }
        let numbers: Vec<u64> = held.iter().map(|h| h.number).collect();
        for number in numbers {
            self.remove(account, number, BindingGone::Unregistered);
        }
        Ok(())
    }

    /// Section 10.3 step 7: every contact is checked before the first is changed.
    fn update(&mut self, who: &Registrant<'_>, asked: Vec<Asked>, now: Instant) -> Result<(), Registration> {
        let (account, policy) = (who.account.id, who.policy);
        let most = policy.contacts_max(&self.limits);
        // Bounds the comparing below; no phone has so many.
        if asked.len() > self.limits.bindings_per_aor_max.saturating_mul(2) {
            return Err(Registration::refused(403));
        }
        let held = self.held(account);
        let min_s = policy.min_s(&self.limits);
        for wish in &asked {
            let old = held.iter().find(|h| h.binding.gives_way_to(&wish.binding));
            // A repeated REGISTER is absorbed below; this one is out of order.
            if old.is_some_and(|h| is_late(h, &wish.binding)) {
                return Err(Registration::refused(500));
            }
            if wish.binding.weight() > self.limits.binding_bytes_max {
                return Err(Registration::refused(400));
            }
            if wish.expires_s != 0 && wish.expires_s < min_s.min(BRIEF_S) {
                return Err(Registration::too_brief(min_s));
            }
        }
        let after = count_after(held, &asked);
        let grows = after > held.len() && !policy.single_contact;
        if grows && after > most {
            return Err(Registration::refused(403));
        }
        if grows && self.count - held.len() + after > self.limits.bindings_max {
            return Err(Registration::full());
        }
        for wish in asked {
            self.apply(who, wish, now);
        }
        Ok(())
    }

    fn apply(&mut self, who: &Registrant<'_>, wish: Asked, now: Instant) {
        let account = who.account.id;
        let old = self.held(account).iter().find(|h| h.binding.gives_way_to(&wish.binding)).map(|h| h.number);
        if wish.expires_s == 0 {
            if let Some(number) = old {
                self.remove(account, number, BindingGone::Unregistered);
            }
            return;
        }
        let before = old.and_then(|number| self.take(account, number));
        if who.policy.single_contact {
            let others: Vec<u64> = self.held(account).iter().map(|h| h.number).collect();
            others.into_iter().for_each(|number| self.remove(account, number, BindingGone::Rejected));
        }
        let shortest = who.policy.min_s(&self.limits);
        let most = who.at_most_s.map_or(Duration::MAX, |s| Duration::from_secs(u64::from(s.max(shortest))));
        let granted = self.grant(who.policy, wish.expires_s).min(most);
        let mut binding = Binding { expires_at: now + granted, ..wish.binding };
        binding.ping = self.ping_of(who, &binding);
        let epoch = self.epoch(before.as_ref(), &binding);
        if let Some(instance) = &mut binding.instance {
            instance.epoch = epoch;
        }
        // The same device moved: its old address is gone for those who watch.
        if let Some(before) = before.as_ref().filter(|b| b.contact != binding.contact && b.outbound().is_some()) {
            let contact = before.contact.clone();
            self.events.push_back(CallEvent::Unregistered { account, contact, why: BindingGone::Unregistered });
        }
        let expires_s = seconds(granted);
        let refreshed = before.is_some_and(|b| b.contact == binding.contact);
        let contact = binding.contact.clone();
        self.insert(account, binding, now);
        self.events.push_back(CallEvent::Registered { account, contact, expires_s, refreshed });
    }

    /// Only UDP phones behind a NAT, and not those that keep their flow alive by themselves (RFC 5626 section 4.4).
    fn ping_of(&self, who: &Registrant<'_>, binding: &Binding) -> NatPing {
        let needs = binding.behind_nat
            && binding.flow.transport == Transport::Udp
            && binding.path.is_empty()
            && binding.outbound().is_none();
        if needs { who.policy.nat_ping } else { NatPing::Off }
    }

    /// The same Call-ID keeps the temporary GRUUs of before good (RFC 5627 section 5.4).
    fn epoch(&mut self, before: Option<&Binding>, binding: &Binding) -> u64 {
        before
            .filter(|b| b.call_id == binding.call_id)
            .and_then(|b| b.instance.as_ref())
            .map_or_else(|| self.ids.u64(), |i| i.epoch)
    }
}

fn is_late(old: &Held, newer: &Binding) -> bool {
    old.binding.call_id == newer.call_id && old.binding.cseq >= newer.cseq
}

/// How many bindings there are once everything asked is done.
fn count_after(held: &[Held], asked: &[Asked]) -> usize {
    // The last word on a contact holds.
    let last = |at: usize, wish: &Asked| !asked[at + 1..].iter().any(|later| wish.binding.gives_way_to(&later.binding));
    let stay = held.iter().filter(|h| !asked.iter().any(|wish| h.binding.gives_way_to(&wish.binding))).count();
    stay + asked.iter().enumerate().filter(|(at, wish)| wish.expires_s != 0 && last(*at, wish)).count()
}

pub(crate) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
