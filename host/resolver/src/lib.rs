//! Finding the next hop (RFC 3263) with the names servers' help: NAPTR, SRV with RFC 2782 weights, A and AAAA.
//!
//! Floor 5. [`Resolver::ask`] runs on the shell's async runtime, never on a shard's thread. Answers, the good and the
//! bad, are kept for their time to live (within caps) by the DNS library's cache; one lookup has one deadline.
#![forbid(unsafe_code)]

mod order;
mod walk;

pub use order::{Srv, order};
pub use walk::{Found, Ways};

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use model::{HopTarget, ResolveFailure};
use walk::{Dns, Naptr};

/// Most answers kept.
const CACHE_MAX: u64 = 8_192;
/// Longest time a good answer is kept, whatever its record says.
const POSITIVE_TTL_MAX: Duration = Duration::from_secs(3_600);
/// Longest time "no such record" is kept.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(60);
/// Shortest time "no such record" is kept: a name that is called again and again is not asked for each time.
const NEGATIVE_TTL_MIN: Duration = Duration::from_secs(1);

/// How names are looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResolverSettings {
    /// The name servers; none = those of `/etc/resolv.conf`.
    pub servers: Vec<SocketAddr>,
    /// Longest time of one lookup, with all its questions.
    pub deadline: Duration,
    /// How we can send.
    pub ways: Ways,
}

/// Looks up next hops. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// None where the system names no servers: then names lead nowhere, and addresses still work.
    dns: Option<TokioResolver>,
    ways: Ways,
    deadline: Duration,
}

impl Resolver {
    /// A resolver with an empty cache. Needs a tokio runtime from the first question on. A machine without name servers
    /// gets one too, with a warning: its trunks may well be addresses.
    #[must_use]
    pub fn new(settings: ResolverSettings) -> Resolver {
        let dns = open(&settings)
            .inspect_err(|error| tracing::warn!(%error, "no name servers: name some in dns.servers"))
            .ok();
        Resolver { dns, ways: settings.ways, deadline: settings.deadline }
    }

    /// Where `target` leads, best first; never empty.
    ///
    /// # Errors
    /// [`ResolveFailure`]; [`ResolveFailure::Late`] when the deadline passed.
    pub async fn ask(&self, target: &HopTarget) -> Result<Vec<Found>, ResolveFailure> {
        let walk = walk::walk(self, &self.ways, target);
        let found = tokio::time::timeout(self.deadline, walk).await.unwrap_or(Err(ResolveFailure::Late));
        if let Err(failure) = found {
            tracing::debug!(host = target.host, ?failure, "next hop not found");
        }
        found
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, ResolveFailure> {
        // A name of a URI is whole: the search list of resolv.conf is not for it.
        let mut whole = Name::from_utf8(name).map_err(|_| ResolveFailure::Invalid)?;
        whole.set_fqdn(true);
        let dns = self.dns.as_ref().ok_or(ResolveFailure::Server)?;
        match dns.lookup(whole, kind).await {
            Ok(lookup) => Ok(lookup.answers().iter().map(|record| record.data.clone()).collect()),
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Ok(Vec::new()),
            Err(NetError::Timeout) => Err(ResolveFailure::Late),
            Err(error) => {
                tracing::debug!(name, %kind, %error, "name server failed");
                Err(ResolveFailure::Server)
            }
        }
    }
}

impl Dns for Resolver {
    async fn naptr(&self, name: &str) -> Result<Vec<Naptr>, ResolveFailure> {
        let records = self.records(name, RecordType::NAPTR).await?;
        let naptr = records.into_iter().filter_map(|data| {
            let RData::NAPTR(n) = data else { return None };
            // Flag "s" leads to SRV records; no other is of use here (RFC 3263 section 4.1).
            n.flags.eq_ignore_ascii_case(b"s").then(|| Naptr {
                order: n.order,
                preference: n.preference,
                service: String::from_utf8_lossy(&n.services).into_owned(),
                replacement: text(&n.replacement),
            })
        });
        Ok(naptr.collect())
    }

    async fn srv(&self, name: &str) -> Result<Vec<Srv>, ResolveFailure> {
        let records = self.records(name, RecordType::SRV).await?;
        let srv = records.into_iter().filter_map(|data| {
            let RData::SRV(s) = data else { return None };
            Some(Srv { priority: s.priority, weight: s.weight, port: s.port, target: text(&s.target) })
        });
        Ok(srv.collect())
    }

    /// IPv4 first: a machine with an IPv6 address often has no way out for it.
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveFailure> {
        let (v4, v6) = tokio::join!(self.records(name, RecordType::A), self.records(name, RecordType::AAAA));
        let failed = v4.as_ref().err().or(v6.as_ref().err()).copied();
        let both = v4.unwrap_or_default().into_iter().chain(v6.unwrap_or_default());
        let found: Vec<IpAddr> = both.filter_map(|data| data.ip_addr()).collect();
        match failed {
            Some(failure) if found.is_empty() => Err(failure),
            Some(_) | None => Ok(found),
        }
    }

    fn draw(&self, bound: u32) -> u32 {
        // Without randomness the first server of a priority gets all: a poor share, but no failure.
        let random = getrandom::u64().unwrap_or(0);
        u32::try_from(random % (u64::from(bound) + 1)).unwrap_or(0)
    }
}

/// A name without its final dot; empty for the root.
fn text(name: &Name) -> String {
    let text = name.to_utf8();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

fn open(settings: &ResolverSettings) -> Result<TokioResolver, NetError> {
    let mut builder = if settings.servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = settings.servers.iter().map(|at| name_server(*at)).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    tune(builder.options_mut(), settings.deadline);
    builder.build()
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(at.ip());
    for connection in &mut server.connections {
        connection.port = at.port();
    }
    server
}

fn tune(options: &mut ResolverOpts, deadline: Duration) {
    // Two tries of one server fit into the deadline.
    options.timeout = deadline * 2 / 5;
    options.attempts = 1;
    options.cache_size = CACHE_MAX;
    options.use_hosts_file = ResolveHosts::Always;
    options.positive_max_ttl = Some(POSITIVE_TTL_MAX);
    options.negative_min_ttl = Some(NEGATIVE_TTL_MIN);
    options.negative_max_ttl = Some(NEGATIVE_TTL_MAX);
    options.try_tcp_on_error = true;
}
