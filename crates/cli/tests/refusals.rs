//! What is refused, with which words and which exit code.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sandbox;

use std::sync::Arc;

use envel::{
    Client, DefaultManager, EncryptOptions, EncryptionContext, RawAesKeyring, RequiredContextManager,
    SecretBytes,
};
use pollster::block_on;
use sandbox::Sandbox;

const CONTEXT_HELP: &str = "help: `envel inspect FILE` shows the context that the message stores; correct -c, or ask where \
                            the message comes from\n";

#[test]
fn a_wrong_flag_is_a_usage_error() {
    let sandbox = Sandbox::empty();
    let ran = sandbox.run(["encrypt", "-k", "local:demo", "--recursiv", "x"]);
    assert_eq!(ran.code(), 2);
    let stderr = ran.stderr();
    assert!(stderr.starts_with("error: unexpected argument '--recursiv' found\n"), "{stderr}");
    assert!(stderr.ends_with("\nhelp: --help after the command shows what it takes\n"), "{stderr}");
}

#[test]
fn aws_keys_say_that_aws_is_not_built_in() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"x");
    let key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    sandbox.run(["encrypt", "-k", key, "a"]).fails(
        2,
        &format!(
            "error: {key}: this names a key of AWS KMS, and AWS KMS is not built into this version\nhelp: keys of the embedded KMS \
             have Region local-N and account 000000000000; `envel key list` shows them\n"
        ),
    );
    for command in [
        &["decrypt", "-k", "alias/demo", "a"][..],
        &["verify", "-k", "alias/demo", "a"],
        &["key", "disable", "alias/demo"],
    ] {
        sandbox.run(command).fails(
            2,
            "error: alias/demo: this names a key of AWS KMS, and AWS KMS is not built into this version\nhelp: for the embedded \
             KMS write local:demo\n",
        );
    }
}

#[test]
fn without_a_store_nothing_but_encrypt_makes_one() {
    let sandbox = Sandbox::empty();
    sandbox.write("a", b"x");
    let no_store = format!(
        "error: you have no store at {}\nhelp: `envel encrypt -k local:NAME FILE` makes one, `envel kms restore FILE` takes a \
         backup; ENVEL_HOME names another directory\n",
        sandbox.store()
    );
    for command in [
        &["decrypt", "-k", "local:demo", "a"][..],
        &["verify", "-k", "local:demo", "a"],
        &["decrypt", "--discovery", "--discovery-any-account", "a"],
        &["key", "list"],
        &["key", "create"],
        &["key", "describe", "local:demo"],
        &["kms", "backup", "b"],
        &["encrypt", "-k", "arn:aws:kms:local-1:000000000000:key/1", "a"],
    ] {
        sandbox.run(command).fails(6, &no_store);
        assert!(!sandbox.home().exists(), "{command:?}");
    }
}

#[test]
fn creation_can_be_forbidden() {
    let sandbox = Sandbox::empty();
    sandbox.write("a", b"x");
    let output =
        sandbox.command(["encrypt", "-k", "local:demo", "a"]).env("ENVEL_AUTO_CREATE", "0").output().unwrap();
    assert_eq!(output.status.code(), Some(6));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with(&format!("error: you have no store at {}\n", sandbox.store())), "{stderr}");
    assert!(stderr.ends_with("ENVEL_AUTO_CREATE=0 keeps `encrypt` from making one\n"), "{stderr}");
    assert!(!sandbox.home().exists() && !sandbox.exists("a.envel"));
}

#[test]
fn an_unknown_name_is_not_created_in_a_store_that_exists() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"x");
    sandbox.run(["encrypt", "-k", "local:dema", "a"]).fails(
        6,
        &format!(
            "error: there is no key local:dema in the store at {}\nhelp: `envel key list` shows the keys that there are; ENVEL_HOME \
             names another store\n",
            sandbox.store()
        ),
    );
    assert!(!sandbox.exists("a.envel"));
}

#[test]
fn another_key_does_not_open_a_message() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &[]);
    sandbox.run(["key", "create", "--alias", "other"]).succeeds();
    let ran = sandbox.run(["decrypt", "-k", "local:other", "m", "-o", "p"]);
    let stderr = ran.stderr();
    assert!(
        stderr.starts_with(
            "error: m: no encrypted data key could be opened: none of the keys given is one of its keys"
        ),
        "{stderr}"
    );
    assert!(
        stderr.ends_with(
            "help: `envel inspect FILE` names the keys of the message: give one of them with -k\n"
        ),
        "{stderr}"
    );
    assert_eq!(ran.code(), 6);
    assert!(!sandbox.exists("p"));

    // Same name, other bytes.
    sandbox.write("k1", [1; 32]);
    sandbox.write("k2", [2; 32]);
    sandbox.write("a", b"x");
    sandbox.run(["encrypt", "-k", "raw-aes:ns/n=k1", "a"]).succeeds();
    sandbox.run(["decrypt", "-k", "raw-aes:ns/n=k2", "a.envel", "-o", "p"]).fails_saying(6, "does not open");
}

