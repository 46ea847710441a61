//! What the tests across crates share: official SDKs as peers, and the runner of the official decrypt manifests. Private.
//!
//! - [`peer`]: official SDKs as running processes.
//! - [`keyring`]: keyrings described once, for envel and for the SDKs.
//! - [`crossing`]: messages that cross between envel and an SDK.
//! - [`every_way`]: each message by every way that envel has to make and to read one.
//! - [`pairwise`](mod@pairwise): test cases in which every pair of choices meets.
//! - [`memory`]: what the scan of a process's memory for secrets and its test say to each other.
//! - [`manifest`]: the official decrypt manifests and the verdict on each of their cases.

pub mod crossing;
pub mod every_way;
pub mod keyring;
pub mod manifest;
pub mod memory;
pub mod pairwise;
pub mod peer;

use std::io::Write;

/// Writes a line to the real standard error, which the test harness does not hide.
pub fn report(line: &str) {
    // A closed standard error is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "{line}");
}
