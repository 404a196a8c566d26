//! Filters of a ladder: `filters mandatory accounts=1001,1002 trunks=gw` binds one (`*` = every one), `filters gone` none;
//! `filter > pass add:X-A:1 set:X-B:2 remove:X-C`, `filter > refuse 403` and `filter > closed` answer the oldest question
//! that has no answer yet, be it late; `filters?` says how it went so far.

use model::{
    BrandId, Directory, EdgeAt, FilterAnswer, FilterQuestion, FilterReach, FilterVerdict, Filters, Header, HeaderOp,
    Hooks, Names, Ticket,
};
use std::collections::{BTreeMap, VecDeque};

/// What they were asked, and for whom they are.
#[derive(Debug, Default)]
pub(crate) struct Filtering {
    reach: Option<FilterReach>,
    asked: VecDeque<Ticket>,
}

impl Filtering {
    pub(crate) fn bind(&mut self, words: &[&str]) {
        let names = |key: &str| match words.iter().find_map(|word| word.strip_prefix(key)) {
            None => Names::None,
            Some("*") => Names::All,
            Some(list) => Names::Only(list.split(',').map(str::to_owned).collect()),
        };
        let (trunks, accounts) = (names("trunks="), names("accounts="));
        let mandatory = words.contains(&"mandatory");
        self.reach = (words != ["gone"]).then_some(FilterReach { trunks, accounts, account: None, mandatory });
    }

    pub(crate) fn join(&self, directory: Directory) -> Directory {
        let Some(reach) = self.reach.clone() else { return directory };
        let filters = Filters(BTreeMap::from([((BrandId(1), None), vec![reach])]));
        let hooks = Hooks { sip_filter: filters, ..directory.hooks().clone() };
        directory.with_hooks(hooks)
    }

    pub(crate) fn asked(&mut self, question: &FilterQuestion) {
        self.asked.push_back(question.ticket);
    }

    pub(crate) fn answer(&mut self, words: &[&str]) -> (Ticket, FilterAnswer) {
        // Where nobody has asked the answer is stale.
        let ticket = self.asked.pop_front().unwrap_or(Ticket(u64::MAX));
        let verdict = match words {
            ["pass", ops @ ..] => FilterVerdict::Pass(ops.iter().flat_map(|op| change(op)).collect()),
            ["refuse", sip] => FilterVerdict::Refuse(sip.parse().unwrap_or(403), "Not This Way".to_owned()),
            ["closed"] => FilterVerdict::Closed,
            _ => panic!("no verdict: {words:?}"),
        };
        (ticket, FilterAnswer { verdict, hooks: Vec::new() })
    }
}

/// `add:NAME:VALUE` (`_` is a blank, `CRLF` a line end), `set:NAME:VALUE`, `remove:NAME`, `flood:NUMBER`.
fn change(text: &str) -> Vec<HeaderOp> {
    let mut parts = text.splitn(3, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (what, name) = (next(), next().to_owned());
    let value = next().replace('_', " ").replace("CRLF", "\r\n");
    match what {
        "add" => vec![HeaderOp::Add(Header { name, value })],
        "set" => vec![HeaderOp::Set(Header { name, value })],
        "remove" => vec![HeaderOp::Remove(name)],
        "flood" => {
            let many = name.parse().unwrap_or(10_000);
            (0..many).map(|n| HeaderOp::Add(Header { name: format!("X-{n}"), value: "x".repeat(64) })).collect()
        }
        _ => panic!("no change: {text}"),
    }
}

/// One line for a question, with the fields of which ladders speak.
pub(crate) fn show(question: &FilterQuestion) -> String {
    let message = &question.message;
    let what = message.status.map_or_else(|| message.method.clone(), |status| status.to_string());
    let way = if message.inbound { "in" } else { "out" };
    let kind = match message.edge.at {
        EdgeAt::Trunk(_) => "trunk",
        EdgeAt::Account(_) => "account",
    };
    let within = if message.within { " within" } else { "" };
    let told = |header: &&Header| header.name.starts_with("X-") || header.name.starts_with("P-A");
    let fields: String =
        message.headers.iter().filter(told).map(|header| format!(" {}={}", header.name, header.value)).collect();
    let parties = [("from", &message.from_uri), ("to", &message.to_uri)];
    let unnamed = parties.iter().filter(|(_, uri)| uri.contains("anonymous"));
    let unnamed: String = unnamed.map(|(which, _)| format!(" {which}=anonymous")).collect();
    format!("filter < {what} {way} {kind} {}{within}{unnamed}{fields}", message.edge_name)
}

/// How it went so far.
pub(crate) fn figures(counters: &switch::Counters) -> String {
    let switch::Counters {
        filters_asked: asked,
        filters_changed: changed,
        filters_refused: refused,
        filters_failed: failed,
        filters_late: late,
        filter_answers_stale: stale,
        filters_skipped: skipped,
        ..
    } = counters;
    format!(
        "asked {asked} changed {changed} refused {refused} failed {failed} late {late} stale {stale} skipped {skipped}"
    )
}
