//! No copy of a secret is left in memory once it is dropped, in a release build as in a development build.
//!
//! A process of its own does one thing and then scans its memory; this test, in another process, computes what to look for. What
//! this shows is that no contiguous copy stood in readable memory at that moment: see SECURITY.md.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use envel::primitives::aead::{AeadAlgorithm, AeadKey};
use envel::primitives::argon2::{self, Argon2Cost};
use envel::primitives::digest::DigestAlgorithm;
use envel::primitives::{hkdf, hmac, rand};
use envel::{
    AlgorithmSuiteId, EncryptOptions, EncryptionContext, KeyDerivation, MessageHeader, UnwrapRequest,
};
use envel_testkit::memory::{
    BuiltKeyring, Case, Findings, KeyringUnderTest, Masked, Message, Scenario, client_for,
};
use pollster::block_on;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

const COMMITTING: u16 = 0x0478;
const SIGNED: u16 = 0x0578;
const WITHOUT_KDF: u16 = 0x0078;
const HKDF_SHA256: u16 = 0x0178;
const HKDF_SHA384_SIGNED: u16 = 0x0378;
const AES_192: u16 = 0x0146;
const SUITES: [u16; 6] = [COMMITTING, SIGNED, WITHOUT_KDF, HKDF_SHA256, HKDF_SHA384_SIGNED, AES_192];

/// What is looked for, and whether it is in use while keyrings and the embedded KMS are held.
struct Secret {
    name: &'static str,
    bytes: Vec<u8>,
    is_in_use: bool,
}

fn secret(name: &'static str, bytes: &[u8]) -> Secret {
    Secret { name, bytes: bytes.to_vec(), is_in_use: false }
}

fn secret_in_use(name: &'static str, bytes: &[u8]) -> Secret {
    Secret { name, bytes: bytes.to_vec(), is_in_use: true }
}

impl Secret {
    /// The forms in which it could stand in memory: as it is, in pieces of 16 bytes, in hexadecimal, in Base64.
    fn patterns(&self) -> Vec<(String, Vec<u8>)> {
        let digits: String = self.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut patterns = vec![
            ("whole".to_owned(), self.bytes.clone()),
            ("hexadecimal".to_owned(), digits.clone().into_bytes()),
            ("HEXADECIMAL".to_owned(), digits.to_uppercase().into_bytes()),
        ];
        // Base64 reads three bytes at a time, so that it looks different at each of three beginnings.
        for skipped in 0..3 {
            let text = BASE64.encode(&self.bytes[skipped..]);
            let text = text.trim_end_matches('=');
            patterns
                .push((format!("Base64 from byte {skipped}"), text.as_bytes()[..text.len() - 1].to_vec()));
        }
        if self.bytes.len() > 16 {
            let pieces = self.bytes.chunks_exact(16).enumerate();
            patterns.extend(pieces.map(|(index, piece)| (format!("piece {index}"), piece.to_vec())));
        }
        patterns.into_iter().map(|(form, bytes)| (format!("{}, {form}", self.name), bytes)).collect()
    }
}

/// The programs under test: as the tests are built, and as the product is.
fn builds() -> [PathBuf; 2] {
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    let release = RELEASE.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--release", "-p", "envel-testkit", "--bin", "scan-memory"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "the release build of scan-memory failed");
        let messages = String::from_utf8(output.stdout).unwrap();
        let mut executables = messages.lines().filter_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).unwrap();
            message["executable"].as_str().map(PathBuf::from)
        });
        executables.next_back().expect("cargo names the executable")
    });
    [PathBuf::from(env!("CARGO_BIN_EXE_scan-memory")), release.clone()]
}

/// Lets a process carry out a case and look for every secret that it used.
fn scan(program: &Path, case: &Case) -> (Vec<Secret>, Vec<String>, Findings) {
    let mut process = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    send(&mut input, case);
    let Message(message) = receive(&mut output);
    let secrets = secrets(case, &message);
    let patterns: Vec<_> = secrets.iter().flat_map(Secret::patterns).collect();
    send(&mut input, &patterns.iter().map(|(_, bytes)| Masked::of(bytes)).collect::<Vec<_>>());
    let findings: Findings = receive(&mut output);
    assert!(process.wait().unwrap().success());
    let names = patterns.into_iter().map(|(name, _)| name).collect();
    (secrets, names, findings)
}

fn send(input: &mut impl Write, value: &impl Serialize) {
    writeln!(input, "{}", serde_json::to_string(value).unwrap()).unwrap();
}

