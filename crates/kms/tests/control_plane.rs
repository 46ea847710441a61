//! Keys and aliases as their owners see them: on both kinds of store.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "a test that cannot go on has failed"
)]

use std::sync::Arc;
use std::time::Duration;

use envel_core::kms::{CreateKeyRequest, DecryptRequest, EncryptRequest, KeyState, KmsError};
use envel_core::{Clock, KmsClient, KmsControl, KmsErrorKind, ManualClock, SecretBytes, SystemClock};
use envel_kms::{DEFAULT_REGION, EmbeddedKms, OpenOptions, RegionClient};
use pollster::block_on;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs a test on a store in memory and on one on disk.
fn on_each_store(test: impl Fn(&RegionClient, &ManualClock)) {
    let home = tempfile::tempdir().unwrap();
    for options in [OpenOptions::in_memory(), OpenOptions::new(home.path().join("store")).create(true)] {
        let clock = Arc::new(ManualClock::at_unix_seconds(1_700_000_000));
        let kms = EmbeddedKms::open(options.clock(clock.clone())).unwrap();
        test(&kms.client(DEFAULT_REGION), &clock);
    }
}

/// A new key's ID.
fn new_key(client: &RegionClient) -> String {
    block_on(client.create_key(CreateKeyRequest::new())).unwrap().arn.resource_id().to_owned()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, KmsError>, code: &str) -> KmsError {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, code, "{error}");
    error
}

#[test]
fn a_new_key_is_enabled_and_described_as_it_was_created() {
    on_each_store(|client, clock| {
        let made = block_on(client.create_key(CreateKeyRequest::new().description("Bücher"))).unwrap();
        assert_eq!(made.key_state, KeyState::Enabled);
        assert_eq!((made.description.as_str(), made.creation_date), ("Bücher", clock.now()));
        assert_eq!(
            (made.key_spec.as_str(), made.key_usage.as_str()),
            ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
        );
        assert_eq!((made.origin.as_str(), made.key_manager.as_str()), ("AWS_KMS", "CUSTOMER"));
        assert_eq!((made.multi_region, made.deletion_date), (false, None));
        assert_eq!(made.arn.account(), "000000000000");
        assert_eq!(block_on(client.describe_key(made.arn.to_string())).unwrap(), made);
    });
}

#[test]
fn a_description_has_8192_characters_at_most() {
    on_each_store(|client, _| {
        let create =
            |length| block_on(client.create_key(CreateKeyRequest::new().description("ü".repeat(length))));
        assert_eq!(create(8192).unwrap().description.chars().count(), 8192);
        assert_refused(create(8193), "ValidationException");
    });
}

#[test]
fn keys_are_listed_in_every_state() {
    on_each_store(|client, _| {
        assert!(block_on(client.list_keys()).unwrap().is_empty());
        let mut keys = [new_key(client), new_key(client), new_key(client)];
        block_on(client.disable_key(keys[0].clone())).unwrap();
        block_on(client.schedule_key_deletion(keys[1].clone(), 7)).unwrap();
        keys.sort();
        let listed = block_on(client.list_keys()).unwrap();
        assert_eq!(listed.iter().map(|entry| entry.arn.resource_id()).collect::<Vec<_>>(), keys);
    });
}

#[test]
fn a_key_can_be_switched_off_and_on() {
    on_each_store(|client, _| {
        let key = new_key(client);
        let state = || block_on(client.describe_key(key.clone())).unwrap().key_state;
        block_on(client.disable_key(key.clone())).unwrap();
        assert_eq!(state(), KeyState::Disabled);
        block_on(client.disable_key(key.clone())).unwrap();
        block_on(client.enable_key(key.clone())).unwrap();
        assert_eq!(state(), KeyState::Enabled);
        assert_refused(block_on(client.enable_key("alias/x".into())), "NotFoundException");
    });
}

#[test]
fn a_deletion_waits_7_to_30_days() {
    on_each_store(|client, clock| {
        let key = new_key(client);
        let schedule = |days| block_on(client.schedule_key_deletion(key.clone(), days));
        for days in [0, 6, 31, 365, u32::MAX] {
            let error = assert_refused(schedule(days), "ValidationException");
            assert!(error.message.contains("'pendingWindowInDays'"), "{}", error.message);
        }
        for days in [7, 30] {
            let answer = schedule(days).unwrap();
            assert_eq!(answer.deletion_date, Some(clock.now() + DAY * days));
            assert_eq!(
                (answer.key_state, answer.arn.resource_id()),
                (KeyState::PendingDeletion, key.as_str())
            );
            let described = block_on(client.describe_key(key.clone())).unwrap();
            assert_eq!(
                (described.deletion_date, described.key_state),
                (answer.deletion_date, answer.key_state)
            );
            let cancelled = block_on(client.cancel_key_deletion(key.clone())).unwrap();
            assert_eq!(cancelled, described.arn);
            let described = block_on(client.describe_key(key.clone())).unwrap();
            assert_eq!((described.deletion_date, described.key_state), (None, KeyState::Disabled));
        }
    });
}

