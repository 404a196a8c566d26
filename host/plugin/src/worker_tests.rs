//! A worker that ends in every way there is, and workers that wait for each other.

use super::*;

const SHAPE: CodeShape = CodeShape { kind: EngineKind::Hooks, memory_bytes_max: 1 << 20, fuel: false };

/// A worker that is a shell script.
fn script(text: &str, change: impl FnOnce(&mut WorkerLimits)) -> WorkerProcess {
    let mut limits = WorkerLimits { wall: Duration::from_secs(60), ..WorkerLimits::default() };
    change(&mut limits);
    WorkerProcess::new("/bin/sh".into(), vec!["-c".to_owned(), text.to_owned()], limits)
}

fn rejected(worker: &WorkerProcess) -> String {
    match worker.precompile(SHAPE, &[7; 1 << 20]) {
        Err(CompileError::Rejected(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn however_a_worker_ends_the_reason_is_told_in_words() {
    for (text, why) in [
        ("exit 0", "failed on it with status 0: it said nothing"),
        ("echo first >&2; echo last words >&2; exit 3", "failed on it with status 3: last words"),
        ("kill -SEGV $$", "crashed on it with signal 11"),
        ("kill -KILL $$", "was killed while it worked"),
        ("kill -XCPU $$", "more than 240 s of CPU (plugins.compile_cpu_s)"),
        ("echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$", "(plugins.compile_memory_bytes)"),
        // An answer that is none, and half of one.
        ("cat >&2; printf 'code, believe me'", "failed on it with status 0"),
        ("printf 'swcompil\\000\\011\\000\\000\\000\\000\\000\\000\\000half'", "failed on it with status 0"),
    ] {
        let said = rejected(&script(text, |_| {}));
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn a_worker_that_does_not_end_is_ended_and_one_that_says_too_much_is_not_kept() {
    // `exec`, so that no child of the shell keeps the pipes.
    let stuck = script("exec sleep 600", |limits| limits.wall = Duration::from_millis(200));
    assert_eq!(rejected(&stuck), "compiling it takes longer than 0.2 s (plugins.compile_wall_s)");
    let talks = script("head -c 4000000 /dev/zero", |limits| limits.code_bytes_max = 1_000_000);
    assert_eq!(rejected(&talks), "its code has more than 1000000 bytes (plugins.code_bytes_max)");
}

#[test]
fn an_answer_counts_only_when_it_came_whole_and_the_worker_ended_well() {
    let whole = "cat >/dev/null; printf 'swcompil\\000\\004\\000\\000\\000\\000\\000\\000\\000code'";
    assert_eq!(script(whole, |_| {}).precompile(SHAPE, b"x"), Ok(b"code".to_vec()));
    assert!(rejected(&script(&format!("{whole}; exit 1"), |_| {})).contains("status 1"));
    let refused = "cat >/dev/null; printf 'swcompil\\001\\004\\000\\000\\000\\000\\000\\000\\000none'";
    let refused = script(refused, |_| {}).precompile(SHAPE, b"x");
    assert_eq!(refused, Err(CompileError::NotAComponent("none".to_owned())));
}

#[test]
fn without_a_program_it_is_another_time() {
    let nothing = WorkerProcess::new("/nowhere/strowger".into(), Vec::new(), WorkerLimits::default());
    assert!(matches!(nothing.precompile(SHAPE, b"x"), Err(CompileError::Unavailable(_))));
    assert_eq!(nothing.turns().taken, 0, "its turn is given back");
}

#[test]
fn so_many_work_at_once_and_so_many_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let gate = folder.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().expect("mkfifo").success());
    // Each worker waits at the gate for somebody who opens it.
    let text = format!("cat >/dev/null; read line < {}; exit 9", gate.display());
    let workers = script(&text, |limits| (limits.at_once, limits.waiting_max) = (1, 1));
    let turns = || {
        let turns = *workers.turns();
        (turns.taken, turns.waiting)
    };
    let until = |taken, waiting| {
        while turns() != (taken, waiting) {
            std::thread::yield_now();
        }
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| rejected(&workers));
        until(1, 0);
        let second = scope.spawn(|| rejected(&workers));
        until(1, 1);
        let third = workers.precompile(SHAPE, b"x");
        assert!(matches!(third, Err(CompileError::Unavailable(why)) if why.contains("plugins.compile_waiting_max")));
        std::fs::write(&gate, "go\n").expect("the first is at the gate");
        assert!(first.join().expect("it ends").contains("status 9"));
        std::fs::write(&gate, "go\n").expect("the second is at the gate");
        assert!(second.join().expect("it ends").contains("status 9"));
    });
    assert_eq!(turns(), (0, 0));
}
