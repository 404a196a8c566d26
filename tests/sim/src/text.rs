//! The phones' own few lines of SIP: nothing of the switch's parser or writer is used here.

/// The value of the first field of that name; the names here are always long ones in the switch's messages.
pub(crate) fn field<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    message.lines().skip(1).take_while(|l| !l.is_empty()).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Every field of that name, whole lines.
pub(crate) fn lines<'m>(message: &'m str, name: &'m str) -> impl Iterator<Item = &'m str> {
    message
        .lines()
        .skip(1)
        .take_while(|l| !l.is_empty())
        .filter(move |l| l.split_once(':').is_some_and(|(field, _)| field.trim().eq_ignore_ascii_case(name)))
}

/// The status of a response.
pub(crate) fn status(message: &str) -> Option<u16> {
    message.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
}

/// The method: of a request its own, of a response the one in CSeq.
pub(crate) fn method(message: &str) -> &str {
    if status(message).is_some() {
        field(message, "cseq").and_then(|c| c.split(' ').nth(1)).unwrap_or_default()
    } else {
        message.split(' ').next().unwrap_or_default()
    }
}

/// The number in CSeq.
pub(crate) fn cseq(message: &str) -> u32 {
    field(message, "cseq").and_then(|c| c.split(' ').next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// The branch of the top Via.
pub(crate) fn branch(message: &str) -> &str {
    field(message, "via")
        .and_then(|v| v.split("branch=").nth(1))
        .map(|b| b.split([';', ',']).next().unwrap_or(b))
        .unwrap_or_default()
}

/// The tag of a From or To value.
pub(crate) fn tag(value: &str) -> Option<&str> {
    value.split(";tag=").nth(1).map(|t| t.split(';').next().unwrap_or(t))
}

/// The URI between the angle brackets.
pub(crate) fn uri(value: &str) -> &str {
    value.split(['<', '>']).nth(1).unwrap_or(value)
}

/// Where a session description wants its audio, and which way it flows.
pub(crate) fn sdp(message: &str) -> Option<(core::net::SocketAddr, bool)> {
    let (_, body) = message.split_once("\r\n\r\n")?;
    let address = body.lines().find_map(|l| l.strip_prefix("c=IN IP4 "))?;
    let port = body.lines().find_map(|l| l.strip_prefix("m=audio "))?.split(' ').next()?;
    let flows = !["a=sendonly", "a=recvonly", "a=inactive"].iter().any(|d| body.contains(d));
    Some((format!("{address}:{port}").parse().ok()?, flows))
}
