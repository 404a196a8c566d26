//! The real binary.

use crate::{Child, Rest};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The binary under test: `STROWGER_BIN`, or the one that cargo builds in the profile of this program.
///
/// # Panics
/// When it does not build.
pub fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(given) = std::env::var_os("STROWGER_BIN") {
            return given.into();
        }
        // target/PROFILE/deps/test-hash, or target/PROFILE/load
        let own = std::env::current_exe().expect("a running program has a file");
        let dir = own.ancestors().skip(1).find(|p| !p.ends_with("deps")).expect("a folder").to_path_buf();
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).args(["build", "--quiet", "-p", "strowger"]);
        cargo.arg("--target-dir").arg(dir.parent().expect("target"));
        if dir.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().is_ok_and(|s| s.success()), "the switch does not build");
        dir.join("strowger")
    })
}

/// How it is run.
#[derive(Clone, Debug)]
pub enum Run {
    /// `demo` on this address.
    Demo(IpAddr),
    /// `serve` with this configuration, to which `[data]` is added; `{data}` stands for the folder.
    Serve(String),
}

/// A switch that is ready.
#[derive(Debug)]
pub struct Switch {
    child: Child,
    rest: Rest,
    sip: SocketAddr,
    data: PathBuf,
}

impl Switch {
    /// `demo` on free ports of 127.0.0.1.
    #[must_use]
    pub fn demo(data: &Path) -> Switch {
        Switch::start(&Run::Demo(Ipv4Addr::LOCALHOST.into()), data)
    }

    /// Starts it and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn start(run: &Run, data: &Path) -> Switch {
        let mut child = Child::start(&mut command(run, data));
        let sip = match run {
            Run::Demo(_) => child.says("the ready block", |out, _| {
                // It is written at once, and ends with this.
                out.contains("Ctrl-C").then(|| word_after(out, "udp:")).flatten()
            }),
            Run::Serve(_) => child.says("the listeners", |_, err| word_after(err, "sip=udp:")),
        };
        let client = std::fs::read_to_string(data.join("client.toml")).expect("a client file");
        let field = |name: &str| {
            let line = client.lines().find_map(|l| l.strip_prefix(name)).expect(name);
            line.trim_start_matches([' ', '=']).trim_matches('"').to_owned()
        };
        let rest = Rest::new(&field("url"), &field("token"));
        let sip: SocketAddr = sip.parse().unwrap_or_else(|e| panic!("{sip}: {e}"));
        Switch { child, rest, sip, data: data.to_path_buf() }
    }

    /// The SIP address, UDP and TCP.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Where `serve` listens for a transport, as `wss`.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn listener(&self, transport: &str) -> SocketAddr {
        let said = crate::until(transport, || word_after(&self.child.err(), &format!("sip={transport}:")));
        said.parse().unwrap_or_else(|e| panic!("{said}: {e}"))
    }

    /// The API.
    #[must_use]
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The demo account's password, from the block.
    ///
    /// # Panics
    /// When there is no such account.
    #[must_use]
    pub fn password(&self, user: &str) -> String {
        word_after(&self.child.out(), &format!("    {user}  ")).expect("an account of the block")
    }

    /// A client command's JSON.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn cli(&self, args: &[&str]) -> Value {
        let mut command = Command::new(binary());
        command.arg("--client").arg(self.data.join("client.toml")).arg("--json").args(args);
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// The only company's id.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn company(&self) -> i64 {
        self.rest.get("/companies")["items"][0]["id"].as_i64().expect("a company")
    }

    /// Removes a binding by its name.
    ///
    /// # Panics
    /// When there is none.
    pub fn unbind(&self, name: &str) {
        let all = self.rest.all("/bindings");
        let found = all.iter().find(|b| b["name"] == name).unwrap_or_else(|| panic!("no {name} in {all:?}"));
        self.rest.write("DELETE", &format!("/bindings/{}", found["id"]), &Value::Null);
    }

    /// An account that is known by its address.
    pub fn direct_account(&self, username: &str, address: SocketAddr) {
        let body =
            serde_json::json!({ "company": self.company(), "username": username, "direct": address.to_string() });
        self.rest.write("POST", "/accounts", &body);
    }

    /// Runs the binary to its end although it should serve: a start that must fail.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn refused(run: &Run, data: &Path) -> Output {
        let mut child = Child::start(&mut command(run, data));
        let status = child.wait();
        let err = crate::until("the last words", || Some(child.err()).filter(|e| e.ends_with('\n')));
        Output { status, stdout: child.out().into_bytes(), stderr: err.into_bytes() }
    }
}

fn command(run: &Run, data: &Path) -> Command {
    let mut command = Command::new(binary());
    match run {
        Run::Demo(ip) => {
            command.args(["demo", "--http", "127.0.0.1:0", "--sip", &SocketAddr::new(*ip, 0).to_string(), "--data"]);
            command.arg(data);
        }
        Run::Serve(config) => {
            let file = data.with_extension("toml");
            let dir = format!("\n[data]\ndir = {:?}\n", data.display().to_string());
            std::fs::write(&file, config.clone() + &dir).expect("the configuration is written");
            command.args(["serve", "--config"]).arg(file);
        }
    }
    command
}

/// What stands after `before` until the next white space.
fn word_after(text: &str, before: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    // Only a whole line is there for sure.
    rest.contains('\n').then(|| rest.split_whitespace().next().map(str::to_owned)).flatten()
}
