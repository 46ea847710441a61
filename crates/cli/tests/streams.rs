//! Pipes, base64, commands as inputs, signed messages that cannot be withheld, memory.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sandbox;

use std::fs;
use std::io::{self, Read, Write};
use std::process::{Child, Stdio};

use sandbox::Sandbox;

#[test]
fn stdin_goes_to_stdout_and_back() {
    let sandbox = Sandbox::with_demo_key();
    let encrypted = sandbox.run_with_stdin(b"x", ["encrypt", "-k", "local:demo"]).succeeds();
    assert_eq!(encrypted.stderr(), "");
    let decrypted =
        sandbox.run_with_stdin(encrypted.stdout(), ["decrypt", "-k", "local:demo", "-"]).succeeds();
    assert_eq!((decrypted.stdout(), decrypted.stderr()), (&b"x"[..], String::new()));
    assert!(sandbox.names().is_empty());
}

#[test]
fn binary_goes_to_stdout_with_a_dash() {
    let sandbox = Sandbox::with_demo_key();
    let bytes: Vec<u8> = (0..=255).collect();
    sandbox.message("m.envel", &bytes, &[]);
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "m.envel", "-o", "-"]).succeeds();
    assert_eq!(ran.stdout(), bytes);
    sandbox.run(["encrypt", "-k", "local:demo", "m.envel", "-o", "/dev/stdout"]).succeeds();
}

#[test]
fn armored_messages_are_text_and_are_recognised() {
    let sandbox = Sandbox::with_demo_key();
    let plaintext = vec![5; 300_000];
    for suite in [&["--commitment-policy", "forbid-encrypt-allow-decrypt"][..], &["--sign"], &[]] {
        sandbox.message("m", &plaintext, &[&["--armor", "--force"], suite].concat());
        let text = String::from_utf8(sandbox.read("m")).unwrap();
        assert!(text.ends_with('\n') && text.lines().all(|line| line.len() <= 76));
        let policy = ["--commitment-policy", "require-encrypt-allow-decrypt"];
        let decrypt = ["decrypt", "-k", "local:demo", "m", "-o", "p", "--force"];
        sandbox.run(decrypt.iter().chain(&policy)).succeeds();
        assert_eq!(sandbox.read("p"), plaintext);
        sandbox.run(["verify", "-k", "local:demo", "m"].iter().chain(&policy)).succeeds();
        sandbox.run(["inspect", "m"]).succeeds();
    }
    let cut = &sandbox.read("m")[..1001];
    sandbox.write("m", cut);
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "q"]);
    assert_ne!(ran.code(), 0);
    assert!(!sandbox.exists("q"));
}

#[test]
fn a_command_as_input_is_encrypted_if_it_succeeds() {
    let sandbox = Sandbox::with_demo_key();
    let encrypt = ["encrypt", "-q", "-k", "local:demo", "-o", "m.envel", "--stdin-from-command", "--"];
    sandbox.run(encrypt.iter().chain(&["printf", "%s", "x y"])).succeeds();
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "m.envel", "-o", "-"]).succeeds();
    assert_eq!(ran.stdout(), b"x y");
}

#[test]
fn a_failing_command_leaves_no_output() {
    let sandbox = Sandbox::with_demo_key();
    let encrypt = ["encrypt", "-k", "local:demo", "-o", "m.envel", "--stdin-from-command", "--"];
    sandbox.run(encrypt.iter().chain(&["sh", "-c", "head -c 3000000 /dev/zero; exit 9"])).fails(
        1,
        "error: sh failed: exit status: 9\nhelp: nothing was written; mend the command and run it again\n",
    );
    assert!(sandbox.names().is_empty());
    sandbox
        .run(encrypt.iter().chain(&["sh", "-c", "kill -9 $$"]))
        .fails_saying(1, "error: sh failed: signal: 9");
    sandbox
        .run(encrypt.iter().chain(&["no-such-command"]))
        .fails_saying(1, "error: cannot start no-such-command");
    assert!(sandbox.names().is_empty());
    for output in ["/dev/stdout", "/dev/null"] {
        sandbox
            .run(["encrypt", "-k", "local:demo", "-o", output, "--stdin-from-command", "--", "echo", "x"])
            .fails(2, "error: --stdin-from-command needs an output that can be withheld if the command fails\nhelp: name a file with -o\n");
    }
    sandbox.run(["encrypt", "-k", "local:demo", "--stdin-from-command", "--", "true"]).fails(
        2,
        "error: --stdin-from-command needs an output that can be withheld if the command fails\nhelp: name a file with -o\n",
    );
}

