//! Files in, files out: names, existing outputs, permissions, several inputs, metadata.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sandbox;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use sandbox::Sandbox;

#[test]
fn the_first_encryption_makes_store_and_key_and_the_file_comes_back() {
    let sandbox = Sandbox::empty();
    sandbox.write("notes.txt", b"attack at dawn");
    let ran = sandbox.run(["encrypt", "-q", "-k", "local:demo", "notes.txt"]).succeeds();
    assert_eq!(
        ran.stderr(),
        format!(
            "created a key store at {} and in it the key demo\nLosing this directory loses every file encrypted with its \
             keys: `envel kms backup FILE` makes a copy.\n",
            sandbox.store()
        )
    );
    assert_eq!(sandbox.read("notes.txt"), b"attack at dawn", "the source stays");
    fs::remove_file(sandbox.path("notes.txt")).unwrap();

    let ran = sandbox.run(["decrypt", "-k", "local:demo", "notes.txt.envel"]).succeeds();
    assert_eq!(ran.stderr(), "decrypted notes.txt.envel to notes.txt\n");
    assert_eq!(ran.stdout(), b"");
    assert_eq!(sandbox.read("notes.txt"), b"attack at dawn");
}

#[test]
fn plaintext_is_private_and_ciphertext_is_not() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"x");
    sandbox.run(["encrypt", "-k", "local:demo", "a"]).succeeds();
    assert_eq!(sandbox.mode("a.envel") & 0o600, 0o600);
    assert_ne!(sandbox.mode("a.envel"), 0o600, "ciphertext follows the umask");
    sandbox.run(["decrypt", "-k", "local:demo", "a.envel", "-o", "b"]).succeeds();
    assert_eq!(sandbox.mode("b"), 0o600);

    sandbox.write("c", b"old");
    fs::set_permissions(sandbox.path("c"), fs::Permissions::from_mode(0o640)).unwrap();
    sandbox.run(["decrypt", "-k", "local:demo", "a.envel", "-o", "c", "--force"]).succeeds();
    assert_eq!(
        (sandbox.mode("c"), sandbox.read("c")),
        (0o640, b"x".to_vec()),
        "an existing file keeps its mode"
    );
}

#[test]
fn an_existing_output_is_refused_and_untouched() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"new");
    sandbox.write("a.envel", b"old");
    sandbox.run(["encrypt", "-k", "local:demo", "a"]).fails(
        1,
        "error: a.envel exists already; it was not touched\nhelp: give --force to replace it, --no-overwrite to skip it, \
         or -o another output\n",
    );
    assert_eq!(sandbox.read("a.envel"), b"old");
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "--no-overwrite", "a"]).succeeds();
    assert_eq!(ran.stderr(), "skipped a: its output exists\n");
    assert_eq!(sandbox.read("a.envel"), b"old");
    sandbox.run(["encrypt", "-k", "local:demo", "--force", "a"]).succeeds();
    sandbox.run(["verify", "-k", "local:demo", "a.envel"]).succeeds();
}

#[test]
fn a_failed_replacement_leaves_the_old_output() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &[7; 200_000], &[]);
    let mut damaged = sandbox.read("m");
    *damaged.last_mut().unwrap() ^= 1;
    sandbox.write("m", damaged);
    sandbox.write("out", b"old");
    sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "out", "--force"]).fails(
        5,
        "error: m: frame 4 does not verify: it was altered\nhelp: fetch it again from where it came; do not trust this copy\n",
    );
    assert_eq!(sandbox.read("out"), b"old");
    assert_eq!(sandbox.names(), ["m", "out"]);
}

#[test]
fn a_message_without_the_suffix_needs_a_name_for_its_output() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m.aes", b"x", &[]);
    sandbox.run(["decrypt", "-k", "local:demo", "m.aes"]).fails(
        2,
        "error: m.aes does not end with .envel, so its output has no name\nhelp: name the output with -o, or give the right \
         --suffix\n",
    );
    sandbox.run(["decrypt", "-k", "local:demo", "m.aes", "--suffix", ".aes"]).succeeds();
    assert_eq!(sandbox.read("m"), b"x");
}

#[test]
fn an_input_is_never_its_own_output() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"x");
    symlink("a", sandbox.path("link")).unwrap();
    for output in ["a", "./a", "link"] {
        sandbox
            .run(["encrypt", "-k", "local:demo", "a", "-o", output, "--force", "--remove-source"])
            .fails(2, "error: a is both input and output\nhelp: name another output with -o\n");
        assert_eq!(sandbox.read("a"), b"x");
    }
}

