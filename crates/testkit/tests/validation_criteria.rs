//! What envelope encryption must hold to, one test a criterion, on the embedded KMS.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use envel::kms::{CreateKeyRequest, DecryptRequest, GenerateDataKeyRequest, KmsErrorKind, ReEncryptRequest};
use envel::primitives::aead::{AeadAlgorithm, AeadKey};
use envel::primitives::digest::DigestAlgorithm;
use envel::primitives::hkdf;
use envel::{
    Client, DataKey, DecryptOptions, DefaultManager, EncryptOptions, EncryptOutput, EncryptionContext,
    ErrorKind, KmsClient, KmsControl, KmsKeyArn, KmsKeyIdentifier, KmsKeyring,
};
use envel_kms::{EmbeddedKms, OpenOptions, RegionClient};
use envel_testkit::crossing::{pairs, plaintext};
use pollster::block_on;
use tempfile::TempDir;

/// An embedded KMS on disk with one key.
struct Fixture {
    directory: TempDir,
    kms: RegionClient,
    key: KmsKeyArn,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let kms = EmbeddedKms::open(OpenOptions::new(directory.path().join("kms")).create(true)).unwrap();
        let kms = kms.client("local-1");
        let key = create_key(&kms);
        Self { directory, kms, key }
    }

    fn manager(&self) -> DefaultManager {
        let key = KmsKeyIdentifier::KeyArn(self.key.clone());
        DefaultManager::new(Arc::new(KmsKeyring::new(key, Arc::new(self.kms.clone()))))
    }

    fn encrypt(&self, plaintext: &[u8]) -> EncryptOutput {
        let options = EncryptOptions::new().encryption_context(context()).frame_length(4096);
        block_on(Client::builder().build().encrypt(&self.manager(), plaintext, &options)).unwrap()
    }

    /// Asks the KMS for the data key of a message, as any holder of the permission can.
    fn data_key(&self, message: &EncryptOutput) -> DataKey {
        let [encrypted_data_key] = message.header.encrypted_data_keys() else { panic!("one key wrapped it") };
        let request =
            DecryptRequest::new(encrypted_data_key.ciphertext.clone()).encryption_context(context());
        DataKey::new(block_on(self.kms.decrypt(request)).unwrap().plaintext)
    }
}

fn create_key(kms: &RegionClient) -> KmsKeyArn {
    block_on(kms.create_key(CreateKeyRequest::new())).unwrap().arn
}

fn context() -> EncryptionContext {
    pairs(&[("tenant", "42")])
}

#[test]
fn generate_data_key_returns_the_plaintext_key_and_the_encrypted_key() {
    let fixture = Fixture::new();
    let generate = || {
        let request = GenerateDataKeyRequest::new(fixture.key.as_str(), 32).encryption_context(context());
        block_on(fixture.kms.generate_data_key(request)).unwrap()
    };
    let (first, second) = (generate(), generate());
    assert_eq!(first.key_id, fixture.key.as_str());
    assert_eq!((first.plaintext.len(), second.plaintext.len()), (32, 32));
    assert_ne!(first.plaintext, second.plaintext);
    assert_ne!(first.ciphertext_blob, second.ciphertext_blob);
    assert!(first.key_material_id.is_some());
    assert_eq!(traces(first.plaintext.expose_secret(), &first.ciphertext_blob), 0);
}

#[test]
fn data_is_aes_256_gcm_under_a_key_derived_from_the_data_key() {
    const FRAME_OVERHEAD: usize = 4 + 12 + 16;
    let fixture = Fixture::new();
    let plaintext = plaintext(5000);
    let output = fixture.encrypt(&plaintext);
    assert_eq!(output.header.algorithm_suite().id.as_u16(), 0x0478);
    let message = &output.message;
    let data_key = fixture.data_key(&output);

    // By the specification: version, suite, then 32 bytes of message ID; the commit key and the tag end the header.
    let (suite, message_id) = (&message[1..3], &message[3..35]);
    let prk = hkdf::extract(DigestAlgorithm::Sha512, message_id, data_key.expose_secret()).unwrap();
    let (mut derived_key, mut commit_key) = ([0; 32], [0; 32]);
    prk.expand(&[suite, b"DERIVEKEY"], &mut derived_key).unwrap();
    prk.expand(&[b"COMMITKEY"], &mut commit_key).unwrap();
    let final_len = plaintext.len() - 4096;
    let body_len = (4096 + FRAME_OVERHEAD) + (final_len + FRAME_OVERHEAD + 8);
    let (header, body) = message.split_at(message.len() - body_len);
    assert_eq!(header[header.len() - 48..header.len() - 16], commit_key);

    let aad = |label: &[u8], sequence_number: u32, length: usize| {
        let length = u64::try_from(length).unwrap();
        [message_id, label, &sequence_number.to_be_bytes(), &length.to_be_bytes()].concat()
    };
    let open = |frame: &[u8], aad: &[u8]| {
        let (iv, rest) = frame.split_at(12);
        let (ciphertext, tag) = rest.split_at(rest.len() - 16);
        let mut opened = vec![0; ciphertext.len()];
        AeadKey::new(AeadAlgorithm::Aes256Gcm, &derived_key)
            .unwrap()
            .open_into(iv.try_into().unwrap(), aad, ciphertext, tag.try_into().unwrap(), &mut opened)
            .unwrap();
        opened
    };
    let (regular, last) = body.split_at(4096 + FRAME_OVERHEAD);
    assert_eq!(regular[..4], 1_u32.to_be_bytes());
    let first = open(&regular[4..], &aad(b"AWSKMSEncryptionClient Frame", 1, 4096));
    assert_eq!(last[..8], [255, 255, 255, 255, 0, 0, 0, 2]);
    let (head, tail) = (&last[8..20], &last[24..]);
    let second = open(&[head, tail].concat(), &aad(b"AWSKMSEncryptionClient Final Frame", 2, final_len));
    assert_eq!([first, second].concat(), plaintext);
}