#[test]
fn a_pending_deletion_forbids_management_until_it_is_cancelled() {
    on_each_store(|client, _| {
        let key = new_key(client);
        block_on(client.create_alias("alias/before".into(), key.clone())).unwrap();
        assert_refused(block_on(client.cancel_key_deletion(key.clone())), "KMSInvalidStateException");
        block_on(client.schedule_key_deletion(key.clone(), 7)).unwrap();
        for refused in [
            block_on(client.enable_key(key.clone())),
            block_on(client.disable_key(key.clone())),
            block_on(client.schedule_key_deletion(key.clone(), 7)).map(drop),
            block_on(client.create_alias("alias/after".into(), key.clone())),
        ] {
            let error = assert_refused(refused, "KMSInvalidStateException");
            assert_eq!(error.kind, KmsErrorKind::KeyUnusable);
            assert!(error.message.ends_with(" is pending deletion."), "{}", error.message);
        }
        block_on(client.delete_alias("alias/before".into())).unwrap();
        block_on(client.cancel_key_deletion(key.clone())).unwrap();
        block_on(client.enable_key(key)).unwrap();
    });
}

#[test]
fn a_key_is_gone_when_its_deletion_date_comes() {
    on_each_store(|client, clock| {
        let (key, other) = (new_key(client), new_key(client));
        block_on(client.create_alias("alias/gone".into(), key.clone())).unwrap();
        let encrypt = EncryptRequest::new(&key, SecretBytes::zeroed(1));
        let blob = block_on(client.encrypt(encrypt)).unwrap().ciphertext_blob;
        block_on(client.schedule_key_deletion(key.clone(), 7)).unwrap();
        clock.advance(DAY * 7 - Duration::from_millis(1));
        assert!(block_on(client.describe_key(key.clone())).is_ok());
        clock.advance(Duration::from_millis(1));
        let error = assert_refused(block_on(client.describe_key(key.clone())), "NotFoundException");
        assert!(error.message.ends_with(&format!("key/{key}' does not exist")), "{}", error.message);
        assert_refused(block_on(client.describe_key("alias/gone".into())), "NotFoundException");
        assert_refused(block_on(client.cancel_key_deletion(key.clone())), "NotFoundException");
        assert_refused(block_on(client.decrypt(DecryptRequest::new(blob))), "AccessDeniedException");
        assert!(block_on(client.list_aliases(None)).unwrap().is_empty());
        let left = block_on(client.list_keys()).unwrap();
        assert_eq!(left.iter().map(|entry| entry.arn.resource_id()).collect::<Vec<_>>(), [other]);
    });
}

#[test]
fn a_deletion_that_came_due_while_the_store_was_closed_is_done_at_opening() {
    let home = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at_unix_seconds(1_700_000_000));
    let open = || EmbeddedKms::open(OpenOptions::new(home.path()).create(true).clock(clock.clone())).unwrap();
    let count = || -> u32 {
        let database = rusqlite::Connection::open(home.path().join("kms.sqlite3")).unwrap();
        database.query_row("SELECT count(*) FROM key_material", (), |row| row.get(0)).unwrap()
    };
    let client = open().client(DEFAULT_REGION);
    let key = new_key(&client);
    block_on(client.schedule_key_deletion(key, 7)).unwrap();
    drop(client);
    clock.advance(DAY * 7);
    assert_eq!(count(), 1);
    let _kms = open();
    assert_eq!(count(), 0);
}

#[test]
fn an_alias_stands_for_one_key_and_can_be_moved() {
    on_each_store(|client, _| {
        let (first, second) = (new_key(client), new_key(client));
        let arn =
            || block_on(client.describe_key("alias/a".into())).map(|key| key.arn.resource_id().to_owned());
        block_on(client.create_alias("alias/a".into(), first.clone())).unwrap();
        assert_eq!(arn().unwrap(), first);
        let error = assert_refused(
            block_on(client.create_alias("alias/a".into(), second.clone())),
            "AlreadyExistsException",
        );
        assert_eq!(error.kind, KmsErrorKind::AlreadyExists);
        assert!(error.message.contains("arn:aws:kms:local-1:000000000000:alias/a"), "{}", error.message);
        block_on(client.update_alias("alias/a".into(), second.clone())).unwrap();
        assert_eq!(arn().unwrap(), second);
        block_on(client.delete_alias("alias/a".into())).unwrap();
        assert_refused(arn(), "NotFoundException");
        assert_refused(block_on(client.update_alias("alias/a".into(), first)), "NotFoundException");
        let error = assert_refused(block_on(client.delete_alias("alias/a".into())), "NotFoundException");
        assert_eq!(error.message, "Alias arn:aws:kms:local-1:000000000000:alias/a is not found.");
        assert!(block_on(client.describe_key(second)).is_ok());
    });
}

