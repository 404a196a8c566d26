//! Reads prompts: WAV files of any kind that `media::wav` reads, and Ogg Opus; a folder of them is a prompt pack.

use crate::ShellError;
use media::{Prompts, wav};
use std::path::Path;
use std::sync::Arc;

/// How deep folders are looked into.
const DEPTH_MAX: usize = 4;
/// What prompts' files end in.
const ENDINGS: [&str; 3] = ["wav", "opus", "ogg"];

/// The built-in prompts, then those of the folder: `NAME.wav`, `NAME.opus` or `NAME.ogg`, and within its folders
/// `FOLDER/NAME.wav`.
pub(crate) fn load(built_in: &[(String, Vec<u8>)], folder: Option<&Path>) -> Result<Prompts, ShellError> {
    let mut prompts = Prompts::new();
    for (name, wav) in built_in {
        prompts.insert(name.clone(), decode(name, wav)?);
    }
    if let Some(folder) = folder {
        load_folder(&mut prompts, folder, "", DEPTH_MAX)?;
    }
    Ok(prompts)
}

fn load_folder(prompts: &mut Prompts, folder: &Path, prefix: &str, depth: usize) -> Result<(), ShellError> {
    let unusable = |path: &Path, why: &std::io::Error| ShellError::Path { path: path.to_owned(), why: why.to_string() };
    for entry in std::fs::read_dir(folder).map_err(|e| unusable(folder, &e))? {
        let path = entry.map_err(|e| unusable(folder, &e))?.path();
        let Some(stem) = path.file_stem().and_then(|n| n.to_str()) else { continue };
        let name = format!("{prefix}{stem}");
        if path.is_dir() && depth > 1 {
            load_folder(prompts, &path, &format!("{name}/"), depth - 1)?;
        } else if path.extension().is_some_and(|e| ENDINGS.iter().any(|ending| e.eq_ignore_ascii_case(ending))) {
            let wav = std::fs::read(&path).map_err(|e| unusable(&path, &e))?;
            let pcm = decode(&name, &wav)?;
            prompts.insert(name, pcm);
        }
    }
    Ok(())
}

fn decode(name: &str, bytes: &[u8]) -> Result<Arc<[i16]>, ShellError> {
    read(bytes).map(Arc::from).map_err(|why| ShellError::Prompt { name: name.to_owned(), why })
}

/// The samples of a WAV or Ogg Opus file at 8 kHz, or why there are none.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<i16>, String> {
    if opus::is_ogg(bytes) {
        return opus::read_ogg(bytes).map_err(|e| e.to_string());
    }
    wav::read(bytes).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::load;
    use std::io::Cursor;

    fn wav(rate: u32) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for sample in [1_i16, -2, 3] {
            writer.write_sample(sample).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_folder_adds_to_the_built_in_prompts_and_takes_their_place() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("menu.wav"), wav(8_000)).unwrap();
        std::fs::write(folder.path().join("notes.txt"), b"no prompt").unwrap();
        let pack = folder.path().join("en-anna");
        std::fs::create_dir(&pack).unwrap();
        std::fs::write(pack.join("7.WAV"), wav(16_000)).unwrap();
        let mut opus = opus::OggWriter::new(Vec::new(), (16_000, 1), 1).unwrap();
        opus.add(&[0; 1_600]).unwrap();
        std::fs::write(pack.join("8.opus"), opus.finish().unwrap()).unwrap();
        let prompts =
            load(&[("menu".to_owned(), wav(8_000)), ("bye".to_owned(), wav(8_000))], Some(folder.path())).unwrap();
        assert_eq!(prompts.names().collect::<Vec<_>>(), ["bye", "en-anna/7", "en-anna/8", "menu"]);
        assert_eq!(prompts.get("bye").unwrap()[..], [1, -2, 3]);
        assert_eq!(prompts.get("en-anna/8").unwrap().len(), 800);
    }

    #[test]
    fn a_wrong_rate_says_which_prompt_and_what_is_wanted() {
        let error = load(&[("menu".to_owned(), wav(37_800))], None).unwrap_err().to_string();
        assert!(error.contains("menu") && error.contains("37800 Hz") && error.contains("8, 11.025, 16"), "{error}");
    }
}