#[test]
fn decrypt_recovers_the_same_data_key() {
    let fixture = Fixture::new();
    for length in [16, 24, 32] {
        let request = GenerateDataKeyRequest::new(fixture.key.as_str(), length).encryption_context(context());
        let generated = block_on(fixture.kms.generate_data_key(request)).unwrap();
        let request = DecryptRequest::new(generated.ciphertext_blob).encryption_context(context());
        let recovered = block_on(fixture.kms.decrypt(request)).unwrap();
        assert_eq!(recovered.key_id, fixture.key.as_str());
        assert_eq!(recovered.key_material_id, generated.key_material_id);
        assert_eq!(DataKey::new(recovered.plaintext), generated.plaintext);
    }
}

#[test]
fn data_is_recovered() {
    let fixture = Fixture::new();
    for length in [0, 1, 4095, 4096, 4097, 100_000] {
        let output = fixture.encrypt(&plaintext(length));
        let options = DecryptOptions::new().encryption_context(context());
        let client = Client::builder().build();
        let opened = block_on(client.decrypt(&fixture.manager(), &output.message, &options)).unwrap();
        assert_eq!(opened.plaintext, plaintext(length));
        assert_eq!(opened.opened_by.key_provider_info, fixture.key.as_str());
    }
}

#[test]
fn the_plaintext_key_is_in_no_output_and_in_no_file() {
    let fixture = Fixture::new();
    let output = fixture.encrypt(&plaintext(5000));
    let data_key = fixture.data_key(&output);
    let derived_key = derived_key(&output.message, &data_key);
    let mut files = Vec::new();
    files_below(fixture.directory.path(), &mut files);
    assert!(files.len() >= 2, "a database and a root key at least: {} files", files.len());
    for secret in [data_key.expose_secret(), &derived_key] {
        assert_eq!(traces(secret, &output.message), 0);
        for bytes in &files {
            assert_eq!(traces(secret, bytes), 0);
        }
    }
}

/// The scan finds whatever the encryption under this key, its unwrapping by the KMS and this test left in memory.
#[cfg(target_os = "linux")]
#[test]
fn the_plaintext_key_is_wiped_after_its_use() {
    let fixture = Fixture::new();
    let output = fixture.encrypt(&plaintext(5000));
    let data_key = fixture.data_key(&output);
    let needle = memory::Needle::new(data_key.expose_secret());
    assert!(needle.occurrences() > 0, "the scan finds a key that is in use");
    drop(data_key);
    assert_eq!(needle.occurrences(), 0, "copies of the data key left in memory");
}

#[test]
fn the_encryption_context_is_validated() {
    let fixture = Fixture::new();
    let output = fixture.encrypt(b"plaintext");
    let client = Client::builder().build();

    // The caller's own expectation.
    let options = DecryptOptions::new().encryption_context(pairs(&[("tenant", "43")]));
    let refused = block_on(client.decrypt(&fixture.manager(), &output.message, &options)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::PolicyRefused, "{refused}");

    // A context altered in the header: the KMS refuses the data key.
    let mut altered = output.message.clone();
    let position = altered.windows(2).position(|window| window == b"42").unwrap();
    altered[position + 1] = b'3';
    let refused = block_on(client.decrypt(&fixture.manager(), &altered, &DecryptOptions::new())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::KeyUnavailable, "{refused}");

    // The KMS itself.
    let blob = output.header.encrypted_data_keys()[0].ciphertext.clone();
    for wrong in [EncryptionContext::new(), pairs(&[("tenant", "43")]), pairs(&[("Tenant", "42")])] {
        let request = DecryptRequest::new(blob.clone()).encryption_context(wrong);
        let refused = block_on(fixture.kms.decrypt(request)).unwrap_err();
        assert_eq!(refused.kind, KmsErrorKind::WrongCiphertext, "{refused}");
    }
}

