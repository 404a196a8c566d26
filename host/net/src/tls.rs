//! TLS 1.2 and 1.3 (RFC 3261 section 26.2, RFC 5922) as a state machine between a socket's bytes and a stream's bytes.
//!
//! rustls does the protocol and owns no socket, so TLS runs in the shard's own epoll like everything else. What a
//! shard's connections share is a [`TlsMaterial`]: read from files once, put in place of the old one on reload; open
//! connections keep what they began with.

use crate::NetError;
use crate::config::{ClientCertificates, TlsCertificate, TlsConfig};
use bytes::Bytes;
use core::net::IpAddr;
use rustls::client::ClientConnection;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert, ServerConnection, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, RootCertStore, ServerConfig};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

/// Where Debian and its kin keep the public authorities.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Certificates, keys and authorities, ready for use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsMaterial {
    /// `None` where no certificate is configured: then no TLS listener can be opened.
    server: Option<Arc<ServerConfig>>,
    client: Arc<ClientConfig>,
}

impl TlsMaterial {
    /// Reads every file that `config` names.
    ///
    /// # Errors
    /// [`NetError::Tls`], which names the file and what is wrong with it.
    pub fn load(config: &TlsConfig) -> Result<TlsMaterial, NetError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut keys = Vec::new();
        for certificate in &config.certificates {
            keys.push((certificate.domain.to_ascii_lowercase(), Arc::new(key_pair(certificate, &provider)?)));
        }
        let server = if keys.is_empty() { None } else { Some(Arc::new(server_config(config, &keys, &provider)?)) };
        Ok(TlsMaterial { server, client: Arc::new(client_config(config, keys.first(), &provider)?) })
    }

    /// Whether TLS listeners can be opened.
    #[must_use]
    pub fn can_accept(&self) -> bool {
        self.server.is_some()
    }
}

fn unusable(path: &Path, why: impl ToString) -> NetError {
    NetError::Tls { path: path.to_owned(), why: why.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let found = CertificateDer::pem_file_iter(path).map_err(|e| unusable(path, e))?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(|e| unusable(path, e))?;
    if found.is_empty() { Err(unusable(path, "no certificate in it")) } else { Ok(found) }
}

fn authorities(path: &Path) -> Result<RootCertStore, NetError> {
    let mut roots = RootCertStore::empty();
    // A bundle of the system may hold one that is too old to be read; a file without any is a mistake.
    let (added, _ignored) = roots.add_parsable_certificates(certificates(path)?);
    if added == 0 { Err(unusable(path, "no authority in it can be used")) } else { Ok(roots) }
}

fn key_pair(files: &TlsCertificate, provider: &CryptoProvider) -> Result<CertifiedKey, NetError> {
    let chain = certificates(&files.cert)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|e| unusable(&files.key, e))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|e| unusable(&files.key, e))
}

/// Picks by SNI: the very name, then its wildcard, then the first of the configuration.
#[derive(Debug)]
struct ByName {
    keys: BTreeMap<String, Arc<CertifiedKey>>,
    first: Arc<CertifiedKey>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}")).unwrap_or_default();
        let found = self.keys.get(&name).or_else(|| self.keys.get(&wildcard)).unwrap_or(&self.first);
        Some(Arc::clone(found))
    }
}

fn server_config(
    config: &TlsConfig,
    keys: &[(String, Arc<CertifiedKey>)],
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, NetError> {
    let nowhere = Path::new("tls");
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(nowhere, e))?;
    let builder = match (config.client_certificates, &config.client_ca) {
        (ClientCertificates::None, _) => builder.with_no_client_auth(),
        (ClientCertificates::Request | ClientCertificates::Require, None) => {
            return Err(unusable(nowhere, "client certificates are asked for and no client_ca is named"));
        }
        (wanted, Some(path)) => {
            let roots = Arc::new(authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
            let verifier = match wanted {
                ClientCertificates::Require => verifier,
                ClientCertificates::None | ClientCertificates::Request => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|e| unusable(path, e))?)
        }
    };
    let Some((_, first)) = keys.first() else { return Err(unusable(nowhere, "no certificate")) };
    let by_name = ByName { keys: keys.iter().cloned().collect(), first: Arc::clone(first) };
    let mut server = builder.with_cert_resolver(Arc::new(by_name));
    // Sessions are resumed from tickets: nothing is kept here for a phone that is gone.
    server.ticketer = aws_lc_rs::Ticketer::new().map_err(|e| unusable(nowhere, e))?;
    server.send_tls13_tickets = 1;
    Ok(server)
}

/// What we connect with: the peer is always verified; we show our first certificate to a peer that asks for one.
fn client_config(
    config: &TlsConfig,
    first: Option<&(String, Arc<CertifiedKey>)>,
    provider: &Arc<CryptoProvider>,
) -> Result<ClientConfig, NetError> {
    let roots = match &config.ca {
        Some(path) => authorities(path)?,
        // A machine without the bundle can still take calls; it verifies nobody, so it connects to nobody.
        None => authorities(Path::new(SYSTEM_CA)).unwrap_or_else(|error| {
            tracing::info!(%error, "no authorities: outgoing TLS connections will fail until tls.ca names some");
            RootCertStore::empty()
        }),
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(Path::new("tls"), e))?
        .with_root_certificates(roots);
    Ok(match first {
        Some((_, key)) => {
            let one = rustls::sign::SingleCertAndKey::from(Arc::clone(key));
            builder.with_client_cert_resolver(Arc::new(one))
        }
        None => builder.with_no_client_auth(),
    })
}