#[test]
fn the_source_goes_only_when_the_output_is_there() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"x");
    sandbox.run(["encrypt", "-k", "local:demo", "--remove-source", "a"]).succeeds();
    assert_eq!(sandbox.names(), ["a.envel"]);

    let mut damaged = sandbox.read("a.envel");
    *damaged.last_mut().unwrap() ^= 1;
    sandbox.write("a.envel", damaged);
    sandbox
        .run(["decrypt", "-k", "local:demo", "--remove-source", "a.envel"])
        .fails_saying(5, "error: a.envel:");
    assert_eq!(sandbox.names(), ["a.envel"]);

    sandbox.write("b", b"x");
    sandbox.run(["encrypt", "-k", "local:demo", "--remove-source", "b", "-o", "/dev/null"]).fails(
        2,
        "error: /dev/null is a device or FIFO, and --remove-source would leave no copy\nhelp: name a file with -o, or leave \
         --remove-source out\n",
    );
    sandbox
        .run(["encrypt", "-k", "local:demo", "--remove-source", "b", "-o", "-"])
        .fails_saying(2, "--remove-source");
    assert!(sandbox.exists("b"));
}

#[test]
fn one_bad_input_of_several_does_not_stop_the_others() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"1");
    sandbox.write("c", b"3");
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "--metadata-output", "log", "a", "b", "c"]);
    ran.fails(
        3,
        "error: b: No such file or directory (os error 2)\nhelp: check the path\n2 encrypted, 1 failed\n",
    );
    assert!(sandbox.exists("a.envel") && sandbox.exists("c.envel"));

    let log = String::from_utf8(sandbox.read("log")).unwrap();
    let records: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let statuses: Vec<_> = records.iter().map(|record| (&record["input"], &record["status"])).collect();
    assert_eq!(
        statuses,
        [(&"a".into(), &"done".into()), (&"b".into(), &"failed".into()), (&"c".into(), &"done".into())]
    );
    assert_eq!(records[1]["error"]["exit_code"], 1);
    assert_eq!(records[1]["error"]["message"], "b: No such file or directory (os error 2)");
    assert_eq!(records[0]["output"], "a.envel");
}

#[test]
fn records_say_what_became_of_a_message_and_hold_no_secret() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"attack at dawn");
    let encrypt = ["encrypt", "-k", "local:demo", "-c", "tenant=42", "--metadata-output", "log", "a"];
    sandbox.run(encrypt).succeeds();
    sandbox.run(["decrypt", "-k", "local:demo", "--metadata-output", "log", "a.envel", "-o", "b"]).succeeds();
    let log = String::from_utf8(sandbox.read("log")).unwrap();
    assert!(!log.contains("attack"));
    let records: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 2, "records are appended");
    for record in &records {
        assert_eq!(record["status"], "done");
        assert_eq!(record["algorithm_suite"]["id"], "0x0478");
        assert_eq!(record["encryption_context"], serde_json::json!({"tenant": "42"}));
        assert_eq!(record["plaintext_bytes"], 14);
        assert_eq!(record["ciphertext_bytes"], sandbox.read("a.envel").len());
        assert_eq!(record["keys"][0]["provider_id"], "aws-kms");
        let arn = record["keys"][0]["provider_info"].as_str().unwrap();
        assert!(arn.starts_with("arn:aws:kms:local-1:000000000000:key/"), "{arn}");
        assert_eq!(record["keys"][0]["key_material_id"].as_str().unwrap().len(), 64);
    }
    assert_eq!(records[0]["operation"], "encrypt");
    assert_eq!(records[1]["operation"], "decrypt");
    assert_eq!(records[0]["message_id"], records[1]["message_id"]);
}

#[test]
fn several_inputs_go_to_a_directory() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"1");
    sandbox.write("sub/a", b"2");
    sandbox.write("b", b"3");
    sandbox.run(["encrypt", "-k", "local:demo", "a", "sub/a", "b", "-o", "out"]).fails(
        3,
        "error: sub/a: another input has the same output out/a.envel\nhelp: encrypt or decrypt them one directory at a time, \
         into different directories\n2 encrypted, 1 failed\n",
    );
    sandbox.run(["decrypt", "-k", "local:demo", "out/a.envel", "out/b.envel", "-o", "back/"]).succeeds();
    assert_eq!((sandbox.read("back/a"), sandbox.read("back/b")), (b"1".to_vec(), b"3".to_vec()));
    sandbox.run(["encrypt", "-k", "local:demo", "a", "b", "-o", "-"]).fails(
        2,
        "error: several outputs do not go to one stdout\nhelp: leave -o out, or name a directory with -o\n",
    );
}

