//! libFuzzer's entry to `fuzz::sdp`; without it, replays the files named on the command line.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::sdp(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    for path in std::env::args_os().skip(1) {
        fuzz::sdp(&std::fs::read(path)?);
    }
    Ok(())
}
