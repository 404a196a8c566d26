//! `plugin run`: a plugin's folder on a switch of its own, for as long as it lasts.
//!
//! The switch is a whole one with its database in a temporary folder: a brand, a company, two accounts, and 100 for a call
//! app. Each change of the sources is built, installed and bound as an operator would do it, by the API; a build that fails
//! is told, and what was bound goes on. What the plugin logs, and what became of each call, is told as it comes.

mod tell;
mod watch;

use crate::client::{ClientFile, Remote};
use crate::demo::{self, DOMAIN};
use crate::exit::Failure;
use crate::logs::Gate;
use crate::node::Opened;
use crate::serve::operator_token;
use bundle::{Bundle, MANIFEST};
use reqwest::Method;
use serde_json::{Map, Value, json};
use shell::Handle;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tell::say;
use tokio::time::Instant;
use watch::Sources;

/// What its log says unless `RUST_LOG` says otherwise: the plugin's own lines are told here.
pub(crate) const LOG: &str = "warn,plugin::guest=off";
/// The phones.
const PHONES: [&str; 2] = ["1001", "1002"];
/// What is dialled to reach a call app.
const APP_NUMBER: &str = "100";
/// Before whatever else may be bound.
const PRIORITY: i32 = 10;
/// Builds of one version that are told apart.
const BUILDS_MAX: usize = 10_000;
/// The file of the folder that holds the configuration where none is named.
const CONFIG: &str = "config.json";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The plugin's folder.
    pub(crate) dir: PathBuf,
    /// The SIP address.
    pub(crate) sip: SocketAddr,
    /// The HTTP address.
    pub(crate) http: SocketAddr,
    /// The plugin's configuration: JSON text, or `@FILE`.
    pub(crate) config: Option<String>,
    /// The file with its secrets.
    pub(crate) secrets: Option<PathBuf>,
}

