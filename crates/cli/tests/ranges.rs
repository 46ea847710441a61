//! `decrypt --range`: parts of plaintexts, and which messages and ranges are refused.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sandbox;

use std::fs;
use std::process::Command;

use sandbox::Sandbox;

/// The length of the plaintext in [`numbers`].
const LENGTH: usize = 100_000;

/// Options of a message of 98 frames.
const SHORT_FRAMES: [&str; 2] = ["--frame-length", "1024"];

/// A plaintext in which no two places look alike.
fn numbers() -> Vec<u8> {
    (0u32..).flat_map(u32::to_be_bytes).take(LENGTH).collect()
}

fn decrypt<'a>(range: &'a str, message: &'a str, output: &'a str) -> [&'a str; 8] {
    ["decrypt", "-k", "local:demo", "--range", range, message, "-o", output]
}

#[test]
fn a_range_is_those_bytes_of_the_plaintext() {
    let sandbox = Sandbox::with_demo_key();
    let plaintext = numbers();
    sandbox.message("m", &plaintext, &SHORT_FRAMES);
    for (text, range) in [
        ("0..1", 0..1),
        ("..1", 0..1),
        ("1023..1025", 1023..1025),
        ("50000..60000", 50_000..60_000),
        ("99999..100000", 99_999..100_000),
        ("99999..", 99_999..LENGTH),
        ("0..", 0..LENGTH),
        ("0..18446744073709551615", 0..LENGTH),
        ("99000..200000", 99_000..LENGTH),
        ("100000..", LENGTH..LENGTH),
        ("7..7", 7..7),
    ] {
        let ran = sandbox.run(decrypt(text, "m", "-")).succeeds();
        assert!(ran.stdout() == &plaintext[range.clone()], "{text}");
        assert_eq!(ran.stderr(), "");
        let name = format!("part {text}");
        sandbox.run(decrypt(text, "m", &name)).succeeds();
        assert!(sandbox.read(&name) == plaintext[range], "{text}");
        assert_eq!(sandbox.mode(&name), 0o600);
    }
}

#[test]
fn a_long_range_is_released_piece_by_piece() {
    let sandbox = Sandbox::with_demo_key();
    let plaintext: Vec<u8> = (0u32..).flat_map(u32::to_be_bytes).take(5 << 20).collect();
    sandbox.message("m", &plaintext, &[]);
    let ran = sandbox.run(decrypt("1000..5000000", "m", "-")).succeeds();
    assert!(ran.stdout() == &plaintext[1000..5_000_000]);

    let mut message = sandbox.read("m");
    message[4_500_000] ^= 1;
    sandbox.write("m", message);
    let ran = sandbox.run(decrypt("1000..5000000", "m", "-"));
    assert_eq!(ran.code(), 5, "{}", ran.stderr());
    assert!(!ran.stdout().is_empty() && plaintext[1000..4_500_000].starts_with(ran.stdout()));
    sandbox.run(decrypt("1000..5000000", "m", "p")).fails_saying(5, "error: m: ");
    assert!(!sandbox.exists("p"), "a file appears whole or not at all");
}

#[test]
fn what_is_verified_is_said() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &numbers(), &SHORT_FRAMES);
    sandbox.message("signed", &numbers(), &["--frame-length", "1024", "--sign"]);
    let ran = sandbox.run(decrypt("10..20", "m", "a")).succeeds();
    assert_eq!(
        ran.stderr(),
        "decrypted bytes 10..20 of m to a: their frames verify; the rest was not read\n"
    );
    let ran = sandbox.run(decrypt("99990..200000", "m", "b")).succeeds();
    assert_eq!(
        ran.stderr(),
        "decrypted bytes 99990..100000 of m to b: their frames verify, and so does the end after 100000 bytes\n"
    );
    let allow = ["--allow-unverified-signature"];
    let ran = sandbox.run(decrypt("10..20", "signed", "c").iter().chain(&allow)).succeeds();
    assert_eq!(
        ran.stderr(),
        "decrypted bytes 10..20 of signed to c: their frames verify; the rest was not read; the signature was not verified\n"
    );
}

