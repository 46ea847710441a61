//! What every store must do, checked of each.

use std::time::{Duration, SystemTime};

use envel_core::SecretBytes;
use envel_core::kms::KeyState;

use super::{Access, KmsStore};
use crate::key::{Alias, AliasName, Key, KeyId, KeyMaterial, KeyMaterialId, Scope};

fn scope(region: &str) -> Scope {
    Scope { account: "000000000000".into(), region: region.into() }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn material(byte: u8) -> KeyMaterial {
    KeyMaterial {
        id: KeyMaterialId::from_bytes([byte; 32]),
        creation_date: at(byte.into()),
        secret: SecretBytes::copied_from(&[byte; 32]),
    }
}

fn key(region: &str, byte: u8) -> Key {
    let (id, material) = (KeyId::from_bytes([byte; 16]), KeyMaterialId::from_bytes([byte; 32]));
    Key::new(scope(region), id, material, format!("key {byte}"), at(1000))
}

fn alias(region: &str, name: &str, target: u8) -> Alias {
    Alias {
        scope: scope(region),
        name: AliasName::parse(name).unwrap(),
        target: KeyId::from_bytes([target; 16]),
        creation_date: at(1),
        last_updated_date: at(2),
    }
}

/// Stores keys of these numbers in a Region.
fn with_keys(store: &mut dyn KmsStore, region: &str, bytes: &[u8]) {
    let mut transaction = store.begin(Access::Write).unwrap();
    for &byte in bytes {
        transaction.insert_key(&key(region, byte), &material(byte)).unwrap();
    }
    transaction.commit().unwrap();
}

fn a_key_is_read_as_it_was_written(store: &mut dyn KmsStore) {
    with_keys(store, "r1", &[1]);
    let mut changed = key("r1", 1);
    changed.state = KeyState::PendingDeletion;
    changed.description = "Ünïcode".into();
    changed.deletion_date = Some(at(2000));
    let mut transaction = store.begin(Access::Write).unwrap();
    assert_eq!(transaction.key(&scope("r1"), changed.id).unwrap(), Some(key("r1", 1)));
    transaction.update_key(&changed).unwrap();
    transaction.commit().unwrap();
    let transaction = store.begin(Access::Read).unwrap();
    assert_eq!(transaction.key(&scope("r1"), changed.id).unwrap(), Some(changed));
}

fn keys_are_listed_by_id_within_their_scope(store: &mut dyn KmsStore) {
    with_keys(store, "r1", &[3, 1, 2]);
    with_keys(store, "r2", &[1, 4]);
    let transaction = store.begin(Access::Read).unwrap();
    let listed = |region| transaction.keys(&scope(region)).unwrap();
    assert_eq!(listed("r1"), [key("r1", 1), key("r1", 2), key("r1", 3)]);
    assert_eq!(listed("r2"), [key("r2", 1), key("r2", 4)]);
    let elsewhere = Scope { account: "111122223333".into(), region: "r1".into() };
    assert!(transaction.keys(&elsewhere).unwrap().is_empty());
    assert_eq!(transaction.key(&elsewhere, key("r1", 1).id).unwrap(), None);
    assert_eq!(transaction.key(&scope("r2"), key("r1", 3).id).unwrap(), None);
}

fn new_key_material_becomes_current_and_the_old_one_stays(store: &mut dyn KmsStore) {
    with_keys(store, "r1", &[1]);
    let id = key("r1", 1).id;
    let mut transaction = store.begin(Access::Write).unwrap();
    transaction.insert_current_material(&scope("r1"), id, &material(9)).unwrap();
    transaction.commit().unwrap();
    let transaction = store.begin(Access::Read).unwrap();
    let stored = transaction.key(&scope("r1"), id).unwrap().unwrap();
    assert_eq!(stored.current_material, material(9).id);
    for byte in [1, 9] {
        let found = transaction.material(&stored, material(byte).id).unwrap().unwrap();
        assert_eq!(found.secret, material(byte).secret);
        assert_eq!(found.creation_date, material(byte).creation_date);
    }
    assert!(transaction.material(&stored, material(7).id).unwrap().is_none());
}

fn aliases_are_put_replaced_listed_and_deleted(store: &mut dyn KmsStore) {
    with_keys(store, "r1", &[1, 2]);
    with_keys(store, "r2", &[1]);
    let mut transaction = store.begin(Access::Write).unwrap();
    for alias in [alias("r1", "alias/b", 1), alias("r1", "alias/a", 2), alias("r2", "alias/a", 1)] {
        transaction.put_alias(&alias).unwrap();
    }
    transaction.put_alias(&alias("r1", "alias/b", 2)).unwrap();
    transaction.commit().unwrap();

    let mut transaction = store.begin(Access::Write).unwrap();
    let (a, b) = (alias("r1", "alias/a", 2), alias("r1", "alias/b", 2));
    assert_eq!(transaction.alias(&scope("r1"), &b.name).unwrap(), Some(b.clone()));
    assert_eq!(transaction.aliases(&scope("r1"), None).unwrap(), [a.clone(), b.clone()]);
    assert_eq!(transaction.aliases(&scope("r1"), Some(a.target)).unwrap(), [a.clone(), b.clone()]);
    assert!(transaction.aliases(&scope("r1"), Some(key("r1", 1).id)).unwrap().is_empty());
    transaction.delete_alias(&scope("r1"), &a.name).unwrap();
    assert_eq!(transaction.alias(&scope("r1"), &a.name).unwrap(), None);
    assert_eq!(transaction.aliases(&scope("r2"), None).unwrap(), [alias("r2", "alias/a", 1)]);
}

fn what_is_not_committed_did_not_happen(store: &mut dyn KmsStore) {
    with_keys(store, "r1", &[1, 2]);
    let mut transaction = store.begin(Access::Write).unwrap();
    transaction.put_alias(&alias("r1", "alias/a", 1)).unwrap();
    transaction.commit().unwrap();
    let mut due = key("r1", 2);
    due.deletion_date = Some(at(5));

    let mut transaction = store.begin(Access::Write).unwrap();
    transaction.insert_key(&key("r1", 3), &material(3)).unwrap();
    transaction.insert_current_material(&scope("r1"), key("r1", 1).id, &material(9)).unwrap();
    transaction.put_alias(&alias("r1", "alias/a", 2)).unwrap();
    transaction.put_alias(&alias("r1", "alias/b", 2)).unwrap();
    transaction.update_key(&due).unwrap();
    transaction.delete_keys_due(at(5)).unwrap();
    assert_eq!(transaction.keys(&scope("r1")).unwrap().len(), 2);
    assert!(transaction.aliases(&scope("r1"), None).unwrap().is_empty());
    drop(transaction);

    let transaction = store.begin(Access::Read).unwrap();
    assert_eq!(transaction.keys(&scope("r1")).unwrap(), [key("r1", 1), key("r1", 2)]);
    assert_eq!(transaction.aliases(&scope("r1"), None).unwrap(), [alias("r1", "alias/a", 1)]);
    assert!(transaction.material(&key("r1", 1), material(9).id).unwrap().is_none());
    assert!(transaction.material(&key("r1", 2), material(2).id).unwrap().is_some());
}

fn a_key_that_is_due_goes_with_its_material_and_aliases(store: &mut dyn KmsStore) {
    with_keys(store, "r1", &[1, 2, 3]);
    let mut transaction = store.begin(Access::Write).unwrap();
    assert_eq!(transaction.next_deletion_date().unwrap(), None);
    for (byte, date) in [(1, 10), (2, 11)] {
        let mut due = key("r1", byte);
        due.deletion_date = Some(at(date));
        transaction.update_key(&due).unwrap();
        transaction.put_alias(&alias("r1", &format!("alias/{byte}"), byte)).unwrap();
    }
    transaction.commit().unwrap();

    let mut transaction = store.begin(Access::Write).unwrap();
    assert_eq!(transaction.next_deletion_date().unwrap(), Some(at(10)));
    transaction.delete_keys_due(at(9)).unwrap();
    assert_eq!(transaction.keys(&scope("r1")).unwrap().len(), 3);
    transaction.delete_keys_due(at(10)).unwrap();
    transaction.commit().unwrap();

    let transaction = store.begin(Access::Read).unwrap();
    assert_eq!(transaction.key(&scope("r1"), key("r1", 1).id).unwrap(), None);
    assert!(transaction.material(&key("r1", 1), material(1).id).unwrap().is_none());
    assert_eq!(transaction.aliases(&scope("r1"), None).unwrap(), [alias("r1", "alias/2", 2)]);
    assert_eq!(transaction.next_deletion_date().unwrap(), Some(at(11)));
}

fn what_is_not_there_cannot_be_changed(store: &mut dyn KmsStore) {
    let mut transaction = store.begin(Access::Write).unwrap();
    assert!(transaction.update_key(&key("r1", 1)).is_err());
    assert!(transaction.insert_current_material(&scope("r1"), key("r1", 1).id, &material(1)).is_err());
    assert!(transaction.put_alias(&alias("r1", "alias/a", 1)).is_err());
}

macro_rules! conformance_tests {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(
                #[test]
                fn $name() {
                    super::$name(&mut crate::store::MemoryStore::default());
                }
            )+
        }

        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(
                #[test]
                fn $name() {
                    let home = tempfile::tempdir().unwrap();
                    let store = crate::store::sqlite::SqliteStore::open(home.path(), true, None);
                    super::$name(&mut store.unwrap());
                }
            )+
        }
    };
}

conformance_tests! {
    a_key_is_read_as_it_was_written,
    keys_are_listed_by_id_within_their_scope,
    new_key_material_becomes_current_and_the_old_one_stays,
    aliases_are_put_replaced_listed_and_deleted,
    what_is_not_committed_did_not_happen,
    a_key_that_is_due_goes_with_its_material_and_aliases,
    what_is_not_there_cannot_be_changed,
}
