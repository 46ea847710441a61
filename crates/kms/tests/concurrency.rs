//! Many users of one store at once: threads, processes, and processes that are killed.
//!
//! A process here is this test program, started again to run `in_another_process` alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::future::Future;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use envel_core::kms::{CreateKeyRequest, DecryptRequest, EncryptRequest, GenerateDataKeyRequest};
use envel_core::primitives::rand;
use envel_core::{Clock, KmsClient, KmsControl, SecretBytes, SystemClock};
use envel_kms::{DEFAULT_REGION, EmbeddedKms, OpenOptions, Operation, RegionClient};
use pollster::block_on;

const TASK: &str = "ENVEL_KMS_TEST_TASK";
const DIRECTORY: &str = "ENVEL_KMS_TEST_DIRECTORY";

fn open(directory: &Path) -> EmbeddedKms {
    EmbeddedKms::open(OpenOptions::new(directory).create(true)).unwrap()
}

fn start(task: &str, directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_another_process", "--ignored", "--nocapture"])
        .env(TASK, task)
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a process reports until it ends: hexadecimal ciphertexts behind "answered ", in whole lines.
fn answered(child: &mut Child) -> impl Iterator<Item = Vec<u8>> + use<> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    std::iter::from_fn(move || {
        let mut line = String::new();
        while output.read_line(&mut line).unwrap() > 0 {
            if let Some((_, hex)) = line.strip_suffix('\n').and_then(|line| line.split_once("answered ")) {
                let digits = hex.as_bytes().chunks(2);
                let byte = |digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
                return Some(digits.map(byte).collect());
            }
            line.clear();
        }
        None
    })
}

fn report(ciphertext: &[u8]) {
    let hex: String = ciphertext.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut output = std::io::stdout().lock();
    writeln!(output, "answered {hex}").unwrap();
    output.flush().unwrap();
}

/// Makes a key and a ciphertext under it.
fn make_key_and_ciphertext(client: &RegionClient) -> Vec<u8> {
    let key = block_on(client.create_key(CreateKeyRequest::new())).unwrap().arn;
    let request = EncryptRequest::new(key.as_str(), SecretBytes::zeroed(8));
    block_on(client.encrypt(request)).unwrap().ciphertext_blob
}

/// Not a test but the body of the processes that tests start.
#[test]
#[ignore = "other tests run it in processes of their own"]
fn in_another_process() {
    let Ok(task) = std::env::var(TASK) else { return };
    let directory = std::env::var_os(DIRECTORY).unwrap();
    let directory = Path::new(&directory);
    match task.as_str() {
        "share" => share(directory),
        "create keys" => {
            let client = open(directory).client(DEFAULT_REGION);
            loop {
                report(&make_key_and_ciphertext(&client));
            }
        }
        "back up" => {
            let file = directory.with_extension("backup");
            open(directory).backup(file, &SecretBytes::copied_from(b"passphrase")).unwrap();
        }
        other => panic!("there is no task {other}"),
    }
}

/// Waits for the starting shot, then opens the store, which may not be there yet, and uses it.
fn share(directory: &Path) {
    while !directory.with_extension("go").exists() {
        thread::yield_now();
    }
    let client = open(directory).client(DEFAULT_REGION);
    let key = block_on(client.create_key(CreateKeyRequest::new())).unwrap().arn;
    let named = block_on(client.create_alias("alias/shared".into(), key.resource_id().into()));
    assert!(named.is_ok() || named.unwrap_err().code == "AlreadyExistsException");
    for round in 0..20 {
        let key = if round % 2 == 0 { "alias/shared" } else { key.as_str() };
        let made = block_on(client.generate_data_key(GenerateDataKeyRequest::new(key, 32))).unwrap();
        report(&made.ciphertext_blob);
    }
}

#[test]
fn eight_processes_that_make_a_store_get_one_with_one_root_key() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let directory = home.path().join(format!("store{round}"));
        let mut children: Vec<_> = (0..8).map(|_| start("share", &directory)).collect();
        fs::write(directory.with_extension("go"), b"").unwrap();
        let ciphertexts: Vec<_> = children.iter_mut().flat_map(answered).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(ciphertexts.len(), 8 * 20);
        let client = open(&directory).client(DEFAULT_REGION);
        for ciphertext in ciphertexts {
            assert_eq!(
                block_on(client.decrypt(DecryptRequest::new(ciphertext))).unwrap().plaintext.len(),
                32
            );
        }
        assert_eq!(block_on(client.list_keys()).unwrap().len(), 8);
        assert_eq!(block_on(client.list_aliases(None)).unwrap().len(), 1);
        assert!(!directory.join("root.key.new").exists() && !directory.join("kms.sqlite3.new").exists());
    }
}

