//! The fence: which rooms of the library may use which, and words that may not occur in them.
//!
//! The table is the plan of the house in docs/ARCHITECTURE.md, in a form that fails. Tests beside the code are not checked.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// A room, the rooms that it may name as `crate::ROOM`, and words that it may not contain.
type Room = (&'static str, &'static [&'static str], &'static [&'static str]);

const IO: &[&str] = &["std::io", "std::fs", "tokio", "async ", "std::thread", "std::net"];

#[rustfmt::skip]
const LIBRARY: &[Room] = &[
    ("suite", &[], &["std::io", "std::fs", "tokio", "async ", "AeadKey", "rand::"]),
    ("message", &["error", "suite"], &["AeadKey", "DataKey", "SecretBytes", "hkdf", "std::io", "std::fs", "tokio", "async "]),
    ("materials", &["error", "keyring", "message", "suite"], IO),
    ("error", &["message", "suite"], &["std::fs", "tokio", "async ", "primitives"]),
    ("keyring", &["error", "suite"], &["std::io", "std::fs", "tokio", "std::thread"]),
    ("cmm", &["error", "keyring", "materials", "message", "suite"], &["std::io", "std::fs", "tokio", "std::thread", "aead"]),
    ("seal", &["error", "message", "suite"], IO),
    ("stream", &["Client", "DecryptOutput", "DecryptReader", "error", "materials", "message", "parallel", "seal", "suite"], &["std::fs", "AeadKey", "hkdf", "ecdsa"]),
    ("parallel", &["error", "message", "seal", "stream", "suite"], &["std::fs", "AeadKey", "hkdf", "ecdsa", "async "]),
    ("range", &["client", "cmm", "error", "materials", "message", "options", "seal", "stream", "suite", "yielding"], &["AeadKey", "hkdf", "ecdsa", "File::open"]),
    ("inspect", &["error", "message", "stream"], &["std::fs", "AeadKey", "DataKey", "async "]),
    ("options", &["client", "error", "message", "parallel", "stream", "suite"], &["std::fs", "std::io", "primitives"]),
    ("batch", &["client", "cmm", "error", "materials", "options", "stream", "suite"], &["std::fs", "std::io", "AeadKey", "hkdf"]),
    ("client", &["cmm", "error", "materials", "message", "options", "parallel", "range", "stream", "yielding"], &["std::fs", "primitives"]),
    ("yielding", &[], &["std::io", "std::fs", "tokio", "std::thread"]),
    ("lib", &[], &["fn ", "std::io", "std::fs"]),
];

/// Words that no room of either crate may contain.
const NOWHERE: &[&str] =
    &["Instant::now", "SystemTime::now", "println!", "eprintln!", "unsafe ", "std::process", "std::env"];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files
}

/// The lines of code, numbered from 1: neither comments nor what follows `#[cfg(test)]` before a module.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines().enumerate();
    let code = lines.filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.map(|(index, line)| (index + 1, line.to_owned())).collect()
}

/// Whether a line has this word, and not merely as the end of a longer one.
fn says(line: &str, word: &str) -> bool {
    let starts_a_word = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| starts_a_word(at))
}

fn room_of(root: &Path, path: &Path) -> String {
    let first = path.strip_prefix(root).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

#[test]
fn every_room_keeps_to_its_neighbours_and_its_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for path in sources(&root) {
        let name = room_of(&root, &path);
        let Some((_, neighbours, forbidden)) = LIBRARY.iter().find(|(room, ..)| *room == name) else {
            panic!("{}: no room of this name in the plan", path.display());
        };
        for (number, line) in code(&path) {
            let words = forbidden.iter().chain(NOWHERE).filter(|word| says(&line, word));
            faults.extend(words.map(|word| format!("{}:{number}: may not say {word:?}", path.display())));
            for named in line.split("crate::").skip(1) {
                let used: String = named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if used != name && !neighbours.contains(&used.as_str()) {
                    faults.push(format!("{}:{number}: may not use crate::{used}", path.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_cryptographic_library_has_one_door() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let door = crates.join("core/src/primitives");
    let clock = crates.join("core/src/clock.rs");
    let mut faults = Vec::new();
    for path in fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path().join("src")) {
        for path in sources(&path).into_iter().filter(|path| !path.starts_with(&door)) {
            let is_library = ["core", "envel", "kms"].iter().any(|name| path.starts_with(crates.join(name)));
            for (number, line) in code(&path) {
                if says(&line, "aws_lc_rs") || says(&line, "use argon2") {
                    faults.push(format!("{}:{number}: names a cryptographic library", path.display()));
                }
                let words = NOWHERE.iter().filter(|word| is_library && path != clock && says(&line, word));
                faults.extend(words.map(|word| format!("{}:{number}: may not say {word:?}", path.display())));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