fn receive<T: DeserializeOwned>(output: &mut impl BufRead) -> T {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    serde_json::from_str(&line).expect("scan-memory answers, or says why not on its standard error")
}

/// As [`assert_clean_with`], with each build.
fn assert_clean(case: &Case) -> Findings {
    let [development, release] = builds();
    assert_clean_with(&development, case);
    assert_clean_with(&release, case)
}

/// Only what is in use may be found while keyrings are held, and nothing at all afterwards.
fn assert_clean_with(program: &Path, case: &Case) -> Findings {
    let (secrets, names, findings) = scan(program, case);
    let label = format!("{}, {:?}, suite {:#06x}", program.display(), case.scenario, case.suite);
    assert_eq!(residue(&names, &findings.dropped), [""; 0], "left after the drop: {label}");
    let held = residue(&names, &findings.held);
    for secret in &secrets {
        let prefix = format!("{}, ", secret.name);
        let found: Vec<_> = held.iter().filter(|name| name.starts_with(&prefix)).collect();
        if secret.is_in_use {
            assert!(!found.is_empty(), "{} is in use and not found: {label}", secret.name);
        } else {
            assert_eq!(found, [""; 0], "left after the message was done: {label}");
        }
    }
    findings
}

fn residue(names: &[String], counts: &[usize]) -> Vec<String> {
    assert_eq!(names.len(), counts.len());
    let found = names.iter().zip(counts).filter(|(_, count)| **count > 0);
    found.map(|(name, count)| format!("{name}: {count}")).collect()
}

fn secrets(case: &Case, message: &[u8]) -> Vec<Secret> {
    // A held message has no body yet, and an altered one may not open: the header is enough, and its context is read as made.
    let header = MessageHeader::parse(message, Default::default()).unwrap();
    let mut secrets = message_secrets(&case.keyring, &header);
    if case.scenario == Scenario::EncryptHeld {
        for secret in &mut secrets {
            secret.is_in_use = matches!(secret.name, "data key" | "derived key");
        }
    }
    keyring_secrets(&case.keyring, &header, &mut secrets);
    secrets
}

/// The data key, opened by the keyring in this process, and what the specification derives from it.
fn message_secrets(keyring: &KeyringUnderTest, header: &MessageHeader) -> Vec<Secret> {
    let suite = header.algorithm_suite();
    let BuiltKeyring { keyring, kms: _kms } = keyring.build(false).unwrap();
    let context = original_context(header);
    let request = UnwrapRequest::new(suite, &context, header.encrypted_data_keys());
    let data_key = block_on(keyring.unwrap_data_key(request)).unwrapped.expect("the data key opens").data_key;
    let data_key = data_key.expose_secret();
    let id = suite.id.as_u16().to_be_bytes();
    let message_id = header.message_id().as_bytes();
    let (digest, salt, info) = match suite.key_derivation {
        KeyDerivation::Identity => return vec![secret("data key", data_key)],
        KeyDerivation::Hkdf(digest) => (digest, &[][..], [&id[..], message_id].concat()),
        KeyDerivation::HkdfWithCommitment(digest) => (digest, message_id, [&id[..], b"DERIVEKEY"].concat()),
    };
    let mut derived_key = vec![0; suite.aead.key_len()];
    hkdf::extract(digest, salt, data_key).unwrap().expand(&[&info], &mut derived_key).unwrap();
    let prk = pseudorandom_key(digest, salt, data_key);
    let mut secrets =
        vec![secret("data key", data_key), secret("PRK", &prk), secret("derived key", &derived_key)];
    secrets.extend(hmac_states(digest, &prk));
    secrets
}

/// HKDF-Extract by its definition, since the library does not show the result.
fn pseudorandom_key(digest: DigestAlgorithm, salt: &[u8], key: &[u8]) -> Vec<u8> {
    let length = match digest {
        DigestAlgorithm::Sha256 => 32,
        DigestAlgorithm::Sha384 => 48,
        DigestAlgorithm::Sha512 => 64,
    };
    let mut prk = vec![0; length];
    hmac::sign(digest, salt, key, &mut prk).unwrap();
    prk
}

