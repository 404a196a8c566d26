//! Texts that are read aloud: by a provider over HTTP, or by `espeak-ng` where it is installed.
//!
//! The provider is asked by POST with `{"text": .., "language": .., "voice": ..}` and answers with WAV or Ogg Opus. The
//! program gets the language as an argument and the text by its standard input, no environment, and no more memory and
//! processor time than a sentence needs; its limits are set before it has anything to read.

use crate::ShellError;
use crate::sounds::{BYTES_MAX, body, failed};
use core::time::Duration;
use model::{AppError, Speech};
use reqwest::{Client, StatusCode, Url, redirect};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

/// How long a text may take to be spoken.
const PATIENCE: Duration = Duration::from_secs(15);
/// Memory of the program in bytes, its processor time in seconds.
const MEMORY_MAX: u64 = 512 << 20;
const CPU_MAX: u64 = 10;
/// Largest file of the program: it writes none, but its sound library makes one of 64 MB in memory.
const FILE_MAX: u64 = 128 << 20;
/// Programs that speak at once, and questions to a provider.
const PROGRAMS_MAX: usize = 2;
const QUESTIONS_MAX: usize = 16;

/// Who speaks, and how much of what was fetched and spoken is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct SpeechSettings {
    /// The provider; none = the program.
    pub provider: Option<String>,
    /// Sent to it as `Authorization: Bearer`.
    pub secret: Option<String>,
    /// The program, by name or path; none = no program speaks.
    pub program: Option<PathBuf>,
    /// Most bytes of prompts that were fetched or spoken and are kept on the disk.
    pub cache_bytes_max: u64,
}

impl Default for SpeechSettings {
    fn default() -> Self {
        let program = Some(PathBuf::from("espeak-ng"));
        SpeechSettings { provider: None, secret: None, program, cache_bytes_max: 256 << 20 }
    }
}

impl core::fmt::Debug for SpeechSettings {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let SpeechSettings { provider, program, cache_bytes_max, .. } = self;
        f.debug_struct("SpeechSettings")
            .field("provider", provider)
            .field("program", program)
            .field("cache_bytes_max", cache_bytes_max)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Voice {
    Provider { client: Client, url: Url, secret: Option<String> },
    Program(PathBuf),
    Nobody,
}

/// Whoever speaks.
#[derive(Debug)]
pub(crate) struct Speaker {
    voice: Voice,
    at_once: Semaphore,
}

impl Speaker {
    pub(crate) fn new(settings: &SpeechSettings) -> Result<Speaker, ShellError> {
        let wrong = |why: String| ShellError::System { what: "speech.url", why };
        let voice = match (&settings.provider, &settings.program) {
            (Some(url), _) => {
                let client = Client::builder()
                    .redirect(redirect::Policy::none())
                    .timeout(PATIENCE)
                    .user_agent(concat!("strowger/", env!("CARGO_PKG_VERSION")));
                Voice::Provider {
                    client: client.build().map_err(|e| wrong(e.to_string()))?,
                    url: Url::parse(url).map_err(|e| wrong(e.to_string()))?,
                    secret: settings.secret.clone(),
                }
            }
            (None, Some(program)) => Voice::Program(program.clone()),
            (None, None) => Voice::Nobody,
        };
        let at_once = if matches!(voice, Voice::Provider { .. }) { QUESTIONS_MAX } else { PROGRAMS_MAX };
        Ok(Speaker { voice, at_once: Semaphore::new(at_once) })
    }

    /// What the sounds of this speaker are kept under: another one sounds otherwise.
    pub(crate) fn name(&self) -> String {
        match &self.voice {
            Voice::Provider { url, .. } => format!("spoken by {url}"),
            Voice::Program(program) => format!("spoken by {}", program.display()),
            Voice::Nobody => "spoken by nobody".to_owned(),
        }
    }

    /// A file of the text, read aloud.
    pub(crate) async fn speak(&self, speech: &Speech) -> Result<Vec<u8>, AppError> {
        let _place = self.at_once.acquire().await.map_err(|_| nobody("it has ended"))?;
        match &self.voice {
            Voice::Provider { client, url, secret } => {
                let mut request = client.post(url.clone()).json(speech);
                if let Some(secret) = secret {
                    request = request.bearer_auth(secret);
                }
                let mut answer = request.send().await.map_err(|e| failed("speech", &e))?;
                if answer.status() != StatusCode::OK {
                    return Err(nobody(&format!("the provider's answer is {}", answer.status())));
                }
                body(&mut answer).await
            }
            Voice::Program(program) => {
                tokio::time::timeout(PATIENCE, run(program, speech)).await.map_err(|_| AppError::Timeout)?
            }
            Voice::Nobody => Err(nobody("this switch has no provider and no program that speaks")),
        }
    }
}

fn nobody(why: &str) -> AppError {
    AppError::Unavailable(format!("prompt speech: {why}"))
}

/// What the program says. It dies with whoever waits for it.
async fn run(program: &Path, speech: &Speech) -> Result<Vec<u8>, AppError> {
    // A voice of its own is a variant of the language: `en+f3`.
    let voice = match &speech.voice {
        Some(voice) => format!("{}+{voice}", speech.language),
        None => speech.language.clone(),
    };
    let refused = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            return nobody("espeak-ng is not installed, and no provider is configured (speech.url)");
        }
        nobody(&format!("the program cannot be run: {error}"))
    };
    let mut child = Command::new(program)
        .args(["-v", &voice, "-b", "1", "--stdin", "--stdout"])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(refused)?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // Nobody's limits are one's own.
    let pid = Some(pid.ok_or_else(|| nobody("the program ended at once"))?);
    for (what, most) in [(Resource::As, MEMORY_MAX), (Resource::Cpu, CPU_MAX), (Resource::Fsize, FILE_MAX)] {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        prlimit(pid, what, limit).map_err(|e| refused(e.into()))?;
    }
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else { return Err(nobody("it has no pipes")) };
    let text = speech.text.as_bytes();
    let tell = async move {
        // One that ended early says so by its status.
        let _closed = stdin.write_all(text).await;
        let _closed = stdin.shutdown().await;
    };
    let mut bytes = Vec::new();
    let mut stdout = stdout.take(BYTES_MAX as u64 + 1);
    let ((), read) = tokio::join!(tell, stdout.read_to_end(&mut bytes));
    read.map_err(refused)?;
    if bytes.len() > BYTES_MAX {
        return Err(AppError::LimitExceeded("prompt-bytes".to_owned()));
    }
    let status = child.wait().await.map_err(refused)?;
    if !status.success() || bytes.is_empty() {
        return Err(nobody(&format!("the program ended with {status}: does it know the voice {voice}?")));
    }
    Ok(bytes)
}
