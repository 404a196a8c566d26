//! A bundle as a whole.

use crate::tar::{self, Broken};
use crate::{Manifest, ManifestError, PublicKey, Schema, SchemaError, SecretKey, SignError, Signature};
use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::Read as _;

/// The manifest's name in a bundle.
pub const MANIFEST: &str = "plugin.toml";
/// The component's.
pub const COMPONENT: &str = "component.wasm";
/// The configuration schema's.
pub const SCHEMA: &str = "config.schema.json";
/// The signature's.
pub const SIGNATURE: &str = "SIGNATURE";
/// What every zstd frame begins with.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ENTRIES_MAX: usize = 1_000;

/// One file of a bundle: its name and its bytes.
pub type Entry = (String, Vec<u8>);

/// Why a bundle is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BundleError {
    /// It is no archive, or a damaged one.
    #[error("the bundle cannot be read: {0}")]
    Archive(String),
    /// It unpacks to more than it may.
    #[error("the bundle unpacks to more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// A file is missing.
    #[error("the bundle has no {0}")]
    Missing(&'static str),
    /// A file that may not be there.
    #[error("the bundle has {0:?}: only plugin.toml, component.wasm, config.schema.json, SIGNATURE, tests/ and media/")]
    Stranger(String),
    /// The manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The schema is wrong.
    #[error("config.schema.json: {0}")]
    Schema(#[from] SchemaError),
    /// The signature is wrong.
    #[error(transparent)]
    Signature(#[from] SignError),
}

impl From<Broken> for BundleError {
    fn from(broken: Broken) -> Self {
        BundleError::Archive(broken.0)
    }
}

/// A bundle whose parts hold together. Whether its signer is trusted, and whether its component is a plugin, is for
/// others to say.
///
/// # Invariants
/// `signature`, if there is one, fits the other files.
#[derive(Clone, Debug)]
pub struct Bundle {
    manifest: Manifest,
    schema: Option<(String, Schema)>,
    signature: Option<Signature>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Bundle {
    /// Whether these bytes want to be a bundle, and not a bare component.
    #[must_use]
    pub fn is(bytes: &[u8]) -> bool {
        bytes.starts_with(&ZSTD)
    }

    /// Unpacks and checks. `unpacked_max` bounds the memory, whatever the archive says of itself.
    ///
    /// # Errors
    /// [`BundleError`] in words for the plugin's author.
    pub fn open(bytes: &[u8], unpacked_max: usize) -> Result<Bundle, BundleError> {
        let archive = |e: &dyn core::fmt::Display| BundleError::Archive(e.to_string());
        let decoder = StreamingDecoder::new(bytes).map_err(|e| archive(&e))?;
        let mut unpacked = Vec::new();
        let limit = u64::try_from(unpacked_max).unwrap_or(u64::MAX).saturating_add(1);
        decoder.take(limit).read_to_end(&mut unpacked).map_err(|e| archive(&e))?;
        if unpacked.len() > unpacked_max {
            return Err(BundleError::TooLarge { max: unpacked_max });
        }
        let mut files = BTreeMap::new();
        for (name, content) in tar::read(&unpacked)? {
            if files.len() >= ENTRIES_MAX {
                return Err(BundleError::Archive(format!("more than {ENTRIES_MAX} files")));
            }
            if files.insert(name.clone(), content).is_some() {
                return Err(BundleError::Archive(format!("{name:?} stands twice")));
            }
        }
        Bundle::of(files)
    }

    /// A bundle of these files, with the same checks.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn of(files: BTreeMap<String, Vec<u8>>) -> Result<Bundle, BundleError> {
        for name in files.keys() {
            let known = [MANIFEST, COMPONENT, SCHEMA, SIGNATURE].contains(&name.as_str());
            let below = ["tests/", "media/"].iter().any(|folder| name.starts_with(folder));
            // A name is never a path of this machine.
            let plain = !name.split('/').any(|part| part.is_empty() || part == "." || part == "..");
            if !plain || !(known || below) {
                return Err(BundleError::Stranger(name.clone()));
            }
        }
        let text = |name: &'static str| -> Result<Option<String>, BundleError> {
            let utf8 = |bytes: &Vec<u8>| String::from_utf8(bytes.clone());
            let no_text = |_| BundleError::Archive(format!("{name} is no UTF-8"));
            files.get(name).map(utf8).transpose().map_err(no_text)
        };
        let manifest = Manifest::parse(&text(MANIFEST)?.ok_or(BundleError::Missing(MANIFEST))?)?;
        if !files.contains_key(COMPONENT) {
            return Err(BundleError::Missing(COMPONENT));
        }
        let schema = match text(SCHEMA)? {
            Some(text) => Some((text.clone(), Schema::parse(&text)?)),
            None => None,
        };
        let signature = match text(SIGNATURE)? {
            Some(text) => {
                let signature = Signature::parse(&text)?;
                signature.check(&digest(&files))?;
                Some(signature)
            }
            None => None,
        };
        Ok(Bundle { manifest, schema, signature, files })
    }

    /// Signs, in place of an older signature.
    pub fn sign(&mut self, key: &SecretKey) {
        let signature = key.sign(&digest(&self.files));
        self.files.insert(SIGNATURE.to_owned(), signature.to_string().into_bytes());
        self.signature = Some(signature);
    }

    /// The archive. The same files give the same bytes.
    ///
    /// # Errors
    /// A name that a tar cannot hold.
    pub fn pack(&self) -> Result<Vec<u8>, BundleError> {
        let tar = tar::write(self.files.iter().map(|(name, content)| (name.as_str(), content.as_slice())))?;
        Ok(compress_to_vec(tar.as_slice(), CompressionLevel::Fastest))
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The component's bytes.
    #[must_use]
    pub fn component(&self) -> &[u8] {
        self.files.get(COMPONENT).map_or(&[], Vec::as_slice)
    }

    /// The schema of its configuration, as text.
    #[must_use]
    pub fn schema_text(&self) -> Option<&str> {
        self.schema.as_ref().map(|(text, _)| text.as_str())
    }

    /// Who signed it; the signature fits.
    #[must_use]
    pub fn signed_by(&self) -> Option<&PublicKey> {
        self.signature.as_ref().map(Signature::key)
    }

    /// The files of a folder, `tests/` or `media/`.
    pub fn folder<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.files.iter().filter(move |(n, _)| n.starts_with(folder)).map(|(n, c)| (n.as_str(), c.as_slice()))
    }
}

/// What a signature signs: every other file, each with its name and length.
fn digest(files: &BTreeMap<String, Vec<u8>>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"strowger bundle 1\0");
    for (name, content) in files.iter().filter(|(name, _)| *name != SIGNATURE) {
        for part in [name.as_bytes(), content] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TOML: &str = "id = \"p\"\nversion = \"1.0.0\"\nwit = \"0.1.0\"\n[[provides]]\npoint = \"call/app\"\n";

    fn files(more: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
        let base = [(MANIFEST, TOML.as_bytes()), (COMPONENT, &b"\0asm"[..])];
        base.iter().chain(more).map(|(n, c)| ((*n).to_owned(), c.to_vec())).collect()
    }

    #[test]
    fn a_bundle_comes_back_from_its_bytes_and_packs_the_same_every_time() {
        let schema = br#"{"type":"object"}"#;
        let long = vec![7_u8; 100_000];
        let bundle = Bundle::of(files(&[(SCHEMA, schema), ("media/menu.wav", &long)])).unwrap();
        let packed = bundle.pack().unwrap();
        assert_eq!(packed, bundle.pack().unwrap());
        assert!(Bundle::is(&packed) && !Bundle::is(b"\0asm"));
        let again = Bundle::open(&packed, 1 << 20).unwrap();
        assert_eq!((again.manifest().id.as_str(), again.component()), ("p", &b"\0asm"[..]));
        assert_eq!(again.folder("media/").collect::<Vec<_>>(), [("media/menu.wav", long.as_slice())]);
        assert_eq!((again.schema_text(), again.signed_by()), (Some(r#"{"type":"object"}"#), None));
        assert_eq!(Bundle::open(&packed, 1_000).unwrap_err(), BundleError::TooLarge { max: 1_000 });
    }

    #[test]
    fn a_changed_file_breaks_the_signature() {
        let key = SecretKey::from_seed([3; 32]);
        let mut bundle = Bundle::of(files(&[])).unwrap();
        bundle.sign(&key);
        let again = Bundle::open(&bundle.pack().unwrap(), 1 << 20).unwrap();
        assert_eq!(again.signed_by(), Some(&key.public()));
        for (name, content) in [(COMPONENT, &b"\0asn"[..]), ("tests/new.yaml", b"x")] {
            let mut forged = again.files.clone();
            forged.insert(name.to_owned(), content.to_vec());
            assert!(matches!(Bundle::of(forged), Err(BundleError::Signature(_))), "{name}");
        }
    }

    #[test]
    fn what_is_no_bundle_is_refused_in_words() {
        for (name, content) in [("../etc", &b""[..]), ("/abs", b""), ("media/../x", b""), ("run.sh", b"")] {
            assert!(matches!(Bundle::of(files(&[(name, content)])), Err(BundleError::Stranger(_))), "{name}");
        }
        let without = |gone: &str| {
            let mut files = files(&[]);
            files.remove(gone);
            Bundle::of(files).unwrap_err()
        };
        assert_eq!(without(MANIFEST), BundleError::Missing(MANIFEST));
        assert_eq!(without(COMPONENT), BundleError::Missing(COMPONENT));
        let packed = Bundle::of(files(&[])).unwrap().pack().unwrap();
        for cut in 0..packed.len() {
            assert!(Bundle::open(&packed[..cut], 1 << 20).is_err(), "cut at {cut}");
        }
        for flip in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[flip] ^= 0x55;
            let _never_panics = Bundle::open(&damaged, 1 << 20);
        }
    }
}