#[test]
fn the_first_key_generates_and_each_key_decrypts() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.run(["key", "create", "--alias", "alias/second", "--region", "local-2"]).succeeds();
    sandbox.write("aes.key", [9; 32]);
    sandbox.write("a", b"x");
    let keys = ["-k", "local:demo", "-k", "local:second@local-2", "-k", "raw-aes:ns/name=aes.key"];
    sandbox.run(["encrypt", "a"].iter().chain(&keys)).succeeds();
    for (index, key) in ["local:demo", "local:second@local-2", "raw-aes:ns/name=aes.key"].iter().enumerate() {
        let output = format!("out{index}");
        sandbox.run(["decrypt", "-k", key, "a.envel", "-o", &output]).succeeds();
        assert_eq!(sandbox.read(output), b"x");
    }
}

#[test]
fn the_configuration_file_names_default_keys() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"x");
    sandbox.write("envel.toml", b"keys = [\"local:demo\"]");
    sandbox
        .run(["encrypt", "a"])
        .fails(2, "error: no key is given\nhelp: give one with -k, for example -k local:demo\n");
    sandbox.run(["encrypt", "--config", "envel.toml", "a"]).succeeds();
    let mut decrypt = sandbox.command(["decrypt", "a.envel", "-o", "b"]);
    assert!(decrypt.env("ENVEL_CONFIG", "envel.toml").status().unwrap().success());
    sandbox.write("envel.toml", b"key = 1");
    sandbox.run(["encrypt", "--config", "envel.toml", "a"]).fails_saying(2, "unknown field `key`");
}

#[test]
fn raw_keys_of_every_kind_go_both_ways() {
    let sandbox = Sandbox::empty();
    for name in ["rsa-2048.pkcs8.pem", "rsa-2048.pkcs1.pem", "rsa-2048.public.pem"] {
        let source = format!("{}/../core/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
        fs::copy(source, sandbox.path(name)).unwrap();
    }
    sandbox.write("16.key", [1; 16]);
    sandbox.write("24.hex", "02".repeat(24) + "\n");
    sandbox.write("32.b64", "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=\n");
    sandbox.write("a", b"x");
    for (encrypt, decrypt) in [
        ("raw-aes:ns/name=16.key", "raw-aes:ns/name=16.key"),
        ("raw-aes:ns/name=24.hex", "raw-aes:ns/name=24.hex"),
        ("raw-aes:ns/name=32.b64", "raw-aes:ns/name=32.b64"),
        ("raw-rsa:ns/r=rsa-2048.public.pem", "raw-rsa:ns/r=rsa-2048.pkcs8.pem,padding=oaep-sha256"),
        ("raw-rsa:ns/r=rsa-2048.pkcs1.pem,padding=pkcs1", "raw-rsa:ns/r=rsa-2048.pkcs8.pem,padding=pkcs1"),
        (
            "raw-rsa:ns/r=rsa-2048.public.pem,padding=oaep-sha512",
            "raw-rsa:ns/r=rsa-2048.pkcs1.pem,padding=oaep-sha512",
        ),
    ] {
        sandbox.run(["encrypt", "--force", "-k", encrypt, "a"]).succeeds();
        let ran = sandbox.run(["decrypt", "-k", decrypt, "a.envel", "-o", "-"]).succeeds();
        assert_eq!(ran.stdout(), b"x", "{encrypt}");
    }
    sandbox.run(["decrypt", "-k", "raw-rsa:ns/r=rsa-2048.public.pem", "a.envel"]).fails(
        2,
        "error: rsa-2048.public.pem holds a public key, which cannot decrypt\nhelp: name the PEM file of the private key\n",
    );
    assert!(!sandbox.home().exists(), "raw keys need no store");
}

#[test]
fn text_of_a_keys_length_is_the_key_and_is_warned_about() {
    let sandbox = Sandbox::empty();
    sandbox.write("k", "00112233445566778899aabbccddeeff");
    sandbox.write("a", b"x");
    let ran = sandbox.run(["encrypt", "-k", "raw-aes:ns/name=k", "a"]).succeeds();
    assert_eq!(
        ran.stderr(),
        "warning: k holds 32 bytes of text; they are used as the key itself, not as digits of one\nencrypted a to a.envel\n"
    );
}