#[test]
fn more_than_the_expected_size_is_refused() {
    let sandbox = Sandbox::with_demo_key();
    let encrypt = ["encrypt", "-k", "local:demo", "-o", "m", "--expected-size", "10"];
    sandbox.run_with_stdin(&[0; 11], encrypt).fails(
        2,
        "error: stdin: the plaintext has more than the 10 bytes that were announced\nhelp: correct --expected-size; nothing was \
         written\n",
    );
    assert!(sandbox.names().is_empty());
    sandbox.run_with_stdin(&[0; 10], encrypt).succeeds();
}

#[test]
fn signed_plaintext_is_held_until_the_signature_verifies() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &[7; 300_000], &["--sign"]);
    let decrypt = ["decrypt", "-k", "local:demo", "m", "-o", "-"];
    assert_eq!(sandbox.run(decrypt).succeeds().stdout(), [7; 300_000]);

    let mut damaged = sandbox.read("m");
    *damaged.last_mut().unwrap() ^= 1;
    sandbox.write("m", damaged);
    let ran = sandbox.run(decrypt);
    assert_eq!((ran.code(), ran.stdout().len()), (5, 0), "nothing leaves: {}", ran.stderr());
}

#[test]
fn signed_plaintext_beyond_16_mib_needs_a_file_or_consent() {
    let sandbox = Sandbox::with_demo_key();
    let plaintext = vec![7; (16 << 20) + 1];
    sandbox.message("m", &plaintext, &["--sign"]);
    let decrypt = ["decrypt", "-k", "local:demo", "m"];
    sandbox.run(decrypt.iter().chain(&["-o", "-"])).fails(
        4,
        "error: m: a signed message is released after its signature, and more than 16777216 bytes would have to be held for it\n\
         help: write it to a file with -o FILE, or give --allow-unverified-streaming\n",
    );
    let ran = sandbox.run(decrypt.iter().chain(&["-o", "-", "--allow-unverified-streaming"])).succeeds();
    assert!(ran.stdout() == plaintext);
    sandbox.run(decrypt.iter().chain(&["-o", "p"])).succeeds();
    assert!(sandbox.read("p") == plaintext);

    sandbox.message("exact", &plaintext[1..], &["--sign"]);
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "exact", "-o", "-"]).succeeds();
    assert!(ran.stdout() == &plaintext[1..], "16 MiB are held");
}

#[test]
fn unsigned_frames_leave_as_each_is_verified() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &[7; 4 << 20], &[]);
    let mut message = sandbox.read("m");
    *message.last_mut().unwrap() ^= 1;
    sandbox.write("m", message);
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "-"]);
    assert_eq!(ran.code(), 5);
    assert!(ran.stdout().len() < 4 << 20 && ran.stdout().iter().all(|byte| *byte == 7));
}

#[test]
fn a_reader_that_goes_away_is_no_news() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &vec![7; 8 << 20], &[]);
    let mut child = sandbox.command(["decrypt", "-k", "local:demo", "m", "-o", "-"]).spawn().unwrap();
    let mut start = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_pipeline_of_256_mib_takes_little_memory() {
    pipeline(256 << 20);
}

#[test]
#[ignore = "soak: 10 GiB through two processes"]
fn a_pipeline_of_10_gib_takes_little_memory() {
    pipeline(10 << 30);
}

