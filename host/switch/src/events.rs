//! Events: who may watch what, and from which facts its state is made.
//!
//! SUBSCRIBE, PUBLISH and MESSAGE come from the front desk. What they name is found here, in the sender's own company
//! and nowhere else: an account, an extension that leads to one, or a list `blf-NAME`, `blf-all`, `blf-A+B`. The facts are never kept: when
//! calls, bindings, publications or mailboxes change, what is watched of them is computed anew from their machines.

use crate::core::Core;
use crate::watching::Sweeps;
use admission::Admitted;
use model::{AccountId, BindingGone, CompanyId, Directory, Flow, Instant, RouteLock, StarService, Transport};
use sip_events::summary::Summary;
use sip_events::{
    ALLOW_EVENTS, Member, Messages, Notifier, Package, Page, Place, Publications, ResourceKey, Target, Wish,
};
use sip_message::{Message, Name};
use sip_transaction::{ClientKey, ServerKey};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the name of a list begins with.
const LIST_PREFIX: &str = "blf-";

/// The event machines of a shard, and which account each watched resource is about.
///
/// # Invariants
/// `by_account` and `about` say the same, of watched resources only.
#[derive(Debug)]
pub(crate) struct EventDesk {
    pub(crate) notifier: Notifier,
    pub(crate) publications: Publications,
    pub(crate) messages: Messages,
    pub(crate) mailboxes: BTreeMap<AccountId, Summary>,
    pub(crate) by_account: BTreeMap<AccountId, BTreeSet<ResourceKey>>,
    about: BTreeMap<ResourceKey, AccountId>,
    /// Tell phones of waiting messages without a subscription.
    pub(crate) unsolicited: bool,
    pub(crate) sweeps: Sweeps,
    /// The binding whose end is being told.
    pub(crate) ended: Option<(String, BindingGone)>,
}

impl EventDesk {
    pub(crate) fn new(config: &crate::CoreConfig, ids: &mut model::IdSource) -> EventDesk {
        let limits = &config.limits;
        let name = &config.server_name;
        EventDesk {
            notifier: Notifier::new(sip_events::Config::new(limits, name), ids.split()),
            publications: Publications::new(limits, ids.split()),
            messages: Messages::new(ids.split(), name),
            mailboxes: BTreeMap::new(),
            by_account: BTreeMap::new(),
            about: BTreeMap::new(),
            unsolicited: config.unsolicited_mwi,
            sweeps: Sweeps::default(),
            ended: None,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.notifier.poll_timeout(), self.publications.poll_timeout(), self.sweeps.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether this transaction carries a request of these machines.
    pub(crate) fn owns(&self, client: ClientKey) -> bool {
        self.notifier.owns(client) || self.messages.owns(client)
    }

    /// Notes which account a watched resource is about.
    pub(crate) fn note(&mut self, key: &ResourceKey, account: Option<AccountId>) {
        if self.about.get(key).copied() == account {
            return;
        }
        if let Some(old) = self.about.remove(key)
            && let Some(keys) = self.by_account.get_mut(&old)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.by_account.remove(&old);
            }
        }
        if let Some(account) = account {
            self.about.insert(key.clone(), account);
            self.by_account.entry(account).or_default().insert(key.clone());
        }
    }
}

impl Core {
    /// A SUBSCRIBE outside any dialog (RFC 6665).
    pub(crate) fn subscribe(&mut self, key: ServerKey, flow: Flow, request: &Message, now: Instant) {
        let event = request.header(Name::Event).map(|v| v.text().into_owned()).unwrap_or_default();
        let Some(package) = Package::of_event(&event) else {
            return self.answer(key, &flow, request, 489, &[("Allow-Events", ALLOW_EVENTS.to_owned())], now);
        };
        let Some(admitted) = self.admit(key, &flow, request, now) else { return };
        match self.find_target(&admitted, package, request) {
            Ok(target) => {
                let owner = admitted.account().id;
                let wish = Wish { server: key, flow, request, owner, package, target };
                self.events.notifier.subscribe(&mut self.transactions, wish, now);
            }
            Err(status) => self.answer(key, &flow, request, status, &[], now),
        }
    }

