//! Mail from the request of a plugin to a host over loopback: what is refused by name, what is tried again, what is dead.

#[path = "../../mail/tests/hosts/peer.rs"]
mod peer;

use super::*;
use crate::tenants_for_tests;
use core::time::Duration;
use model::{Attr, BoxSettings, CompanyId, MailHost, MailTemplate, MailTls};
use peer::{Answer, Peer, Secrecy};
use plugin::Mailer;
use std::path::Path;
use store::{Mail, MailState, Wanted};

const CTX: OpContext = OpContext::platform();

struct Office {
    post: Postbox,
    db: Db,
    sender: MailSender,
    dir: tempfile::TempDir,
}

fn limits() -> Limits {
    Limits { mail_retry_first_s: 1, mail_deadline_s: 30, mails_per_binding_hour_max: 3, ..Limits::default() }
}

async fn office(limits: Limits) -> Office {
    let dir = tempfile::tempdir().unwrap();
    let (db, brand, company) = tenants_for_tests::company_in(dir.path()).await;
    let text = |text: &str| text.to_owned();
    for (username, address) in [("anna", Some("anna@example.com")), ("bert", None)] {
        tenants_for_tests::account(&db, company, username).await;
        let mail = address.map(|a| BoxMail { address: text(a), attach: true, delete: true });
        let settings = BoxSettings { mail, ..BoxSettings::default() };
        let whose = BoxOwner { brand, company, account: text(username) };
        db.voice_boxes().configure(&whose, &settings).await.unwrap();
    }
    let settings = MailSettings { brand_private_addresses: false };
    let post = Postbox::new((db.clone(), dir.path().to_owned()), (limits, settings), Clock::anchored()).unwrap();
    let sender = MailSender { brand, company, binding: text("mine"), may: ["own".to_owned()].into() };
    Office { post, db, sender, dir }
}

fn host(peer: &Peer) -> MailHost {
    let words = MailTemplate { subject: "{caller} was here".to_owned(), text: "Hello {caller}".to_owned() };
    MailHost {
        host: "127.0.0.1".to_owned(),
        port: peer.address.port(),
        tls: MailTls::None,
        ca: None,
        user: None,
        from: "pbx@acme.example".to_owned(),
        from_name: None,
        templates: [("seen".to_owned(), words)].into(),
    }
}

fn asked(to: &str, template: &str) -> MailAsked {
    let fields: Vec<Attr> = vec![("caller".to_owned(), "Ann\r\nBcc: x@example.org".to_owned())];
    MailAsked { to: vec![to.to_owned()], template: template.to_owned(), fields, ..MailAsked::default() }
}

impl Office {
    async fn ask(&self, mail: MailAsked) -> Result<(), AppError> {
        self.post.send(self.sender.clone(), mail).await.unwrap()
    }

    async fn mails(&self) -> Vec<Mail> {
        self.db.mails().found(&CTX, &Wanted::of(store::lists::MAILS, 100)).await.unwrap().rows
    }