/// A folder that goes with whoever made it.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Scratch, Failure> {
        let mut name = [0; 8];
        getrandom::fill(&mut name).map_err(|e| Failure::start(format!("no randomness: {e}")))?;
        let name = format!("strowger-run-{:016x}", u64::from_le_bytes(name));
        // Made by the node, for its owner only.
        Ok(Scratch(std::env::temp_dir().join(name)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Folder, port or database, in one sentence.
pub(crate) async fn run(plan: Plan, gate: &Gate) -> Result<(), Failure> {
    let dir = plan.dir.canonicalize().map_err(|e| Failure::start(format!("{}: {e}", plan.dir.display())))?;
    let manifest = dir.join(MANIFEST);
    if !manifest.is_file() {
        return Err(Failure::start(format!("{} is not there: is this a plugin's folder?", manifest.display())));
    }
    let data = Scratch::make()?;
    let config = demo::config(&data.0, plan.sip, plan.http)?;
    let opened = Opened::open(&config).await?;
    let token = operator_token(&opened, &config).await?;
    let node = opened.start(&config, crate::prompts::prompts()).await?;
    let file = ClientFile { url: node.url(), token: token.clone(), company: None }.write(&data.0)?;
    let remote = Remote::at(&node.url(), token, None, false)?;
    gate.open();
    let desk =
        Desk { switch: node.switch().clone(), remote, plan: Plan { dir, ..plan }, brand: 0, company: 0, last: None };
    let about = About { sip: node.sip(), url: node.url(), client: file };
    // Beside the node, which listens for signals from now on.
    let (failed, fails) = tokio::sync::oneshot::channel();
    let working = tokio::spawn(async move {
        if let Err(failure) = desk.work(&about).await {
            let _ = failed.send(failure);
        }
    });
    let done = tokio::select! {
        done = node.run(false) => done,
        Ok(failure) = fails => Err(failure),
    };
    working.abort();
    done
}

/// Where the switch is.
struct About {
    sip: Vec<String>,
    url: String,
    client: PathBuf,
}

/// What is bound now.
struct Bound {
    /// How many builds there were.
    build: usize,
    /// The plugin's id, and that of the one before.
    plugin: i64,
    before: Option<i64>,
    /// Bindings by their points.
    bindings: BTreeMap<String, i64>,
}

/// Everything that is worked with.
struct Desk {
    switch: Handle,
    remote: Remote,
    plan: Plan,
    brand: i64,
    company: i64,
    last: Option<Bound>,
}

impl Desk {
    /// Sets the tenant up, and then builds and swaps for ever.
    async fn work(mut self, about: &About) -> Result<(), Failure> {
        let phones = self.furnish().await?;
        tell::ready(about, &self.plan.dir, &phones);
        tell::calls(self.switch.clone(), self.remote.clone());
        let mut sources = Sources::look(&self.plan.dir);
        loop {
            if let Err(failure) = self.build_and_swap().await {
                let stays = self
                    .last
                    .as_ref()
                    .map_or("nothing is bound yet".to_owned(), |last| format!("build {} goes on", last.build));
                say(&format!("Build failed, {stays}: {}", failure.sentence()));
            }
            let now = sources.change(&self.plan.dir).await;
            say(&format!("{} changed.", now.first_difference(&sources, &self.plan.dir)));
            sources = now;
        }
    }

    /// A brand, a company, two accounts; gives user names and passwords.
    async fn furnish(&mut self) -> Result<Vec<(String, String)>, Failure> {
        let write = |path: &'static str, body: Value| {
            let remote = self.remote.clone();
            async move { remote.write(Method::POST, path, &body).await }
        };
        let brand = write("/brands", json!({ "name": "dev", "default_verdict": "extensions" })).await?;
        self.brand = id(&brand)?;
        let company = write("/companies", json!({ "brand": self.brand, "name": "dev", "domain": DOMAIN })).await?;
        self.company = id(&company)?;
        let mut phones = Vec::new();
        for phone in PHONES {
            let body = json!({ "company": self.company, "username": phone, "display_name": format!("Phone {phone}") });
            let made = write("/accounts", body).await?;
            let password = made["password"].as_str().unwrap_or_default().to_owned();
            let target = json!({ "kind": "account", "name": phone });
            write("/extensions", json!({ "company": self.company, "number": phone, "target": target })).await?;
            phones.push((phone.to_owned(), password));
        }
        Ok(phones)
    }

    /// Builds the folder and puts what comes of it in place of what was there.
    async fn build_and_swap(&mut self) -> Result<(), Failure> {
        let build = self.last.as_ref().map_or(1, |last| last.build + 1);
        let began = Instant::now();
        let dir = self.plan.dir.clone();
        let made = tokio::task::spawn_blocking(move || built(&dir, build)).await.map_err(Failure::start)??;
        let took = began.elapsed();
        let began = Instant::now();
        // Held until it is bound: it is compiled once.
        let artifact = self.switch.compile(made.component().to_vec()).await.map_err(Failure::refused)?;
        let compiled = began.elapsed();
        let points: Vec<&str> = artifact.points().iter().map(|point| point.name()).collect();
        let (config, secrets) = (self.config()?, self.secrets()?);
        let bytes = made.pack().map_err(Failure::refused)?;
        let began = Instant::now();
        let bindings = self.swap(bytes, &points, &config, secrets.as_ref(), build).await?;
        let swapped = began.elapsed();
        drop(artifact);
        say(&format!(
            "Build {build} of {} is live for {}: built in {} ms, compiled in {} ms, swapped in {} ms.",
            made.manifest().id,
            points.join(", "),
            took.as_millis(),
            compiled.as_millis(),
            swapped.as_millis()
        ));
        for (_, binding) in bindings {
            tell::log(&self.switch, model::BindingId(binding));
        }
        Ok(())
    }

    /// Installs a bundle and binds it; gives the bindings that are new.
    async fn swap(
        &mut self,
        bytes: Vec<u8>,
        points: &[&str],
        config: &Value,
        secrets: Option<&Value>,
        build: usize,
    ) -> Result<Vec<(String, i64)>, Failure> {
        let plugin = self.remote.upload("/plugins", &[], bytes).await?;
        let number = id(&plugin)?;
        if plugin.get("asks").is_some_and(Value::is_object) {
            // It is its author's own switch: what it asks for it has.
            let _ = self.remote.write(Method::PUT, &format!("/plugins/{number}/grants"), &plugin["asks"]).await?;
        }
        let name = plugin["name"].as_str().unwrap_or_default();
        let mut bindings = self.last.as_ref().map(|last| last.bindings.clone()).unwrap_or_default();
        let mut new = Vec::new();
        for point in points {
            let body = Map::from_iter([
                ("brand".to_owned(), json!(self.brand)),
                ("name".to_owned(), json!(binding_name(name, point, points))),
                ("point".to_owned(), json!(point)),
                ("plugin".to_owned(), json!(number)),
                ("priority".to_owned(), json!(PRIORITY)),
                ("config".to_owned(), config.clone()),
            ]);
            let bound = id(&self.remote.write(Method::PUT, "/bindings", &Value::Object(body)).await?)?;
            if let Some(secrets) = secrets {
                self.remote.write(Method::PUT, &format!("/bindings/{bound}/secrets"), secrets).await?;
            }
            if bindings.insert((*point).to_owned(), bound).is_none() {
                new.push(((*point).to_owned(), bound));
                if *point == "call/app" {
                    self.lead_to(binding_name(name, point, points)).await?;
                }
            }
        }
        self.forget(&mut bindings, points).await?;
        let before = self.last.take();
        // What nothing can be rolled back to any more.
        if let Some(gone) = before.as_ref().and_then(|last| last.before).filter(|gone| *gone != number) {
            let _ = self.remote.write(Method::DELETE, &format!("/plugins/{gone}"), &Value::Null).await;
        }
        let before = before.map(|last| last.plugin);
        self.last = Some(Bound { build, plugin: number, before, bindings });
        Ok(new)
    }

    /// Unbinds what this build serves no more.
    async fn forget(&self, bindings: &mut BTreeMap<String, i64>, points: &[&str]) -> Result<(), Failure> {
        let gone: Vec<String> = bindings.keys().filter(|point| !points.contains(&point.as_str())).cloned().collect();
        for point in gone {
            if let Some(binding) = bindings.remove(&point) {
                self.remote.write(Method::DELETE, &format!("/bindings/{binding}"), &Value::Null).await?;
            }
        }
        Ok(())
    }

    /// A number for a call app.
    async fn lead_to(&self, app: String) -> Result<(), Failure> {
        let target = json!({ "kind": "app", "name": app });
        let body = json!({ "company": self.company, "number": APP_NUMBER, "target": target });
        let made = self.remote.write(Method::POST, "/extensions", &body).await;
        // It leads there already where the app went and came back.
        made.map(drop).or(Ok(()))
    }

    fn config(&self) -> Result<Value, Failure> {
        let own = self.plan.dir.join(CONFIG);
        match &self.plan.config {
            Some(given) => crate::client::read_json("configuration", given),
            None if own.is_file() => crate::client::read_json("configuration", &format!("@{}", own.display())),
            None => Ok(json!({})),
        }
    }

    fn secrets(&self) -> Result<Option<Value>, Failure> {
        let read = |file: &PathBuf| crate::client::read_json("file with secrets", &format!("@{}", file.display()));
        self.plan.secrets.as_ref().map(read).transpose()
    }
}

/// A call app, or the only point, has the plugin's name; the others say what they are.
fn binding_name(plugin: &str, point: &str, points: &[&str]) -> String {
    let first = points.contains(&"call/app").then_some("call/app").or(points.first().copied());
    let last = point.rsplit('/').next().unwrap_or(point);
    if Some(point) == first { plugin.to_owned() } else { format!("{plugin}-{last}") }
}

fn id(made: &Value) -> Result<i64, Failure> {
    made["id"].as_i64().ok_or_else(|| Failure::refused("the switch's answer is not understood"))
}

/// A version that no other build has: versions are three numbers, and the last says which build it is.
fn version_of(version: &str, build: usize) -> String {
    let (rest, patch) = version.rsplit_once('.').unwrap_or((version, "0"));
    let patch = patch.parse::<usize>().unwrap_or_default().saturating_mul(BUILDS_MAX);
    format!("{rest}.{}", patch.saturating_add(build % BUILDS_MAX))
}

/// The folder's bundle, under a version that no other build has.
fn built(dir: &Path, build: usize) -> Result<Bundle, Failure> {
    let component = crate::author::component(dir)?;
    let path = dir.join(MANIFEST);
    let text = std::fs::read_to_string(&path).map_err(|e| Failure::start(format!("{}: {e}", path.display())))?;
    let bundle = crate::author::pack(dir, component)?;
    let version = version_of(&bundle.manifest().version, build);
    let mut manifest: toml::Table = toml::from_str(&text).map_err(Failure::refused)?;
    manifest.insert("version".to_owned(), toml::Value::String(version));
    let mut files: BTreeMap<String, Vec<u8>> =
        bundle.folder("").map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).collect();
    files.insert(MANIFEST.to_owned(), manifest.to_string().into_bytes());
    Bundle::of(files).map_err(Failure::refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_build_has_a_version_of_its_own() {
        assert_eq!([version_of("0.1.0", 1), version_of("0.1.0", 12)], ["0.1.1", "0.1.12"]);
        assert_eq!([version_of("0.1.1", 1), version_of("2.0.3", 4)], ["0.1.10001", "2.0.30004"]);
    }

    #[test]
    fn an_app_has_the_plugins_name() {
        let points = ["hooks/feature", "call/app"];
        assert_eq!(points.map(|point| binding_name("queue", point, &points)), ["queue-feature", "queue"]);
        assert_eq!(binding_name("lucky", "routing/router", &["routing/router"]), "lucky");
    }
}
