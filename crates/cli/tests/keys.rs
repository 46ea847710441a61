//! The life of keys and of their store.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sandbox;

use std::fs;

use sandbox::{Ran, Sandbox};

fn listed(sandbox: &Sandbox) -> Vec<serde_json::Value> {
    let ran = sandbox.run(["key", "list", "--json"]).succeeds();
    serde_json::from_slice(ran.stdout()).unwrap()
}

#[test]
fn create_prints_the_arn_that_every_command_takes() {
    let sandbox = Sandbox::with_demo_key();
    let create = ["key", "create", "--alias", "backup", "--description", "nightly", "--region", "local-2"];
    let ran = sandbox.run(create).succeeds();
    let arn = String::from_utf8(ran.stdout().to_vec()).unwrap();
    let arn = arn.trim();
    assert!(arn.starts_with("arn:aws:kms:local-2:000000000000:key/"));
    assert_eq!(ran.stderr(), format!("embedded KMS at {}, Region local-2\n", sandbox.store()));
    for key in [arn, "local:backup@local-2", "arn:aws:kms:local-2:000000000000:alias/backup"] {
        let ran = sandbox.run(["key", "describe", "--json", key]).succeeds();
        let described: serde_json::Value = serde_json::from_slice(ran.stdout()).unwrap();
        assert_eq!((&described["arn"], &described["description"]), (&arn.into(), &"nightly".into()));
        assert_eq!(described["aliases"], serde_json::json!(["alias/backup"]));
    }
    sandbox.run(create).fails_saying(1, "error: alias/backup exists: it names arn:aws:kms:local-2:");
    let ran = sandbox.run(["key", "list", "--region", "local-2"]).succeeds();
    let table = String::from_utf8(ran.stdout().to_vec()).unwrap();
    assert_eq!(table.lines().count(), 2, "a name that is taken leaves no nameless key: {table}");
    assert!(table.starts_with("NAME    STATE    CREATED"), "{table}");
    assert!(table.lines().nth(1).unwrap().starts_with("backup  Enabled"), "{table}");
}

#[test]
fn a_disabled_key_opens_nothing_until_it_is_enabled() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &[]);
    sandbox.run(["key", "disable", "local:demo"]).succeeds();
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "p"]);
    assert_eq!(ran.code(), 6);
    assert!(ran.stderr().contains("DisabledException"), "{}", ran.stderr());
    assert!(ran.stderr().contains("help: `envel key describe KEY` shows its state; `envel key enable KEY`"));
    sandbox.write("a", b"x");
    sandbox.run(["encrypt", "-k", "local:demo", "a"]).fails_saying(6, "DisabledException");
    assert!(!sandbox.exists("p") && !sandbox.exists("a.envel"));
    sandbox.run(["key", "enable", "local:demo"]).succeeds();
    sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "p"]).succeeds();
}

#[test]
fn deletion_needs_a_disabled_key_and_consent_and_can_be_cancelled() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &[]);
    let delete = ["key", "schedule-deletion", "local:demo", "--pending-window-in-days", "7"];
    let ran = sandbox.run(delete.iter().chain(&["--yes"]));
    ran.fails_saying(4, "is not disabled, so it may be in use");
    sandbox.run(["key", "disable", "local:demo"]).succeeds();
    sandbox.run(delete).fails_saying(2, "help: give --yes if it shall");
    assert_eq!(listed(&sandbox)[0]["key_state"], "Disabled");

    sandbox.run(delete.iter().chain(&["--yes"])).succeeds();
    let key = &listed(&sandbox)[0];
    assert_eq!(key["key_state"], "PendingDeletion");
    assert!(key["deletion_date"].as_str().unwrap().ends_with('Z'));
    sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "-"]).fails_saying(6, "cancel-deletion");
    sandbox.run(["key", "enable", "local:demo"]).fails_saying(6, "KMSInvalidState");

    sandbox.run(["key", "cancel-deletion", "local:demo"]).succeeds();
    assert_eq!(listed(&sandbox)[0]["key_state"], "Disabled");
    sandbox.run(["key", "enable", "local:demo"]).succeeds();
    sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "-"]).succeeds();
    sandbox.run(delete.iter().chain(&["--yes", "--force"])).succeeds();
}

#[test]
fn a_backup_restored_elsewhere_decrypts() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &[]);
    let with_passphrase = |passphrase: &str, home: &str, arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.env("ENVEL_BACKUP_PASSPHRASE", passphrase).env("ENVEL_HOME", sandbox.path(home));
        Ran(command.output().unwrap())
    };
    sandbox.run(["kms", "backup", "b"]).fails(
        6,
        "error: the passphrase of the backup is needed, and there is no terminal to ask for it\nhelp: set \
         ENVEL_BACKUP_PASSPHRASE, or ENVEL_BACKUP_PASSPHRASE_FILE to a file that holds it\n",
    );
    with_passphrase("correct horse", "home", &["kms", "backup", "b"]).succeeds();
    assert_eq!(sandbox.mode("b"), 0o600);
    with_passphrase("correct horse", "home", &["kms", "backup", "b"]).fails_saying(2, "exists");
    with_passphrase("correct horse", "home", &["kms", "restore", "b"])
        .fails_saying(2, "a restore never replaces one");
    with_passphrase("wrong", "other", &["kms", "restore", "b"])
        .fails_saying(6, "the passphrase does not open");
    assert!(!sandbox.exists("other/kms"));
    with_passphrase("correct horse", "other", &["kms", "restore", "m"]).fails_saying(5, "is not a backup");
    with_passphrase("correct horse", "other", &["kms", "restore", "b"]).succeeds();
    fs::remove_dir_all(sandbox.home()).unwrap();
    let ran = with_passphrase("", "other", &["decrypt", "-k", "local:demo", "m", "-o", "-"]).succeeds();
    assert_eq!(ran.stdout(), b"x");
}

