//! Reading 1 KiB out of a big message, beside the least that it can take: verifying a header and opening one frame.
//!
//! Prints a table: medians in microseconds, and ratios to the least measured in the same round.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)]

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use envel::{
    Client, Clock, DecryptOptions, DefaultManager, EncryptOptions, OpenMessage, RangeProof, RawAesKeyring,
    ReadAt, SecretBytes, SystemClock,
};
use pollster::block_on;

const ROUNDS: usize = 15;
const REPEATS: u32 = 500;
const MESSAGE_LEN: usize = 256 << 20;
const RANGE_LEN: usize = 1024;

struct Case {
    name: String,
    run: Box<dyn FnMut()>,
}

fn manager() -> DefaultManager {
    DefaultManager::new(Arc::new(RawAesKeyring::new("bench", "key", &SecretBytes::zeroed(32)).unwrap()))
}

fn encrypted(length: usize, frame_length: u32) -> Vec<u8> {
    let options = EncryptOptions::new().frame_length(frame_length);
    block_on(Client::default().encrypt(&manager(), &vec![3; length], &options)).unwrap().message
}

/// A whole message of one frame: header verified, frame opened, output reused.
fn least(frame_length: u32) -> Case {
    let (client, manager) = (Client::default(), manager());
    let message = encrypted(frame_length as usize, frame_length);
    let mut plaintext = Vec::new();
    let options = DecryptOptions::new().threads(NonZeroUsize::MIN);
    let run = Box::new(move || {
        block_on(client.decrypt_into(&manager, &message, &mut plaintext, &options)).unwrap();
        plaintext.resize(message.len(), 0);
        black_box(&plaintext);
    });
    Case { name: format!("header and one frame of {frame_length}"), run }
}

/// Positions all over the message, so that no frame is in the processor's cache by chance.
struct Positions(u64);

impl Positions {
    fn next(&mut self) -> u64 {
        self.0 = (self.0 + 7919 * 65536) % (MESSAGE_LEN as u64 - (1 << 20));
        self.0
    }
}

fn opened<S: ReadAt>(source: S) -> OpenMessage<S> {
    block_on(Client::default().open_at(&manager(), source, &DecryptOptions::new())).unwrap()
}

/// Opens the message and reads one range.
fn first<S: ReadAt + Clone + 'static>(name: &str, source: S, proof: RangeProof) -> Case {
    let (client, manager, mut positions) = (Client::default(), manager(), Positions(0));
    let mut out = vec![0; RANGE_LEN];
    let run = Box::new(move || {
        let message = block_on(client.open_at(&manager, source.clone(), &DecryptOptions::new())).unwrap();
        message.decrypt_range_into(positions.next(), &mut out, proof).unwrap();
        black_box(&out);
    });
    Case { name: format!("{name}: open, 1 KiB, {proof:?}"), run }
}

/// Reads one more range of an open message.
fn further<S: ReadAt + 'static>(name: &str, source: S, proof: RangeProof) -> Case {
    let (message, mut positions) = (opened(source), Positions(0));
    let mut out = vec![0; RANGE_LEN];
    let run = Box::new(move || {
        message.decrypt_range_into(positions.next(), &mut out, proof).unwrap();
        black_box(&out);
    });
    Case { name: format!("{name}: 1 KiB more, {proof:?}"), run }
}

fn cases(frame_length: u32) -> Vec<Case> {
    use RangeProof::{FramesOnly, WithEnd};
    let message = Arc::new(encrypted(MESSAGE_LEN, frame_length));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&message).unwrap();
    let file: Arc<File> = Arc::new(file);
    vec![
        least(frame_length),
        first("memory", message.clone(), FramesOnly),
        first("memory", message.clone(), WithEnd),
        further("memory", message, FramesOnly),
        first("file", file.clone(), FramesOnly),
        first("file", file.clone(), WithEnd),
        further("file", file, FramesOnly),
    ]
}

fn main() {
    println!("| work, one thread, medians of {ROUNDS} interleaved rounds | µs | of header and frame |");
    println!("|---|---:|---:|");
    for frame_length in [65536, 4096] {
        let mut cases = cases(frame_length);
        let mut times = vec![Vec::new(); cases.len()];
        for round in 0..=ROUNDS {
            for (case, times) in cases.iter_mut().zip(&mut times) {
                let start = SystemClock.elapsed();
                (0..REPEATS).for_each(|_| (case.run)());
                if round > 0 {
                    times.push((SystemClock.elapsed() - start).as_secs_f64() / f64::from(REPEATS) * 1e6);
                }
            }
        }
        for (case, of_case) in cases.iter().zip(&times) {
            let ratios = of_case.iter().zip(&times[0]).map(|(time, least)| time / least).collect();
            println!("| {} | {:.1} | {:.2} |", case.name, median(of_case.clone()), median(ratios));
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