/// What a digest holds once it has taken a key's inner or outer pad, as a little-endian machine keeps it: as good as the key.
fn hmac_states(digest: DigestAlgorithm, key: &[u8]) -> Vec<Secret> {
    let states = match digest {
        DigestAlgorithm::Sha256 => PADS.map(|pad| {
            let mut state = SHA256_START;
            sha2::block_api::compress256(&mut state, &[padded(key, pad)]);
            state.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()
        }),
        DigestAlgorithm::Sha384 | DigestAlgorithm::Sha512 => PADS.map(|pad| {
            let mut state = if digest == DigestAlgorithm::Sha384 { SHA384_START } else { SHA512_START };
            sha2::block_api::compress512(&mut state, &[padded(key, pad)]);
            state.iter().flat_map(|word| word.to_le_bytes()).collect()
        }),
    };
    let [inner, outer] = states;
    vec![secret("HMAC inner state", &inner), secret("HMAC outer state", &outer)]
}

const PADS: [u8; 2] = [0x36, 0x5c];

fn padded<const BLOCK_LEN: usize>(key: &[u8], pad: u8) -> [u8; BLOCK_LEN] {
    let mut block = [pad; BLOCK_LEN];
    block.iter_mut().zip(key).for_each(|(byte, key_byte)| *byte ^= key_byte);
    block
}

/// FIPS 180-4, section 5.3.3.
const SHA256_START: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// FIPS 180-4, section 5.3.4.
const SHA384_START: [u64; 8] = [
    0xcbbb_9d5d_c105_9ed8,
    0x629a_292a_367c_d507,
    0x9159_015a_3070_dd17,
    0x152f_ecd8_f70e_5939,
    0x6733_2667_ffc0_0b31,
    0x8eb4_4a87_6858_1511,
    0xdb0c_2e0d_64f9_8fa7,
    0x47b5_481d_befa_4fa4,
];

/// FIPS 180-4, section 5.3.5.
const SHA512_START: [u64; 8] = [
    0x6a09_e667_f3bc_c908,
    0xbb67_ae85_84ca_a73b,
    0x3c6e_f372_fe94_f82b,
    0xa54f_f53a_5f1d_36f1,
    0x510e_527f_ade6_82d1,
    0x9b05_688c_2b3e_6c1f,
    0x1f83_d9ab_fb41_bd6b,
    0x5be0_cd19_137e_2179,
];

fn keyring_secrets(keyring: &KeyringUnderTest, header: &MessageHeader, secrets: &mut Vec<Secret>) {
    match keyring {
        KeyringUnderTest::RawAes(key) => {
            secrets.push(secret_in_use("wrapping key", key.unmask().unwrap().expose_secret()));
        }
        KeyringUnderTest::RawRsa(pem) => secrets.extend(rsa_secrets(pem.unmask().unwrap().expose_secret())),
        KeyringUnderTest::Kms { directory, passphrase } => {
            secrets.extend(kms_secrets(directory, passphrase.as_ref(), header));
        }
        KeyringUnderTest::Multi(keyrings) => {
            keyrings.iter().for_each(|keyring| keyring_secrets(keyring, header, secrets));
        }
    }
}

/// Parts of a 2048-bit private key in a PKCS #8 file, as the file has them and as the library keeps big numbers.
fn rsa_secrets(pem: &[u8]) -> Vec<Secret> {
    let text = std::str::from_utf8(pem).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64.decode(&body).unwrap();
    assert!((1210..1225).contains(&der.len()), "a 2048-bit key: {} bytes", der.len());
    let (exponent, prime) = (&der[350..350 + 64], &der[600..600 + 64]);
    let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
    vec![
        secret("RSA private exponent in the file", exponent),
        secret("RSA prime in the file", prime),
        secret_in_use("RSA private exponent", &reversed(exponent)),
        secret_in_use("RSA prime", &reversed(prime)),
        secret("PEM file", &text.as_bytes()[700..700 + 48]),
    ]
}

