//! A large platform: seeded by SQL, served, and measured: memory, start, how soon a change is live, how soon the API answers.
//!
//! The rows go in with the database's own client (`sqlite3` or `psql`), so that only the switch itself is measured.

use crate::run::{cargo, go, has, root, target_dir};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for the switch to be there.
const START_MAX: Duration = Duration::from_secs(600);
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Questions of which the times are told.
const QUESTIONS: usize = 200;

const BRANDS: u64 = 50;
/// Pages of CDRs of which the times are told, for each kind of question.
const PAGES: u64 = 50;

struct Plan {
    folder: PathBuf,
    url: Option<String>,
    binary: Option<PathBuf>,
    companies: u64,
    users: u64,
    ddis: u64,
    rates: u64,
    cdrs: u64,
    changes: usize,
}

impl Plan {
    fn read(args: &[String]) -> Result<Plan, String> {
        let mut plan = Plan {
            folder: target_dir().join("scale"),
            url: None,
            binary: None,
            companies: 5_000,
            users: 200_000,
            ddis: 1_000_000,
            rates: 1_000_000,
            cdrs: 0,
            changes: 20,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(|| format!("{arg} needs a value"))?;
            let count = || value.parse::<u64>().map_err(|e| format!("{arg} {value}: {e}"));
            match arg.as_str() {
                "--url" => plan.url = Some(value.clone()),
                "--folder" => plan.folder = value.into(),
                "--binary" => plan.binary = Some(value.into()),
                "--companies" => plan.companies = count()?.max(BRANDS),
                "--users" => plan.users = count()?.max(1),
                "--ddis" => plan.ddis = count()?.max(1),
                "--rates" => plan.rates = count()?.max(BRANDS),
                "--cdrs" => plan.cdrs = count()?,
                "--changes" => plan.changes = usize::try_from(count()?).unwrap_or(20).max(1),
                _ => {
                    return Err(format!(
                        "no option {arg}; there are --url, --folder, --binary, --companies, --users, --ddis, --rates, --cdrs, --changes"
                    ));
                }
            }
        }
        // So that a number and the user that it leads to are of one company.
        plan.users = plan.users.next_multiple_of(plan.companies);
        Ok(plan)
    }

    fn database(&self) -> String {
        self.url.clone().unwrap_or_else(|| format!("sqlite:{}", self.folder.join("strowger.db").display()))
    }
}

/// `cargo xtask scale`.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let plan = Plan::read(args)?;
    let binary = match &plan.binary {
        Some(binary) => binary.clone(),
        None => {
            go(cargo().args(["build", "--quiet", "--release", "--package", "strowger"]))?;
            target_dir().join("release/strowger")
        }
    };
    let _nothing_there = std::fs::remove_dir_all(&plan.folder);
    std::fs::create_dir_all(&plan.folder).map_err(|e| format!("{}: {e}", plan.folder.display()))?;
    let switch = Switch::start(&plan, &binary)?;
    println!("empty: ready after {:.1} s, {} MiB", switch.ready.as_secs_f64(), switch.memory()?);
    switch.stop()?;
    let begun = Instant::now();
    seed(&plan)?;
    println!(
        "seeded {} with {BRANDS} brands, {} companies, {} users, {} public numbers, {} rates and {} CDRs in {:.0} s",
        if plan.url.is_some() { "PostgreSQL" } else { "SQLite" },
        plan.companies,
        plan.users,
        plan.ddis,
        plan.rates,
        plan.cdrs,
        begun.elapsed().as_secs_f64()
    );
    let switch = Switch::start(&plan, &binary)?;
    println!("full: ready after {:.1} s, {} MiB", switch.ready.as_secs_f64(), switch.memory()?);
    let measured = measure(&plan, &switch);
    println!("afterwards: {} MiB", switch.memory()?);
    switch.stop()?;
    measured
}

