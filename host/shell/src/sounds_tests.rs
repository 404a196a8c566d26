//! Prompts from a web server that changes, fails and goes away, and texts that are spoken.

use super::*;
use plugin::Sounds;
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What a server of one file says next, and what it was asked with.
#[derive(Default)]
struct Site {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    asked: Vec<(BTreeMap<String, String>, Vec<u8>)>,
}

async fn serve(site: Arc<Mutex<Site>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let end = loop {
                if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                    break end + 4;
                }
                if connection.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    break 0;
                }
            };
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let headers: BTreeMap<String, String> = head
                .lines()
                .filter_map(|l| l.split_once(':'))
                .map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned()))
                .collect();
            let length: usize = headers.get("content-length").map_or(0, |l| l.parse().unwrap());
            while bytes.len() < end + length && connection.read_buf(&mut bytes).await.unwrap_or(0) > 0 {}
            let answer = {
                let mut site = site.lock().unwrap();
                site.asked.push((headers, bytes[end..].to_vec()));
                let more: String = site.headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
                let head = format!(
                    "HTTP/1.1 {} -\r\nconnection: close\r\ncontent-length: {}\r\n{more}\r\n",
                    site.status,
                    site.body.len()
                );
                [head.into_bytes(), site.body.clone()].concat()
            };
            let _gone = connection.write_all(&answer).await;
        }
    });
    format!("http://{at}/hello.opus")
}

fn tone(hz: f64) -> Vec<i16> {
    (0..8_000).map(|n| ((f64::from(n) * core::f64::consts::TAU * hz / 8_000.0).sin() * 9_000.0) as i16).collect()
}

fn ogg(samples: &[i16]) -> Vec<u8> {
    let mut file = opus::OggWriter::new(Vec::new(), (8_000, 1), 1).unwrap();
    file.add(samples).unwrap();
    file.finish().unwrap()
}

