//! A phone with a SIP writer of its own, so that a mistake of ours cannot hide behind itself.

use core::time::Duration;
use model::Transport;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(5);

trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

enum Wire {
    Udp(UdpSocket),
    Stream { stream: Box<dyn Duplex>, local: SocketAddr, held: Vec<u8>, websocket: bool },
}

pub(crate) struct Phone {
    name: String,
    wire: Wire,
    transport: Transport,
    switch: SocketAddr,
    calls: u32,
}

/// An RTP socket.
pub(crate) fn sound() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket
}

fn sdp(sound: &UdpSocket) -> String {
    let port = sound.local_addr().unwrap().port();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n\
         a=rtpmap:8 PCMA/8000\r\na=sendrecv\r\n"
    )
}

/// The address of the audio line of a message.
pub(crate) fn sound_address(message: &str) -> SocketAddr {
    let port = message.lines().find_map(|l| l.strip_prefix("m=audio ")).unwrap();
    let ip = message.lines().find_map(|l| l.strip_prefix("c=IN IP4 ")).unwrap();
    format!("{}:{}", ip.trim(), port.split(' ').next().unwrap()).parse().unwrap()
}

/// Sends RTP from one party until the other hears it.
pub(crate) fn hear_through(from: &UdpSocket, through: SocketAddr, to: &UdpSocket) -> Vec<u8> {
    let begun = Instant::now();
    for sequence in 1_u16.. {
        assert!(begun.elapsed() < PATIENCE, "nothing was heard");
        let mut packet = vec![0x80, 8];
        packet.extend(sequence.to_be_bytes());
        packet.extend((u32::from(sequence) * 160).to_be_bytes());
        packet.extend([1, 2, 3, 4]);
        packet.extend([0xd5; 160]);
        from.send_to(&packet, through).unwrap();
        let mut heard = [0; 300];
        if let Ok((count, _)) = to.recv_from(&mut heard) {
            return heard[..count].to_vec();
        }
    }
    unreachable!()
}

/// What was read, unless the wait for it ran out.
fn in_time(read: std::io::Result<usize>) -> Option<usize> {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    match read {
        Err(error) if matches!(error.kind(), WouldBlock | TimedOut) => None,
        read => Some(read.unwrap()),
    }
}

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let field = message.lines().find_map(|l| l.strip_prefix(name).and_then(|l| l.strip_prefix(": ")));
    field.unwrap_or_else(|| panic!("no {name} in {message}"))
}

fn uri(name_addr: &str) -> &str {
    name_addr.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(name_addr, |(uri, _)| uri)
}

/// One whole frame of a client, masked (RFC 6455 section 5).
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x81, 0x80 | 126];
    out.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    out.extend([9, 8, 7, 6]);
    out.extend(payload.iter().zip([9, 8, 7, 6].into_iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// Length of the header and of the payload of a server's frame, if both are whole.
fn unframe(held: &[u8]) -> Option<(usize, usize)> {
    let (head, payload) = match *held.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes([*held.get(2)?, *held.get(3)?]))),
        len => (2, usize::from(len)),
    };
    (held.len() >= head + payload).then_some((head, payload))
}

/// Length of the first message of a stream, if it is whole.
fn message_end(held: &[u8]) -> Option<usize> {
    let head = held.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&held[..head]);
    let body: usize = header(&text, "Content-Length").trim().parse().unwrap();
    (held.len() >= head + body).then_some(head + body)
}

const UPGRADE: &str = "GET /sip HTTP/1.1\r\nHost: sip.example.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

fn connect(transport: Transport, switch: SocketAddr, tls: Option<Arc<rustls::ClientConfig>>) -> Wire {
    let socket = TcpStream::connect(switch).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_nodelay(true).unwrap();
    let local = socket.local_addr().unwrap();
    let mut stream: Box<dyn Duplex> = match transport {
        Transport::Tls | Transport::Wss => {
            let name = "sip.example.test".try_into().unwrap();
            let connection = rustls::ClientConnection::new(tls.expect("authorities"), name).unwrap();
            Box::new(rustls::StreamOwned::new(connection, socket))
        }
        Transport::Udp | Transport::Tcp | Transport::Ws => Box::new(socket),
    };
    let websocket = matches!(transport, Transport::Ws | Transport::Wss);
    let mut held = Vec::new();
    if websocket {
        stream.write_all(UPGRADE.as_bytes()).unwrap();
        stream.flush().unwrap();
        while !held.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            held.push(byte[0]);
        }
        let answer = String::from_utf8(std::mem::take(&mut held)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    }
    Wire::Stream { stream, local, held, websocket }
}

