//! Where the sound of recordings is: in the node's folder, and where the platform has one, in a bucket.
//!
//! A recording moves while somebody reads or removes it: it is encoded, then uploaded. Its row says where it is, so whoever
//! does not find it there looks at the row again.

use crate::ShellError;
use crate::bucket::{Bucket, BucketError, BucketSettings, Download};
use crate::clock::Clock;
use crate::recordings::folder_of;
use bytes::Bytes;
use core::time::Duration;
use model::{RecordingFormat, RecordingPlace};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Db, OpContext, Recording, StoreError};
use tokio::io::AsyncReadExt;
use tokio::sync::{Notify, watch};

/// Bytes of a file that are given at once.
const PIECE: usize = 64 * 1024;
/// How often is looked for recordings to be moved, though nobody told of one: what failed for a full disk or an absent
/// database.
const LOOK_EVERY: Duration = Duration::from_secs(600);
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

    /// Removes what a killed process left: those of the files that `find` finds in the node's folder whose row, by
    /// `is_left_over`, says that the recording is kept in another way.
    ///
    /// # Errors
    /// The database failed. A file that cannot be removed is told in the log and stays until the next start.
    pub(crate) async fn tidy(
        &self,
        db: &Db,
        find: fn(&Path) -> Vec<PathBuf>,
        is_left_over: impl Fn(&Recording) -> bool,
    ) -> Result<(), StoreError> {
        let root = Arc::clone(&self.root);
        for file in tokio::task::spawn_blocking(move || find(&root)).await.unwrap_or_default() {
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            if db.recordings().named(&name).await?.is_some_and(|row| is_left_over(&row))
                && let Err(error) = remove_file(&file).await
            {
                tracing::warn!(%error, path = %file.display(), "the old file of a recording that has moved stays too");
            }
        }
        Ok(())
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

/// The files in the folders of the companies below this one; a folder that cannot be read has none.
pub(crate) fn files_of(root: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path());
    entries(root).flat_map(move |company| entries(&company).collect::<Vec<_>>())
}

/// Waits until `due` tells that recordings may wait to be moved, or so long that one looks though nobody told; `false`
/// once `stop` holds true.
pub(crate) async fn look_again(due: &Notify, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = due.notified() => true,
        () = tokio::time::sleep(LOOK_EVERY) => true,
        _ = stop.wait_for(|stop| *stop) => false,
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
