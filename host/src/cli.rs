//! The command line: what may be said, and in which words a mistake is answered.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A softswitch whose calls are decided by WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "strowger", version, about, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) remote: Remote,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How the client commands find the switch. Flags win over the environment, the environment over the client file.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The switch's HTTP address, as http://127.0.0.1:8080
    #[arg(long, global = true, env = "STROWGER_URL", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The API token (better in the environment or the client file: other users can see a command line)
    #[arg(long, global = true, env = "STROWGER_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// The client file that `demo` and `serve` write to their data folder [default: the demo's]
    #[arg(long, global = true, env = "STROWGER_CLIENT", value_name = "FILE")]
    pub(crate) client: Option<PathBuf>,
    /// Print JSON for programs instead of tables for people
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the switch
    Serve {
        /// The configuration file (host/docs/config.md lists every field)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Run a switch with ten phones, an attendant and an echo test, set up and ready
    Demo {
        /// Where its files live [default: $XDG_DATA_HOME/strowger/demo, or ~/.local/share/strowger/demo]
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// SIP address, UDP and TCP; port 0 = any free port
        #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:5060")]
        sip: SocketAddr,
        /// HTTP address; port 0 = any free port
        #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
        http: SocketAddr,
    },
    /// Compile one component for the switch that started this process
    #[command(hide = true)]
    CompileWorker,
    /// Plugins and where they are bound
    #[command(subcommand)]
    Plugin(Plugin),
    /// Live calls
    #[command(subcommand)]
    Call(Call),
    /// Call detail records
    #[command(subcommand)]
    Cdr(Cdr),
    /// Files of CDRs that left the database
    #[command(subcommand)]
    Archive(crate::cli_archive::Archive),
    /// Faxes
    #[command(subcommand)]
    Fax(crate::cli_fax::Fax),
    /// Recordings
    #[command(subcommand)]
    Recording(crate::cli_recording::Recording),
    /// Sources that are not listened to
    #[command(subcommand)]
    Ban(Ban),
    /// SIP accounts
    #[command(subcommand)]
    Account(Account),
    /// People with all they need: account, extensions, public number, login
    #[command(subcommand)]
    User(crate::cli_import::User),
    /// Match lists, schedules, calendars, call filters and call ACLs
    #[command(subcommand)]
    Rule(crate::cli_rule::Rule),
    /// Public numbers
    #[command(subcommand)]
    Ddi(crate::cli_rule::Ddi),
    /// Extensions: the short numbers of companies, and where they lead
    #[command(subcommand)]
    Extension(crate::cli_rule::Extension),
    /// Links to carriers
    #[command(subcommand)]
    Trunk(crate::cli_trunk::Trunk),
    /// Prefix tables, for plugins to look numbers up in
    #[command(subcommand)]
    Table(Table),
    /// Explain a call: every plugin asked, what it answered, and the legs that came of it
    Trace {
        /// The call's id
        call: String,
    },
    /// What companies have and owe
    #[command(subcommand)]
    Wallet(crate::cli_money::Wallet),
    /// Answered legs that wait for their price
    #[command(subcommand)]
    Settlement(crate::cli_money::Settlement),
    /// Countries, how numbers are written in them and what time it is there
    #[command(subcommand)]
    Country(crate::cli_translation::Country),
    /// Outgoing routes: by which trunks whose calls to which numbers leave
    #[command(subcommand)]
    Route(crate::cli_route::Route),
    /// Routing patterns: numbers that begin alike
    #[command(subcommand)]
    RoutePattern(crate::cli_route::Pattern),
    /// Routing groups: patterns under one name
    #[command(subcommand)]
    RouteGroup(crate::cli_route::Group),
    /// Routing tags: what is dialled before a number for other routes
    #[command(subcommand)]
    RouteTag(crate::cli_route::Tag),
    /// How carriers write numbers
    #[command(subcommand)]
    Translation(crate::cli_translation::Translation),
    /// Brands
    #[command(subcommand)]
    Brand(crate::cli_tenant::Brand),
    /// Companies
    #[command(subcommand)]
    Company(crate::cli_tenant::Company),
    /// The phones that are there now
    #[command(subcommand)]
    Registration(crate::cli_tenant::Registration),
    /// Mail that the switch sends
    #[command(subcommand)]
    Mail(crate::cli_mail::Mail),
    /// Voice mailboxes and waiting messages
    #[command(subcommand)]
    Mailbox(crate::cli_mailbox::Mailbox),
    /// People who log in, and what they may do
    #[command(subcommand)]
    Person(crate::cli_person::Person),
    /// Logins that are open
    #[command(subcommand)]
    Login(crate::cli_person::Login),
    /// API tokens
    #[command(subcommand)]
    Token(crate::cli_person::Token),
    /// Work that is done in the background
    #[command(subcommand)]
    Job(crate::cli_job::Job),
    /// Jobs that come again and again
    #[command(subcommand)]
    Timetable(crate::cli_timetable::Timetable),
    /// Who changed what
    #[command(subcommand)]
    Audit(crate::cli_person::Audit),
    /// Check, migrate, back up or restore the database
    #[command(subcommand)]
    Db(crate::cli_person::Database),
    /// Print what a shell needs to complete commands, as `strowger completion bash > /etc/bash_completion.d/strowger`
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// List plugins and bindings
    List(crate::cli_list::Listing),
    /// Remove an installed version that no binding runs or may roll back to
    Remove {
        /// The plugin: NAME (its newest version) or NAME@VERSION
        plugin: String,
    },
    /// Remove a binding: nobody asks its plugin any more; calls under way keep what they began with
    Unbind {
        /// The binding's name, or its number
        binding: String,
    },
    /// Upload a bundle or a bare component; it is checked, compiled and kept, not yet bound
    Install {
        /// The bundle, a .splug file, or the component, a .wasm file, or a bundle in an OCI layout: oci:DIR or oci:DIR:TAG, or
        /// one at an address, with the digest of what must be there: https://HOST/PATH#sha256=HEX
        file: PathBuf,
        /// Of a bare component: its name [default: the file's name without the ending]
        #[arg(long)]
        name: Option<String>,
        /// Of a bare component: its version; other bytes under a version that exists are refused [default: 0.1.0]
        #[arg(long = "as", value_name = "VERSION")]
        version: Option<String>,
        /// Let it in although no trusted publisher has signed it
        #[arg(long)]
        unsigned: bool,
        /// Fetch from an http address of another machine too: whoever listens on the way sees what is fetched
        #[arg(long)]
        plain_http: bool,
    },
    /// Bind an installed plugin, or replace what a binding runs; calls under way keep what they began with
    Bind(Bind),
    /// Give a binding back the plugin version and configuration it had before; again: those before that, at most three
    Rollback {
        /// The binding's name, or its number
        binding: String,
    },
    /// Show how a binding does: live, or tripped and since when, and how many instances there are
    State {
        /// The binding's name, or its number
        binding: String,
    },
    /// Try out another version beside the bound one: as a shadow, or as a canary
    Try {
        #[command(flatten)]
        wanted: TryOut,
        /// It answers so many of a hundred calls; 0 is a shadow, which is only compared
        #[arg(long, default_value_t = 0)]
        percent: u8,
    },
    /// Put a version beside the bound one as a shadow: asked about every call after the answer, and only compared
    Shadow(TryOut),
    /// Put a version beside the bound one as a canary: it answers a share of the calls, and goes by itself when it does worse
    Canary {
        #[command(flatten)]
        wanted: TryOut,
        /// It answers so many of a hundred calls, 1 to 100
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
        percent: u8,
    },
    /// Show what plugins wrote to their logs: the last lines of each binding, or of one
    Logs {
        /// The binding's name, or its number [default: all]
        #[arg(required_if_eq("follow", "true"))]
        binding: Option<String>,
        /// At most so many lines of each
        #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        lines: u16,
        /// Go on with what comes, until Ctrl-C
        #[arg(long, short)]
        follow: bool,
    },
    /// Record what a binding's plugin is asked and told, for `plugin replay`; without options, show how far it is
    Record {
        /// The binding's name, or its number
        binding: String,
        /// Begin: its next so many questions or calls
        #[arg(long, value_name = "N", conflicts_with_all = ["save", "end"])]
        calls: Option<usize>,
        /// With --calls: only of so many of a hundred calls
        #[arg(long, value_name = "PERCENT", requires = "calls")]
        share: Option<u8>,
        /// Write what there is to a file; it holds what calls hold: numbers, names, digits
        #[arg(long, value_name = "FILE", conflicts_with = "end")]
        save: Option<PathBuf>,
        /// End it, and forget it
        #[arg(long)]
        end: bool,
    },
    /// Say what a plugin may use of what it asks for
    Grant {
        /// The plugin: NAME (its newest version) or NAME@VERSION
        plugin: String,
        /// JSON text, @FILE, `all` (everything it asks for), or `none` (take the word back)
        grants: String,
    },
    /// Give a binding a secret, read from standard input, or take one away; without a name, list the names
    Secret {
        /// The binding's name, or its number
        binding: String,
        /// The secret's name, as the plugin's manifest asks for it
        name: Option<String>,
        /// Take it away
        #[arg(long, requires = "name")]
        remove: bool,
    },
    #[command(flatten)]
    Author(crate::cli_author::Author),
}

