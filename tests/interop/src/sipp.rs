//! A sipp.

use crate::Child;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The caller: INVITE, ACK, hold, BYE.
const CALLER: &str = include_str!("../scenarios/caller.xml");
/// The callee: 180, 100 ms later 200.
const CALLEE: &str = include_str!("../scenarios/callee.xml");

/// A sipp that runs, with its counters.
#[derive(Debug)]
pub struct Sipp {
    child: Child,
    dir: tempfile::TempDir,
    address: SocketAddr,
}

/// What a sipp counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Calls begun (caller) or received (callee).
    pub created: u64,
    /// Calls that went as the scenario says.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Messages that it sent again.
    pub retransmissions: u64,
    /// Calls now.
    pub current: u64,
}

impl Sipp {
    /// A callee on this address, of calls that last up to ten minutes.
    #[must_use]
    pub fn callee(address: SocketAddr) -> Sipp {
        Sipp::start(CALLEE, address, &[])
    }

    /// A caller on this address that makes `calls` calls to `number`, `rate` a second, each held for `hold`.
    #[must_use]
    pub fn caller(address: SocketAddr, switch: SocketAddr, number: &str, load: (u32, u32, Duration)) -> Sipp {
        let (calls, rate, hold) = load;
        let (calls, rate, hold) = (calls.to_string(), rate.to_string(), hold.as_millis().to_string());
        let most = "20000";
        let switch = switch.to_string();
        let args = ["-m", &calls, "-r", &rate, "-d", &hold, "-l", most, "-s", number, &switch];
        Sipp::start(CALLER, address, &args)
    }

    fn start(scenario: &str, address: SocketAddr, args: &[&str]) -> Sipp {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("scenario.xml");
        std::fs::write(&file, scenario).expect("the scenario is written");
        let mut command = Command::new("sipp");
        command.current_dir(dir.path()).arg("-sf").arg(&file);
        command.args(["-i", &address.ip().to_string(), "-p", &address.port().to_string()]);
        command.args(["-nostdin", "-timer_resol", "1", "-trace_stat", "-fd", "1", "-stf", "stat.csv"]);
        command.args(["-trace_err", "-error_file", "errors.log", "-buff_size", "1048576", "-recv_timeout", "70000"]);
        command.args(args);
        Sipp { child: Child::start(&mut command), dir, address }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until its calls are done; gives what it counted.
    ///
    /// # Panics
    /// When it takes longer than this.
    pub fn finish(&mut self, patience: Duration) -> Figures {
        self.child.wait_for(patience);
        self.figures()
    }

    /// What it has counted, as of a second ago.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let text = std::fs::read_to_string(self.file("stat.csv")).unwrap_or_default();
        // Only whole lines.
        let text = text.get(..text.rfind('\n').map_or(0, |n| n)).unwrap_or_default();
        let mut lines = text.lines();
        let (Some(names), Some(last)) = (lines.next(), lines.last()) else { return Figures::default() };
        let values: Vec<&str> = last.split(';').collect();
        let value = |name: &str| {
            let at = names.split(';').position(|n| n == name);
            at.and_then(|i| values.get(i)?.parse::<u64>().ok()).unwrap_or_default()
        };
        Figures {
            created: value("TotalCallCreated"),
            successful: value("SuccessfulCall(C)"),
            failed: value("FailedCall(C)"),
            retransmissions: value("Retransmissions(C)"),
            current: value("CurrentCall"),
        }
    }

    /// The first lines of its complaints.
    #[must_use]
    pub fn errors(&self) -> String {
        let text = std::fs::read_to_string(self.file("errors.log")).unwrap_or_default();
        text.lines().take(30).map(|l| format!("{l}\n")).collect::<String>() + &self.child.err()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}
