//! Messages that wait for filters (`hooks/sip-filter`): INVITEs and their responses at trunks and terminals to which
//! somebody has bound one. Decision 0317.
//!
//! Each message has a question of its own, named by its ticket; nothing is found by Call-ID or tag. What enters waits here:
//! an INVITE before its call is opened, a re-INVITE before its dialog hears of it, responses of one transaction one behind
//! the other. What leaves waits in its transaction ([`sip_transaction::Event::Leaving`]), and only its name is here. The
//! core's own timer decides when nobody answers.

use crate::core::Core;
use crate::io::Output;
use call::{Arrival, TurnedAway};
use model::{
    CallEvent, CallId, Cause, Edge, EdgeAt, EndedBy, Explained, FilterAnswer, FilterMessage, FilterQuestion,
    FilterVerdict, Flow, Header, HeaderOp, HookReport, Instant, Ticket, is_filterable,
};
use sip_message::{Message, Method, Name, ParseLimits, reason_phrase};
use sip_transaction::{ClientKey, Event, Held, ServerKey};
use std::collections::{BTreeMap, VecDeque};

/// What becomes of a message that no filter could judge.
const UNJUDGED: (u16, &str) = (503, "A mandatory filter failed");

/// Stands for the URI of a party that withholds it (RFC 3323 section 4.1.1.3).
const ANONYMOUS: &str = "sip:anonymous@anonymous.invalid";

/// A message that waits.
#[derive(Debug)]
enum What {
    /// An INVITE that begins a call.
    Arrival(Box<Arrival>),
    /// An INVITE within a dialog.
    Within { key: ServerKey, flow: Flow, request: Message },
    /// A response to an INVITE of ours.
    Response { key: ClientKey, flow: Flow, response: Message },
    /// One of ours, which waits in its transaction.
    Leaving { held: Held, within: bool, message: Message },
}

/// A question under way.
#[derive(Debug)]
struct Waiting {
    until: Instant,
    edge: Edge,
    mandatory: bool,
    shown: Vec<Header>,
    what: What,
}

/// # Invariants
/// Tickets grow and every wait is as long as any other, so the first is the first due. `invites` names the tickets of
/// INVITEs in `waiting`; `responses` has an entry exactly for each transaction with a response in `waiting`.
#[derive(Debug, Default)]
pub(crate) struct Filtering {
    next: u64,
    waiting: BTreeMap<Ticket, Waiting>,
    invites: BTreeMap<ServerKey, Ticket>,
    /// Responses behind the one that is asked about.
    responses: BTreeMap<ClientKey, (Ticket, VecDeque<(Message, Flow)>)>,
}

impl Filtering {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, waiting)| waiting.until)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.invites.is_empty() && self.responses.is_empty()
    }
}

/// What was made of a message.
enum Outcome {
    /// It goes on; `None`: as it is.
    Pass(Option<Message>),
    Refused(u16, String),
    Closed,
}

impl Core {
    /// An admitted INVITE goes to the calls, or first to the filters of where it came in. Calls for help pass none.
    pub(crate) fn arrive(&mut self, mut arrival: Arrival, now: Instant) {
        let at = match (&arrival.trunk, &arrival.account) {
            (Some(from), _) => Some(EdgeAt::Trunk(from.trunk.id)),
            (None, Some(account)) => Some(EdgeAt::Account(account.id)),
            (None, None) => None,
        };
        let company = &arrival.company;
        let tenant = (company.brand, company.id);
        let filtered = at.filter(|at| self.directory.filter_at(tenant, *at).is_some());
        let Some(at) = filtered.filter(|_| !arrival.is_for_help()) else {
            return self.with_calls(now, |calls, floors| calls.open(floors, &arrival));
        };
        let (call, withheld) = (self.calls.name_call(now), call::wants_privacy(&arrival.request));
        let edge = Edge { call, brand: tenant.0, company: tenant.1, at, withheld };
        arrival.id = Some(edge.call);
        arrival.edge = Some(edge);
        self.transactions.watch(arrival.key, (edge, false));
        let request = arrival.request.clone();
        self.ask_filter(edge, What::Arrival(Box::new(arrival)), &request, now);
    }

