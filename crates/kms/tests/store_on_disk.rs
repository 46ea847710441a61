//! Stores on disk: what is refused, what a passphrase protects, and backups.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};

use envel_core::kms::{CreateKeyRequest, DecryptRequest, EncryptRequest};
use envel_core::{KmsClient, KmsControl, SecretBytes};
use envel_kms::{DEFAULT_REGION, EmbeddedKms, OpenOptions, StoreError};
use pollster::block_on;

/// A store with one key, and a ciphertext of that key.
struct Sample {
    home: tempfile::TempDir,
    ciphertext: Vec<u8>,
}

fn passphrase(text: &str) -> SecretBytes {
    SecretBytes::copied_from(text.as_bytes())
}

impl Sample {
    fn new(secret: Option<&str>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let options =
            OpenOptions::new(home.path().join("store")).create(true).passphrase(secret.map(passphrase));
        let client = EmbeddedKms::open(options).unwrap().client(DEFAULT_REGION);
        let key = block_on(client.create_key(CreateKeyRequest::new())).unwrap().arn;
        block_on(client.create_alias("alias/sample".into(), key.resource_id().into())).unwrap();
        let request = EncryptRequest::new(key.as_str(), passphrase("plaintext"));
        let ciphertext = block_on(client.encrypt(request)).unwrap().ciphertext_blob;
        Self { home, ciphertext }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("store")
    }

    fn open(&self, secret: Option<&str>) -> Result<EmbeddedKms, StoreError> {
        // A store that is refused must be refused to those who would make one, too.
        EmbeddedKms::open(OpenOptions::new(self.store()).create(true).passphrase(secret.map(passphrase)))
    }

    #[track_caller]
    fn assert_opens_with(&self, kms: &EmbeddedKms) {
        let request = DecryptRequest::new(self.ciphertext.clone()).key_id("alias/sample");
        let opened = block_on(kms.client(DEFAULT_REGION).decrypt(request)).unwrap();
        assert_eq!(opened.plaintext, passphrase("plaintext"));
    }
}

#[track_caller]
fn contents(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut contents: Vec<_> = entries.map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    contents.sort();
    contents
}

#[test]
fn a_missing_store_is_an_error_unless_it_is_to_be_made() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("a").join("store");
    assert!(!EmbeddedKms::exists(&directory));
    let refused = EmbeddedKms::open(OpenOptions::new(&directory)).unwrap_err();
    assert!(matches!(refused, StoreError::NoStore { .. }));
    assert!(refused.to_string().starts_with(&format!("there is no key store at {}", directory.display())));
    assert!(matches!(EmbeddedKms::needs_passphrase(&directory), Err(StoreError::NoStore { .. })));
    assert!(!home.path().join("a").exists());
    EmbeddedKms::open(OpenOptions::new(&directory).create(true)).unwrap();
    assert!(EmbeddedKms::exists(&directory));
    assert!(EmbeddedKms::open(OpenOptions::new(&directory)).is_ok());
}

#[test]
fn a_store_opens_again_with_all_that_is_in_it() {
    let sample = Sample::new(None);
    sample.assert_opens_with(&sample.open(None).unwrap());
    assert!(!EmbeddedKms::needs_passphrase(sample.store()).unwrap());
}

#[test]
fn an_open_store_is_seen_by_others_at_once() {
    let sample = Sample::new(None);
    let (first, second) = (sample.open(None).unwrap(), sample.open(None).unwrap());
    let (first_client, second_client) = (first.client(DEFAULT_REGION), second.client(DEFAULT_REGION));
    let key = block_on(first_client.describe_key("alias/sample".into())).unwrap().arn.to_string();
    block_on(first_client.disable_key(key.clone())).unwrap();
    let refused =
        block_on(second_client.decrypt(DecryptRequest::new(sample.ciphertext.clone()))).unwrap_err();
    assert_eq!(refused.code, "DisabledException");
    block_on(second_client.enable_key(key)).unwrap();
    sample.assert_opens_with(&first);
}

#[test]
fn a_missing_root_key_is_refused_and_never_made_anew() {
    let sample = Sample::new(None);
    let (path, aside) = (sample.store().join("root.key"), sample.path("aside"));
    fs::rename(&path, &aside).unwrap();
    for _ in 0..2 {
        let refused = sample.open(None).unwrap_err();
        assert!(
            matches!(&refused, StoreError::RootKeyMissing { path: named } if *named == path),
            "{refused}"
        );
        assert!(!path.exists());
    }
    fs::rename(&aside, &path).unwrap();
    sample.assert_opens_with(&sample.open(None).unwrap());
}