/// Why a TLS connection failed, for the log and the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TlsFailure {
    /// No version or cipher suite in common.
    NothingInCommon,
    /// The peer's certificate is for another name.
    WrongName,
    /// The peer's certificate is not from an authority we trust, or out of date.
    Untrusted,
    /// A client certificate is required and the peer has none.
    NoCertificate,
    /// The peer gave up with an alert: it may not trust our certificate.
    Alert,
    /// What it sends is no TLS, or was changed on the way.
    Garbled,
    /// The handshake took too long.
    Late,
    /// Something else.
    Other,
}

impl TlsFailure {
    pub(crate) fn words(self) -> &'static str {
        match self {
            TlsFailure::NothingInCommon => "no TLS version or cipher in common",
            TlsFailure::WrongName => "its certificate is for another name",
            TlsFailure::Untrusted => "its certificate is not trusted",
            TlsFailure::NoCertificate => "it shows no certificate",
            TlsFailure::Alert => "it gave up the TLS handshake",
            TlsFailure::Garbled => "what it sends is no TLS",
            TlsFailure::Late => "its handshake takes too long",
            TlsFailure::Other => "TLS failed",
        }
    }

    fn of(error: &rustls::Error) -> TlsFailure {
        use rustls::Error as E;
        if matches!(error, E::PeerIncompatible(_) | E::NoApplicationProtocol) {
            TlsFailure::NothingInCommon
        } else if matches!(
            error,
            E::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
        ) {
            TlsFailure::WrongName
        } else if matches!(error, E::InvalidCertificate(_)) {
            TlsFailure::Untrusted
        } else if matches!(error, E::NoCertificatesPresented) {
            TlsFailure::NoCertificate
        } else if matches!(error, E::AlertReceived(_)) {
            TlsFailure::Alert
        } else if matches!(
            error,
            E::InvalidMessage(_)
                | E::DecryptError
                | E::PeerMisbehaved(_)
                | E::PeerSentOversizedRecord
                | E::InappropriateMessage { .. }
                | E::InappropriateHandshakeMessage { .. }
        ) {
            TlsFailure::Garbled
        } else {
            TlsFailure::Other
        }
    }
}

/// The TLS of one connection.
///
/// # Invariants
/// `early` holds what is to be sent when the handshake is over, and is empty afterwards.
#[derive(Debug)]
pub(crate) struct Tls {
    connection: rustls::Connection,
    early: VecDeque<Bytes>,
}

impl Tls {
    /// For a connection that came in; `None` where no certificate is configured.
    pub(crate) fn accepting(material: &TlsMaterial) -> Option<Tls> {
        let server = ServerConnection::new(Arc::clone(material.server.as_ref()?)).ok()?;
        Some(Tls::new(rustls::Connection::Server(server)))
    }

    /// For a connection that we open. The peer must prove `name`, or the address where there is none.
    pub(crate) fn connecting(material: &TlsMaterial, name: Option<&str>, ip: IpAddr) -> Option<Tls> {
        let name = match name {
            Some(name) => ServerName::try_from(name.to_owned()).ok()?,
            None => ServerName::from(ip),
        };
        let client = ClientConnection::new(Arc::clone(&material.client), name).ok()?;
        Some(Tls::new(rustls::Connection::Client(client)))
    }

    fn new(mut connection: rustls::Connection) -> Tls {
        // The queue of the connection is what is bounded.
        connection.set_buffer_limit(None);
        Tls { connection, early: VecDeque::new() }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Takes what came from the socket; gives the plain bytes to `plain`. `Ok(false)`: the peer closed in order.
    pub(crate) fn receive(&mut self, mut bytes: &[u8], mut plain: impl FnMut(&[u8])) -> Result<bool, TlsFailure> {
        while !bytes.is_empty() {
            let before = bytes.len();
            self.connection.read_tls(&mut bytes).map_err(|_| TlsFailure::Other)?;
            let state = self.connection.process_new_packets().map_err(|e| TlsFailure::of(&e))?;
            let (has_plain, closed) = (state.plaintext_bytes_to_read() > 0, state.peer_has_closed());
            if has_plain {
                let mut reader = self.connection.reader();
                while let Ok(chunk) = reader.fill_buf() {
                    let count = chunk.len();
                    if count == 0 {
                        break;
                    }
                    plain(chunk);
                    reader.consume(count);
                }
            }
            if closed {
                return Ok(false);
            }
            if bytes.len() == before {
                return Err(TlsFailure::Garbled);
            }
        }
        if !self.connection.is_handshaking() {
            while let Some(early) = self.early.pop_front() {
                self.write(&early)?;
            }
        }
        Ok(true)
    }

    /// Takes plain bytes to send.
    pub(crate) fn send(&mut self, bytes: Bytes) -> Result<(), TlsFailure> {
        if self.connection.is_handshaking() {
            self.early.push_back(bytes);
            return Ok(());
        }
        self.write(&bytes)
    }

    /// How much waits for the end of the handshake.
    pub(crate) fn early_bytes(&self) -> usize {
        self.early.iter().map(Bytes::len).sum()
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TlsFailure> {
        self.connection.writer().write_all(bytes).map_err(|_| TlsFailure::Other)
    }

    /// Says goodbye, so that the peer can tell the end from a cut line.
    pub(crate) fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// What is to go to the socket now.
    pub(crate) fn output(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut out) {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => break,
            }
        }
        (!out.is_empty()).then(|| Bytes::from(out))
    }
}
