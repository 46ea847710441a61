//! Processes ended in the middle of their work.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sandbox;

use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sandbox::Sandbox;

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until the process has opened the file that it writes.
fn wait_until_writing(child: &Child, directory: &std::path::Path) {
    let descriptors = format!("/proc/{}/fd", child.id());
    for _ in 0..1000 {
        let is_writing = fs::read_dir(&descriptors).unwrap().flatten().any(|entry| {
            let Ok(target) = fs::read_link(entry.path()) else { return false };
            // An unnamed file shows as DIRECTORY/#INODE (deleted).
            target.starts_with(directory)
                && target.parent() == Some(directory)
                && (target.to_string_lossy().contains('#') || target.to_string_lossy().contains(".tmp"))
        });
        if is_writing {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the process does not write");
}

/// Begins to work on a stream that does not end, towards `out`, which exists, and is ended by a signal.
fn interrupted(sandbox: &Sandbox, arguments: &[&str], input: &[u8], which: Signal) -> std::process::Output {
    sandbox.write("out", b"old");
    let mut child = sandbox
        .command(arguments.iter().chain(&["-k", "local:demo", "-o", "out", "--force"]))
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    let directory = sandbox.root().canonicalize().unwrap();
    wait_until_writing(&child, &directory);
    signal(&child, which);
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    output
}

#[test]
fn sigkill_leaves_the_old_output_and_no_partial_one() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &vec![7; 4 << 20], &[]);
    let message = sandbox.read("m");
    let plaintext = vec![7; 4 << 20];
    for (command, input) in [("encrypt", &plaintext[..]), ("decrypt", &message[..message.len() - 1000])] {
        let output = interrupted(&sandbox, &[command], input, Signal::KILL);
        assert_eq!(output.status.code(), None, "{command} was killed");
        assert_eq!(sandbox.read("out"), b"old", "{command}");
        let names = sandbox.names();
        assert!(
            names.iter().all(|name| name == "m" || name == "out" || name.starts_with('.')),
            "{command}: {names:?}"
        );
    }
}

#[test]
fn sigint_and_sigterm_leave_no_debris() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &vec![7; 4 << 20], &[]);
    let message = sandbox.read("m");
    let plaintext = vec![7; 4 << 20];
    for which in [Signal::INT, Signal::TERM] {
        for (command, input) in [("encrypt", &plaintext[..]), ("decrypt", &message[..message.len() - 1000])] {
            let output = interrupted(&sandbox, &[command], input, which);
            assert_eq!(output.status.code(), Some(130), "{command}");
            assert_eq!(sandbox.read("out"), b"old", "{command}");
            assert_eq!(sandbox.names(), ["m", "out"], "{command}");
        }
    }
}

#[test]
fn sigkill_during_the_making_of_a_store_leaves_one_that_works_or_none() {
    // Whatever the moment, the next process gets a store with its key, or a clear error about the key.
    for delay_in_ms in [0, 2, 5, 10, 20, 40] {
        let sandbox = Sandbox::empty();
        sandbox.write("a", b"x");
        let mut child = sandbox.command(["encrypt", "-k", "local:demo", "a"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay_in_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = sandbox.run(["encrypt", "-k", "local:demo", "a", "-o", "b"]);
        if ran.code() != 0 {
            assert!(
                ran.stderr().starts_with("error: there is no key local:demo in the store"),
                "{}",
                ran.stderr()
            );
            sandbox.run(["key", "create", "--alias", "demo"]).succeeds();
            sandbox.run(["encrypt", "-k", "local:demo", "a", "-o", "b"]).succeeds();
        }
        assert_eq!(sandbox.run(["decrypt", "-k", "local:demo", "b", "-o", "-"]).succeeds().stdout(), b"x");
    }
}
