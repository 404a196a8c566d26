//! What an author and an operator do with a plugin: run it, fetch it, read its log.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code outside the switch")]

use crate::process::{Demo, Developed};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

/// The digest as `#sha256=` has it.
fn sha256(bytes: &[u8]) -> String {
    plugin::Digest::of(bytes).to_string()
}

/// A plugin's folder in "JavaScript" whose tool copies the component that the source names: what is tested is all around it.
fn folder(dir: &Path, components: &[(&str, &[u8])]) {
    use std::os::unix::fs::PermissionsExt as _;
    let tool = dir.join("node_modules/.bin/componentize-qjs");
    std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
    let script = "#!/bin/sh\nread -r file < plugin.js\n[ -f \"$file\" ] || { echo \"SyntaxError: $file\" >&2; exit 1; }\ncp \"$file\" component.wasm\n";
    std::fs::write(&tool, script).unwrap();
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (name, bytes) in components {
        std::fs::write(dir.join("node_modules").join(name), bytes).unwrap();
    }
    let manifest = "id = \"desk\"\nversion = \"0.1.0\"\nwit = \"0.1.0\"\n\n[[provides]]\npoint = \"call/app\"\n";
    std::fs::write(dir.join("plugin.toml"), manifest).unwrap();
}

/// Builds are swapped in as their sources change; one that fails is told, and what was bound goes on.
#[test]
fn a_plugin_runs_on_a_switch_of_its_own_and_is_swapped_as_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path(), &[("echo.wasm", shipped::ECHO), ("attendant.wasm", shipped::ATTENDANT)]);
    let source = |text: &str| std::fs::write(dir.path().join("plugin.js"), format!("{text}\n")).unwrap();
    source("node_modules/echo.wasm");
    let mut run = Developed::start(dir.path());
    let block = run.until("Ctrl-C ends it");
    assert!(
        block.contains("    1001  ") && block.contains("    1002  ") && block.contains("udp:127.0.0.1:"),
        "{block}"
    );
    run.until("Build 1 of desk is live for call/app");
    let runs = |run: &Developed| -> String {
        let listed: serde_json::Value = serde_json::from_str(&run.client(&["--json", "plugin", "list"])).unwrap();
        format!(
            "{} {}",
            listed["bindings"][0]["name"].as_str().unwrap(),
            listed["bindings"][0]["plugin"].as_str().unwrap()
        )
    };
    assert_eq!(runs(&run), "desk desk@0.1.1");
    assert!(run.client(&["--json", "extension", "list"]).contains("\"desk\""), "100 leads to it");
    source("broken {");
    let failed = run.until("SyntaxError: broken {");
    assert!(failed.contains("plugin.js changed.") && failed.contains("Build failed, build 1 goes on"), "{failed}");
    assert_eq!(runs(&run), "desk desk@0.1.1");
    let mut swaps = Vec::new();
    for build in [2, 3, 4] {
        source(["node_modules/echo.wasm", "node_modules/attendant.wasm"][build % 2]);
        let said = run.until(&format!("Build {build} of desk is live"));
        let line = said.lines().find(|line| line.contains("swapped in")).unwrap();
        swaps.push(line.rsplit("swapped in ").next().unwrap().split(' ').next().unwrap().parse::<u64>().unwrap());
        assert_eq!(runs(&run), format!("desk desk@0.1.{build}"));
    }
    // Others build on this machine meanwhile: the best of three.
    assert!(swaps.iter().min().unwrap() < &1_000, "a swap is done within a second: {swaps:?} ms");
    let data = run.data().to_owned();
    assert!(data.exists());
    run.interrupt();
    assert!(!data.exists(), "nothing is left");
}

#[test]
fn what_is_no_plugins_folder_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let said = crate::process::refused(&["plugin", "run", dir.path().to_str().unwrap()], 2);
    assert!(said.contains("plugin.toml"), "{said}");
}

/// Answers so many requests, each with what the path names.
fn serve(answers: Vec<(&'static str, Vec<u8>)>, requests: usize) -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = std::thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 1_024];
            while !request.windows(4).any(|four| four == b"\r\n\r\n") {
                match stream.read(&mut piece) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => request.extend_from_slice(&piece[..n]),
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let found = answers.iter().find(|(known, _)| *known == path).map(|(_, bytes)| bytes.clone());
            let answer = found.unwrap_or_else(|| b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec());
            // Whoever has heard enough hangs up.
            let _ = stream.write_all(&answer);
        }
    });
    (url, serving)
}

