//! The client commands: each is a few REST requests and a table.
//!
//! Exit codes: 0 done, 1 refused by the switch, 2 wrong usage or no switch to talk to.

mod accounts;
mod archives;
mod bans;
mod calls;
mod faxes;
mod fetch;
mod imports;
mod jobs;
mod logs;
mod mailboxes;
mod mails;
mod money;
mod numbers;
mod people;
mod plugins;
mod recordings;
mod remote;
mod routing;
mod rules;
mod table;
mod tables;
mod tenants;
mod timetables;
mod trace;
mod translations;
mod trunks;

use crate::cli::{Command, Remote as RemoteArgs};
use crate::exit::Failure;
pub(crate) use plugins::read_json;
pub(crate) use remote::{ClientFile, Remote, write_private};
pub(crate) use trace::ladder;

/// Runs one client command; gives what to print.
///
/// # Errors
/// [`Failure`], with its exit code.
pub(crate) async fn run(args: &RemoteArgs, command: &Command) -> Result<String, Failure> {
    let remote = Remote::find(args)?;
    match command {
        Command::Plugin(command) => plugins::run(&remote, command).await,
        Command::Call(command) => calls::call(&remote, command).await,
        Command::Ban(command) => bans::run(&remote, command).await,
        Command::Cdr(command) => calls::cdr(&remote, command).await,
        Command::Archive(command) => archives::run(&remote, command).await,
        Command::Fax(command) => faxes::run(&remote, command).await,
        Command::Recording(command) => recordings::run(&remote, command).await,
        Command::Account(command) => accounts::run(&remote, command).await,
        Command::Trunk(command) => trunks::run(&remote, command).await,
        Command::Table(command) => tables::run(&remote, command).await,
        Command::Wallet(command) => money::wallet(&remote, command).await,
        Command::Settlement(command) => money::settlement(&remote, command).await,
        Command::Trace { call } => trace::run(&remote, call).await,
        Command::Country(command) => translations::country(&remote, command).await,
        Command::Route(command) => routing::route(&remote, command).await,
        Command::RoutePattern(command) => routing::pattern(&remote, command).await,
        Command::RouteGroup(command) => routing::group(&remote, command).await,
        Command::RouteTag(command) => routing::tag(&remote, command).await,
        Command::Translation(command) => translations::run(&remote, command).await,
        Command::Brand(command) => tenants::brand(&remote, command).await,
        Command::Company(command) => tenants::company(&remote, command).await,
        Command::Registration(command) => tenants::registration(&remote, command).await,
        Command::Mail(command) => mails::run(&remote, command).await,
        Command::Mailbox(command) => mailboxes::run(&remote, command).await,
        Command::Rule(command) => rules::run(&remote, command).await,
        Command::Ddi(command) => numbers::ddi(&remote, command).await,
        Command::Extension(command) => numbers::extension(&remote, command).await,
        Command::Person(command) => people::person(&remote, command).await,
        Command::User(command) => imports::user(&remote, command).await,
        Command::Job(command) => jobs::run(&remote, command).await,
        Command::Timetable(command) => timetables::run(&remote, command).await,
        Command::Login(command) => people::login(&remote, command).await,
        Command::Token(command) => people::token(&remote, command).await,
        Command::Audit(command) => people::audit(&remote, command).await,
        Command::Serve { .. }
        | Command::Demo { .. }
        | Command::Db(_)
        | Command::Completion { .. }
        | Command::CompileWorker => Err(Failure::start("this command runs no client")),
    }
}
