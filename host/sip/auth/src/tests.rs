//! Vectors of the RFCs, and the rules about nonces.

use crate::digest::{Algorithm, Qop, Signed, response};
use crate::{AuthFailure, Authenticator, Credentials, Realm, answer, ha1};
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use model::{Ha1, Instant};

const NAME: &str = "acme.example";
const REALM: Realm<'static> = Realm { name: NAME, source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)) };
const TTL: Duration = Duration::from_secs(300);
const URI: &str = "sip:acme.example";
const ALICE: Credentials<'static> = Credentials { username: "alice", password: "wonder\"land" };

fn at(seconds: u64) -> Instant {
    Instant::from_unix_nanos((1_000_000 + seconds) * 1_000_000_000)
}

fn authenticator(nonces_max: usize) -> Authenticator {
    Authenticator::new([9; 32], nonces_max, TTL)
}

fn lookup(user: &str) -> Option<&'static Ha1> {
    static ALICES: std::sync::LazyLock<Ha1> = std::sync::LazyLock::new(|| ha1("alice", NAME, ALICE.password));
    (user == "alice").then(|| &*ALICES)
}

fn challenge(auth: &mut Authenticator, now: Instant) -> Vec<String> {
    auth.challenge(REALM, false, now)
}

fn credentials(challenges: &[String], count: u32) -> String {
    let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
    answer(&challenges, &ALICE, ("REGISTER", URI), "c0ffee", count).expect("a usable challenge")
}

fn verify(auth: &mut Authenticator, value: &str, now: Instant) -> Result<String, AuthFailure> {
    auth.verify([value], "REGISTER", REALM, lookup, now).map(|v| v.username)
}

