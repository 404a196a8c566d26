//! Replays the torture messages, their mutations by a fixed generator, and everything in `corpus/` and `artifacts/`.

use std::path::Path;

/// A small fixed generator: the same mutations every time.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
}

fn mutate(wire: &[u8], random: &mut Lcg) -> Vec<u8> {
    const BYTES: &[u8] = b" \r\n\t\"\\<>;,:=@?%[]\x00\xffaZ0/";
    let mut bytes = wire.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = BYTES[random.below(BYTES.len())],
            1 => bytes.insert(at, BYTES[random.below(BYTES.len())]),
            2 => drop(bytes.remove(at)),
            _ => bytes.extend_from_within(at..),
        }
    }
    bytes
}

#[test]
fn torture_messages_and_their_mutations() {
    let mut random = Lcg(4475);
    for case in torture::all() {
        fuzz::message(&case.wire);
        for _ in 0..400 {
            let bytes = mutate(&case.wire, &mut random);
            fuzz::message(&bytes);
            fuzz::framer(&bytes);
        }
    }
}

/// What each target is seeded with: its committed corpus.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no corpus in {}", folder.display());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn mutations_of_the_corpus() {
    let mut random = Lcg(5118);
    for (target, rounds, run) in [
        ("uri", 2_000, fuzz::uri as fn(&[u8])),
        ("header", 2_000, fuzz::header),
        ("sdp", 500, fuzz::sdp),
        ("pidf", 500, fuzz::pidf),
        ("browser", 500, fuzz::browser),
        ("opus", 300, fuzz::opus),
        ("whole", 60, fuzz::whole),
    ] {
        for seed in corpus(target) {
            for _ in 0..rounds {
                run(&mutate(&seed, &mut random));
            }
        }
    }
}

/// The torture messages, from an admitted peer, to the whole switch.
#[test]
fn torture_messages_and_the_whole_switch() {
    for case in torture::all() {
        let mut data = vec![0];
        data.extend_from_slice(&case.wire);
        fuzz::whole(&data);
    }
}

#[test]
fn corpus_and_artifacts() {
    for (target, run) in [
        ("message", fuzz::message as fn(&[u8])),
        ("framer", fuzz::framer),
        ("whole", fuzz::whole),
        ("uri", fuzz::uri),
        ("header", fuzz::header),
        ("sdp", fuzz::sdp),
        ("opus", fuzz::opus),
        ("pidf", fuzz::pidf),
    ] {
        for folder in ["corpus", "artifacts"] {
            let Ok(files) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target)) else {
                continue;
            };
            for file in files {
                run(&std::fs::read(file.unwrap().path()).unwrap());
            }
        }
    }
}
