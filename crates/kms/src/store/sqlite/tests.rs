//! What only a store on disk must do: what its files hold and do not hold, and what it makes of interrupted makings.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use envel_core::SecretBytes;
use envel_core::kms::KmsErrorKind;

use super::root_key::RootKey;
use super::{SqliteStore, backup};
use crate::key::{Key, KeyId, KeyMaterial, Scope};
use crate::refusal::Refusal;
use crate::store::{Access, KmsStore, StoreError};

fn scope() -> Scope {
    Scope { account: "000000000000".into(), region: "local-1".into() }
}

fn insert_random_key(store: &mut SqliteStore) -> (Key, KeyMaterial) {
    let material = KeyMaterial::random(SystemTime::UNIX_EPOCH).unwrap();
    let id = KeyId::random().unwrap();
    let key = Key::new(scope(), id, material.id, String::new(), SystemTime::UNIX_EPOCH);
    let mut transaction = store.begin(Access::Write).unwrap();
    transaction.insert_key(&key, &material).unwrap();
    transaction.commit().unwrap();
    (key, material)
}

fn holds_key(store: &mut SqliteStore, key: &Key, material: &KeyMaterial) -> bool {
    let transaction = store.begin(Access::Read).unwrap();
    let found = transaction.material(key, material.id).unwrap();
    found.is_some_and(|found| found.secret == material.secret)
}

/// The names of the files in a directory that hold these bytes.
fn files_with(directory: &Path, bytes: &[u8]) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes))
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn no_file_but_the_root_key_holds_a_secret() {
    let home = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(home.path(), true, None).unwrap();
    let (key, material) = insert_random_key(&mut store);
    assert!(files_with(home.path(), material.secret.expose_secret()).is_empty());
    assert_eq!(files_with(home.path(), store.root_key.expose_secret()), ["root.key"]);
    // What is no secret is found, so the search can find.
    assert!(!files_with(home.path(), key.id.as_bytes()).is_empty());
}

#[test]
fn with_a_passphrase_no_file_holds_the_root_key() {
    let home = tempfile::tempdir().unwrap();
    let passphrase = SecretBytes::copied_from(b"correct horse battery staple");
    let store = SqliteStore::open(home.path(), true, Some(&passphrase)).unwrap();
    assert!(files_with(home.path(), store.root_key.expose_secret()).is_empty());
    assert!(files_with(home.path(), passphrase.expose_secret()).is_empty());
    assert!(!home.path().join("root.key").exists());
}

#[test]
fn deleted_key_material_is_wiped_from_the_files() {
    let home = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(home.path(), true, None).unwrap();
    let (mut key, material) = insert_random_key(&mut store);
    let sealed: Vec<u8> =
        store.connection.query_row("SELECT sealed_secret FROM key_material", (), |row| row.get(0)).unwrap();
    assert!(!files_with(home.path(), &sealed).is_empty());
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10);
    key.deletion_date = Some(now);
    let mut transaction = store.begin(Access::Write).unwrap();
    transaction.update_key(&key).unwrap();
    transaction.delete_keys_due(now).unwrap();
    transaction.commit().unwrap();
    assert!(files_with(home.path(), &sealed).is_empty());
    assert!(files_with(home.path(), material.id.as_bytes()).is_empty());
}

#[test]
fn a_backup_holds_nothing_in_the_clear() {
    let home = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(&home.path().join("store"), true, None).unwrap();
    let (key, material) = insert_random_key(&mut store);
    let (file, passphrase) = (home.path().join("backup"), SecretBytes::copied_from(b"passphrase"));
    backup::write(&store.snapshot().unwrap(), &file, &passphrase).unwrap();
    fs::remove_dir_all(home.path().join("store")).unwrap();
    for bytes in [
        material.secret.expose_secret(),
        store.root_key.expose_secret(),
        key.id.as_bytes(),
        material.id.as_bytes(),
        b"SQLite format 3",
        b"passphrase",
    ] {
        assert!(files_with(home.path(), bytes).is_empty());
    }
    assert_eq!(files_with(home.path(), b"ENVELKB"), ["backup"]);
}