#[test]
fn the_vectors_of_rfc_7616_and_2617_and_2069_hold() {
    let secrets = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
    let qop = Qop { nc: "00000001", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" };
    let signed = Signed {
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        method: "GET",
        uri: "/dir/index.html",
        qop: Some(qop),
    };
    assert_eq!(response(Algorithm::Md5, &secrets.md5, &signed).as_str(), "8ca523f5e9506fed4657c9700eebdbec");
    assert_eq!(
        response(Algorithm::Sha256, &secrets.sha256, &signed).as_str(),
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    );
    let nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093";
    let rfc2617 = ha1("Mufasa", "testrealm@host.com", "Circle Of Life").md5;
    assert_eq!(rfc2617, "939e7578ed9e3c518a452acee763bce9");
    let qop = Some(Qop { nc: "00000001", cnonce: "0a4f113b" });
    let signed = Signed { nonce, method: "GET", uri: "/dir/index.html", qop };
    assert_eq!(response(Algorithm::Md5, &rfc2617, &signed).as_str(), "6629fae49393a05397450978507c4ef1");
    // RFC 2069 section 2.4 with its erratum 749.
    let rfc2069 = ha1("Mufasa", "testrealm@host.com", "CircleOfLife").md5;
    let signed = Signed { nonce, method: "GET", uri: "/dir/index.html", qop: None };
    assert_eq!(response(Algorithm::Md5, &rfc2069, &signed).as_str(), "1949323746fe6a43ef61f9606e7febea");
}

#[test]
fn a_challenge_offers_sha_256_first_and_its_answer_is_accepted() {
    let mut auth = authenticator(10);
    let challenges = challenge(&mut auth, at(0));
    assert_eq!(challenges.len(), 2);
    assert!(challenges[0].contains("algorithm=SHA-256") && challenges[1].contains("algorithm=MD5"));
    assert!(!challenges[0].contains("stale"));
    assert!(auth.challenge(REALM, true, at(0))[1].contains("stale=true"));
    let value = credentials(&challenges, 1);
    assert!(value.contains("algorithm=SHA-256"));
    let verified = auth.verify([value.as_str()], "REGISTER", REALM, lookup, at(1)).expect("valid");
    assert_eq!((verified.username.as_str(), verified.uri.as_str()), ("alice", URI));
    assert_eq!(verified.algorithm, Algorithm::Sha256);
    let md5 = credentials(&challenges[1..], 2);
    assert_eq!(verify(&mut auth, &md5, at(1)), Ok("alice".to_owned()));
}

#[test]
fn the_nonce_count_must_rise() {
    let mut auth = authenticator(10);
    let challenges = challenge(&mut auth, at(0));
    assert!(verify(&mut auth, &credentials(&challenges, 1), at(1)).is_ok());
    assert_eq!(verify(&mut auth, &credentials(&challenges, 1), at(1)), Err(AuthFailure::Replayed));
    assert!(verify(&mut auth, &credentials(&challenges, 5), at(2)).is_ok());
    assert_eq!(verify(&mut auth, &credentials(&challenges, 4), at(2)), Err(AuthFailure::Replayed));
    assert!(verify(&mut auth, &credentials(&challenges, 6), at(2)).is_ok());
}

#[test]
fn without_qop_a_nonce_serves_once() {
    let mut auth = authenticator(10);
    let old = challenge(&mut auth, at(0))[1].replace(", qop=\"auth\"", "");
    let value = credentials(core::slice::from_ref(&old), 1);
    assert!(!value.contains("qop") && !value.contains("cnonce"));
    assert!(verify(&mut auth, &value, at(1)).is_ok());
    assert_eq!(verify(&mut auth, &value, at(1)), Err(AuthFailure::Replayed));
}

#[test]
fn stale_is_said_only_to_who_knows_the_password() {
    let mut auth = authenticator(10);
    let challenges = challenge(&mut auth, at(0));
    let value = credentials(&challenges, 1);
    assert_eq!(verify(&mut auth, &value, at(301)), Err(AuthFailure::Stale));
    let wrong = value.replace("response=\"", "response=\"0").replacen("\", algorithm", "", 1);
    assert!(matches!(verify(&mut auth, &wrong, at(301)), Err(AuthFailure::Malformed(_))));
    let mut other = Authenticator::new([8; 32], 10, TTL);
    assert_eq!(verify(&mut other, &value, at(1)), Err(AuthFailure::ForeignNonce));
    // Another's nonce says nothing of who sends it, whatever the password.
    let elsewhere = Realm { source: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 8)), ..REALM };
    let stolen = auth.verify([value.as_str()], "REGISTER", elsewhere, lookup, at(1));
    assert_eq!(stolen.map(|v| v.username), Err(AuthFailure::ForeignNonce));
    let guess = Credentials { username: "alice", password: "guess" };
    let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
    let value = answer(&challenges, &guess, ("REGISTER", URI), "c", 1).expect("usable");
    assert_eq!(verify(&mut auth, &value, at(301)), Err(AuthFailure::WrongPassword));
    let nobody = Credentials { username: "bob", password: "guess" };
    let value = answer(&challenges, &nobody, ("REGISTER", URI), "c", 1).expect("usable");
    assert_eq!(verify(&mut auth, &value, at(1)), Err(AuthFailure::UnknownUser));
    assert_eq!(auth.nonces_len(), 0, "failures cost no memory");
}

#[test]
fn another_method_or_realm_does_not_pass() {
    let mut auth = authenticator(10);
    let value = credentials(&challenge(&mut auth, at(0)), 1);
    let invite = auth.verify([value.as_str()], "INVITE", REALM, lookup, at(1));
    assert_eq!(invite.map(|v| v.username), Err(AuthFailure::WrongPassword));
    let elsewhere = auth.verify([value.as_str()], "REGISTER", Realm { name: "other.example", ..REALM }, lookup, at(1));
    assert_eq!(elsewhere.map(|v| v.username), Err(AuthFailure::Missing));
    let nothing = auth.verify([], "REGISTER", REALM, lookup, at(1));
    assert_eq!(nothing.map(|v| v.username), Err(AuthFailure::Missing));
    // A value for another realm beside ours is skipped.
    let foreign = r#"Digest username="x", realm="carrier", nonce="n", uri="u", response="r""#;
    assert!(auth.verify([foreign, value.as_str()], "REGISTER", REALM, lookup, at(1)).is_ok());
}