    /// Events of INVITEs at filtered edges wait here; the others climb on.
    pub(crate) fn filter(&mut self, event: Event, now: Instant) -> Option<Event> {
        if let Event::Leaving { held, edge, within, wire } = event {
            self.leaves(held, (edge, within), wire, now);
            return None;
        }
        if self.directory.hooks().sip_filter.is_empty() && self.filtering.is_empty() {
            return Some(event);
        }
        match event {
            Event::Request { key, flow, request } if request.is_method(Method::Invite) => {
                let dialog = self.dialogs.find(&request);
                let found = dialog.and_then(|dialog| Some((dialog, self.dialogs.edge(dialog)?)));
                let Some((dialog, edge)) = found else { return Some(Event::Request { key, flow, request }) };
                self.transactions.watch(key, (edge, true));
                // What the peer sends while it waits is newer, and makes no stray of it.
                if !self.dialogs.number(dialog, &request) {
                    return Some(Event::Request { key, flow, request });
                }
                let message = request.clone();
                self.ask_filter(edge, What::Within { key, flow, request }, &message, now);
                None
            }
            Event::Response { key, response, flow, edge: Some(edge) } => {
                let (response, flow) = self.response_enters((key, edge), response, flow, now)?;
                Some(Event::Response { key, response, flow, edge: Some(edge) })
            }
            Event::Cancelled { invite, request } => match self.filtering.invites.remove(&invite) {
                Some(ticket) => {
                    self.given_up(ticket, now);
                    None
                }
                None => Some(Event::Cancelled { invite, request }),
            },
            Event::ClientFailed { key, why } => {
                // Nobody wants to know what it was answered with.
                if let Some((ticket, _)) = self.filtering.responses.remove(&key) {
                    self.filtering.waiting.remove(&ticket);
                }
                Some(Event::ClientFailed { key, why })
            }
            event @ (Event::Request { .. }
            | Event::Response { .. }
            | Event::Ack { .. }
            | Event::ServerFailed { .. }
            | Event::Leaving { .. }) => Some(event),
        }
    }

    /// The filters have answered.
    pub(crate) fn filter_answered(&mut self, ticket: Ticket, answer: FilterAnswer, now: Instant) {
        let Some(waiting) = self.filtering.waiting.remove(&ticket) else {
            self.counters.filter_answers_stale += 1;
            return;
        };
        let arrives = matches!(waiting.what, What::Arrival(_));
        let (outcome, words) = match answer.verdict {
            FilterVerdict::Pass(ops) => match self.changed(&waiting, &ops) {
                Ok(changed) => (Outcome::Pass(changed), format!("pass, changes: {}", ops.len())),
                Err(why) => {
                    self.counters.filters_failed += 1;
                    (self.unjudged(waiting.mandatory), format!("cannot be written: {why}"))
                }
            },
            FilterVerdict::Refuse(sip, reason) if arrives && can_be_said(sip, &reason) => {
                self.counters.filters_refused += 1;
                let words = format!("refuse {sip} {reason}");
                (Outcome::Refused(sip, reason), words)
            }
            // The plugin host lets no such answer through: it is no judgement, as any other that breaks a rule.
            FilterVerdict::Refuse(sip, _) => {
                self.counters.filters_failed += 1;
                (self.unjudged(waiting.mandatory), format!("refuse {sip}: out of place"))
            }
            FilterVerdict::Closed => {
                self.counters.filters_failed += 1;
                (Outcome::Closed, "closed: a mandatory filter failed".to_owned())
            }
        };
        self.explain_filter(&waiting, words, answer.hooks, now);
        self.conclude(waiting, outcome, now);
    }

    /// Nobody answered in time.
    pub(crate) fn filters_due(&mut self, now: Instant) {
        while let Some(entry) = self.filtering.waiting.first_entry() {
            if entry.get().until > now {
                return;
            }
            let waiting = entry.remove();
            self.counters.filters_late += 1;
            let words = if waiting.mandatory { "late: closed" } else { "late: passed as it is" };
            self.explain_filter(&waiting, words.to_owned(), Vec::new(), now);
            let outcome = self.unjudged(waiting.mandatory);
            self.conclude(waiting, outcome, now);
        }
    }

    fn unjudged(&self, mandatory: bool) -> Outcome {
        if mandatory { Outcome::Closed } else { Outcome::Pass(None) }
    }