#[test]
fn a_key_that_was_answered_survives_a_kill() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("store");
    let mut ciphertexts = Vec::new();
    for _ in 0..10 {
        let mut child = start("create keys", &directory);
        let mut answers = answered(&mut child);
        ciphertexts.push(answers.next().expect("a first key"));
        thread::sleep(random_duration(Duration::ZERO, Duration::from_millis(100)));
        child.kill().unwrap();
        ciphertexts.extend(answers);
        child.wait().unwrap();
    }
    let client = open(&directory).client(DEFAULT_REGION);
    for ciphertext in ciphertexts {
        assert!(block_on(client.decrypt(DecryptRequest::new(ciphertext))).is_ok());
    }
}

#[test]
fn a_kill_while_a_store_is_made_leaves_one_that_opens_or_none() {
    let home = tempfile::tempdir().unwrap();
    let milestones = ["kms.lock", "root.key.new", "kms.sqlite3.new", "kms.sqlite3", "root.key"];
    for round in 0..40 {
        let directory = home.path().join(round.to_string());
        let mut child = start("create keys", &directory);
        let milestone = directory.join(milestones[round % milestones.len()]);
        // Those that are renamed may come and go between two looks.
        while !milestone.exists() && !directory.join("root.key").exists() {
            assert!(child.try_wait().unwrap().is_none(), "the process failed");
            thread::yield_now();
        }
        thread::sleep(random_duration(Duration::ZERO, Duration::from_millis(3)));
        child.kill().unwrap();
        let ciphertexts: Vec<_> = answered(&mut child).collect();
        child.wait().unwrap();
        let client = open(&directory).client(DEFAULT_REGION);
        for ciphertext in ciphertexts {
            assert!(block_on(client.decrypt(DecryptRequest::new(ciphertext))).is_ok());
        }
        let ciphertext = make_key_and_ciphertext(&client);
        let client = open(&directory).client(DEFAULT_REGION);
        assert!(block_on(client.decrypt(DecryptRequest::new(ciphertext))).is_ok());
    }
}

fn random_duration(least: Duration, most: Duration) -> Duration {
    let mut bytes = [0; 4];
    rand::fill(&mut bytes).unwrap();
    least + (most - least).mul_f64(f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX))
}

#[test]
fn sixty_four_threads_share_one_handle() {
    let home = tempfile::tempdir().unwrap();
    let kms = open(home.path());
    let key = block_on(kms.client(DEFAULT_REGION).create_key(CreateKeyRequest::new())).unwrap().arn;
    thread::scope(|scope| {
        for thread in 0..64usize {
            let (client, key) = (kms.clone().client(DEFAULT_REGION), key.as_str());
            scope.spawn(move || {
                for _ in 0..10 {
                    let request = EncryptRequest::new(key, SecretBytes::copied_from(&thread.to_be_bytes()));
                    let blob = block_on(client.encrypt(request)).unwrap().ciphertext_blob;
                    let opened = block_on(client.decrypt(DecryptRequest::new(blob))).unwrap();
                    assert_eq!(opened.plaintext.expose_secret(), thread.to_be_bytes());
                }
            });
        }
    });
    let counts = kms.call_counts();
    assert_eq!((counts.of(Operation::Encrypt), counts.of(Operation::Decrypt)), (640, 640));
}

#[test]
fn a_backup_of_a_store_in_use_is_of_one_moment() {
    let home = tempfile::tempdir().unwrap();
    let (directory, file) = (home.path().join("store"), home.path().join("backup"));
    let kms = open(&directory);
    make_key_and_ciphertext(&kms.client(DEFAULT_REGION));
    let mut child = start("create keys", &directory);
    let mut answers = answered(&mut child);
    assert!(answers.next().is_some());
    let passphrase = SecretBytes::copied_from(b"passphrase");
    kms.backup(&file, &passphrase).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let elsewhere = home.path().join("elsewhere");
    EmbeddedKms::restore(&file, &elsewhere, &passphrase, None).unwrap();
    let restored = open(&elsewhere).client(DEFAULT_REGION);
    let keys = block_on(restored.list_keys()).unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        let request = EncryptRequest::new(key.arn.as_str(), SecretBytes::zeroed(1));
        assert!(block_on(restored.encrypt(request)).is_ok());
    }
}

