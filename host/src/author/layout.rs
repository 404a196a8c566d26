//! OCI image layouts on disk: `oci:DIR[:TAG]`, as skopeo and oras write it. `bundle::oci` says what stands in them.

use crate::exit::Failure;
use bundle::oci::{self, OciError};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A place in a layout.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    dir: PathBuf,
    tag: Option<String>,
}

impl Place {
    /// Reads `oci:DIR[:TAG]`; `None` for what does not begin so. The tag is behind the last colon.
    pub(crate) fn of(text: &Path) -> Option<Place> {
        let rest = text.to_str()?.strip_prefix("oci:")?;
        let (dir, tag) = match rest.rsplit_once(':') {
            // `c:\plugins` and `./a:b/c` have a colon in the path.
            Some((dir, tag)) if !dir.is_empty() && !tag.contains(['/', '\\']) => (dir, Some(tag.to_owned())),
            _ => (rest, None),
        };
        Some(Place { dir: PathBuf::from(dir), tag })
    }

    fn failed(&self, error: &OciError) -> Failure {
        let text = format!("{}: {error}", self.dir.display());
        if matches!(error, OciError::File(..)) { Failure::start(text) } else { Failure::refused(text) }
    }

    /// The bundle that lies there.
    ///
    /// # Errors
    /// [`Failure`]: 2 where a file cannot be read, 1 where the layout is refused.
    pub(crate) fn bundle(&self) -> Result<Vec<u8>, Failure> {
        let mut read = |name: &str, max: u64| {
            let failed = |e: std::io::Error| OciError::File(name.to_owned(), e.to_string());
            let file = std::fs::File::open(self.dir.join(name)).map_err(failed)?;
            let mut bytes = Vec::new();
            // One more than may be: what is longer is seen to be.
            file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
            Ok(bytes)
        };
        oci::unpack(&mut read, self.tag.as_deref()).map_err(|e| self.failed(&e))
    }

    /// Puts a bundle there, under the place's tag or else this one; gives the tag. Whoever reads meanwhile finds what was
    /// there before or what is there now.
    ///
    /// # Errors
    /// [`Failure`]: 2 where a file cannot be written, 1 where what is there is no layout.
    pub(crate) fn publish(&self, bundle: &[u8], tag: &str) -> Result<String, Failure> {
        let tag = self.tag.as_deref().unwrap_or(tag);
        let index = match std::fs::read(self.dir.join("index.json")) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(self.failed(&OciError::File("index.json".to_owned(), e.to_string()))),
        };
        for (name, bytes) in oci::pack(bundle, tag, index).map_err(|e| self.failed(&e))? {
            let failed = |e: std::io::Error| self.failed(&OciError::File(name.clone(), e.to_string()));
            let path = self.dir.join(&name);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(failed)?;
            }
            let new = path.with_extension("new");
            std::fs::write(&new, bytes).and_then(|()| std::fs::rename(&new, &path)).map_err(failed)?;
        }
        Ok(tag.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_and_maybe_a_tag() {
        let of = |text: &str| Place::of(Path::new(text)).map(|place| (place.dir.display().to_string(), place.tag));
        assert_eq!(of("oci:dir"), Some(("dir".to_owned(), None)));
        assert_eq!(of("oci:/a/b:v1"), Some(("/a/b".to_owned(), Some("v1".to_owned()))));
        assert_eq!(of("oci:./a:b/c"), Some(("./a:b/c".to_owned(), None)));
        assert_eq!(of("dir"), None);
    }

    #[test]
    fn what_is_published_can_be_taken_and_other_tags_stay() {
        let dir = tempfile::tempdir().unwrap();
        let place = |tag: &str| Place { dir: dir.path().join("layout"), tag: Some(tag.to_owned()) };
        assert_eq!(place("a").publish(b"one", "unused").unwrap(), "a");
        place("b").publish(b"two", "unused").unwrap();
        assert_eq!(place("a").bundle().unwrap(), b"one");
        assert_eq!(place("b").bundle().unwrap(), b"two");
        // Longer than its descriptor says: not read to its end.
        let blobs = dir.path().join("layout/blobs/sha256");
        for blob in std::fs::read_dir(&blobs).unwrap().flatten() {
            if std::fs::read(blob.path()).unwrap() == b"one" {
                std::fs::write(blob.path(), vec![b'x'; 1 << 20]).unwrap();
            }
        }
        assert!(format!("{:?}", place("a").bundle().unwrap_err()).contains("it has 4 bytes, its descriptor says 3"));
        assert!(format!("{:?}", place("c").bundle().unwrap_err()).contains("there is no `c`; there is a, b"));
    }
}
