//! Compiled code on the disk: what is believed, what is not, and what goes when there is too much.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn entry(byte: u8, kind: EngineKind) -> Entry {
    Entry { digest: Digest([byte; 32]), kind, fingerprint: [9; 32] }
}

fn code(bytes: &[u8]) -> Trusted {
    Trusted::compiled(bytes.to_vec())
}

fn only_file(data: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(data.join(CODE_FOLDER)).unwrap().map(|f| f.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn what_is_kept_comes_back_after_a_restart_and_nobody_else_may_read_it() {
    let data = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(data.path(), 1 << 20).unwrap();
    assert!(cache.load(&entry(1, EngineKind::Apps)).is_none());
    cache.keep(&entry(1, EngineKind::Apps), &code(b"code"));
    let cache = CodeCache::open(data.path(), 1 << 20).unwrap();
    assert_eq!(cache.load(&entry(1, EngineKind::Apps)).unwrap().code(), b"code");
    assert!(cache.load(&entry(1, EngineKind::Hooks)).is_none(), "another engine's");
    assert!(cache.load(&entry(2, EngineKind::Apps)).is_none(), "another component's");
    let figures = cache.figures();
    assert_eq!((figures.loaded, figures.refused, figures.unwritten), (1, 0, 0), "what is not there is no offence");
    for path in [data.path().join(CODE_KEY), only_file(data.path())] {
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
    }
    assert_eq!(fs::metadata(data.path().join(CODE_FOLDER)).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn no_byte_of_a_file_can_be_changed_none_left_out_and_none_added() {
    let data = tempfile::tempdir().unwrap();
    let cache = CodeCache::open(data.path(), 1 << 20).unwrap();
    let whose = entry(1, EngineKind::Hooks);
    cache.keep(&whose, &code(b"machine code"));
    let path = only_file(data.path());
    let whole = fs::read(&path).unwrap();
    let mut forged = Vec::new();
    for at in 0..whole.len() {
        let mut other = whole.clone();
        other[at] ^= 1;
        forged.push(other);
        forged.push(whole[..at].to_vec());
        forged.push([&whole[..at], &whole[at + 1..]].concat());
    }
    forged.push([&whole[..], b"\0"].concat());
    for (n, bytes) in forged.iter().enumerate() {
        fs::write(&path, bytes).unwrap();
        assert!(cache.load(&whose).is_none(), "{n}");
    }
    assert_eq!(cache.figures().refused, forged.len() as u64);
    fs::write(&path, &whole).unwrap();
    assert_eq!(cache.load(&whose).unwrap().code(), b"machine code");
}

#[test]
fn a_file_under_another_name_or_of_another_node_or_version_is_not_believed() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cache = CodeCache::open(data.path(), 1 << 20).unwrap();
    let whose = entry(1, EngineKind::Hooks);
    cache.keep(&whose, &code(b"machine code"));
    let whole = fs::read(only_file(data.path())).unwrap();

    let folder = data.path().join(CODE_FOLDER);
    for taken_for in [entry(2, EngineKind::Hooks), entry(1, EngineKind::Apps)] {
        fs::write(folder.join(taken_for.file()), &whole).unwrap();
        assert!(cache.load(&taken_for).is_none());
    }
    assert!(cache.load(&Entry { fingerprint: [8; 32], ..whose }).is_none(), "the compiler is another one now");

    let foreign = CodeCache::open(other.path(), 1 << 20).unwrap();
    fs::write(other.path().join(CODE_FOLDER).join(whose.file()), &whole).unwrap();
    assert!(foreign.load(&whose).is_none());
    assert_eq!((cache.figures().refused, foreign.figures().refused), (3, 1));
}

#[test]
fn a_key_that_others_could_have_read_is_replaced() {
    let data = tempfile::tempdir().unwrap();
    let whose = entry(1, EngineKind::Hooks);
    CodeCache::open(data.path(), 1 << 20).unwrap().keep(&whose, &code(b"machine code"));
    let key = data.path().join(CODE_KEY);
    for spoil in [
        |key: &Path| fs::set_permissions(key, fs::Permissions::from_mode(0o640)).unwrap(),
        |key: &Path| fs::write(key, b"short").unwrap(),
    ] {
        let before = fs::read(&key).unwrap();
        spoil(&key);
        let cache = CodeCache::open(data.path(), 1 << 20).unwrap();
        assert!(cache.load(&whose).is_none());
        let drawn = fs::read(&key).unwrap();
        assert!(drawn.len() == KEY && drawn != before);
        assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn the_least_used_go_when_there_is_too_much() {
    let data = tempfile::tempdir().unwrap();
    let each = (HEADER + SEAL + 100) as u64;
    let cache = CodeCache::open(data.path(), 3 * each).unwrap();
    let hooks = |byte| entry(byte, EngineKind::Hooks);
    let age = |byte, days: u64| {
        let file = File::open(data.path().join(CODE_FOLDER).join(hooks(byte).file())).unwrap();
        file.set_modified(SystemTime::now() - core::time::Duration::from_secs(days * 86_400)).unwrap();
    };
    for byte in 1..=3 {
        cache.keep(&hooks(byte), &code(&[byte; 100]));
        age(byte, 10 - u64::from(byte));
    }
    assert!(cache.load(&hooks(1)).is_some(), "the oldest, but used now");
    cache.keep(&hooks(4), &code(&[4; 100]));
    let kept: Vec<u8> = (1..=4).filter(|byte| cache.load(&hooks(*byte)).is_some()).collect();
    assert_eq!(kept, [1, 3, 4]);
    assert_eq!((cache.figures().removed, cache.figures().bytes), (1, 3 * each));

    cache.keep(&hooks(5), &code(&[5; 1000]));
    assert!(cache.load(&hooks(5)).is_none(), "larger than all together may be");
    assert_eq!(cache.figures().unwritten, 1);
    assert!(cache.load(&hooks(4)).is_some(), "and nothing went for it");

    // A start with a smaller bound, and what was being written when the last process ended.
    fs::write(data.path().join(CODE_FOLDER).join(format!("{UNFINISHED}1-1")), b"half").unwrap();
    age(1, 9);
    age(3, 8);
    let cache = CodeCache::open(data.path(), each).unwrap();
    assert_eq!(only_file(data.path()).file_name().unwrap().to_str().unwrap(), hooks(4).file());
    assert_eq!(cache.figures().bytes, each);
}