/// What the embedded KMS used, read from its store.
fn kms_secrets(directory: &Path, passphrase: Option<&Masked>, header: &MessageHeader) -> Vec<Secret> {
    let database = rusqlite::Connection::open(directory.join("kms.sqlite3")).unwrap();
    let mut secrets = Vec::new();
    let root_key = match passphrase {
        None => std::fs::read(directory.join("root.key")).unwrap().split_off(24),
        Some(passphrase) => {
            let passphrase = passphrase.unmask().unwrap();
            let columns = "store_id, passphrase_parameters, wrapped_root_key";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let (store_id, parameters, wrapped): (Vec<u8>, Vec<u8>, Vec<u8>) =
                database.query_row(&format!("SELECT {columns} FROM store"), (), row).unwrap();
            let number = |at: usize| u32::from_be_bytes(parameters[at..at + 4].try_into().unwrap());
            let cost = Argon2Cost { memory_kib: number(0), passes: number(4), lanes: number(8) };
            let key = argon2::derive(passphrase.expose_secret(), &parameters[12..], cost, 32).unwrap();
            secrets.push(secret("passphrase", passphrase.expose_secret()));
            secrets.push(secret("key of the passphrase", key.expose_secret()));
            let aad = [&store_id[..], &parameters].concat();
            open_sealed(key.expose_secret(), b"envel-kms 1 wrapped root key", &aad, &wrapped, &mut secrets)
        }
    };
    let columns = "account, region, key_id, material_id, sealed_secret";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let (account, region, key_id, material_id, sealed): (String, String, Vec<u8>, Vec<u8>, Vec<u8>) =
        database.query_row(&format!("SELECT {columns} FROM key_material"), (), row).unwrap();
    let scope: Vec<u8> = [account, region]
        .iter()
        .flat_map(|text| [&(text.len() as u64).to_be_bytes()[..], text.as_bytes()].concat())
        .collect();
    let aad = [&key_id[..], &material_id, &scope].concat();
    let material = open_sealed(&root_key, b"envel-kms 1 key material", &aad, &sealed, &mut secrets);
    let blob = header.encrypted_data_keys().iter().find(|key| key.key_provider_id == "aws-kms").unwrap();
    let (head, sealed) = blob.ciphertext.split_at(49);
    let aad = [head, &scope, &original_context(header).canonical_bytes().unwrap()].concat();
    open_sealed(&material, b"envel-kms 1 ciphertext", &aad, sealed, &mut secrets);
    secrets.push(secret("key material", &material));
    secrets.push(secret_in_use("root key", &root_key));
    secrets
}

/// Opens what the embedded KMS sealed, by the description of its format, and notes the keys that this takes.
fn open_sealed(key: &[u8], label: &[u8], aad: &[u8], sealed: &[u8], secrets: &mut Vec<Secret>) -> Vec<u8> {
    let (salt, rest) = sealed.split_at(32);
    let (ciphertext, tag) = rest.split_last_chunk().unwrap();
    let mut single_use_key = [0; 32];
    let prk = hkdf::extract(DigestAlgorithm::Sha256, salt, key).unwrap();
    prk.expand(&[label], &mut single_use_key).unwrap();
    let mut opened = vec![0; ciphertext.len()];
    let cipher = AeadKey::new(AeadAlgorithm::Aes256Gcm, &single_use_key).unwrap();
    cipher.open_into(&[0; 12], aad, ciphertext, tag, &mut opened).expect("the embedded KMS's format");
    let prk = pseudorandom_key(DigestAlgorithm::Sha256, salt, key);
    secrets.push(secret("single-use PRK of the KMS", &prk));
    secrets.extend(hmac_states(DigestAlgorithm::Sha256, &prk));
    secrets.push(secret("single-use key of the KMS", &single_use_key));
    opened
}

/// The context that the data key was wrapped with, also where a test altered the header.
fn original_context(header: &MessageHeader) -> EncryptionContext {
    let mut context = EncryptionContext::new();
    for (name, value) in header.encryption_context().iter() {
        let value = if name == "tenant" { "42" } else { value };
        context.insert_unchecked_prefix(name, value).unwrap();
    }
    context
}

fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rand::fill(&mut bytes).unwrap();
    bytes
}

fn raw_aes() -> KeyringUnderTest {
    KeyringUnderTest::RawAes(Masked::of(&random(32)))
}

fn raw_rsa() -> KeyringUnderTest {
    KeyringUnderTest::RawRsa(Masked::of(include_bytes!("../../core/tests/data/rsa-2048.pkcs8.pem")))
}

fn kms(home: &TempDir, passphrase: Option<&[u8]>) -> KeyringUnderTest {
    KeyringUnderTest::Kms { directory: home.path().join("kms"), passphrase: passphrase.map(Masked::of) }
}

fn case(scenario: Scenario, suite: u16, keyring: KeyringUnderTest) -> Case {
    Case { scenario, suite, keyring, message: None }
}

/// The same case with a message that this process made.
fn with_message(case: Case, alter: impl FnOnce(&mut Vec<u8>)) -> Case {
    let keyring = case.keyring.build(true).unwrap();
    let context = EncryptionContext::try_from_pairs([("tenant", "42")]).unwrap();
    let suite = AlgorithmSuiteId::from_u16(case.suite).unwrap();
    let options = EncryptOptions::new().algorithm_suite(suite).frame_length(512).encryption_context(context);
    let (client, manager) = (client_for(case.suite), keyring.manager());
    let mut message = block_on(client.encrypt(&manager, &[b'p'; 2000], &options)).unwrap().message;
    alter(&mut message);
    Case { message: Some(Message(message)), ..case }
}