/// Prefix tables.
#[derive(Debug, Subcommand)]
pub(crate) enum Table {
    /// List prefix tables
    List(crate::cli_list::Listing),
    /// Load a table from comma-separated text, in place of the one of that name
    Load {
        /// The name that plugins use
        name: String,
        /// The file; its first line names the columns, `prefix` first
        file: PathBuf,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
    },
    /// Take prices in: prefixes that are there are changed, new ones added
    Import {
        /// The name that plugins use
        name: String,
        /// The file: name, prefix, per-minute, connect, increment; its first line names the columns
        file: PathBuf,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
        /// Forget the prefixes that are not in the file
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        how: crate::cli_import::How,
    },
    /// Write a table to a file
    Export {
        /// The name that plugins use
        name: String,
        /// Where to; a file that is there is not written over
        file: PathBuf,
        /// The brand, by name or number [default: the only one there is]
        #[arg(long)]
        brand: Option<String>,
    },
    /// Remove a table
    Remove {
        /// The table, by name or number
        table: String,
    },
}

/// What to put beside a binding.
#[derive(Debug, Args)]
pub(crate) struct TryOut {
    /// The binding's name, or its number
    pub(crate) binding: String,
    /// The plugin: NAME (its newest version) or NAME@VERSION; none shows how the trial does
    pub(crate) plugin: Option<String>,
    /// Its configuration: JSON text, or @FILE [default: the binding's own]
    #[arg(long, value_name = "JSON", requires = "plugin")]
    pub(crate) config: Option<String>,
    /// End the trial
    #[arg(long, conflicts_with = "plugin")]
    pub(crate) end: bool,
}

