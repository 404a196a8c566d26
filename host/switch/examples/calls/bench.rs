//! A core, and a caller, a callee and phones that are prepared bytes: what the example counts and the test of costs too.
#![allow(clippy::expect_used, clippy::wildcard_enum_match_arm, dead_code, missing_docs, unreachable_pub)]

use bytes::Bytes;
use core::net::SocketAddr;
use core::time::Duration;
use model::{
    Account, AccountId, Answer, Brand, BrandId, Company, CompanyId, Decision, DefaultVerdict, Directory, Endpoint,
    Flow, Ha1, Handling, Instant, MediaPath, MediaPortId, RingPlan, RingStep, Target, Ticket, Transport,
};
use std::sync::Arc;
use switch::{Core, CoreConfig, Input, Listener, MediaPort, Output, Prompts};

const SWITCH: &str = "10.0.0.9:5060";
const CALLER: &str = "10.0.0.1:5060";
const CALLEE: &str = "10.0.0.2:5060";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\n\
                   a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n";

pub struct Bench {
    pub core: Core,
    now: Instant,
    pub received: u64,
    pub sent: u64,
    /// Told when the core begins to work and when it is done.
    pub meter: fn(bool),
}

impl Bench {
    pub fn new() -> Bench {
        let config = CoreConfig {
            listeners: vec![Listener { transport: Transport::Udp, local: address(SWITCH) }],
            digest: vec![model::DigestAlgorithm::Md5],
            ..CoreConfig::default()
        };
        let ports = (0..64).map(|n| MediaPort {
            id: MediaPortId(n),
            rtp: address(&format!("10.0.0.9:{}", 20_000 + 2 * n)),
            rtcp: address(&format!("10.0.0.9:{}", 20_001 + 2 * n)),
        });
        let core = Core::new(config, Arc::new(directory()), ports.collect(), Prompts::default(), [9; 32]);
        Bench { core, now: Instant::from_unix_nanos(1_800_000_000_000_000_000), received: 0, sent: 0, meter: |_| {} }
    }

    /// The `n`th unit of a scenario; `false` if there is none of that name.
    pub fn play(&mut self, scenario: &str, n: u64) -> bool {
        match scenario {
            "b2bua" => self.call(n, Handling::B2bua),
            "proxy" => self.call(n, Handling::Proxy),
            "options" => self.options(n),
            "register" => self.register(n),
            _ => return false,
        }
        true
    }

    fn handle(&mut self, input: Input) {
        (self.meter)(true);
        self.core.handle(input, self.now);
        (self.meter)(false);
    }

    fn give(&mut self, from: &str, text: String) -> Out {
        self.received += 1;
        let flow = Flow::new(Transport::Udp, address(SWITCH), address(from));
        self.handle(Input::Sip { flow, bytes: Bytes::from(text) });
        self.take()
    }

    fn take(&mut self) -> Out {
        let mut out = Out::default();
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Transmit(transmit) => {
                    self.sent += 1;
                    out.sent.push(String::from_utf8_lossy(&transmit.bytes).into_owned());
                }
                Output::Ask(question) => out.asked = Some(question.ticket),
                _ => {}
            }
        }
        out
    }

    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            (self.meter)(true);
            self.core.handle_timeout(self.now);
            (self.meter)(false);
            self.take();
        }
        self.now = until;
    }

    fn options(&mut self, n: u64) {
        self.give(CALLER, request("OPTIONS", n, "sip:10.0.0.9", "1 OPTIONS", "", ""));
        self.wait(Duration::from_millis(10));
    }

    /// REGISTER, 401, REGISTER with the credentials, 200: of one of five phones, again and again.
    fn register(&mut self, n: u64) {
        let at = format!("10.0.0.3:{}", 10_000 + n % 5);
        let text = |cseq: u64, credentials: &str| {
            let branch = format!("z9hG4bKr{n}n{cseq}");
            format!(
                "REGISTER sip:bench.test SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch={branch};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:1003@bench.test>;tag=r{n}\r\nTo: <sip:1003@bench.test>\r\nCall-ID: {}@10.0.0.3\r\n\
                 CSeq: {} REGISTER\r\nContact: <sip:1003@{at}>\r\nExpires: 3600\r\nUser-Agent: bench\r\n{credentials}\
                 Content-Length: 0\r\n\r\n",
                n % 5,
                2 * n + cseq
            )
        };
        let challenged = self.give(&at, text(1, "")).sent.pop().expect("a challenge");
        let challenge = field(&challenged, "WWW-Authenticate");
        let who = sip_auth::Credentials { username: "1003", password: "bench" };
        let answer = sip_auth::answer(&[challenge], &who, ("REGISTER", "sip:bench.test"), "c0ffee", 1);
        let credentials = format!("Authorization: {}\r\n", answer.expect("an answer"));
        let registered = self.give(&at, text(2, &credentials)).sent.pop().expect("a 200");
        assert!(registered.starts_with("SIP/2.0 200"), "{registered}");
        // Slow enough for the rate that an account has.
        self.wait(Duration::from_millis(100));
    }

    /// INVITE, 180, 200, ACK, BYE of the caller; the plugin's answer is a plan with one account, media direct.
    fn call(&mut self, n: u64, handling: Handling) {
        let ((), target, to, routes) = self.answered(n, handling);
        let bye =
            request("BYE", n, &target, "2 BYE", &to, "").replacen("Max-Forwards", &format!("{routes}Max-Forwards"), 1);
        let bye = self.give(CALLER, bye).sent;
        let bye = bye.iter().find(|m| m.starts_with("BYE")).expect("a BYE to the callee");
        self.give(CALLEE, response(bye, "200 OK", ""));
        self.wait(Duration::from_millis(10));
    }

    /// A call up to its ACK: what it is reached at, its To and the Route that leads there.
    pub fn answered(&mut self, n: u64, handling: Handling) -> ((), String, String, String) {
        let asked = self.give(CALLER, request("INVITE", n, "sip:1002@10.0.0.9", "1 INVITE", "", SDP)).asked;
        let answer = Answer { decision: Some(plan(handling)), failed: false, attrs: Vec::new(), hooks: Vec::new() };
        self.handle(Input::Answered { ticket: asked.expect("a question"), answer });
        let invite = self.take().sent.pop().expect("an INVITE to the callee");
        self.wait(Duration::from_millis(5));
        let ringing = self.give(CALLEE, response(&invite, "180 Ringing", ""));
        assert!(ringing.sent.iter().any(|m| m.starts_with("SIP/2.0 180")));
        self.wait(Duration::from_millis(100));
        let answered = self.give(CALLEE, response(&invite, "200 OK", SDP)).sent;
        let ok = answered.iter().find(|m| m.starts_with("SIP/2.0 200")).expect("a 200 to the caller");
        let (to, contact) = (field(ok, "To"), field(ok, "Contact"));
        let target = contact.trim_matches(['<', '>']).to_owned();
        let routed = |text: String| text.replacen("Max-Forwards", &format!("{}Max-Forwards", routes(ok)), 1);
        self.give(CALLER, routed(request("ACK", n, &target, "1 ACK", to, "")));
        self.wait(Duration::from_millis(10));
        ((), target, to.to_owned(), routes(ok))
    }
}

