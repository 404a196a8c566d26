//! A bucket by its wire: a store that checks each signature by itself, fails as it is told, and forgets nothing.

use super::*;
use crate::Clock;
use crate::bucket::BucketSettings;
use crate::encoding::tests::Bed;
use aws_lc_rs::{digest, hmac};
use core::net::SocketAddr;
use model::RecordingRules;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use store::{OpContext, Page};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECRET: &str = "a secret/of+forty characters, more or less";
const KEY_ID: &str = "AKTEST";

/// What the store does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mood {
    Well,
    Busy,
    /// It keeps less than it was sent, and says so when it is asked.
    Loses,
    /// It tells a sum that is not that of what was sent.
    Miscounts,
    /// It hangs up in the middle of the body.
    HangsUp,
    Denies,
}

#[derive(Default)]
struct Shelf {
    objects: Mutex<BTreeMap<String, (Vec<u8>, String)>>,
    moods: Mutex<VecDeque<Mood>>,
    /// Method, path and status of each request.
    asked: Mutex<Vec<(String, String, u16)>>,
}

struct Asked {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The signature worked out from what came over the wire, with another library than the client's.
fn is_signed(asked: &Asked) -> bool {
    let said = &asked.headers["authorization"];
    let field = |name: &str| said.split([' ', ',']).find_map(|f| f.trim().strip_prefix(name)).unwrap().to_owned();
    let (credential, names, signature) = (field("Credential="), field("SignedHeaders="), field("Signature="));
    let (key, scope) = credential.split_once('/').unwrap();
    let header = |name: &str| format!("{name}:{}\n", asked.headers[name]);
    let headers: String = names.split(';').map(header).collect();
    let sum = &asked.headers["x-amz-content-sha256"];
    let canonical = format!("{}\n{}\n\n{headers}\n{names}\n{sum}", asked.method, asked.path);
    let of = |text: &[u8]| hex(digest::digest(&digest::SHA256, text).as_ref());
    let date = &asked.headers["x-amz-date"];
    let told = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", of(canonical.as_bytes()));
    let mut secret = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        secret = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), part.as_bytes()).as_ref().to_vec();
    }
    let ours = hex(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), told.as_bytes()).as_ref());
    let always = ["host", "x-amz-content-sha256", "x-amz-date"];
    key == KEY_ID
        && scope.ends_with("/eu-test-1/s3/aws4_request")
        && scope.starts_with(&date[..8])
        && always.iter().all(|name| names.split(';').any(|n| n == *name))
        && ours == signature
}

impl Shelf {
    async fn serve(self: Arc<Shelf>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let shelf = Arc::clone(&self);
                tokio::spawn(async move { shelf.talk(connection).await });
            }
        });
        at
    }

    async fn talk(&self, mut connection: TcpStream) {
        let mut bytes = Vec::new();
        loop {
            while !bytes.windows(4).any(|w| w == b"\r\n\r\n") {
                if connection.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
            let head = String::from_utf8(bytes.drain(..end).collect()).unwrap();
            let mut lines = head.lines();
            let mut first = lines.next().unwrap().split(' ').map(str::to_owned);
            let (method, path) = (first.next().unwrap(), first.next().unwrap());
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length: usize = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
            let mood = match method.as_str() {
                "PUT" => self.moods.lock().unwrap().pop_front().unwrap_or(Mood::Well),
                _ => Mood::Well,
            };
            // However much of the body came with its head.
            while mood == Mood::HangsUp || bytes.len() < length {
                if mood == Mood::HangsUp || connection.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    self.asked.lock().unwrap().push((method, path, 0));
                    return;
                }
            }
            let asked = Asked { method, path, headers, body: bytes.drain(..length).collect() };
            let (status, more, body) = self.answer(&asked, mood);
            self.asked.lock().unwrap().push((asked.method.clone(), asked.path.clone(), status));
            let length =
                if asked.method == "HEAD" { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            let head = format!("HTTP/1.1 {status} -\r\n{length}{more}\r\n");
            let all = [head.into_bytes(), if asked.method == "HEAD" { Vec::new() } else { body }].concat();
            if connection.write_all(&all).await.is_err() {
                return;
            }
        }
    }

    fn answer(&self, asked: &Asked, mood: Mood) -> (u16, String, Vec<u8>) {
        let why =
            |status, code: &str| (status, String::new(), format!("<Error><Code>{code}</Code></Error>").into_bytes());
        if !is_signed(asked) {
            return why(403, "SignatureDoesNotMatch");
        }
        match mood {
            Mood::Busy => return why(503, "SlowDown"),
            Mood::Denies => return why(403, "AccessDenied"),
            Mood::Well | Mood::Loses | Mood::Miscounts | Mood::HangsUp => {}
        }
        if asked.headers["x-amz-content-sha256"] != hex(digest::digest(&digest::SHA256, &asked.body).as_ref()) {
            return why(400, "XAmzContentSHA256Mismatch");
        }
        let mut objects = self.objects.lock().unwrap();
        let found = objects.get(&asked.path).cloned();
        match asked.method.as_str() {
            "PUT" => {
                let sum = asked.headers["x-amz-checksum-sha256"].clone();
                let mut kept = asked.body.clone();
                if mood == Mood::Loses {
                    kept.pop();
                }
                objects.insert(asked.path.clone(), (kept, asked.headers["content-type"].clone()));
                let told = if mood == Mood::Miscounts { "AAAA" } else { &sum };
                (200, format!("x-amz-checksum-sha256: {told}\r\n"), Vec::new())
            }
            "DELETE" => {
                objects.remove(&asked.path);
                (204, String::new(), Vec::new())
            }
            "HEAD" => match found {
                Some((bytes, _)) => (200, format!("content-length: {}\r\n", bytes.len()), Vec::new()),
                None => (404, String::new(), Vec::new()),
            },
            _ => found.map_or_else(|| why(404, "NoSuchKey"), |(bytes, _)| (200, String::new(), bytes)),
        }
    }

    fn statuses(&self, of: &str) -> Vec<u16> {
        self.asked.lock().unwrap().iter().filter(|a| a.0 == of).map(|a| a.2).collect()
    }
}