    /// Sends until this is so of the newest mail.
    async fn until(&self, so: impl Fn(&Mail) -> bool) -> Mail {
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        let sends = self.post.clone().run(|_| async {}, stopping);
        let found = async {
            loop {
                if let Some(mail) = self.mails().await.into_iter().next().filter(&so) {
                    return mail;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = sends => panic!("it ends when it is told to"),
            mail = tokio::time::timeout(Duration::from_secs(90), found) => mail.expect("it comes to that"),
        }
    }
}

fn denied(result: Result<(), AppError>) -> String {
    match result {
        Err(AppError::Denied(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_sent_is_refused_by_its_name() {
    let office = office(limits()).await;
    assert!(denied(office.ask(asked("anna", "message")).await).starts_with("no-mail-host"));
    let peer = Peer::start(Secrecy::None);
    office.db.mail_hosts().put(&CTX, None, (&host(&peer), None)).await.unwrap();
    for (to, template, error) in [
        ("bert", "message", AppError::NotFound),
        ("carl", "message", AppError::NotFound),
        ("anna", "unknown", AppError::NotFound),
    ] {
        assert_eq!(office.ask(asked(to, template)).await, Err(error), "{to} {template}");
    }
    assert!(denied(office.ask(asked("x@example.org", "message")).await).contains("not granted"));
    let bad = office.ask(asked("anna@example.com, x@example.org", "message")).await;
    assert!(matches!(bad, Err(AppError::InvalidArgument(_))), "{bad:?}");
    let elses = MailAsked { media: vec!["bert/7".to_owned()], ..asked("anna", "message") };
    assert_eq!(office.ask(elses).await, Err(AppError::NotFound), "no such message");
    assert!(office.mails().await.is_empty());

    for _ in 0..3 {
        assert_eq!(office.ask(asked("anna@example.com", "seen")).await, Ok(()), "an address of one of its mailboxes");
    }
    let limit = AppError::LimitExceeded("mails-per-binding-hour-max".to_owned());
    assert_eq!(office.ask(asked("anna", "seen")).await, Err(limit));
    let mails = office.mails().await;
    assert_eq!((mails.len(), mails[0].what.to.as_str()), (3, "anna@example.com"));
    assert_eq!(mails[0].what.subject, "Ann Bcc: x@example.org was here", "one line");
    assert_eq!(office.post.figures().refused.load(Ordering::Relaxed), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_tried_until_it_is_taken_and_dead_when_it_is_refused_for_good() {
    let office = office(limits()).await;
    let peer = Peer::start(Secrecy::None);
    office.db.mail_hosts().put(&CTX, None, (&host(&peer), None)).await.unwrap();
    peer.then(&[Answer::Recipient(451), Answer::Cut, Answer::Take, Answer::Mail(554)]);
    office.ask(asked("anna", "seen")).await.unwrap();
    let sent = office.until(|mail| mail.state == MailState::Sent).await;
    assert_eq!((sent.tries, sent.error), (3, None));
    let said = peer.said();
    assert_eq!(said.len(), 2, "{said:?}");
    // Whoever gets it twice knows it by its Message-ID.
    assert_eq!(said[0].1.text, said[1].1.text);
    let mail = peer.taken(0);
    assert_eq!(mail.header("Message-ID"), Some(format!("<{}>", sent.what.message_id)));
    assert_eq!((mail.header("From").as_deref(), mail.header("Bcc")), (Some("pbx@acme.example"), None));
    assert_eq!(mail.to, ["anna@example.com"]);

    office.ask(asked("anna", "seen")).await.unwrap();
    let dead = office.until(|mail| mail.state == MailState::Dead).await;
    assert_eq!(dead.tries, 1);
    assert!(dead.error.is_some_and(|why| why.contains("554")));
    let figures = office.post.figures();
    let counts = [&figures.sent, &figures.put_off, &figures.dead].map(|c| c.load(Ordering::Relaxed));
    assert_eq!(counts, [1, 2, 1]);
    office.post.count_now().await;
    assert_eq!((figures.at(MailState::Dead), figures.at(MailState::Waiting)), (1, 0));
}

/// A voice message of a second; its number.
async fn message(office: &Office, bytes: usize) -> (BoxOwner, i64) {
    let (brand, company): (_, CompanyId) = (office.sender.brand, office.sender.company);
    let whose = BoxOwner { brand, company, account: "anna".to_owned() };
    let file = crate::recordings::file_of(office.dir.path(), company, "f1");
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).unwrap();
    std::fs::write(&file, vec![7; bytes]).unwrap();
    let new = NewVoiceMessage {
        caller: "1002".to_owned(),
        caller_name: Some("Bert".to_owned()),
        received_at: Instant::from_unix_nanos(1_772_403_300_000_000_000),
        length_ms: 65_000,
        urgent: true,
        file: "f1".to_owned(),
    };
    let told = office.post.told(&whose, &new).await.unwrap().expect("a mail");
    let (caps, now) = office.post.caps();
    let id = office.db.voice_boxes().add(&whose, &new, Some((&told, caps, now))).await.unwrap().unwrap();
    (whose, id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voice_message_goes_with_its_mail_and_then_among_the_deleted_ones() {
    for (bytes, whole) in [(1_000, true), (2_001, false)] {
        let office = office(Limits { mail_bytes_max: 2_000, ..limits() }).await;
        // Without a host it waits for one.
        let (whose, id) = message(&office, bytes).await;
        let waiting = office.until(|mail| mail.error.is_some()).await;
        assert!(waiting.error.is_some_and(|why| why.contains("has a mail host")));
        let peer = Peer::start(Secrecy::None);
        office.db.mail_hosts().put(&CTX, None, (&host(&peer), None)).await.unwrap();
        office.until(|mail| mail.state == MailState::Sent).await;
        let mail = peer.taken(0);
        assert_eq!(mail.header("Subject").as_deref(), Some("Voice message from 1002 (1:05)"));
        for words in ["anna, you have a new voice message", "Bert 1002", "01 March 2026, 22:15 UTC", "It is urgent."] {
            assert!(mail.text.contains(words), "{words}: {}", mail.text);
        }
        assert_eq!(mail.text.contains("filename=\"message.wav\""), whole, "{}", mail.text);
        assert_eq!(mail.text.contains("is not with this mail"), !whole, "{}", mail.text);
        let kept = office.db.voice_boxes().message(&whose, id).await.unwrap().message;
        let folder = if whole { model::Folder::Deleted } else { model::Folder::New };
        assert_eq!(kept.folder, folder, "what did not arrive whole is not put away");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_whose_sound_is_elsewhere_waits_and_one_whose_sound_is_gone_says_so() {
    let office = office(limits()).await;
    let peer = Peer::start(Secrecy::None);
    office.db.mail_hosts().put(&CTX, None, (&host(&peer), None)).await.unwrap();
    let (whose, id) = message(&office, 1_000).await;
    std::fs::remove_file(crate::recordings::file_of(office.dir.path(), whose.company, "f1")).unwrap();
    let waiting = office.until(|mail| mail.error.is_some()).await;
    assert!(waiting.error.is_some_and(|why| why.contains("not on this node")));
    assert_eq!(peer.connections(), 0);
    office.db.voice_boxes().erase(&whose, id).await.unwrap();
    office.until(|mail| mail.state == MailState::Sent).await;
    assert!(peer.taken(0).text.contains("is not with this mail"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_brands_host_is_at_a_public_address_and_tried_a_few_times_an_hour() {
    let office = office(Limits { mail_trials_per_hour_max: 2, ..limits() }).await;
    let peer = Peer::start(Secrecy::None);
    let brand = office.sender.brand;
    office.db.mail_hosts().put(&CTX, Some(brand), (&host(&peer), None)).await.unwrap();
    let used = office.db.mail_hosts().on_trial(&CTX, Some(brand)).await.unwrap();
    let said = office.post.trial(&used, "anna@example.com").await;
    assert!(matches!(&said, Err(MailTrialError::Refused(why)) if why.contains("no address")), "{said:?}");
    assert_eq!(peer.connections(), 0);
    office.db.mail_hosts().put(&CTX, None, (&host(&peer), None)).await.unwrap();
    let platforms = office.db.mail_hosts().on_trial(&CTX, None).await.unwrap();
    assert_eq!(office.post.trial(&platforms, "anna@example.com").await, Ok(()));
    assert_eq!(peer.taken(0).header("Subject").as_deref(), Some("A mail for trial"));
    assert_eq!(office.post.trial(&platforms, "anna@example.com").await, Err(MailTrialError::TooOften));
}
