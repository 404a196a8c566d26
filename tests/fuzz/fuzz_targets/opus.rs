//! libFuzzer's entry to `fuzz::opus`; without it, replays the files named on the command line.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::opus(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        fuzz::opus(&std::fs::read(path)?);
    }
    Ok(())
}
