//! A whole node over loopback: sockets, shard, plugin host, SQLite. Waits end with what is waited for.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod phone;
mod voice;
mod world;

use core::time::Duration;
use model::{Account, AccountRules, Cause, Forward, ForwardFrom, ForwardWhen, RouteTarget, Transport, Way};
use phone::Phone;
use shell::{CallScope, Shell, ShellError};
use std::net::UdpSocket;
use store::{NewBinding, NewExtension, NewPlugin, OpContext};
use world::World;

const NOW: Duration = Duration::ZERO;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_options_is_answered_over_udp_and_tcp() {
    let world = World::start().await;
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut phone = Phone::new("probe", transport, world.address(transport));
        phone.request("OPTIONS", "sip:example.test", "");
        let answer = phone.expect("SIP/2.0 200");
        assert!(answer.contains("Allow: INVITE"), "{answer}");
    }
    let metrics = world.metrics_with("strowger_sip_messages_total{what=\"received\"} 2").await;
    assert!(metrics.contains("strowger_connections_steps_total{step=\"accepted\"} 1"), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"));
    world.handle.drain(NOW).await;
    assert!(world.handle.health().stopped);
    assert!(world.handle.calls(CallScope::Platform).await.is_err());
}

/// Each secure or browser phone calls a UDP phone, is called back by it, and every message takes its own connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn phones_register_and_call_over_tls_ws_and_wss() {
    let world = World::start().await;
    let mut bob = world.phone("bob").await;
    let mut phones = Vec::new();
    for transport in [Transport::Tls, Transport::Ws, Transport::Wss] {
        let name = format!("over-{}", transport.name());
        let mut phone = world.registered(&name, transport).await;
        let (phone_sound, bob_sound) = (phone::sound(), phone::sound());
        phone.invite_with("bob", &phone_sound, "secret");
        let invite = bob.expect("INVITE sip:");
        bob.answer(&invite, "200 OK", Some(&bob_sound));
        let answered = phone.expect("SIP/2.0 200");
        assert!(answered.contains(&format!(";transport={}>", transport.uri_token())), "{answered}");
        phone.ack(&answered);
        bob.expect("ACK ");
        bob.bye(&invite);
        let bye = phone.expect("BYE ");
        assert!(bye.contains(&format!("Via: SIP/2.0/{} ", transport.via_token())), "{bye}");
        phone.answer(&bye, "200 OK", None);
        bob.expect("SIP/2.0 200");

        bob.invite(&name, &bob_sound);
        let invite = phone.expect("INVITE sip:");
        assert!(invite.contains(&format!("Via: SIP/2.0/{} ", transport.via_token())), "{invite}");
        phone.answer(&invite, "200 OK", Some(&phone_sound));
        let answered = bob.expect("SIP/2.0 200");
        bob.ack(&answered);
        phone.expect("ACK ");
        phone.bye(&invite);
        let bye = bob.expect("BYE ");
        bob.answer(&bye, "200 OK", None);
        phone.expect("SIP/2.0 200");
        phones.push(phone);
    }
    let metrics = world.metrics_with("strowger_tls_handshakes_total 2\n").await;
    assert!(metrics.contains("strowger_connections 3\n"), "{metrics}");
    world.handle.drain(NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_runs_with_sound_both_ways_and_leaves_its_cdrs() {
    let world = World::start().await;
    let (mut alice, mut bob) = (world.phone("alice").await, world.phone("bob").await);
    let (alice_sound, bob_sound) = (phone::sound(), phone::sound());
    alice.invite("bob", &alice_sound);
    let invite = bob.expect("INVITE sip:");
    bob.answer(&invite, "180 Ringing", None);
    alice.expect("SIP/2.0 180");
    bob.answer(&invite, "200 OK", Some(&bob_sound));
    let answered = alice.expect("SIP/2.0 200");
    alice.ack(&answered);
    bob.expect("ACK ");

    let calls = world.handle.calls(CallScope::Company(world.company.brand, world.company.id)).await.unwrap();
    assert_eq!((calls.len(), calls[0].legs.len()), (1, 2), "{calls:?}");
    let (to_switch, from_switch) = (phone::sound_address(&answered), phone::sound_address(&invite));
    assert_eq!(to_switch.port() % 2, 0);
    for (from, through, to) in [(&alice_sound, to_switch, &bob_sound), (&bob_sound, from_switch, &alice_sound)] {
        let heard = phone::hear_through(from, through, to);
        assert_eq!(&heard[12..], &[0xd5; 160], "the very sound");
    }
    world.metrics_with("strowger_calls 1\n").await;

    bob.bye(&invite);
    let bye = alice.expect("BYE ");
    alice.answer(&bye, "200 OK", None);
    bob.expect("SIP/2.0 200");
    let cdrs = world.cdrs(2).await;
    assert!(cdrs.iter().all(|c| c.cause == Cause::NormalClearing && c.answered_at.is_some()), "{cdrs:?}");
    world.metrics_with("strowger_calls 0\n").await;
    assert_eq!(world.handle.drain(Duration::from_secs(5)).await.calls_ended, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_refuses_new_calls_and_ends_what_outlives_it() {
    let world = World::start().await;
    let (mut alice, mut bob) = (world.phone("alice").await, world.phone("bob").await);
    let sounds = (phone::sound(), phone::sound());
    alice.invite("bob", &sounds.0);
    let invite = bob.expect("INVITE sip:");
    bob.answer(&invite, "200 OK", Some(&sounds.1));
    let answered = alice.expect("SIP/2.0 200");
    alice.ack(&answered);
    bob.expect("ACK ");

    let handle = world.handle.clone();
    let drain = tokio::spawn(async move { handle.drain(Duration::from_millis(500)).await });
    world.until(|handle| handle.health().draining).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut carol = world.carol();
    carol.invite("bob", &sounds.0);
    let refused = carol.expect("SIP/2.0 503");
    assert!(refused.contains("Retry-After:"), "{refused}");
    for phone in [&mut alice, &mut bob] {
        let bye = phone.expect("BYE ");
        phone.answer(&bye, "200 OK", None);
    }
    assert_eq!(drain.await.unwrap().calls_ended, 1);
    let cdrs = world.cdrs(2).await;
    assert!(cdrs.iter().filter(|c| c.answered_at.is_some()).all(|c| c.cause == Cause::Draining), "{cdrs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_account_says_of_its_calls_holds_for_the_next_one() {
    let world = World::start().await;
    let (mut alice, mut bob, mut carol) = (world.phone("alice").await, world.phone("bob").await, world.carol());
    let (platform, sound) = (OpContext::platform(), phone::sound());
    let says = async |name: &str, rules: AccountRules| {
        let account = world.db.accounts().find(&platform, world.company.id, name).await.unwrap();
        world.db.accounts().update(&platform, &Account { rules, ..account }).await.unwrap();
        world.handle.live().await.unwrap();
    };
    let to = Way::Account("carol".to_owned());
    let away = Forward::new(ForwardWhen::Unconditional, ForwardFrom::Anybody, to);
    says("bob", AccountRules { forwards: vec![away], ..AccountRules::default() }).await;
    alice.invite("bob", &sound);
    let invite = carol.expect("INVITE sip:");
    assert!(invite.contains("Diversion: <sip:bob@example.test>;reason=unconditional"), "{invite}");
    carol.answer(&invite, "486 Busy Here", None);
    alice.expect("SIP/2.0 486");

    says("bob", AccountRules::default()).await;
    alice.invite("bob", &sound);
    let invite = bob.expect("INVITE sip:");
    bob.answer(&invite, "486 Busy Here", None);
    alice.expect("SIP/2.0 486");

    says("alice", AccountRules { calls_max: Some(0), ..AccountRules::default() }).await;
    alice.invite("bob", &sound);
    alice.expect("SIP/2.0 403");
    world.handle.drain(NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_store_holds_is_live_when_the_handle_says_so() {
    let world = World::start().await;
    let mut alice = world.phone("alice").await;
    let mut bob = world.phone("bob").await;
    let sound = phone::sound();
    alice.invite("200", &sound);
    alice.expect("SIP/2.0 404");
    let target = RouteTarget::Account("bob".to_owned());
    let extension = NewExtension { company: world.company.id, number: "200".to_owned(), target };
    world.db.extensions().create(&OpContext::platform(), extension).await.unwrap();
    world.handle.live().await.unwrap();
    alice.invite("200", &sound);
    bob.expect("INVITE sip:");
    world.handle.drain(NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_ends_a_call() {
    let world = World::start().await;
    let (mut alice, mut bob) = (world.phone("alice").await, world.phone("bob").await);
    alice.invite("bob", &phone::sound());
    let invite = bob.expect("INVITE sip:");
    bob.answer(&invite, "180 Ringing", None);
    alice.expect("SIP/2.0 180");
    let call = world.handle.calls(CallScope::Platform).await.unwrap()[0].call;
    assert!(world.handle.hangup(call).await.unwrap());
    bob.expect("CANCEL ");
    alice.expect("SIP/2.0 480");
    assert!(!world.handle.hangup(model::CallId(7)).await.unwrap());
    world.handle.drain(NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registrations_outlive_a_restart() {
    let world = World::start().await;
    let mut alice = world.phone("alice").await;
    alice.register(600);
    alice.expect("SIP/2.0 200");
    let before = world.handle.registrations().await.unwrap();
    assert_eq!((before.len(), before[0].username.as_str()), (1, "alice"));
    assert!(before[0].source.starts_with("udp/127.0.0.1:"), "{before:?}");
    world.handle.drain(NOW).await;
    let world = world.restart().await;
    assert_eq!(world.handle.registrations().await.unwrap(), before);
    world.handle.drain(NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_binding_is_named_and_the_switch_goes_on() {
    let world = World::start().await;
    let platform = OpContext::platform();
    let (name, version) = ("broken".to_owned(), "1.0.0".to_owned());
    let brand = Some(world.company.brand);
    let (bytes, installed_at) = (b"no component".to_vec(), world.handle.now());
    let new = NewPlugin { brand, name, version, bytes, installed_at, about: store::PluginAbout::default() };
    let plugin = world.db.plugins().install(&platform, new).await.unwrap();
    let binding = NewBinding {
        brand: world.company.brand,
        account: None,
        company: None,
        name: "wrecked".to_owned(),
        point: "routing/router".to_owned(),
        priority: 10,
        plugin: plugin.id,
        config: "{}".to_owned(),
    };
    world.db.plugin_bindings().bind(&platform, binding).await.unwrap();
    world.handle.live().await.unwrap();
    let health = world.handle.health();
    assert!(health.is_ready());
    assert_eq!(health.bindings_broken[0].0, "wrecked");
    assert!(health.warnings()[0].contains("binding wrecked is not live"), "{health:?}");
    world.handle.drain(NOW).await;
}

/// The one thread that compiles is taken, so a component that was bound is not ready before the test says so.
#[test]
fn a_component_that_is_being_compiled_stops_nobody_elses_changes() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::start().await;
        let platform = OpContext::platform();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let taken = tokio::task::spawn_blocking(move || released.recv());
        let (bytes, installed_at) = (b"no component".to_vec(), world.handle.now());
        let new = NewPlugin {
            brand: Some(world.company.brand),
            name: "slow".to_owned(),
            version: "1.0.0".to_owned(),
            bytes,
            installed_at,
            about: store::PluginAbout::default(),
        };
        let plugin = world.db.plugins().install(&platform, new).await.unwrap();
        let binding = NewBinding {
            brand: world.company.brand,
            account: None,
            company: None,
            name: "slow".to_owned(),
            point: "routing/router".to_owned(),
            priority: 10,
            plugin: plugin.id,
            config: "{}".to_owned(),
        };
        world.db.plugin_bindings().bind(&platform, binding).await.unwrap();
        let mut live = Box::pin(world.handle.live());
        let renamed = model::Company { name: "other".to_owned(), ..world.company.clone() };
        world.db.companies().update(&platform, &renamed).await.unwrap();
        let version = world.db.version().await.unwrap();
        assert!(futures_now(live.as_mut()).is_none());
        world.metrics_with(&format!("strowger_directory_version {version}\n")).await;
        assert!(futures_now(live.as_mut()).is_none(), "whoever bound it waits for it");
        assert!(world.handle.health().bindings_broken.is_empty());
        release.send(()).unwrap();
        taken.await.unwrap().unwrap();
        live.await.unwrap();
        assert_eq!(world.handle.health().bindings_broken[0].0, "slow");
        world.handle.drain(NOW).await;
    });
}

/// What a future has come to, if it has.
fn futures_now<F: Future>(future: core::pin::Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut core::task::Context::from_waker(core::task::Waker::noop())) {
        core::task::Poll::Ready(output) => Some(output),
        core::task::Poll::Pending => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_keeps_the_phones_of_a_tenant_with_a_row_without_meaning_and_says_which_it_lost() {
    let world = World::start().await;
    world.phone("alice").await;
    world.sql("UPDATE companies SET rules = '{\"newer\":1}'").await;
    world.handle.drain(NOW).await;
    let world = world.restart().await;
    let health = world.handle.health();
    assert!(health.is_ready() && health.tenants_lost == 0);
    assert!(health.warnings()[0].contains("is stale, because company"), "{health:?}");
    // A word for what it is that this program does not know: nothing can be made of it.
    world.sql("PRAGMA ignore_check_constraints = ON; UPDATE companies SET media = 'newer'").await;
    world.handle.drain(NOW).await;
    let world = world.restart().await;
    let health = world.handle.health();
    assert!(!health.is_ready());
    assert!(health.unready()[0].starts_with("1 companies could not be read"), "{health:?}");
    assert!(health.warnings()[0].contains("is not there, because company"), "{health:?}");
    world.sql("UPDATE companies SET media = 'anchor', rules = '{}'").await;
    world.metrics_with("strowger_tenants_held 0").await;
    assert!(world.handle.health().is_ready());
    world.handle.drain(NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_without_meaning_is_named_and_its_tenant_keeps_its_phones() {
    let world = World::start().await;
    let mut alice = world.phone("alice").await;
    world.sql("UPDATE accounts SET rules = 'nonsense' WHERE username = 'carol'").await;
    let metrics = world.metrics_with("strowger_tenants_held 1").await;
    assert!(metrics.contains("strowger_directory_reads_total{what=\"whole\"} 0"), "{metrics}");
    let health = world.handle.health();
    assert!(health.is_ready());
    let why = format!("company {} is stale, because account ", world.company.id);
    assert!(health.warnings()[0].starts_with(&why), "{health:?}");
    let platform = OpContext::platform();
    let renamed = model::Company { name: "other".to_owned(), ..world.company.clone() };
    world.db.companies().update(&platform, &renamed).await.unwrap();
    world.handle.live().await.unwrap();
    alice.register(600);
    alice.expect("SIP/2.0 200");
    world.sql("UPDATE accounts SET rules = '{}'").await;
    world.metrics_with("strowger_tenants_held 0").await;
    assert_eq!(world.handle.health().warnings(), Vec::<String>::new());
    world.handle.drain(NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_one_sentence() {
    let world = World::start().await;
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut config = world.config();
    config.listeners[0].bind = taken.local_addr().unwrap();
    let plugins = plugin::Host::new(plugin::HostConfig::default()).unwrap();
    let error = Shell::start(config, world.db.clone(), plugins).await.unwrap_err();
    assert!(matches!(error, ShellError::Net(_)));
    assert!(error.to_string().contains("is taken by another process"), "{error}");
    let plugins = plugin::Host::new(plugin::HostConfig::default()).unwrap();
    let error = Shell::start(world.config(), world.db.clone(), plugins).await.unwrap_err();
    assert!(error.to_string().contains("in use by another process"), "{error}");
    world.handle.drain(NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_on_every_socket_kills_nothing() {
    let world = World::start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut seed = 0x9e37_79b9_u32;
    for round in 0..2_000_usize {
        let noise: Vec<u8> = (0..round % 200)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect();
        socket.send_to(&noise, world.address(Transport::Udp)).unwrap();
    }
    let mut phone = Phone::new("probe", Transport::Udp, world.address(Transport::Udp));
    phone.request("OPTIONS", "sip:example.test", "");
    phone.expect("SIP/2.0 200");
    world.handle.drain(NOW).await;
}
