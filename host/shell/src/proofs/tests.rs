//! Proofs against a server of our own, on loopback.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::PlainSecret;

/// A TNAuthList with a service provider's code.
const PROVIDER: &[u8] = &[0x30, 0x08, 0xa0, 0x06, 0x16, 0x04, b'7', b'0', b'9', b'J'];

/// An https server that gives the same body to everybody, and how often it did.
struct Server {
    port: u16,
    asked: Arc<AtomicUsize>,
    ca: String,
}

fn serve(body: Vec<u8>) -> Server {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let ca = own.cert.pem();
    let chain = vec![CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.signing_key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            if stream.read(&mut [0; 2_048]).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _gone = stream.write_all(&[head.as_bytes(), &body].concat());
                stream.conn.send_close_notify();
                let _gone = stream.flush();
            }
        }
    });
    Server { port, asked, ca }
}

struct Carrier {
    anchor: String,
    certificate: String,
    key: String,
}

fn carrier() -> Carrier {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let anchor = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], PROVIDER.to_vec())];
    Carrier { anchor, certificate: params.signed_by(&key, &issuer).unwrap().pem(), key: key.serialize_pem() }
}

fn trust(ca: &str, networks: &[&str]) -> Trust {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ca).unwrap();
    let fetch_networks = networks.iter().map(|n| n.parse().unwrap()).collect();
    let settings = IdentitySettings { anchors: None, fetch_networks, fetch_ca: Some(file.path().to_owned()) };
    Trust::new(&settings, Duration::from_secs(5), Clock::anchored()).unwrap()
}

fn identity(brand: i64, anchors: &str) -> SignedIdentity {
    SignedIdentity { brand: BrandId(brand), key: None, anchors: anchors.to_owned() }
}

fn question(carrier: &Carrier, x5u: &str, brand: i64) -> ProofQuestion {
    let key = BrandKey::new("https://a/b", &carrier.certificate, &carrier.key).unwrap();
    ProofQuestion {
        ticket: Ticket(1),
        deadline: Instant::from_unix_nanos(0),
        brand: BrandId(brand),
        x5u: x5u.to_owned(),
        number: "4930123456".to_owned(),
        input: b"header.claims".to_vec(),
        signature: key.sign(b"header.claims").unwrap(),
    }
}

#[tokio::test]
async fn a_certificate_is_fetched_once_and_believed_by_whom_it_concerns() {
    let carrier = carrier();
    let server = serve(carrier.certificate.clone().into_bytes());
    let trust = trust(&server.ca, &["127.0.0.0/8"]);
    trust.take(&[identity(1, &carrier.anchor), identity(2, "")]);
    let x5u = format!("https://127.0.0.1:{}/a.pem", server.port);
    let good = question(&carrier, &x5u, 1);
    let (one, two) = tokio::join!(trust.prove(&good), trust.prove(&good));
    assert_eq!((one, two), (Ok(()), Ok(())));
    assert_eq!(trust.prove(&question(&carrier, &x5u, 2)).await, Err(IdentityFailure::UnsupportedCredential));
    assert_eq!(trust.prove(&question(&carrier, &x5u, 3)).await, Err(IdentityFailure::UnsupportedCredential));
    let forged = ProofQuestion { input: b"header.other".to_vec(), ..good.clone() };
    assert_eq!(trust.prove(&forged).await, Err(IdentityFailure::InvalidHeader));
    assert_eq!(server.asked.load(Ordering::Relaxed), 1, "one fetch for all of them");
    // The brand changes its mind: so does the next proof.
    trust.take(&[identity(1, ""), identity(2, &carrier.anchor)]);
    assert_eq!(trust.prove(&good).await, Err(IdentityFailure::UnsupportedCredential));
    assert_eq!(trust.prove(&question(&carrier, &x5u, 2)).await, Ok(()));
}

#[tokio::test]
async fn nothing_private_is_fetched_and_nothing_large() {
    let carrier = carrier();
    let server = serve(vec![b'x'; BYTES_MAX + 1]);
    let port = server.port;
    let closed = trust(&server.ca, &[]);
    for host in ["127.0.0.1", "localhost", "[::1]", "10.0.0.1"] {
        let asked = question(&carrier, &format!("https://{host}:{port}/a.pem"), 1);
        assert_eq!(closed.prove(&asked).await, Err(IdentityFailure::BadInfo), "{host}");
    }
    assert_eq!(server.asked.load(Ordering::Relaxed), 0);
    let open = trust(&server.ca, &["127.0.0.0/8"]);
    let asked = question(&carrier, &format!("https://127.0.0.1:{port}/a.pem"), 1);
    assert_eq!(open.prove(&asked).await, Err(IdentityFailure::BadInfo));
    assert_eq!(open.prove(&asked).await, Err(IdentityFailure::BadInfo));
    assert_eq!(server.asked.load(Ordering::Relaxed), 1, "what failed is not asked for again at once");
    let clear = question(&carrier, &format!("http://127.0.0.1:{port}/a.pem"), 1);
    assert_eq!(open.prove(&clear).await, Err(IdentityFailure::BadInfo));
}

#[tokio::test]
async fn a_brand_signs_with_its_key_and_a_broken_one_is_left_out() {
    let carrier = carrier();
    let trust = trust(&carrier.anchor, &[]);
    let key = |pem: &str| Some(("https://a/b".to_owned(), carrier.certificate.clone(), PlainSecret::from(pem)));
    let identities = [
        SignedIdentity { key: key(&carrier.key), ..identity(1, "") },
        SignedIdentity { key: key("no key"), ..identity(2, "") },
    ];
    let signers = trust.take(&identities);
    assert_eq!(signers.keys().copied().collect::<Vec<_>>(), [BrandId(1)]);
    assert_eq!(signers[&BrandId(1)].x5u(), "https://a/b");
}
