//! The other shards of the node: what is handed over to them, and what all are to know.
//!
//! The guard looks at a message where it is read, since that is where a source's messages come together; so what one
//! shard learns of a source (that it is banned, that an account was admitted from there, that a carrier's server is
//! there) is told to the others. Calls, registrations and subscriptions are never told: they meet within a brand only.

use crate::core::Core;
use crate::io::Output;
use crate::owner::{Around, Lines, owner};
use call::Carriers;
use core::net::IpAddr;
use model::{BrandId, CompanyId, Directory, Flow, Instant, Shards};
use sip_message::{Message, Method, ResponseWriter, reason_phrase, respond_target};
use std::collections::{BTreeMap, BTreeSet};

/// When somebody may come again whose message found no room between shards, in seconds.
const RETRY_AFTER_S: &str = "2";

/// What shards of a node tell each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Word {
    /// What the guard knows of a source.
    Source(admission::Word),
    /// The addresses of the carriers' servers of a shard's brands, each with the brand, whole.
    Peers {
        /// Whose they are.
        shard: u8,
        /// They.
        addresses: BTreeSet<(IpAddr, BrandId)>,
    },
}

/// What a shard keeps for the sake of the others; nothing where it is alone.
#[derive(Debug)]
pub(crate) struct Others {
    shards: Shards,
    lines: Lines,
    /// The servers of carriers, by shard.
    peers: BTreeMap<u8, BTreeSet<(IpAddr, BrandId)>>,
    /// All of them.
    carriers: Carriers,
}

impl Others {
    pub(crate) fn new(shards: Shards, directory: &Directory) -> Others {
        let mut others =
            Others { shards, lines: Lines::default(), peers: BTreeMap::new(), carriers: Carriers::default() };
        others.learn_lines(directory);
        others
    }

    pub(crate) fn shards(&self) -> Shards {
        self.shards
    }

    /// Where the carriers of all brands are.
    pub(crate) fn carriers(&self) -> &Carriers {
        &self.carriers
    }

    /// The directory is new.
    pub(crate) fn learn_lines(&mut self, directory: &Directory) {
        if !self.shards.is_alone() {
            self.lines = Lines::of(directory);
        }
    }
}

impl Core {
    /// Takes a message that may be processed, or hands it over to the shard whose it is.
    pub(crate) fn settle_owner(&mut self, flow: Flow, message: Message, now: Instant) {
        let shards = self.others.shards;
        if shards.is_alone() {
            return self.take(flow, message, now);
        }
        let around = Around {
            directory: &self.directory,
            domains: self.doorkeeper.domains(),
            lines: &self.others.lines,
            shards,
        };
        let shard = owner(&message, &flow, &around);
        if shard == shards.own() {
            return self.take(flow, message, now);
        }
        self.counters.handed_over += 1;
        self.out.push_back(Output::HandOver { shard, flow, message });
    }

    /// A message that another shard has read, and passed by its guard.
    pub(crate) fn handed(&mut self, flow: Flow, message: Message, now: Instant) {
        self.counters.handed_in += 1;
        self.take(flow, message, now);
    }

    /// The shard whose it is has no room for it: whoever asks is told to come later, instead of waiting for an answer that
    /// never comes.
    pub(crate) fn not_handed(&mut self, flow: &Flow, message: &Message) {
        if !message.is_request() || matches!(message.method(), Some(Method::Ack)) {
            return;
        }
        let tag = self.ids.token(12);
        let writer = ResponseWriter::to(message, 503, reason_phrase(503), flow.remote).to_tag(&tag);
        let response = writer.header("Retry-After", RETRY_AFTER_S).finish();
        self.transactions.send(respond_target(message, flow), response);
    }

    /// Another shard knows something.
    pub(crate) fn told(&mut self, word: Word, now: Instant) {
        match word {
            Word::Source(word) => self.doorkeeper.hear(word, now),
            Word::Peers { shard, addresses } => {
                self.others.peers.insert(shard, addresses);
                self.set_peers();
            }
        }
    }

    /// Tells the others what the guard has learnt.
    pub(crate) fn tell_others(&mut self) {
        if self.others.shards.is_alone() {
            return;
        }
        let words = self.doorkeeper.take_words();
        self.out.extend(words.into_iter().map(|word| Output::Tell(Word::Source(word))));
    }

    /// The carriers' servers may be others now.
    pub(crate) fn peers_changed(&mut self) {
        let shard = self.others.shards.own();
        let addresses: BTreeSet<(IpAddr, BrandId)> = self.trunks.layer.peers().collect();
        if !self.others.shards.is_alone() && self.others.peers.get(&shard) != Some(&addresses) {
            self.out.push_back(Output::Tell(Word::Peers { shard, addresses: addresses.clone() }));
        }
        self.others.peers.insert(shard, addresses);
        self.set_peers();
    }

    fn set_peers(&mut self) {
        self.others.carriers = Carriers::new(self.others.peers.values().flatten().copied());
        self.doorkeeper.set_peers(self.others.peers.values().flatten().map(|(address, _)| *address));
    }

    /// Whether a company's brand lives on this shard.
    pub(crate) fn is_at_home(&self, company: CompanyId) -> bool {
        self.others.shards.is_alone()
            || self.directory.company(company).is_some_and(|company| self.others.shards.owns(company.brand))
    }
}