#[test]
fn directory_and_files_are_their_owners_alone() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("new").join("store");
    let mut store = SqliteStore::open(&directory, true, None).unwrap();
    insert_random_key(&mut store);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(directory.parent().unwrap())), (0o700, 0o700));
    let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 4, "database, log, root key, lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_store_that_others_can_get_at_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("store");
    drop(SqliteStore::open(&directory, true, None).unwrap());
    let refused_with_mode = |path: &Path, mode: u32, restored: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = SqliteStore::open(&directory, true, None).unwrap_err();
        assert!(matches!(&refused, StoreError::Exposed { path: named, .. } if named == path), "{refused}");
        fs::set_permissions(path, fs::Permissions::from_mode(restored)).unwrap();
    };
    refused_with_mode(&directory.join("root.key"), 0o640, 0o600);
    refused_with_mode(&directory.join("kms.sqlite3"), 0o604, 0o600);
    refused_with_mode(&directory, 0o777, 0o700);
    assert!(SqliteStore::open(&directory, false, None).is_ok());
}

#[test]
fn a_making_that_stopped_before_its_end_is_made_afresh() {
    let home = tempfile::tempdir().unwrap();
    let store_id = super::root_key::StoreId::random().unwrap();
    for leftovers in [
        &["root.key.new"][..],
        &["root.key.new", "kms.sqlite3.new"],
        &["root.key.new", "kms.sqlite3.new", "kms.sqlite3.new-journal"],
    ] {
        let directory = home.path().join(leftovers.len().to_string());
        fs::create_dir(&directory).unwrap();
        let left_behind = RootKey::random().unwrap();
        left_behind.write(&directory.join("root.key.new"), store_id).unwrap();
        for name in &leftovers[1..] {
            fs::write(directory.join(name), b"half a database").unwrap();
        }
        assert!(matches!(SqliteStore::open(&directory, false, None), Err(StoreError::NoStore { .. })));
        let mut store = SqliteStore::open(&directory, true, None).unwrap();
        assert_ne!(store.root_key.expose_secret(), left_behind.expose_secret());
        let (key, material) = insert_random_key(&mut store);
        let mut store = SqliteStore::open(&directory, false, None).unwrap();
        assert!(holds_key(&mut store, &key, &material));
        for name in leftovers {
            assert!(!directory.join(name).exists(), "{name}");
        }
    }
}

#[test]
fn a_making_that_stopped_before_the_last_rename_is_finished() {
    let home = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(home.path(), true, None).unwrap();
    let (key, material) = insert_random_key(&mut store);
    let (path, new_path) = (home.path().join("root.key"), home.path().join("root.key.new"));
    fs::rename(&path, &new_path).unwrap();
    let mut store = SqliteStore::open(home.path(), false, None).unwrap();
    assert!(holds_key(&mut store, &key, &material));
    assert!(path.exists() && !new_path.exists());
}

#[test]
fn another_stores_unfinished_root_key_does_not_become_this_ones() {
    let home = tempfile::tempdir().unwrap();
    let (ours, theirs) = (home.path().join("ours"), home.path().join("theirs"));
    drop(SqliteStore::open(&ours, true, None).unwrap());
    drop(SqliteStore::open(&theirs, true, None).unwrap());
    fs::remove_file(ours.join("root.key")).unwrap();
    fs::copy(theirs.join("root.key"), ours.join("root.key.new")).unwrap();
    assert!(matches!(SqliteStore::open(&ours, true, None), Err(StoreError::RootKeyWrong { .. })));
    assert!(!ours.join("root.key").exists());
}

