//! A phone of our own, on one UDP socket: says exactly what a test wants said, and measures when it is answered.

use crate::PATIENCE;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A message as text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// All of it.
    pub text: String,
    /// Where it came from.
    pub from: SocketAddr,
}

impl Message {
    /// The first line.
    #[must_use]
    pub fn start(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The status of a response; 0 for a request.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.start().strip_prefix("SIP/2.0 ").and_then(|s| s.get(..3)?.parse().ok()).unwrap_or_default()
    }

    /// The method, of a request from its first line, of a response from its CSeq.
    #[must_use]
    pub fn method(&self) -> &str {
        let line =
            if self.status() == 0 { self.start().split(' ').next() } else { self.header("CSeq").split(' ').nth(1) };
        line.unwrap_or_default()
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let is = |line: &&str| line.split(':').next().is_some_and(|n| n.trim().eq_ignore_ascii_case(name));
        self.text
            .lines()
            .take_while(|l| !l.is_empty())
            .find(is)
            .and_then(|l| l.split_once(':'))
            .map_or("", |(_, v)| v.trim())
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    /// Where the session description wants RTP.
    #[must_use]
    pub fn media(&self) -> Option<SocketAddr> {
        let line = |start: &str| self.body().lines().find_map(|l| l.strip_prefix(start));
        let ip = line("c=IN IP4 ").or(line("c=IN IP6 "))?.trim().parse().ok()?;
        let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
        Some(SocketAddr::new(ip, port))
    }
}

/// A session description with G.711 and digits.
#[must_use]
pub fn sdp(rtp: SocketAddr) -> String {
    let family = if rtp.is_ipv4() { 4 } else { 6 };
    format!(
        "v=0\r\no=- 1 1 IN IP{family} {ip}\r\ns=-\r\nc=IN IP{family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
        rtp.port(),
        ip = rtp.ip()
    )
}

/// One side of a call that we made.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// The Call-ID.
    pub call_id: String,
    /// The number called.
    pub to: String,
    /// The last response.
    pub response: Option<Message>,
    branch: String,
    cseq: u32,
}

/// A phone without a password: give it a direct account.
#[derive(Debug)]
pub struct Ua {
    socket: UdpSocket,
    address: SocketAddr,
    switch: SocketAddr,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

impl Ua {
    /// A phone on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn new(switch: SocketAddr) -> Ua {
        Ua::on(Ipv4Addr::LOCALHOST, switch)
    }

    /// The same on another address of the loopback network: another source.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn on(ip: Ipv4Addr, switch: SocketAddr) -> Ua {
        let socket = UdpSocket::bind((ip, 0)).expect("a port");
        let address = socket.local_addr().expect("bound");
        Ua { socket, address, switch }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends text as it is.
    ///
    /// # Panics
    /// When the kernel does not take it.
    pub fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.switch).expect("sent");
    }

    /// The next message, if one comes in this time.
    ///
    /// # Panics
    /// When the socket is broken.
    #[must_use]
    pub fn poll(&self, wait: Duration) -> Option<Message> {
        self.socket.set_read_timeout(Some(wait.max(Duration::from_millis(1)))).expect("a timeout");
        let mut buffer = [0; 65_535];
        let (n, from) = self.socket.recv_from(&mut buffer).ok()?;
        let text = String::from_utf8_lossy(buffer.get(..n).unwrap_or_default()).into_owned();
        Some(Message { text, from })
    }

    /// Waits for the message that is wanted; others are dropped.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    pub fn expect(&self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(message) = self.poll(PATIENCE - begun.elapsed().min(PATIENCE))
                && wanted(&message)
            {
                return message;
            }
        }
        panic!("it never came: {what}")
    }

    /// Sends an INVITE.
    #[must_use]
    pub fn invite(&self, to: &str, rtp: SocketAddr) -> Dialog {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let call_id = format!("ua-{}-{}-{n}", std::process::id(), self.address.port());
        let branch = format!("z9hG4bKi{call_id}");
        let dialog = Dialog { call_id, to: to.to_owned(), response: None, branch, cseq: 1 };
        self.send(&self.request(&dialog, "INVITE", &dialog.branch, &sdp(rtp)));
        dialog
    }

    /// Waits for the final response to the INVITE and acknowledges it; gives its status.
    pub fn answered(&self, dialog: &mut Dialog) -> u16 {
        let response = self.expect(&format!("an answer to {}", dialog.call_id), |m| {
            m.header("Call-ID") == dialog.call_id && m.status() >= 200 && m.method() == "INVITE"
        });
        let status = response.status();
        dialog.response = Some(response);
        self.acknowledge(dialog);
        status
    }

    /// The ACK: of a 2xx its own transaction, else the INVITE's.
    pub fn acknowledge(&self, dialog: &Dialog) {
        let accepted = dialog.response.as_ref().is_some_and(|r| r.status() < 300);
        let branch = if accepted { format!("{}a", dialog.branch) } else { dialog.branch.clone() };
        self.send(&self.request(dialog, "ACK", &branch, ""));
    }

    /// Hangs up and waits for the answer; gives its status.
    pub fn bye(&self, dialog: &mut Dialog) -> u16 {
        dialog.cseq += 1;
        self.send(&self.request(dialog, "BYE", &format!("{}b{}", dialog.branch, dialog.cseq), ""));
        let call_id = dialog.call_id.clone();
        self.expect("an answer to BYE", |m| m.header("Call-ID") == call_id && m.status() > 0 && m.method() == "BYE")
            .status()
    }

    /// Answers a request with this status, with a session description if it is given where RTP goes.
    pub fn respond(&self, request: &Message, status: u16, rtp: Option<SocketAddr>) {
        self.respond_with(request, status, &rtp.map(sdp).unwrap_or_default());
    }

    /// The same with this session description; none where it is empty.
    pub fn respond_with(&self, request: &Message, status: u16, body: &str) {
        let mut out = format!("SIP/2.0 {status} {}\r\n", if status < 300 { "OK" } else { "No" });
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let value = request.header(name);
            let tag = if name == "To" && !value.contains("tag=") { ";tag=ua" } else { "" };
            out.push_str(&format!("{name}: {value}{tag}\r\n"));
        }
        if !body.is_empty() {
            out.push_str("Content-Type: application/sdp\r\n");
        }
        out += &format!("Contact: <sip:ua@{}>\r\nContent-Length: {}\r\n\r\n{body}", self.address, body.len());
        self.send(&out);
    }

    fn request(&self, dialog: &Dialog, method: &str, branch: &str, body: &str) -> String {
        let (own, switch, to) = (self.address, self.switch, &dialog.to);
        let established = dialog.response.as_ref().filter(|r| r.status() < 300 && method != "INVITE");
        let contact = established.map(|r| r.header("Contact").trim_start_matches('<'));
        let uri = contact.and_then(|c| c.split('>').next()).map_or_else(|| format!("sip:{to}@{switch}"), str::to_owned);
        let to_header =
            dialog.response.as_ref().map_or_else(|| format!("<sip:{to}@{switch}>"), |r| r.header("To").to_owned());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let cseq = if method == "ACK" { 1 } else { dialog.cseq };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:ua@{switch}>;tag=f{}\r\nTo: {to_header}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:ua@{own}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            dialog.call_id,
            dialog.call_id,
            body.len()
        )
    }
}
