//! Directories, both ways.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sandbox;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use sandbox::Sandbox;

fn tree() -> Sandbox {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("t/a", b"1");
    sandbox.write("t/sub/b", b"2");
    sandbox.write("t/sub/deeper/c", b"");
    sandbox
}

#[test]
fn a_tree_is_encrypted_beside_its_files_and_decrypted_elsewhere() {
    let sandbox = tree();
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "-r", "t"]).succeeds();
    assert_eq!(ran.stderr(), "3 encrypted\n");
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "-r", "t", "--no-overwrite"]).succeeds();
    assert_eq!(ran.stderr(), "0 encrypted, 6 skipped\n", "messages are not encrypted again");
    assert!(!sandbox.exists("t/a.envel.envel"));

    let ran = sandbox.run(["decrypt", "-k", "local:demo", "-r", "t", "-o", "out"]).succeeds();
    assert_eq!(ran.stderr(), "3 decrypted, 3 skipped\n", "what is no message is left alone");
    assert_eq!(
        [sandbox.read("out/a"), sandbox.read("out/sub/b"), sandbox.read("out/sub/deeper/c")],
        [b"1".to_vec(), b"2".to_vec(), vec![]]
    );
}

#[test]
fn a_tree_with_sources_removed_comes_back_the_same() {
    let sandbox = tree();
    sandbox.run(["encrypt", "-k", "local:demo", "-r", "--remove-source", "t"]).succeeds();
    assert!(!sandbox.exists("t/a") && sandbox.exists("t/sub/b.envel"));
    sandbox.run(["decrypt", "-k", "local:demo", "-r", "--remove-source", "t"]).succeeds();
    assert_eq!(sandbox.read("t/sub/b"), b"2");
    assert!(!sandbox.exists("t/sub/b.envel"));
}

#[test]
fn outputs_inside_the_tree_are_not_inputs() {
    let sandbox = tree();
    for _ in 0..2 {
        let ran =
            sandbox.run(["encrypt", "-k", "local:demo", "-r", "t", "-o", "t/z-out", "--force"]).succeeds();
        assert_eq!(ran.stderr(), "3 encrypted\n");
    }
    assert!(sandbox.exists("t/z-out/sub/b.envel"));
}

#[test]
fn symbolic_links_are_skipped_and_said() {
    let sandbox = tree();
    sandbox.write("outside", b"secret");
    symlink("../outside", sandbox.path("t/link")).unwrap();
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "-r", "t"]).succeeds();
    assert_eq!(ran.stderr(), "skipped t/link: it is a symbolic link\n3 encrypted, 1 skipped\n");
    assert!(!sandbox.exists("t/link.envel"));
}

#[test]
fn text_that_begins_like_base64_of_a_message_is_no_message() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("t/agenda", b"Agenda: lunch at noon, with everybody");
    sandbox.write("t/words", "Ag".repeat(5000));
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "-r", "t"]).succeeds();
    assert_eq!(ran.stderr(), "0 decrypted, 2 skipped\n");
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "-r", "t"]).succeeds();
    assert_eq!(ran.stderr(), "2 encrypted\n");
    sandbox.write("m/armored", b"");
    sandbox.message("m/armored", b"x", &["--armor", "--force"]);
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "-r", "m"]).succeeds();
    assert_eq!(ran.stderr(), "0 encrypted, 1 skipped\n");
}

#[test]
fn names_that_are_not_utf8_work() {
    let sandbox = Sandbox::with_demo_key();
    let name = OsStr::from_bytes(b"t/\xff\xfe");
    sandbox.write(name, b"x");
    sandbox
        .run(["encrypt", "-k", "local:demo", "-r", "--remove-source", "--metadata-output", "log", "t"])
        .succeeds();
    assert!(!sandbox.exists(name));
    sandbox.run(["decrypt", "-k", "local:demo", "-r", "t"]).succeeds();
    assert_eq!(sandbox.read(name), b"x");
}

#[test]
fn a_directory_needs_to_be_asked_for() {
    let sandbox = tree();
    sandbox
        .run(["encrypt", "-k", "local:demo", "t"])
        .fails(2, "error: t is a directory\nhelp: give -r to take every file below it\n");
}

#[test]
fn a_damaged_message_in_a_tree_fails_and_the_others_are_decrypted() {
    let sandbox = tree();
    sandbox.run(["encrypt", "-q", "-k", "local:demo", "-r", "--remove-source", "t"]).succeeds();
    sandbox.write("t/sub/b.envel", b"rubbish");
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "-r", "t"]);
    assert_eq!(ran.code(), 3);
    assert!(ran.stderr().starts_with("error: t/sub/b.envel: the message is"), "{}", ran.stderr());
    assert!(ran.stderr().ends_with("\n2 decrypted, 1 failed\n"), "{}", ran.stderr());
    assert!(!sandbox.exists("t/sub/b"));
    assert_eq!(sandbox.read("t/a"), b"1");
}

#[test]
fn a_message_whose_name_gives_none_for_its_output_is_a_failure_and_not_skipped() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("t/.keep", b"");
    sandbox.message("t/m", b"x", &[]);
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "-r", "t"]);
    ran.fails_saying(3, "error: t/m does not end with .envel, so its output has no name");
    sandbox.run(["decrypt", "-k", "local:demo", "-r", "t", "-o", "out"]).succeeds();
    assert_eq!(sandbox.read("out/m"), b"x");
}