    /// One of ours is about to leave.
    fn leaves(&mut self, held: Held, (edge, within): (Edge, bool), wire: bytes::Bytes, now: Instant) {
        let limits = ParseLimits { message_bytes_max: usize::MAX, headers_max: usize::MAX };
        match Message::parse(wire.clone(), &limits) {
            Ok(message) => {
                let copy = message.clone();
                self.ask_filter(edge, What::Leaving { held, within, message }, &copy, now);
            }
            // What we wrote ourselves can be read.
            Err(_) => {
                let _ = self.transactions.let_go(held, wire, now);
            }
        }
    }

    /// A response to an INVITE that left by an edge: behind those of its transaction that wait, or asked about, or given
    /// back because it repeats what was judged.
    fn response_enters(
        &mut self,
        (key, edge): (ClientKey, Edge),
        response: Message,
        flow: Flow,
        now: Instant,
    ) -> Option<(Message, Flow)> {
        if let Some((ticket, behind)) = self.filtering.responses.get_mut(&key) {
            let asked = self.filtering.waiting.get(ticket).map(|waiting| &waiting.what);
            let again = |known: &Message| known.bytes() == response.bytes();
            let known = matches!(asked, Some(What::Response { response, .. }) if again(response));
            // One final response has room whatever waits; a 2xx of another branch comes again until it has its ACK.
            let is_final = |response: &Message| response.status().is_some_and(|status| status >= 200);
            let full = behind.len() >= self.setup.limits.filter_queue_max;
            let lost = full && (!is_final(&response) || behind.iter().any(|(known, _)| is_final(known)));
            if !known && !lost && !behind.iter().any(|(known, _)| again(known)) {
                behind.push_back((response, flow));
            }
            return None;
        }
        if self.dialogs.has_taken_2xx(key) {
            return Some((response, flow));
        }
        let message = response.clone();
        self.ask_filter(edge, What::Response { key, flow, response }, &message, now);
        None
    }

    /// Asks about one message, or lets it pass where nobody is to be asked any more.
    fn ask_filter(&mut self, edge: Edge, what: What, message: &Message, now: Instant) {
        let limits = &self.setup.limits;
        let policy = self.directory.filter_at((edge.brand, edge.company), edge.at);
        let until = now + limits.filter_deadline();
        let mandatory = policy.is_some_and(|policy| policy.mandatory);
        let mut waiting = Waiting { until, edge, mandatory, shown: Vec::new(), what };
        if policy.is_none() {
            return self.conclude(waiting, Outcome::Pass(None), now);
        }
        if self.filtering.waiting.len() >= limits.filters_waiting_max {
            self.counters.filters_skipped += 1;
            let outcome = self.unjudged(mandatory);
            return self.conclude(waiting, outcome, now);
        }
        let ticket = Ticket(self.filtering.next);
        self.filtering.next += 1;
        let seen = self.as_filters_see(&waiting, message);
        waiting.shown.clone_from(&seen.headers);
        self.counters.filters_asked += 1;
        self.emit(Output::Filter(Box::new(FilterQuestion { ticket, deadline: until, message: seen })));
        match &waiting.what {
            What::Arrival(arrival) => drop(self.filtering.invites.insert(arrival.key, ticket)),
            What::Within { key, .. } => drop(self.filtering.invites.insert(*key, ticket)),
            What::Response { key, .. } => drop(self.filtering.responses.insert(*key, (ticket, VecDeque::new()))),
            What::Leaving { .. } => {}
        }
        self.filtering.waiting.insert(ticket, waiting);
    }

