//! Every ladder of `ladders/` must go as it is written.

use std::path::Path;

#[test]
fn every_ladder_goes_as_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("ladders");
    let mut ladders: Vec<_> = std::fs::read_dir(&dir).expect("ladders").flatten().map(|e| e.path()).collect();
    ladders.sort();
    assert!(ladders.len() >= 10, "the ladders are in {}", dir.display());
    let mut different = Vec::new();
    for path in ladders {
        let written = std::fs::read_to_string(&path).expect("a ladder");
        let went = flows::play(&written);
        if went != written {
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::write(&path, &went).expect("write");
            }
            different.push(format!("--- {}\n{went}", path.file_name().unwrap_or_default().display()));
        }
    }
    assert!(different.is_empty(), "UPDATE_EXPECT=1 rewrites these:\n{}", different.join("\n"));
}
