//! PostgreSQL killed and started again under calls: they go on, no CDR is lost, and changes catch up.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use interop::{Child, Run, Sipp, Switch, free_port, until, until_or};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Calls in the test, and a second.
const CALLS: u32 = 2_500;
const RATE: u32 = 100;

/// A server of the test's own, on a socket in a folder of its own.
struct Postgres {
    bin: PathBuf,
    user: Option<(u32, u32)>,
    process: Option<Child>,
    dir: tempfile::TempDir,
}

impl Postgres {
    /// A new one that runs; `None` when `STROWGER_SKIP_POSTGRES=1` says so.
    fn new() -> Option<Postgres> {
        if std::env::var_os("STROWGER_SKIP_POSTGRES").is_some_and(|v| v == "1") {
            let _ = writeln!(std::io::stderr(), "SKIPPED: STROWGER_SKIP_POSTGRES=1");
            return None;
        }
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> =
            versions.map(|v| v.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
        found.sort();
        let bin = found.pop().expect("PostgreSQL is not installed: `cargo xtask test` installs it");
        let dir = tempfile::tempdir().unwrap();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let mut server = Postgres { bin, user, process: None, dir };
        let made = server
            .command("initdb")
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=strowger",
                "--encoding=UTF8",
                "--locale=C",
                "--pgdata=data",
            ])
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.start();
        Some(server)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command.current_dir(self.dir.path()).env_remove("PGDATA").env_remove("PGHOST");
        command
    }

    fn url(&self) -> String {
        format!("postgres://strowger@localhost/postgres?host={}", self.dir.path().display())
    }

    /// Starts it on its data. What a killed one has left may have to end first: then it is tried again.
    fn start(&mut self) {
        until("PostgreSQL", || {
            let ended = self.process.as_mut().is_none_or(|process| process.ended().is_some());
            if ended {
                let mut command = self.command("postgres");
                command.args(["-D", "data", "-k"]).arg(self.dir.path());
                command.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100"]);
                self.process = Some(Child::start(&mut command));
            }
            let ready = self.command("pg_isready").arg("-q").arg("-h").arg(self.dir.path()).status().unwrap();
            ready.success().then_some(())
        });
    }

    fn kill(&mut self) {
        self.process.as_mut().expect("it runs").kill();
    }
}

/// PostgreSQL refuses to run as root: the user to be instead.
fn unprivileged() -> Option<(u32, u32)> {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let line = passwd.lines().find(|l| l.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(ids("postgres").or_else(|| ids("nobody")).expect("a user postgres or nobody"))
}

fn local() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into())))
}

fn started(database: &Postgres, data: &std::path::Path) -> Switch {
    let config = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\ndefault_domain = \"acme.test\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\nmetrics_without_token = true\n[store]\nurl = {:?}\n",
        database.url()
    );
    let switch = Switch::start(&Run::Serve(config), &data.join("data"));
    let brand = switch.rest().write("POST", "/brands", &json!({ "name": "brand", "default_verdict": "extensions" }));
    let company = json!({ "brand": brand["id"], "name": "acme", "domain": "acme.test", "media": "direct" });
    switch.rest().write("POST", "/companies", &company);
    switch
}

/// What `/healthz` says to whoever asks from here, without a token that the database would have to know.
fn health(switch: &Switch) -> (u16, String) {
    let answer = switch.rest().without_token().request("GET", "/healthz", "text/plain", b"").expect("the API answers");
    (answer.status, answer.text)
}

#[test]
fn postgres_is_killed_under_calls_and_comes_back() {
    let Some(mut database) = Postgres::new() else { return };
    let data = tempfile::tempdir().unwrap();
    let switch = started(&database, data.path());
    let (caller, callee) = (local(), local());
    switch.direct_account("caller", caller);
    switch.direct_account("callee", callee);
    let _callee = Sipp::callee(callee);
    let mut calls = Sipp::caller(caller, switch.sip(), "callee", (CALLS, RATE, Duration::from_millis(500)));
    // Tokens are rows of the database: a scraper that is to see it go needs none.
    let scraper = switch.rest().without_token();
    let written = || scraper.metric("strowger_call_records_total{what=\"written\"}");
    let grows_by = |what: &str, more: f64| {
        let before = written();
        until_or(what, || (written() >= before + more).then_some(()), || format!("{before} and now {}", written()));
    };
    grows_by("records of the first calls", 100.0);
    assert!((scraper.metric("strowger_directory_stale")).abs() < 0.5, "{}", scraper.metrics());

    database.kill();
    until("the stale image is seen", || (scraper.metric("strowger_directory_stale") > 0.5).then_some(()));
    let (status, text) = health(&switch);
    assert!(
        status == 200 && text.contains("the directory is stale"),
        "calls are taken, and it says so: {status} {text}"
    );
    grows_by("records of calls without a database", 100.0);
    let newcomer = local();
    let _newcomer = Sipp::callee(newcomer);
    let late = json!({ "company": 1, "username": "late", "direct": newcomer.to_string() });
    let refused = switch.rest().request("POST", "/api/v1/accounts", "application/json", late.to_string().as_bytes());
    assert_eq!(refused.unwrap().status, 503, "a change is not taken");

    database.start();
    let back = Instant::now();
    until("the image is fresh", || (scraper.metric("strowger_directory_stale") < 0.5).then_some(()));
    switch.direct_account("late", newcomer);
    // Its answer says that it is live.
    let live = back.elapsed();
    assert!(live < Duration::from_secs(10), "a change was live {live:?} after the database was back");
    let other = local();
    switch.direct_account("other", other);
    let mut one = Sipp::caller(other, switch.sip(), "late", (1, 1, Duration::from_millis(100)));
    let figures = one.finish(Duration::from_secs(30));
    assert_eq!((figures.successful, figures.failed), (1, 0), "{}", one.errors());

    let figures = calls.finish(Duration::from_secs(90));
    assert_eq!((figures.successful, figures.failed), (u64::from(CALLS), 0), "{}", calls.errors());
    let legs = (CALLS as usize + 1) * 2;
    let all = || switch.rest().all("/cdrs");
    let cdrs = until_or(
        "every CDR",
        || Some(all()).filter(|c| c.len() >= legs),
        || format!("{} of {legs}\n{}", all().len(), switch.rest().metrics()),
    );
    let of = |c: &Value| (c["call"].to_string(), c["leg"].as_u64());
    assert_eq!(cdrs.iter().map(of).collect::<BTreeSet<_>>().len(), legs, "one for each leg");
    assert_eq!(cdrs.len(), legs, "and no more");
    assert!(cdrs.iter().all(|c| c["cause"] == "normal-clearing"), "{cdrs:#?}");
    assert_eq!(health(&switch).0, 200);
}