    /// A SUBSCRIBE within a subscription of ours; `false` where it is in none.
    pub(crate) fn resubscribe(&mut self, key: ServerKey, flow: Flow, request: &Message, now: Instant) -> bool {
        let subscribes = matches!(request.method(), Some(sip_message::Method::Subscribe));
        let ours = subscribes && self.events.notifier.knows(request);
        if ours {
            self.events.notifier.refresh(&mut self.transactions, key, flow, request, now);
        }
        ours
    }

    /// What the Request-URI names in the subscriber's company; 403 or 404 where it may not or cannot be watched.
    fn find_target(&self, admitted: &Admitted, package: Package, request: &Message) -> Result<Target, u16> {
        let company = admitted.company();
        let user = self.called_user(admitted, request).ok_or(404_u16)?;
        // Without a user part it is about the sender itself.
        let user = user.unwrap_or_else(|| admitted.account().username.clone());
        if package.has_lists()
            && let Some(users) = self.listed(company.id, &user)
        {
            let member = |user: &str| self.member(company.id, &company.domain, package, user);
            return Ok(Target::List(member(&user), users.iter().map(|user| member(user)).collect()));
        }
        if package == Package::Dialog && lock_watched(&self.directory, company.id, &user).is_some() {
            return Ok(Target::One(self.member(company.id, &company.domain, package, &user)));
        }
        let account = named(&self.directory, company.id, &user).ok_or(404_u16)?;
        // Bindings are addresses of phones: nobody's business but the account's own.
        if package == Package::Reg && account != admitted.account().id {
            return Err(403);
        }
        // Who has called whom is between the caller and the owner of the mailbox.
        if package == Package::MessageSummary && account != admitted.account().id {
            return Err(403);
        }
        Ok(Target::One(self.member(company.id, &company.domain, package, &user)))
    }

    /// Who is in the list `blf-NAME`: a list of the company's own, else `all` its accounts, else the names in NAME, which
    /// stand between `+`.
    pub(crate) fn listed(&self, company: CompanyId, user: &str) -> Option<Vec<String>> {
        let name = user.strip_prefix(LIST_PREFIX)?;
        let most = self.setup.limits.list_members_max;
        if let Some(list) = self.directory.list(company, name) {
            return Some(list.members.iter().take(most).cloned().collect());
        }
        if name == "all" {
            return Some(self.directory.accounts_of(company).take(most).map(|a| a.username.clone()).collect());
        }
        let names = name.split('+').filter(|n| !n.is_empty()).map(str::to_owned);
        name.contains('+').then(|| names.take(most).collect())
    }

    /// The user part of the Request-URI; `None` where its host is not ours to serve for this company.
    fn called_user(&self, admitted: &Admitted, request: &Message) -> Option<Option<String>> {
        let uri = request.request_uri()?;
        let served = self.doorkeeper.serves(&self.directory, admitted.company(), uri.host());
        served.then(|| uri.user_unescaped().filter(|u| !u.is_empty()).map(|u| u.into_owned()))
    }

    fn member(&self, company: CompanyId, domain: &str, package: Package, user: &str) -> Member {
        let account = named(&self.directory, company, user).and_then(|id| self.directory.account_by_id(id));
        Member {
            key: ResourceKey { company, package, user: Arc::from(user) },
            uri: uri_of(user, domain),
            name: account.map(|a| a.display_name.clone()).unwrap_or_default(),
        }
    }

    /// A PUBLISH (RFC 3903): presence of the sender itself.
    pub(crate) fn publish(&mut self, key: ServerKey, flow: &Flow, request: &Message, now: Instant) {
        let event = request.header(Name::Event).map(|v| v.text().into_owned()).unwrap_or_default();
        if Package::of_event(&event) != Some(Package::Presence) {
            let allowed = Package::Presence.token().to_owned();
            return self.answer(key, flow, request, 489, &[("Allow-Events", allowed)], now);
        }
        let Some(admitted) = self.admit(key, flow, request, now) else { return };
        let own = admitted.account();
        let user = self.called_user(&admitted, request);
        let user = user.map(|user| user.unwrap_or_else(|| own.username.clone()));
        match user.and_then(|user| named(&self.directory, admitted.company().id, &user)) {
            None => self.answer(key, flow, request, 404, &[], now),
            Some(account) if account != own.id => self.answer(key, flow, request, 403, &[], now),
            Some(account) => {
                let published = self.events.publications.publish(account, request, now);
                self.answer(key, flow, request, published.status, &published.headers, now);
            }
        }
    }

