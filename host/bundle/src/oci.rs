//! Bundles in an OCI image layout, as registries and their tools keep them on disk (image-spec v1.1): `oci-layout`,
//! `index.json`, and `blobs/sha256/HEX`.
//!
//! ```text
//! index.json -> manifest (artifactType application/vnd.strowger.plugin.v1)
//!                 config  application/vnd.oci.empty.v1+json            {}
//!                 layers  application/vnd.strowger.plugin.bundle.v1+zstd   one: the .splug, as it is
//! ```
//! Nothing is believed: each blob is as long as its descriptor says and has its digest, each size has a bound, an index
//! leads to another at most once. No file is opened here: the caller reads and writes them.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// What an artifact of ours is.
pub const ARTIFACT: &str = "application/vnd.strowger.plugin.v1";
/// Its one layer: a bundle.
pub const LAYER: &str = "application/vnd.strowger.plugin.bundle.v1+zstd";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// How an index names what it lists.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Longest `oci-layout`, `index.json` or manifest, in bytes.
const DOCUMENT_MAX: u64 = 4 << 20;
/// Longest bundle, in bytes: what the switch takes, too.
pub const BUNDLE_MAX: u64 = 64 << 20;
const TAG_MAX: usize = 128;

/// Why a layout gives no bundle, or takes none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OciError {
    /// A file cannot be read or written; the text is the system's.
    #[error("{0}: {1}")]
    File(String, String),
    /// A file is not what it is to be.
    #[error("{0}: {1}")]
    Broken(String, String),
    /// A descriptor asks for more than is taken.
    #[error("{0} has {1} bytes, at most {2} are taken")]
    TooLarge(String, u64, u64),
    /// A blob's bytes are not those its descriptor names.
    #[error("{0}: its bytes have another digest: the layout is damaged or was changed")]
    Digest(String),
    /// No manifest of that name, or none of a plugin.
    #[error("{0}")]
    NotFound(String),
    /// Several plugins, and no name to choose by.
    #[error("there are several plugins, name one: {0}")]
    Several(String),
    /// A tag that is none.
    #[error("`{0}` is no tag: letters, digits, `_`, `.` and `-`, at most 128")]
    Tag(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    /// What others have written there stays.
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    manifests: Vec<Descriptor>,
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayoutFile {
    image_layout_version: String,
}

/// Reads a file of the layout by its name in it, at most so many bytes and one.
pub type Read<'a> = &'a mut dyn FnMut(&str, u64) -> Result<Vec<u8>, OciError>;

/// The bundle under a tag, or the only one.
///
/// # Errors
/// [`OciError`]: what is missing, damaged, too large or not one.
pub fn unpack(read: Read<'_>, tag: Option<&str>) -> Result<Vec<u8>, OciError> {
    let layout: LayoutFile = document("oci-layout", read("oci-layout", DOCUMENT_MAX)?)?;
    if !layout.image_layout_version.starts_with("1.") {
        let text = format!("its layout is of version {}, this knows 1", layout.image_layout_version);
        return Err(OciError::Broken("oci-layout".to_owned(), text));
    }
    let index: Index = document("index.json", read("index.json", DOCUMENT_MAX)?)?;
    let mut found = choose(&index, tag)?.clone();
    if found.media_type == INDEX {
        let inner: Index = document(&found.digest, blob(read, &found, DOCUMENT_MAX)?)?;
        found = choose(&inner, None)?.clone();
    }
    if found.media_type != MANIFEST {
        return Err(OciError::Broken(found.digest, format!("it is {}, a plugin has {MANIFEST}", found.media_type)));
    }
    let manifest: Manifest = document(&found.digest, blob(read, &found, DOCUMENT_MAX)?)?;
    if manifest.artifact_type.as_deref() != Some(ARTIFACT) {
        let kind = manifest.artifact_type.unwrap_or(manifest.config.media_type);
        return Err(OciError::NotFound(format!("{} is {kind}, no plugin ({ARTIFACT})", found.digest)));
    }
    let mut bundles = manifest.layers.iter().filter(|layer| layer.media_type == LAYER);
    match (bundles.next(), bundles.next()) {
        (Some(layer), None) => blob(read, layer, BUNDLE_MAX),
        (None, _) => Err(OciError::NotFound(format!("{} has no layer {LAYER}", found.digest))),
        (Some(_), Some(_)) => Err(OciError::Broken(found.digest, "it has several bundles".to_owned())),
    }
}

/// The files that put a bundle into a layout under a tag, in the order in which to write them: the index, which makes it
/// known, comes last. `index` is the `index.json` that is there; other names in it stay.
///
/// # Errors
/// [`OciError`]: the tag is none, the bundle too large, the index no index.
pub fn pack(bundle: &[u8], tag: &str, index: Option<Vec<u8>>) -> Result<Vec<(String, Vec<u8>)>, OciError> {
    check_tag(tag)?;
    let size = bundle.len() as u64;
    if size > BUNDLE_MAX {
        return Err(OciError::TooLarge("the bundle".to_owned(), size, BUNDLE_MAX));
    }
    let mut index = match index {
        Some(bytes) => document("index.json", bytes)?,
        None => Index {
            schema_version: 2,
            media_type: Some(INDEX.to_owned()),
            manifests: Vec::new(),
            more: BTreeMap::new(),
        },
    };
    let config = described(EMPTY, b"{}");
    let layer = described(LAYER, bundle);
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST.to_owned()),
        artifact_type: Some(ARTIFACT.to_owned()),
        config: config.clone(),
        layers: vec![layer.clone()],
        annotations: BTreeMap::new(),
    };
    let manifest = json(&manifest)?;
    let mut listed = described(MANIFEST, &manifest);
    listed.artifact_type = Some(ARTIFACT.to_owned());
    listed.annotations.insert(REF_NAME.to_owned(), tag.to_owned());
    // A name is of one thing.
    index.manifests.retain(|m| m.annotations.get(REF_NAME).is_none_or(|name| name != tag));
    index.manifests.push(listed.clone());
    Ok(vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        (path(&config.digest)?, b"{}".to_vec()),
        (path(&layer.digest)?, bundle.to_vec()),
        (path(&listed.digest)?, manifest),
        ("index.json".to_owned(), json(&index)?),
    ])
}

