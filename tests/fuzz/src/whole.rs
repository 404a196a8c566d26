//! The whole switch as a fuzz target: bytes of three peers over a virtual clock, a chain that always answers.
//!
//! `data` is a list of pieces that end with 0xFF. The first byte of a piece says who sends it (two bits; the fourth peer
//! is the clock alone) and how much time passes before (three bits); the rest is the datagram. In it `{branch}`,
//! `{from}`, `{to}`, `{call}` and `{cseq}` stand for the values of the last request that this peer got, and `{tag}` for
//! the switch's tag in the last response: so a corpus can hold whole calls, which no fuzzer would guess.
//!
//! The promises: nothing panics, everything that leaves is SIP that our own parser finds valid, the clock always gets
//! on, and after the last word and the longest timer every table is empty.

use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{
    Account, AccountId, Answer, Brand, BrandId, Company, CompanyId, Decision, DefaultVerdict, Directory, Endpoint,
    Extension, ExtensionId, Flow, Ha1, Handling, Instant, MediaPath, MediaPortId, Question, ResourceList, RingPlan,
    RingStep, RouteTarget, Target, Transport,
};
use sip_message::{Message, ParseLimits};
use std::collections::VecDeque;
use std::sync::Arc;
use switch::{Core, CoreConfig, Input, Listener, MediaPort, Output, Prompts};

const SWITCH: &str = "10.0.0.9:5060";
const PEERS: [(&str, &str); 3] = [("1001", "10.0.0.1:5060"), ("1002", "10.0.0.2:5060"), ("1003", "10.0.0.3:5060")];
/// Calls to this number are proxied.
const PROXIED: &str = "1003";
/// What the three bits of time mean, in milliseconds.
const STEPS: [u64; 8] = [0, 1, 20, 500, 1_000, 5_000, 33_000, 200_000];
/// Pieces of one run, and bytes of one datagram.
const PIECES_MAX: usize = 64;
/// No run needs so many wake-ups.
const WAKES_MAX: u32 = 20_000;

/// What one peer heard last.
#[derive(Clone, Debug, Default)]
struct Heard {
    request: Option<Message>,
    tag: String,
}

/// Runs `data`.
///
/// # Panics
/// Where a promise is broken: that is a finding.
pub fn whole(data: &[u8]) {
    let mut bed = Bed::new();
    for piece in data.split(|b| *b == 0xff).take(PIECES_MAX) {
        let Some((head, text)) = piece.split_first() else { continue };
        bed.pass(Duration::from_millis(STEPS[usize::from(head >> 2 & 7)]));
        if let Some((_, address)) = PEERS.get(usize::from(head & 3)) {
            let text = bed.heard[usize::from(head & 3)].fill(text);
            let remote = at(address);
            let flow = bed.flow(remote);
            bed.core.handle(Input::Sip { flow, bytes: Bytes::from(text) }, bed.now);
            bed.drain();
        }
    }
    bed.end();
}

struct Bed {
    core: Core,
    now: Instant,
    heard: [Heard; 3],
    wakes: u32,
}

impl Bed {
    fn new() -> Bed {
        let config = CoreConfig {
            listeners: vec![Listener { transport: Transport::Udp, local: at(SWITCH) }],
            default_domain: Some("demo.test".to_owned()),
            unsolicited_mwi: true,
            ..CoreConfig::default()
        };
        let ports = (0..4).map(|n| MediaPort {
            id: MediaPortId(n),
            rtp: at(&format!("10.0.0.9:{}", 20_000 + 2 * n)),
            rtcp: at(&format!("10.0.0.9:{}", 20_001 + 2 * n)),
        });
        let core = Core::new(config, Arc::new(directory()), ports.collect(), Prompts::default(), [7; 32]);
        let now = Instant::from_unix_nanos(1_800_000_000_000_000_000);
        Bed { core, now, heard: Default::default(), wakes: 0 }
    }

    fn flow(&self, remote: SocketAddr) -> Flow {
        Flow::new(Transport::Udp, at(SWITCH), remote)
    }