#[test]
fn the_record_says_the_range_and_what_was_verified() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &numbers(), &["--frame-length", "1024", "--sign", "-c", "tenant=42"]);
    let record = ["--metadata-output", "log", "--allow-unverified-signature"];
    sandbox.run(decrypt("10..20", "m", "a").iter().chain(&record)).succeeds();
    sandbox.run(decrypt("99990..", "m", "-").iter().chain(&record)).succeeds();
    let log = String::from_utf8(sandbox.read("log")).unwrap();
    let records: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        records[0]["range"],
        serde_json::json!({
            "start": 10, "end": 20, "verified": "frames", "message_plaintext_bytes": null, "unverified_signature": true,
        })
    );
    assert_eq!(
        records[1]["range"],
        serde_json::json!({
            "start": 99_990, "end": 100_000, "verified": "frames-and-end", "message_plaintext_bytes": 100_000,
            "unverified_signature": true,
        })
    );
    for record in &records {
        assert_eq!((&record["operation"], &record["status"]), (&"decrypt".into(), &"done".into()));
        assert_eq!(record["plaintext_bytes"], 10);
        assert_eq!(record["ciphertext_bytes"], sandbox.read("m").len());
        assert_eq!(record["encryption_context"]["tenant"], "42");
        assert_eq!(record["keys"][0]["provider_id"], "aws-kms");
    }
    assert_eq!((&records[0]["output"], &records[1]["output"]), (&"a".into(), &"-".into()));
}

#[test]
fn a_range_beyond_the_end_is_an_error_that_says_the_length() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &numbers(), &SHORT_FRAMES);
    sandbox.run(decrypt("100001..100002", "m", "p")).fails(
        2,
        "error: m: a range starts at 100001, beyond the end of the plaintext, which has 100000 bytes\nhelp: correct --range\n",
    );
    assert!(!sandbox.exists("p"));

    // A length that does not verify is not said.
    let mut altered = sandbox.read("m");
    *altered.last_mut().unwrap() ^= 1;
    sandbox.write("m", altered);
    let ran = sandbox.run(decrypt("100001..100002", "m", "p"));
    assert_eq!(ran.code(), 5, "{}", ran.stderr());
    assert!(!ran.stderr().contains("100000"), "{}", ran.stderr());
}

#[test]
fn altered_frames_are_refused_and_frames_beside_the_range_are_not_read() {
    let sandbox = Sandbox::with_demo_key();
    let plaintext = numbers();
    sandbox.message("m", &plaintext, &SHORT_FRAMES);
    let message = sandbox.read("m");
    let mut altered = message.clone();
    altered[message.len() / 2] ^= 1;
    sandbox.write("altered", altered);
    for output in ["p", "-"] {
        let ran = sandbox.run(decrypt("40000..60000", "altered", output));
        assert_eq!((ran.code(), ran.stdout().len()), (5, 0), "{}", ran.stderr());
        assert!(ran.stderr().starts_with("error: altered: "), "{}", ran.stderr());
        assert!(
            ran.stderr().ends_with("help: fetch it again from where it came; do not trust this copy\n"),
            "{}",
            ran.stderr()
        );
    }
    assert!(!sandbox.exists("p"));
    let ran = sandbox.run(decrypt("0..1000", "altered", "-")).succeeds();
    assert_eq!(ran.stdout(), &plaintext[..1000]);

    // Cut: the start is what it was, the end is missed.
    sandbox.write("cut", &message[..message.len() - 2000]);
    let ran = sandbox.run(decrypt("0..1000", "cut", "-")).succeeds();
    assert_eq!(ran.stdout(), &plaintext[..1000]);
    for range in ["90000..", "..200000", "0..0", "100000..100001"] {
        let ran = sandbox.run(decrypt(range, "cut", "-"));
        assert_eq!((ran.code(), ran.stdout().len()), (5, 0), "{range}: {}", ran.stderr());
    }
}

