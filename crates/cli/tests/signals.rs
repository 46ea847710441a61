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
        .interruptible_command(arguments.iter().chain(&["-k", "local:demo", "-o", "out", "--force"]))
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
fn sigkill_during_the_making_of_a_store_leaves_one_that_is_finished_next() {
    // Whatever the moment, the next process gets a store with its key.
    for delay_in_ms in [0, 2, 5, 10, 20, 40] {
        let sandbox = Sandbox::empty();
        sandbox.write("a", b"x");
        let mut child = sandbox.command(["encrypt", "-k", "local:demo", "a"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay_in_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        sandbox.run(["encrypt", "-k", "local:demo", "a", "-o", "b"]).succeeds();
        assert_eq!(sandbox.run(["decrypt", "-k", "local:demo", "b", "-o", "-"]).succeeds().stdout(), b"x");
    }
}

/// Waits until a file has something in it.
fn contents(path: &std::path::Path) -> String {
    for _ in 0..1000 {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("{} stays empty", path.display());
}

#[test]
fn a_signal_ends_the_command_that_is_read_from() {
    let sandbox = Sandbox::with_demo_key();
    for which in [Signal::INT, Signal::TERM] {
        let encrypt = ["encrypt", "-k", "local:demo", "-o", "out", "--stdin-from-command", "--"];
        let command = ["sh", "-c", "echo $$ > pid; exec sleep 600"];
        let child = sandbox.interruptible_command(encrypt.iter().chain(&command)).spawn().unwrap();
        let pid: i32 = contents(&sandbox.path("pid")).trim().parse().unwrap();
        signal(&child, which);
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
        let has_ended = || {
            let status = fs::read_to_string(format!("/proc/{pid}/stat"));
            status.map_or(true, |status| status.contains(") Z "))
        };
        let ended = (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            has_ended()
        });
        assert!(ended, "{which:?}");
        assert_eq!(sandbox.names(), ["pid"]);
        fs::remove_file(sandbox.path("pid")).unwrap();
    }
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let sandbox = Sandbox::with_demo_key();
    let mut shell = std::process::Command::new("sh");
    let line = "trap '' HUP INT; exec \"$0\" encrypt -k local:demo -o out";
    shell.args(["-c", line, sandbox::ENVEL]).current_dir(sandbox.root()).env("ENVEL_HOME", sandbox.home());
    let mut child = shell.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&vec![7; 4 << 20]).unwrap();
    wait_until_writing(&child, &sandbox.root().canonicalize().unwrap());
    signal(&child, Signal::HUP);
    signal(&child, Signal::INT);
    std::thread::sleep(Duration::from_millis(100));
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(sandbox.exists("out"));
}