fn seed(plan: &Plan) -> Result<(), String> {
    let sql = statements(plan);
    let mut client = if let Some(url) = &plan.url {
        let mut psql = Command::new("psql");
        psql.args(["--quiet", "--set", "ON_ERROR_STOP=1", "--single-transaction", url]);
        psql
    } else {
        let mut sqlite = Command::new("sqlite3");
        sqlite.arg("-bail").arg(plan.folder.join("strowger.db"));
        sqlite
    };
    let program = client.get_program().to_string_lossy().into_owned();
    if !has(&program) {
        return Err(format!("{program} is not here"));
    }
    let mut child = client.stdin(Stdio::piped()).spawn().map_err(|e| format!("{program}: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(sql.as_bytes()).map_err(|e| format!("{program}: {e}"))?;
    }
    let status = child.wait().map_err(|e| format!("{program}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program}: {status}")) }
}

/// The same statements for both databases. One text per kind of row; rates are a prefix table of each brand.
fn statements(plan: &Plan) -> String {
    let postgres = plan.url.is_some();
    let up_to = |end: u64| {
        if postgres {
            format!("generate_series(1, {end}) AS s (n)")
        } else {
            format!(
                "(WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {end}) SELECT n FROM s)"
            )
        }
    };
    let (md5, sha) = ("0".repeat(32), "0".repeat(64));
    let (companies, users) = (plan.companies, plan.users);
    // Companies 1000, 1001, ... of brands 1000, ...: what the first start made is left alone.
    let company = format!("1000 + n % {companies}");
    let brand = format!("1000 + (n % {companies}) % {BRANDS}");
    let mut sql = String::new();
    if !postgres {
        sql += "PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; BEGIN;\n";
    }
    let _ = write!(
        sql,
        "INSERT INTO brands (id, name, default_verdict) SELECT 999 + n, 'scale ' || n, 'refuse' FROM {};
         INSERT INTO companies (id, brand_id, name, domain, media)
            SELECT 1000 + n % {companies}, {brand}, 'company ' || n, 'c' || n || '.scale.test', 'anchor' FROM {};
         INSERT INTO accounts (id, brand_id, company_id, username, display_name, ha1_md5, ha1_sha256, enabled)
            SELECT 1000 + n, {brand}, {company}, 'u' || n, 'User ' || n, '{md5}', '{sha}', TRUE FROM {};
         INSERT INTO ddis (id, brand_id, company_id, e164, account)
            SELECT 1000000 + n, {brand}, {company}, '+99' || (1000000000 + n), 'u' || (1 + (n - 1) % {users}) FROM {};\n",
        up_to(BRANDS),
        up_to(companies),
        up_to(users),
        up_to(plan.ddis),
    );
    if plan.cdrs > 0 {
        sql += &records(plan, &up_to(plan.cdrs));
    }
    let rows = plan.rates / BRANDS;
    for brand in 0..BRANDS {
        let mut csv = String::from("prefix,value\n");
        for row in 0..rows {
            let _ = writeln!(csv, "{},0.{:04}", 1_000_000 + row, row % 10_000);
        }
        let id = 1_000 + brand;
        let (bytes, end) = if postgres { ("convert_to(", ", 'UTF8')") } else { ("CAST(", " AS BLOB)") };
        let _ = writeln!(
            sql,
            "INSERT INTO prefix_tables (id, brand_id, name, row_count, digest, loaded_at, body)
             VALUES ({id}, {id}, 'rates', {rows}, '{brand:064x}', 0, {bytes}'{csv}'{end});"
        );
    }
    if !postgres {
        sql += "COMMIT;\n";
    }
    sql
}