    fn as_filters_see(&self, waiting: &Waiting, message: &Message) -> FilterMessage {
        let edge = waiting.edge;
        let name = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let brand = self.directory.brand(edge.brand).map(|brand| brand.name.as_str());
        let company = self.directory.company(edge.company).map(|company| company.name.as_str());
        let uri = |party: Result<sip_message::NameAddrRef<'_>, _>| {
            party.map(|party| party.uri().as_str().to_owned()).unwrap_or_default()
        };
        let (inbound, within) = match &waiting.what {
            What::Arrival(_) => (true, false),
            What::Within { .. } => (true, true),
            What::Response { key, .. } => (true, self.dialogs.is_reinvite(*key)),
            What::Leaving { within, .. } => (false, *within),
        };
        let withheld = edge.withheld || (inbound && asks_privacy(message));
        let hidden = |uri: String, of_party: bool| if withheld && of_party { ANONYMOUS.to_owned() } else { uri };
        FilterMessage {
            edge,
            brand_name: name(brand),
            company_name: name(company),
            edge_name: name(self.directory.edge_name(edge.at)),
            method: Method::Invite.as_str().to_owned(),
            status: message.status(),
            inbound,
            within,
            request_uri: message.request_uri_str().map(|uri| hidden(uri.to_owned(), !inbound)),
            // Whoever is there wrote what From says of a request that enters and of a response that leaves.
            from_uri: hidden(uri(message.from()), inbound != message.status().is_some()),
            to_uri: hidden(uri(message.to()), inbound == message.status().is_some()),
            headers: if (withheld && inbound) || asks_privacy(message) { untold(message) } else { visible(message) },
        }
    }

    /// The message after these changes; `None` where there are none.
    fn changed(&mut self, waiting: &Waiting, ops: &[HeaderOp]) -> Result<Option<Message>, sip_message::ParseError> {
        if ops.is_empty() {
            return Ok(None);
        }
        let message = match &waiting.what {
            What::Arrival(arrival) => &arrival.request,
            What::Within { request, .. } => request,
            What::Response { response, .. } => response,
            What::Leaving { message, .. } => message,
        };
        let changed = sip_message::edited(message, ops, &self.parse_limits)?;
        self.counters.filters_changed += 1;
        Ok(Some(changed))
    }

    /// A caller has given up an INVITE that waits: its call is told so, or its dialog never hears of it.
    fn given_up(&mut self, ticket: Ticket, now: Instant) {
        let Some(waiting) = self.filtering.waiting.remove(&ticket) else { return };
        match waiting.what {
            What::Arrival(mut arrival) => {
                let (sip, by) = (487, EndedBy::Caller);
                let reason = reason_phrase(sip).to_owned();
                arrival.refused = Some(TurnedAway { sip, reason, cause: Cause::Cancelled, by });
                self.with_calls(now, |calls, floors| calls.open(floors, &arrival));
            }
            What::Within { key, flow, request } => self.answer(key, &flow, &request, 487, &[], now),
            What::Response { .. } | What::Leaving { .. } => {}
        }
    }

    fn conclude(&mut self, waiting: Waiting, outcome: Outcome, now: Instant) {
        let Waiting { what, shown, edge, .. } = waiting;
        match what {
            What::Arrival(arrival) => self.arrival_judged(*arrival, outcome, now),
            What::Within { key, flow, request } => {
                self.filtering.invites.remove(&key);
                match outcome {
                    Outcome::Pass(changed) => {
                        let request = changed.unwrap_or(request);
                        self.dialogs.handle_numbered(&mut self.transactions, key, flow, request, now);
                    }
                    Outcome::Refused(..) | Outcome::Closed => {
                        self.answer(key, &flow, &request, UNJUDGED.0, &[], now);
                    }
                }
            }
            What::Response { key, flow, response } => {
                let behind = self.filtering.responses.remove(&key).map(|(_, behind)| behind).unwrap_or_default();
                let response = self.bare_if_closed(response, &shown, outcome);
                self.dialogs.handle_response(&mut self.transactions, key, response, flow, now);
                for (response, flow) in behind {
                    // The first of them is asked about, and the others wait behind it.
                    if let Some((response, flow)) = self.response_enters((key, edge), response, flow, now) {
                        self.dialogs.handle_response(&mut self.transactions, key, response, flow, now);
                    }
                }
            }
            // A transaction that is over needs nothing any more.
            What::Leaving { held: Held::Request(key), .. } if matches!(outcome, Outcome::Closed) => {
                let _ = self.transactions.withhold(key);
            }
            What::Leaving { held, message, .. } => {
                let message = self.bare_if_closed(message, &shown, outcome);
                let number = match held {
                    Held::Request(key) => self.dialogs.renumber(key, &message),
                    Held::Response(..) => None,
                };
                let numbered = number.and_then(|number| sip_message::renumbered(&message, number));
                let _ = self.transactions.let_go(held, numbered.unwrap_or_else(|| message.bytes().clone()), now);
            }
        }
    }

    /// A response that nobody could judge goes on without any field that a filter could have looked at.
    fn bare_if_closed(&self, message: Message, shown: &[Header], outcome: Outcome) -> Message {
        match outcome {
            Outcome::Pass(changed) => changed.unwrap_or(message),
            Outcome::Refused(..) | Outcome::Closed => {
                let shown = if shown.is_empty() { visible(&message) } else { shown.to_vec() };
                let ops: Vec<HeaderOp> = shown.into_iter().map(|header| HeaderOp::Remove(header.name)).collect();
                // Removing what stands there cannot make it too large, nor take what it needs.
                sip_message::edited(&message, &ops, &self.parse_limits).unwrap_or(message)
            }
        }
    }

    fn arrival_judged(&mut self, mut arrival: Arrival, outcome: Outcome, now: Instant) {
        self.filtering.invites.remove(&arrival.key);
        let refuse = |sip, reason: String, cause| TurnedAway { sip, reason, cause, by: EndedBy::Switch };
        match outcome {
            Outcome::Pass(Some(changed)) => {
                arrival.request = changed;
                self.presents_anew(&mut arrival);
            }
            Outcome::Pass(None) => {}
            Outcome::Refused(sip, reason) => arrival.refused = Some(refuse(sip, reason, Cause::PluginRefused)),
            Outcome::Closed => {
                arrival.refused = Some(refuse(UNJUDGED.0, UNJUDGED.1.to_owned(), Cause::PluginFailed));
            }
        }
        self.with_calls(now, |calls, floors| calls.open(floors, &arrival));
    }

    /// Who calls is read anew from what a filter has written, by the rules that hold for what the peer itself writes.
    fn presents_anew(&self, arrival: &mut Arrival) {
        if let Some(from) = &mut arrival.trunk {
            let (caller, number) =
                admission::caller_of(&self.directory, &from.trunk, &arrival.company, &arrival.request);
            arrival.caller_user.clone_from(&caller.user);
            (from.caller, from.number) = (caller, number);
        } else if let Some(account) = &arrival.account {
            let presented = admission::presented(&self.directory, account, &arrival.request);
            (arrival.caller_user, arrival.presents_own) = (presented.user, presented.all_owned);
        }
    }

    fn explain_filter(&mut self, waiting: &Waiting, decision: String, hooks: Vec<HookReport>, now: Instant) {
        let (word, message) = match &waiting.what {
            What::Arrival(arrival) => ("enters by", &arrival.request),
            What::Within { request, .. } => ("enters by", request),
            What::Response { response, .. } => ("enters by", response),
            What::Leaving { message, .. } => ("leaves by", message),
        };
        let what = message.status().map_or_else(|| "INVITE".to_owned(), |status| status.to_string());
        let name = self.directory.edge_name(waiting.edge.at).unwrap_or_default();
        let kind = match waiting.edge.at {
            EdgeAt::Trunk(_) => "trunk",
            EdgeAt::Account(_) => "account",
        };
        let call: CallId = waiting.edge.call;
        self.emit(Output::Event(CallEvent::Explained(Box::new(Explained {
            call,
            company: waiting.edge.company,
            at: now,
            asked: "sip-filter".to_owned(),
            callee: format!("{what} {word} {kind} {name}"),
            decision,
            hooks,
        }))));
    }
}