impl Phone {
    pub(crate) fn new(name: &str, transport: Transport, switch: SocketAddr) -> Phone {
        Phone::secure(name, transport, switch, None)
    }

    /// A phone that trusts what `tls` says.
    pub(crate) fn secure(
        name: &str,
        transport: Transport,
        switch: SocketAddr,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> Phone {
        let wire = if transport == Transport::Udp {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            Wire::Udp(socket)
        } else {
            connect(transport, switch, tls)
        };
        Phone { name: name.to_owned(), wire, transport, switch, calls: 0 }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match &self.wire {
            Wire::Udp(socket) => socket.local_addr().unwrap(),
            Wire::Stream { local, .. } => *local,
        }
    }

    /// The host of our Via and Contact: a browser knows none (RFC 7118 section 5.2.1).
    fn host(&self) -> String {
        match self.transport {
            Transport::Ws | Transport::Wss => format!("{}.invalid", self.name),
            Transport::Udp | Transport::Tcp | Transport::Tls => self.address().to_string(),
        }
    }

    fn contact(&self) -> String {
        let transport = if self.transport == Transport::Udp {
            String::new()
        } else {
            format!(";transport={}", self.transport.uri_token())
        };
        format!("<sip:{}@{}{transport}>", self.name, self.host())
    }

    fn send(&mut self, text: &str) {
        match &mut self.wire {
            Wire::Udp(socket) => {
                socket.send_to(text.as_bytes(), self.switch).unwrap();
            }
            Wire::Stream { stream, websocket, .. } => {
                let bytes = if *websocket { frame(text.as_bytes()) } else { text.as_bytes().to_vec() };
                stream.write_all(&bytes).unwrap();
                stream.flush().unwrap();
            }
        }
    }

    /// The next message; `None` when none came in time.
    fn receive(&mut self) -> Option<String> {
        let mut buffer = [0; 4_096];
        match &mut self.wire {
            Wire::Udp(socket) => {
                let count = in_time(socket.recv(&mut buffer))?;
                Some(String::from_utf8_lossy(&buffer[..count]).into_owned())
            }
            Wire::Stream { stream, held, websocket, .. } => loop {
                let whole = if *websocket { unframe(held) } else { message_end(held).map(|end| (0, end)) };
                if let Some((head, length)) = whole {
                    let rest = held.split_off(head + length);
                    let message = std::mem::replace(held, rest);
                    return Some(String::from_utf8(message[head..].to_vec()).unwrap());
                }
                let count = in_time(stream.read(&mut buffer))?;
                assert_ne!(count, 0, "closed");
                held.extend(&buffer[..count]);
            },
        }
    }

    /// Registers with its password, by whatever challenge comes.
    pub(crate) fn register_with(&mut self, password: &str) {
        self.register(300);
        let refused = self.expect("SIP/2.0 401");
        let challenges: Vec<&str> = refused.lines().filter_map(|l| l.strip_prefix("WWW-Authenticate: ")).collect();
        let who = sip_auth::Credentials { username: &self.name, password };
        let value = sip_auth::answer(&challenges, &who, ("REGISTER", "sip:example.test"), "c", 1).unwrap();
        self.request("REGISTER", "sip:example.test", &format!("Expires: 300\r\nAuthorization: {value}"));
        self.expect("SIP/2.0 200");
    }

    /// The next message that begins so; others are passed over (100 Trying, repeats).
    pub(crate) fn expect(&mut self, start: &str) -> String {
        let begun = Instant::now();
        let mut seen = Vec::new();
        while begun.elapsed() < PATIENCE {
            let Some(message) = self.receive() else { break };
            if message.starts_with(start) {
                return message;
            }
            seen.push(message);
        }
        panic!("{} never saw {start}, only {seen:#?}", self.name);
    }

    /// Sends a request outside any dialog.
    pub(crate) fn request(&mut self, method: &str, target: &str, more: &str) {
        self.calls += 1;
        let (name, at, n) = (self.name.clone(), self.host(), self.calls);
        let token = self.transport.via_token();
        let (headers, body) = more.split_once("\r\n\r\n").unwrap_or((more, ""));
        let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
        let to = if method == "REGISTER" { format!("sip:{name}@example.test") } else { target.to_owned() };
        self.send(&format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{token} {at};branch=z9hG4bK{name}{n};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@example.test>;tag={name}{n}\r\nTo: <{to}>\r\n\
             Call-ID: {name}-{n}-{port}\r\nCSeq: 1 {method}\r\nContact: {contact}\r\n{headers}\
             Content-Length: {length}\r\n\r\n{body}",
            port = self.address().port(),
            contact = self.contact(),
            length = body.len(),
        ));
    }