/// Two legs of a call, a call every six seconds, from the start of 2025 on.
fn records(plan: &Plan, rows: &str) -> String {
    let (companies, users) = (plan.companies, plan.users);
    let call = match plan.url.is_some() {
        true => "md5(CAST((n - 1) / 2 AS TEXT))",
        false => "printf('%08x%024x', ((n - 1) / 2 * 2654435761) & 4294967295, (n - 1) / 2)",
    };
    format!(
        "INSERT INTO cdrs (call_id, leg, role, brand_id, company_id, account_id, sip_call_id, caller, callee, started_at,
            ringing_at, answered_at, ended_at, cause, sip_status, ended_by, cost, currency)
         SELECT {call}, (n - 1) % 2, CASE (n - 1) % 2 WHEN 0 THEN 'caller' ELSE 'callee' END,
            1000 + ((n - 1) / 2 % {companies}) % {BRANDS}, 1000 + (n - 1) / 2 % {companies},
            CASE (n - 1) % 2 WHEN 0 THEN 1001 + (n - 1) / 2 % {users} END, n || '@host.scale.test',
            '+44' || (2000000000 + (n - 1) / 2 % {users}), '+49' || (3000000000 + ((n - 1) / 2 * 104729) % 5000000),
            1735689600000000 + n * 3000000, 1735689600000000 + n * 3000000 + 500000,
            1735689600000000 + n * 3000000 + 2000000, 1735689600000000 + n * 3000000 + 62000000,
            CASE n % 17 WHEN 3 THEN 'busy' ELSE 'normal-clearing' END, 200, 'caller', 1200, 'EUR' FROM {};\n",
        rows,
    )
}

struct Switch {
    child: Child,
    address: String,
    token: String,
    ready: Duration,
}

impl Switch {
    fn start(plan: &Plan, binary: &Path) -> Result<Switch, String> {
        let http = free_port()?;
        let (config, data) = (plan.folder.join("strowger.toml"), plan.folder.join("data"));
        let text = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n[http]\nlisten = \"{http}\"\nmetrics_without_token = true\n\
             [store]\nurl = {:?}\n[data]\ndir = {:?}\n",
            plan.database(),
            data
        );
        std::fs::write(&config, text).map_err(|e| format!("{}: {e}", config.display()))?;
        let log = std::fs::File::create(plan.folder.join("log")).map_err(|e| format!("log: {e}"))?;
        let begun = Instant::now();
        let mut command = Command::new(binary);
        command.current_dir(root()).arg("serve").arg("--config").arg(&config).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(|e| format!("{}: {e}", binary.display()))?;
        let mut switch = Switch { child, address: http, token: String::new(), ready: Duration::ZERO };
        // It is there when it has said how to talk to it.
        let file = data.join("client.toml");
        let _from_before = std::fs::remove_file(&file);
        let client = loop {
            let there = switch.ask("GET", "/healthz", "").is_ok_and(|(status, _)| status == 200);
            if let (true, Ok(client)) = (there, std::fs::read_to_string(&file)) {
                break client;
            }
            if begun.elapsed() > START_MAX || switch.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return Err(format!("the switch is not there; see {}", plan.folder.join("log").display()));
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        switch.ready = begun.elapsed();
        let token = client.lines().find_map(|line| line.strip_prefix("token = \"")?.strip_suffix('"'));
        switch.token = token.ok_or("no token in the client file")?.to_owned();
        Ok(switch)
    }

    /// Resident memory in MiB.
    fn memory(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024)
    }

    /// One request; its status and body.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), String> {
        let fail = |e: std::io::Error| format!("{method} {path}: {e}");
        let mut stream = TcpStream::connect(&self.address).map_err(fail)?;
        stream.set_read_timeout(Some(ANSWER_MAX)).map_err(fail)?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: scale\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(fail)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(fail)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        Ok((status, body.to_owned()))
    }

    /// One request that must be done; how long it took.
    fn timed(&self, method: &str, path: &str, body: &str) -> Result<Duration, String> {
        let begun = Instant::now();
        let (status, answer) = self.ask(method, path, body)?;
        let took = begun.elapsed();
        if (200..300).contains(&status) { Ok(took) } else { Err(format!("{method} {path}: {status} {answer}")) }
    }

    fn stop(mut self) -> Result<(), String> {
        let _asked = Command::new("kill").arg(self.child.id().to_string()).status();
        self.child.wait().map(drop).map_err(|e| e.to_string())
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn free_port() -> Result<String, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("127.0.0.1: {e}"))?;
    listener.local_addr().map(|address| address.to_string()).map_err(|e| e.to_string())
}