fn choose<'i>(index: &'i Index, tag: Option<&str>) -> Result<&'i Descriptor, OciError> {
    let name = |m: &Descriptor| m.annotations.get(REF_NAME).cloned();
    if let Some(tag) = tag {
        let found = index.manifests.iter().find(|m| name(m).as_deref() == Some(tag) || m.digest == tag);
        return found.ok_or_else(|| {
            let known: Vec<String> = index.manifests.iter().filter_map(name).take(20).collect();
            OciError::NotFound(format!("there is no `{tag}`; there is {}", known.join(", ")))
        });
    }
    let is_ours = |m: &&Descriptor| m.artifact_type.as_deref() == Some(ARTIFACT);
    let ours: Vec<&Descriptor> = index.manifests.iter().filter(is_ours).collect();
    // Who writes no artifact types may still have only one thing.
    let all: Vec<&Descriptor> = if ours.is_empty() { index.manifests.iter().collect() } else { ours };
    match all.as_slice() {
        [one] => Ok(one),
        [] => Err(OciError::NotFound("there is no plugin in it".to_owned())),
        several => {
            let names = several.iter().map(|m| name(m).unwrap_or_else(|| m.digest.clone())).take(20);
            Err(OciError::Several(names.collect::<Vec<_>>().join(", ")))
        }
    }
}

/// A blob, as its descriptor says and not larger than is taken.
fn blob(read: Read<'_>, of: &Descriptor, max: u64) -> Result<Vec<u8>, OciError> {
    if of.size > max {
        return Err(OciError::TooLarge(of.digest.clone(), of.size, max));
    }
    let bytes = read(&path(&of.digest)?, of.size)?;
    if bytes.len() as u64 != of.size {
        let text = format!("it has {} bytes, its descriptor says {}", bytes.len(), of.size);
        return Err(OciError::Broken(of.digest.clone(), text));
    }
    if digest(&bytes) != of.digest { Err(OciError::Digest(of.digest.clone())) } else { Ok(bytes) }
}

/// Where a blob lies. Only SHA-256, and only hex: a digest of others' making names no other file.
fn path(digest: &str) -> Result<String, OciError> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let plain = hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !plain {
        return Err(OciError::Broken(digest.to_owned(), "no SHA-256 digest".to_owned()));
    }
    Ok(format!("blobs/sha256/{hex}"))
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

fn described(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: digest(bytes),
        size: bytes.len() as u64,
        artifact_type: None,
        annotations: BTreeMap::new(),
        more: BTreeMap::new(),
    }
}

