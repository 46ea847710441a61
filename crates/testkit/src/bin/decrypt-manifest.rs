//! Runs an official decrypt manifest: `decrypt-manifest PATH/TO/MANIFEST.json [--net-v4-retry]`.
//!
//! Prints each case that fails with the reason, how many cases were skipped by the type of their keyring, and the totals on
//! the last line. Exits with 1 if a case failed and with 2 if the manifest could not be run.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use envel_testkit::manifest::{Manifest, RunOptions, Verdict};

const USAGE: &str = "usage: decrypt-manifest PATH/TO/MANIFEST.json [--net-v4-retry]";

fn main() -> ExitCode {
    let mut options = RunOptions::default();
    let mut paths = Vec::new();
    for argument in std::env::args_os().skip(1) {
        if argument == "--net-v4-retry" {
            options.net_v4_retry = true;
        } else {
            paths.push(PathBuf::from(argument));
        }
    }
    let [path] = paths.as_slice() else {
        envel_testkit::report(USAGE);
        return ExitCode::from(2);
    };
    let manifest = match Manifest::load(path) {
        Ok(manifest) => manifest,
        Err(error) => {
            envel_testkit::report(&format!("decrypt-manifest: {error}"));
            return ExitCode::from(2);
        }
    };
    match run(&manifest, &options, &mut io::stdout().lock()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            envel_testkit::report(&format!("decrypt-manifest: cannot write the verdicts: {error}"));
            ExitCode::from(2)
        }
    }
}

/// Writes the verdicts and returns how many cases failed.
fn run(manifest: &Manifest, options: &RunOptions, output: &mut impl Write) -> io::Result<usize> {
    let mut written = Ok(());
    let totals = manifest.run(options, |name, verdict| {
        if let (Verdict::Failed { reason }, Ok(())) = (verdict, &written) {
            written = writeln!(output, "failed: {name}: {reason}");
        }
    });
    written?;
    for (kind, count) in &totals.skipped {
        writeln!(output, "skipped: {count} {kind}")?;
    }
    let skipped = totals.skipped_in_all();
    writeln!(output, "{} passed, {} failed, {skipped} skipped", totals.passed, totals.failed)?;
    Ok(totals.failed)
}