/// A write is answered when what it wrote is live in every shard, so its time is the time to live.
fn measure(plan: &Plan, switch: &Switch) -> Result<(), String> {
    let mut live = Vec::new();
    for n in 0..plan.changes {
        let company = 1_000 + (n as u64 * 7) % plan.companies;
        let (method, path, body) = match n % 4 {
            0 => ("PATCH", format!("/api/v1/ddis/{}", 1_000_001 + n), r#"{"record":"in"}"#.to_owned()),
            1 => ("PATCH", format!("/api/v1/accounts/{}", 1_001 + n), format!(r#"{{"display_name":"changed {n}"}}"#)),
            2 => ("PATCH", format!("/api/v1/companies/{company}"), format!(r#"{{"calls_max":{n}}}"#)),
            _ => (
                "POST",
                "/api/v1/ddis".to_owned(),
                format!(r#"{{"company":{company},"e164":"+98{:09}","target":{{"kind":"app","name":"menu"}}}}"#, n),
            ),
        };
        live.push(switch.timed(method, &path, &body)?);
    }
    tell(&format!("live after a change, of {}", plan.changes), &mut live);
    let mut answers = Vec::new();
    for n in 0..QUESTIONS {
        let path = match n % 4 {
            0 => format!("/api/v1/accounts/{}", 1_001 + n),
            1 => format!("/api/v1/ddis?company={}", 1_000 + n as u64 % plan.companies),
            2 => "/api/v1/companies".to_owned(),
            _ => format!("/api/v1/ddis/{}", 1_000_001 + n),
        };
        answers.push(switch.timed("GET", &path, "")?);
    }
    tell(&format!("API answers, of {QUESTIONS}"), &mut answers);
    if plan.cdrs > 0 {
        pages(plan, switch)?;
    }
    let (_, metrics) = switch.ask("GET", "/metrics", "")?;
    for line in metrics.lines().filter(|line| line.starts_with("strowger_directory_reads")) {
        println!("{line}");
    }
    Ok(())
}

/// Pages of CDRs: for each kind of question its times, of hundred rows each.
fn pages(plan: &Plan, switch: &Switch) -> Result<(), String> {
    let users = plan.users;
    type Ask = Box<dyn Fn(u64) -> String>;
    let kinds: [(&str, Ask); 7] = [
        ("newest of all", Box::new(|_| String::new())),
        ("newest of a brand", Box::new(|n| format!("&brand={}", 1_000 + n % BRANDS))),
        ("newest of a company", Box::new(move |n| format!("&company={}", 1_000 + n * 7 % BRANDS))),
        ("amid all", Box::new(|n| format!("&until=2025-{:02}-{:02}", 2 + n % 10, 1 + n % 28))),
        ("of an account", Box::new(move |n| format!("&account={}", 1_001 + n * 131 % users))),
        ("of a caller", Box::new(move |n| format!("&caller=%2B44{}", 2_000_000_000 + n * 131 % users))),
        ("that were busy, of a brand", Box::new(|n| format!("&cause=busy&brand={}", 1_000 + n % BRANDS))),
    ];
    for (what, ask) in kinds {
        let mut times = Vec::new();
        for n in 0..PAGES {
            times.push(switch.timed("GET", &format!("/api/v1/cdrs?limit=100{}", ask(n)), "")?);
        }
        tell(&format!("a page of CDRs, {what}, of {PAGES}"), &mut times);
    }
    Ok(())
}

fn tell(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| {
        times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
    };
    let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
    println!("{what}: p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms", ms(at(50)), ms(at(99)), ms(at(100)));
}
