//! Proofs of callers' identities under way (RFC 8224 section 6.2): the certificate is fetched or known, its chain must lead
//! to an authority that the brand trusts, and its key must have signed. Each is a task of the runtime, whose answer wakes
//! the shard.
//!
//! The URL comes from a stranger. So: https only, no redirect, no proxy, no address that is not public (but for the
//! operator's own networks), a limit on bytes and time, and each URL fetched once for all the calls that name it.

use crate::{Clock, ShellError};
use arc_swap::ArcSwap;
use core::net::IpAddr;
use core::time::Duration;
use identity::{Anchors, BrandKey, Certificate, Trusted};
use model::{BrandId, Cidr, IdentityFailure, Instant, ProofQuestion, Signer, Ticket};
use reqwest::{Client, Url, redirect};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use store::SignedIdentity;
use tokio::sync::OnceCell;

/// Longest file of certificates.
const BYTES_MAX: usize = 64 << 10;
/// How long a certificate is believed to be the one at its URL, and how long nothing to be there.
const KEPT: Duration = Duration::from_secs(3_600);
const FAILED: Duration = Duration::from_secs(30);
/// How long a chain leads where it led: a certificate may run out meanwhile.
const LEADS: Duration = Duration::from_secs(60);
/// Most URLs that are known, and proofs under way; past them a token cannot be proved.
const URLS_MAX: usize = 10_000;
const UNDER_WAY_MAX: usize = 1_000;

/// From where certificates are fetched and who is believed, for every brand.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct IdentitySettings {
    /// The authorities that every brand believes, PEM.
    pub anchors: Option<PathBuf>,
    /// Networks that are not public and from which certificates are fetched all the same.
    pub fetch_networks: Vec<Cidr>,
    /// The authorities of the servers that certificates are fetched from, PEM; none = the system's.
    pub fetch_ca: Option<PathBuf>,
}

/// What became of a fetch.
type Fetched = (Result<Arc<Certificate>, IdentityFailure>, Instant);
/// A chain that was followed: by which state of the anchors, when, and where it led.
type Followed = BTreeMap<(BrandId, String), (u64, Instant, Result<Arc<Trusted>, IdentityFailure>)>;

/// Whom each brand believes.
#[derive(Debug)]
struct Believed {
    /// Grows with every change.
    state: u64,
    by_brand: BTreeMap<BrandId, Anchors>,
}

/// What proofs share. The feed tells it of the brands' authorities.
///
/// # Invariants
/// `followed` is of certificates in `known`; both are emptied of what is over before they grow past [`URLS_MAX`].
#[derive(Debug)]
pub(crate) struct Trust {
    platform: Anchors,
    believed: ArcSwap<Believed>,
    client: Client,
    networks: Arc<[Cidr]>,
    patience: Duration,
    clock: Clock,
    known: Mutex<BTreeMap<String, Arc<OnceCell<Fetched>>>>,
    followed: Mutex<Followed>,
    under_way: tokio::sync::Semaphore,
}

