//! A private PostgreSQL server: one per test binary, on a socket in a temporary folder, gone with the process.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

struct Server {
    dir: PathBuf,
    /// It reads from us: when this process is gone, however it went, the pipe closes and the keeper cleans up.
    _keeper: Child,
}

/// The URL of a new, empty database; `None` when `STROWGER_SKIP_POSTGRES=1` says so.
pub async fn new_database() -> Option<String> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static SERVER: OnceLock<Server> = OnceLock::new();
    if std::env::var_os("STROWGER_SKIP_POSTGRES").is_some_and(|v| v == "1") {
        let _ = writeln!(std::io::stderr(), "SKIPPED on PostgreSQL: STROWGER_SKIP_POSTGRES=1");
        return None;
    }
    let server = tokio::task::spawn_blocking(|| SERVER.get_or_init(start)).await.unwrap();
    let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    admin.close().await.unwrap();
    Some(server.url(&name))
}

impl Server {
    fn url(&self, database: &str) -> String {
        format!("postgres://strowger@localhost/{database}?host={}", self.dir.display())
    }
}

fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        versions.map(|v| v.path().join("bin")).filter(|bin| bin.join("initdb").exists()).collect();
    found.sort();
    found.pop().expect(
        "PostgreSQL is not installed, and the store is tested on it: `cargo xtask test` installs it (Debian package \
         postgresql), or STROWGER_SKIP_POSTGRES=1 leaves this half out",
    )
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

fn start() -> Server {
    let bin = binaries();
    let dir = std::env::temp_dir().join(format!("strowger-pg-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let user = unprivileged();
    if let Some((uid, gid)) = user {
        chown(&dir, Some(uid), Some(gid)).unwrap();
    }
    let as_user = |mut command: Command| {
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command.current_dir(&dir).env_remove("PGDATA").env_remove("PGHOST");
        command
    };
    let mut initdb = as_user(Command::new(bin.join("initdb")));
    initdb.args(["--no-sync", "--auth=trust", "--username=strowger", "--encoding=UTF8", "--locale=C", "--pgdata=data"]);
    let made = initdb.output().unwrap();
    assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));

    let keeper = "\"$1\" -D data -k \"$PWD\" -c listen_addresses= -c fsync=off -c max_connections=300 >log 2>&1 & \
                  cat >/dev/null; kill -QUIT $!; wait $!; rm -rf \"$PWD\"";
    let mut child = as_user(Command::new("sh"));
    child.args(["-c", keeper, "keeper"]).arg(bin.join("postgres"));
    // Its own process group: Ctrl-C must not reach the server before the keeper.
    child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let server = Server { _keeper: child.spawn().unwrap(), dir };
    wait_until_ready(&bin, &server.dir);
    server
}

fn wait_until_ready(bin: &Path, dir: &Path) {
    for _ in 0..300 {
        let ready = Command::new(bin.join("pg_isready")).arg("-q").arg("-h").arg(dir).status().unwrap();
        if ready.success() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("PostgreSQL did not start: {}", std::fs::read_to_string(dir.join("log")).unwrap_or_default());
}