/// A node with a bucket.
async fn with_bucket(secret: &str) -> (Bed, Arc<Shelf>) {
    let (mut bed, shelf) = (Bed::new().await, Arc::<Shelf>::default());
    let at = Arc::clone(&shelf).serve().await;
    let settings = BucketSettings {
        endpoint: format!("http://{at}"),
        region: "eu-test-1".to_owned(),
        bucket: "sounds".to_owned(),
        prefix: "switch 1/".to_owned(),
        key_id: KEY_ID.to_owned(),
        secret: secret.to_owned(),
        ca: None,
    };
    bed.archive = Archive::new(bed.archive.root().to_owned(), Some(&settings), Clock::anchored()).unwrap();
    (bed, shelf)
}

impl Bed {
    /// What a process does from its start until nothing waits, or it gave up for now.
    async fn upload(&self) {
        let (_running, mut stop) = watch::channel(false);
        tidy(&self.archive, &self.db).await.unwrap();
        upload_waiting((&self.archive, self.archive.bucket().unwrap()), &self.db, &mut stop).await.unwrap();
    }

    async fn row(&self, n: u64) -> Recording {
        self.db.recordings().named(&format!("call-0-{n}")).await.unwrap().unwrap()
    }

    /// The sound as the API gives it.
    async fn fetch(&self, id: i64) -> io::Result<Vec<u8>> {
        let (recording, mut sound) = self.archive.open(&self.db, &OpContext::platform(), id).await.unwrap();
        assert_eq!(sound.length(), recording.bytes);
        let mut all = Vec::new();
        while let Some(piece) = sound.next().await? {
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_goes_to_the_bucket_and_comes_back_as_it_was() {
    let (bed, shelf) = with_bucket(SECRET).await;
    bed.record(1).await;
    bed.upload().await;
    assert!(shelf.objects.lock().unwrap().is_empty(), "it is not Opus yet");
    bed.encode().await;
    let file = std::fs::read(bed.archive.file(&bed.row(1).await, RecordingFormat::Opus)).unwrap();
    bed.upload().await;
    let row = bed.row(1).await;
    let key = format!("/sounds/switch%201/{}/call-0-1.opus", bed.company.0);
    let kept = shelf.objects.lock().unwrap().get(&key).cloned().unwrap();
    assert_eq!((row.place, kept), (RecordingPlace::Bucket, (file.clone(), "audio/ogg; codecs=opus".to_owned())));
    assert_eq!(bed.files(), Vec::<String>::new(), "nothing stays at the node");
    assert_eq!(bed.fetch(row.id).await.unwrap(), file);
    // Somebody has changed it there: whoever fetches it is not given all of it.
    shelf.objects.lock().unwrap().get_mut(&key).unwrap().0[100] ^= 1;
    assert!(bed.fetch(row.id).await.unwrap_err().to_string().contains("not what was put there"));
    // Retention reaches into the bucket.
    let ctx = OpContext::platform();
    let mut company = bed.db.companies().get(&ctx, bed.company).await.unwrap();
    company.rules.recording = RecordingRules { days: Some(1), ..RecordingRules::default() };
    bed.db.companies().update(&ctx, &company).await.unwrap();
    let now = model::Instant::from_unix_nanos(3 * 86_400 * 1_000_000_000);
    crate::recordings::sweep_all(&bed.archive, &bed.db, now).await.unwrap();
    assert!(shelf.objects.lock().unwrap().is_empty());
    assert_eq!(bed.db.recordings().list(&ctx, (None, None), Page::first()).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_fails_is_asked_again_until_it_has_all() {
    let (bed, shelf) = with_bucket(SECRET).await;
    bed.wants(RecordingFormat::Wav).await;
    bed.record(1).await;
    shelf.moods.lock().unwrap().extend([Mood::Busy, Mood::HangsUp, Mood::Miscounts, Mood::Loses, Mood::Busy]);
    let file = std::fs::read(bed.archive.file(&bed.row(1).await, RecordingFormat::Wav)).unwrap();
    bed.upload().await;
    assert_eq!(shelf.statuses("PUT"), [503, 0, 200, 200, 503, 200]);
    assert_eq!(shelf.statuses("HEAD"), [200, 200], "what is told wrongly at once is not looked at");
    assert_eq!(bed.row(1).await.place, RecordingPlace::Bucket);
    assert_eq!(bed.fetch(bed.row(1).await.id).await.unwrap(), file);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_while_it_uploads_leaves_nothing_twice_and_nothing_lost() {
    let (bed, shelf) = with_bucket(SECRET).await;
    bed.wants(RecordingFormat::Wav).await;
    let (first, second) = (bed.record(1).await, bed.record(2).await);
    let files = [&first, &second].map(|r| std::fs::read(bed.archive.file(r, RecordingFormat::Wav)).unwrap());
    // The first was put, and its row did not know yet; the second's row knew, and its file had to go.
    let bucket = bed.archive.bucket().unwrap();
    for row in [&first, &second] {
        let (key, file) = (Archive::key(row), bed.archive.file(row, RecordingFormat::Wav));
        bucket.put((&key, "audio/wav"), &file, (row.bytes, &row.sha256)).await.unwrap();
    }
    assert!(bed.db.recordings().uploaded(second.id, &second.sha256).await.unwrap());
    bed.upload().await;
    assert_eq!(bed.files(), Vec::<String>::new());
    for (n, file) in [(1, &files[0]), (2, &files[1])] {
        let row = bed.row(n).await;
        assert_eq!(row.place, RecordingPlace::Bucket);
        assert_eq!(bed.fetch(row.id).await.unwrap(), *file);
    }
    assert_eq!(shelf.objects.lock().unwrap().len(), 2);
    // One that is removed while it is uploaded leaves no object.
    let third = bed.record(3).await;
    let file = bed.archive.file(&third, RecordingFormat::Wav);
    let bytes = std::fs::read(&file).unwrap();
    bed.archive.remove(&bed.db, &OpContext::platform(), third.id).await.unwrap();
    std::fs::write(&file, bytes).unwrap();
    upload((&bed.archive, bucket), &bed.db, &third).await.unwrap().unwrap();
    assert_eq!((shelf.objects.lock().unwrap().len(), shelf.statuses("DELETE")), (2, vec![204]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bucket_does_not_take_stays_here() {
    let (bed, shelf) = with_bucket("another secret").await;
    bed.wants(RecordingFormat::Wav).await;
    bed.record(1).await;
    bed.record(2).await;
    bed.upload().await;
    assert_eq!(shelf.statuses("PUT"), [403], "the others are not tried either");
    assert_eq!(bed.files(), ["call-0-1.wav", "call-0-2.wav"]);
    let (well, shelf) = with_bucket(SECRET).await;
    well.wants(RecordingFormat::Wav).await;
    let (hurt, _good) = (well.record(1).await, well.record(2).await);
    // The disk has turned a bit: the sum in the request is not that of what arrives.
    let file = well.archive.file(&hurt, RecordingFormat::Wav);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[500] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    shelf.moods.lock().unwrap().push_back(Mood::Denies);
    well.upload().await;
    assert_eq!(shelf.statuses("PUT"), [403]);
    well.upload().await;
    assert_eq!(shelf.statuses("PUT"), [403, 400, 400, 400, 400, 400, 200], "one that is hurt holds up no other");
    assert_eq!([well.row(1).await.place, well.row(2).await.place], [RecordingPlace::Node, RecordingPlace::Bucket]);
    assert_eq!(well.files(), ["call-0-1.wav"]);
}