/// What to bind, and where.
#[derive(Debug, Args)]
pub(crate) struct Bind {
    /// The plugin: NAME (its newest version) or NAME@VERSION
    pub(crate) plugin: String,
    /// The point it serves, `routing/router` or `call/app` [default: the only one the plugin has]
    #[arg(long)]
    pub(crate) point: Option<String>,
    /// The binding's name; for a call app the name that routes use [default: the plugin's name]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Bind for one company, by name or number [default: the whole brand]
    #[arg(long)]
    pub(crate) company: Option<String>,
    /// Bind for one account, by its number in `account list`: the calls it makes, its registrations
    #[arg(long, value_name = "NUMBER")]
    pub(crate) account: Option<i64>,
    /// The brand, by name or number [default: the only one there is]
    #[arg(long)]
    pub(crate) brand: Option<String>,
    /// Order in a routing chain: lower is asked first [default: 100, or what it was]
    #[arg(long)]
    pub(crate) priority: Option<i32>,
    /// The plugin's configuration: JSON text, or @FILE, where ******** keeps a secret as it was [default: {}, or what it was]
    #[arg(long, value_name = "JSON")]
    pub(crate) config: Option<String>,
    /// What this binding may use of what its plugin may: JSON text, or @FILE [default: all of it, or what it was]
    #[arg(long, value_name = "JSON")]
    pub(crate) grants: Option<String>,
    /// Let a failure refuse instead of pass, where the point has a choice [default: what it was]
    #[arg(long)]
    pub(crate) mandatory: bool,
    /// Of a call app that fails: the prompt its caller hears, "" for none. Whoever names one of --apology, --fallback and
    /// --restart says all three [default: what they were; at first the switch's own apology, and the end of the call]
    #[arg(long, value_name = "PROMPT")]
    pub(crate) apology: Option<String>,
    /// Of a call app that fails: the number that is called for its caller then
    #[arg(long, value_name = "NUMBER")]
    pub(crate) fallback: Option<String>,
    /// Of a call app that fails before anybody has answered: start it once more
    #[arg(long)]
    pub(crate) restart: bool,
}

/// Calls.
#[derive(Debug, Subcommand)]
pub(crate) enum Call {
    /// List the calls that are up
    List {
        /// Of this company, by name or number
        #[arg(long)]
        company: Option<String>,
        /// That this account makes, by its number in `account list`
        #[arg(long, value_name = "NUMBER")]
        account: Option<i64>,
    },
    /// Make a call for an account: its own phones ring first, then the number is called
    Make {
        /// Who calls: an extension that leads to an account, or an account's user name
        caller: String,
        /// The number, as the account would dial it
        to: String,
        /// Its company, by name or number [default: the only one there is]
        #[arg(long)]
        company: Option<String>,
        /// What the account's phones show beside the number while they ring
        #[arg(long)]
        name: Option<String>,
        /// Ask the account's phones to answer by themselves
        #[arg(long)]
        auto_answer: bool,
        /// How long the account's phones ring, in seconds [default: as the switch is configured]
        #[arg(long, value_name = "SECONDS")]
        ring: Option<u32>,
    },
    /// End a call
    Hangup {
        /// The call's id
        call: String,
    },
    /// Begin, end, halt or go on with the recording of a call
    Record {
        /// The call's id
        call: String,
        /// What is to happen; pause takes nothing in on any leg, whoever records
        act: crate::cli_recording::Act,
        /// For start and stop: which leg [default: the caller's]
        #[arg(long, default_value_t = 0)]
        leg: u16,
    },
}

