//! The conformance runner, on manifests of every version that are made here with the official Python SDK.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use envel::primitives::rsa::RsaPadding;
use envel::{AlgorithmSuiteId, EncryptionContext};
use envel_testkit::crossing::{pairs, plaintext, policy_for};
use envel_testkit::keyring::{KeyringDescription, raw_rsa};
use envel_testkit::peer::{Peer, Sdk, Terms};
use serde_json::{Value, json};
use tempfile::TempDir;

static PYTHON: LazyLock<Option<Peer>> = LazyLock::new(|| Peer::start(Sdk::Python));

const PADDINGS: [(RsaPadding, &str, Option<&str>); 5] = [
    (RsaPadding::Pkcs1, "pkcs1", None),
    (RsaPadding::OaepSha1, "oaep-mgf1", Some("sha1")),
    (RsaPadding::OaepSha256, "oaep-mgf1", Some("sha256")),
    (RsaPadding::OaepSha384, "oaep-mgf1", Some("sha384")),
    (RsaPadding::OaepSha512, "oaep-mgf1", Some("sha512")),
];

/// A manifest in the making: a directory, its cases, and the SDK that writes their messages.
struct Workshop<'a> {
    python: &'a Peer,
    directory: TempDir,
    version: u32,
    tests: BTreeMap<String, Value>,
    third_slash: bool,
}

/// What the runner said.
struct Verdicts {
    code: Option<i32>,
    lines: Vec<String>,
}

impl<'a> Workshop<'a> {
    fn new(python: &'a Peer, version: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("ciphertexts")).unwrap();
        fs::create_dir(directory.path().join("plaintexts")).unwrap();
        fs::write(directory.path().join("plaintexts/small"), plaintext(10_240)).unwrap();
        fs::write(directory.path().join("plaintexts/other"), plaintext(10_239)).unwrap();
        Self { python, directory, version, tests: BTreeMap::new(), third_slash: false }
    }

    /// The terms that the SDK encrypts a case with.
    fn terms(keyring: &KeyringDescription, suite: AlgorithmSuiteId) -> Terms {
        Terms {
            commitment_policy: policy_for(suite),
            algorithm_suite: Some(suite),
            frame_length: Some(512),
            ..Terms::new(keyring.clone())
        }
    }

    fn message(&self, terms: &Terms) -> Vec<u8> {
        self.python.encrypt(terms, &plaintext(10_240)).unwrap().bytes
    }

    /// Adds a case in the form of the manifest's version.
    fn add(&mut self, name: &str, message: &[u8], keys: Value, expected: Expected) {
        self.add_with(name, message, keys, expected, &json!({}), &EncryptionContext::new());
    }

    fn add_with(
        &mut self,
        name: &str,
        message: &[u8],
        keys: Value,
        expected: Expected,
        more: &Value,
        reproduced: &EncryptionContext,
    ) {
        fs::write(self.directory.path().join("ciphertexts").join(name), message).unwrap();
        let slashes = if self.third_slash { "file:///" } else { "file://" };
        let ciphertext = format!("{slashes}ciphertexts/{name}");
        let context: BTreeMap<_, _> = reproduced.iter().collect();
        let result = match expected {
            Expected::Plaintext(file) => {
                json!({ "output": { "plaintext": format!("file://plaintexts/{file}") } })
            }
            Expected::Refusal => json!({ "error": { "error-description": "it must be refused" } }),
        };
        let mut test = match self.version {
            1 => json!({
                "ciphertext": ciphertext,
                "plaintext": result["output"]["plaintext"],
                "master-keys": listed(keys),
            }),
            2 | 3 => json!({ "ciphertext": ciphertext, "master-keys": listed(keys), "result": result }),
            4 => json!({
                "ciphertext": ciphertext, "master-keys": listed(keys), "cmm": "Default",
                "encryption-context": context, "result": result,
            }),
            _ => json!({
                "type": "positive-esdk", "description": name, "ciphertext": ciphertext,
                "decryptKeyDescription": keys, "reproduced-encryption-context": context,
                "result": match expected {
                    Expected::Plaintext(_) => result["output"]["plaintext"].clone(),
                    Expected::Refusal => result,
                },
            }),
        };
        for (key, value) in more.as_object().unwrap() {
            test[key] = value.clone();
        }
        let test = if self.version == 5 { json!({ "decryption-scenario": test }) } else { test };
        self.tests.insert(name.into(), test);
    }