#[test]
fn a_key_that_cannot_be_found_does_not_fail_a_decryption_that_another_does() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &[]);
    let ran = sandbox.run(["decrypt", "-k", "local:gone", "-k", "local:demo", "m", "-o", "-"]).succeeds();
    assert_eq!(ran.stdout(), b"x");
    sandbox.write("k", [1; 32]);
    let ran = sandbox.run(["decrypt", "-k", "local:gone", "-k", "raw-aes:n/n=k", "m", "-o", "-"]);
    ran.fails_saying(6, "a key that was given is not there: there is no key local:gone");
}

#[test]
fn every_cut_of_a_message_is_refused() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &[7; 100], &["--frame-length", "64"]);
    let message = sandbox.read("m");
    for length in [0, 1, 2, 100, message.len() - 145, message.len() - 100, message.len() - 1] {
        sandbox.write("cut", &message[..length]);
        let ran = sandbox.run(["decrypt", "-k", "local:demo", "cut", "-o", "p"]);
        ran.fails_saying(5, "error: cut: the message is cut short");
        assert!(!sandbox.exists("p"));
    }
    sandbox.write("long", [&message[..], b"x"].concat());
    sandbox.run(["decrypt", "-k", "local:demo", "long", "-o", "p"]).fails_saying(5, "error: long:");
    assert!(!sandbox.exists("p"));
    sandbox.write("text", b"not a message");
    sandbox
        .run(["decrypt", "-k", "local:demo", "text", "-o", "p"])
        .fails_saying(5, "error: text: the message is malformed");
}

#[test]
fn a_context_that_the_header_contradicts_is_refused_before_any_key_is_asked() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &["-c", "tenant=42"]);
    // A disabled key would be the error if it were asked.
    sandbox.run(["key", "disable", "local:demo"]).succeeds();
    let decrypt = ["decrypt", "-k", "local:demo", "m", "-o", "-"];
    sandbox.run(decrypt.iter().chain(&["-c", "tenant=43"])).fails(
        4,
        &format!(
            "error: m: the encryption context has tenant=42 where tenant=43 is required\n{CONTEXT_HELP}"
        ),
    );
    sandbox.run(decrypt.iter().chain(&["-c", "purpose"])).fails(
        4,
        &format!("error: m: the encryption context has no purpose, which is required\n{CONTEXT_HELP}"),
    );
    sandbox.run(["key", "enable", "local:demo"]).succeeds();
    let ran = sandbox.run(decrypt.iter().chain(&["-c", "tenant=42", "-c", "tenant"])).succeeds();
    assert_eq!(ran.stdout(), b"x");
}

#[test]
fn a_pair_that_is_neither_stored_nor_bound_is_a_context_error() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("k", [1; 32]);
    let pem = format!("{}/../core/tests/data/rsa-2048.pkcs8.pem", env!("CARGO_MANIFEST_DIR"));
    // A KMS key, a raw AES key and a raw RSA key find out in three different ways.
    for key in ["local:demo", "raw-aes:n/n=k", &format!("raw-rsa:n/n={pem}")] {
        sandbox.write("a", b"x");
        sandbox.run(["encrypt", "-q", "--force", "-k", key, "-c", "tenant=42", "a"]).succeeds();
        sandbox.run(["decrypt", "-k", key, "a.envel", "-o", "p", "-c", "purpose=backup"]).fails(
            4,
            &format!(
                "error: a.envel: the message does not store purpose=backup, and does not open with it either\n{CONTEXT_HELP}"
            ),
        );
        assert!(!sandbox.exists("p"));
    }
}

#[test]
fn a_pair_that_is_bound_and_not_stored_must_be_given() {
    let sandbox = Sandbox::empty();
    sandbox.write("k", [1; 32]);
    let keyring = RawAesKeyring::new("n", "n", &SecretBytes::copied_from(&[1; 32])).unwrap();
    let manager = Arc::new(DefaultManager::new(Arc::new(keyring)));
    let manager = RequiredContextManager::new(manager, vec!["purpose".to_owned()]).unwrap();
    let context = EncryptionContext::try_from_pairs([("purpose", "backup"), ("tenant", "42")]).unwrap();
    let options = EncryptOptions::new().encryption_context(context);
    let encrypted = block_on(Client::default().encrypt(&manager, b"x", &options)).unwrap();
    sandbox.write("m", encrypted.message);

    let decrypt = ["decrypt", "-k", "raw-aes:n/n=k", "m", "-o", "-"];
    let ran = sandbox.run(decrypt.iter().chain(&["-c", "purpose=backup", "-c", "tenant"])).succeeds();
    assert_eq!(ran.stdout(), b"x");
    assert_eq!(sandbox.run(decrypt).code(), 6);
    assert_eq!(sandbox.run(decrypt.iter().chain(&["-c", "purpose=other"])).code(), 4);
    assert_eq!(
        sandbox.run(decrypt.iter().chain(&["-c", "purpose"])).code(),
        4,
        "a name without value supplies none"
    );
}

