//! Where the sound of recordings is: in the node's folder, and where the platform has one, in a bucket.
//!
//! A recording moves while somebody reads or removes it: it is encoded, then uploaded. Its row says where it is, so whoever
//! does not find it there looks at the row again.

use crate::ShellError;
use crate::bucket::{Bucket, BucketError, BucketSettings, Download};
use crate::clock::Clock;
use crate::recordings::folder_of;
use bytes::Bytes;
use model::{RecordingFormat, RecordingPlace};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Db, OpContext, Recording, StoreError};
use tokio::io::AsyncReadExt;

/// Bytes of a file that are given at once.
const PIECE: usize = 64 * 1024;
/// How often a row is looked at again that has changed meanwhile; it changes twice in its life.
const LOOKS: u32 = 4;

/// Why a recording cannot be read or removed.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It has no row, or the database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its file cannot be used.
    #[error("its file: {0}")]
    File(#[from] io::Error),
    /// The bucket did not do it.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The bucket has it, and this node knows of none.
    #[error("it is in a bucket, and this node has none in its configuration")]
    NoBucket,
}

/// Where the sound of recordings is. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Archive {
    root: Arc<Path>,
    bucket: Option<Arc<Bucket>>,
}

impl Archive {
    /// Of a folder alone.
    #[must_use]
    pub fn at(root: PathBuf) -> Archive {
        Archive { root: root.into(), bucket: None }
    }

    /// Of a folder, and a bucket.
    pub(crate) fn new(root: PathBuf, bucket: Option<&BucketSettings>, clock: Clock) -> Result<Archive, ShellError> {
        let bucket = bucket.map(|settings| Bucket::new(settings, clock).map(Arc::new)).transpose()?;
        Ok(Archive { root: root.into(), bucket })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn bucket(&self) -> Option<&Arc<Bucket>> {
        self.bucket.as_ref()
    }

    /// The file of a recording in this format, at the node.
    pub(crate) fn file(&self, of: &Recording, format: RecordingFormat) -> PathBuf {
        folder_of(&self.root, of.company).join(format!("{}.{}", of.name, format.word()))
    }

    /// The object of a recording.
    pub(crate) fn key(of: &Recording) -> String {
        format!("{}/{}.{}", of.company.0, of.name, of.format.word())
    }

    /// The recording in scope, and its sound.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn open(&self, db: &Db, ctx: &OpContext, id: i64) -> Result<(Recording, Sound), ArchiveError> {
        let mut looks = 0;
        loop {
            let recording = db.recordings().get(ctx, id).await?;
            looks += 1;
            match self.open_as(&recording).await {
                Err(ArchiveError::File(error)) if error.kind() == io::ErrorKind::NotFound && looks < LOOKS => {}
                Ok(sound) => return Ok((recording, sound)),
                Err(error) => return Err(error),
            }
        }
    }

    async fn open_as(&self, recording: &Recording) -> Result<Sound, ArchiveError> {
        match recording.place {
            RecordingPlace::Node => {
                let file = tokio::fs::File::open(self.file(recording, recording.format)).await?;
                let length = file.metadata().await?.len();
                Ok(Sound { length, from: From::File(file) })
            }
            RecordingPlace::Bucket => {
                let bucket = self.bucket.as_ref().ok_or(ArchiveError::NoBucket)?;
                let object = bucket.get(&Archive::key(recording), (recording.bytes, &recording.sha256)).await?;
                Ok(Sound { length: recording.bytes, from: From::Bucket(Box::new(object)) })
            }
        }
    }

    /// Removes a recording in scope, its sound first.
    ///
    /// # Errors
    /// [`ArchiveError`]; its row is there as long as its sound is.
    pub async fn remove(&self, db: &Db, ctx: &OpContext, id: i64) -> Result<(), ArchiveError> {
        let mut looks = 0;
        loop {
            let recording = match db.recordings().get(ctx, id).await {
                // Somebody else was faster.
                Err(StoreError::NotFound { .. }) if looks > 0 => return Ok(()),
                found => found?,
            };
            looks += 1;
            self.remove_sound(&recording).await?;
            match db.recordings().delete(ctx, &recording).await {
                Err(StoreError::NotFound { .. }) if looks < LOOKS => {}
                done => return Ok(done?),
            }
        }
    }

    /// Removes what there is of a recording's sound; what is gone is as it should be.
    pub(crate) async fn remove_sound(&self, recording: &Recording) -> Result<(), ArchiveError> {
        if recording.place == RecordingPlace::Bucket {
            let bucket = self.bucket.as_ref().ok_or(ArchiveError::NoBucket)?;
            bucket.delete(&Archive::key(recording)).await?;
        }
        for format in RecordingFormat::ALL {
            remove_file(&self.file(recording, *format)).await?;
        }
        Ok(())
    }
}

/// Removes a file; one that is gone is as it should be.
pub(crate) async fn remove_file(path: &Path) -> io::Result<()> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The sound of a recording, piece by piece.
#[derive(Debug)]
pub struct Sound {
    length: u64,
    from: From,
}

#[derive(Debug)]
enum From {
    File(tokio::fs::File),
    Bucket(Box<Download>),
}

impl Sound {
    /// How many bytes it is.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The next piece; `None` behind the last. Of an object the last piece is given only when the sum of all is right.
    ///
    /// # Errors
    /// The file or the bucket failed, or what the bucket has is not what was put there.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        match &mut self.from {
            From::File(file) => {
                let mut piece = vec![0; PIECE];
                let read = file.read(&mut piece).await?;
                piece.truncate(read);
                Ok((read > 0).then(|| Bytes::from(piece)))
            }
            From::Bucket(object) => object.next().await,
        }
    }
}
