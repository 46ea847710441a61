//! Measures what it is asked on stdin, one request a line: `IMPLEMENTATION OPERATION SUITE MESSAGE_LEN THREADS REPEATS`.
//!
//! Every thread does OPERATION (`encrypt` or `decrypt`) REPEATS times, and the answer is the seconds until the last is done. What
//! an implementation was asked for last is kept, so that the driver can go round them many times in one run. The benches of
//! other languages answer the same requests. `peak-memory` answers the most KiB of memory that this process ever had.

mod aws_esdk;
mod limit;
mod measure;
mod ours;
mod streams;
mod tink;

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Write};

use measure::{Case, Operation, Request};

fn main() -> Result<(), Box<dyn Error>> {
    let mut cases: HashMap<String, Case> = HashMap::new();
    let mut answers = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line == "peak-memory" {
            writeln!(answers, "{}", peak_memory()?)?;
            continue;
        }
        let (request, repeats) = Request::parse(&line).ok_or_else(|| format!("not a request: {line}"))?;
        let case = match cases.get_mut(&request.implementation) {
            Some(case) if case.request == request => case,
            _ => {
                // Its memory goes before that of the next case comes.
                cases.remove(&request.implementation);
                let implementation = request.implementation.clone();
                cases.entry(implementation).or_insert(Case::start(request, operation)?)
            }
        };
        writeln!(answers, "{}", case.measure(repeats)?.as_secs_f64())?;
    }
    Ok(())
}

fn operation(request: &Request) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    match request.implementation.as_str() {
        "envel" => ours::fresh(request),
        "envel-reused" => ours::reused(request, 1),
        "envel-two-threads" => ours::reused(request, 2),
        "envel-cached" => ours::cached(request),
        "envel-batch" => ours::batch(request),
        "envel-stream" => streams::stream(request),
        "aws-esdk" => aws_esdk::operation(request),
        "tink" => tink::operation(request),
        "limit" => limit::operation(request),
        unknown => Err(format!("no implementation is called {unknown}").into()),
    }
}

/// The most memory that this process ever had, in KiB.
fn peak_memory() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").to_owned())
}