#[test]
fn a_truncated_or_foreign_root_key_is_refused_and_left_alone() {
    let sample = Sample::new(None);
    let path = sample.store().join("root.key");
    let whole = fs::read(&path).unwrap();
    let mut other_magic = whole.clone();
    other_magic[0] ^= 1;
    for damaged in [&whole[..0], &whole[..whole.len() - 1], &[&whole[..], b"\n"].concat(), &other_magic] {
        fs::write(&path, damaged).unwrap();
        let refused = sample.open(None).unwrap_err();
        assert!(matches!(refused, StoreError::RootKeyDamaged { .. }), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), *damaged);
    }
    // Every bit of the store's ID and of the key counts.
    for bit in 8 * 8..whole.len() * 8 {
        let mut altered = whole.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &altered).unwrap();
        assert!(matches!(sample.open(None), Err(StoreError::RootKeyWrong { .. })));
    }
    fs::write(&path, &whole).unwrap();
    sample.assert_opens_with(&sample.open(None).unwrap());
}

#[test]
fn a_missing_database_is_refused_and_never_made_anew() {
    let sample = Sample::new(None);
    let (path, aside) = (sample.store().join("kms.sqlite3"), sample.path("aside"));
    fs::rename(&path, &aside).unwrap();
    let refused = sample.open(None).unwrap_err();
    assert!(matches!(refused, StoreError::DatabaseMissing { .. }), "{refused}");
    assert!(EmbeddedKms::exists(sample.store()));
    assert!(!path.exists());
    fs::rename(&aside, &path).unwrap();
    sample.assert_opens_with(&sample.open(None).unwrap());
}

#[test]
fn another_kind_of_file_is_no_store() {
    let sample = Sample::new(None);
    let path = sample.store().join("kms.sqlite3");
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", path.display()));
    }
    let write = |contents: &[u8]| {
        fs::copy(sample.store().join("root.key"), &path).unwrap();
        fs::write(&path, contents).unwrap();
    };
    for contents in [
        &b""[..],
        b"not a database, but longer than the header of one would be, at least a hundred bytes, say",
    ] {
        write(contents);
        let refused = sample.open(None).unwrap_err();
        assert!(matches!(refused, StoreError::NotAStore { .. }), "{refused}");
    }
    write(b"");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE t (x); PRAGMA user_version = 1")
        .unwrap();
    assert!(matches!(sample.open(None), Err(StoreError::NotAStore { .. })));
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let sample = Sample::new(None);
    let database = rusqlite::Connection::open(sample.store().join("kms.sqlite3")).unwrap();
    database.pragma_update(None, "user_version", 2).unwrap();
    let refused = sample.open(None).unwrap_err();
    assert!(matches!(refused, StoreError::SchemaNewer { found: 2, supported: 1, .. }), "{refused}");
    database.pragma_update(None, "user_version", 1).unwrap();
    sample.assert_opens_with(&sample.open(None).unwrap());
}

#[test]
fn a_passphrase_opens_its_store_and_no_other_does() {
    let sample = Sample::new(Some("correct"));
    assert!(EmbeddedKms::needs_passphrase(sample.store()).unwrap());
    assert!(!sample.store().join("root.key").exists());
    assert!(matches!(sample.open(None), Err(StoreError::PassphraseNeeded { .. })));
    for wrong in ["Correct", "correct ", "correc"] {
        assert!(matches!(sample.open(Some(wrong)), Err(StoreError::PassphraseWrong { .. })));
    }
    assert!(matches!(sample.open(Some("")), Err(StoreError::PassphraseEmpty)));
    sample.assert_opens_with(&sample.open(Some("correct")).unwrap());

    let without = Sample::new(None);
    assert!(matches!(without.open(Some("correct")), Err(StoreError::PassphraseNotUsed { .. })));
}

#[test]
fn an_empty_passphrase_makes_no_store() {
    let home = tempfile::tempdir().unwrap();
    let options = || OpenOptions::new(home.path()).create(true);
    let refused = EmbeddedKms::open(options().passphrase(Some(passphrase(""))));
    assert!(matches!(refused, Err(StoreError::PassphraseEmpty)));
    assert!(!EmbeddedKms::exists(home.path()));
    assert!(EmbeddedKms::open(options()).is_ok());
}

#[test]
fn an_account_is_twelve_digits() {
    for account in ["", "1", "12345678901", "1234567890123", "12345678901a", "٠٠٠٠٠٠"] {
        let refused = EmbeddedKms::open(OpenOptions::in_memory().account(account));
        assert!(matches!(refused, Err(StoreError::InvalidAccount { .. })), "{account}");
    }
    let kms = EmbeddedKms::open(OpenOptions::in_memory().account("111122223333")).unwrap();
    let key = block_on(kms.client("us-east-1").create_key(CreateKeyRequest::new())).unwrap();
    assert_eq!(key.arn.account(), "111122223333");
}

