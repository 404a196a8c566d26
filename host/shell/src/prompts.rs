//! Reads prompts: WAV files, 8 kHz, mono, 16-bit PCM.

use crate::ShellError;
use media::Prompts;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

/// Longest prompt: ten minutes. A folder full of music would fill the memory unseen.
const SAMPLES_MAX: u32 = 8_000 * 600;

/// The built-in prompts, then those of the folder.
pub(crate) fn load(built_in: &[(String, Vec<u8>)], folder: Option<&Path>) -> Result<Prompts, ShellError> {
    let mut prompts = Prompts::new();
    for (name, wav) in built_in {
        prompts.insert(name.clone(), decode(name, wav)?);
    }
    let Some(folder) = folder else { return Ok(prompts) };
    let unusable = |why: std::io::Error| ShellError::Path { path: folder.to_owned(), why: why.to_string() };
    for entry in std::fs::read_dir(folder).map_err(unusable)? {
        let path = entry.map_err(unusable)?.path();
        let is_wav = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("wav"));
        if let Some(name) = path.file_stem().and_then(|n| n.to_str()).filter(|_| is_wav) {
            let wav =
                std::fs::read(&path).map_err(|why| ShellError::Path { path: path.clone(), why: why.to_string() })?;
            prompts.insert(name, decode(name, &wav)?);
        }
    }
    Ok(prompts)
}

fn decode(name: &str, wav: &[u8]) -> Result<Arc<[i16]>, ShellError> {
    let unusable = |why: String| ShellError::Prompt { name: name.to_owned(), why };
    let mut reader = hound::WavReader::new(Cursor::new(wav)).map_err(|e| unusable(e.to_string()))?;
    let spec = reader.spec();
    if spec.sample_rate != 8_000
        || spec.channels != 1
        || spec.bits_per_sample != 16
        || spec.sample_format != hound::SampleFormat::Int
    {
        let (rate, channels, bits) = (spec.sample_rate, spec.channels, spec.bits_per_sample);
        return Err(unusable(format!("it has {rate} Hz, {channels} channel(s), {bits} bits")));
    }
    if reader.len() > SAMPLES_MAX {
        return Err(unusable("it is longer than ten minutes".to_owned()));
    }
    reader.samples::<i16>().collect::<Result<Vec<i16>, _>>().map(Arc::from).map_err(|e| unusable(e.to_string()))
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
        let prompts =
            load(&[("menu".to_owned(), wav(8_000)), ("bye".to_owned(), wav(8_000))], Some(folder.path())).unwrap();
        assert_eq!(prompts.names().collect::<Vec<_>>(), ["bye", "menu"]);
        assert_eq!(prompts.get("bye").unwrap()[..], [1, -2, 3]);
    }

    #[test]
    fn a_wrong_rate_says_which_prompt_and_what_is_wanted() {
        let error = load(&[("menu".to_owned(), wav(44_100))], None).unwrap_err().to_string();
        assert!(error.contains("menu") && error.contains("44100 Hz") && error.contains("8 kHz"), "{error}");
    }
}
