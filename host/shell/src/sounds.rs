//! Prompts that scripts name by URL or as a text: fetched or spoken, decoded beside the shards, kept on the disk.
//!
//! Whether a script may ask a URL at all, `plugin` has decided by its grants; here no address is connected to that it may
//! not have, whatever a name leads to. What was fetched is believed for as long as its answer said (a minute, unless it
//! did), then asked for again by its validators; while its server is away the old sound is good for a day.

use crate::clock::Clock;
use crate::sound_cache::{About, SoundCache, key_of};
use crate::speech::Speaker;
use crate::{ShellError, SpeechSettings, prompts};
use core::time::Duration;
use model::{AppError, Clip, Speech};
use plugin::{Guarded, NOT_PUBLIC, SoundAnswer};
use reqwest::header::{CACHE_CONTROL, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use reqwest::{Client, Response, StatusCode, redirect};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Folder of what is kept within the data folder.
const FOLDER: &str = "sounds";
/// Largest file that is fetched or spoken: ten minutes of G.711 and their header fit twice.
pub(crate) const BYTES_MAX: usize = 10 << 20;
/// How long a fetch may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a file is believed whose answer says nothing, and at most, in seconds.
const FRESH: u64 = 60;
const FRESH_MAX: u64 = 86_400;
/// How old a file may be that is played because its server is away, in seconds.
const STALE_MAX: u64 = 86_400;
/// Samples of decoded sounds that are shared by all who hear them: 16 million are half an hour, 32 MB.
const DECODED_MAX: usize = 16_000_000;
/// Sounds that are asked for at the same time wait for each other by their key, in so many lines.
const LINES: usize = 64;

/// Whoever brings prompts. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Bringer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cache: SoundCache,
    /// Reaches public addresses only, and all.
    clients: [Client; 2],
    speaker: Speaker,
    clock: Clock,
    lines: Vec<tokio::sync::Mutex<()>>,
    /// The latest last.
    decoded: Mutex<VecDeque<(String, Clip)>>,
    runtime: tokio::runtime::Handle,
}

impl Bringer {
    /// Must be called within the runtime.
    pub(crate) fn new(data_dir: &Path, settings: &SpeechSettings, clock: Clock) -> Result<Bringer, ShellError> {
        let folder = data_dir.join(FOLDER);
        let unusable = |e: std::io::Error| ShellError::Path { path: folder.clone(), why: e.to_string() };
        let cache = SoundCache::open(folder.clone(), settings.cache_bytes_max).map_err(unusable)?;
        let client = |private| {
            let client = Client::builder()
                .dns_resolver(Arc::new(Guarded::granted(private)))
                .redirect(redirect::Policy::none())
                .no_proxy()
                .timeout(PATIENCE)
                .user_agent(concat!("strowger/", env!("CARGO_PKG_VERSION")));
            client.build().map_err(|e| ShellError::System { what: "an HTTP client", why: e.to_string() })
        };
        Ok(Bringer(Arc::new(Inner {
            cache,
            clients: [client(false)?, client(true)?],
            speaker: Speaker::new(settings)?,
            clock,
            lines: (0..LINES).map(|_| tokio::sync::Mutex::new(())).collect(),
            decoded: Mutex::default(),
            runtime: tokio::runtime::Handle::current(),
        })))
    }

    fn answer(&self, work: impl Future<Output = SoundAnswer> + Send + 'static) -> oneshot::Receiver<SoundAnswer> {
        let (tell, told) = oneshot::channel();
        self.0.runtime.spawn(async move {
            let answer = work.await;
            if let Err(error @ (AppError::Unavailable(_) | AppError::Timeout)) = &answer {
                tracing::warn!(?error, "a prompt cannot be brought");
            }
            // A script that is gone needs no answer.
            let _gone = tell.send(answer);
        });
        told
    }
}

impl plugin::Sounds for Bringer {
    fn fetch(&self, url: String, private: bool) -> oneshot::Receiver<SoundAnswer> {
        let inner = Arc::clone(&self.0);
        self.answer(async move { inner.fetch(&url, private).await })
    }