#[test]
fn verify_walks_trees_and_fails_if_one_message_does() {
    let sandbox = tree();
    sandbox.run(["encrypt", "-q", "-k", "local:demo", "-r", "t"]).succeeds();
    let ran = sandbox.run(["verify", "-k", "local:demo", "t"]).succeeds();
    assert_eq!(ran.stderr(), "3 verified, 3 skipped\n");

    let mut message = sandbox.read("t/sub/b.envel");
    let last = message.len() - 1;
    message[last] ^= 1;
    sandbox.write("t/sub/b.envel", &message);
    sandbox.run(["verify", "-k", "local:demo", "t", "--metadata-output", "log"]).fails(
        3,
        "error: t/sub/b.envel: frame 1 does not verify: it was altered\nhelp: fetch it again from where it came; do not trust \
         this copy\n2 verified, 3 skipped, 1 failed\n",
    );
    let log = String::from_utf8(sandbox.read("log")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("\"status\":\"failed\"")).count(), 1);
    sandbox.run(["verify", "-k", "local:demo", "t/sub/b.envel"]).fails_saying(5, "error: t/sub/b.envel:");
    let ran = sandbox.run(["verify", "-k", "local:demo", "--header-only", "t/sub/b.envel"]).succeeds();
    assert!(ran.stderr().contains("the body was not read"));
}

#[test]
fn a_file_cut_to_nothing_is_not_taken_for_verified() {
    let sandbox = tree();
    sandbox.write("t/empty.envel", b"");
    let ran = sandbox.run(["verify", "-k", "local:demo", "t"]);
    ran.fails_saying(3, "error: t/empty.envel: the message is cut short");
}

#[test]
fn two_messages_of_a_tree_never_go_to_one_output() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("t/.keep", b"");
    sandbox.message("t/x", b"1", &[]);
    sandbox.message("t/x.envel", b"2", &[]);
    let ran =
        sandbox.run(["decrypt", "-k", "local:demo", "-r", "--force", "--remove-source", "t", "-o", "out"]);
    ran.fails_saying(3, "error: t/x.envel: another input has the same output out/x\n");
    assert_eq!(sandbox.read("out/x"), b"1");
    assert!(!sandbox.exists("t/x") && sandbox.exists("t/x.envel"), "the one that was not written stays");
}

#[test]
fn force_does_not_replace_what_is_still_to_be_read() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("t/a", b"1");
    sandbox.write("t/a.envel", b"2");
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "-r", "--force", "t"]);
    ran.fails_saying(3, "error: t/a: its output t/a.envel is an input too, and would be lost\n");
    assert_eq!(sandbox.read("t/a.envel"), b"2");
    assert!(sandbox.exists("t/a.envel.envel"));

    sandbox.write("u/b", b"1");
    for _ in 0..2 {
        sandbox.run(["encrypt", "-k", "local:demo", "-r", "--force", "u"]).succeeds();
    }

    sandbox.write("q", b"1");
    sandbox.write("q.envel", b"2");
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "--force", "q", "./q.envel"]);
    ran.fails_saying(3, "error: q: its output q.envel is an input too, and would be lost\n");
    assert_eq!(sandbox.read("q.envel"), b"2");
}

#[test]
fn an_output_directory_that_comes_to_be_inside_the_tree_is_not_walked() {
    for output in ["t/z-new", "t/z-new/deeper/../x", "t/sub/../z-new"] {
        let sandbox = tree();
        let ran = sandbox.run(["encrypt", "-k", "local:demo", "-r", "t", "-o", output]).succeeds();
        assert_eq!(ran.stderr(), "3 encrypted\n", "{output}");
    }
}

#[test]
fn a_failed_item_leaves_no_empty_directory() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &[7; 100], &[]);
    let mut damaged = sandbox.read("m");
    *damaged.last_mut().unwrap() ^= 1;
    sandbox.write("t/sub/m.envel", &damaged);
    sandbox.run(["decrypt", "-k", "local:demo", "-r", "t", "-o", "out"]).fails_saying(3, "1 failed");
    assert!(!sandbox.exists("out"));
}

#[test]
fn the_file_of_records_is_no_input_and_no_output() {
    let sandbox = tree();
    let ran = sandbox
        .run(["encrypt", "-k", "local:demo", "-r", "t", "--metadata-output", "t/log", "--remove-source"])
        .succeeds();
    assert_eq!(ran.stderr(), "3 encrypted, 1 skipped\n");
    assert_eq!(String::from_utf8(sandbox.read("t/log")).unwrap().lines().count(), 4);

    sandbox.write("a", b"1");
    sandbox.run(["encrypt", "-k", "local:demo", "a", "--metadata-output", "./a"]).fails(
        2,
        "error: ./a is an input, and --metadata-output would append to it\nhelp: name another file with \
         --metadata-output\n",
    );
    assert_eq!(sandbox.read("a"), b"1");
    sandbox
        .run(["encrypt", "-k", "local:demo", "--force", "a", "--metadata-output", "a.envel"])
        .fails_saying(2, "error: a: its output a.envel is the file of --metadata-output\n");
}

#[test]
fn a_record_that_cannot_be_written_does_not_hide_the_failure_of_the_item() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("m", b"rubbish");
    let ran =
        sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "out", "--metadata-output", "/dev/full"]);
    assert!(ran.stderr().contains("error: /dev/full: "), "{}", ran.stderr());
    ran.fails_saying(5, "error: m: ");
}
