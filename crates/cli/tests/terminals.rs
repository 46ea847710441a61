//! What happens at a terminal, which `script` stands for.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sandbox;

use std::process::{Command, Stdio};

use sandbox::{ENVEL, Ran, Sandbox};

/// Runs a shell command line, in which `envel` is the program, at a terminal. None where there is no `script` of util-linux.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn at_a_terminal(sandbox: &Sandbox, line: &str) -> Option<Ran> {
    let is_util_linux = Command::new("script")
        .arg("--version")
        .output()
        .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux"));
    if !is_util_linux {
        eprintln!("skipped: there is no `script` of util-linux here");
        return None;
    }
    let line = line.replace("envel ", &format!("{ENVEL} "));
    let script = ["--quiet", "--return", "--command", &line, "/dev/null"];
    let output = Command::new("script")
        .args(script)
        .current_dir(sandbox.root())
        .env("ENVEL_HOME", sandbox.home())
        .stdin(Stdio::null())
        .output();
    Some(Ran(output.unwrap()))
}

#[test]
fn binary_is_not_written_to_a_terminal_unless_asked_for() {
    const REFUSED: &str = "error: the output is binary, and stdout is a terminal\r\nhelp: give -o FILE, or -o - to write it to \
                           the terminal all the same\r\n";
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("binary", &[0, 1, 2], &[]);
    sandbox.message("text", b"hello\n", &[]);
    let shown = |line: &str| at_a_terminal(&sandbox, line).map(|ran| (ran.code(), ran.0.stdout));
    let Some(refused) = shown("envel decrypt -k local:demo < binary") else { return };
    assert_eq!(refused, (2, REFUSED.into()));
    assert_eq!(shown("envel encrypt -k local:demo < text").unwrap(), (2, REFUSED.into()));
    assert_eq!(shown("envel decrypt -k local:demo < text").unwrap(), (0, b"hello\r\n".to_vec()));
    assert_eq!(shown("envel decrypt -k local:demo -o - < binary").unwrap(), (0, vec![0, 1, 2]));
}

#[test]
fn a_terminal_is_not_taken_for_an_input_by_accident() {
    let sandbox = Sandbox::with_demo_key();
    let Some(ran) = at_a_terminal(&sandbox, "envel encrypt -k local:demo -o out < /dev/tty") else { return };
    assert_eq!(
        (ran.code(), String::from_utf8_lossy(ran.stdout()).into_owned()),
        (2, "error: no input is named\r\nhelp: name a file, or give - to type it in\r\n".to_owned())
    );
}

#[test]
fn names_descriptions_and_contexts_give_a_terminal_no_orders() {
    const ORDER: &str = "\u{1b}]0;title\u{7}\u{9b}2J";
    let sandbox = Sandbox::with_demo_key();
    sandbox.run(["key", "create", "--description", ORDER]).succeeds();
    let name = format!("m{ORDER}");
    sandbox.message(&name, b"x", &["-c", &format!("tenant={ORDER}")]);
    for arguments in [
        &["key", "list"][..],
        &["key", "list", "--json"],
        &["inspect", &name],
        &["inspect", "--json", &name],
        &["verify", "-v", "-k", "local:demo", &name],
        &["verify", "-k", "local:demo", "-c", "tenant=42", &name],
        &["decrypt", "-k", "local:demo", &name],
        &["decrypt", "-v", "-k", "local:demo", &name, "-o", &format!("out{ORDER}")],
        &["decrypt", "-k", "local:demo", &name, "-o", &format!("out{ORDER}")],
    ] {
        let ran = sandbox.run(arguments);
        let shown = format!("{}{}", String::from_utf8_lossy(ran.stdout()), ran.stderr());
        assert!(!shown.chars().any(|shown| shown.is_control() && shown != '\n'), "{arguments:?}: {shown:?}");
        assert!(shown.contains("u{1b}") || shown.contains("u001b"), "{arguments:?}: {shown}");
    }
}