    pub(crate) fn register(&mut self, expires_s: u32) {
        self.request("REGISTER", "sip:example.test", &format!("Expires: {expires_s}"));
    }

    pub(crate) fn invite(&mut self, callee: &str, sound: &UdpSocket) {
        let more = format!("Content-Type: application/sdp\r\n\r\n{}", sdp(sound));
        self.request("INVITE", &format!("sip:{callee}@example.test"), &more);
    }

    /// Calls as an account that is challenged, if it is.
    pub(crate) fn invite_with(&mut self, callee: &str, sound: &UdpSocket, password: &str) {
        let target = format!("sip:{callee}@example.test");
        self.invite(callee, sound);
        let refused = self.expect("SIP/2.0 4");
        let challenge = |l| str::strip_prefix(l, "WWW-Authenticate: ").or(str::strip_prefix(l, "Proxy-Authenticate: "));
        let challenges: Vec<&str> = refused.lines().filter_map(challenge).collect();
        let who = sip_auth::Credentials { username: &self.name, password };
        let value = sip_auth::answer(&challenges, &who, ("INVITE", &target), "c", 1).unwrap();
        let field = if refused.starts_with("SIP/2.0 401") { "Authorization" } else { "Proxy-Authorization" };
        let more = format!("{field}: {value}\r\nContent-Type: application/sdp\r\n\r\n{}", sdp(sound));
        self.request("INVITE", &target, &more);
    }

    pub(crate) fn answer(&mut self, request: &str, status: &str, sound: Option<&UdpSocket>) {
        let vias: Vec<&str> = request.lines().filter(|l| l.starts_with("Via: ")).collect();
        let mut to = header(request, "To").to_owned();
        if !to.contains("tag=") {
            to += &format!(";tag={}", self.name);
        }
        let body = sound.map_or(String::new(), sdp);
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.send(&format!(
            "SIP/2.0 {status}\r\n{}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: {}\r\n\
             {content}Content-Length: {}\r\n\r\n{body}",
            vias.join("\r\n"),
            header(request, "From"),
            header(request, "Call-ID"),
            header(request, "CSeq"),
            self.contact(),
            body.len(),
        ));
    }

    fn in_dialog(&mut self, method: &str, message: &str, answered: bool, cseq: u32) {
        let (us, them) = if answered { ("From", "To") } else { ("To", "From") };
        let mut ours = header(message, us).to_owned();
        if !ours.contains("tag=") {
            ours += &format!(";tag={}", self.name);
        }
        self.send(&format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{token} {at};branch=z9hG4bK{name}{method}{cseq}{id};rport\r\n\
             Max-Forwards: 70\r\nFrom: {ours}\r\nTo: {theirs}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n",
            target = uri(header(message, "Contact")),
            token = self.transport.via_token(),
            at = self.host(),
            name = self.name,
            theirs = header(message, them),
            id = header(message, "Call-ID"),
        ));
    }

    /// Acknowledges the 200 of our INVITE.
    pub(crate) fn ack(&mut self, answered: &str) {
        self.in_dialog("ACK", answered, true, 1);
    }

    /// Ends the call of an INVITE we answered.
    pub(crate) fn bye(&mut self, invite: &str) {
        self.in_dialog("BYE", invite, false, 1);
    }
}