/// Zeros through `encrypt | decrypt`, with the peak memory of both.
#[expect(clippy::print_stdout, reason = "the soak test is run for this figure")]
fn pipeline(plaintext_len: u64) {
    const MAX_PEAK_KIB: u64 = 64 << 10;
    let sandbox = Sandbox::with_demo_key();
    let mut encrypt = sandbox.command(["encrypt", "-k", "local:demo"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut decrypt = sandbox
        .command(["decrypt", "-k", "local:demo"])
        .stdin(encrypt.stdout.take().unwrap())
        .spawn()
        .unwrap();
    let mut source = encrypt.stdin.take().unwrap();
    let mut sink = decrypt.stdout.take().unwrap();
    std::thread::spawn(move || {
        let zeros = vec![0; 1 << 20];
        for _ in 0..plaintext_len >> 20 {
            source.write_all(&zeros).unwrap();
        }
    });
    let mut buffer = vec![1; 1 << 20];
    let mut received = 0;
    let mut peaks = [0; 2];
    loop {
        let count = sink.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        assert!(buffer[..count].iter().all(|byte| *byte == 0));
        received += count as u64;
        // Less than this is under way between the two ends, so both processes are still at work.
        if received < plaintext_len - (16 << 20) {
            peaks = [peak_kib(&encrypt), peak_kib(&decrypt)];
        }
    }
    assert!(encrypt.wait().unwrap().success() && decrypt.wait().unwrap().success());
    assert_eq!(received, plaintext_len);
    println!("peak RSS of encrypt and decrypt: {} KiB and {} KiB", peaks[0], peaks[1]);
    assert!(peaks.iter().all(|peak| (1..MAX_PEAK_KIB).contains(peak)), "{peaks:?} KiB");
}

/// Peak resident memory of a running process.
fn peak_kib(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_long_input_that_nobody_ends_is_encrypted_as_it_comes() {
    let sandbox = Sandbox::with_demo_key();
    let mut child = sandbox.command(["encrypt", "-k", "local:demo"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        stdin.write_all(&vec![0; 32 << 20]).unwrap();
        // Kept open until the other side has been seen.
        let _ = ended.recv();
    });
    let mut start = vec![0; 1 << 20];
    child.stdout.as_mut().unwrap().read_exact(&mut start).unwrap();
    drop(end);
    io::copy(child.stdout.as_mut().unwrap(), &mut io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_full_disk_is_an_error_with_a_way_out() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.write("a", b"x");
    sandbox.run(["encrypt", "-k", "local:demo", "a", "-o", "/dev/full"]).fails(
        1,
        "error: a: cannot write to /dev/full: No space left on device (os error 28)\nhelp: make room and run the same command \
         again\n",
    );
}

#[test]
fn a_fifo_is_written_to_as_to_a_pipe() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &vec![7; (16 << 20) + 1], &["--sign"]);
    let fifo = sandbox.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = std::thread::spawn(move || fs::read(fifo).unwrap());
    let ran = sandbox.run(["decrypt", "-k", "local:demo", "m", "-o", "fifo"]);
    ran.fails_saying(4, "--allow-unverified-streaming");
    assert!(reader.join().unwrap().is_empty());
}

#[test]
fn a_stdout_that_takes_nothing_is_named() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &[]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut decrypt = sandbox.command(["decrypt", "-k", "local:demo", "m", "-o", "-"]);
    let output = decrypt.stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("error: stdout: "), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn the_command_that_is_read_from_does_not_get_passphrases() {
    let sandbox = Sandbox::with_demo_key();
    let names = [
        "ENVEL_PASSPHRASE_FILE",
        "ENVEL_PASSPHRASE",
        "ENVEL_BACKUP_PASSPHRASE",
        "ENVEL_BACKUP_PASSPHRASE_FILE",
    ];
    sandbox.write("aes.key", [9; 32]);
    let encrypt = ["encrypt", "-k", "raw-aes:n/a=aes.key", "-o", "m", "--stdin-from-command", "--", "env"];
    let mut encrypt = sandbox.command(encrypt);
    encrypt.envs(names.map(|name| (name, "secret"))).env("OTHER", "kept");
    assert!(encrypt.status().unwrap().success());
    let ran = sandbox.run(["decrypt", "-k", "raw-aes:n/a=aes.key", "m", "-o", "-"]).succeeds();
    let environment = String::from_utf8(ran.stdout().to_vec()).unwrap();
    assert!(environment.contains("OTHER=kept") && !environment.contains("secret"), "{environment}");
}

#[test]
fn damaged_base64_is_malformed() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &[7; 100_000], &["--armor"]);
    let mut text = sandbox.read("m");
    text[100_000] = b'!';
    sandbox.write("m", &text);
    for command in [&["verify", "m"][..], &["decrypt", "m", "-o", "out"]] {
        sandbox
            .run(command.iter().chain(&["-k", "local:demo"]))
            .fails_saying(5, "help: the base64 text is damaged");
    }
    text[10] = b'!';
    sandbox.write("m", &text);
    sandbox.run(["inspect", "m"]).fails_saying(5, "help: the base64 text is damaged");
}
