//! A bucket of an S3-compatible store: one object for each recording, put with its sum and compared afterwards.
//!
//! Path-style requests over the HTTP client that is here anyway; whole objects only, since no recording comes near the
//! 5 GiB that one request may bring (a WAV file ends at 4 GiB).

use crate::ShellError;
use crate::clock::Clock;
use crate::sigv4::{EMPTY, Signed, Signer, encoded, hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use reqwest::{Body, Client, Method, Response, StatusCode, Url, redirect};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// How long a connection may take, and how long the store may say nothing.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
/// The slowest upload that is waited for, in bytes per second.
const SLOWEST: u64 = 50_000;
/// Bytes of a file that are read at once, and pieces that wait to be sent.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 4;
/// What is read of an answer that says why not.
const WHY_MAX: usize = 4_096;

/// Where the bucket is, and who writes there.
#[derive(Clone, PartialEq, Eq)]
pub struct BucketSettings {
    /// The store, as `https://s3.eu-central-1.amazonaws.com`.
    pub endpoint: String,
    /// Its region; stores of other makers take any.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What the names of objects begin with, as `strowger/`.
    pub prefix: String,
    /// The id of the access key.
    pub key_id: String,
    /// The access key's secret.
    pub secret: String,
    /// Certificates, PEM, of the store's authorities; none = the system's.
    pub ca: Option<PathBuf>,
}

impl core::fmt::Debug for BucketSettings {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let BucketSettings { endpoint, bucket, prefix, .. } = self;
        f.debug_struct("BucketSettings")
            .field("endpoint", endpoint)
            .field("bucket", bucket)
            .field("prefix", prefix)
            .finish_non_exhaustive()
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// It cannot be reached, is busy or fails: later it may.
    #[error("the store cannot be used now: {0}")]
    Away(String),
    /// It does not want to.
    #[error("the store refuses: {status} {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its word for it.
        code: String,
    },
    /// What it has is not what was sent.
    #[error("what the store has is not what was sent: {0}")]
    Differs(String),
    /// The file to be sent is not as its row says.
    #[error("the file cannot be sent: {0}")]
    File(#[from] io::Error),
}

fn away(error: reqwest::Error) -> BucketError {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        why = format!("{why}: {inner}");
        source = inner.source();
    }
    BucketError::Away(why)
}

/// A bucket that can be asked.
#[derive(Debug)]
pub(crate) struct Bucket {
    client: Client,
    /// Scheme and host.
    origin: String,
    /// As the request says it.
    host: String,
    /// The path of the bucket and the prefix, not encoded.
    base: String,
    signer: Signer,
    clock: Clock,
}

impl Bucket {
    pub(crate) fn new(settings: &BucketSettings, clock: Clock) -> Result<Bucket, ShellError> {
        let wrong = |why: String| ShellError::System { what: "the bucket of recordings", why };
        let url = Url::parse(&settings.endpoint).map_err(|e| wrong(format!("recordings.endpoint: {e}")))?;
        let name = url.host_str().ok_or_else(|| wrong("recordings.endpoint names no host".to_owned()))?;
        let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .user_agent(concat!("strowger/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.ca {
            let unusable = |why: String| ShellError::Path { path: path.clone(), why };
            let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| unusable(e.to_string()))?;
            client = client.tls_certs_only(roots);
        }
        Ok(Bucket {
            client: client.build().map_err(|e| wrong(e.to_string()))?,
            origin: format!("{}://{host}", url.scheme()),
            base: format!("{}/{}/{}", url.path().trim_end_matches('/'), settings.bucket, settings.prefix),
            host,
            signer: Signer {
                key_id: settings.key_id.clone(),
                secret: settings.secret.clone(),
                region: settings.region.clone(),
            },
            clock,
        })
    }

