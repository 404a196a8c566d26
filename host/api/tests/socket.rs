//! Live events by WebSocket: the same as by server-sent events, over a real connection.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::World;
use core::time::Duration;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long anything is waited for.
const LONG: Duration = Duration::from_secs(30);

/// Serves the world's API, beating so often; gives its address.
async fn served(world: &World, heartbeat: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let router = world.api.clone().beating(heartbeat).router();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    at
}

/// A client of the events.
struct Client {
    socket: TcpStream,
    head: String,
    buffer: Vec<u8>,
}

impl Client {
    async fn open(at: SocketAddr, query: &str, headers: &str) -> Client {
        let mut socket = TcpStream::connect(at).await.unwrap();
        let request = format!(
            "GET /api/v1/events{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut client = Client { socket, head: String::new(), buffer: Vec::new() };
        loop {
            if let Some(end) = client.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let rest = client.buffer.split_off(end + 4);
                client.head = String::from_utf8(core::mem::replace(&mut client.buffer, rest)).unwrap();
                return client;
            }
            assert!(client.read().await, "no answer: {:?}", String::from_utf8_lossy(&client.buffer));
        }
    }

    async fn read(&mut self) -> bool {
        let mut piece = [0; 4_096];
        let read = tokio::time::timeout(LONG, self.socket.read(&mut piece)).await.unwrap().unwrap_or(0);
        self.buffer.extend_from_slice(&piece[..read]);
        read > 0
    }

    /// The next frame: its opcode and payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let [first, second, rest @ ..] = &self.buffer[..] {
                let (head, len) = match (*second, rest) {
                    (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
                    (126, _) => (4, usize::MAX - 8),
                    (len, _) => (2, usize::from(len)),
                };
                let first = *first;
                if self.buffer.len() >= head + len {
                    let payload = self.buffer[head..head + len].to_vec();
                    self.buffer.drain(..head + len);
                    return (first & 0x0f, payload);
                }
            }
            assert!(self.read().await, "it ended without a close");
        }
    }

    async fn send(&mut self, opcode: u8, payload: &[u8]) {
        let len = u8::try_from(payload.len()).unwrap();
        let frame = [&[0x80 | opcode, 0x80 | len, 0, 0, 0, 0][..], payload].concat();
        self.socket.write_all(&frame).await.unwrap();
    }

    /// The next event; pings are answered.
    async fn event(&mut self) -> Result<Value, u16> {
        loop {
            match self.frame().await {
                (1, text) => return Ok(serde_json::from_slice(&text).unwrap()),
                (8, close) => return Err(u16::from_be_bytes([close[0], close[1]])),
                (9, payload) => self.send(10, &payload).await,
                (10, _) => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn each_hears_its_own_and_goes_on_where_it_was() {
    let world = World::new().await;
    let at = served(&world, LONG).await;
    let own = format!("Authorization: Bearer {}\r\nSec-WebSocket-Protocol: strowger-events", world.company_admins[0]);
    let mut client = Client::open(at, "", &own).await;
    let head = client.head.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    // RFC 6455 section 1.3.
    assert!(client.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    assert!(head.contains("sec-websocket-protocol: strowger-events"), "{head}");
    let begin = client.event().await.unwrap();
    assert_eq!(begin["kind"], "begin");
    for company in [2, 1, 0] {
        world.happen("call-started", company);
    }
    let heard = client.event().await.unwrap();
    assert_eq!((&heard["kind"], &heard["data"]["company"]), (&json!("call-started"), &json!(world.companies[0])));
    client.send(9, b"are you there").await;
    assert_eq!(client.frame().await, (10, b"are you there".to_vec()));
    client.send(8, &1_000_u16.to_be_bytes()).await;
    assert_eq!(client.event().await, Err(1_000));

    // A page in a browser has no header, and goes on after what it knows.
    let brand = format!("Sec-WebSocket-Protocol: strowger-events, bearer.{}", world.brand_admins[0]);
    let query = format!("?after={}", begin["id"].as_str().unwrap());
    let mut page = Client::open(at, &query, &brand).await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(page.event().await.unwrap());
    }
    let companies: Vec<&Value> = heard.iter().skip(1).map(|e| &e["data"]["company"]).collect();
    assert_eq!(companies, [&json!(world.companies[1]), &json!(world.companies[0])], "{heard:?}");
    let last =
        format!("Authorization: Bearer {}\r\nLast-Event-ID: {}", world.platform, heard[1]["id"].as_str().unwrap());
    let mut other = Client::open(at, "", &last).await;
    assert_eq!(other.event().await.unwrap()["kind"], "begin");
    assert_eq!(other.event().await.unwrap()["data"]["company"], world.companies[0]);
    for headers in ["X: y", "Sec-WebSocket-Protocol: bearer.swg_0000"] {
        assert!(Client::open(at, "", headers).await.head.contains(" 401 "), "{headers}");
    }
}

#[tokio::test]
async fn who_comes_too_late_or_reads_nothing_is_told_by_the_code_of_the_end() {
    let world = World::new().await;
    let own = format!("Authorization: Bearer {}", world.platform);
    let at = served(&world, Duration::from_millis(20)).await;
    let slow_beats = served(&world, LONG).await;
    let mut late = Client::open(slow_beats, "?after=1-1", &own).await;
    assert_eq!(late.event().await.unwrap()["kind"], "lost");
    assert_eq!(late.event().await, Err(4_429));
    // Pings that nobody answers.
    let mut silent = Client::open(at, "", &own).await;
    let code = loop {
        if let (8, close) = silent.frame().await {
            break u16::from_be_bytes([close[0], close[1]]);
        }
    };
    assert_eq!(code, 4_408);
    let mut broken = Client::open(slow_beats, "", &own).await;
    broken.event().await.unwrap();
    broken.socket.write_all(&[0x81, 0x01, b'a']).await.unwrap();
    assert_eq!(broken.event().await, Err(1_002), "a client masks what it sends");
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let world = World::new().await;
    let at = served(&world, Duration::from_secs(1)).await;
    let made = world.must("POST", "/api/v1/tokens", json!({"name": "brief", "role": "reader"})).await;
    let own = format!("Authorization: Bearer {}", made["secret"].as_str().unwrap());
    let mut client = Client::open(at, "", &own).await;
    assert_eq!(client.event().await.unwrap()["kind"], "begin");
    world.must("DELETE", &format!("/api/v1/tokens/{}", made["id"]), Value::Null).await;
    assert_eq!(client.event().await, Err(4_401));
}
