//! The `strowger` binary: read the command line, do it, leave with 0, 1 or 2.
//!
//! 0: done. 1: the switch refused. 2: wrong usage, configuration, port or database; then standard error has exactly one
//! sentence.
#![forbid(unsafe_code)]

mod author;
mod cli;
mod cli_archive;
mod cli_author;
mod cli_fax;
mod cli_import;
mod cli_job;
mod cli_list;
mod cli_mail;
mod cli_mailbox;
mod cli_money;
mod cli_person;
mod cli_recording;
mod cli_route;
mod cli_rule;
mod cli_tenant;
mod cli_timetable;
mod cli_translation;
mod cli_trunk;
mod client;
mod config;
mod database;
mod demo;
mod demo_clients;
mod develop;
mod exit;
mod logs;
mod node;
mod prompts;
mod ready;
mod serve;

use cli::{Command, Plugin, Refusal};
use cli_author::Author;
use exit::Failure;
use logs::Gate;
use std::io::Write;
use std::process::ExitCode;

/// Calls are made of many small pieces that come and go.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "fax-helper") {
        return fax_helper();
    }
    let failure = match cli::parse(std::env::args_os()) {
        Ok(cli) => match run(&cli) {
            Ok(text) => return print(&text),
            Err(failure) => failure,
        },
        Err(Refusal::Asked(text)) => return print(&text),
        Err(Refusal::Mistake(sentence)) => Failure::start(sentence),
    };
    let _ = writeln!(std::io::stderr(), "strowger: {}", failure.sentence());
    failure.code()
}

/// The process of one fax: the switch starts it, nobody else.
fn fax_helper() -> ExitCode {
    match facsimile::helper::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "strowger fax-helper: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &cli::Cli) -> Result<String, Failure> {
    if matches!(cli.command, Command::CompileWorker) {
        let done = plugin::compile_worker(std::io::stdin().lock(), std::io::stdout().lock());
        return done.map(|()| String::new()).map_err(Failure::start);
    }
    let is_node = matches!(
        cli.command,
        Command::Serve { .. } | Command::Demo { .. } | Command::Plugin(Plugin::Author(Author::Run { .. }))
    );
    let mut builder = if is_node {
        tokio::runtime::Builder::new_multi_thread()
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    let runtime = builder.enable_all().build().map_err(|e| Failure::start(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        match &cli.command {
            Command::Serve { config } => logged(async |gate| serve::run(config, gate).await).await,
            Command::Demo { data, sip, http } => {
                let plan = demo::Plan { data: data.clone(), sip: *sip, http: *http };
                logged(async |gate| demo::run(plan, gate).await).await
            }
            Command::Plugin(Plugin::Author(Author::Run { dir, sip, http, config, secrets })) => {
                let (config, secrets) = (config.clone(), secrets.clone());
                let plan = develop::Plan { dir: dir.clone(), sip: *sip, http: *http, config, secrets };
                told(async |gate| develop::run(plan, gate).await, develop::LOG).await
            }
            Command::Plugin(Plugin::Author(command)) => author::run(command).await,
            Command::Db(command) => database::run(command, cli.remote.json).await,
            Command::Completion { shell } => completion(*shell),
            Command::CompileWorker => Ok(String::new()),
            command @ (Command::Plugin(_)
            | Command::Call(_)
            | Command::Cdr(_)
            | Command::Ban(_)
            | Command::Account(_)
            | Command::Trunk(_)
            | Command::Table(_)
            | Command::Trace { .. }
            | Command::Rule(_)
            | Command::Ddi(_)
            | Command::Extension(_)
            | Command::Archive(_)
            | Command::Fax(_)
            | Command::Recording(_)
            | Command::Country(_)
            | Command::Route(_)
            | Command::RoutePattern(_)
            | Command::RouteGroup(_)
            | Command::RouteTag(_)
            | Command::Translation(_)
            | Command::Wallet(_)
            | Command::Settlement(_)
            | Command::Brand(_)
            | Command::Company(_)
            | Command::Registration(_)
            | Command::Mail(_)
            | Command::Mailbox(_)
            | Command::Person(_)
            | Command::Login(_)
            | Command::Job(_)
            | Command::Timetable(_)
            | Command::User(_)
            | Command::Token(_)
            | Command::Audit(_)) => client::run(&cli.remote, command).await,
        }
    })
}

/// What a shell needs to complete our commands.
fn completion(shell: clap_complete::Shell) -> Result<String, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut <cli::Cli as clap::CommandFactory>::command(), "strowger", &mut text);
    String::from_utf8(text).map_err(Failure::start)
}

/// Runs a switch with its logs, to the last line.
async fn logged(run: impl AsyncFnOnce(&Gate) -> Result<(), Failure>) -> Result<String, Failure> {
    told(run, "info").await
}

/// The same, with these lines of its log unless `RUST_LOG` says otherwise.
async fn told(run: impl AsyncFnOnce(&Gate) -> Result<(), Failure>, lines: &str) -> Result<String, Failure> {
    let gate = Gate::install(lines);
    let done = run(&gate).await;
    gate.flush();
    done.map(|()| String::new())
}

/// Prints what was asked for; a reader that went away is no failure.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    ExitCode::SUCCESS
}