    /// A request with everything but a body.
    fn request(&self, method: Method, key: &str, (sum, more): (&str, &[(&str, &str)])) -> reqwest::RequestBuilder {
        let path = encoded(&format!("{}{key}", self.base));
        let secs = i64::try_from(self.clock.now().unix_secs()).unwrap_or_default();
        let at = jiff::Timestamp::from_second(secs).unwrap_or_default();
        let date = at.strftime("%Y%m%dT%H%M%SZ").to_string();
        let mut headers = vec![("host", self.host.as_str()), ("x-amz-content-sha256", sum), ("x-amz-date", &date)];
        headers.extend(more);
        headers.sort_unstable();
        let signed = Signed { method: method.as_str(), path: &path, headers: &headers, body: sum, date: &date };
        let authorization = self.signer.authorization(&signed);
        let mut request = self.client.request(method, format!("{}{path}", self.origin));
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            request = request.header(*name, *value);
        }
        request.header("authorization", authorization)
    }

    /// Puts a file of this size and sum (SHA-256 in hex), and looks whether it is there.
    pub(crate) async fn put(
        &self,
        (key, kind): (&str, &str),
        file: &Path,
        (bytes, sha256): (u64, &str),
    ) -> Result<(), BucketError> {
        let body = FileBody::open(file, bytes)?;
        let raw = from_hex(sha256).ok_or_else(|| BucketError::Differs("its row has no sum".to_owned()))?;
        let sum = STANDARD.encode(raw);
        let more = [("content-type", kind), ("x-amz-checksum-sha256", &sum)];
        let patience = SILENCE + Duration::from_secs(bytes / SLOWEST);
        let request = self.request(Method::PUT, key, (sha256, &more)).header("content-length", bytes).timeout(patience);
        let answer = good(request.body(Body::wrap(body)).send().await.map_err(away)?).await?;
        same_sum(&answer, &sum)?;
        let ask = [("x-amz-checksum-mode", "ENABLED")];
        let there = self.request(Method::HEAD, key, (EMPTY, &ask)).timeout(SILENCE);
        let there = good(there.send().await.map_err(away)?).await?;
        let length = header(&there, "content-length").and_then(|l| l.parse::<u64>().ok());
        if length != Some(bytes) {
            return Err(BucketError::Differs(format!("{length:?} of {bytes} bytes")));
        }
        same_sum(&there, &sum)
    }

    /// Opens an object of this size and sum.
    pub(crate) async fn get(&self, key: &str, (bytes, sha256): (u64, &str)) -> Result<Download, BucketError> {
        let answer = self.request(Method::GET, key, (EMPTY, &[])).send().await.map_err(away)?;
        let answer = good(answer).await?;
        Ok(Download { answer, left: bytes, sum: Sha256::new(), sha256: sha256.to_owned(), held: None })
    }

    /// Removes an object; one that is gone is as it should be.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let answer = self.request(Method::DELETE, key, (EMPTY, &[])).timeout(SILENCE).send().await.map_err(away)?;
        match good(answer).await {
            Ok(_) | Err(BucketError::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).and_then(|value| value.to_str().ok())
}

/// A store need not tell a sum; one that it tells must be ours.
fn same_sum(answer: &Response, sum: &str) -> Result<(), BucketError> {
    match header(answer, "x-amz-checksum-sha256") {
        Some(theirs) if theirs != sum => Err(BucketError::Differs(format!("its sum is {theirs}"))),
        Some(_) | None => Ok(()),
    }
}

async fn good(mut answer: Response) -> Result<Response, BucketError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let mut text = Vec::new();
    while let Ok(Some(more)) = answer.chunk().await
        && text.len() < WHY_MAX
    {
        text.extend_from_slice(&more);
    }
    let text = String::from_utf8_lossy(&text);
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    // Bytes that were hurt on their way may arrive whole the next time.
    let hurt = ["BadDigest", "XAmzContentSHA256Mismatch"].contains(&code.as_str());
    Err(match (status.is_server_error() || busy, hurt) {
        (true, _) => BucketError::Away(format!("{} {code}", status.as_u16())),
        (false, true) => BucketError::Differs(code),
        (false, false) => BucketError::Refused { status: status.as_u16(), code },
    })
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    (digits.len() == 64).then(|| digits.chunks_exact(2).map(byte).collect())?
}

/// A file on its way out: read by a thread, sent as the store takes it.
struct FileBody {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl FileBody {
    fn open(path: &Path, bytes: u64) -> io::Result<FileBody> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        if length != bytes {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has {length} of {bytes} bytes")));
        }
        let (to, pieces) = mpsc::channel(PIECES);
        tokio::task::spawn_blocking(move || {
            loop {
                let mut piece = vec![0; PIECE];
                let read = file.read(&mut piece).map(|read| {
                    piece.truncate(read);
                    Bytes::from(piece)
                });
                let last = read.as_ref().map_or(true, Bytes::is_empty);
                // Whoever hung up wants no more.
                if to.blocking_send(read).is_err() || last {
                    return;
                }
            }
        });
        Ok(FileBody { pieces, left: bytes })
    }
}

impl http_body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, io::Error>>> {
        let frame = core::task::ready!(self.pieces.poll_recv(context));
        Poll::Ready(match frame {
            Some(Ok(piece)) if piece.is_empty() => None,
            Some(Ok(piece)) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                Some(Ok(http_body::Frame::data(piece)))
            }
            Some(Err(error)) => Some(Err(error)),
            None => None,
        })
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.left)
    }
}

/// An object on its way in. Its last piece is given only when the sum of all of them is right.
pub(crate) struct Download {
    answer: Response,
    left: u64,
    sum: Sha256,
    sha256: String,
    held: Option<Bytes>,
}

impl core::fmt::Debug for Download {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Download").field("left", &self.left).finish_non_exhaustive()
    }
}

impl Download {
    pub(crate) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            match self.answer.chunk().await.map_err(|e| io::Error::other(away(e).to_string()))? {
                Some(more) => {
                    self.sum.update(&more);
                    let left = self.left.checked_sub(more.len() as u64);
                    self.left = left.ok_or_else(|| io::Error::other("the store sends more than was put there"))?;
                    if let Some(before) = self.held.replace(more) {
                        return Ok(Some(before));
                    }
                }
                None => {
                    let sum = hex(&core::mem::take(&mut self.sum).finalize());
                    let held = self.held.take();
                    if self.left > 0 || (held.is_some() && sum != self.sha256) {
                        return Err(io::Error::other("what the store sends is not what was put there"));
                    }
                    return Ok(held);
                }
            }
        }
    }
}