fn wav(rate: u32, samples: &[i16]) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    samples.iter().for_each(|s| writer.write_sample(*s).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn alike(clip: &Clip, samples: &[i16]) -> f64 {
    let dot = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(&clip.0, samples) / (dot(&clip.0, &clip.0) * dot(samples, samples)).sqrt().max(1.0)
}

fn bringer(dir: &Path, settings: SpeechSettings) -> Bringer {
    Bringer::new(dir, &settings, Clock::anchored()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_is_fetched_once_asked_for_again_by_its_validators_and_survives_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (tone(440.0), tone(990.0));
    let site = Arc::new(Mutex::new(Site { status: 200, body: ogg(&first), ..Site::default() }));
    site.lock().unwrap().headers = vec![("etag", "\"one\"".to_owned()), ("cache-control", "max-age=100".to_owned())];
    let url = serve(Arc::clone(&site)).await;
    let bring = bringer(dir.path(), SpeechSettings::default());
    for _ in 0..2 {
        let clip = bring.fetch(url.clone(), true).await.unwrap().unwrap();
        assert!(clip.0.len() == 8_000 && alike(&clip, &first) > 0.97);
    }
    assert_eq!(site.lock().unwrap().asked.len(), 1, "the second time it is here, and fresh");
    // Another process finds it. It is no longer fresh: its server is asked whether it is still right.
    site.lock().unwrap().headers = vec![("cache-control", "no-cache".to_owned()), ("etag", "\"one\"".to_owned())];
    let of = format!("any {url}");
    let (about, bytes) = bring.0.cache.get(&of).unwrap();
    bring.0.cache.put(&About { fresh_s: 0, ..about }, &bytes).unwrap();
    drop(bring);
    let bring = bringer(dir.path(), SpeechSettings::default());
    site.lock().unwrap().status = 304;
    site.lock().unwrap().body = Vec::new();
    assert!(alike(&bring.fetch(url.clone(), true).await.unwrap().unwrap(), &first) > 0.97);
    assert_eq!(site.lock().unwrap().asked.last().unwrap().0["if-none-match"], "\"one\"");
    // It has changed.
    *site.lock().unwrap() = Site { status: 200, body: wav(8_000, &second), ..Site::default() };
    site.lock().unwrap().headers = vec![("cache-control", "no-cache".to_owned())];
    assert!(alike(&bring.fetch(url.clone(), true).await.unwrap().unwrap(), &second) > 0.99);
    // Its server fails: what was there last is heard.
    *site.lock().unwrap() = Site { status: 500, ..Site::default() };
    assert!(alike(&bring.fetch(url.clone(), true).await.unwrap().unwrap(), &second) > 0.99);
    // It is taken away: that is no failure of its server.
    site.lock().unwrap().status = 404;
    assert_eq!(bring.fetch(url.clone(), true).await.unwrap(), Err(AppError::NotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_fetched_or_played_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let site = Arc::new(Mutex::new(Site { status: 200, body: b"<html>".to_vec(), ..Site::default() }));
    let url = serve(Arc::clone(&site)).await;
    let bring = bringer(dir.path(), SpeechSettings::default());
    let by_name = url.replace("127.0.0.1", "localhost");
    assert!(matches!(bring.fetch(by_name, false).await.unwrap(), Err(AppError::Denied(_))));
    assert_eq!(site.lock().unwrap().asked.len(), 0, "nobody connected");
    let said = |answer: SoundAnswer| match answer {
        Err(AppError::Unavailable(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(said(bring.fetch(url.clone(), true).await.unwrap()).contains("not a WAV file"));
    assert!(bring.0.cache.get(&format!("any {url}")).is_none(), "it is not kept");
    site.lock().unwrap().status = 302;
    assert!(said(bring.fetch(url.clone(), true).await.unwrap()).contains("302"));
    *site.lock().unwrap() = Site { status: 200, body: vec![0; BYTES_MAX + 1], ..Site::default() };
    let too_long = Err(AppError::LimitExceeded("prompt-bytes".to_owned()));
    assert_eq!(bring.fetch(url.clone(), true).await.unwrap(), too_long);
}

#[test]
fn how_long_an_answer_is_believed() {
    for (said, seconds) in [
        (None, FRESH),
        (Some("public"), FRESH),
        (Some("public, max-age=5"), 5),
        (Some("MAX-AGE=999999999"), FRESH_MAX),
        (Some("max-age=60, no-store"), 0),
        (Some("no-cache"), 0),
    ] {
        assert_eq!(fresh(said), seconds, "{said:?}");
    }
}

fn hello(language: &str) -> Speech {
    Speech { language: language.to_owned(), voice: Some("ann".to_owned()), text: "Hello".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_speaks_each_text_once() {
    let dir = tempfile::tempdir().unwrap();
    let said = tone(700.0);
    let site = Arc::new(Mutex::new(Site { status: 200, body: wav(8_000, &said), ..Site::default() }));
    let url = serve(Arc::clone(&site)).await;
    let settings =
        SpeechSettings { provider: Some(url), secret: Some("s3cret".to_owned()), ..SpeechSettings::default() };
    assert!(!format!("{settings:?}").contains("s3cret"));
    // The second is another process, later.
    for _ in 0..2 {
        let bring = bringer(dir.path(), settings.clone());
        assert!(alike(&bring.speak(hello("en")).await.unwrap().unwrap(), &said) > 0.99);
        assert_eq!(site.lock().unwrap().asked.len(), 1);
        let (headers, body) = site.lock().unwrap().asked[0].clone();
        assert_eq!(headers["authorization"], "Bearer s3cret");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body, serde_json::json!({ "language": "en", "voice": "ann", "text": "Hello" }));
    }
    let bring = bringer(dir.path(), SpeechSettings { program: None, ..SpeechSettings::default() });
    let Err(AppError::Unavailable(why)) = bring.speak(hello("en")).await.unwrap() else { panic!() };
    assert!(why.contains("no provider and no program"), "{why}");
}

/// A program that stands for espeak-ng: it tells what it was started with.
fn program(dir: &Path, script: &str) -> SpeechSettings {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("speaks");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    SpeechSettings { program: Some(path), ..SpeechSettings::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_text_by_its_input_and_no_more_than_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let said = tone(700.0);
    std::fs::write(dir.path().join("said.wav"), wav(8_000, &said)).unwrap();
    let (told, sound) = (dir.path().join("told"), dir.path().join("said.wav"));
    // It writes no file: what it was told goes by the name of a folder.
    let script = format!(
        "t=$(/bin/cat); /bin/mkdir -p \"{}/$*/$t/$(ulimit -v)-$(ulimit -t)\"; exec /bin/cat {}",
        told.display(),
        sound.display()
    );
    let bring = bringer(dir.path(), program(dir.path(), &script));
    let text = "$(id); `id` 'x' --stdout";
    let clip = bring.speak(Speech { text: text.to_owned(), ..hello("en") }).await.unwrap().unwrap();
    assert!(alike(&clip, &said) > 0.99);
    let limits = format!("{}-10", (512 << 20) / 1024);
    assert!(told.join("-v en+ann -b 1 --stdin --stdout").join(text).join(limits).is_dir());
    for (script, why) in [("exit 3", "exit status: 3"), ("exec /bin/echo -n", "does it know the voice")] {
        let bring = bringer(dir.path(), program(dir.path(), script));
        let Err(AppError::Unavailable(said)) = bring.speak(hello(why.get(..2).unwrap())).await.unwrap() else {
            panic!()
        };
        assert!(said.contains(why), "{said}");
    }
    let absent = SpeechSettings { program: Some(dir.path().join("nobody")), ..SpeechSettings::default() };
    let Err(AppError::Unavailable(why)) = bringer(dir.path(), absent).speak(hello("de")).await.unwrap() else {
        panic!()
    };
    assert!(why.contains("espeak-ng is not installed"), "{why}");
}