    fn speak(&self, speech: Speech) -> oneshot::Receiver<SoundAnswer> {
        let inner = Arc::clone(&self.0);
        self.answer(async move { inner.speak(&speech).await })
    }
}

/// A new or confirmed answer; `None`: what is here is still right.
type Fetched = Result<(Option<Vec<u8>>, About), AppError>;

impl Inner {
    async fn fetch(self: Arc<Inner>, url: &str, private: bool) -> SoundAnswer {
        // What a private address says is not given to whoever may not ask it.
        let of = format!("{} {url}", if private { "any" } else { "public" });
        let _turn = self.line(&of).lock().await;
        let now = self.clock.now().unix_secs();
        let kept = self.kept(&of).await;
        if let Some((about, sound)) = &kept
            && now < about.checked_at.saturating_add(about.fresh_s)
        {
            return self.decoded(about, sound.clone(), false).await;
        }
        let known = kept.as_ref().map(|(about, _)| about);
        let fetched = self.ask(&of, (url, private), known).await;
        match (fetched, kept) {
            (Ok((Some(bytes), about)), _) => self.decoded(&about, bytes, true).await,
            (Ok((None, about)), Some((_, sound))) => {
                self.keep(&about, sound.clone()).await;
                self.decoded(&about, sound, false).await
            }
            (Ok((None, _)), None) => Err(AppError::Unavailable("prompt url: nothing came".to_owned())),
            (Err(error @ (AppError::Timeout | AppError::Unavailable(_))), Some((about, sound)))
                if now < about.checked_at.saturating_add(STALE_MAX) =>
            {
                tracing::warn!(?error, url, "a prompt's server is away: its last sound is played");
                self.decoded(&about, sound, false).await
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn ask(&self, of: &str, (url, private): (&str, bool), known: Option<&About>) -> Fetched {
        let [public, all] = &self.clients;
        let mut request = if private { all } else { public }.get(url);
        if let Some(etag) = known.and_then(|about| about.etag.as_ref()) {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(modified) = known.and_then(|about| about.modified.as_ref()) {
            request = request.header(IF_MODIFIED_SINCE, modified);
        }
        let mut answer = request.send().await.map_err(|e| failed("url", &e))?;
        let header = |answer: &Response, name: HeaderName| {
            answer.headers().get(name).and_then(|v| v.to_str().ok()).map(|v| v.chars().take(256).collect::<String>())
        };
        let fresh_s = fresh(header(&answer, CACHE_CONTROL).as_deref());
        let (etag, modified) = (header(&answer, ETAG), header(&answer, LAST_MODIFIED));
        let checked_at = self.clock.now().unix_secs();
        let about = About { of: of.to_owned(), etag, modified, checked_at, fresh_s };
        match (answer.status(), known) {
            (StatusCode::OK, _) => Ok((Some(body(&mut answer).await?), about)),
            (StatusCode::NOT_MODIFIED, Some(known)) => {
                let (etag, modified) = (about.etag.or(known.etag.clone()), about.modified.or(known.modified.clone()));
                Ok((None, About { etag, modified, ..about }))
            }
            (StatusCode::NOT_FOUND | StatusCode::GONE, _) => Err(AppError::NotFound),
            (status, _) => Err(AppError::Unavailable(format!("prompt url: the answer is {status}"))),
        }
    }

    async fn speak(self: Arc<Inner>, speech: &Speech) -> SoundAnswer {
        let of = format!("{} {}", self.speaker.name(), serde_json::to_string(speech).unwrap_or_default());
        let _turn = self.line(&of).lock().await;
        if let Some((about, sound)) = self.kept(&of).await {
            return self.decoded(&about, sound, false).await;
        }
        let bytes = self.speaker.speak(speech).await?;
        let about = About { of, ..About::default() };
        self.decoded(&about, bytes, true).await
    }

    fn line(&self, of: &str) -> &tokio::sync::Mutex<()> {
        let place = key_of(of).bytes().take(8).fold(0_usize, |n, b| n.wrapping_mul(31).wrapping_add(usize::from(b)));
        &self.lines[place % LINES]
    }

    async fn kept(self: &Arc<Inner>, of: &str) -> Option<(About, Vec<u8>)> {
        let (inner, of) = (Arc::clone(self), of.to_owned());
        tokio::task::spawn_blocking(move || inner.cache.get(&of)).await.ok().flatten()
    }

    async fn keep(self: &Arc<Inner>, about: &About, sound: Vec<u8>) {
        let (inner, about) = (Arc::clone(self), about.clone());
        let put = tokio::task::spawn_blocking(move || inner.cache.put(&about, &sound)).await;
        if let Ok(Err(error)) = put {
            tracing::warn!(%error, "a prompt that was fetched cannot be kept");
        }
    }

    /// The samples of a file; one that is new is kept once it was found to be sound.
    async fn decoded(self: &Arc<Inner>, about: &About, bytes: Vec<u8>, new: bool) -> SoundAnswer {
        let of = about.of.clone();
        if !new && let Some(clip) = self.shared(&of) {
            return Ok(clip);
        }
        let read = tokio::task::spawn_blocking(move || (prompts::read(&bytes), bytes)).await;
        let (read, bytes) = read.map_err(|_| AppError::Unavailable("prompt: no thread".to_owned()))?;
        let sound = read.map_err(|why| AppError::Unavailable(format!("prompt: what came cannot be played: {why}")))?;
        let clip = Clip(Arc::from(sound));
        if new {
            self.keep(about, bytes).await;
        }
        self.share(of, clip.clone());
        Ok(clip)
    }

    fn shared(&self, of: &str) -> Option<Clip> {
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        let place = decoded.iter().position(|(known, _)| known == of)?;
        let found = decoded.remove(place)?;
        decoded.push_back(found.clone());
        Some(found.1)
    }

    fn share(&self, of: String, clip: Clip) {
        let mut decoded = self.decoded.lock().unwrap_or_else(PoisonError::into_inner);
        decoded.retain(|(known, _)| *known != of);
        decoded.push_back((of, clip));
        while decoded.iter().map(|(_, clip)| clip.0.len()).sum::<usize>() > DECODED_MAX {
            decoded.pop_front();
        }
    }
}

/// How long an answer says that it may be believed (RFC 9111 section 5.2.2), in seconds.
fn fresh(control: Option<&str>) -> u64 {
    let Some(control) = control else { return FRESH };
    let mut age = FRESH;
    for word in control.split(',').map(|word| word.trim().to_ascii_lowercase()) {
        if word == "no-cache" || word == "no-store" {
            return 0;
        }
        if let Some(seconds) = word.strip_prefix("max-age=").and_then(|n| n.parse().ok()) {
            age = seconds;
        }
    }
    age.min(FRESH_MAX)
}

/// The whole of an answer.
pub(crate) async fn body(answer: &mut Response) -> Result<Vec<u8>, AppError> {
    let mut bytes = Vec::new();
    while let Some(more) = answer.chunk().await.map_err(|e| failed("prompt", &e))? {
        if bytes.len() + more.len() > BYTES_MAX {
            return Err(AppError::LimitExceeded("prompt-bytes".to_owned()));
        }
        bytes.extend_from_slice(&more);
    }
    Ok(bytes)
}

/// An error with its causes, without the URL.
pub(crate) fn failed(what: &str, error: &reqwest::Error) -> AppError {
    if error.is_timeout() {
        return AppError::Timeout;
    }
    let (mut words, mut cause) = (Vec::new(), std::error::Error::source(error));
    while let Some(inner) = cause {
        words.push(inner.to_string());
        cause = inner.source();
    }
    let words = words.join(": ");
    if words.contains(NOT_PUBLIC) {
        return AppError::Denied(format!("prompt {what}: {NOT_PUBLIC}"));
    }
    AppError::Unavailable(format!("prompt {what}: {words}"))
}

#[cfg(test)]
#[path = "sounds_tests.rs"]
mod tests;
