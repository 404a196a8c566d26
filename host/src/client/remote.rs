//! The switch at the other end: where it is, the token, one request, and its refusals in words.

use crate::cli::Remote as Args;
use crate::cli_list::{Listing, Which};
use crate::exit::Failure;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for an answer; compiling a large component takes the most.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Longest that anybody follows a log without asking again.
const STREAM_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// What `demo` and `serve` leave in their data folder for the client commands; mode 0600, for it holds a token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClientFile {
    /// `http://127.0.0.1:8080`.
    pub(crate) url: String,
    /// The platform token.
    pub(crate) token: String,
    /// The company that is meant where none is named; without it, the only one there is.
    #[serde(default)]
    pub(crate) company: Option<String>,
}

impl ClientFile {
    /// Its name in a data folder.
    pub(crate) const NAME: &'static str = "client.toml";

    /// Reads one.
    pub(crate) fn read(path: &Path) -> Result<ClientFile, Failure> {
        let fail = |why: String| Failure::start(format!("cannot use the client file {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        toml::from_str(&text).map_err(|e| fail(e.message().to_owned()))
    }

    /// Writes one into `dir`, readable by its owner only.
    pub(crate) fn write(&self, dir: &Path) -> Result<PathBuf, Failure> {
        let path = dir.join(ClientFile::NAME);
        let mut text = format!("url = {:?}\ntoken = {:?}\n", self.url, self.token);
        if let Some(company) = &self.company {
            text += &format!("company = {company:?}\n");
        }
        write_private(&path, &text)?;
        Ok(path)
    }
}

/// Writes a file with a secret in it: mode 0600 from the first byte, and swapped in whole.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |e: std::io::Error| Failure::start(format!("cannot write {}: {e}", path.display()));
    let fresh = path.with_extension("new");
    let _ = std::fs::remove_file(&fresh);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    std::fs::rename(&fresh, path).map_err(fail)
}

/// Rows that are asked for at once.
const PAGE_ROWS: usize = 500;

/// The order and the filters, as the API has them.
pub(crate) fn which<'a>(which: &'a Which, query: &mut Vec<(&'a str, String)>) -> Result<(), Failure> {
    query.extend(which.order.iter().map(|order| ("order", order.clone())));
    for filter in &which.filters {
        let (field, value) = filter
            .split_once('=')
            .ok_or_else(|| Failure::start(format!("{filter:?} is no filter: expected FIELD=VALUE, as enabled=true")))?;
        query.push((field, value.to_owned()));
    }
    Ok(())
}

/// The switch.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    url: String,
    token: String,
    client: reqwest::Client,
    /// The company that is meant where none is named.
    company: Option<String>,
    /// Print JSON.
    pub(crate) json: bool,
}

impl Remote {
    /// By flags, else environment, else the client file.
    ///
    /// # Errors
    /// When nothing says where the switch is.
    pub(crate) fn find(args: &Args) -> Result<Remote, Failure> {
        let (url, token, company) = match (&args.url, &args.token) {
            (Some(url), Some(token)) => (url.clone(), token.clone(), None),
            (url, token) => {
                let file = Remote::file(args)?;
                // Another switch, or somebody else's token, knows nothing of the file's company.
                let company = file.company.filter(|_| url.is_none() && token.is_none());
                (url.clone().unwrap_or(file.url), token.clone().unwrap_or(file.token), company)
            }
        };
        Remote::at(&url, token, company, args.json)
    }