#[test]
fn accounts_in_one_store_do_not_see_each_other() {
    let sample = Sample::new(None);
    let kms = EmbeddedKms::open(OpenOptions::new(sample.store()).account("111122223333")).unwrap();
    let client = kms.client(DEFAULT_REGION);
    assert!(block_on(client.list_keys()).unwrap().is_empty());
    assert!(block_on(client.decrypt(DecryptRequest::new(sample.ciphertext.clone()))).is_err());
}

#[test]
fn a_backup_restored_elsewhere_decrypts() {
    for (old, new) in [(None, None), (None, Some("new")), (Some("old"), None), (Some("old"), Some("new"))] {
        let sample = Sample::new(old);
        let (file, elsewhere) = (sample.path("backup"), sample.path("elsewhere"));
        sample.open(old).unwrap().backup(&file, &passphrase("backup")).unwrap();
        fs::remove_dir_all(sample.store()).unwrap();

        let new_passphrase = new.map(passphrase);
        EmbeddedKms::restore(&file, &elsewhere, &passphrase("backup"), new_passphrase.as_ref()).unwrap();
        assert_eq!(EmbeddedKms::needs_passphrase(&elsewhere).unwrap(), new.is_some());
        let kms = EmbeddedKms::open(OpenOptions::new(&elsewhere).passphrase(new.map(passphrase))).unwrap();
        sample.assert_opens_with(&kms);
        // It is a store like any other: new keys can be made.
        block_on(kms.client(DEFAULT_REGION).create_key(CreateKeyRequest::new())).unwrap();
    }
}

#[test]
fn a_backup_is_private_and_replaces_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let sample = Sample::new(None);
    let (kms, file) = (sample.open(None).unwrap(), sample.path("backup"));
    kms.backup(&file, &passphrase("backup")).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    assert!(matches!(kms.backup(&file, &passphrase("backup")), Err(StoreError::BackupExists { .. })));
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(matches!(kms.backup(sample.path("b"), &passphrase("")), Err(StoreError::PassphraseEmpty)));
    assert!(matches!(kms.backup(sample.path("no/b"), &passphrase("p")), Err(StoreError::Io { .. })));
    let names: Vec<_> =
        fs::read_dir(sample.home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "store and backup: {names:?}");
    let in_memory = EmbeddedKms::open(OpenOptions::in_memory()).unwrap();
    assert!(matches!(in_memory.backup(sample.path("b"), &passphrase("p")), Err(StoreError::InMemory)));
}

#[test]
fn a_restore_never_touches_a_store() {
    let (sample, other) = (Sample::new(None), Sample::new(None));
    let file = sample.path("backup");
    sample.open(None).unwrap().backup(&file, &passphrase("backup")).unwrap();
    let restore = || EmbeddedKms::restore(&file, other.store(), &passphrase("backup"), None);
    let before = contents(&other.store());
    assert!(matches!(restore(), Err(StoreError::StoreExists { .. })));
    assert_eq!(contents(&other.store()), before);
    // Half a store is one, too.
    for name in ["kms.sqlite3", "root.key"] {
        fs::remove_file(other.store().join(name)).unwrap();
        if name == "kms.sqlite3" {
            assert!(matches!(restore(), Err(StoreError::StoreExists { .. })));
        }
    }
}

#[test]
fn a_damaged_backup_restores_nothing() {
    let sample = Sample::new(None);
    let (file, elsewhere) = (sample.path("backup"), sample.path("elsewhere"));
    sample.open(None).unwrap().backup(&file, &passphrase("backup")).unwrap();
    let whole = fs::read(&file).unwrap();
    let restore = |contents: &[u8], secret: &str| {
        fs::write(&file, contents).unwrap();
        EmbeddedKms::restore(&file, &elsewhere, &passphrase(secret), None)
    };
    assert!(matches!(restore(&whole, "wrong"), Err(StoreError::PassphraseWrong { .. })));
    for length in [0, 1, 8, 35] {
        assert!(matches!(restore(&whole[..length], "backup"), Err(StoreError::NotABackup { .. })));
    }
    for length in [36, 80, 5000, whole.len() - 1] {
        assert!(matches!(restore(&whole[..length], "backup"), Err(StoreError::PassphraseWrong { .. })));
    }
    // Magic, version, an Argon2id cost of a terabyte, the salt, the body, the tag.
    for (index, bit) in [(0, 1), (7, 2), (8, 0x80), (20, 1), (36, 1), (5000, 1), (whole.len() - 1, 0x80)] {
        let mut altered = whole.clone();
        altered[index] ^= bit;
        let refused = restore(&altered, "backup").unwrap_err();
        let expected = if index < 20 {
            matches!(refused, StoreError::NotABackup { .. })
        } else {
            matches!(refused, StoreError::PassphraseWrong { .. })
        };
        assert!(expected, "{index}: {refused}");
    }
    assert!(!elsewhere.exists());
    let missing = EmbeddedKms::restore(sample.path("none"), &elsewhere, &passphrase("backup"), None);
    assert!(matches!(missing, Err(StoreError::Io { .. })));
    restore(&whole, "backup").unwrap();
    let kms = EmbeddedKms::open(OpenOptions::new(&elsewhere)).unwrap();
    sample.assert_opens_with(&kms);
}

