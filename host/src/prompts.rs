//! The prompts that come with the binary; `prompts/README.md` says what each says.

/// Takes files of `prompts/` in, under their names.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../prompts/", $name, ".wav")))),*]
    };
}

const FILES: &[(&str, &[u8])] = files! {
    "apology", "attendant-busy", "attendant-invalid", "attendant-menu", "goodbye", "queue-full", "queue-in", "queue-out",
    "queue-paused", "queue-position", "queue-timeout", "queue-unpaused", "queue-welcome", "vm-at", "vm-box",
    "vm-busy", "vm-forward-to", "vm-forwarded", "vm-from", "vm-full", "vm-greetings", "vm-keep", "vm-kept",
    "vm-locked", "vm-menu", "vm-message-menu", "vm-new", "vm-no-such", "vm-none", "vm-pin", "vm-pin-again",
    "vm-pin-new", "vm-pin-set", "vm-pin-wrong", "vm-record", "vm-review", "vm-saved", "vm-sent", "vm-too-short",
    "vm-unavailable", "vm-unknown", "vm-was-deleted", "vm-was-saved", "vm-you-have", "en/0", "en/1", "en/2",
    "en/3", "en/4", "en/5", "en/6", "en/7", "en/8", "en/9", "en/10", "en/11", "en/12", "en/13", "en/14", "en/15",
    "en/16", "en/17", "en/18", "en/19", "en/20", "en/30", "en/40", "en/50", "en/60", "en/70", "en/80", "en/90",
    "en/hundred", "en/million", "en/plus", "en/pound", "en/star", "en/thousand",
};

/// Name and WAV file of each.
pub(crate) fn prompts() -> Vec<(String, Vec<u8>)> {
    FILES.iter().map(|(name, wav)| ((*name).to_owned(), wav.to_vec())).collect()
}
