//! A phone with a SIP writer of its own, so that a mistake of ours cannot hide behind itself.

use core::time::Duration;
use model::Transport;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(5);

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
}

pub(crate) struct Phone {
    name: String,
    wire: Wire,
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

fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let field = message.lines().find_map(|l| l.strip_prefix(name).and_then(|l| l.strip_prefix(": ")));
    field.unwrap_or_else(|| panic!("no {name} in {message}"))
}

fn uri(name_addr: &str) -> &str {
    name_addr.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(name_addr, |(uri, _)| uri)
}

impl Phone {
    pub(crate) fn new(name: &str, transport: Transport, switch: SocketAddr) -> Phone {
        let wire = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.set_read_timeout(Some(PATIENCE)).unwrap();
                Wire::Udp(socket)
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(switch).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Wire::Tcp(stream, Vec::new())
            }
            Transport::Tls | Transport::Ws | Transport::Wss => panic!("this phone has no {transport:?}"),
        };
        Phone { name: name.to_owned(), wire, switch, calls: 0 }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match &self.wire {
            Wire::Udp(socket) => socket.local_addr().unwrap(),
            Wire::Tcp(stream, _) => stream.local_addr().unwrap(),
        }
    }

    fn send(&mut self, text: &str) {
        match &mut self.wire {
            Wire::Udp(socket) => {
                socket.send_to(text.as_bytes(), self.switch).unwrap();
            }
            Wire::Tcp(stream, _) => stream.write_all(text.as_bytes()).unwrap(),
        }
    }

    fn receive(&mut self) -> String {
        let mut buffer = [0; 4_096];
        match &mut self.wire {
            Wire::Udp(socket) => {
                let count = socket.recv(&mut buffer).unwrap();
                String::from_utf8_lossy(&buffer[..count]).into_owned()
            }
            // Enough for answers without a body.
            Wire::Tcp(stream, held) => loop {
                if let Some(end) = held.windows(4).position(|w| w == b"\r\n\r\n") {
                    let rest = held.split_off(end + 4);
                    return String::from_utf8(std::mem::replace(held, rest)).unwrap();
                }
                let count = stream.read(&mut buffer).unwrap();
                assert_ne!(count, 0, "closed");
                held.extend(&buffer[..count]);
            },
        }
    }

    /// The next message that begins so; others are passed over (100 Trying, repeats).
    pub(crate) fn expect(&mut self, start: &str) -> String {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let message = self.receive();
            if message.starts_with(start) {
                return message;
            }
        }
        panic!("{} never saw {start}", self.name);
    }

    /// Sends a request outside any dialog.
    pub(crate) fn request(&mut self, method: &str, target: &str, more: &str) {
        self.calls += 1;
        let (name, at, n) = (self.name.clone(), self.address(), self.calls);
        let token = match self.wire {
            Wire::Udp(_) => "UDP",
            Wire::Tcp(..) => "TCP",
        };
        let (headers, body) = more.split_once("\r\n\r\n").unwrap_or((more, ""));
        let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
        let to = if method == "REGISTER" { format!("sip:{name}@example.test") } else { target.to_owned() };
        self.send(&format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/{token} {at};branch=z9hG4bK{name}{n};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{name}@example.test>;tag={name}{n}\r\nTo: <{to}>\r\n\
             Call-ID: {name}-{n}-{port}\r\nCSeq: 1 {method}\r\nContact: <sip:{name}@{at}>\r\n{headers}\
             Content-Length: {length}\r\n\r\n{body}",
            port = at.port(),
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

    pub(crate) fn answer(&mut self, request: &str, status: &str, sound: Option<&UdpSocket>) {
        let vias: Vec<&str> = request.lines().filter(|l| l.starts_with("Via: ")).collect();
        let mut to = header(request, "To").to_owned();
        if !to.contains("tag=") {
            to += &format!(";tag={}", self.name);
        }
        let body = sound.map_or(String::new(), sdp);
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        self.send(&format!(
            "SIP/2.0 {status}\r\n{}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{}@{}>\r\n\
             {content}Content-Length: {}\r\n\r\n{body}",
            vias.join("\r\n"),
            header(request, "From"),
            header(request, "Call-ID"),
            header(request, "CSeq"),
            self.name,
            self.address(),
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
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{name}{method}{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: {ours}\r\nTo: {theirs}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n",
            target = uri(header(message, "Contact")),
            at = self.address(),
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