/// Bans.
#[derive(Debug, Subcommand)]
pub(crate) enum Ban {
    /// List the bans that hold
    List,
    /// Listen to a source again
    Lift {
        /// The address, as `strowger ban list` prints
        source: String,
    },
}

/// CDRs.
#[derive(Debug, Subcommand)]
pub(crate) enum Cdr {
    /// List call detail records, newest first
    List(CdrFilter),
}

/// Which CDRs.
#[derive(Debug, Args)]
pub(crate) struct CdrFilter {
    /// Of this call
    #[arg(long)]
    pub(crate) call: Option<String>,
    /// Of this company, by name or number
    #[arg(long)]
    pub(crate) company: Option<String>,
    #[command(flatten)]
    pub(crate) which: crate::cli_list::Which,
    /// Started at or after this time (RFC 3339 or a date)
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// Started before this time
    #[arg(long)]
    pub(crate) until: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u32,
}

/// Accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Add an account; prints its password once if none was given
    Add {
        /// The SIP user name
        username: String,
        /// Its company, by name or number [default: the only one there is]
        #[arg(long)]
        company: Option<String>,
        /// Shown to the people it calls [default: the user name]
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        /// The password, or `-` to read it from standard input [default: a new random one]
        #[arg(long)]
        password: Option<String>,
    },
    /// Change an account: only what is named changes
    #[command(group(clap::ArgGroup::new("change").required(true).multiple(true)))]
    Set {
        /// The SIP user name
        username: String,
        /// Its company, by name or number [default: any, where only one has such an account]
        #[arg(long)]
        company: Option<String>,
        /// Shown to the people it calls
        #[arg(long, value_name = "TEXT", group = "change")]
        display_name: Option<String>,
        /// Whether it may be used
        #[arg(long, group = "change")]
        enabled: Option<bool>,
        /// A new password, or `-` to read it from standard input
        #[arg(long, group = "change")]
        password: Option<String>,
        /// Forwards, call ACL, most calls and number shown outside, all of it: JSON text, or @FILE
        #[arg(long, value_name = "JSON", group = "change")]
        rules: Option<String>,
    },
    /// List accounts
    List(crate::cli_list::Listing),
    /// Show an account with everything that is set
    Show {
        /// The SIP user name
        username: String,
        /// Its company, by name or number [default: any, where only one has such an account]
        #[arg(long)]
        company: Option<String>,
    },
    /// Remove an account that no number leads to
    Remove {
        /// The SIP user name
        username: String,
        /// Its company, by name or number [default: any, where only one has such an account]
        #[arg(long)]
        company: Option<String>,
    },
    /// Take in a file with a line for each account
    Import(crate::cli_import::Import),
    /// Write a file with a line for each account
    Export(crate::cli_import::Export),
}

/// A mistake on the command line in one sentence, or text that was asked for (`--help`, `--version`).
pub(crate) fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Cli, Refusal> {
    Cli::try_parse_from(args).map_err(|error| {
        let text = error.render().to_string();
        if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
            Refusal::Mistake("a command is needed, as `strowger demo` (see strowger --help)".to_owned())
        } else if error.use_stderr() {
            let first = text.split("\n\n").next().unwrap_or(&text);
            let sentence = first.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
            Refusal::Mistake(format!("{sentence} (see strowger --help)"))
        } else {
            Refusal::Asked(text)
        }
    })
}

/// Why there is no command to run.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Wrong usage, in one sentence.
    Mistake(String),
    /// Help or version, for standard output.
    Asked(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Result<Cli, Refusal> {
        parse(line.split(' ').map(std::ffi::OsString::from))
    }

    #[test]
    fn a_mistake_is_one_sentence() {
        for line in [
            "strowger",
            "strowger srve",
            "strowger serve",
            "strowger demo --sip here",
            "strowger call hangup",
            "strowger ban lift",
            "strowger cdr list --limit x",
        ] {
            let Err(Refusal::Mistake(text)) = args(line) else { panic!("{line}") };
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }

    #[test]
    fn global_flags_stand_anywhere() {
        let cli = args("strowger plugin list --json --url http://x").unwrap();
        assert!(cli.remote.json);
        assert_eq!(cli.remote.url.as_deref(), Some("http://x"));
    }
}
