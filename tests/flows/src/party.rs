//! A phone made of strings: it remembers just enough of its dialog to say the next thing.

use model::{ConnectionId, Flow, Transport};
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
    /// Every request but INVITE and ACK that it has not answered.
    open: Vec<String>,
    /// Its own last INVITE, and the last final response to it.
    pub(crate) sent_invite: Option<String>,
    pub(crate) answer: Option<String>,
    /// RSeq and CSeq number of the newest reliable provisional response.
    reliable: Option<(String, String)>,
    /// The Route set of its dialog, nearest first.
    routes: Vec<String>,
    /// The last 200 to a SUBSCRIBE or a PUBLISH of its own.
    pub(crate) granted: Option<String>,
    pub(crate) local_tag: String,
    pub(crate) cseq: u32,
    /// The last challenge, and how often it was answered.
    pub(crate) challenge: Option<(String, u32)>,
    branch: u32,
    version: u32,
    /// It speaks by a TCP connection of its own.
    pub(crate) stream: bool,
}

/// The value of the first field of that name.
pub(crate) fn field<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    message.lines().take_while(|l| !l.is_empty()).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The values of Record-Route, from the top.
fn recorded(message: &str) -> Vec<String> {
    let lines = message.lines().take_while(|l| !l.is_empty());
    let values = lines.filter(|l| l.to_ascii_lowercase().starts_with("record-route:")).map(|l| l[13..].trim());
    values.map(ToOwned::to_owned).collect()
}

impl Party {
    pub(crate) fn new(name: &'static str, number: &'static str, address: &str) -> Party {
        Party {
            name,
            number,
            address: address.parse().unwrap_or_else(|_| unreachable!("a literal")),
            asked: None,
            open: Vec::new(),
            invited: None,
            sent_invite: None,
            answer: None,
            reliable: None,
            routes: Vec::new(),
            granted: None,
            challenge: None,
            local_tag: format!("tag-{name}"),
            cseq: 0,
            branch: 0,
            version: 0,
            stream: false,
        }
    }

    /// The way from the switch to it.
    pub(crate) fn flow(&self, switch: SocketAddr) -> Flow {
        match self.stream {
            true => Flow {
                connection: Some(ConnectionId(u64::from(self.address.port()))),
                ..Flow::new(Transport::Tcp, switch, self.address)
            },
            false => Flow::new(Transport::Udp, switch, self.address),
        }
    }

    pub(crate) fn via(&mut self) -> String {
        self.branch += 1;
        let transport = if self.stream { "TCP" } else { "UDP" };
        format!("SIP/2.0/{transport} {};branch=z9hG4bK-{}-{};rport", self.address, self.name, self.branch)
    }

    /// A session description in the named form: `sdp`, `hold`, `srtp` (nothing else), `keys` (SRTP if you like), `film`
    /// (with video), `fax` (T.38 in the place of sound), `faxline` (T.38 on a line of its own, no sound), `either` (sound
    /// and T.38), `nofax` (sound, T.38 refused).
    fn sdp(&mut self, form: &str, tag: &str) -> String {
        self.version += 1;
        let (ip, version) = (self.address.ip(), self.version);
        let direction = match form {
            "hold" => "a=sendonly\r\n",
            "held" => "a=recvonly\r\n",
            "inactive" => "a=inactive\r\n",
            _ => "",
        };
        let video = if form == "film" { "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n" } else { "" };
        let profile = if form == "srtp" { "RTP/SAVP" } else { "RTP/AVP" };
        let keys = match form {
            "srtp" | "keys" => format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:{}\r\n", "A".repeat(40)),
            _ => String::new(),
        };
        let head = format!("v=0\r\no={} 1 {version} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n", self.name);
        let image = "m=image 4002 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxUdpEC:t38UDPRedundancy\r\na=T38FaxFillBitRemoval\r\n";
        let sound =
            format!("m=audio 4000 {profile} 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n{direction}{keys}{video}");
        match form {
            "fax" => format!("{head}{image}"),
            "faxline" => format!("{head}m=audio 0 RTP/AVP 0\r\n{image}"),
            "either" => format!("{head}{sound}{image}"),
            "nofax" => format!("{head}{sound}m=image 0 udptl t38\r\n"),
            "nothing" => format!("{head}m=image 0 udptl t38\r\n"),
            _ => format!("{head}{sound}"),
        }
    }