#[test]
fn signed_messages_are_refused_unless_allowed() {
    let sandbox = Sandbox::with_demo_key();
    let plaintext = numbers();
    sandbox.message("m", &plaintext, &["--sign"]);
    // A disabled key would be the error if it were asked.
    sandbox.run(["key", "disable", "local:demo"]).succeeds();
    sandbox.run(decrypt("0..10", "m", "p")).fails(
        4,
        "error: m: the message is signed, and a range of it cannot show that the signature verifies: decrypt the whole message, or \
         allow ranges of which the signature is not verified\nhelp: leave --range out, or give --allow-unverified-signature: \
         whoever can decrypt the message could have made the bytes\n",
    );
    assert!(!sandbox.exists("p"));
    sandbox.run(["key", "enable", "local:demo"]).succeeds();
    let allow = ["--allow-unverified-signature"];
    for (text, range) in [("0..10", 0..10), ("99990..", 99_990..LENGTH)] {
        let ran = sandbox.run(decrypt(text, "m", "-").iter().chain(&allow)).succeeds();
        assert_eq!(ran.stdout(), &plaintext[range]);
    }
}

#[test]
fn the_context_is_checked_as_for_the_whole() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &numbers(), &["-c", "tenant=42"]);
    let help = "help: `envel inspect FILE` shows the context that the message stores; correct -c, or ask where the message comes \
                from\n";
    sandbox.run(decrypt("0..4", "m", "-").iter().chain(&["-c", "tenant=43"])).fails(
        4,
        &format!("error: m: the encryption context has tenant=42 where tenant=43 is required\n{help}"),
    );
    sandbox
        .run(decrypt("0..4", "m", "-").iter().chain(&["-c", "purpose"]))
        .fails(4, &format!("error: m: the encryption context has no purpose, which is required\n{help}"));
    sandbox.run(decrypt("0..4", "m", "-").iter().chain(&["-c", "purpose=backup"])).fails(
        4,
        &format!(
            "error: m: the message does not store purpose=backup, and does not open with it either\n{help}"
        ),
    );
    let ran = sandbox.run(decrypt("0..4", "m", "-").iter().chain(&["-c", "tenant=42", "-c", "tenant"]));
    assert_eq!(ran.succeeds().stdout(), [0; 4]);
}

#[test]
fn another_key_reads_no_range() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &numbers(), &[]);
    sandbox.run(["key", "create", "--alias", "other"]).succeeds();
    let ran = sandbox.run(["decrypt", "-k", "local:other", "--range", "0..4", "m", "-o", "p"]);
    assert_eq!(ran.code(), 6, "{}", ran.stderr());
    assert!(!sandbox.exists("p"));
    let discovery = ["--discovery", "--discovery-account", "000000000000"];
    let ran = sandbox.run(["decrypt", "--range", "0..4", "m", "-o", "-"].iter().chain(&discovery));
    assert_eq!(ran.succeeds().stdout(), [0; 4]);
}