#[test]
fn reserved_and_repeated_context_names_are_usage_errors() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"x");
    sandbox.run(["encrypt", "-k", "local:demo", "-c", "aws-crypto-x=1", "a"]).fails(
        2,
        "error: the encryption context name \"aws-crypto-x\" begins with the reserved prefix \"aws-crypto-\"\nhelp: correct -c\n",
    );
    sandbox
        .run(["encrypt", "-k", "local:demo", "-c", "a=1", "-c", "a=2", "a"])
        .fails(2, "error: the encryption context name \"a\" occurs twice\nhelp: correct -c\n");
}

#[test]
fn messages_without_key_commitment_are_refused_unless_allowed() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &["--commitment-policy", "forbid-encrypt-allow-decrypt"]);
    let decrypt = ["decrypt", "-k", "local:demo", "m", "-o", "-"];
    sandbox.run(decrypt).fails(
        4,
        "error: m: the commitment policy require-encrypt-require-decrypt does not allow algorithm suite 0x0178\nhelp: if you \
         trust its origin, allow messages without key commitment: --commitment-policy require-encrypt-allow-decrypt\n",
    );
    let allow = ["--commitment-policy", "require-encrypt-allow-decrypt"];
    assert_eq!(sandbox.run(decrypt.iter().chain(&allow)).succeeds().stdout(), b"x");
    sandbox.write("a", b"x");
    sandbox.run(["encrypt", "-k", "local:demo", "--algorithm", "0x0178", "a"]).fails(
        2,
        "error: a: the commitment policy require-encrypt-require-decrypt does not allow algorithm suite 0x0178\nhelp: choose \
         another --algorithm, or another --commitment-policy\n",
    );
}

#[test]
fn more_encrypted_data_keys_than_allowed_are_refused() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &["-k", "local:demo", "-k", "local:demo"]);
    let decrypt = ["decrypt", "-k", "local:demo", "m", "-o", "-", "--max-encrypted-data-keys"];
    sandbox.run(decrypt.iter().chain(&["2"])).fails(
        4,
        "error: m: the message has 3 encrypted data keys; at most 2 are allowed\nhelp: if you expect so many, raise \
         --max-encrypted-data-keys: each may cost a KMS call\n",
    );
    sandbox.run(decrypt.iter().chain(&["3"])).succeeds();
    sandbox.write("a", b"x");
    let encrypt = ["encrypt", "-k", "local:demo", "-k", "local:demo", "a", "--max-encrypted-data-keys", "1"];
    sandbox.run(encrypt).fails_saying(2, "too many encrypted data keys");
}

#[test]
fn discovery_opens_keys_of_the_accounts_given_alone() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &[]);
    let decrypt = ["decrypt", "m", "-o", "-", "--discovery"];
    let zero = ["--discovery-account", "000000000000"];
    assert_eq!(sandbox.run(decrypt.iter().chain(&zero)).succeeds().stdout(), b"x");
    assert_eq!(sandbox.run(decrypt.iter().chain(&["--discovery-any-account"])).succeeds().stdout(), b"x");
    let ran = sandbox.run(decrypt.iter().chain(&["--discovery-account", "111122223333"]));
    assert_eq!(ran.code(), 4, "{}", ran.stderr());
    let ran = sandbox.run(decrypt.iter().chain(&zero).chain(&["--discovery-partition", "aws-cn"]));
    assert_eq!(ran.code(), 4, "{}", ran.stderr());
    sandbox.run(decrypt).fails_saying(2, "--discovery-account");
}

#[test]
fn raw_namespaces_of_aws_are_refused() {
    let sandbox = Sandbox::empty();
    sandbox.write("k", [1; 32]);
    sandbox.write("a", b"x");
    sandbox
        .run(["encrypt", "-k", "raw-aes:aws-kms/n=k", "a"])
        .fails_saying(2, "must not begin with \"aws-kms\"");
    sandbox.write("k", [1; 31]);
    sandbox.run(["encrypt", "-k", "raw-aes:ns/n=k", "a"]).fails(
        2,
        "error: k does not hold an AES key\nhelp: a key is 16, 24 or 32 bytes, in binary, hexadecimal or base64; `openssl rand \
         32 > FILE` makes one\n",
    );
}