#[test]
fn a_tampered_database_is_an_error_and_not_a_panic() {
    for (tampering, sees_it) in [
        ("UPDATE alias SET alias_name = 'alias/a:b'", "ListAliases"),
        ("UPDATE alias SET creation_ms = -1", "ListAliases"),
        ("UPDATE kms_key SET state = 'Sleeping'", "ListKeys"),
        ("UPDATE kms_key SET creation_ms = -9223372036854775808", "ListKeys"),
        ("UPDATE key_material SET sealed_secret = zeroblob(80)", "Decrypt"),
        ("UPDATE key_material SET sealed_secret = X''", "Decrypt"),
    ] {
        let sample = Sample::new(None);
        let client = sample.open(None).unwrap().client(DEFAULT_REGION);
        let database = rusqlite::Connection::open(sample.store().join("kms.sqlite3")).unwrap();
        database.execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {tampering}")).unwrap();
        let error = match sees_it {
            "ListAliases" => block_on(client.list_aliases(None)).unwrap_err(),
            "ListKeys" => block_on(client.list_keys()).unwrap_err(),
            _ => block_on(client.decrypt(DecryptRequest::new(sample.ciphertext.clone()))).unwrap_err(),
        };
        assert_eq!((error.code.as_str(), error.operation), ("KMSInternalException", sees_it), "{tampering}");
        assert!(error.message.starts_with("the key store is damaged"), "{error}");
        // The worker goes on.
        assert!(block_on(client.create_key(CreateKeyRequest::new())).is_ok());
    }
    let sample = Sample::new(Some("passphrase"));
    let database = rusqlite::Connection::open(sample.store().join("kms.sqlite3")).unwrap();
    // Four terabytes of memory.
    let parameters = format!("FFFFFFFF{}", "00".repeat(24));
    database.execute_batch(&format!("UPDATE store SET passphrase_parameters = X'{parameters}'")).unwrap();
    let refused = sample.open(Some("passphrase")).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

#[test]
fn a_store_with_a_key_that_does_not_open_gives_no_backup() {
    let sample = Sample::new(None);
    let kms = sample.open(None).unwrap();
    let key = block_on(kms.client(DEFAULT_REGION).describe_key("alias/sample".into())).unwrap().arn;
    let database = rusqlite::Connection::open(sample.store().join("kms.sqlite3")).unwrap();
    let mut sealed: Vec<u8> =
        database.query_row("SELECT sealed_secret FROM key_material", (), |row| row.get(0)).unwrap();
    sealed[40] ^= 1;
    database.execute("UPDATE key_material SET sealed_secret = ?1", [sealed]).unwrap();
    let refused = kms.backup(sample.path("backup"), &passphrase("backup")).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    assert!(refused.to_string().contains(key.resource_id()), "{refused}");
    assert!(!sample.path("backup").exists());
}

#[test]
fn the_last_handle_closes_the_database_and_leaves_all_of_it_in_one_file() {
    let sample = Sample::new(None);
    let kms = sample.open(None).unwrap();
    let client = kms.client(DEFAULT_REGION);
    block_on(client.create_key(CreateKeyRequest::new())).unwrap();
    drop(kms);
    assert!(sample.store().join("kms.sqlite3-wal").exists(), "a client is a handle");
    drop(client);
    assert!(!sample.store().join("kms.sqlite3-wal").exists());

    let copy = Sample { home: tempfile::tempdir().unwrap(), ciphertext: sample.ciphertext.clone() };
    fs::create_dir(copy.store()).unwrap();
    for name in ["kms.sqlite3", "root.key"] {
        fs::copy(sample.store().join(name), copy.store().join(name)).unwrap();
    }
    let kms = copy.open(None).unwrap();
    copy.assert_opens_with(&kms);
    assert_eq!(block_on(kms.client(DEFAULT_REGION).list_keys()).unwrap().len(), 2);
}
