//! libFuzzer's entry to `fuzz::browser`; without it, replays the files named on the command line.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::browser(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        fuzz::browser(&std::fs::read(path)?);
    }
    Ok(())
}
