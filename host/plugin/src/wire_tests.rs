//! A line against ends of all sorts, over an in-memory connection.

use super::*;
use std::sync::Mutex;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

/// A line under way, with the shard's side and the other end in the test's hands.
struct Desk {
    tell: mpsc::Sender<ForkOut>,
    said: Arc<Mutex<Vec<ForkIn>>>,
    task: JoinHandle<()>,
}

/// `room` bytes are on their way at most: whoever does not read fills it.
fn line(room: usize) -> (Desk, DuplexStream) {
    let (ours, theirs) = duplex(room);
    let (tell, told) = mpsc::channel(1_000);
    let said = Arc::new(Mutex::new(Vec::new()));
    let wire = Wire { hello: r#"{"event":"hello"}"#.to_owned(), rate: 8_000, told, lost: Arc::default() };
    let kept = Arc::clone(&said);
    let keep = move |one| kept.lock().expect("no panic").push(one);
    let task = tokio::spawn(async move { carry(open(ours).await, wire, keep).await });
    (Desk { tell, said, task }, theirs)
}

async fn server(connection: DuplexStream) -> WebSocketStream<DuplexStream> {
    WebSocketStream::from_raw_socket(connection, Role::Server, None).await
}

impl Desk {
    async fn over(self) -> Vec<ForkIn> {
        timeout(Duration::from_secs(20), self.task).await.expect("the line ends").expect("no panic");
        core::mem::take(&mut *self.said.lock().expect("no panic"))
    }

    /// Waits until something was said, and gives all of it.
    async fn said(&self, count: usize) -> Vec<ForkIn> {
        let begun = Instant::now();
        loop {
            let said = self.said.lock().expect("no panic").clone();
            if said.len() >= count {
                return said;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "it said only {said:?}");
            tokio::task::yield_now().await;
        }
    }
}

fn last(said: &[ForkIn]) -> (&str, &str) {
    let Some(ForkIn::Over(why, note)) = said.last() else { panic!("no last word: {said:?}") };
    (why, note)
}

#[tokio::test]
async fn hello_then_sound_both_ways_and_a_farewell() {
    let (desk, theirs) = line(1 << 16);
    let mut ws = server(theirs).await;
    assert_eq!(ws.next().await.unwrap().unwrap(), Message::text(r#"{"event":"hello"}"#));
    desk.tell.send(ForkOut::Sound(vec![1, -2, 0x1234])).await.unwrap();
    assert_eq!(ws.next().await.unwrap().unwrap(), Message::binary(vec![1_u8, 0, 0xfe, 0xff, 0x34, 0x12]));
    desk.tell.send(ForkOut::Digit('5')).await.unwrap();
    assert_eq!(ws.next().await.unwrap().unwrap(), Message::text(r#"{"digit":"5","event":"dtmf"}"#));
    for text in [r#"{"event":"mark","name":"m"}"#, r#"{"event":"clear"}"#, r#"{"event":"later","x":[1]}"#] {
        ws.send(Message::text(text)).await.unwrap();
    }
    ws.send(Message::binary(vec![1_u8, 0, 0xff, 0xff])).await.unwrap();
    ws.send(Message::text(r#"{"event":"end","note":"bye"}"#)).await.unwrap();
    ws.send(Message::binary(vec![9_u8, 9])).await.unwrap();
    let said = desk.said(4).await;
    assert_eq!(
        said,
        [
            ForkIn::Mark("m".to_owned()),
            ForkIn::Clear,
            ForkIn::Sound(vec![1, -1]),
            ForkIn::Over("end", "bye".to_owned())
        ]
    );
    // The engine says when all of it was heard.
    desk.tell.send(ForkOut::Over).await.unwrap();
    assert_eq!(ws.next().await.unwrap().unwrap(), Message::text(r#"{"event":"stop"}"#));
    assert!(
        matches!(ws.next().await.unwrap().unwrap(), Message::Close(Some(frame)) if frame.code == CloseCode::Normal)
    );
    let _answered = ws.close(None).await;
    assert_eq!(desk.over().await.len(), 4, "what came after the last word means nothing");
}

#[tokio::test]
async fn who_does_not_read_loses_the_oldest_and_is_told_how_much() {
    let (desk, theirs) = line(4_096);
    let frame = |n: i16| ForkOut::Sound(vec![n; 160]);
    for n in 0..500 {
        desk.tell.send(frame(n)).await.expect("nobody waits for the other end");
    }
    let lost = |said: &[ForkIn]| -> Duration {
        said.iter().map(|s| if let ForkIn::Dropped(time) = s { *time } else { Duration::ZERO }).sum()
    };
    // Ten seconds: two wait, a few are in the pipe, the rest is gone.
    let begun = Instant::now();
    while lost(&desk.said(1).await) < FRAME * 380 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", lost(&desk.said(1).await));
        tokio::task::yield_now().await;
    }
    let mut ws = server(theirs).await;
    let (mut seen, mut told) = (Vec::new(), 0);
    while seen.last() != Some(&499) {
        let message = ws.next().await.unwrap().unwrap();
        if let Message::Binary(bytes) = &message {
            seen.push(i16::from_le_bytes([bytes[0], bytes[1]]));
        } else if let Message::Text(text) = &message
            && text.contains("dropped")
        {
            told += serde_json::from_str::<serde_json::Value>(text).unwrap()["ms"].as_u64().unwrap();
        }
    }
    assert!(seen.is_sorted() && seen.len() < 130, "{} frames came", seen.len());
    assert_eq!(told, 20 * (500 - seen.len() as u64), "all that is missing was told");
    drop(desk.tell);
}

#[tokio::test]
async fn one_that_breaks_a_rule_or_off_is_told_apart() {
    let odd = Message::binary(vec![1_u8, 2, 3]);
    let cases: [(Message, &str); 6] = [
        (odd, "samples of two bytes"),
        (Message::binary(Vec::new()), "samples of two bytes"),
        (Message::text("nonsense"), "no object"),
        (Message::text("[]"), "no object"),
        (Message::text(r#"{"event":"mark","name":""}"#), "a mark has a name"),
        (Message::text(" ".repeat(9_000)), "longer than 8 KiB"),
    ];
    for (message, why) in cases {
        let (desk, theirs) = line(1 << 17);
        let mut ws = server(theirs).await;
        ws.send(message).await.unwrap();
        let _told = timeout(Duration::from_secs(5), async { while let Some(Ok(_)) = ws.next().await {} }).await;
        drop(ws);
        let said = desk.over().await;
        assert!(last(&said).0 == "failed" && last(&said).1.contains(why), "{why}: {said:?}");
    }
    // Too long for the wire.
    let (desk, theirs) = line(1 << 20);
    let mut ws = server(theirs).await;
    ws.send(Message::binary(vec![0_u8; MESSAGE_MAX + 2])).await.unwrap();
    drop(ws);
    assert_eq!(last(&desk.over().await).0, "failed");
    // It closes as one does.
    let (desk, theirs) = line(1 << 16);
    let mut ws = server(theirs).await;
    ws.close(None).await.unwrap();
    while let Some(Ok(_)) = ws.next().await {}
    drop(ws);
    assert_eq!(last(&desk.over().await), ("closed", ""));
    // It closes because it failed.
    let (desk, theirs) = line(1 << 16);
    let mut ws = server(theirs).await;
    let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame { code: CloseCode::Error, reason: "".into() };
    ws.close(Some(frame)).await.unwrap();
    while let Some(Ok(_)) = ws.next().await {}
    drop(ws);
    assert_eq!(last(&desk.over().await), ("failed", "the other end closed with 1011"));
    // In the middle of a frame.
    let (desk, mut theirs) = line(1 << 16);
    theirs.write_all(&[0x82, 126, 0x10, 0, 1, 2, 3]).await.unwrap();
    drop(theirs);
    assert_eq!(last(&desk.over().await).0, "failed");
}

#[test]
fn a_flood_is_measured_against_the_time_that_passes() {
    let now = Instant::now();
    let mut taker = Taker::new(8_000, now);
    let second = Message::binary(vec![0_u8; 16_000]);
    let mut taken = 0;
    for _ in 0..100 {
        taken += usize::from(matches!(taker.take(second.clone(), now), Ok(Some(ForkIn::Sound(_)))));
    }
    assert_eq!(taken, 60, "so far ahead and no further");
    let later = now + Duration::from_secs(2);
    assert!(matches!(taker.take(second.clone(), later), Ok(Some(ForkIn::Sound(_)))));
    assert!(matches!(taker.take(Message::text(r#"{"event":"clear"}"#), later), Ok(Some(ForkIn::Clear))));
    assert!(matches!(taker.take(second.clone(), later), Ok(Some(ForkIn::Sound(_)))), "there is room again");
    let small = Message::binary(vec![0_u8; 2]);
    let flooded = (0..10_000).find(|_| taker.take(small.clone(), later).is_err());
    assert!((2_900..3_700).contains(&flooded.expect("it ends")), "{flooded:?}");
    // In time it may go on for ever.
    let mut taker = Taker::new(8_000, now);
    for n in 0..20_000_u64 {
        assert!(taker.take(small.clone(), now + Duration::from_millis(n * 6)).is_ok(), "{n}");
    }
}

#[test]
fn who_answers_no_ping_is_gone() {
    let now = Instant::now();
    let at = |s: u64| now + Duration::from_secs(s);
    let mut taker = Taker::new(8_000, now);
    for s in [5, 10, 15] {
        assert!(taker.look(at(s)).is_ok());
    }
    assert!(taker.take(Message::Pong(Bytes::new()), at(16)).is_ok());
    for s in [20, 25, 30] {
        assert!(taker.look(at(s)).is_ok());
    }
    assert!(taker.look(at(35)).is_err());
}
