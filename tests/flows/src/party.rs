//! A phone made of strings: it remembers just enough of its dialog to say the next thing.

use std::net::SocketAddr;

/// One phone.
#[derive(Debug)]
pub(crate) struct Party {
    pub(crate) name: &'static str,
    pub(crate) number: &'static str,
    pub(crate) address: SocketAddr,
    /// The request it was asked last, to be answered; INVITEs are kept apart.
    pub(crate) asked: Option<String>,
    pub(crate) invited: Option<String>,
    /// Its own last INVITE, and the last final response to it.
    pub(crate) sent_invite: Option<String>,
    pub(crate) answer: Option<String>,
    local_tag: String,
    cseq: u32,
    branch: u32,
    version: u32,
}

/// The value of the first field of that name.
pub(crate) fn field<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    message.lines().take_while(|l| !l.is_empty()).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Party {
    pub(crate) fn new(name: &'static str, number: &'static str, address: &str) -> Party {
        Party {
            name,
            number,
            address: address.parse().unwrap_or_else(|_| unreachable!("a literal")),
            asked: None,
            invited: None,
            sent_invite: None,
            answer: None,
            local_tag: format!("tag-{name}"),
            cseq: 0,
            branch: 0,
            version: 0,
        }
    }

    fn via(&mut self) -> String {
        self.branch += 1;
        format!("SIP/2.0/UDP {};branch=z9hG4bK-{}-{};rport", self.address, self.name, self.branch)
    }

    /// A session description in the named form: `sdp`, `hold`.
    fn sdp(&mut self, form: &str) -> String {
        self.version += 1;
        let (ip, version) = (self.address.ip(), self.version);
        let direction = match form {
            "hold" => "a=sendonly\r\n",
            "held" => "a=recvonly\r\n",
            _ => "",
        };
        format!(
            "v=0\r\no={} 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n{direction}",
            self.name
        )
    }

    fn body(&mut self, words: &[&str]) -> String {
        let form = words.iter().copied().find(|w| ["sdp", "hold", "held"].contains(w));
        match form {
            Some(form) => {
                let sdp = self.sdp(form);
                format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
            }
            None => "Content-Length: 0\r\n\r\n".to_owned(),
        }
    }

    /// A new INVITE to a number.
    pub(crate) fn invite(&mut self, number: &str, words: &[&str]) -> String {
        self.cseq += 1;
        let (via, body) = (self.via(), self.body(words));
        let message = format!(
            "INVITE sip:{number}@demo.test SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:{}@demo.test>;tag={}\r\n\
             To: <sip:{number}@demo.test>\r\nCall-ID: call-{}\r\nCSeq: {} INVITE\r\nContact: <sip:{}@{}>\r\n{body}",
            self.number, self.local_tag, self.name, self.cseq, self.number, self.address
        );
        self.sent_invite = Some(message.clone());
        message
    }

    /// ACK to a 2xx, or CANCEL of the INVITE, or a request within the dialog.
    pub(crate) fn request(&mut self, method: &str, words: &[&str]) -> String {
        if method == "CANCEL" {
            return self.cancel();
        }
        if method == "ACK" && self.answer.as_deref().is_some_and(|a| !a.starts_with("SIP/2.0 2")) {
            return self.ack_of_failure();
        }
        let (local, remote, call_id, target) = self.dialog();
        if method != "ACK" {
            self.cseq += 1;
        }
        let (via, body, cseq) = (self.via(), self.body(words), self.cseq);
        let message = format!(
            "{method} {target} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{}@{}>\r\n{body}",
            self.number, self.address
        );
        if method == "INVITE" {
            self.sent_invite = Some(message.clone());
        }
        message
    }

    /// RFC 3261 section 17.1.1.3: the INVITE's branch, the response's To.
    fn ack_of_failure(&self) -> String {
        let (invite, answer) =
            (self.sent_invite.as_deref().unwrap_or_default(), self.answer.as_deref().unwrap_or_default());
        let of = |name| field(invite, name).unwrap_or_default().to_owned();
        format!(
            "ACK {} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} ACK\r\n\
             Content-Length: 0\r\n\r\n",
            invite.split(' ').nth(1).unwrap_or_default(),
            of("via"),
            of("from"),
            field(answer, "to").unwrap_or_default(),
            of("call-id"),
            of("cseq").split(' ').next().unwrap_or_default()
        )
    }

    /// RFC 3261 section 9.1.
    fn cancel(&self) -> String {
        let invite = self.sent_invite.as_deref().unwrap_or_default();
        let uri = invite.split(' ').nth(1).unwrap_or_default();
        let of = |name| field(invite, name).unwrap_or_default().to_owned();
        format!(
            "CANCEL {uri} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} CANCEL\r\n\
             Content-Length: 0\r\n\r\n",
            of("via"),
            of("from"),
            of("to"),
            of("call-id"),
            of("cseq").split(' ').next().unwrap_or_default()
        )
    }

    /// Local party, remote party, Call-ID and remote target of its dialog.
    fn dialog(&self) -> (String, String, String, String) {
        let contact = |m: &str| {
            field(m, "contact")
                .unwrap_or("<sip:switch@10.0.0.9:5060>")
                .split(['<', '>'])
                .nth(1)
                .unwrap_or_default()
                .to_owned()
        };
        let of = |m: &str, name| field(m, name).unwrap_or_default().to_owned();
        match (&self.answer, &self.invited) {
            (Some(answer), _) if field(answer, "from").is_some_and(|f| f.contains(&self.local_tag)) => {
                (of(answer, "from"), of(answer, "to"), of(answer, "call-id"), contact(answer))
            }
            (_, Some(invite)) => {
                let own =
                    format!("{};tag={}", of(invite, "to").split(";tag=").next().unwrap_or_default(), self.local_tag);
                (own, of(invite, "from"), of(invite, "call-id"), contact(invite))
            }
            (Some(_) | None, None) => Default::default(),
        }
    }

    /// A response to the last INVITE, or with `to_other` to the last other request.
    pub(crate) fn respond(&mut self, status: &str, to_other: bool, words: &[&str]) -> String {
        let request = if to_other { self.asked.clone() } else { self.invited.clone() }.unwrap_or_default();
        let vias: Vec<String> =
            request.lines().filter(|l| l.to_ascii_lowercase().starts_with("via:")).map(ToOwned::to_owned).collect();
        let of = |name| field(&request, name).unwrap_or_default().to_owned();
        let to = of("to");
        let to = if to.contains(";tag=") { to } else { format!("{to};tag={}", self.local_tag) };
        let body = self.body(words);
        format!(
            "SIP/2.0 {status} Words\r\n{}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{}@{}>\r\n{body}",
            vias.join("\r\n"),
            of("from"),
            of("call-id"),
            of("cseq"),
            self.number,
            self.address
        )
    }

    /// The switch said something to this party.
    pub(crate) fn hears(&mut self, message: &str) {
        if message.starts_with("SIP/2.0 ") {
            let about_invite = field(message, "cseq").is_some_and(|c| c.ends_with("INVITE"));
            if about_invite && !message.starts_with("SIP/2.0 1") {
                self.answer = Some(message.to_owned());
            }
        } else if message.starts_with("INVITE ") {
            self.invited = Some(message.to_owned());
        } else if !message.starts_with("ACK ") {
            self.asked = Some(message.to_owned());
        }
    }
}
