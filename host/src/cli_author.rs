//! The words of the plugin author's commands.

use clap::Subcommand;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What a plugin is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Lang {
    /// Rust
    Rust,
    /// JavaScript, on QuickJS
    Javascript,
    /// Python
    Python,
    /// C, by zig's clang
    C,
}

/// The plugin author's commands; they need no running switch.
#[derive(Debug, Subcommand)]
pub(crate) enum Author {
    /// Write the folder of a new plugin
    New {
        /// Its id: a-z, 0-9 and `-`
        name: String,
        /// The language
        #[arg(long, value_enum, default_value_t = Lang::Rust)]
        lang: Lang,
        /// `routing/router`, `routing/router-io`, `call/app`, `hooks/registration`, `hooks/feature`, `hooks/event-sink`,
        /// `hooks/sip-filter` or `billing/rater`; in C the first, third and seventh
        #[arg(long, default_value = "routing/router")]
        point: String,
        /// For Rust: the folder of the SDK, `sdk/rust` of the source
        #[arg(long, value_name = "DIR", env = "STROWGER_SDK")]
        sdk: Option<PathBuf>,
        /// Where to write it [default: a folder of its name]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
    /// Run a plugin's folder on a switch of its own, for as long as it lasts: two phones may register, each change of the
    /// sources is built and swapped in, and its log and every call are told
    Run {
        /// The folder
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// SIP address, UDP and TCP; port 0 = any free port
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
        sip: SocketAddr,
        /// HTTP address; port 0 = any free port
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
        http: SocketAddr,
        /// Its configuration: JSON text, or @FILE, which is read again at each build; else config.json of the folder, or {}
        #[arg(long, value_name = "JSON")]
        config: Option<String>,
        /// Its secrets by name, a JSON object
        #[arg(long, value_name = "FILE")]
        secrets: Option<PathBuf>,
    },
    /// Build a plugin's folder and pack it as a bundle
    Build {
        /// The folder
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Say what a bundle, a component or a folder with plugin.toml and component.wasm is, or why it is refused
    Check {
        /// The file or folder
        file: PathBuf,
    },
    /// Play a plugin's scenarios: `tests/*.yaml` of its folder or bundle
    Test {
        /// The plugin's folder, which is built, or its bundle
        #[arg(default_value = ".")]
        path: PathBuf,
        /// For a folder: a component that is built already
        #[arg(long, value_name = "FILE")]
        component: Option<PathBuf>,
        /// Only scenarios whose file's name has this in it
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Let each scenario go astray too: hang-ups and timeouts at every verb, nothing granted, answers by chance
        #[arg(long)]
        fuzz: bool,
        /// How many runs by chance, with the grants and without
        #[arg(long, value_name = "N", default_value_t = 20, requires = "fuzz")]
        seeds: u64,
        /// The first of them
        #[arg(long, value_name = "N", default_value_t = 1)]
        seed: u64,
    },
    /// Ask a recording's questions (`plugin record BINDING --save FILE`) of a component, and say what it answers otherwise
    Replay {
        /// The recording
        recording: PathBuf,
        /// Whom to ask: a component, a bundle, or a folder with component.wasm
        #[arg(long, value_name = "FILE")]
        component: PathBuf,
        /// Secrets by name, a JSON object: a recording has none, and a component is told `[secret]` without
        #[arg(long, value_name = "FILE")]
        secrets: Option<PathBuf>,
    },
    /// Make a publisher's key
    Keygen {
        /// Where the secret key goes
        file: PathBuf,
    },
    /// Put a bundle into an OCI image layout, for registries' tools (`oras`, `skopeo`) and `plugin install oci:DIR:TAG`
    Publish {
        /// The bundle
        file: PathBuf,
        /// The layout, made where there is none: oci:DIR or oci:DIR:TAG; without a tag ID-VERSION
        place: PathBuf,
    },
    /// Sign a bundle in place
    Sign {
        /// The bundle
        file: PathBuf,
        /// The file with the secret key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
}
