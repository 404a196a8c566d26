//! The job that keeps lists of CDRs fast: what is older than the operator wants in the database leaves it for files, a JSON
//! object a line, compressed by zstd, of one brand and one month each. See decision 0336.
//!
//! A file is whole and on the disk before its rows go, and the rows go in the transaction that notes the file. What a run
//! that was cut off has written beside that is nobody's: the next run writes it again and removes what has no row.

use super::{Broke, Run, before};
use crate::nouns::{calls, cdrs};
use crate::stamp;
use core::time::Duration;
use model::{BrandId, Instant};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use store::{ArchiveFile, ArchiveKind, Leaving, Scope};

/// Its kind, and the name of its schedule.
pub(crate) const KIND: &str = "archive-records";
/// How often it comes.
pub(crate) const EVERY: Duration = Duration::from_secs(3_600);
/// Records of one file: so many leave in one transaction, which others wait for.
const ROWS: u32 = 5_000;
/// The ending of a file.
const ENDING: &str = "jsonl.zst";
/// How often records that others came between are read anew.
const ANEW_MAX: u32 = 10;
const DAY: Duration = Duration::from_secs(86_400);

/// Where archives are, and after how long records leave for them.
#[derive(Clone, Debug)]
pub(crate) struct Archiving {
    /// The folder.
    pub folder: PathBuf,
    /// Records older than so many days leave the database.
    pub days: u32,
}

/// The file of an archive.
pub(crate) fn file_of(folder: &Path, brand: BrandId, name: &str) -> PathBuf {
    folder.join(brand.0.to_string()).join(format!("{name}.{ENDING}"))
}

pub(super) async fn run(run: &Run) -> Result<Value, Broke> {
    let Some(archiving) = run.api.archiving.clone() else {
        return Ok(json!({ "archived": 0 }));
    };
    let limit = before(run.api.switch.now(), DAY * archiving.days);
    let mut archived = 0_u64;
    let mut tidied = BTreeSet::new();
    for kind in ArchiveKind::ALL {
        while let Some((brand, oldest)) = run.api.db.archives().oldest(kind, limit).await? {
            if tidied.insert(brand) {
                tidy(run, &archiving.folder, brand).await?;
            }
            let time = (oldest, stamp::next_month(oldest).min(limit));
            archived += some(run, &archiving, (kind, brand), time).await?;
        }
    }
    Ok(json!({ "archived": archived }))
}

/// Moves the first records of a brand and a month; how many.
async fn some(
    run: &Run,
    archiving: &Archiving,
    (kind, brand): (ArchiveKind, BrandId),
    time: (Instant, Instant),
) -> Result<u64, Broke> {
    for _ in 0..ANEW_MAX {
        let leaving = run.api.db.archives().leaving(kind, brand, time, ROWS).await?;
        let Some((first, call)) = leaving.first() else { return Ok(0) };
        let day = stamp::rfc3339(first);
        let name = format!("{}-{}-{}-{call}", kind.word(), day.get(..7).unwrap_or_default(), first.unix_micros());
        let (path, lines) = (file_of(&archiving.folder, brand, &name), lines(&leaving)?);
        let written = tokio::task::spawn_blocking(move || write(&path, &lines)).await;
        let (bytes, sha256) = match written {
            Ok(Ok(written)) => written,
            Ok(Err(error)) => return Err(Broke::Passing(format!("an archive cannot be written: {error}"))),
            Err(error) => return Err(Broke::Passing(format!("an archive cannot be written: {error}"))),
        };
        let file = ArchiveFile { name, bytes, sha256 };
        if let Some(archive) = run.api.db.archives().keep(brand, &leaving, &file, run.api.switch.now()).await? {
            return Ok(archive.rows);
        }
        // A record of that time came late: the next file has it too.
    }
    Err(Broke::Passing("records came between those that were to be archived, again and again".to_owned()))
}

fn lines(leaving: &Leaving) -> Result<Vec<u8>, Broke> {
    let mut out = Vec::new();
    let failed = |error: serde_json::Error| Broke::Final(format!("a record cannot be written: {error}"), None);
    match leaving {
        // A brand's operator reads them, never a company's.
        Leaving::Cdrs(all) => {
            for cdr in cdrs::shown(all.clone(), Scope::Platform) {
                serde_json::to_writer(&mut out, &cdr).map_err(failed)?;
                out.push(b'\n');
            }
        }
        Leaving::Explanations(all) => {
            for (_, why) in all {
                let (call, company) = (why.call.to_string(), why.company.0);
                let question = calls::Question::from(why.clone());
                let line = json!({ "call": call, "company": company, "question": question });
                serde_json::to_writer(&mut out, &line).map_err(failed)?;
                out.push(b'\n');
            }
        }
    }
    Ok(out)
}

/// Writes a file whole, or none; its size and its sum.
fn write(path: &Path, lines: &[u8]) -> io::Result<(u64, String)> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let packed = ruzstd::encoding::compress_to_vec(lines, ruzstd::encoding::CompressionLevel::Fastest);
    let beside = path.with_extension("part");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(&packed)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    // The name, too, is on the disk before the rows go.
    std::fs::File::open(folder)?.sync_all()?;
    let sum = Sha256::digest(&packed).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((packed.len() as u64, sum))
}

/// Removes files of a brand that no row names: a run that was cut off left them.
async fn tidy(run: &Run, folder: &Path, brand: BrandId) -> Result<(), Broke> {
    let names: BTreeSet<String> = run.api.db.archives().names(brand).await?.into_iter().collect();
    let Ok(entries) = std::fs::read_dir(folder.join(brand.0.to_string())) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let known =
            name.strip_suffix(ENDING).and_then(|name| name.strip_suffix('.')).is_some_and(|n| names.contains(n));
        if !known && let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(%error, path = %path.display(), "a file that is no archive stays");
        }
    }
    Ok(())
}
