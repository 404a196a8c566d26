//! What is written comes back: torn files, waste, full tables.

use super::log::{Log, read};
use super::{FILE, Keeper, load};
use core::time::Duration;
use model::{AccountId, Directory, Flow, Instant, NatPing, Transport};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use switch::{Binding, Core, CoreConfig, Listener, Prompts, RegistrarSnapshot};

const NOW: Instant = Instant::from_unix_nanos(1_000_000_000_000);

fn binding(contact: &str) -> Binding {
    let phone = "192.0.2.7:5060".parse().unwrap();
    Binding {
        contact: contact.to_owned(),
        flow: Flow::new(Transport::Udp, "192.0.2.1:5060".parse().unwrap(), phone),
        path: vec!["<sip:edge.test;lr>".to_owned()],
        instance: None,
        call_id: "c".to_owned(),
        cseq: 7,
        expires_at: NOW + Duration::from_secs(600),
        q: 1000,
        user_agent: Arc::from("phone"),
        received: phone,
        behind_nat: true,
        ping: NatPing::Off,
    }
}

fn core() -> Core {
    let directory = Directory::build(1, Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()).unwrap();
    let local = "192.0.2.1:5060".parse().unwrap();
    let config = CoreConfig { listeners: vec![Listener { transport: Transport::Udp, local }], ..CoreConfig::default() };
    Core::new(config, Arc::new(directory), Vec::new(), Prompts::default(), [3; 32])
}

fn kept(path: &Path) -> Vec<(i64, String)> {
    let (snapshot, _) = read(path).unwrap().unwrap();
    snapshot.bindings.into_iter().map(|(account, b)| (account.0, b.contact)).collect()
}

fn named(all: &[(i64, &str)]) -> Vec<(i64, String)> {
    all.iter().map(|(account, contact)| (*account, (*contact).to_owned())).collect()
}

#[test]
fn what_changed_comes_back_and_what_was_gathered_is_written_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    assert!(load(dir.path()).is_none());
    let mut core = core();
    let mut keeper = Keeper::start(dir.path(), vec![core.registrations()]).unwrap().remove(0);
    let one = RegistrarSnapshot { bindings: vec![(AccountId(1), binding("sip:a@x"))], ..RegistrarSnapshot::default() };
    core.restore_registrations(one, NOW);
    keeper.changed(AccountId(1), NOW);
    keeper.changed(AccountId(1), NOW + Duration::from_millis(700));
    assert_eq!(keeper.poll_timeout(), Some(NOW + Duration::from_secs(1)), "changes are gathered");
    keeper.keep(&core, NOW);
    assert_eq!(keeper.poll_timeout(), None);
    let two = RegistrarSnapshot { bindings: vec![(AccountId(2), binding("sip:b@x"))], ..RegistrarSnapshot::default() };
    core.restore_registrations(two, NOW);
    keeper.changed(AccountId(2), NOW);
    keeper.keep_at_end(&core);
    assert_eq!(load(dir.path()), Some(core.registrations()), "with the secrets, and every field of a binding");
}

#[test]
fn shards_share_a_file_and_when_it_is_lost_each_says_all_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let mut cores = [core(), core(), core()];
    let mut keepers = Keeper::start(dir.path(), cores.iter().map(Core::registrations).collect()).unwrap();
    let holds = |core: &mut Core, account: i64, contact: &str| {
        let bindings = vec![(AccountId(account), binding(contact))];
        core.restore_registrations(RegistrarSnapshot { bindings, ..RegistrarSnapshot::default() }, NOW);
    };
    holds(&mut cores[0], 1, "sip:a@x");
    holds(&mut cores[2], 3, "sip:c@x");
    keepers[0].changed(AccountId(1), NOW);
    keepers[2].changed(AccountId(3), NOW);
    (0..3).for_each(|shard| keepers[shard].keep(&cores[shard], NOW));
    // The disk fails under the first shard's hands, and the others are asked for all they have as well.
    (0..3).for_each(|shard| keepers[shard].lost.store(true, Ordering::Relaxed));
    holds(&mut cores[1], 2, "sip:b@x");
    keepers[1].changed(AccountId(2), NOW);
    keepers[1].keep(&cores[1], NOW);
    keepers[2].look(NOW);
    assert_eq!(keepers[2].poll_timeout(), Some(NOW + Duration::from_secs(1)), "nothing of it has changed");
    keepers[2].keep(&cores[2], NOW);
    // One that has said all goes on while the writer waits for the first.
    holds(&mut cores[2], 4, "sip:d@x");
    keepers[2].changed(AccountId(4), NOW);
    keepers[2].keep_at_end(&cores[2]);
    assert_eq!(kept(&path), named(&[(1, "sip:a@x"), (3, "sip:c@x")]), "until then the old file holds");
    keepers[0].keep_at_end(&cores[0]);
    keepers[1].keep_at_end(&cores[1]);
    let mut all = kept(&path);
    all.sort();
    assert_eq!(all, named(&[(1, "sip:a@x"), (2, "sip:b@x"), (3, "sip:c@x"), (4, "sip:d@x")]));
}