/// A message in which another context is written than that of the data key.
fn with_another_context(message: &mut [u8]) {
    let position = message.windows(2).position(|window| window == b"42").unwrap();
    message[position + 1] = b'3';
}

#[test]
fn the_scan_finds_every_form_of_a_secret_that_is_there() {
    for program in builds() {
        let (_, names, findings) = scan(&program, &case(Scenario::Planted, COMMITTING, raw_aes()));
        for (name, count) in names.iter().zip(&findings.held) {
            assert!(*count >= 1, "{name} is planted and not found: {}", program.display());
        }
        assert_eq!(residue(&names, &findings.dropped), [""; 0]);
    }
}

#[test]
fn the_scan_finds_the_keys_of_a_message_that_is_being_written_until_it_is_dropped() {
    for suite in SUITES {
        assert_clean(&case(Scenario::EncryptHeld, suite, raw_aes()));
    }
}

#[test]
fn encryption_leaves_no_key() {
    for suite in SUITES {
        assert_clean(&case(Scenario::EncryptOneShot, suite, raw_aes()));
        assert_clean(&case(Scenario::EncryptStream, suite, raw_aes()));
    }
}

#[test]
fn decryption_leaves_no_key() {
    for suite in SUITES {
        assert_clean(&with_message(case(Scenario::DecryptOneShot, suite, raw_aes()), |_| {}));
        assert_clean(&with_message(case(Scenario::DecryptStream, suite, raw_aes()), |_| {}));
    }
}

#[test]
fn refused_messages_leave_no_key() {
    for suite in SUITES {
        let refused = || case(Scenario::DecryptRefused, suite, raw_aes());
        let altered = with_message(refused(), |message| {
            let in_the_body = message.len() - 300;
            message[in_the_body] ^= 1;
        });
        assert_eq!(assert_clean(&altered).refused_as, ["Unauthentic"; 2]);
        let cut = with_message(refused(), |message| message.truncate(message.len() - 300));
        assert_eq!(assert_clean(&cut).refused_as, ["Malformed"; 2]);
        // The keyring decrypts the data key before it sees that the context is another one.
        let other_context = with_message(refused(), |message| with_another_context(message));
        assert_eq!(assert_clean(&other_context).refused_as, ["KeyUnavailable"; 2]);
    }
}

#[test]
fn raw_rsa_leaves_no_key() {
    assert_clean(&case(Scenario::EncryptOneShot, COMMITTING, raw_rsa()));
    assert_clean(&with_message(case(Scenario::DecryptStream, COMMITTING, raw_rsa()), |_| {}));
    // A raw RSA keyring does not bind the context: the header's tag refuses it.
    let refused = case(Scenario::DecryptRefused, COMMITTING, raw_rsa());
    let findings = assert_clean(&with_message(refused, |message| with_another_context(message)));
    assert_eq!(findings.refused_as, ["Unauthentic"; 2]);
}

#[test]
fn the_embedded_kms_leaves_no_key() {
    for passphrase in [None, Some(&b"correct horse battery staple"[..])] {
        for suite in [COMMITTING, WITHOUT_KDF] {
            for scenario in [Scenario::EncryptOneShot, Scenario::EncryptStream] {
                for program in builds() {
                    let home = tempfile::tempdir().unwrap();
                    assert_clean_with(&program, &case(scenario, suite, kms(&home, passphrase)));
                }
            }
            let home = tempfile::tempdir().unwrap();
            assert_clean(&with_message(
                case(Scenario::DecryptOneShot, suite, kms(&home, passphrase)),
                |_| {},
            ));
        }
    }
    let home = tempfile::tempdir().unwrap();
    let refused = case(Scenario::DecryptRefused, COMMITTING, kms(&home, None));
    let findings = assert_clean(&with_message(refused, |message| with_another_context(message)));
    assert_eq!(findings.refused_as, ["KeyUnavailable"; 2]);
}

#[test]
fn several_keyrings_together_leave_no_key() {
    for program in builds() {
        let home = tempfile::tempdir().unwrap();
        let keyring = KeyringUnderTest::Multi(vec![kms(&home, None), raw_aes(), raw_rsa()]);
        assert_clean_with(&program, &case(Scenario::EncryptOneShot, SIGNED, keyring));
    }
}
