//! The keys and values of plugins.
#![allow(clippy::unwrap_used)]

use super::*;

fn name(company: Option<i64>, bucket: &str) -> SpaceName {
    let company = company.map(CompanyId);
    SpaceName { brand: BrandId(1), company, account: None, plugin: "p".to_owned(), bucket: bucket.to_owned() }
}

fn entry(value: &str, expires_ms: Option<u64>) -> KvEntry {
    KvEntry { value: value.as_bytes().to_vec(), expires_ms }
}

#[test]
fn a_value_lives_until_its_time_and_spaces_do_not_see_each_other() {
    let kv = Kv::default();
    let (a, b) = (kv.space(&name(None, "a")), kv.space(&name(Some(1), "a")));
    a.put("k", entry("v", Some(10))).unwrap();
    assert_eq!((a.get("k", 9).as_deref(), a.get("k", 10), b.get("k", 9)), (Some(&b"v"[..]), None, None));
    assert_eq!(kv.space(&name(None, "a")).get("k", 9).as_deref(), Some(&b"v"[..]), "the same name is the same space");
    let used: Vec<_> = kv.usage().into_iter().map(|(name, keys, bytes)| (name.company, keys, bytes)).collect();
    assert_eq!(used, [(None, 1, 66), (Some(CompanyId(1)), 0, 0)]);
    a.delete("k").unwrap();
    assert_eq!((a.get("k", 9), kv.bytes()), (None, 0));
}

#[test]
fn counters_add_keep_their_end_and_begin_anew_after_it() {
    let kv = Kv::default();
    let s = kv.space(&name(None, "a"));
    assert_eq!(s.add("n", 2, Some(10), 0), Ok(2));
    assert_eq!(s.add("n", -5, Some(99), 9), Ok(-3));
    assert_eq!(s.get("n", 9).as_deref(), Some(&b"-3"[..]));
    assert_eq!(s.add("n", 1, None, 10), Ok(1), "the old one had ended");
    s.put("text", entry("x", None)).unwrap();
    assert_eq!(s.add("text", 1, None, 0), Err(KvError::NoCounter));
    assert_eq!(s.add("max", i64::MAX, None, 0), Ok(i64::MAX));
    assert_eq!(s.add("max", 1, None, 0), Err(KvError::NoCounter));
    assert_eq!(s.get("max", 0).unwrap(), i64::MAX.to_string().into_bytes(), "nothing was changed");
}

#[test]
fn many_adders_and_swappers_lose_nothing() {
    let kv = Kv::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let s = kv.space(&name(None, "a"));
                for _ in 0..500 {
                    s.add("n", 1, None, 0).unwrap();
                    while !{
                        let old = s.get("s", 0);
                        let next = old.as_deref().map_or(1, |v| String::from_utf8_lossy(v).parse::<u32>().unwrap() + 1);
                        s.swap("s", old.as_deref(), entry(&next.to_string(), None), 0).unwrap()
                    } {}
                }
            });
        }
    });
    let s = kv.space(&name(None, "a"));
    assert_eq!((s.add("n", 0, None, 0), s.add("s", 0, None, 0)), (Ok(2_000), Ok(2_000)));
}

#[test]
fn swap_needs_what_it_expects() {
    let kv = Kv::default();
    let s = kv.space(&name(None, "a"));
    assert_eq!(s.swap("k", Some(b"x"), entry("y", None), 0), Ok(false));
    assert_eq!(s.swap("k", None, entry("x", Some(5)), 0), Ok(true));
    assert_eq!(s.swap("k", None, entry("y", None), 4), Ok(false));
    assert_eq!(s.swap("k", None, entry("y", None), 5), Ok(true), "what has ended is not there");
}

#[test]
fn keys_are_listed_in_order_by_prefix_and_page() {
    let kv = Kv::default();
    let s = kv.space(&name(None, "a"));
    for key in ["a", "b1", "b2", "b3", "c"] {
        s.put(key, entry("", (key == "b2").then_some(5))).unwrap();
    }
    assert_eq!(s.keys("b", None, 9, 0), ["b1", "b2", "b3"]);
    assert_eq!(s.keys("b", Some("b1"), 1, 5), ["b3"]);
    assert_eq!(s.keys("b", Some("c"), 9, 0), Vec::<String>::new());
    assert_eq!(s.keys("", None, 9, 0).len(), 5);
}