#[test]
fn rotation_re_encrypts_the_data_key_and_leaves_it_the_same() {
    let fixture = Fixture::new();
    let (old, new) = (fixture.key.clone(), create_key(&fixture.kms));
    let output = fixture.encrypt(b"plaintext");
    let data_key = fixture.data_key(&output);
    let old_blob = output.header.encrypted_data_keys()[0].ciphertext.clone();

    // Under another context the KMS re-encrypts nothing.
    let refused = ReEncryptRequest::new(old_blob.clone(), new.as_str());
    let refused = block_on(fixture.kms.re_encrypt(refused)).unwrap_err();
    assert_eq!(refused.kind, KmsErrorKind::WrongCiphertext, "{refused}");

    let request = ReEncryptRequest::new(old_blob.clone(), new.as_str()).encryption_context(context());
    let rewrapped = block_on(fixture.kms.re_encrypt(request)).unwrap();
    assert_eq!((rewrapped.source_key_id.as_str(), rewrapped.key_id.as_str()), (old.as_str(), new.as_str()));
    assert_ne!(rewrapped.ciphertext_blob, old_blob);
    assert_eq!(traces(data_key.expose_secret(), &rewrapped.ciphertext_blob), 0);

    // The old key can go: the new blob opens without it, the old one no longer does.
    block_on(fixture.kms.disable_key(old.as_str().to_owned())).unwrap();
    let decrypt = |blob| fixture.kms.decrypt(DecryptRequest::new(blob).encryption_context(context()));
    let recovered = block_on(decrypt(rewrapped.ciphertext_blob)).unwrap();
    assert_eq!(recovered.key_id, new.as_str());
    assert_eq!(DataKey::new(recovered.plaintext), data_key);
    assert_eq!(block_on(decrypt(old_blob)).unwrap_err().kind, KmsErrorKind::KeyUnusable);
}

/// The key that encrypts a message of suite 0x0478.
fn derived_key(message: &[u8], data_key: &DataKey) -> [u8; 32] {
    let mut key = [0; 32];
    let prk = hkdf::extract(DigestAlgorithm::Sha512, &message[3..35], data_key.expose_secret()).unwrap();
    prk.expand(&[&message[1..3], b"DERIVEKEY"], &mut key).unwrap();
    key
}

/// How often a secret stands in some bytes: as it is, by halves, in hexadecimal or in Base64.
fn traces(secret: &[u8], bytes: &[u8]) -> usize {
    let hexadecimal: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let (front, back) = secret.split_at(secret.len() / 2);
    // Base64 reads three bytes at a time, so that it looks different at each of three beginnings.
    let base64 = [0, 1, 2].map(|skipped| BASE64.encode(&secret[skipped..]).trim_end_matches('=').to_owned());
    let base64 = base64.iter().map(|text| &text.as_bytes()[..text.len() - 1]);
    let patterns = [front, back, hexadecimal.as_bytes()].into_iter().chain(base64);
    patterns.map(|pattern| bytes.windows(pattern.len()).filter(|window| *window == pattern).count()).sum()
}

fn files_below(directory: &Path, files: &mut Vec<Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, files);
        } else {
            files.push(fs::read(path).unwrap());
        }
    }
}

#[cfg(target_os = "linux")]
mod memory {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;

    const MASK: u8 = 0xa5;
    const CHUNK_LEN: usize = 1 << 20;

    /// A secret to look for, masked so that the scan does not find the needle itself.
    pub(super) struct Needle(Vec<u8>);

    impl Needle {
        pub(super) fn new(secret: &[u8]) -> Self {
            Self(secret.iter().map(|byte| byte ^ MASK).collect())
        }

        /// How often the secret stands in the readable memory of this process.
        pub(super) fn occurrences(&self) -> usize {
            let memory = File::open("/proc/self/mem").unwrap();
            let maps = fs::read_to_string("/proc/self/maps").unwrap();
            let mut chunk = vec![0; CHUNK_LEN];
            let mut found = 0;
            for line in maps.lines() {
                let mut fields = line.split_whitespace();
                let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
                if !access.starts_with('r') || line.ends_with("[vvar]") {
                    continue;
                }
                let (start, end) = range.split_once('-').unwrap();
                let address = |text| u64::from_str_radix(text, 16).unwrap();
                let (mut position, end) = (address(start), address(end));
                while position < end {
                    let wanted = usize::try_from(end - position).unwrap().min(CHUNK_LEN);
                    // A mapping can vanish meanwhile: another test's thread ended.
                    let Ok(length) = memory.read_at(&mut chunk[..wanted], position) else { break };
                    found += self.occurrences_in(&chunk[..length]);
                    // Else the scan finds what it read before.
                    chunk.fill(0);
                    if length <= self.0.len() {
                        break;
                    }
                    let overlap = if length == CHUNK_LEN { self.0.len() - 1 } else { 0 };
                    position += u64::try_from(length - overlap).unwrap();
                }
            }
            found
        }

        fn occurrences_in(&self, bytes: &[u8]) -> usize {
            let is_here =
                |window: &&[u8]| window.iter().zip(&self.0).all(|(byte, masked)| byte ^ MASK == *masked);
            bytes.windows(self.0.len()).filter(is_here).count()
        }
    }
}
