//! `serve`: a switch as its configuration file says.

use crate::client::ClientFile;
use crate::config::{self, Config};
use crate::exit::Failure;
use crate::logs::Gate;
use crate::node::Opened;
use std::path::Path;

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Configuration, port or database, in one sentence.
pub(crate) async fn run(path: &Path, gate: &Gate) -> Result<(), Failure> {
    let config = config::read(path).map_err(Failure::start)?;
    let opened = Opened::open(&config).await?;
    let token = operator_token(&opened, &config).await?;
    let node = opened.start(&config, crate::prompts::prompts()).await?;
    let file = ClientFile { url: node.url(), token, company: None }.write(&config.data.dir)?;
    gate.open();
    tracing::info!(client_file = %file.display(), http = %node.url(), "ready");
    for listener in node.sip() {
        tracing::info!(sip = %listener, "listening");
    }
    node.run(true).await
}

/// The token in the client file if it still works, else a new one for the whole platform.
pub(crate) async fn operator_token(opened: &Opened, config: &Config) -> Result<String, Failure> {
    let path = config.data.dir.join(ClientFile::NAME);
    if let Ok(file) = ClientFile::read(&path)
        && opened.knows(&file.token).await?
    {
        return Ok(file.token);
    }
    opened.new_token().await
}