/// Whether an INVITE can be refused so.
fn can_be_said(sip: u16, reason: &str) -> bool {
    (400..=699).contains(&sip) && !reason.chars().any(char::is_control)
}

/// Every field that filters may change, under its whole name.
fn visible(message: &Message) -> Vec<Header> {
    let named = message.places().filter(|place| is_filterable(place.written()));
    named
        .map(|place| Header { name: place.name.as_str().to_owned(), value: place.value().text().into_owned() })
        .collect()
}

/// Whether whoever wrote it wants any privacy at all (RFC 3323 section 4.2), or calls without saying who it is.
fn asks_privacy(message: &Message) -> bool {
    let any = message.headers(Name::Privacy).any(|wishes| {
        let text = wishes.text();
        text.split([';', ',']).any(|wish| !matches!(wish.trim().to_ascii_lowercase().as_str(), "" | "none"))
    });
    any || (message.status().is_none() && call::wants_privacy(message))
}

/// The same without what would tell a caller that withholds its number (RFC 3323).
fn untold(message: &Message) -> Vec<Header> {
    let tells = [
        Name::PAssertedIdentity,
        Name::PPreferredIdentity,
        Name::RemotePartyId,
        Name::Diversion,
        Name::HistoryInfo,
        Name::ReferredBy,
    ];
    let mut headers = visible(message);
    headers.retain(|header| !tells.contains(&Name::new(&header.name)));
    headers
}