#[test]
fn aliases_are_listed_by_name_for_all_keys_or_one() {
    on_each_store(|client, _| {
        let (first, second) = (new_key(client), new_key(client));
        for (name, key) in [("alias/c", &first), ("alias/a", &second), ("alias/b", &first)] {
            block_on(client.create_alias(name.into(), key.clone())).unwrap();
        }
        let listed = |key| -> Vec<_> {
            let aliases = block_on(client.list_aliases(key)).unwrap();
            aliases.into_iter().map(|alias| (alias.alias_name, alias.target_key_id.unwrap())).collect()
        };
        let (a, b, c) = (
            ("alias/a".to_owned(), second.clone()),
            ("alias/b".to_owned(), first.clone()),
            ("alias/c".to_owned(), first.clone()),
        );
        assert_eq!(listed(None), [a.clone(), b.clone(), c.clone()]);
        assert_eq!(listed(Some(first.clone())), [b, c]);
        assert_eq!(listed(Some(second)), [a]);
        let arn = &block_on(client.list_aliases(None)).unwrap()[0].alias_arn;
        assert_eq!(arn.as_str(), "arn:aws:kms:local-1:000000000000:alias/a");
        assert_refused(block_on(client.list_aliases(Some("no-such-key".into()))), "NotFoundException");
        let names = block_on(client.alias_names(first)).unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["alias/b", "alias/c"]);
    });
}

#[test]
fn alias_names_and_targets_follow_the_rules() {
    on_each_store(|client, _| {
        let key = new_key(client);
        let create = |name: &str, key: &str| block_on(client.create_alias(name.into(), key.into()));
        for name in
            ["", "a", "alias/", "alias/a b", "alias/a:b", "alias/ü", &format!("alias/{}", "n".repeat(251))]
        {
            assert_refused(create(name, &key), "ValidationException");
        }
        create(&format!("alias/{}", "n".repeat(250)), &key).unwrap();
        for refused in [
            create("alias/aws/mine", &key),
            block_on(client.update_alias("alias/aws/mine".into(), key.clone())),
            block_on(client.delete_alias("alias/aws/mine".into())),
        ] {
            let error = assert_refused(refused, "NotAuthorizedException");
            assert_eq!((error.kind, error.message.as_str()), (KmsErrorKind::Denied, ""));
        }
        create("alias/first", &key).unwrap();
        for target in ["alias/first", "arn:aws:kms:local-1:000000000000:alias/first"] {
            let error = assert_refused(create("alias/second", target), "ValidationException");
            assert_eq!(error.message, "Aliases must refer to keys. Not aliases");
        }
        assert_refused(create("alias/second", "no-such-key"), "NotFoundException");
    });
}

#[test]
fn a_key_has_50_aliases_at_most() {
    on_each_store(|client, _| {
        let (key, other) = (new_key(client), new_key(client));
        for number in 0..50 {
            block_on(client.create_alias(format!("alias/{number}"), key.clone())).unwrap();
        }
        let error = assert_refused(
            block_on(client.create_alias("alias/50".into(), key.clone())),
            "LimitExceededException",
        );
        assert_eq!(error.kind, KmsErrorKind::LimitExceeded);
        block_on(client.create_alias("alias/50".into(), other)).unwrap();
        assert_refused(
            block_on(client.update_alias("alias/50".into(), key.clone())),
            "LimitExceededException",
        );
        // One that it has already does not count again.
        block_on(client.update_alias("alias/7".into(), key.clone())).unwrap();
        block_on(client.delete_alias("alias/7".into())).unwrap();
        block_on(client.update_alias("alias/50".into(), key)).unwrap();
    });
}

#[test]
fn a_due_key_that_cannot_be_wiped_yet_hinders_nobody() {
    let home = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at_unix_seconds(1_700_000_000));
    let open = || {
        let options = OpenOptions::new(home.path()).create(true).clock(clock.clone());
        EmbeddedKms::open(options).unwrap().client(DEFAULT_REGION)
    };
    let client = open();
    let (due, other) = (new_key(&client), new_key(&client));
    let request = EncryptRequest::new(other.clone(), SecretBytes::zeroed(8));
    let ciphertext = block_on(client.encrypt(request)).unwrap().ciphertext_blob;
    block_on(client.create_alias("alias/due".into(), due.clone())).unwrap();
    block_on(client.schedule_key_deletion(due.clone(), 7)).unwrap();
    clock.advance(DAY * 7);

    let database = rusqlite::Connection::open(home.path().join("kms.sqlite3")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = SystemClock.elapsed();
    for client in [client.clone(), open()] {
        block_on(client.decrypt(DecryptRequest::new(ciphertext.clone()))).unwrap();
        let described = block_on(KmsClient::describe_key(&client, due.clone()));
        assert_refused(described, "NotFoundException");
        assert_eq!(block_on(client.list_keys()).unwrap().len(), 1);
        assert!(block_on(client.list_aliases(None)).unwrap().is_empty());
    }
    assert!(SystemClock.elapsed() - begun < Duration::from_secs(30), "a read waited for the writer");

    // The next call that can wipe it does.
    let keys =
        || -> u32 { database.query_row("SELECT count(*) FROM kms_key", (), |row| row.get(0)).unwrap() };
    assert_eq!(keys(), 2);
    database.execute_batch("ROLLBACK").unwrap();
    block_on(client.decrypt(DecryptRequest::new(ciphertext))).unwrap();
    assert_eq!(keys(), 1);
}
