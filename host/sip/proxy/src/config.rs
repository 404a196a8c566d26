//! What a proxy is told once.

use core::net::SocketAddr;
use core::time::Duration;
use model::Transport;

/// Settings of a [`crate::Layer`].
#[derive(Clone, Debug)]
pub struct Config {
    /// Timer C (section 16.6 step 11): a branch that rings so long without a new provisional response is cancelled.
    /// More than three minutes.
    pub timer_c: Duration,
    /// 64*T1: so long a 2xx of a re-INVITE may be repeated.
    pub repeats: Duration,
    /// Max-Breadth where a request has none (RFC 5393 section 5.3.3).
    pub breadth: u32,
    /// Where we listen, as peers know it.
    pub listeners: Vec<(Transport, SocketAddr)>,
    /// Most requests within dialogs on their way at once; past it one is answered 503.
    pub passes_max: usize,
    /// Most dialogs of one branch that are remembered: a callee may answer with one To-tag after the other.
    pub forks_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            timer_c: Duration::from_secs(185),
            repeats: Duration::from_secs(32),
            breadth: 60,
            listeners: Vec::new(),
            passes_max: 100_000,
            forks_max: 16,
        }
    }
}