    /// A MESSAGE outside any dialog (RFC 3428): to every place where its addressee is.
    pub(crate) fn page(&mut self, key: ServerKey, flow: Flow, request: &Message, now: Instant) {
        let Some(admitted) = self.admit(key, &flow, request, now) else { return };
        if request.body().len() > self.setup.limits.page_bytes_max {
            return self.answer(key, &flow, request, 413, &[], now);
        }
        let company = admitted.company();
        let user = self.called_user(&admitted, request).flatten();
        let account = user.as_deref().and_then(|user| named(&self.directory, company.id, user));
        let (Some(account), Some(user)) = (account, user) else {
            return self.answer(key, &flow, request, 404, &[], now);
        };
        let sender = admitted.account();
        let display = Some(sender.display_name.as_str()).filter(|d| !d.is_empty());
        let page = Page {
            server: key,
            flow,
            request,
            from: sip_message::name_addr(display, uri_of(&sender.username, &company.domain)),
            to: uri_of(&user, &company.domain),
            places: self.places(account, now),
        };
        self.events.messages.send(&mut self.transactions, page, now);
    }

    /// Where an account is: its direct address, or the newest binding of each device.
    pub(crate) fn places(&self, account: AccountId, now: Instant) -> Vec<Place> {
        let Some(account) = self.directory.account_by_id(account).filter(|a| a.enabled) else { return Vec::new() };
        if let Some(address) = account.direct {
            let flow = self.setup.flow_to(Transport::Udp, address);
            let uri = format!("sip:{}@{address}", account.username);
            return flow.map(|flow| Place { flow, uri, routes: Vec::new() }).into_iter().collect();
        }
        let place = |b: &registrar::Binding| Place { flow: b.flow, uri: b.contact.clone(), routes: b.path.clone() };
        self.registrar.targets(account.id, now).into_iter().map(place).collect()
    }

    /// A response to a NOTIFY or a MESSAGE of ours.
    pub(crate) fn events_response(&mut self, key: ClientKey, response: &Message, now: Instant) {
        let desk = &mut self.events;
        if desk.notifier.owns(key) {
            desk.notifier.handle_response(&mut self.transactions, key, response, now);
        } else {
            let status = response.status().unwrap_or_default();
            desk.messages.handle_response(&mut self.transactions, key, status, now);
        }
    }

    /// A NOTIFY or a MESSAGE of ours came to nothing.
    pub(crate) fn events_client_failed(&mut self, key: ClientKey, now: Instant) {
        let desk = &mut self.events;
        if desk.notifier.owns(key) {
            desk.notifier.handle_client_failed(key);
        } else {
            desk.messages.handle_client_failed(&mut self.transactions, key, now);
        }
    }
}

/// The account that a user part stands for in a company: its own name, or an extension that leads to it.
pub(crate) fn named(directory: &Directory, company: CompanyId, user: &str) -> Option<AccountId> {
    if let Some(account) = directory.account(company, user) {
        return Some(account.id);
    }
    let leads_to = directory.extension(company, user)?.target.account()?;
    directory.account(company, leads_to).map(|a| a.id)
}

/// The lock whose lamp this is: what an account dials to throw it. Lit while the lock is closed.
pub(crate) fn lock_watched<'d>(directory: &'d Directory, company: CompanyId, user: &str) -> Option<&'d RouteLock> {
    let (StarService::LockToggle, code) = directory.dialled_service(directory.company(company)?, user)? else {
        return None;
    };
    directory.lock_by_code(company, code).map(|(_, lock)| lock)
}

/// `sip:user@domain`, with what may not stand in a user part escaped.
pub(crate) fn uri_of(user: &str, domain: &str) -> String {
    match sip_message::Uri::sip(Some(user), domain, None) {
        Ok(uri) => uri.as_str().to_owned(),
        // A domain that is no host is a mistake of the directory: the name alone is shown.
        Err(_) => format!("sip:{domain}"),
    }
}
