//! What cannot be seen from outside the crate: key material that is not current.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use envel_core::kms::{CreateKeyRequest, DecryptRequest, EncryptRequest, ReEncryptRequest};
use envel_core::{ManualClock, SecretBytes};

use super::{CreateKey, Decrypt, Encrypt, ReEncrypt};
use crate::calls::CallCounter;
use crate::key::{KeyId, KeyMaterial, Scope};
use crate::service::Service;
use crate::store::{Access, KmsStore, MemoryStore};

const ACCOUNT: &str = "000000000000";
const REGION: &str = "local-1";

fn service(store: MemoryStore) -> Service {
    let clock = Arc::new(ManualClock::at_unix_seconds(1_000));
    Service::new(Box::new(store), ACCOUNT.into(), clock, CallCounter::default())
}

#[test]
fn old_key_material_decrypts_and_new_calls_use_the_current_one() {
    // A key with its first material, as CreateKey would make it.
    let scope = Scope { account: ACCOUNT.into(), region: REGION.into() };
    let first = KeyMaterial::random(SystemTime::UNIX_EPOCH).unwrap();
    let second = KeyMaterial::random(SystemTime::UNIX_EPOCH).unwrap();
    let id = KeyId::random().unwrap();
    let key = crate::key::Key::new(scope.clone(), id, first.id, String::new(), SystemTime::UNIX_EPOCH);

    // The same key at two moments: before and after the second material became current.
    let stored = |rotated: bool| {
        let mut store = MemoryStore::default();
        let mut transaction = store.begin(Access::Write).unwrap();
        transaction.insert_key(&key, &first).unwrap();
        if rotated {
            transaction.insert_current_material(&scope, id, &second).unwrap();
        }
        transaction.commit().unwrap();
        service(store)
    };
    let (mut before, mut after) = (stored(false), stored(true));
    let plaintext = || SecretBytes::copied_from(b"plaintext");
    let request = EncryptRequest::new(id.to_string(), plaintext());
    let old = before.answer(REGION, Duration::ZERO, Encrypt(request)).unwrap().ciphertext_blob;

    let opened = after.answer(REGION, Duration::ZERO, Decrypt(DecryptRequest::new(old.clone()))).unwrap();
    assert_eq!(opened.plaintext, plaintext());
    assert_eq!(opened.key_material_id, Some(first.id.to_string()));

    let request = ReEncryptRequest::new(old, id.to_string());
    let moved = after.answer(REGION, Duration::ZERO, ReEncrypt(request)).unwrap();
    assert_eq!(moved.source_key_material_id, Some(first.id.to_string()));
    assert_eq!(moved.destination_key_material_id, Some(second.id.to_string()));

    // Material that a key does not have opens nothing.
    let request = DecryptRequest::new(moved.ciphertext_blob);
    let refused = before.answer(REGION, Duration::ZERO, Decrypt(request)).unwrap_err();
    assert_eq!((refused.code.as_str(), refused.message.as_str()), ("InvalidCiphertextException", ""));
}

#[test]
fn keys_of_another_account_are_out_of_sight() {
    let mut store = MemoryStore::default();
    let scope = Scope { account: "111122223333".into(), region: REGION.into() };
    let material = KeyMaterial::random(SystemTime::UNIX_EPOCH).unwrap();
    let id = KeyId::random().unwrap();
    let key = crate::key::Key::new(scope, id, material.id, String::new(), SystemTime::UNIX_EPOCH);
    let mut transaction = store.begin(Access::Write).unwrap();
    transaction.insert_key(&key, &material).unwrap();
    transaction.commit().unwrap();

    let mut service = service(store);
    service.answer(REGION, Duration::ZERO, CreateKey(CreateKeyRequest::new())).unwrap();
    for spelling in [id.to_string(), key.arn().to_string()] {
        let request = EncryptRequest::new(spelling, SecretBytes::zeroed(1));
        let refused = service.answer(REGION, Duration::ZERO, Encrypt(request)).unwrap_err();
        assert_eq!(refused.code, "NotFoundException");
    }
}
