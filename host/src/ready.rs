//! The block that `demo` prints when it is ready: everything a newcomer needs, and nothing else.

use crate::demo_clients;
use std::fmt::Write;
use std::path::Path;

/// What is said.
#[derive(Debug)]
pub(crate) struct Ready<'a> {
    /// `udp:192.0.2.1:5060` and so on.
    pub(crate) sip: &'a [String],
    /// `http://127.0.0.1:8080`.
    pub(crate) url: &'a str,
    /// The platform token.
    pub(crate) token: &'a str,
    /// The data folder.
    pub(crate) data: &'a Path,
    /// User names and passwords.
    pub(crate) accounts: &'a [(String, String)],
    /// The same of clients of other kinds.
    pub(crate) others: &'a [(String, String)],
    /// How to call a client command, as `strowger` or `strowger --client FILE`.
    pub(crate) client: &'a str,
}

/// The block.
pub(crate) fn block(ready: &Ready<'_>) -> String {
    let mut out = String::from("\nStrowger is ready.\n\n");
    for address in ready.sip {
        let _ = writeln!(out, "  SIP       {address}");
    }
    let _ = writeln!(out, "  HTTP      {}", ready.url);
    let _ = writeln!(out, "  Token     {}", ready.token);
    let _ = writeln!(out, "  Data      {}", ready.data.display());
    let server = ready.sip.first().and_then(|s| s.split_once(':')).map_or("", |(_, address)| address);
    let _ = write!(out, "\n  Accounts (user, password; server {server})\n");
    for (user, password) in ready.accounts {
        let _ = writeln!(out, "    {user}  {password}");
    }
    others(&mut out, ready);
    let first = ready.accounts.first().map_or("", |a| a.0.as_str());
    let last = ready.accounts.last().map_or("", |a| a.0.as_str());
    let second = ready.accounts.get(1).map_or("", |a| a.0.as_str());
    let client = ready.client;
    let _ = write!(
        out,
        "\n  Numbers to dial\n    {first}-{last}  the other accounts\n    100        the attendant: press 1 to 9 for {first} to the ninth, 0 for {last}\n    101        the echo test\n    102        a conference room\n    103, *97   your voicemail; who does not answer gets a message\n    104        a queue; {first} and {second} answer it once they have dialled *41\n\
         \n  Try next\n    Register two phones as {first} and {second}, and call {second} from {first}; then dial 100 and press 2.\n\
         \x20   {client} call list\n    {client} cdr list\n    {client} plugin list\n    {client} account add 1011\n    curl {url}/healthz\n\
         \n  Ctrl-C ends it; the same command starts it again with the same accounts.\n\n",
        url = ready.url,
    );
    out
}

/// The clients of the other kinds: whose line it is, and what is dialled there.
fn others(out: &mut String, ready: &Ready<'_>) {
    let (host, port) = demo_clients::CARRIER;
    let _ = write!(out, "\n  Other clients (they call out by the trunk demo-carrier, which is {host}:{port})\n");
    let kinds = ["residential", "retail"];
    for (((user, password), kind), number) in ready.others.iter().zip(kinds).zip(demo_clients::NUMBERS) {
        let domain = demo_clients::USERS.iter().find(|(name, _)| name == user).map_or("", |(_, domain)| domain);
        let _ = writeln!(out, "    {kind:<11}  {user}@{domain}, password {password}, number {number}");
    }
    let (at, prefix) = (demo_clients::TRANSIT, demo_clients::PREFIX);
    let _ = writeln!(out, "    wholesale    calls from {at} without a password; dial {prefix} and a number");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_names_everything() {
        let accounts: Vec<_> = (1001..=1010).map(|n| (n.to_string(), format!("secret{n}"))).collect();
        let sip = ["udp:192.0.2.1:5060".to_owned(), "tcp:192.0.2.1:5060".to_owned()];
        let text = block(&Ready {
            sip: &sip,
            url: "http://127.0.0.1:8080",
            token: "swg_1",
            data: Path::new("/d"),
            accounts: &accounts,
            others: &[("2001".to_owned(), "s2001".to_owned()), ("3001".to_owned(), "s3001".to_owned())],
            client: "strowger",
        });
        for part in [
            "udp:192.0.2.1:5060",
            "server 192.0.2.1:5060",
            "1010  secret1010",
            "100 ",
            "101 ",
            "swg_1",
            "http://127.0.0.1:8080/healthz",
            "strowger call list",
            "residential  2001@home.demo.strowger, password s2001, number +442079460201",
            "retail       3001@line.demo.strowger",
            "calls from 127.0.0.3:5070",
        ] {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }
}