#[derive(Default)]
struct Out {
    sent: Vec<String>,
    asked: Option<Ticket>,
}

fn request(method: &str, n: u64, uri: &str, cseq: &str, to: &str, body: &str) -> String {
    let branch = format!("z9hG4bK{n}{}", cseq.replace(' ', ""));
    let to = if to.is_empty() { "<sip:1002@10.0.0.9>" } else { to };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};branch={branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:1001@10.0.0.9>;tag=a{n}\r\nTo: {to}\r\nCall-ID: {n}@10.0.0.1\r\nCSeq: {cseq}\r\n\
         Contact: <sip:1001@{CALLER}>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nSupported: replaces\r\n\
         User-Agent: bench\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn response(request: &str, status: &str, body: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    let copied = |l: &&str| l.starts_with("Via:") || l.starts_with("Record-Route:");
    for line in request.lines().filter(copied) {
        text.push_str(line);
        text.push_str("\r\n");
    }
    let to = field(request, "To");
    let tag = if to.contains("tag=") { "" } else { ";tag=b" };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    text.push_str(&format!(
        "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:1002@{CALLEE}>\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        field(request, "From"),
        field(request, "Call-ID"),
        field(request, "CSeq"),
        body.len()
    ));
    text
}

/// The Route fields of a caller: the Record-Routes of the 2xx, the last first.
fn routes(ok: &str) -> String {
    let recorded = ok.lines().filter_map(|l| l.strip_prefix("Record-Route: "));
    let mut routes: Vec<String> = recorded.map(|value| format!("Route: {value}\r\n")).collect();
    routes.reverse();
    routes.concat()
}

fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let mut values = message.lines().filter_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
    values.next().expect("the header")
}

fn plan(handling: Handling) -> Decision {
    let target = Target { to: Endpoint::Account("1002".to_owned()), caller_id: None, header_ops: Vec::new() };
    let step = RingStep { targets: vec![target], ring_timeout: Duration::from_secs(30), advance_on: Vec::new() };
    Decision::Connect(RingPlan {
        steps: vec![step],
        handling,
        media: MediaPath::Direct,
        header_ops: Vec::new(),
        max_duration: None,
        attrs: Vec::new(),
    })
}

fn directory() -> Directory {
    let brand = Brand { id: BrandId(1), name: "bench".to_owned(), default_verdict: DefaultVerdict::Refuse };
    let company = Company {
        id: CompanyId(1),
        brand: BrandId(1),
        name: "bench".to_owned(),
        domain: "bench.test".to_owned(),
        media: MediaPath::Direct,
        handling: Handling::B2bua,
        decline_ends_all: false,
        calls_max: None,
        media_security: model::MediaSecurity::Allow,
        codecs: Vec::new(),
        hold_music: None,
        kind: Default::default(),
        rules: Default::default(),
    };
    let account = |id, username: &str, at: &str| Account {
        id: AccountId(id),
        company: CompanyId(1),
        username: username.to_owned(),
        display_name: "Alice".to_owned(),
        ha1: Ha1 { md5: String::new(), sha256: String::new() },
        direct: Some(address(at)),
        media_security: None,
        enabled: true,
        rules: Default::default(),
    };
    let phone = Account {
        ha1: sip_auth::ha1("1003", "bench.test", "bench"),
        direct: None,
        ..account(3, "1003", "10.0.0.3:5060")
    };
    let accounts = vec![account(1, "1001", CALLER), account(2, "1002", CALLEE), phone];
    Directory::build(1, vec![brand], vec![company], accounts, Vec::new(), Vec::new()).expect("a directory")
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}
