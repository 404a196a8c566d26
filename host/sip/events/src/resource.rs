//! A watched resource: its facts, what is written about them, and who watches.

use crate::dialog_info::{Dialog, Dialogs};
use crate::document::Document;
use crate::package::Package;
use crate::presence::Presence;
use crate::reg_info::{Bindings, Contact};
use crate::subscription::SubKey;
use crate::summary::Summary;
use model::{BindingGone, CompanyId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What can be watched: a user part of a company's domain, by package. The company comes first: nobody watches
/// across tenants.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ResourceKey {
    /// The tenant.
    pub company: CompanyId,
    /// The package.
    pub package: Package,
    /// The user part, unescaped.
    pub user: Arc<str>,
}

/// What is known of a resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Facts {
    /// For [`Package::Dialog`].
    Dialogs(Vec<Dialog>),
    /// For [`Package::MessageSummary`].
    Summary(Summary),
    /// For [`Package::Reg`]: the bindings that stand, and why others do not, as far as that is known.
    Contacts(Vec<Contact>, Vec<(String, BindingGone)>),
    /// For [`Package::Presence`].
    Presence(Presence),
}

/// One watched resource.
///
/// # Invariants
/// `generation` is 0 until the first facts come and rises with every change; the documents kept are of the generation
/// that stands.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) uri: String,
    pub(crate) generation: u64,
    pub(crate) watchers: BTreeSet<SubKey>,
    state: State,
    full: Option<Document>,
    /// What changed after a generation: nearly all watchers have seen the same.
    partial: Option<(u64, Document)>,
}

#[derive(Debug)]
enum State {
    Unknown,
    /// It names nothing any more.
    Gone,
    Dialogs(Dialogs),
    Summary(Summary),
    Bindings(Bindings),
    Presence(Presence),
}

impl Resource {
    pub(crate) fn new(uri: String) -> Resource {
        Resource { uri, generation: 0, watchers: BTreeSet::new(), state: State::Unknown, full: None, partial: None }
    }

    /// Takes facts; `true` where they are news. The first ones always are.
    pub(crate) fn set(&mut self, facts: Facts) -> bool {
        let first = self.generation == 0;
        let next = self.generation + 1;
        let changed = match (facts, &mut self.state) {
            (Facts::Dialogs(now), State::Dialogs(dialogs)) => dialogs.set(now, next),
            (Facts::Contacts(now, ended), State::Bindings(bindings)) => bindings.set(now, &ended),
            (Facts::Summary(now), State::Summary(was)) => core::mem::replace(was, now) != now,
            (Facts::Presence(now), State::Presence(was)) => {
                let changed = *was != now;
                *was = now;
                changed
            }
            (facts, state) => {
                *state = State::of(facts, next);
                true
            }
        };
        if changed || first {
            self.generation = next;
            self.full = None;
            self.partial = None;
        }
        changed || first
    }

    /// It names nothing; `true` where that is news.
    pub(crate) fn lose(&mut self) -> bool {
        let news = !self.is_gone();
        if news {
            self.state = State::Gone;
            self.generation += 1;
            self.full = None;
            self.partial = None;
        }
        news
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone)
    }

    /// The whole state; `None` before the first facts.
    pub(crate) fn full(&mut self) -> Option<Document> {
        if self.full.is_none() {
            self.full = match &self.state {
                State::Unknown | State::Gone => None,
                State::Dialogs(dialogs) => Some(dialogs.full(&self.uri)),
                State::Summary(summary) => Some(summary.document(&self.uri)),
                State::Bindings(bindings) => Some(bindings.full(&self.uri)),
                State::Presence(presence) => Some(presence.document(&self.uri)),
            };
        }
        self.full.clone()
    }

    /// What changed after generation `seen`, or the whole state where the package knows no less.
    pub(crate) fn since(&mut self, seen: u64) -> Option<Document> {
        let State::Dialogs(dialogs) = &self.state else { return self.full() };
        match &self.partial {
            Some((from, document)) if *from == seen => return Some(document.clone()),
            Some(_) | None => {}
        }
        match dialogs.since(&self.uri, seen) {
            Some(document) => {
                self.partial = Some((seen, document.clone()));
                Some(document)
            }
            None => self.full(),
        }
    }
}

impl State {
    fn of(facts: Facts, generation: u64) -> State {
        match facts {
            Facts::Dialogs(now) => {
                let mut dialogs = Dialogs::default();
                dialogs.set(now, generation);
                State::Dialogs(dialogs)
            }
            Facts::Summary(summary) => State::Summary(summary),
            Facts::Contacts(now, ended) => {
                let mut bindings = Bindings::default();
                bindings.set(now, &ended);
                State::Bindings(bindings)
            }
            Facts::Presence(presence) => State::Presence(presence),
        }
    }
}