fn document<T: for<'de> Deserialize<'de>>(name: &str, bytes: Vec<u8>) -> Result<T, OciError> {
    let size = bytes.len() as u64;
    if size > DOCUMENT_MAX {
        return Err(OciError::TooLarge(name.to_owned(), size, DOCUMENT_MAX));
    }
    serde_json::from_slice(&bytes).map_err(|e| OciError::Broken(name.to_owned(), e.to_string()))
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, OciError> {
    serde_json::to_vec(value).map_err(|e| OciError::Broken("json".to_owned(), e.to_string()))
}

fn check_tag(tag: &str) -> Result<(), OciError> {
    // The distribution specification's reference grammar.
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let begins = tag.bytes().next().is_some_and(word);
    let plain = begins && tag.len() <= TAG_MAX && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-');
    if plain { Ok(()) } else { Err(OciError::Tag(tag.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Files = BTreeMap<String, Vec<u8>>;

    fn put(files: &mut Files, bundle: &[u8], tag: &str) {
        let index = files.get("index.json").cloned();
        files.extend(pack(bundle, tag, index).expect("packs"));
    }

    fn take(files: &Files, tag: Option<&str>) -> Result<Vec<u8>, OciError> {
        let mut read = |name: &str, max: u64| {
            let missing = || OciError::File(name.to_owned(), "no such file".to_owned());
            let bytes = files.get(name).ok_or_else(missing)?;
            Ok(bytes.iter().copied().take(usize::try_from(max).unwrap_or(usize::MAX) + 1).collect())
        };
        unpack(&mut read, tag)
    }

    #[test]
    fn what_is_packed_comes_out_by_its_tag_and_alone_without_one() {
        let mut files = Files::new();
        put(&mut files, b"one", "a-1.0");
        assert_eq!(take(&files, None), Ok(b"one".to_vec()));
        put(&mut files, b"two", "b-1.0");
        assert_eq!(take(&files, Some("a-1.0")), Ok(b"one".to_vec()));
        assert_eq!(take(&files, Some("b-1.0")), Ok(b"two".to_vec()));
        assert_eq!(take(&files, None), Err(OciError::Several("a-1.0, b-1.0".to_owned())));
        assert!(matches!(take(&files, Some("c")), Err(OciError::NotFound(text)) if text.contains("a-1.0, b-1.0")));
        // A tag moves; what it was of stays by its digest.
        put(&mut files, b"three", "a-1.0");
        assert_eq!(take(&files, Some("a-1.0")), Ok(b"three".to_vec()));
        // The well-known digest of `{}`.
        let empty = "blobs/sha256/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(files.get(empty).map(Vec::as_slice), Some(&b"{}"[..]));
    }

    #[test]
    fn a_layout_that_lies_is_refused_in_words() {
        let mut good = Files::new();
        put(&mut good, b"the bundle", "x");
        let layer = path(&digest(b"the bundle")).expect("a path");
        let changed = |change: &dyn Fn(&mut Files)| {
            let mut files = good.clone();
            change(&mut files);
            take(&files, Some("x")).expect_err("refused").to_string()
        };
        let of_index = |from: &str, to: &str| {
            changed(&|files| {
                let text = String::from_utf8(files["index.json"].clone()).expect("text").replace(from, to);
                files.insert("index.json".to_owned(), text.into_bytes());
            })
        };
        let blob = |bytes: &[u8]| changed(&|files| drop(files.insert(layer.clone(), bytes.to_vec())));
        assert!(blob(b"the bundlE").contains("another digest"));
        assert!(blob(b"the bundle, longer").contains("its descriptor says 10"));
        assert!(changed(&|files| drop(files.remove(&layer))).contains("no such file"));
        assert!(changed(&|files| drop(files.remove("oci-layout"))).starts_with("oci-layout: "));
        assert!(
            changed(&|f| drop(f.insert("oci-layout".to_owned(), b"{\"imageLayoutVersion\":\"2.0\"}".to_vec())))
                .contains("version 2.0")
        );
        assert!(of_index("sha256:", "sha256:../../").contains("no SHA-256 digest"));
        assert!(of_index("sha256:", "md5:").contains("no SHA-256 digest"));
        assert!(of_index("\"size\":", "\"size\":9999999").contains("at most 4194304"));
        assert!(of_index(MANIFEST, "application/vnd.docker.distribution.manifest.v2+json").contains("a plugin has"));
        assert!(of_index("{\"schemaVersion\"", "[").starts_with("index.json: "));
        for tag in ["", "-a", "a/b", "a b", "\u{e9}", &"a".repeat(129)] {
            assert_eq!(pack(b"", tag, None), Err(OciError::Tag(tag.to_owned())), "{tag:?}");
        }
    }

    #[test]
    fn an_image_that_is_no_plugin_is_named() {
        let mut files = Files::new();
        put(&mut files, b"x", "x");
        let text = String::from_utf8(files["index.json"].clone()).expect("text");
        let index: Index = serde_json::from_str(&text).expect("an index");
        let name = path(&index.manifests[0].digest).expect("a path");
        let manifest = String::from_utf8(files[&name].clone()).expect("text").replace(ARTIFACT, "application/x");
        let listed = described(MANIFEST, manifest.as_bytes());
        files.insert(path(&listed.digest).expect("a path"), manifest.into_bytes());
        let index = Index { manifests: vec![listed], ..index };
        files.insert("index.json".to_owned(), json(&index).expect("json"));
        assert!(take(&files, None).expect_err("refused").to_string().contains("is application/x, no plugin"));
    }
}
