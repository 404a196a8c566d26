//! A node with one brand and one company, on ports the kernel gives.

use crate::phone::Phone;
use core::time::Duration;
use model::{Account, Cdr, Company, DefaultVerdict, Ha1, MediaPath, MediaSecurity, Transport};
use shell::{Handle, ListenerConfig, MediaConfig, PortRange, Shell, ShellConfig, TlsCertificate, TlsConfig};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use store::{CdrFilter, Db, NewAccount, NewBrand, NewCompany, OpContext};
use tempfile::TempDir;

pub(crate) struct World {
    pub(crate) handle: Handle,
    pub(crate) db: Db,
    pub(crate) company: Company,
    carol: SocketAddr,
    carol_phone: std::sync::Mutex<Option<Phone>>,
    dir: TempDir,
}

fn config(dir: &Path) -> ShellConfig {
    let bind = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = |transport| ListenerConfig { transport, bind, advertised: None };
    ShellConfig {
        listeners: Transport::ALL.map(listener).to_vec(),
        tls: tls(dir),
        // Ports rest after a call: enough for every call of a test.
        media: vec![MediaConfig {
            bind: bind.ip(),
            advertised: None,
            ports: PortRange::Ephemeral,
            pairs: 16,
            dscp: shell::Dscp::EF,
        }],
        ..ShellConfig::new(dir.join("data"))
    }
}

/// A certificate for the node, signed by itself: a phone that trusts the file trusts the node.
fn tls(dir: &Path) -> TlsConfig {
    let [cert, key] = ["node.crt", "node.key"].map(|name| dir.join(name));
    if !cert.exists() {
        let made = rcgen::generate_simple_self_signed(vec!["sip.example.test".to_owned()]).unwrap();
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    }
    let certificate = TlsCertificate { domain: "sip.example.test".to_owned(), cert, key };
    TlsConfig { certificates: vec![certificate], ..TlsConfig::default() }
}

/// What a phone trusts.
fn trust(dir: &Path) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(dir.join("node.crt")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

fn database(dir: &Path) -> String {
    format!("sqlite:{}", dir.join("strowger.db").display())
}

async fn start(dir: &Path) -> (Db, Handle) {
    let db = Db::open(&database(dir)).await.unwrap();
    let plugins =
        plugin::Host::new(plugin::HostConfig { apps_max: 16, hooks_max: 16, ..plugin::HostConfig::default() });
    let handle = Shell::start(config(dir), db.clone(), plugins.unwrap()).await.unwrap();
    (db, handle)
}

impl World {
    pub(crate) async fn start() -> World {
        let dir = tempfile::tempdir().unwrap();
        let platform = OpContext::platform();
        let (db, handle) = start(dir.path()).await;
        let new = NewBrand { name: "brand".to_owned(), default_verdict: DefaultVerdict::Extensions };
        let brand = db.brands().create(&platform, new).await.unwrap().id;
        let (name, domain) = ("company".to_owned(), "example.test".to_owned());
        let new = NewCompany {
            brand,
            name,
            domain,
            media: MediaPath::Anchor,
            handling: model::Handling::B2bua,
            decline_ends_all: false,
            calls_max: None,
            kind: model::CompanyKind::Vpbx,
            media_security: Default::default(),
        };
        let company = db.companies().create(&platform, new).await.unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let world = World { handle, db, company, carol: address, carol_phone: std::sync::Mutex::new(None), dir };
        let carol = world.phone("carol").await;
        let carol_at = carol.address();
        World { carol: carol_at, carol_phone: std::sync::Mutex::new(Some(carol)), ..world }
    }

    pub(crate) async fn restart(self) -> World {
        let World { handle, db, company, carol, carol_phone, dir } = self;
        db.close().await;
        // The journal's folder is locked until the last handle is gone.
        drop(handle);
        let (db, handle) = start(dir.path()).await;
        World { handle, db, company, carol, carol_phone, dir }
    }

    /// The configuration of another node on the same data.
    pub(crate) fn config(&self) -> ShellConfig {
        config(self.dir.path())
    }

    pub(crate) fn address(&self, transport: Transport) -> SocketAddr {
        self.handle.listeners().iter().find(|l| l.transport == transport).unwrap().advertised
    }

    /// A phone whose account is known by its address.
    pub(crate) async fn phone(&self, name: &str) -> Phone {
        let phone = Phone::new(name, Transport::Udp, self.address(Transport::Udp));
        let ha1 = Ha1 { md5: "0".repeat(32), sha256: "0".repeat(64) };
        let direct = Some(phone.address());
        let (username, display_name) = (name.to_owned(), String::new());
        let new = NewAccount { company: self.company.id, username, display_name, ha1, direct, enabled: true };
        let _account: Account = self.db.accounts().create(&OpContext::platform(), new).await.unwrap();
        self.handle.live().await.unwrap();
        phone
    }

    /// A phone with a password, registered over `transport`.
    pub(crate) async fn registered(&self, name: &str, transport: Transport) -> Phone {
        let ha1 = sip_auth::ha1(name, &self.company.domain, "secret");
        let (username, display_name) = (name.to_owned(), String::new());
        let new = NewAccount { company: self.company.id, username, display_name, ha1, direct: None, enabled: true };
        let ctx = OpContext::platform();
        let account: Account = self.db.accounts().create(&ctx, new).await.unwrap();
        // A phone that is no browser, although it may come by WebSocket.
        let plain = Account { media_security: Some(MediaSecurity::Forbid), ..account };
        self.db.accounts().update(&ctx, &plain).await.unwrap();
        self.handle.live().await.unwrap();
        let mut phone = Phone::secure(name, transport, self.address(transport), Some(trust(self.dir.path())));
        phone.register_with("secret");
        phone
    }

    /// A phone that was there before the drain began.
    pub(crate) fn carol(&self) -> Phone {
        let carol = self.carol_phone.lock().unwrap().take().unwrap();
        assert_eq!(carol.address(), self.carol);
        carol
    }

    /// What somebody writes past the store.
    pub(crate) async fn sql(&self, sql: &'static str) {
        use sqlx::Connection as _;
        let mut file = sqlx::SqliteConnection::connect(&database(self.dir.path())).await.unwrap();
        sqlx::query(sql).execute(&mut file).await.unwrap();
    }

    pub(crate) async fn until(&self, done: impl Fn(&Handle) -> bool) {
        let begun = Instant::now();
        while !done(&self.handle) {
            assert!(begun.elapsed() < Duration::from_secs(10), "waited in vain");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn metrics_with(&self, line: &str) -> String {
        self.until(|handle| handle.metrics_text().contains(line)).await;
        self.handle.metrics_text()
    }

    pub(crate) async fn cdrs(&self, count: usize) -> Vec<Cdr> {
        let filter = CdrFilter { company: Some(self.company.id), account: None, from: None, to: None, cause: None };
        let begun = Instant::now();
        loop {
            let cdrs = self.db.cdrs().list(&OpContext::platform(), &filter, None, 100).await.unwrap();
            if cdrs.len() >= count {
                return cdrs;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "only {} CDRs", cdrs.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
