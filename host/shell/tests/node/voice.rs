//! A voice agent: a phone, a node, and a WebSocket server of the test's own that sends the sound back.

use crate::NOW;
use crate::phone;
use crate::world::World;
use core::time::Duration;
use futures_util::{SinkExt, StreamExt};
use model::RouteTarget;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;
use store::{NewBinding, NewExtension, NewPlugin, OpContext, PluginAbout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const PATIENCE: Duration = Duration::from_secs(20);

/// Installs the voice agent and lets 105 be one that speaks to `agent`; of the operator's grants only `host`.
async fn furnish(world: &World, agent: &str, host: &str) {
    let ctx = OpContext::platform();
    let manifest = bundle::Manifest::parse(shipped::VOICE_AGENT_MANIFEST).unwrap();
    let manifest = Some(serde_json::to_string(&manifest).unwrap());
    let new = NewPlugin {
        brand: None,
        name: "voice-agent".to_owned(),
        version: "0.1.0".to_owned(),
        bytes: shipped::VOICE_AGENT.to_vec(),
        installed_at: world.handle.now(),
        about: PluginAbout { manifest, ..PluginAbout::default() },
    };
    let plugin = world.db.plugins().install(&ctx, new).await.unwrap();
    let granted = format!(r#"{{"http":[{{"host":"{host}"}}],"private-addresses":true}}"#);
    world.db.plugins().grant(&ctx, plugin.id, Some(&granted)).await.unwrap();
    let config = format!(r#"{{"url":"{agent}","rate":8000,"note":"of the test"}}"#);
    let new = NewBinding {
        brand: world.company.brand,
        company: None,
        account: None,
        name: "agent".to_owned(),
        point: "call/app".to_owned(),
        priority: 100,
        plugin: plugin.id,
        config,
    };
    world.db.plugin_bindings().bind(&ctx, new).await.unwrap();
    let target = RouteTarget::App("agent".to_owned());
    let new = NewExtension { company: world.company.id, number: "105".to_owned(), target };
    world.db.extensions().create(&ctx, new).await.unwrap();
    world.handle.live().await.unwrap();
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

/// Takes the handshake of RFC 6455 by hand, so that a mistake of ours cannot hide behind itself.
async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    use base64::Engine as _;
    use sha1::Digest as _;
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.expect("the node connects").unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /calls HTTP/1.1\r\n"), "{request}");
    let field = |name: &str| {
        let value =
            |l: &str| l.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned());
        request.lines().find_map(value).unwrap_or_else(|| panic!("no {name} in {request}"))
    };
    assert_eq!((field("upgrade").as_str(), field("sec-websocket-version").as_str()), ("websocket", "13"));
    let accepted = format!("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", field("sec-websocket-key"));
    let accepted = base64::engine::general_purpose::STANDARD.encode(sha1::Sha1::digest(accepted));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accepted}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    WebSocketStream::from_raw_socket(stream, Role::Server, None).await
}

/// The agent: sends 250 frames of the caller back, then says good-bye. Gives the hello.
async fn sends_back(mut ws: WebSocketStream<TcpStream>) -> String {
    let Message::Text(hello) = ws.next().await.unwrap().unwrap() else { panic!("no hello") };
    let mut frames = 0;
    while frames < 250 {
        if let Message::Binary(bytes) = ws.next().await.expect("more").unwrap() {
            assert_eq!(bytes.len(), 320, "20 ms");
            ws.send(Message::Binary(bytes)).await.unwrap();
            frames += 1;
        }
    }
    ws.send(Message::text(r#"{"event":"end"}"#)).await.unwrap();
    while let Some(Ok(message)) = ws.next().await {
        if message == Message::text(r#"{"event":"stop"}"#) {
            return hello.as_str().to_owned();
        }
    }
    panic!("the line never stopped");
}

/// Noise in A-law, each packet another.
fn noise(packet: u16) -> Vec<u8> {
    let mut state = u32::from(packet).wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Never the code of the smallest negative sample, which has two.
        ((state >> 24) as u8) | 0x80
    };
    (0..160).map(|_| next()).collect()
}

/// Talks for so many packets, one each 20 ms; gives what was heard meanwhile.
fn talk(sound: &UdpSocket, to: SocketAddr, packets: u16) -> Vec<Vec<u8>> {
    sound.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    let (begun, mut heard) = (Instant::now(), Vec::new());
    for n in 0..packets {
        let mut packet = vec![0x80, 8];
        packet.extend(n.to_be_bytes());
        packet.extend((u32::from(n) * 160).to_be_bytes());
        packet.extend([1, 2, 3, 4]);
        packet.extend(noise(n));
        sound.send_to(&packet, to).unwrap();
        while begun.elapsed() < Duration::from_millis(20) * (u32::from(n) + 1) {
            let mut buffer = [0; 400];
            if let Ok((count, _)) = sound.recv_from(&mut buffer) {
                heard.push(buffer[12..count].to_vec());
            }
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voice_agent_hears_the_caller_and_is_heard() {
    let world = World::start().await;
    let (listener, at) = listener().await;
    furnish(&world, &format!("ws://{at}/calls"), "127.0.0.1").await;
    let agent: JoinHandle<String> = tokio::spawn(async move {
        let hello = sends_back(accept(&listener).await).await;
        // The next one breaks off in the middle of a frame.
        let mut ws = accept(&listener).await;
        let _hello = ws.next().await;
        ws.get_mut().write_all(&[0x82, 126, 0x01, 0x40, 1, 2, 3]).await.unwrap();
        hello
    });
    let mut alice = world.phone("alice").await;
    let sound = phone::sound();
    alice.invite("105", &sound);
    let answered = alice.expect("SIP/2.0 200");
    alice.ack(&answered);
    let heard = talk(&sound, phone::sound_address(&answered), 250);
    let came = |n: &u16| heard.contains(&noise(*n));
    let whole = (0..200_u16).filter(came).count();
    assert!(whole > 100, "of the first 200 packets {whole} came back as they were; {} came", heard.len());
    let bye = alice.expect("BYE ");
    alice.answer(&bye, "200 OK", None);
    // It breaks off: the script knows, and the caller hears the busy tone instead of nothing.
    alice.invite("105", &sound);
    let answered = alice.expect("SIP/2.0 200");
    alice.ack(&answered);
    let tone = talk(&sound, phone::sound_address(&answered), 100);
    assert!(tone.len() > 20, "the busy tone: {}", tone.len());
    let hello = timeout(PATIENCE, agent).await.expect("the agent ends").unwrap();
    let hello: serde_json::Value = serde_json::from_str(&hello).unwrap();
    assert_eq!((&hello["event"], &hello["rate"], &hello["channels"]), (&"hello".into(), &8_000.into(), &1.into()));
    assert_eq!((&hello["note"], &hello["encoding"]), (&"of the test".into(), &"pcm_s16le".into()));
    world.handle.drain(NOW).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_granted_is_never_spoken_to() {
    let world = World::start().await;
    let (listener, at) = listener().await;
    furnish(&world, &format!("ws://{at}/calls"), "agent.example.com").await;
    let mut alice = world.phone("alice").await;
    let sound = phone::sound();
    alice.invite("105", &sound);
    let answered = alice.expect("SIP/2.0 200");
    alice.ack(&answered);
    assert!(talk(&sound, phone::sound_address(&answered), 50).len() > 10, "the busy tone");
    world.handle.drain(NOW).await;
    let connected = timeout(Duration::from_millis(1), listener.accept()).await;
    assert!(connected.is_err(), "it was spoken to: {connected:?}");
}