#[test]
fn memory_is_bounded_and_a_forgotten_nonce_is_stale() {
    let mut auth = authenticator(3);
    let values: Vec<String> = (0..5).map(|i| credentials(&challenge(&mut auth, at(i)), 1)).collect();
    for value in &values {
        assert!(verify(&mut auth, value, at(5)).is_ok());
    }
    assert_eq!(auth.nonces_len(), 3);
    assert_eq!(verify(&mut auth, &values[0], at(5)), Err(AuthFailure::Stale));
    assert_eq!(verify(&mut auth, &values[4], at(5)), Err(AuthFailure::Replayed));
    // Old ones leave with time as well.
    let late = credentials(&challenge(&mut auth, at(400)), 1);
    assert!(verify(&mut auth, &late, at(400)).is_ok());
    assert_eq!(auth.nonces_len(), 1);
}

#[test]
fn bad_credentials_are_malformed_and_never_a_panic() {
    let mut auth = authenticator(10);
    let good = credentials(&challenge(&mut auth, at(0)), 1);
    for bad in [
        "Digest".to_owned(),
        "Digest realm".to_owned(),
        r#"Digest realm="acme.example"#.to_owned(),
        r#"Digest realm="acme.example" nonce="x""#.to_owned(),
        r#"Digest realm="acme.example", realm="acme.example""#.to_owned(),
        good.replace("nc=00000001", "nc=1"),
        good.replace("nc=00000001", "nc=00000000"),
        good.replace("nc=00000001", "nc=ffffffff"),
        good.replace("qop=auth", "qop=auth-int"),
        good.replace("SHA-256", "SHA-256-sess"),
        good.replace("qop=auth, ", ""),
        good.replace("cnonce", "xnonce"),
    ] {
        assert!(matches!(verify(&mut auth, &bad, at(1)), Err(AuthFailure::Malformed(_))), "{bad}");
    }
    assert_eq!(verify(&mut auth, "Basic QWxhZGRpbg==", at(1)), Err(AuthFailure::Missing));
    for cut in 0..good.len() {
        assert!(verify(&mut auth, &good[..cut], at(1)).is_err());
    }
    assert!(verify(&mut auth, &good, at(1)).is_ok());
}

#[test]
fn quotes_in_names_and_realms_survive() {
    let who = Credentials { username: "al\"ice\\", password: "p" };
    let realm = "a \"b\" realm";
    let mut auth = authenticator(10);
    let asked = Realm { name: realm, ..REALM };
    let challenges = auth.challenge(asked, false, at(0));
    let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
    let value = answer(&challenges, &who, ("INVITE", "sip:x"), "c", 1).expect("usable");
    let secrets = ha1(who.username, realm, "p");
    let find = |user: &str| (user == who.username).then_some(&secrets);
    assert!(auth.verify([value.as_str()], "INVITE", asked, find, at(1)).is_ok());
}

#[test]
fn nonces_of_an_earlier_run_are_stale_and_never_accepted() {
    let mut before = authenticator(10);
    let (used, unused) =
        (credentials(&challenge(&mut before, at(0)), 1), credentials(&challenge(&mut before, at(0)), 1));
    assert!(verify(&mut before, &used, at(1)).is_ok());
    let mut after = Authenticator::new([1; 32], 10, TTL);
    after.resume(before.secret(), at(2));
    for value in [&used, &unused] {
        assert_eq!(verify(&mut after, value, at(3)), Err(AuthFailure::Stale), "a replay must not pass");
    }
    let fresh = credentials(&challenge(&mut after, at(3)), 1);
    assert!(verify(&mut after, &fresh, at(3)).is_ok());
}
