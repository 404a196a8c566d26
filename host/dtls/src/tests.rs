//! Two associations that shake hands over a desk, and those that must not come to keys.

use super::*;

/// Lets two talk until neither has anything to say; `lose` drops the datagrams with these numbers. Gives what was told.
fn talk(one: &mut Association, other: &mut Association, lose: &[usize]) -> [Vec<Told>; 2] {
    let mut now = Instant::now();
    let mut told = [Vec::new(), Vec::new()];
    let mut sent = 0;
    for _ in 0..200 {
        let mut quiet = true;
        for turn in [0, 1] {
            let (from, to) = if turn == 0 { (&mut *one, &mut *other) } else { (&mut *other, &mut *one) };
            while let Some(said) = from.poll() {
                quiet = false;
                match said {
                    Told::Record(bytes) => {
                        sent += 1;
                        if !lose.contains(&sent) {
                            to.handle_datagram(&bytes, now);
                        }
                    }
                    said @ (Told::Keys(_) | Told::Failed(_)) => told[turn].push(said),
                }
            }
        }
        let due = [one.poll_timeout(), other.poll_timeout()].into_iter().flatten().min();
        match due {
            Some(at) if quiet && told.iter().any(Vec::is_empty) => now = now.max(at),
            _ if quiet => break,
            _ => continue,
        }
        one.handle_timeout(now);
        other.handle_timeout(now);
    }
    told
}

fn only_keys(told: &[Told]) -> Found {
    match told {
        [Told::Keys(keys)] => *keys,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_comes_to_the_keys_of_the_other() {
    let (a, b) = (Certificate::draw().unwrap(), Certificate::draw().unwrap());
    assert_ne!(a.fingerprint(), b.fingerprint());
    for lose in [&[][..], &[1], &[2, 3], &[4], &[2, 4, 6], &[4, 5, 7], &[6]] {
        let now = Instant::now();
        let mut client = Association::new(&a, true, vec![b.fingerprint()], now);
        let mut server = Association::new(&b, false, vec![a.fingerprint()], now);
        let [of_client, of_server] = talk(&mut client, &mut server, lose);
        let (client, server) = (only_keys(&of_client), only_keys(&of_server));
        assert_eq!((client.ours, client.theirs), (server.theirs, server.ours), "{lose:?}");
        assert_ne!(client.ours, client.theirs);
    }
}

#[test]
fn a_certificate_that_the_description_does_not_name_comes_to_nothing() {
    let (a, b) = (Certificate::draw().unwrap(), Certificate::draw().unwrap());
    let mut weak = a.fingerprint();
    weak.hash = "sha-1".to_owned();
    for expected in [vec![b.fingerprint()], vec![weak], vec![]] {
        let now = Instant::now();
        let mut client = Association::new(&a, true, vec![b.fingerprint()], now);
        let mut server = Association::new(&b, false, expected, now);
        let [_, of_server] = talk(&mut client, &mut server, &[]);
        assert!(matches!(of_server[..], [Told::Failed(_)]), "{of_server:?}");
    }
}

/// What it says now.
fn said(association: &mut Association) -> Vec<Vec<u8>> {
    core::iter::from_fn(|| association.poll())
        .filter_map(|told| match told {
            Told::Record(bytes) => Some(bytes),
            Told::Keys(_) | Told::Failed(_) => None,
        })
        .collect()
}

#[test]
fn a_stranger_gets_a_cookie_and_nothing_that_is_larger_than_what_he_sent() {
    let (a, b) = (Certificate::draw().unwrap(), Certificate::draw().unwrap());
    let mut now = Instant::now();
    let mut client = Association::new(&a, true, vec![b.fingerprint()], now);
    let mut server = Association::new(&b, false, vec![a.fingerprint()], now);
    let mut hello = said(&mut client).concat();
    let mut answer = Vec::new();
    // As often as he says it: nothing but a cookie comes back, and not for each that comes soon after another.
    for n in 0..4 {
        server.handle_datagram(&hello, now);
        let again = said(&mut server).concat();
        assert!(n > 0 || !again.is_empty(), "the first is answered");
        if !again.is_empty() {
            answer = again;
        }
        // RFC 6347 section 4.2.1: a record of the handshake (22) with a HelloVerifyRequest (3).
        assert!(answer.first() == Some(&22) && answer.get(13) == Some(&3), "{n}: {answer:?}");
        assert!(answer.len() <= hello.len(), "{n}: {} bytes for {}", answer.len(), hello.len());
        now = client.poll_timeout().unwrap();
        client.handle_timeout(now);
        hello = said(&mut client).concat();
    }
    client.handle_datagram(&answer, now);
    server.handle_timeout(now + Duration::from_secs(5));
    let later = said(&mut server).concat();
    assert!(later.len() <= hello.len(), "{} bytes by itself", later.len());
    // With the cookie there is a certificate, and still no more than three times what came (`media::ice`).
    let again = said(&mut client).concat();
    server.handle_datagram(&again, now + Duration::from_secs(5));
    let flight = said(&mut server).concat();
    assert!(flight.len() > 400, "{} bytes are no certificate", flight.len());
    assert!(flight.len() <= 3 * (hello.len() + again.len()), "{} for {}, {}", flight.len(), hello.len(), again.len());
}

#[test]
fn nobody_there_and_nonsense_end() {
    let certificate = Certificate::draw().unwrap();
    let mut now = Instant::now();
    let mut client = Association::new(&certificate, true, vec![certificate.fingerprint()], now);
    let mut failed = false;
    for _ in 0..100 {
        while let Some(told) = client.poll() {
            failed |= matches!(told, Told::Failed(_));
        }
        let Some(at) = client.poll_timeout() else { break };
        now = now.max(at);
        client.handle_timeout(now);
    }
    assert!(failed, "a handshake has an end");
    let mut server = Association::new(&certificate, false, vec![certificate.fingerprint()], now);
    for byte in 0..=255_u8 {
        server.handle_datagram(&[byte; 60], now);
        server.handle_datagram(&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, byte, 0, 3, 1, byte, 0], now);
    }
    assert!(!core::iter::from_fn(|| server.poll()).any(|t| matches!(t, Told::Keys(_))));
}