#[test]
fn a_poll_does_not_wait_for_the_store() {
    let home = tempfile::tempdir().unwrap();
    let client = open(home.path()).client(DEFAULT_REGION);
    let writer = rusqlite::Connection::open(home.path().join("kms.sqlite3")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut created = client.create_key(CreateKeyRequest::new());
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        assert!(matches!(pin!(&mut created).poll(&mut context), Poll::Pending));
        thread::sleep(Duration::from_millis(20));
    }
    writer.execute_batch("ROLLBACK").unwrap();
    assert!(block_on(created).is_ok());
}

#[test]
fn a_call_whose_future_was_dropped_does_not_disturb_the_next() {
    let home = tempfile::tempdir().unwrap();
    let client = open(home.path()).client(DEFAULT_REGION);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10 {
        let mut created = client.create_key(CreateKeyRequest::new());
        let _ = pin!(&mut created).poll(&mut context);
    }
    // Never polled: never called.
    drop(client.create_key(CreateKeyRequest::new()));
    assert_eq!(block_on(client.list_keys()).unwrap().len(), 10);
}

#[test]
fn closing_does_not_wait_long_for_a_call_that_nobody_waits_for() {
    let home = tempfile::tempdir().unwrap();
    let client = open(home.path()).client(DEFAULT_REGION);
    let writer = rusqlite::Connection::open(home.path().join("kms.sqlite3")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..10 {
        let mut created = client.create_key(CreateKeyRequest::new());
        assert!(pin!(&mut created).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    // By now the worker is at the first of them.
    thread::sleep(Duration::from_millis(200));
    let begun = SystemClock.elapsed();
    drop(client);
    assert!(SystemClock.elapsed() - begun < Duration::from_secs(20));
}

#[test]
fn reads_go_on_while_another_process_writes() {
    let home = tempfile::tempdir().unwrap();
    let client = open(home.path()).client(DEFAULT_REGION);
    let ciphertext = make_key_and_ciphertext(&client);
    let writer = rusqlite::Connection::open(home.path().join("kms.sqlite3")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE kms_key SET description = 'changed'").unwrap();
    assert!(block_on(client.decrypt(DecryptRequest::new(ciphertext))).is_ok());
    let listed = block_on(client.list_keys()).unwrap();
    let described = block_on(client.describe_key(listed[0].arn.to_string())).unwrap();
    assert_eq!(described.description, "");
    writer.execute_batch("COMMIT").unwrap();
    let described = block_on(client.describe_key(listed[0].arn.to_string())).unwrap();
    assert_eq!(described.description, "changed");
}

/// POSIX forgets a process's locks on a file when the process closes any descriptor of it.
#[cfg(target_os = "linux")]
#[test]
fn looking_at_an_open_store_again_does_not_loosen_its_locks() {
    use std::os::unix::fs::MetadataExt;
    let home = tempfile::tempdir().unwrap();
    let client = open(home.path()).client(DEFAULT_REGION);
    make_key_and_ciphertext(&client);
    let database = home.path().join("kms.sqlite3");
    // SQLite's shared lock: 510 bytes from 1 GiB + 2.
    let lock = format!(":{} 1073741826 1073742335", fs::metadata(&database).unwrap().ino());
    let is_locked = || fs::read_to_string("/proc/locks").unwrap().contains(&lock);
    assert!(is_locked());
    drop(open(home.path()));
    assert!(EmbeddedKms::exists(home.path()));
    assert!(!EmbeddedKms::needs_passphrase(home.path()).unwrap());
    assert!(is_locked());
    // The counterproof: this is what loosens them.
    drop(fs::File::open(&database).unwrap());
    assert!(!is_locked());
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_dies_while_it_writes_a_backup_leaves_no_file() {
    use std::os::unix::process::ExitStatusExt;
    const SIGXFSZ: i32 = 25;

    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("store");
    let client = open(&directory).client(DEFAULT_REGION);
    for _ in 0..200 {
        make_key_and_ciphertext(&client);
    }
    drop(client);
    // The kernel kills it where the backup, larger than the store's other new files, passes 64 KiB.
    let status = Command::new("sh")
        .args(["-c", "ulimit -c 0; ulimit -f 128; exec \"$0\" --exact in_another_process --ignored"])
        .arg(std::env::current_exe().unwrap())
        .env(TASK, "back up")
        .env(DIRECTORY, &directory)
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(SIGXFSZ));
    let names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["store"]);
}