#[test]
fn a_range_needs_one_binary_file_and_a_name_for_the_part() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m.envel", &numbers(), &[]);
    sandbox.message("text", &numbers(), &["--armor"]);
    fs::create_dir(sandbox.path("d")).unwrap();
    let base = ["decrypt", "-k", "local:demo", "--range", "0..4"];
    let stdin = "error: --range cannot read stdin, which has no positions\nhelp: name the file of the message, or decrypt the whole \
                 of it\n";
    for (arguments, stderr) in [
        (
            &["m.envel"][..],
            "error: --range needs a name for the part that it decrypts\nhelp: name a file with -o, or give -o - for stdout\n",
        ),
        (&["-o", "p"], stdin),
        (&["-o", "p", "-"], stdin),
        (&["-o", "p", "m.envel", "text"], "error: --range reads one message\nhelp: name one file\n"),
        (&["-o", "p", "d"], "error: d is a directory, and --range reads one message\nhelp: name one file\n"),
        (
            &["-o", "p", "text"],
            "error: text is base64 text, and --range reads binary messages alone\nhelp: decode it first (base64 -d), or decrypt the \
             whole message\n",
        ),
        (
            &["-o", "p", "/dev/null"],
            "error: /dev/null is not a regular file, and --range reads at any position\nhelp: write the message to a file first, or \
             decrypt the whole of it\n",
        ),
        (
            &["-o", "m.envel", "m.envel"],
            "error: m.envel is both input and output\nhelp: name another output with -o\n",
        ),
    ] {
        sandbox.run(base.iter().chain(arguments)).fails(2, stderr);
        assert!(!sandbox.exists("p"), "{arguments:?}");
    }
    for option in ["-r", "--remove-source", "--allow-unverified-streaming"] {
        let ran = sandbox.run(base.iter().chain(&["m.envel", "-o", "p", option]));
        ran.fails_saying(2, "error: the argument '--range <A..B>' cannot be used with '--");
    }
    for range in ["4..0", "..", "4", "a..b"] {
        sandbox
            .run(decrypt(range, "m.envel", "p"))
            .fails_saying(2, &format!("error: invalid value '{range}' for '--range <A..B>': it "));
    }
    sandbox
        .run(["decrypt", "-k", "local:demo", "m.envel", "--allow-unverified-signature"])
        .fails_saying(2, "--range <A..B>");
    assert!(sandbox.exists("m.envel") && !sandbox.exists("m"));
}

#[test]
fn messages_without_frames_have_no_ranges() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message(
        "m",
        b"x",
        &["--commitment-policy", "forbid-encrypt-allow-decrypt", "--algorithm", "0x0014"],
    );
    let described = sandbox.run(["inspect", "--json", "m"]).succeeds();
    let described: serde_json::Value = serde_json::from_slice(described.stdout()).unwrap();
    let header_len = usize::try_from(described["header_bytes"].as_u64().unwrap()).unwrap();
    // Before IV and tag: content type, four reserved bytes, IV length, frame length. The header need not verify to be refused.
    let mut message = sandbox.read("m");
    let content_type = header_len - 28 - 10;
    message[content_type] = 1;
    message[content_type + 6..][..4].fill(0);
    sandbox.write("m", message);
    sandbox.run(decrypt("0..1", "m", "p")).fails(
        2,
        "error: m: the message is not framed, so no range of it can be read: decrypt the whole message\nhelp: leave --range out\n",
    );
    assert!(!sandbox.exists("p"));
}

#[test]
fn outputs_follow_the_rules_of_decrypt() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &numbers(), &[]);
    sandbox.write("p", b"there already");
    sandbox.run(decrypt("0..4", "m", "p")).fails_saying(1, "give --force to replace it");
    let ran = sandbox.run(decrypt("0..4", "m", "p").iter().chain(&["--no-overwrite"])).succeeds();
    assert_eq!(ran.stderr(), "skipped m: its output exists\n");
    assert_eq!(sandbox.read("p"), b"there already");
    sandbox.run(decrypt("0..4", "m", "p").iter().chain(&["--force"])).succeeds();
    assert_eq!(sandbox.read("p"), [0; 4]);
}

#[test]
fn a_fifo_has_no_positions() {
    let sandbox = Sandbox::with_demo_key();
    let fifo = sandbox.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let writer = std::thread::spawn(move || fs::OpenOptions::new().write(true).open(fifo));
    sandbox.run(decrypt("0..4", "fifo", "p")).fails(
        2,
        "error: fifo is not a regular file, and --range reads at any position\nhelp: write the message to a file first, or decrypt \
         the whole of it\n",
    );
    writer.join().unwrap().unwrap();
}