    /// The switch at an address.
    ///
    /// # Errors
    /// What is no address of one.
    pub(crate) fn at(url: &str, token: String, company: Option<String>, json: bool) -> Result<Remote, Failure> {
        let url = url.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") {
            return Err(Failure::start(format!("{url} is no address of a switch: expected http://HOST:PORT")));
        }
        let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).no_proxy().build().map_err(Failure::start)?;
        Ok(Remote { url, token, client, company, json })
    }

    fn file(args: &Args) -> Result<ClientFile, Failure> {
        if let Some(path) = &args.client {
            return ClientFile::read(path);
        }
        let path = crate::demo::default_dir().join(ClientFile::NAME);
        if path.exists() {
            return ClientFile::read(&path);
        }
        Err(Failure::start(
            "no switch named: give --url and --token (or STROWGER_URL and STROWGER_TOKEN), or --client FILE",
        ))
    }

    /// Sends a request without a body.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, Failure> {
        self.send(self.request(reqwest::Method::GET, path, query)).await
    }

    /// Sends a request with a JSON body.
    pub(crate) async fn write(&self, method: reqwest::Method, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(self.request(method, path, &[]).json(body)).await
    }

    /// Posts bytes.
    pub(crate) async fn upload(&self, path: &str, query: &[(&str, String)], body: Vec<u8>) -> Result<Value, Failure> {
        let request = self.request(reqwest::Method::POST, path, query);
        self.send(request.header("content-type", "application/wasm").body(body)).await
    }

    /// Every item of a list, page after page, up to `limit`.
    pub(crate) async fn list(&self, path: &str, query: &[(&str, String)], limit: usize) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut query = query.to_vec();
        loop {
            let mut page = self.get(path, &query).await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            let next = page.get("next").and_then(Value::as_str).map(str::to_owned);
            match next {
                Some(next) if items.len() < limit => {
                    query.retain(|(name, _)| *name != "after");
                    query.push(("after", next));
                }
                Some(_) | None => break,
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    /// The rows of a list that are asked for, and of these only what `more` lets through.
    pub(crate) async fn listed(
        &self,
        path: &str,
        asked: &Listing,
        more: &[(&str, String)],
    ) -> Result<Vec<Value>, Failure> {
        let mut query = more.to_vec();
        if let Some(company) = &asked.company {
            query.push(("company", self.one("companies", Some(company)).await?.to_string()));
        }
        if let Some(brand) = &asked.brand {
            query.push(("brand", self.one("brands", Some(brand)).await?.to_string()));
        }
        which(&asked.which, &mut query)?;
        let limit = asked.limit.unwrap_or(usize::MAX);
        query.push(("limit", limit.clamp(1, PAGE_ROWS).to_string()));
        self.list(path, &query, limit).await
    }

    /// The row of `noun` (`companies`, `brands`) that `wanted` names by name or number; without `wanted`, the company of
    /// the client file if it is still there, else the only one.
    pub(crate) async fn one(&self, noun: &str, wanted: Option<&str>) -> Result<i64, Failure> {
        let all = self.list(&format!("/{noun}"), &[], usize::MAX).await?;
        let usual = self.company.as_deref().filter(|_| noun == "companies");
        let usual = usual.filter(|usual| all.iter().any(|item| item["name"] == *usual));
        let wanted = wanted.or(usual);
        let id = |item: &Value| item.get("id").and_then(Value::as_i64);
        let named = |item: &&Value| {
            wanted.is_none_or(|w| {
                item.get("name").and_then(Value::as_str) == Some(w) || id(item).is_some_and(|i| i.to_string() == w)
            })
        };
        let found: Vec<&Value> = all.iter().filter(named).collect();
        match (found.as_slice(), wanted) {
            ([one], _) => id(one).ok_or_else(|| Failure::refused("the switch's answer is not understood")),
            ([], Some(wanted)) => Err(Failure::refused(format!("{wanted} is not among the {noun}"))),
            ([], None) => Err(Failure::refused(format!("there are no {noun}"))),
            (several, _) => Err(Failure::start(format!("{} {noun} fit: name one by its number", several.len()))),
        }
    }

    fn request(&self, method: reqwest::Method, path: &str, query: &[(&str, String)]) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}/api/v1{path}", self.url)).bearer_auth(&self.token).query(query)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap_or(Value::Null) };
        if status.is_success() { Ok(body) } else { Err(refused(status, &body)) }
    }

    /// Fetches a file, which must not be there yet; gives its size. Where that fails none is left: half a recording must
    /// not be taken for one.
    pub(crate) async fn download(&self, path: &str, file: &Path) -> Result<u64, Failure> {
        let fail = |e: std::io::Error| Failure::start(format!("cannot write {}: {e}", file.display()));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut to = options.open(file).map_err(fail)?;
        let fetched = self.fetch(path, &mut to).await;
        let whole = fetched.and_then(|bytes| to.sync_all().map_err(fail).map(|()| bytes));
        if whole.is_err() {
            let _ = std::fs::remove_file(file);
        }
        whole
    }

    async fn fetch(&self, path: &str, to: &mut std::fs::File) -> Result<u64, Failure> {
        let request = self.request(reqwest::Method::GET, path, &[]);
        let mut response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if !status.is_success() {
            let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
            return Err(refused(status, &serde_json::from_slice(&bytes).unwrap_or(Value::Null)));
        }
        let mut count = 0;
        while let Some(piece) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            to.write_all(&piece).map_err(|e| Failure::start(format!("cannot write: {e}")))?;
            count += piece.len() as u64;
        }
        Ok(count)
    }

    /// An answer that goes on for as long as both sides like, piece by piece.
    pub(crate) async fn stream(&self, path: &str, query: &[(&str, String)]) -> Result<Stream<'_>, Failure> {
        let request = self.request(reqwest::Method::GET, path, query).timeout(STREAM_TIMEOUT);
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        if !status.is_success() {
            let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
            return Err(refused(status, &serde_json::from_slice(&bytes).unwrap_or(Value::Null)));
        }
        Ok(Stream { remote: self, response })
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let why = if error.is_timeout() {
            "it does not answer"
        } else if error.is_connect() {
            "connection refused"
        } else {
            "the connection broke"
        };
        Failure::start(format!("cannot reach the switch at {}: {why}", self.url))
    }
}

/// An answer that goes on.
pub(crate) struct Stream<'a> {
    remote: &'a Remote,
    response: reqwest::Response,
}

impl Stream<'_> {
    /// Its next piece; `None` at its end.
    ///
    /// # Errors
    /// The connection broke.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let piece = self.response.chunk().await.map_err(|e| self.remote.unreachable(&e))?;
        Ok(piece.map(|piece| piece.to_vec()))
    }
}

/// What the switch said against it.
fn refused(status: reqwest::StatusCode, body: &Value) -> Failure {
    let said = |key: &str| body.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
    let words = said("detail").or(said("title")).map_or_else(|| format!("HTTP status {status}"), str::to_owned);
    Failure::refused(format!("refused: {words}"))
}

/// `value` as JSON text for programs.
pub(crate) fn json(value: &Value) -> String {
    format!("{value:#}\n")
}
