//! Help, manual page, completions, and messages described without keys.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod sandbox;

use sandbox::Sandbox;

#[test]
fn the_first_screen_of_help_says_how_to_begin() {
    let sandbox = Sandbox::empty();
    let ran = sandbox.run(["--help"]).succeeds();
    let help = String::from_utf8(ran.stdout().to_vec()).unwrap();
    let screen: String = help.lines().take(24).map(|line| format!("{line}\n")).collect();
    for words in
        ["envel encrypt -k local:demo notes.txt", "envel decrypt -k local:demo notes.txt.envel", "Commands:"]
    {
        assert!(screen.contains(words), "{words} is not in:\n{screen}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    let ran = sandbox.run(["--version"]).succeeds();
    assert_eq!(ran.stdout(), format!("envel {}\n", env!("CARGO_PKG_VERSION")).as_bytes());
    let ran = sandbox.run::<&str>([]);
    assert_eq!((ran.code(), ran.stdout().len()), (2, 0));
    assert!(ran.stderr().contains("Begin with:"));
}

#[test]
fn the_manual_page_and_completions_cover_every_command() {
    let sandbox = Sandbox::empty();
    let man = String::from_utf8(sandbox.run(["man"]).succeeds().stdout().to_vec()).unwrap();
    assert!(man.starts_with(".ie"));
    for words in
        ["ENVEL ENCRYPT", "ENVEL KEY SCHEDULE\\-DELETION", "ENVEL KMS RESTORE", "stdin\\-from\\-command"]
    {
        assert!(man.contains(words), "{words}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = sandbox.run(["completions", shell]).succeeds();
        assert!(String::from_utf8_lossy(ran.stdout()).contains("schedule-deletion"), "{shell}");
    }
}

#[test]
fn inspect_needs_no_key_and_says_that_nothing_is_verified() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &[7; 1000], &["-c", "tenant=42", "--frame-length", "300", "--sign"]);
    std::fs::remove_dir_all(sandbox.home()).unwrap();
    let ran = sandbox.run(["inspect", "--json", "m"]).succeeds();
    let message: serde_json::Value = serde_json::from_slice(ran.stdout()).unwrap();
    assert_eq!(message["verified"], false);
    assert_eq!(message["format_version"], 2);
    assert_eq!(message["algorithm_suite"]["id"], "0x0578");
    assert_eq!(message["encryption_context"]["tenant"], "42");
    assert_eq!(message["encrypted_data_keys"][0]["provider_id"], "aws-kms");
    assert_eq!((&message["frames"], &message["frame_length"]), (&4.into(), &300.into()));
    assert_eq!(message["plaintext_bytes"], 1000);
    let parts = ["header_bytes", "body_bytes", "footer_bytes"];
    let total: u64 = parts.iter().map(|part| message[part].as_u64().unwrap()).sum();
    assert_eq!(total, sandbox.read("m").len() as u64);

    let ran = sandbox.run(["inspect", "m"]).succeeds();
    let text = String::from_utf8(ran.stdout().to_vec()).unwrap();
    assert!(text.starts_with("verified         nothing"), "{text}");
    assert!(text.contains("\"tenant\" = \"42\""), "{text}");
}

#[test]
fn inspect_shows_what_there_is_of_a_cut_message() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", &[7; 1000], &[]);
    let message = sandbox.read("m");
    sandbox.write("m", &message[..message.len() - 1030]);
    let ran = sandbox.run(["inspect", "m"]);
    assert_eq!(ran.code(), 5);
    assert!(String::from_utf8_lossy(ran.stdout()).contains("algorithm suite"));
    assert!(ran.stderr().starts_with("error: m: the body does not divide into frames"), "{}", ran.stderr());
    sandbox.write("text", b"text");
    sandbox.run(["inspect", "text"]).fails_saying(5, "error: text:");
}

#[test]
fn what_a_stranger_wrote_cannot_control_the_terminal() {
    let sandbox = Sandbox::with_demo_key();
    sandbox.message("m", b"x", &["-c", "a=\u{1b}[2J\nverified yes"]);
    let ran = sandbox.run(["inspect", "m"]).succeeds();
    assert!(!ran.stdout().contains(&0x1b));
    assert!(String::from_utf8_lossy(ran.stdout()).contains(r#""a" = "\u{1b}[2J\nverified yes""#));
}