    pub(crate) fn next_cseq(&mut self) -> u32 {
        self.cseq += 1;
        self.cseq
    }

    /// Further header fields, `+Name:value` with `_` for a space or `!Name:value` as it is, and the body.
    fn body(&mut self, words: &[&str], offer: Option<&str>) -> String {
        let mut fields = String::new();
        for (name, value) in words.iter().filter_map(|w| w.strip_prefix('+')?.split_once(':')) {
            fields.push_str(&format!("{name}: {}\r\n", value.replace('_', " ")));
        }
        for (name, value) in words.iter().filter_map(|w| w.strip_prefix('!')?.split_once(':')) {
            fields.push_str(&format!("{name}: {value}\r\n"));
        }
        fields + &self.content(words, offer)
    }

    /// An answer names the last of the suites that `offer` has, which of the switch's is the phones' own.
    fn content(&mut self, words: &[&str], offer: Option<&str>) -> String {
        if let Some(key) = words.iter().find_map(|w| w.strip_prefix("key=")) {
            let body = format!("Signal={key}\r\nDuration=160\r\n");
            return format!("Content-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
        if let Some(text) = words.iter().find_map(|w| w.strip_prefix("text=")) {
            return format!("Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        }
        const FORMS: [&str; 12] =
            ["sdp", "hold", "held", "inactive", "srtp", "keys", "film", "fax", "faxline", "either", "nofax", "nothing"];
        let form = words.iter().copied().find(|w| FORMS.contains(w));
        match form {
            Some(form) => {
                let last = offer.and_then(|o| o.rsplit_once("a=crypto:")).and_then(|(_, line)| line.split(' ').next());
                let sdp = self.sdp(form, last.unwrap_or("1"));
                let (kind, body) = match words.iter().find(|w| ["mixed", "strict"].contains(w)) {
                    Some(form) => ("multipart/mixed;boundary=parts", mixed(&sdp, *form == "strict")),
                    None => ("application/sdp", sdp),
                };
                format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
            None => "Content-Length: 0\r\n\r\n".to_owned(),
        }
    }

    /// A new INVITE to a number.
    pub(crate) fn invite(&mut self, number: &str, words: &[&str]) -> String {
        self.cseq += 1;
        let (via, body) = (self.via(), self.body(words, None));
        let gruu = words.iter().find(|w| w.starts_with("gr=")).map(|w| format!(";{w}")).unwrap_or_default();
        let message = format!(
            "INVITE sip:{number}@demo.test{gruu} SIP/2.0\r\nVia: {via}\r\nMax-Forwards: 70\r\nFrom: <sip:{}@demo.test>;tag={}\r\n\
             To: <sip:{number}@demo.test>\r\nCall-ID: call-{}\r\nCSeq: {} INVITE\r\nContact: <sip:{}@{}>\r\n{body}",
            self.number, self.local_tag, self.name, self.cseq, self.number, self.address
        );
        // Another Request-URI, as it is.
        let message = match words.iter().find_map(|w| w.strip_prefix("uri=")) {
            Some(uri) => message.replacen(&format!("sip:{number}@demo.test{gruu}"), uri, 1),
            None => message,
        };
        self.sent_invite = Some(message.clone());
        message
    }

    /// A new INVITE to the contact that was registered here, for a number that only To names.
    pub(crate) fn invite_contact(&mut self, number: &str) -> String {
        let register = self.asked.as_deref().unwrap_or_default();
        let contact =
            field(register, "contact").and_then(|c| c.split(['<', '>']).nth(1)).unwrap_or_default().to_owned();
        let message = self.invite(number, &["sdp"]);
        let line = message.lines().next().unwrap_or_default().to_owned();
        let message = message.replacen(&line, &format!("INVITE {contact} SIP/2.0"), 1);
        self.sent_invite = Some(message.clone());
        message
    }

    /// The INVITE it got last, as a proxy sends it on: another Request-URI, its Via on top, a hop less to go.
    pub(crate) fn pass_on(&mut self, number: &str) -> String {
        let invite = self.invited.clone().unwrap_or_default();
        let hops: u32 = field(&invite, "max-forwards").and_then(|m| m.parse().ok()).unwrap_or(70);
        let (line, rest) = invite.split_once("\r\n").unwrap_or_default();
        let uri = line.split(' ').nth(1).unwrap_or_default();
        let line = line.replacen(uri, &format!("sip:{number}@demo.test"), 1);
        let less = format!("Max-Forwards: {}", hops.saturating_sub(1));
        let rest = rest.replacen(&format!("Max-Forwards: {hops}"), &less, 1);
        let message = format!("{line}\r\nVia: {}\r\n{rest}", self.via());
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
        let (local, remote, call_id, target) = self.dialog(words);
        if method != "ACK" {
            self.cseq += 1;
        }
        let acked = self.sent_invite.as_deref().and_then(|m| field(m, "cseq")?.split(' ').next()?.parse().ok());
        let cseq = acked.filter(|_| method == "ACK").unwrap_or(self.cseq);
        let rack = match &self.reliable {
            Some((rseq, cseq)) if method == "PRACK" => format!("RAck: {rseq} {cseq} INVITE\r\n"),
            Some(_) | None => String::new(),
        };
        let refer = words.iter().find_map(|w| w.strip_prefix("refer=")).map(|number| self.refer_to(number, words));
        let (via, body, cseq) = (self.via(), rack + &refer.unwrap_or_default() + &self.body(words, None), cseq);
        let routes: String = self.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let message = format!(
            "{method} {target} SIP/2.0\r\nVia: {via}\r\n{routes}Max-Forwards: 70\r\nFrom: {local}\r\nTo: {remote}\r\n\
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

    /// Refer-To, with the dialog that this phone has called itself where it is an attended transfer.
    fn refer_to(&self, number: &str, words: &[&str]) -> String {
        let tag = |party: &str| party.split(";tag=").nth(1).unwrap_or_default().to_owned();
        let replaces = if words.contains(&"replaces") {
            let (local, remote, call_id, _) = self.dialog(&["caller"]);
            format!("?Replaces={call_id}%3Bto-tag%3D{}%3Bfrom-tag%3D{}", tag(&remote), tag(&local))
        } else {
            String::new()
        };
        format!("Refer-To: <sip:{number}@demo.test{replaces}>\r\n")
    }

    /// The Replaces that names the dialog this phone is in, in the words of the switch.
    pub(crate) fn named(&self) -> String {
        let tag = |party: &str| party.split(";tag=").nth(1).unwrap_or_default().to_owned();
        let (local, remote, call_id, _) = self.dialog(&[]);
        format!("{call_id};to-tag={};from-tag={}", tag(&remote), tag(&local))
    }

    /// Local party, remote party, Call-ID and remote target of its dialog: the one it called for, unless it has none or
    /// `callee` asks for the one it was called in.
    fn dialog(&self, words: &[&str]) -> (String, String, String, String) {
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
            (Some(answer), _)
                if !words.contains(&"callee") && field(answer, "from").is_some_and(|f| f.contains(&self.local_tag)) =>
            {
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
        // What a response copies line by line (RFC 3261 sections 8.2.6.2 and 12.1.1).
        let copied = |l: &&str| ["via:", "record-route:"].iter().any(|name| l.to_ascii_lowercase().starts_with(name));
        let vias: Vec<String> = request.lines().filter(copied).map(ToOwned::to_owned).collect();
        let of = |name| field(&request, name).unwrap_or_default().to_owned();
        let to = of("to");
        let branch = words.iter().find_map(|w| w.strip_prefix("tag="));
        let tag = branch.map_or_else(|| self.local_tag.clone(), |b| format!("{}-{b}", self.local_tag));
        let to = if to.contains(";tag=") { to } else { format!("{to};tag={tag}") };
        let body = self.body(words, Some(&request));
        let contact = match words.iter().any(|w| w.starts_with("+Contact:")) {
            true => String::new(),
            // A registrar lists what was registered.
            false if request.starts_with("REGISTER ") => format!("Contact: {}\r\n", of("contact")),
            false => format!("Contact: <sip:{}@{}>\r\n", self.number, self.address),
        };
        format!(
            "SIP/2.0 {status} Words\r\n{}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n{contact}{body}",
            vias.join("\r\n"),
            of("from"),
            of("call-id"),
            of("cseq")
        )
    }

    /// A response to every open request but INVITE.
    pub(crate) fn respond_all(&mut self, status: &str) -> Vec<String> {
        let open = core::mem::take(&mut self.open);
        open.into_iter()
            .map(|request| {
                self.asked = Some(request);
                self.respond(status, true, &[])
            })
            .collect()
    }

    /// A header of the last INVITE it got; of the last other request where there was none.
    pub(crate) fn saw(&self, header: &str) -> String {
        let request = self.invited.as_deref().or(self.asked.as_deref()).unwrap_or_default();
        match header {
            "uri" => request.split(' ').nth(1).unwrap_or_default().to_owned(),
            _ => field(request, header).unwrap_or("nothing").split(";tag=").next().unwrap_or_default().to_owned(),
        }
    }

    /// A header of the last response to an INVITE of its own.
    pub(crate) fn got(&self, header: &str) -> String {
        self.answer.as_deref().and_then(|answer| field(answer, header)).unwrap_or("nothing").to_owned()
    }

    /// The switch said something to this party.
    pub(crate) fn hears(&mut self, message: &str) {
        if let Some(challenge) = field(message, "www-authenticate") {
            self.challenge = Some((challenge.to_owned(), 0));
        }
        if message.starts_with("SIP/2.0 ") {
            let about_invite = field(message, "cseq").is_some_and(|c| c.ends_with("INVITE"));
            let about_events =
                field(message, "cseq").is_some_and(|c| c.ends_with("SUBSCRIBE") || c.ends_with("PUBLISH"));
            if about_events && message.starts_with("SIP/2.0 2") {
                self.granted = Some(message.to_owned());
            }
            if about_invite && !message.starts_with("SIP/2.0 100") {
                let begins =
                    self.sent_invite.as_deref().and_then(|i| field(i, "to")).is_some_and(|to| !to.contains(";tag="));
                // A dialog that begins has its own route, which may be none.
                if begins && (message.starts_with("SIP/2.0 2") || message.contains("\r\nRecord-Route:")) {
                    self.routes = recorded(message);
                    self.routes.reverse();
                }
                self.answer = Some(message.to_owned());
            }
            if let Some(rseq) = field(message, "rseq") {
                let cseq = field(message, "cseq").and_then(|c| c.split(' ').next()).unwrap_or_default();
                self.reliable = Some((rseq.to_owned(), cseq.to_owned()));
            }
        } else if message.starts_with("INVITE ") {
            if field(message, "to").is_some_and(|to| !to.contains(";tag=")) {
                self.routes = recorded(message);
            }
            self.invited = Some(message.to_owned());
        } else if !message.starts_with("ACK ") {
            self.asked = Some(message.to_owned());
            if self.open.iter().all(|known| field(known, "via") != field(message, "via")) {
                self.open.push(message.to_owned());
            }
        }
    }
}

/// A description with the party's place beside it (RFC 6442), or, where `strict`, with what must be understood and is not.
fn mixed(sdp: &str, strict: bool) -> String {
    let place = "application/pidf+xml\r\nContent-Disposition: by-reference;handling=required\r\n";
    let beside = if strict { "application/isup\r\nContent-Disposition: signal;handling=required\r\n" } else { place };
    format!(
        "--parts\r\nContent-Type: {beside}Content-ID: <me@phone.test>\r\n\r\n<presence/>\r\n\
         --parts\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--parts--\r\n"
    )
}