    /// Time passes, with every timer at its own time.
    fn pass(&mut self, how_long: Duration) {
        let end = self.now + how_long;
        while let Some(next) = self.core.poll_timeout().filter(|next| *next <= end) {
            self.wakes += 1;
            assert!(self.wakes < WAKES_MAX, "the clock stands at {next:?}");
            self.now = next.max(self.now);
            self.core.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let mut asked = VecDeque::new();
        loop {
            while let Some(output) = self.core.poll_output() {
                match output {
                    Output::Transmit(transmit) => self.sent(&transmit.bytes, transmit.flow.remote),
                    Output::Ask(question) => asked.push_back(question),
                    _ => {}
                }
            }
            while self.core.poll_media().is_some() {}
            let Some(question) = asked.pop_front() else { return };
            let input = Input::Answered { ticket: question.ticket, answer: answer(&question) };
            self.core.handle(input, self.now);
        }
    }

    /// What leaves is SIP, and the peer remembers it.
    fn sent(&mut self, bytes: &Bytes, remote: SocketAddr) {
        let message = match Message::parse(bytes.clone(), &ParseLimits::default()) {
            Ok(message) => message,
            Err(rejected) => panic!("{:?} left the switch: {:?}", rejected.error, String::from_utf8_lossy(bytes)),
        };
        // An answer to a request that was malformed repeats its malformed fields.
        let echoes = message.status().is_some_and(|s| matches!(s, 400 | 416 | 505 | 513));
        let verdict = message.validate();
        assert!(echoes || verdict.is_ok(), "{verdict:?}: {:?}", String::from_utf8_lossy(bytes));
        let Some(peer) = PEERS.iter().position(|(_, address)| at(address) == remote) else { return };
        if message.is_request() {
            self.heard[peer].request = Some(message);
        } else if let Some(tag) = message.to().ok().and_then(|to| to.tag().map(str::to_owned)) {
            self.heard[peer].tag = tag;
        }
    }

    /// Everybody falls silent: what is left runs out.
    fn end(&mut self) {
        self.core.handle(Input::EndAll, self.now);
        self.drain();
        self.pass(Duration::from_secs(300));
        assert!(self.core.is_idle(), "{:?}", self.core.counters());
        // Subscriptions, publications and bindings last for two hours at most.
        self.pass(Duration::from_secs(7_300));
        let left = self.core.counters();
        assert!(self.core.is_idle(), "{left:?}");
        assert_eq!((left.subscriptions_alive, left.publications_alive, left.bindings_alive), (0, 0, 0));
        assert_eq!(left.ports_free, left.ports_total);
    }
}

impl Heard {
    /// The datagram with the placeholders filled.
    fn fill(&self, text: &[u8]) -> Vec<u8> {
        let field = |name: &str| {
            let value = self.request.as_ref().and_then(|r| r.header(name).map(|v| v.text().into_owned()));
            value.unwrap_or_default()
        };
        let mut out = text.to_vec();
        for (mark, value) in [
            ("{branch}", field("Via")),
            ("{from}", field("From")),
            ("{to}", field("To")),
            ("{call}", field("Call-ID")),
            ("{cseq}", field("CSeq")),
            ("{tag}", self.tag.clone()),
        ] {
            while let Some(at) = out.windows(mark.len()).position(|w| w == mark.as_bytes()) {
                out.splice(at..at + mark.len(), value.bytes().filter(|b| *b != b'{'));
            }
        }
        out
    }
}

/// Numbers ring the account, one of them through the proxy, 9 nobody, anything else is refused.
fn answer(question: &Question) -> Answer {
    let callee = &question.call.callee.user;
    let target =
        |name: &str| Target { to: Endpoint::Account(name.to_owned()), caller_id: None, header_ops: Vec::new() };
    let step = RingStep {
        targets: PEERS.iter().filter(|(number, _)| number == callee).map(|(number, _)| target(number)).collect(),
        ring_timeout: Duration::from_secs(20),
        advance_on: Vec::new(),
    };
    let plan = RingPlan {
        steps: vec![step],
        handling: if callee == PROXIED { Handling::Proxy } else { Handling::TenantDefault },
        media: MediaPath::TenantDefault,
        header_ops: Vec::new(),
        max_duration: Some(Duration::from_secs(60)),
        attrs: Vec::new(),
    };
    let decision = (!plan.steps[0].targets.is_empty()).then_some(Decision::Connect(plan));
    Answer { decision, failed: false, attrs: Vec::new(), hooks: Vec::new() }
}

fn directory() -> Directory {
    let brand = Brand { id: BrandId(1), name: "b".to_owned(), default_verdict: DefaultVerdict::Refuse };
    let company = Company {
        id: CompanyId(1),
        brand: BrandId(1),
        name: "c".to_owned(),
        domain: "demo.test".to_owned(),
        media: MediaPath::Anchor,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        media_security: model::MediaSecurity::Allow,
        codecs: Vec::new(),
        hold_music: None,
        kind: Default::default(),
        rules: Default::default(),
    };
    let accounts = (1_i64..).zip(PEERS).map(|(id, (number, address))| Account {
        id: AccountId(id),
        company: CompanyId(1),
        username: number.to_owned(),
        display_name: String::new(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: Some(at(address)),
        media_security: None,
        enabled: true,
        rules: Default::default(),
    });
    let extension = Extension {
        id: ExtensionId(1),
        company: CompanyId(1),
        number: "202".to_owned(),
        target: RouteTarget::Account("1002".to_owned()),
    };
    let members = vec!["1002".to_owned(), "1003".to_owned(), "nobody".to_owned()];
    let list = ResourceList { company: CompanyId(1), name: "desk".to_owned(), members };
    Directory::build(1, vec![brand], vec![company], accounts.collect(), vec![extension], Vec::new())
        .and_then(|directory| directory.with_lists(vec![list]))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("no address: {text}"))
}
