//! Components are compiled in a process of their own, once.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code outside the switch")]

use crate::process::Demo;
use plugin::{CodeShape, CompileError, Compiler, EngineKind, WORKER, WorkerLimits, WorkerProcess};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SHAPE: CodeShape = CodeShape { kind: EngineKind::Apps, memory_bytes_max: 32 << 20, fuel: false };

fn workers(change: impl FnOnce(&mut WorkerLimits)) -> WorkerProcess {
    let mut limits = WorkerLimits { nice: 0, ..WorkerLimits::default() };
    change(&mut limits);
    WorkerProcess::new(env!("CARGO_BIN_EXE_strowger").into(), vec![WORKER.to_owned()], limits)
}

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id], &leb(body.len())[..], body].concat()
}

/// A valid component of one module whose one function of `blocks` pieces is much work for a compiler: each reads and writes
/// memory, so nothing of it can be left out.
fn bomb(blocks: usize) -> Vec<u8> {
    // local 0 = load(local 0) + load(local 1) * local 0; store; if local 0 then local 1 = local 0.
    let block = [
        &[0x20, 0, 0x28, 2, 0, 0x20, 1, 0x28, 2, 4, 0x20, 0, 0x6c, 0x6a, 0x21, 0][..],
        &[0x20, 1, 0x20, 0, 0x36, 2, 8, 0x20, 0, 0x04, 0x40, 0x20, 0, 0x21, 1, 0x0b][..],
    ]
    .concat();
    let body = [&[0][..], &block.repeat(blocks), &[0x0b]].concat();
    let code = [&[1][..], &leb(body.len()), &body].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 2, 0x7f, 0x7f, 0]),
        section(3, &[1, 0]),
        section(5, &[1, 0, 1]),
        section(10, &code),
    ]
    .concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
}

#[test]
fn a_worker_compiles_what_is_a_component_and_says_what_is_none() {
    let workers = workers(|_| {});
    let code = workers.precompile(SHAPE, shipped::ECHO).unwrap();
    assert!(code.len() > shipped::ECHO.len() / 2, "{} bytes of code", code.len());
    assert!(workers.precompile(SHAPE, &bomb(10)).is_ok(), "a small one is a component");
    for none in [&b"\0asm\x0d\0\x01\0 and then text"[..], b"hello", &shipped::ECHO[..shipped::ECHO.len() / 2]] {
        let refused = workers.precompile(SHAPE, none).unwrap_err();
        assert!(matches!(refused, CompileError::NotAComponent(_)), "{refused:?}");
    }
}

#[test]
fn a_component_made_to_exhaust_the_compiler_is_rejected_in_words() {
    // A function has at most 7,654,321 bytes.
    let bomb = bomb(200_000);
    let rejected = |workers: &WorkerProcess| match workers.precompile(SHAPE, &bomb) {
        Err(CompileError::Rejected(why)) => why,
        other => panic!("{:?}", other.map(|code| code.len())),
    };
    let of_cpu = workers(|limits| limits.cpu = Duration::from_secs(1));
    assert_eq!(rejected(&of_cpu), "compiling it takes more than 1 s of CPU (plugins.compile_cpu_s)");
    let of_memory = workers(|limits| limits.memory_bytes = 300 << 20);
    assert_eq!(
        rejected(&of_memory),
        "compiling it takes more than 314572800 bytes of memory (plugins.compile_memory_bytes)"
    );
    let begun = Instant::now();
    let of_time = workers(|limits| limits.wall = Duration::from_millis(300));
    assert_eq!(rejected(&of_time), "compiling it takes longer than 0.3 s (plugins.compile_wall_s)");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    // Whatever became of those, the next one is compiled.
    assert!(of_cpu.precompile(SHAPE, shipped::ECHO).is_ok());
}

/// A counter of compiled code, as the switch tells it.
fn code(demo: &Demo, event: &str) -> u64 {
    let url = demo.http();
    let mut http = TcpStream::connect(&url).unwrap();
    let token = demo.token();
    write!(http, "GET /metrics HTTP/1.1\r\nHost: {url}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    http.read_to_string(&mut text).unwrap();
    let line = format!("strowger_plugin_code_total{{event=\"{event}\"}} ");
    text.lines().find_map(|l| l.strip_prefix(&line)).unwrap_or_else(|| panic!("{line}: {text}")).parse().unwrap()
}

fn files(data: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(data.join("compiled")).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_restart_compiles_nothing_and_believes_only_what_this_node_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Demo::start(dir.path());
    let compiled = code(&first, "compiled");
    assert!(compiled >= 3 && code(&first, "loaded") == 0, "{compiled}");
    assert_eq!(files(dir.path()).len() as u64, compiled, "each once");
    // Installed a second time, shown, tried and bound: it is compiled already.
    let echo = dir.path().join("echo.wasm");
    std::fs::write(&echo, shipped::ECHO).unwrap();
    first.client(&["plugin", "install", echo.to_str().unwrap(), "--name", "again", "--as", "1.0.0"]);
    first.client(&["plugin", "bind", "again", "--point", "call/app"]);
    assert_eq!(code(&first, "compiled"), compiled);
    first.stop();

    let mut second = Demo::start(dir.path());
    assert_eq!((code(&second, "compiled"), code(&second, "loaded")), (0, compiled));
    second.stop();

    // One is damaged, one cut short, one another's under its name.
    let kept = files(dir.path());
    let mut bytes = std::fs::read(&kept[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    std::fs::write(&kept[0], &bytes).unwrap();
    let whole = std::fs::read(&kept[1]).unwrap();
    std::fs::write(&kept[1], &whole[..whole.len() - 1]).unwrap();
    std::fs::copy(&kept[1], &kept[2]).unwrap();
    let mut third = Demo::start(dir.path());
    assert_eq!((code(&third, "refused"), code(&third, "compiled")), (3, 3));
    assert_eq!(code(&third, "loaded"), compiled - 3);
    let log = third.stop();
    assert!(log.contains("compiled code on the disk is not used"), "{log}");

    // Another node's folder: none of it is believed.
    std::fs::remove_file(dir.path().join("compiled.key")).unwrap();
    let mut fourth = Demo::start(dir.path());
    assert_eq!((code(&fourth, "refused"), code(&fourth, "compiled")), (compiled, compiled));
    assert!(fourth.client(&["plugin", "state", "attendant"]).starts_with("attendant is live."));
    fourth.stop();
}