fn ok(bytes: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", bytes.len());
    [head.as_bytes(), bytes].concat()
}

fn to(place: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

#[test]
fn a_plugin_is_fetched_from_an_address_if_it_is_the_one_that_is_meant() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 65 << 20).into_bytes();
    let answers = vec![
        ("/echo_test.wasm", ok(shipped::ECHO)),
        ("/moved", to("/echo_test.wasm")),
        ("/circle", to("/circle")),
        ("/away", to("http://192.0.2.1/echo_test.wasm")),
        ("/large", large),
    ];
    // One each, and of the redirects: 2 for what moved, 4 for the circle.
    let (url, serving) = serve(answers, 1 + 1 + 2 + 1 + 4 + 1 + 1 + 1);
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(dir.path());
    let digest = sha256(shipped::ECHO);
    let install = |path: &str, version: &str| {
        demo.refused(&["plugin", "install", &format!("{url}{path}"), "--as", version, "--name", "fetched"])
    };
    let (code, said) = install("/echo_test.wasm", "1");
    assert!(code == 1 && said.contains(&format!("{url}/echo_test.wasm#sha256={digest}")), "{said}");
    let pinned = |path: &str| format!("{url}{path}#sha256={digest}");
    let made = demo.client(&["plugin", "install", &pinned("/echo_test.wasm"), "--as", "1"]);
    assert!(made.contains("Installed echo-test@1 for call/app"), "{made}");
    let made = demo.client(&["plugin", "install", &pinned("/moved"), "--as", "2", "--name", "echo-test"]);
    assert!(made.contains("Installed echo-test@2"), "{made}");
    let (code, said) = install(&format!("/echo_test.wasm#sha256={}", "0".repeat(64)), "3");
    assert!(code == 1 && said.contains("expected sha256 0000") && said.contains(&digest), "{said}");
    let (code, said) = install(&format!("/circle#sha256={digest}"), "3");
    assert!(code == 2 && said.contains("more than 3 redirects"), "{said}");
    let (code, said) = install(&format!("/away#sha256={digest}"), "3");
    assert!(code == 2 && said.contains("a redirect to plain http"), "{said}");
    let (code, said) = install(&format!("/large#sha256={digest}"), "3");
    assert!(code == 1 && said.contains("more than 67108864 bytes"), "{said}");
    let (code, said) = install(&format!("/nowhere#sha256={digest}"), "3");
    assert!(code == 1 && said.contains("404"), "{said}");
    let (code, said) = demo.refused(&["plugin", "install", "http://192.0.2.1/x.splug", "--as", "3"]);
    assert!(code == 2 && said.contains("--plain-http"), "{said}");
    serving.join().unwrap();
    demo.stop();
}

#[test]
fn a_version_is_tried_out_in_named_words_and_logs_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo::start(dir.path());
    assert_eq!(demo.client(&["plugin", "logs"]), "No lines.\n");
    assert_eq!(demo.client(&["plugin", "logs", "extensions", "-n", "5"]), "No lines.\n");
    assert_eq!(demo.refused(&["plugin", "logs", "--follow"]).0, 2, "of which binding");
    assert_eq!(demo.refused(&["plugin", "logs", "nobody"]).0, 1);
    let shadow = demo.client(&["plugin", "shadow", "extensions", "extensions"]);
    assert!(shadow.contains("as a shadow") && shadow.contains("strowger plugin shadow extensions"), "{shadow}");
    assert!(demo.client(&["plugin", "shadow", "extensions"]).starts_with("0 calls"));
    assert!(demo.client(&["plugin", "shadow", "extensions", "--end"]).contains("is over"));
    let canary = demo.client(&["plugin", "canary", "extensions", "extensions"]);
    assert!(canary.contains("for 5 of 100 calls"), "{canary}");
    assert_eq!(demo.refused(&["plugin", "canary", "extensions", "extensions", "--percent", "0"]).0, 2);
    demo.client(&["plugin", "canary", "extensions", "--end"]);
    demo.stop();
}
