//! The guide's code is the examples' code, and the examples run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

#[path = "../../envel/examples/context.rs"]
mod context;
#[path = "../../envel/examples/envelope.rs"]
mod envelope;
#[path = "../../envel/examples/errors.rs"]
mod errors;
#[path = "../../envel/examples/inspect.rs"]
mod inspect;
#[path = "../../envel/examples/several_keys.rs"]
mod several_keys;
#[path = "../../envel/examples/signed.rs"]
mod signed;
#[path = "../../envel/examples/streams.rs"]
mod streams;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// Lines without their indentation, which differs between a page and a function.
fn unindented(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

/// The blocks of Rust code in a page of Markdown.
fn rust_blocks(page: &str) -> Vec<&str> {
    let blocks = page.split("```rust\n").skip(1);
    blocks.map(|rest| rest.split_once("\n```").expect("every block is closed").0).collect()
}

#[test]
fn every_block_of_the_guide_stands_in_an_example() {
    let guide = fs::read_to_string(workspace().join("docs/GUIDE.md")).unwrap();
    let examples: Vec<String> = fs::read_dir(workspace().join("crates/envel/examples"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let blocks = rust_blocks(&guide);
    assert!(blocks.len() > 10, "the guide has code: {} blocks", blocks.len());
    for block in blocks {
        let wanted = unindented(block);
        let stands_in =
            |example: &String| unindented(example).windows(wanted.len()).any(|lines| lines == wanted);
        assert!(examples.iter().any(stands_in), "no example has this block of the guide:\n{block}");
    }
}

#[test]
fn every_example_is_in_the_guide_and_is_tested_here() {
    let guide = fs::read_to_string(workspace().join("docs/GUIDE.md")).unwrap();
    let this_test = include_str!("guide.rs");
    for entry in fs::read_dir(workspace().join("crates/envel/examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(guide.contains(&format!("[{name}](../crates/envel/examples/{name}.rs)")), "{name}");
        assert!(this_test.contains(&format!("{name}::main()")), "{name}");
    }
}

#[test]
fn the_examples_run() {
    envelope::main().unwrap();
    context::main().unwrap();
    several_keys::main().unwrap();
    signed::main().unwrap();
    streams::main().unwrap();
    inspect::main().unwrap();
    errors::main().unwrap();
}