impl Trust {
    pub(crate) fn new(settings: &IdentitySettings, patience: Duration, clock: Clock) -> Result<Trust, ShellError> {
        let unusable = |path: &Path, why: String| ShellError::Path { path: path.to_owned(), why };
        let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| unusable(path, e.to_string()));
        let platform = match &settings.anchors {
            Some(path) => Anchors::from_pem(&read(path)?).map_err(|e| unusable(path, e.to_string()))?,
            None => Anchors::default(),
        };
        let networks: Arc<[Cidr]> = settings.fetch_networks.clone().into();
        let own = Arc::clone(&networks);
        let guarded = plugin::Guarded::new(move |ip| may_fetch(ip, &own), PRIVATE);
        let mut client = Client::builder()
            .dns_resolver(Arc::new(guarded))
            .redirect(redirect::Policy::none())
            .https_only(true)
            .no_proxy()
            .timeout(patience)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("strowger/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &settings.fetch_ca {
            let pem = read(path)?;
            let roots =
                reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| unusable(path, e.to_string()))?;
            client = client.tls_certs_only(roots);
        }
        let client = client.build().map_err(|e| ShellError::System { what: "TLS", why: e.to_string() })?;
        Ok(Trust {
            platform,
            believed: ArcSwap::from_pointee(Believed { state: 0, by_brand: BTreeMap::new() }),
            client,
            networks,
            patience,
            clock,
            known: Mutex::default(),
            followed: Mutex::default(),
            under_way: tokio::sync::Semaphore::new(UNDER_WAY_MAX),
        })
    }

    /// Takes the brands' authorities, and gives what signs for them. What cannot be used is told and left out.
    pub(crate) fn take(&self, identities: &[SignedIdentity]) -> BTreeMap<BrandId, Arc<dyn Signer>> {
        let (mut signers, mut by_brand) = (BTreeMap::new(), BTreeMap::new());
        for identity in identities {
            let brand = identity.brand;
            match Anchors::from_pem(&identity.anchors) {
                Ok(own) => {
                    by_brand.insert(brand, self.platform.and(&own));
                }
                Err(error) => tracing::warn!(%brand, %error, "the authorities that the brand trusts cannot be read"),
            }
            let Some((x5u, certificate, key)) = &identity.key else { continue };
            match BrandKey::new(x5u, certificate, key.reveal()) {
                Ok(key) => {
                    signers.insert(brand, Arc::new(key) as Arc<dyn Signer>);
                }
                Err(error) => tracing::warn!(%brand, %error, "the brand's calls are not signed"),
            }
        }
        let state = self.believed.load().state + 1;
        self.believed.store(Arc::new(Believed { state, by_brand }));
        signers
    }

    async fn prove(&self, question: &ProofQuestion) -> Result<(), IdentityFailure> {
        let Ok(_place) = self.under_way.try_acquire() else { return Err(IdentityFailure::BadInfo) };
        let certificate = self.certificate(&question.x5u).await?;
        let trusted = self.trusted(question.brand, &question.x5u, &certificate)?;
        trusted.proves(&question.number, &question.input, &question.signature)
    }

    /// The certificate at a URL: known, being fetched for another call, or fetched now.
    async fn certificate(&self, x5u: &str) -> Result<Arc<Certificate>, IdentityFailure> {
        let cell = self.cell(x5u)?;
        let (found, _) = cell.get_or_init(|| self.fetched(x5u)).await;
        found.clone()
    }

    fn cell(&self, x5u: &str) -> Result<Arc<OnceCell<Fetched>>, IdentityFailure> {
        let now = self.clock.now();
        let over = |cell: &Arc<OnceCell<Fetched>>| cell.get().is_some_and(|(_, until)| *until <= now);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = known.get(x5u).filter(|cell| !over(cell)) {
            return Ok(Arc::clone(cell));
        }
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= URLS_MAX {
            known.retain(|_, cell| !over(cell));
            followed.retain(|(_, url), _| known.contains_key(url));
        }
        if known.len() >= URLS_MAX {
            return Err(IdentityFailure::BadInfo);
        }
        followed.retain(|(_, url), _| url != x5u);
        let cell = Arc::new(OnceCell::new());
        known.insert(x5u.to_owned(), Arc::clone(&cell));
        Ok(cell)
    }

    async fn fetched(&self, x5u: &str) -> Fetched {
        match tokio::time::timeout(self.patience, self.fetch(x5u)).await.unwrap_or_else(|_| Err("no answer".to_owned()))
        {
            Ok(bytes) => match Certificate::read(&bytes) {
                Ok(certificate) => (Ok(Arc::new(certificate)), self.clock.now() + KEPT),
                Err(error) => {
                    tracing::info!(x5u, %error, "what is there cannot vouch for a caller");
                    (Err(IdentityFailure::UnsupportedCredential), self.clock.now() + FAILED)
                }
            },
            Err(why) => {
                tracing::info!(x5u, why, "a certificate that vouches for a caller cannot be had");
                (Err(IdentityFailure::BadInfo), self.clock.now() + FAILED)
            }
        }
    }

    async fn fetch(&self, x5u: &str) -> Result<Vec<u8>, String> {
        let url = Url::parse(x5u).map_err(|e| e.to_string())?;
        // A literal address never meets the resolver.
        let literal = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if literal.is_some_and(|ip| !may_fetch(ip, &self.networks)) {
            return Err(PRIVATE.to_owned());
        }
        let mut response = self.client.get(url).send().await.map_err(|e| e.without_url().to_string())?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("the answer is {}", response.status()));
        }
        let mut bytes = Vec::new();
        while let Some(more) = response.chunk().await.map_err(|e| e.without_url().to_string())? {
            if bytes.len() + more.len() > BYTES_MAX {
                return Err(format!("it has more than {BYTES_MAX} bytes"));
            }
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }

    /// Where the chain leads, by what the brand believes now.
    fn trusted(&self, brand: BrandId, x5u: &str, certificate: &Certificate) -> Result<Arc<Trusted>, IdentityFailure> {
        let (believed, now) = (self.believed.load(), self.clock.now());
        let place = (brand, x5u.to_owned());
        if let Some((state, at, found)) = self.followed.lock().unwrap_or_else(PoisonError::into_inner).get(&place)
            && *state == believed.state
            && *at + LEADS > now
        {
            return found.clone();
        }
        let anchors = believed.by_brand.get(&brand).unwrap_or(&self.platform);
        let found = certificate.trusted(anchors, now).map(Arc::new);
        let followed = (believed.state, now, found.clone());
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(place, followed);
        found
    }
}

const PRIVATE: &str = "it is at no public address";

fn may_fetch(ip: IpAddr, networks: &[Cidr]) -> bool {
    plugin::is_public(ip) || networks.iter().any(|network| network.contains(ip))
}

type Answer = (Ticket, Result<(), IdentityFailure>);

/// The proofs of a shard.
pub(crate) struct Proofs {
    trust: Arc<Trust>,
    net: net::Waker,
    send: mpsc::Sender<Answer>,
    receive: mpsc::Receiver<Answer>,
}

impl Proofs {
    pub(crate) fn new(trust: Arc<Trust>, net: net::Waker) -> Proofs {
        let (send, receive) = mpsc::channel();
        Proofs { trust, net, send, receive }
    }

    /// Begins a proof; must be called within the runtime.
    pub(crate) fn ask(&self, question: ProofQuestion) {
        let (trust, send, net) = (Arc::clone(&self.trust), self.send.clone(), self.net.clone());
        tokio::spawn(async move {
            let proof = trust.prove(&question).await;
            // A shard that is gone needs no answer.
            let _gone = send.send((question.ticket, proof));
            net.wake();
        });
    }

    /// What was answered since it was asked last.
    pub(crate) fn answered(&self) -> Vec<Answer> {
        self.receive.try_iter().collect()
    }
}

#[cfg(test)]
mod tests;