#[test]
fn limits_hold_and_say_their_names() {
    let kv = Kv::new(KvLimits {
        key_bytes_max: 4,
        value_bytes_max: 8,
        space_bytes_max: 2 * 64 + 12,
        space_keys_max: 2,
        ..KvLimits::default()
    });
    let s = kv.space(&name(None, "a"));
    assert_eq!(s.put("", entry("", None)), Err(KvError::Limit("kv-key-bytes")));
    assert_eq!(s.put("12345", entry("", None)), Err(KvError::Limit("kv-key-bytes")));
    assert_eq!(s.put("k", entry("123456789", None)), Err(KvError::Limit("kv-value-bytes")));
    s.put("a", entry("12345678", None)).unwrap();
    assert_eq!(s.put("b", entry("123", None)), Err(KvError::Limit("kv-bytes")));
    s.put("b", entry("12", None)).unwrap();
    assert_eq!(s.put("c", entry("", None)), Err(KvError::Limit("kv-keys")));
    s.delete("a").unwrap();
    s.put("c", entry("", None)).unwrap();
}

#[test]
fn changes_are_taken_once_given_back_under_newer_ones_and_restored() {
    let kv = Kv::default();
    let s = kv.space(&name(Some(7), "a"));
    s.put("a", entry("1", None)).unwrap();
    s.put("b", entry("1", Some(5))).unwrap();
    s.put("a", entry("2", None)).unwrap();
    assert_eq!(kv.unwritten(), 2, "a key's newest state only");
    let taken = kv.take_changes(9);
    assert_eq!((taken.len(), kv.unwritten()), (2, 0));
    s.put("a", entry("3", None)).unwrap();
    kv.give_back(taken);
    kv.expire(5, 9);
    let taken = kv.take_changes(9);
    let told: Vec<_> = taken.iter().map(|c| (c.key.as_str(), c.entry.clone())).collect();
    assert_eq!(told, [("a", Some(entry("3", None))), ("b", None)]);
    let again = Kv::default();
    let kept = taken.into_iter().filter_map(|c| Some((c.space, c.key, c.entry?)));
    assert_eq!(again.restore(kept), 1);
    assert_eq!(again.space(&name(Some(7), "a")).get("a", 0).as_deref(), Some(&b"3"[..]));
    assert_eq!(again.unwritten(), 0, "what came from the disk is on the disk");
}

#[test]
fn a_brands_spaces_share_one_bound_and_another_brand_has_its_own() {
    let kv = Kv::new(KvLimits { brand_bytes_max: 3 * (64 + 1 + 10), ..KvLimits::default() });
    let ten = || entry("0123456789", Some(5));
    let (a, b) = (kv.space(&name(None, "a")), kv.space(&name(Some(1), "b")));
    a.put("1", ten()).unwrap();
    a.put("2", ten()).unwrap();
    b.put("1", ten()).unwrap();
    let full = Err(KvError::Limit("kv-brand-bytes"));
    assert_eq!((a.put("3", ten()), b.put("1", entry("0123456789x", None))), (full, full));
    b.put("1", entry("9876543210", Some(5))).expect("what is there may be written over");
    let other = kv.space(&SpaceName { brand: BrandId(2), ..name(None, "a") });
    other.put("1", ten()).unwrap();
    a.delete("2").unwrap();
    b.put("2", ten()).unwrap();
    assert_eq!(a.put("3", ten()), full);
    kv.expire(5, 10);
    for n in ["1", "2", "3"] {
        a.put(n, ten()).unwrap();
    }
    assert_eq!(a.put("4", ten()), full);
}

#[test]
fn who_writes_much_waits_for_the_disk_and_keeps_nobody_else_waiting() {
    let kv = Kv::new(KvLimits { unwritten_max: 1_000, ..KvLimits::default() });
    let (busy, quiet) = (kv.space(&name(None, "a")), kv.space(&name(None, "b")));
    let churn = |n: usize| {
        let key = n.to_string();
        busy.put(&key, entry("x", None))?;
        busy.delete(&key)
    };
    assert_eq!((0..10_000).map(churn).filter(Result::is_ok).count(), 1_000, "what was removed waits too");
    assert_eq!(busy.put("new", entry("x", None)), Err(KvError::Limit("kv-unwritten")));
    busy.put("7", entry("x", None)).expect("a key that waits already is written over");
    quiet.put("q", entry("x", None)).unwrap();
    let taken = kv.take_changes(200);
    assert!(taken.len() == 200 && taken.iter().any(|c| c.key == "q"), "each space has its turn");
    assert_eq!(kv.unwritten(), 801);
    busy.put("new", entry("x", None)).unwrap();
    kv.give_back(taken);
    assert_eq!(kv.unwritten(), 1_002);
    let mut all = 0;
    while kv.unwritten() > 0 {
        all += kv.take_changes(1_000).len();
    }
    assert_eq!((all, kv.take_changes(9)), (1_002, vec![]));
}
