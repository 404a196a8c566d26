//! `ban list`, `ban lift`.

use super::remote::{Remote, json};
use super::table::{rows, table};
use crate::cli::Ban;
use crate::exit::Failure;
use serde_json::Value;
use std::net::IpAddr;

pub(super) async fn run(remote: &Remote, command: &Ban) -> Result<String, Failure> {
    match command {
        Ban::List => {
            let bans = remote.list("/bans", &[], usize::MAX).await?;
            if remote.json {
                return Ok(json(&Value::Array(bans)));
            }
            let heads = ["SOURCE", "ACCOUNT", "WHY", "SINCE", "UNTIL", "HITS"];
            let fields = ["source", "account", "why", "since", "until", "hits"];
            Ok(table(&heads, &rows(&bans, &fields), "No bans."))
        }
        Ban::Lift { source } => {
            // An IPv6 ban is shown as a block; any address of it names it.
            let address = source.split('/').next().unwrap_or_default();
            let address: IpAddr = address.parse().map_err(|_| {
                Failure::start(format!("{source:?} is no address: expected one as `strowger ban list` prints"))
            })?;
            remote.write(reqwest::Method::DELETE, &format!("/bans/{address}"), &Value::Null).await?;
            Ok(if remote.json { json(&Value::Null) } else { format!("{address} is listened to again.\n") })
        }
    }
}