#[test]
fn a_full_table_is_handed_over_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let mut core = core();
    let mut keeper = Keeper::start(dir.path(), vec![core.registrations()]).unwrap().remove(0);
    let all = (0..1_200).map(|n| (AccountId(n), binding("sip:a@x")));
    core.restore_registrations(RegistrarSnapshot { bindings: all.collect(), ..RegistrarSnapshot::default() }, NOW);
    (0..1_200).for_each(|n| keeper.changed(AccountId(n), NOW));
    keeper.keep(&core, NOW);
    assert_eq!((keeper.changed.len(), keeper.poll_timeout()), (700, Some(NOW + super::PAUSE)));
    keeper.keep_at_end(&core);
    assert_eq!(kept(&dir.path().join(FILE)).len(), 1_200);
}

#[test]
fn the_newest_line_of_an_account_holds_and_a_torn_one_ends_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let mut log = Log::create(&path, RegistrarSnapshot::default()).unwrap();
    log.append(&vec![(AccountId(1), vec![binding("sip:a@x")]), (AccountId(2), vec![binding("sip:b@x")])]).unwrap();
    log.append(&vec![(AccountId(1), vec![binding("sip:c@x"), binding("sip:d@x")]), (AccountId(3), vec![])]).unwrap();
    log.append(&vec![(AccountId(2), vec![])]).unwrap();
    assert_eq!(kept(&path), named(&[(1, "sip:c@x"), (1, "sip:d@x")]));
    let whole = std::fs::read(&path).unwrap();
    log.append(&vec![(AccountId(1), vec![binding("sip:e@x")])]).unwrap();
    let more = std::fs::read(&path).unwrap();
    std::fs::write(&path, &more[..whole.len() + 20]).unwrap();
    assert_eq!(read(&path).unwrap().unwrap().1, 1);
    assert_eq!(kept(&path), named(&[(1, "sip:c@x"), (1, "sip:d@x")]), "the torn line is as if it had not been");
}

#[test]
fn waste_is_swept_and_nothing_is_lost_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let mut log = Log::create(&path, RegistrarSnapshot::default()).unwrap();
    log.append(&vec![(AccountId(9), vec![binding("sip:still@x")])]).unwrap();
    let mut longest = 0;
    let contact = |n: i64| format!("sip:{n}-{}@x", "y".repeat(20_000));
    for n in 0..150 {
        log.append(&vec![(AccountId(n % 3), vec![binding(&contact(n))])]).unwrap();
        longest = longest.max(std::fs::metadata(&path).unwrap().len());
    }
    assert!(longest > super::log::WASTE_MIN && longest < 2 * super::log::WASTE_MIN, "{longest}");
    let (a, b, c) = (contact(147), contact(148), contact(149));
    let expected = named(&[(0, &a), (1, &b), (2, &c), (9, "sip:still@x")]);
    assert_eq!(kept(&path), expected);
}

#[test]
fn a_file_that_is_none_of_ours_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(FILE), b"{").unwrap();
    assert!(load(dir.path()).is_none());
    assert!(dir.path().join("registrations.broken").exists());
}