#[test]
fn key_material_moved_to_another_key_does_not_open() {
    let home = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(home.path(), true, None).unwrap();
    let (_, first) = insert_random_key(&mut store);
    let (key, second) = insert_random_key(&mut store);
    store
        .connection
        .execute(
            "UPDATE key_material SET sealed_secret =
                 (SELECT sealed_secret FROM key_material WHERE material_id = ?1) WHERE material_id = ?2",
            [first.id.as_bytes(), second.id.as_bytes()],
        )
        .unwrap();
    let transaction = store.begin(Access::Read).unwrap();
    assert!(matches!(transaction.material(&key, second.id), Err(StoreError::Damaged { .. })));
}

#[test]
fn writes_are_synced_before_they_are_answered() {
    let home = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(home.path(), true, None).unwrap();
    let number =
        |name: &str| -> i64 { store.connection.pragma_query_value(None, name, |row| row.get(0)).unwrap() };
    // 2 is FULL.
    assert_eq!((number("synchronous"), number("foreign_keys"), number("secure_delete")), (2, 1, 1));
    assert!(number("busy_timeout") >= 30_000);
    let mode: String = store.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_store_that_stays_locked_is_busy_and_a_retry_can_help() {
    let home = tempfile::tempdir().unwrap();
    let mut first = SqliteStore::open(home.path(), true, None).unwrap();
    let mut second = SqliteStore::open(home.path(), true, None).unwrap();
    let writing = first.begin(Access::Write).unwrap();
    let error = second.begin(Access::WriteUnlessBusy).err().expect("two writers at once");
    assert!(error.is_busy(), "{error}");
    assert_eq!(Refusal::from(error).kind(), KmsErrorKind::Unreachable);
    drop(writing);
    assert!(second.begin(Access::Write).is_ok());
}

#[test]
fn a_snapshot_that_lacks_a_key_does_not_verify() {
    let home = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(home.path(), true, None).unwrap();
    insert_random_key(&mut store);
    let mut snapshot = store.snapshot().unwrap();
    snapshot.verify().unwrap();
    insert_random_key(&mut store);
    snapshot.rows = store.snapshot().unwrap().rows;
    assert!(matches!(snapshot.verify(), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_snapshot_with_a_page_of_zeros_does_not_verify() {
    let home = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(home.path(), true, None).unwrap();
    for _ in 0..50 {
        insert_random_key(&mut store);
    }
    let mut snapshot = store.snapshot().unwrap();
    let whole = snapshot.contents.expose_secret().to_vec();
    let pages = (whole.len() - RootKey::LEN) / 4096;
    assert!(pages > 10);
    for page in 0..pages {
        let mut altered = whole.clone();
        altered[RootKey::LEN + page * 4096..][..4096].fill(0);
        snapshot.contents = SecretBytes::copied_from(&altered);
        assert!(snapshot.verify().is_err(), "page {page} of {pages}");
    }
}

#[test]
fn a_full_disk_is_called_one_and_leaves_the_store_usable() {
    let home = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(home.path(), true, None).unwrap();
    let (key, material) = insert_random_key(&mut store);
    let pages: u32 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), (), |_| Ok(())).unwrap();
    let mut transaction = store.begin(Access::Write).unwrap();
    let mut insert = || {
        let long = Key { id: KeyId::random().unwrap(), description: "long".repeat(2000), ..key.clone() };
        transaction.insert_key(&long, &material)
    };
    let error = (0..100).find_map(|_| insert().err()).expect("a disk without end");
    assert!(error.is_disk_full(), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
    drop(transaction);
    assert!(holds_key(&mut store, &key, &material));
}

#[test]
fn a_failing_disk_is_told_from_a_damaged_database() {
    use rusqlite::ffi;
    let store_error = |code| StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    assert!(matches!(store_error(ffi::SQLITE_IOERR_READ), StoreError::DiskFailed { .. }));
    assert!(!store_error(ffi::SQLITE_IOERR_READ).is_disk_full());
    assert!(matches!(store_error(ffi::SQLITE_CORRUPT), StoreError::Damaged { .. }));
    assert!(matches!(store_error(ffi::SQLITE_MISUSE), StoreError::Database { .. }));
}