#[test]
fn a_store_with_a_passphrase_opens_with_it_alone() {
    let sandbox = Sandbox::empty();
    sandbox.write("a", b"x");
    let run = |variable: Option<(&str, &str)>, arguments: &[&str]| {
        Ran(sandbox.command(arguments).envs(variable).output().unwrap())
    };
    let right = Some(("ENVEL_PASSPHRASE", "correct horse"));
    run(right, &["encrypt", "-k", "local:demo", "a"]).succeeds();
    assert!(!sandbox.home().join("kms/root.key").exists());
    let decrypt = ["decrypt", "-k", "local:demo", "a.envel", "-o", "-"];
    assert_eq!(run(right, &decrypt).succeeds().stdout(), b"x");
    sandbox.write("passphrase", b"correct horse\n");
    assert_eq!(run(Some(("ENVEL_PASSPHRASE_FILE", "passphrase")), &decrypt).succeeds().stdout(), b"x");
    run(None, &decrypt).fails(
        6,
        "error: the passphrase of the store is needed, and there is no terminal to ask for it\nhelp: set ENVEL_PASSPHRASE, or \
         ENVEL_PASSPHRASE_FILE to a file that holds it\n",
    );
    let ran = run(Some(("ENVEL_PASSPHRASE", "incorrect")), &decrypt);
    assert!(!ran.stderr().contains("incorrect"), "a passphrase never shows");
    ran.fails_saying(6, "the passphrase does not open");
    run(Some(("ENVEL_PASSPHRASE", "")), &decrypt).fails_saying(2, "empty passphrase");
}

#[test]
fn a_store_whose_root_key_is_missing_or_wrong_is_refused_and_not_made_anew() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &[]);
    let root_key = sandbox.home().join("kms/root.key");
    let right = fs::read(&root_key).unwrap();
    fs::remove_file(&root_key).unwrap();
    sandbox.write("a", b"x");
    sandbox.run(["encrypt", "-k", "local:demo", "a"]).fails_saying(6, "root.key is missing");
    assert!(!root_key.exists());
    let other = Sandbox::with_demo_key();
    fs::copy(other.home().join("kms/root.key"), &root_key).unwrap();
    sandbox
        .run(["decrypt", "-k", "local:demo", "m", "-o", "-"])
        .fails_saying(6, "is not the root key of this store");
    fs::write(&root_key, right).unwrap();
    sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "-"]).succeeds();
}

#[test]
fn eight_processes_that_begin_with_the_stores_creation_share_it() {
    let sandbox = Sandbox::empty();
    let names: Vec<_> = (0..8).map(|number| format!("a{number}")).collect();
    let children: Vec<_> = names
        .iter()
        .map(|name| {
            sandbox.write(name, name);
            sandbox.command(["encrypt", "-k", "local:demo", name]).spawn().unwrap()
        })
        .collect();
    let mut creations = 0;
    for child in children {
        let ran = Ran(child.wait_with_output().unwrap()).succeeds();
        creations += usize::from(ran.stderr().contains("created a key store"));
    }
    assert_eq!(creations, 1);
    assert_eq!(listed(&sandbox).len(), 1, "one key");
    for name in &names {
        let ran =
            sandbox.run(["decrypt", "-k", "local:demo", &format!("{name}.envel"), "-o", "-"]).succeeds();
        assert_eq!(ran.stdout(), name.as_bytes());
    }
}

#[test]
fn the_first_encryption_makes_every_key_that_it_names_once() {
    let sandbox = Sandbox::empty();
    sandbox.write("a", b"x");
    let keys = ["-k", "local:one", "-k", "local:one", "-k", "local:two"];
    sandbox.run(["encrypt", "a"].iter().chain(&keys)).succeeds();
    let names: Vec<_> = listed(&sandbox).into_iter().map(|key| key["aliases"].clone()).collect();
    assert_eq!(names, [serde_json::json!(["alias/one"]), serde_json::json!(["alias/two"])]);
    sandbox.run(["decrypt", "-k", "local:two", "a.envel", "-o", "b"]).succeeds();
}

#[test]
fn an_empty_listing_is_a_listing() {
    let sandbox = Sandbox::with_demo_key();
    let ran = sandbox.run(["key", "list", "--region", "local-9", "--json", "-q"]).succeeds();
    assert_eq!((ran.stdout(), ran.stderr()), (&b"[]\n"[..], String::new()));
}
