//! Mail to a host over loopback: secrecy, passwords, and what each answer of the host means.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod peer;

use core::net::IpAddr;
use core::time::Duration;
use mail::{Attachment, Letter, Post, Unsent};
use model::{Instant, MailHost, MailTls};
use peer::{Answer, Peer, Secrecy};
use std::collections::BTreeMap;

fn host(peer: &Peer, tls: MailTls) -> MailHost {
    MailHost {
        host: "localhost".to_owned(),
        port: peer.address.port(),
        tls,
        ca: Some(peer.pem.clone()),
        user: None,
        from: "pbx@example.com".to_owned(),
        from_name: Some("The switch".to_owned()),
        templates: BTreeMap::new(),
    }
}

fn letter() -> Letter {
    Letter {
        id: "1@example.com".to_owned(),
        at: Instant::from_unix_nanos(1_772_403_300_000_000_000),
        from: (Some("The switch".to_owned()), "pbx@example.com".to_owned()),
        to: "anna@example.net".to_owned(),
        subject: "Hello".to_owned(),
        text: "One\n.\nTwo".to_owned(),
        attachments: Vec::new(),
    }
}

fn anywhere(_: IpAddr) -> bool {
    true
}

async fn send(host: &MailHost, password: Option<&str>) -> Result<(), Unsent> {
    Post { host, password, reach: anywhere, deadline: Duration::from_secs(60) }.send(letter()).await
}

#[tokio::test]
async fn a_mail_arrives_by_each_way_as_secret_as_it_was_set() {
    for (secrecy, tls) in
        [(Secrecy::None, MailTls::None), (Secrecy::Starttls, MailTls::Starttls), (Secrecy::Tls, MailTls::Tls)]
    {
        let peer = Peer::start(secrecy);
        let with_user = MailHost { user: Some("pbx".to_owned()), ..host(&peer, tls) };
        assert_eq!(send(&with_user, Some("hush")).await, Ok(()), "{tls:?}");
        let mail = peer.taken(0);
        assert_eq!(mail.secret, tls != MailTls::None, "{tls:?}");
        assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("pbx@example.com", &["anna@example.net".to_owned()][..]));
        // NUL pbx NUL hush, in base64.
        assert_eq!(mail.user.as_deref(), Some("AHBieABodXNo"));
        assert_eq!((mail.hello.as_str(), mail.header("Subject").as_deref()), ("example.com", Some("Hello")));
        assert!(mail.text.trim_end().ends_with("One\r\n.\r\nTwo"), "a line of one dot is a line: {:?}", mail.text);
    }
}

#[tokio::test]
async fn what_is_not_secret_is_not_sent_to() {
    // No STARTTLS there, whoever stands between.
    let bare = Peer::start(Secrecy::None);
    let said = send(&host(&bare, MailTls::Starttls), None).await;
    assert!(matches!(&said, Err(Unsent::Passing(why)) if why.contains("STARTTLS")), "{said:?}");
    for secrecy in [Secrecy::Starttls, Secrecy::Tls] {
        let tls = if secrecy == Secrecy::Tls { MailTls::Tls } else { MailTls::Starttls };
        // A certificate that nobody has vouched for, and one of another name.
        let peer = Peer::start(secrecy);
        let other = Peer::named(secrecy, "other.test");
        for host in [MailHost { ca: None, ..host(&peer, tls) }, host(&other, tls)] {
            let said = send(&host, None).await;
            assert!(matches!(&said, Err(Unsent::Passing(why)) if why.contains("ertificate")), "{tls:?}: {said:?}");
        }
        assert!(peer.said().is_empty() && other.said().is_empty());
    }
    assert!(bare.said().is_empty());
}

#[tokio::test]
async fn a_hosts_answer_says_whether_another_try_may_help() {
    let peer = Peer::start(Secrecy::Starttls);
    let host = MailHost { user: Some("pbx".to_owned()), ..host(&peer, MailTls::Starttls) };
    for (answer, is_final) in [
        (Answer::Recipient(450), false),
        (Answer::Recipient(550), true),
        (Answer::Mail(451), false),
        (Answer::Mail(554), true),
        // The operator's to set right: the mail is as good as before.
        (Answer::Mail(530), false),
        (Answer::Stranger, false),
        // Nobody knows whether it was taken.
        (Answer::Cut, false),
    ] {
        peer.then(&[answer]);
        let said = send(&host, Some("hush")).await;
        let told = match &said {
            Err(Unsent::Final(_)) => Some(true),
            Err(Unsent::Passing(_)) => Some(false),
            Ok(()) => None,
        };
        assert_eq!(told, Some(is_final), "{answer:?}: {said:?}");
    }
}

#[tokio::test]
async fn a_silent_host_and_a_forbidden_address_are_passing() {
    let peer = Peer::start(Secrecy::None);
    peer.then(&[Answer::Silent]);
    let host = host(&peer, MailTls::None);
    let soon = Post { host: &host, password: None, reach: anywhere, deadline: Duration::from_millis(200) };
    let said = soon.send(letter()).await;
    assert!(matches!(&said, Err(Unsent::Passing(why)) if why.contains("did not end")), "{said:?}");
    let before = peer.connections();
    let guarded = Post { reach: |ip| !ip.is_loopback(), deadline: Duration::from_secs(60), ..soon };
    let said = guarded.send(letter()).await;
    assert!(matches!(&said, Err(Unsent::Passing(why)) if why.contains("no address")), "{said:?}");
    assert_eq!(peer.connections(), before, "nobody was called");
}

#[tokio::test]
async fn a_sound_arrives_as_it_was() {
    let peer = Peer::start(Secrecy::None);
    let host = host(&peer, MailTls::None);
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let sound = Attachment { name: "message.wav".to_owned(), kind: "audio/wav".to_owned(), bytes: bytes.clone() };
    let post = Post { host: &host, password: None, reach: anywhere, deadline: Duration::from_secs(60) };
    post.send(Letter { attachments: vec![sound], ..letter() }).await.unwrap();
    let text = peer.taken(0).text;
    assert!(text.lines().all(|line| line.len() <= 998), "RFC 5322 section 2.1.1");
    let (_, part) = text.split_once("filename=\"message.wav\"").expect("a part with the sound");
    let (_, body) = part.split_once("\r\n\r\n").expect("its body");
    let encoded: String = body.lines().take_while(|line| !line.starts_with("--")).collect();
    let decoded = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, encoded).expect("base64");
    assert!(decoded == bytes);
}
