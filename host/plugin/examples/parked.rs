//! Memory per parked attendant: starts N apps, lets each reach its menu, and reads the process's resident pages.
//! `cargo run --release -p plugin --example parked`
#![allow(clippy::expect_used, clippy::print_stdout, clippy::wildcard_enum_match_arm)]

use model::{AppId, AppReply, AppVerb};
use plugin::{AppMessage, Host, HostConfig, Point};
use std::time::{Duration, Instant};

#[allow(dead_code, reason = "shared by two benches and an example, each of which uses a part")]
#[path = "../benches/world/mod.rs"]
mod world;

/// Resident bytes, and bytes of page tables.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let kib = |name: &str| -> u64 {
        let line = status.lines().find(|l| l.starts_with(name)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    (kib("VmRSS:") * 1024, kib("VmPTE:") * 1024)
}

fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for count in [1_000, 5_000] {
        let host = Host::new(HostConfig::default()).expect("a host");
        world::bind(&host, "attendant", Point::App, shipped::ATTENDANT);
        let (requests, mut messages) = tokio::sync::mpsc::unbounded_channel();
        let directory = world::directory();
        let before = memory();
        let began = Instant::now();
        for app in 0..count {
            host.start_app(AppId(app), world::start(), directory.clone(), requests.clone());
        }
        let mut parked = 0;
        while parked < count {
            match messages.recv().await.expect("a message") {
                AppMessage::Request { app, request, verb: AppVerb::Answer(..) } => {
                    host.app_reply(app, request, Ok(AppReply::Done));
                }
                AppMessage::Request { verb: AppVerb::Collect(..), .. } => parked += 1,
                other => panic!("{other:?}"),
            }
        }
        let took = began.elapsed();
        let after = memory();
        let maps = std::fs::read_to_string("/proc/self/maps").map_or(0, |m| m.lines().count());
        let each = |a: u64, b: u64| a.saturating_sub(b) as f64 / count as f64 / 1024.0;
        println!(
            "{count} parked attendants: {:.1} KiB resident + {:.1} KiB page tables each, {maps} mappings, all parked after {took:?}",
            each(after.0, before.0),
            each(after.1, before.1)
        );
        tokio::time::sleep(Duration::from_secs(2)).await;
        let idle = cpu();
        tokio::time::sleep(Duration::from_secs(1)).await;
        println!("  main thread's CPU in one parked second: {:?}", cpu() - idle);
        (0..count).for_each(|app| host.app_stop(AppId(app)));
    }
}