    fn run(&self, arguments: &[&str]) -> Verdicts {
        let manifest = json!({
            "manifest": { "type": "awses-decrypt", "version": self.version },
            "client": { "name": "aws/aws-encryption-sdk-python", "version": "4.0.7" },
            "keys": "file://keys.json",
            "tests": self.tests,
        });
        let path = self.directory.path().join("manifest.json");
        fs::write(&path, manifest.to_string()).unwrap();
        fs::write(self.directory.path().join("keys.json"), keys(self.version).to_string()).unwrap();
        run(&path, arguments)
    }
}

#[derive(Clone, Copy)]
enum Expected {
    Plaintext(&'static str),
    Refusal,
}

/// The plaintext of every message.
const SMALL: Expected = Expected::Plaintext("small");

/// The versions before the fifth hold descriptions in a list.
fn listed(keys: Value) -> Value {
    if keys.is_array() { keys } else { json!([keys]) }
}

fn run(manifest: &Path, arguments: &[&str]) -> Verdicts {
    let output =
        Command::new(env!("CARGO_BIN_EXE_decrypt-manifest")).arg(manifest).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    Verdicts { code: output.status.code(), lines: text.lines().map(str::to_owned).collect() }
}

impl Verdicts {
    fn assert(&self, code: i32, last_line: &str) {
        assert_eq!(self.lines.last().map(String::as_str), Some(last_line), "{:#?}", self.lines);
        assert_eq!(self.code, Some(code));
    }

