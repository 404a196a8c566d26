//! Two switches: one vouches for its caller, the other fetches the certificate and believes it, or not (STIR/SHAKEN).

use crate::turn;
use interop::{Office, Ua};
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

/// A TNAuthList of one number: 4930123.
const OURS: &[u8] = b"\x30\x0b\xa2\x09\x16\x074930123";

/// Publishes a file over https; gives the port and the authority of the server.
fn publish(body: String) -> (u16, String) {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let ca = own.cert.pem();
    let chain = vec![CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(own.signing_key.serialize_pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(connection, stream);
            if stream.read(&mut [0; 2_048]).is_ok() {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _gone = stream.write_all((head + &body).as_bytes());
                stream.conn.send_close_notify();
                let _gone = stream.flush();
            }
        }
    });
    (port, ca)
}

/// An authority, and a certificate of it for our number: PEM of authority, certificate and key.
fn credentials() -> (String, String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let anchor = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 26], OURS.to_vec())];
    (anchor, params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn rtp() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000))
}

fn cdr_of(office: &Office, role: &str) -> Value {
    interop::until("the CDR", || {
        let all = office.switch().rest().all("/cdrs");
        all.into_iter().find(|c| c["role"] == role)
    })
}

#[test]
fn one_switch_believes_what_another_vouches_for_and_a_stranger_is_refused() {
    let _turn = turn();
    let dir = tempfile::tempdir().unwrap();
    let (anchor, certificate, key) = credentials();
    let (port, ca) = publish(certificate.clone());
    let sections =
        format!("[identity]\nfetch_networks = [\"127.0.0.0/8\"]\nfetch_ca = {:?}\n", file(dir.path(), "ca.pem", &ca));
    let near = Office::open(&json!({ "media": "direct" }));
    let far = Office::configured(&json!({ "media": "direct" }), &sections);

    // Near: one number, a key for it, and a trunk to the other switch that wants our word.
    let (here, there) = (near.switch(), far.switch());
    let ann = Ua::new(here.sip());
    here.direct_account("ann", ann.address());
    let ddi = json!({ "company": near.company(), "e164": "+4930123", "target": { "kind": "account", "name": "ann" } });
    here.rest().write("POST", "/ddis", &ddi);
    let _ = here.cli(&["company", "set", "acme", "--rules", r#"{"outgoing_ddi":"+4930123"}"#]);
    let url = format!("https://127.0.0.1:{port}/a.pem");
    let (certificate, key) = (file(dir.path(), "a.pem", &certificate), file(dir.path(), "a.key", &key));
    let set = here.cli(&["brand", "identity", "brand", "--x5u", &url, "--certificate", &certificate, "--key", &key]);
    assert_eq!(set["key"]["url"], url.as_str(), "{set}");
    let server = there.sip().to_string();
    let _ = here.cli(&["trunk", "add", "far", "--server", &server, "--sign", "true"]);
    let wasm = dir.path().join("extensions.wasm");
    std::fs::write(&wasm, shipped::EXTENSIONS).unwrap();
    let _ = here.cli(&["plugin", "install", wasm.to_str().unwrap(), "--as", "1.0.0", "--unsigned"]);
    let config = json!({ "static": { "0*": "trunk:far/+49{rest}" } }).to_string();
    let _ = here.cli(&["plugin", "bind", "extensions@1.0.0", "--config", &config]);

    // Far: a phone behind a number, and a trunk that lets in only what is proved.
    let bob = Ua::new(there.sip());
    there.direct_account("bob", bob.address());
    let ddi = json!({ "company": far.company(), "e164": "+4940999", "target": { "kind": "account", "name": "bob" } });
    there.rest().write("POST", "/ddis", &ddi);
    let _ = there.cli(&["trunk", "add", "near", "--source", "127.0.0.1/32", "--verify", "refuse"]);

    // Nobody is believed yet.
    let mut call = ann.invite("040999", rtp());
    assert!(ann.answered(&mut call) >= 400);
    let refused = cdr_of(&far, "caller");
    assert_eq!((&refused["cause"], &refused["identity"]), (&json!("caller-unproven"), &json!("failed-credential")));
    assert_eq!(refused["sip_status"], 437, "{refused}");

    let anchors = file(dir.path(), "anchors.pem", &anchor);
    let _ = there.cli(&["brand", "identity", "brand", "--anchors", &anchors]);
    let mut call = ann.invite("040999", rtp());
    let invite = bob.expect("the INVITE at the far phone", |m| m.method() == "INVITE" && m.status() == 0);
    assert!(invite.header("From").contains("sip:+4930123;verstat=TN-Validation-Passed@"), "{}", invite.text);
    bob.respond(&invite, 200, Some(rtp()));
    assert_eq!(ann.answered(&mut call), 200);
    let _ = bob.expect("the ACK", |m| m.method() == "ACK");
    std::thread::scope(|scope| {
        let ended = scope.spawn(|| {
            let bye = bob.expect("the BYE", |m| m.method() == "BYE");
            bob.respond(&bye, 200, None);
        });
        assert_eq!(ann.bye(&mut call), 200);
        ended.join().unwrap();
    });
    interop::until("the CDRs of both", || {
        let of = |office: &Office, identity: &str| {
            office
                .switch()
                .rest()
                .all("/cdrs")
                .iter()
                .any(|c| c["identity"] == identity && c["cause"] == "normal-clearing")
        };
        (of(&near, "signed-a") && of(&far, "passed-a")).then_some(())
    });

    // A stranger from the carrier's network, without a word for it.
    let stranger = Ua::new(there.sip());
    let mut call = stranger.invite("+4940999", rtp());
    assert_eq!(stranger.answered(&mut call), 428);
}