    fn assert_line(&self, beginning: &str) {
        assert!(self.lines.iter().any(|line| line.starts_with(beginning)), "{beginning}: {:#?}", self.lines);
    }
}

/// The keys manifest: version 1 has no key IDs, and its material in lines.
fn keys(version: u32) -> Value {
    let mut keys = serde_json::Map::new();
    for bits in [128, 192, 256] {
        let KeyringDescription::RawAes { name, key, .. } = aes_keyring(bits) else { unreachable!() };
        let mut entry = json!({
            "encrypt": true, "decrypt": true, "algorithm": "aes", "type": "symmetric", "bits": bits,
            "encoding": "base64", "material": BASE64.encode(key),
        });
        if version > 1 {
            entry["key-id"] = json!(name);
        } else {
            entry["material"] = json!([entry["material"]]);
            entry["line-separator"] = json!("");
        }
        keys.insert(name, entry);
    }
    let KeyringDescription::RawRsa { name, public_key, private_key, .. } = raw_rsa(RsaPadding::Pkcs1) else {
        unreachable!()
    };
    for (id, kind, pem) in [("rsa-private", "private", private_key), ("rsa-public", "public", public_key)] {
        let material = match version {
            1 => json!(pem.lines().collect::<Vec<_>>()),
            _ => json!(pem),
        };
        keys.insert(
            id.into(),
            json!({
                "encrypt": true, "decrypt": kind == "private", "algorithm": "rsa", "type": kind, "bits": 2048,
                "encoding": "pem", "material": material, "key-id": name,
            }),
        );
    }
    keys.insert(
        "us-west-2".into(),
        json!({
            "encrypt": true, "decrypt": true, "type": "aws-kms",
            "key-id": "arn:aws:kms:us-west-2:111122223333:key/b3537ef1-d8dc-4780-9f5a-55776cbb2f7f",
        }),
    );
    keys.insert("static".into(), json!({ "type": "static-material", "algorithmSuiteId": "0014" }));
    json!({ "manifest": { "type": "keys", "version": version.min(3) }, "keys": keys })
}

/// The SDK's keyring for what [`aes`] describes. Its name is that of the key in the manifest, for want of key IDs in version 1.
fn aes_keyring(bits: u16) -> KeyringDescription {
    KeyringDescription::RawAes {
        namespace: "envel tests".into(),
        name: format!("aes-{bits}"),
        key: (1..).take(usize::from(bits / 8)).collect(),
    }
}

fn aes(bits: u16) -> Value {
    json!({
        "type": "raw", "key": format!("aes-{bits}"), "provider-id": "envel tests", "encryption-algorithm": "aes",
    })
}

fn rsa(key: &str, padding: &str, hash: Option<&str>) -> Value {
    let mut description = json!({
        "type": "raw", "key": key, "provider-id": "envel tests", "encryption-algorithm": "rsa",
        "padding-algorithm": padding,
    });
    if let Some(hash) = hash {
        description["padding-hash"] = json!(hash);
    }
    description
}

const SUITE: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey;

#[test]
fn valid_cases_of_every_version_pass_and_those_that_need_aws_are_counted() {
    let Some(python) = &*PYTHON else { return };
    for version in 1..=5 {
        let mut workshop = Workshop::new(python, version);
        let mut expected = 0;
        for suite in AlgorithmSuiteId::ALL {
            for bits in [128, 192, 256] {
                let message = workshop.message(&Workshop::terms(&aes_keyring(bits), suite));
                workshop.add(&format!("{suite}-aes-{bits}"), &message, aes(bits), SMALL);
                expected += 1;
            }
        }
        for (padding, algorithm, hash) in PADDINGS {
            let message = workshop.message(&Workshop::terms(&raw_rsa(padding), SUITE));
            // A description may name the public key that encrypted.
            for key in ["rsa-private", "rsa-public"] {
                workshop.add(&format!("{key}-{padding:?}"), &message, rsa(key, algorithm, hash), SMALL);
                expected += 1;
            }
        }
        let message = workshop.message(&Workshop::terms(&aes_keyring(256), SUITE));
        let several = json!([aes(128), aes(256)]);
        let several = match version {
            5 => json!({ "type": "multi-keyring", "generator": aes(128), "childKeyrings": several }),
            _ => several,
        };
        workshop.add("several-keys", &message, several, SMALL);
        expected += 1;
        for (kind, count) in [("aws-kms", 2), ("aws-kms-mrk-aware-discovery", 1), ("raw-ecdh", 1)] {
            for number in 0..count {
                let keys = json!({ "type": kind, "key": "us-west-2" });
                workshop.add(&format!("{kind}-{number}"), &message, keys, SMALL);
            }
        }
        let mixed = match version {
            5 => {
                json!({ "type": "multi-keyring", "childKeyrings": [aes(256), { "type": "aws-kms", "key": "us-west-2" }] })
            }
            _ => json!([aes(256), { "type": "aws-kms", "key": "us-west-2" }]),
        };
        workshop.add("mixed", &message, mixed, SMALL);

        let verdicts = workshop.run(&[]);
        verdicts.assert(0, &format!("{expected} passed, 0 failed, 5 skipped"));
        verdicts.assert_line("skipped: 3 aws-kms");
        verdicts.assert_line("skipped: 1 aws-kms-mrk-aware-discovery");
        verdicts.assert_line("skipped: 1 raw-ecdh");
    }
}

#[test]
fn cases_that_must_be_refused_pass_when_they_are() {
    let Some(python) = &*PYTHON else { return };
    for version in 2..=5 {
        let mut workshop = Workshop::new(python, version);
        let signed = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
        let message = workshop.message(&Workshop::terms(&aes_keyring(256), SUITE));
        let signed_message = workshop.message(&Workshop::terms(&aes_keyring(256), signed));
        let mut altered = message.clone();
        altered[message.len() / 2] ^= 1;
        let refused = Expected::Refusal;
        workshop.add("altered", &altered, aes(256), refused);
        workshop.add("truncated", &message[..message.len() - 1], aes(256), refused);
        workshop.add("another-key", &message, aes(128), refused);
        workshop.add("a-key-that-is-missing", &message, aes(512), refused);
        workshop.add("an-rsa-key-for-aes", &message, rsa("aes-256", "pkcs1", None), refused);
        let unsigned_only = json!({ "decryption-method": "streaming-unsigned-only" });
        let none = EncryptionContext::new();
        workshop.add_with("unsigned-only", &signed_message, aes(256), refused, &unsigned_only, &none);
        workshop.add_with("unsigned-only-unsigned", &message, aes(256), SMALL, &unsigned_only, &none);
        workshop.run(&[]).assert(0, "7 passed, 0 failed, 0 skipped");
    }
}

#[test]
fn required_context_is_given_and_demanded() {
    let Some(python) = &*PYTHON else { return };
    let context = pairs(&[("key1", "val1"), ("key2", "val2")]);
    for version in [4, 5] {
        let mut workshop = Workshop::new(python, version);
        let terms = Terms {
            encryption_context: context.clone(),
            required_context_names: vec!["key1".into(), "key2".into()],
            ..Workshop::terms(&aes_keyring(256), SUITE)
        };
        let message = workshop.message(&terms);
        let (keys, more) = match version {
            4 => (aes(256), json!({ "cmm": "RequiredEncryptionContext" })),
            _ => {
                let names = json!(["key1", "key2"]);
                let manager = json!({
                    "type": "required-encryption-context-cmm", "underlying": aes(256),
                    "requiredEncryptionContextKeys": names,
                });
                (manager, json!({}))
            }
        };
        let wrong = pairs(&[("key1", "val1"), ("key2", "another")]);
        workshop.add_with("right", &message, keys.clone(), SMALL, &more, &context);
        workshop.add_with("wrong", &message, keys.clone(), Expected::Refusal, &more, &wrong);
        workshop.add_with("none", &message, keys, Expected::Refusal, &more, &EncryptionContext::new());
        workshop.run(&[]).assert(0, "3 passed, 0 failed, 0 skipped");
    }
}

#[test]
fn cases_that_come_out_otherwise_fail_by_name() {
    let Some(python) = &*PYTHON else { return };
    for version in 1..=5 {
        let mut workshop = Workshop::new(python, version);
        let message = workshop.message(&Workshop::terms(&aes_keyring(256), SUITE));
        workshop.add("fine", &message, aes(256), SMALL);
        workshop.add("other-bytes", &message, aes(256), Expected::Plaintext("other"));
        workshop.add("does-not-open", &message, aes(192), SMALL);
        workshop.add("no-message", &message, aes(256), SMALL);
        workshop.add("malformed", &message, json!({ "type": "raw" }), SMALL);
        fs::remove_file(workshop.directory.path().join("ciphertexts/no-message")).unwrap();
        let mut failures = 4;
        if version > 1 {
            workshop.add("opens", &message, aes(256), Expected::Refusal);
            // A file that is missing is no refusal.
            workshop.add("no-message-to-refuse", &message, aes(256), Expected::Refusal);
            fs::remove_file(workshop.directory.path().join("ciphertexts/no-message-to-refuse")).unwrap();
            failures += 2;
        }
        let verdicts = workshop.run(&[]);
        verdicts.assert(1, &format!("1 passed, {failures} failed, 0 skipped"));
        for name in workshop.tests.keys().filter(|name| *name != "fine") {
            verdicts.assert_line(&format!("failed: {name}: "));
        }
    }
}

#[test]
fn a_third_slash_does_not_leave_the_directory_of_the_manifest() {
    let Some(python) = &*PYTHON else { return };
    let mut workshop = Workshop::new(python, 5);
    workshop.third_slash = true;
    let message = workshop.message(&Workshop::terms(&aes_keyring(256), SUITE));
    workshop.add("case", &message, aes(256), SMALL);
    workshop.run(&[]).assert(0, "1 passed, 0 failed, 0 skipped");
}

#[test]
fn what_is_no_decrypt_manifest_is_refused_with_another_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manifest.json");
    for text in [
        "",
        "{}",
        r#"{"manifest": {"type": "awses-encrypt", "version": 4}, "keys": "file://keys.json", "tests": {}}"#,
        r#"{"manifest": {"type": "awses-decrypt", "version": 6}, "keys": "file://keys.json", "tests": {}}"#,
        r#"{"manifest": {"type": "awses-decrypt", "version": 4}, "keys": "file://keys.json", "tests": {}}"#,
    ] {
        fs::write(&path, text).unwrap();
        let verdicts = run(&path, &[]);
        assert_eq!((verdicts.code, verdicts.lines.len()), (Some(2), 0), "{text}");
    }
    assert_eq!(run(&directory.path().join("missing"), &[]).code, Some(2));
    assert_eq!(run(&path, &["--no-such-option"]).code, Some(2));
}
