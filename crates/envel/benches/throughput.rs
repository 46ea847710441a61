//! Throughput beside its limit on one thread, AES-256-GCM of the cryptographic library itself, in one interleaved run.
//!
//! Prints a table: medians in MB/s (10^6 bytes), and ratios to the limit measured in the same round.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)]

use std::hint::black_box;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use envel::primitives::aead::{AeadAlgorithm, AeadKey};
use envel::{
    AlgorithmSuiteId, BoxFuture, Client, Clock, DecryptOptions, DecryptionMaterials,
    DecryptionMaterialsRequest, DefaultManager, EncryptOptions, EncryptionContext, EncryptionMaterials,
    EncryptionMaterialsRequest, Error, Keyring, MaterialsManager, OpenedBy, RawAesKeyring, SecretBytes,
    SystemClock, WrapRequest,
};
use pollster::block_on;

const ROUNDS: usize = 15;

/// Bytes that one measurement works on, at least.
const BYTES_PER_MEASUREMENT: usize = 64 << 20;

const LIMIT_PIECE: usize = 64 << 10;

struct Case {
    name: &'static str,
    message_len: usize,
    run: Box<dyn FnMut()>,
}

fn manager() -> DefaultManager {
    DefaultManager::new(Arc::new(RawAesKeyring::new("bench", "key", &SecretBytes::zeroed(32)).unwrap()))
}

fn limit_case(name: &'static str, is_open: bool) -> Case {
    let key = AeadKey::new(AeadAlgorithm::Aes256Gcm, &[7; 32]).unwrap();
    let mut buffer = vec![1; LIMIT_PIECE];
    let mut plaintext = vec![0; LIMIT_PIECE];
    let tag = key.seal_in_place(&[0; 12], b"aad", &mut buffer).unwrap();
    let run = Box::new(move || {
        if is_open {
            key.open_into(&[0; 12], b"aad", &buffer, &tag, &mut plaintext).unwrap();
        } else {
            black_box(key.seal_in_place(&[0; 12], b"aad", &mut buffer).unwrap());
        }
    });
    Case { name, message_len: LIMIT_PIECE, run }
}

/// What the messages of a case look like, and how many threads work at one.
#[derive(Clone, Copy)]
struct Shape {
    suite: AlgorithmSuiteId,
    message_len: usize,
    frame_length: u32,
    threads: usize,
}

impl Shape {
    fn encrypt_options(self) -> EncryptOptions {
        let options = EncryptOptions::new().algorithm_suite(self.suite).frame_length(self.frame_length);
        options.threads(NonZeroUsize::new(self.threads).unwrap())
    }

    fn decrypt_options(self) -> DecryptOptions {
        DecryptOptions::new().threads(NonZeroUsize::new(self.threads).unwrap())
    }

    fn message(self) -> Vec<u8> {
        let plaintext = vec![3; self.message_len];
        block_on(Client::default().encrypt(&manager(), &plaintext, &self.encrypt_options())).unwrap().message
    }
}

/// A reader that costs nothing: what it "reads" is there already.
struct Endless(usize);

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = out.len().min(self.0);
        self.0 -= count;
        Ok(count)
    }

    fn read_vectored(&mut self, outs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
        let room: usize = outs.iter().map(|out| out.len()).sum();
        let count = room.min(self.0);
        self.0 -= count;
        Ok(count)
    }
}

/// A sink that only counts.
struct Sink(u64);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += black_box(bytes).len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn seal_case(name: &'static str, shape: Shape) -> Case {
    let (client, manager) = (Client::default(), manager());
    let (options, message_len) = (shape.encrypt_options(), shape.message_len);
    let plaintext = vec![3; message_len];
    let mut message = Vec::new();
    let run = Box::new(move || {
        let encryption = block_on(client.start_encryption(&manager, &options)).unwrap();
        encryption.seal_into(&plaintext, &mut message).unwrap();
        black_box(&message);
    });
    Case { name, message_len: shape.message_len, run }
}

fn fresh_case(name: &'static str, shape: Shape) -> Case {
    let (client, manager) = (Client::default(), manager());
    let (options, message_len) = (shape.encrypt_options(), shape.message_len);
    let plaintext = vec![3; message_len];
    let run = Box::new(move || {
        black_box(block_on(client.encrypt(&manager, &plaintext, &options)).unwrap());
    });
    Case { name, message_len: shape.message_len, run }
}

fn copy_case(name: &'static str, shape: Shape) -> Case {
    let (client, manager) = (Client::default(), manager());
    let (options, message_len) = (shape.encrypt_options(), shape.message_len);
    let run = Box::new(move || {
        let encryption = block_on(client.start_encryption(&manager, &options)).unwrap();
        encryption.copy(&mut Endless(message_len), &mut Sink(0)).unwrap();
    });
    Case { name, message_len: shape.message_len, run }
}

fn open_case(name: &'static str, shape: Shape) -> Case {
    let (client, manager) = (Client::default(), manager());
    let (options, message) = (shape.decrypt_options(), shape.message());
    let mut plaintext = Vec::new();
    let run = Box::new(move || {
        let decryption = block_on(client.start_decryption(&manager, &message, &options)).unwrap();
        decryption.open_into(&mut plaintext).unwrap();
        // The vector keeps its length, so that the next round need not clear memory.
        plaintext.resize(message.len(), 0);
        black_box(&plaintext);
    });
    Case { name, message_len: shape.message_len, run }
}

fn stream_open_case(name: &'static str, shape: Shape) -> Case {
    let (client, manager) = (Client::default(), manager());
    let (options, message) = (shape.decrypt_options(), shape.message());
    let run = Box::new(move || {
        let pending = client.read_header(&message[..]).unwrap();
        let mut reader = block_on(client.open(&manager, pending, &options)).unwrap();
        reader.copy_to(&mut Sink(0)).unwrap();
    });
    Case { name, message_len: shape.message_len, run }
}

/// A manager that hands out one set of materials: what a cache does.
#[derive(Debug)]
struct ReusedMaterials {
    encryption: Arc<EncryptionMaterials>,
    decryption: Arc<DecryptionMaterials>,
}

impl ReusedMaterials {
    fn new(suite: AlgorithmSuiteId) -> Self {
        let suite = suite.suite();
        let keyring = RawAesKeyring::new("bench", "key", &SecretBytes::zeroed(32)).unwrap();
        let context = EncryptionContext::new();
        let outcome = block_on(keyring.wrap_data_key(WrapRequest::generate(suite, &context))).unwrap();
        let data_key = outcome.generated.unwrap();
        let opened_by = OpenedBy::new(0, &outcome.wrapped[0].encrypted_data_key, None);
        let decryption = DecryptionMaterials::new(
            suite,
            context.clone(),
            &[],
            data_key.duplicate_secret(),
            opened_by,
            None,
        );
        let encryption = EncryptionMaterials::new(suite, context, &[], data_key, outcome.wrapped, None);
        Self { encryption: Arc::new(encryption.unwrap()), decryption: Arc::new(decryption.unwrap()) }
    }
}

impl MaterialsManager for ReusedMaterials {
    fn encryption_materials<'a>(
        &'a self,
        _: EncryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<EncryptionMaterials>, Error>> {
        Box::pin(std::future::ready(Ok(self.encryption.clone())))
    }

    fn decryption_materials<'a>(
        &'a self,
        _: DecryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<DecryptionMaterials>, Error>> {
        Box::pin(std::future::ready(Ok(self.decryption.clone())))
    }
}

fn reused_seal_case(name: &'static str, suite: AlgorithmSuiteId, message_len: usize) -> Case {
    let (client, manager) = (Client::default(), ReusedMaterials::new(suite));
    let options = EncryptOptions::new();
    let plaintext = vec![3; message_len];
    let mut message = Vec::new();
    let run = Box::new(move || {
        block_on(client.encrypt_into(&manager, &plaintext, &mut message, &options)).unwrap();
        black_box(&message);
    });
    Case { name, message_len, run }
}

fn batch_case(name: &'static str, suite: AlgorithmSuiteId, message_len: usize) -> Case {
    let manager = ReusedMaterials::new(suite);
    let batch = block_on(Client::default().start_batch(&manager, &EncryptOptions::new())).unwrap();
    let plaintext = vec![3; message_len];
    let mut message = Vec::new();
    let run = Box::new(move || {
        batch.encrypt_into(&plaintext, &mut message).unwrap();
        black_box(&message);
    });
    Case { name, message_len, run }
}

fn reused_open_case(name: &'static str, suite: AlgorithmSuiteId, message_len: usize) -> Case {
    let (client, manager) = (Client::default(), ReusedMaterials::new(suite));
    let message = block_on(client.encrypt(&manager, &vec![3; message_len], &EncryptOptions::new())).unwrap();
    let mut plaintext = Vec::new();
    let options = DecryptOptions::new();
    let run = Box::new(move || {
        block_on(client.decrypt_into(&manager, &message.message, &mut plaintext, &options)).unwrap();
        black_box(&plaintext);
    });
    Case { name, message_len, run }
}

fn main() {
    use AlgorithmSuiteId::{
        Aes256GcmHkdfSha512CommitKey as V2, Aes256GcmHkdfSha512CommitKeyEcdsaP384 as SIGNED,
    };
    const MIB: usize = 1 << 20;
    let shape = |message_len, frame_length| Shape { suite: V2, message_len, frame_length, threads: 1 };
    let signed = Shape { suite: SIGNED, ..shape(MIB, 64 << 10) };
    let two = |shape| Shape { threads: 2, ..shape };
    let mut cases = vec![
        limit_case("limit: AES-256-GCM seal in place, 64 KiB", false),
        limit_case("limit: AES-256-GCM open, 64 KiB", true),
        seal_case("seal from a slice, 1 MiB, 64 KiB frames", shape(MIB, 64 << 10)),
        seal_case("seal from a slice, 1 MiB, 4 KiB frames", shape(MIB, 4096)),
        seal_case("seal from a slice, 1 MiB, 1 MiB frames", shape(MIB, 1 << 20)),
        seal_case("seal from a slice, 16 MiB, 64 KiB frames", shape(16 * MIB, 64 << 10)),
        seal_case("seal from a slice, 16 MiB, 64 KiB frames, 2 threads", two(shape(16 * MIB, 64 << 10))),
        seal_case("seal from a slice, 100 MiB, 64 KiB frames", shape(100 * MIB, 64 << 10)),
        seal_case("seal from a slice, 100 MiB, 64 KiB frames, 2 threads", two(shape(100 * MIB, 64 << 10))),
        copy_case("seal fed by a reader, 64 MiB, 64 KiB frames", shape(64 * MIB, 64 << 10)),
        copy_case("seal fed by a reader, 64 MiB, 64 KiB frames, 2 threads", two(shape(64 * MIB, 64 << 10))),
        copy_case("seal fed by a reader, 64 MiB, 4 KiB frames", shape(64 * MIB, 4096)),
        fresh_case("encrypt into a fresh vector, 100 MiB, 64 KiB frames", shape(100 * MIB, 64 << 10)),
        open_case("open from a slice, 1 MiB, 64 KiB frames", shape(MIB, 64 << 10)),
        open_case("open from a slice, 1 MiB, 4 KiB frames", shape(MIB, 4096)),
        open_case("open from a slice, 16 MiB, 64 KiB frames", shape(16 * MIB, 64 << 10)),
        open_case("open from a slice, 16 MiB, 64 KiB frames, 2 threads", two(shape(16 * MIB, 64 << 10))),
        open_case("open from a slice, 100 MiB, 64 KiB frames", shape(100 * MIB, 64 << 10)),
        open_case("open from a slice, 100 MiB, 64 KiB frames, 2 threads", two(shape(100 * MIB, 64 << 10))),
        stream_open_case("open as a stream, 64 MiB, 64 KiB frames", shape(64 * MIB, 64 << 10)),
        stream_open_case(
            "open as a stream, 64 MiB, 64 KiB frames, 2 threads",
            two(shape(64 * MIB, 64 << 10)),
        ),
        seal_case("seal from a slice, signed, 1 MiB, 64 KiB frames", signed),
        open_case("open from a slice, signed, 1 MiB, 64 KiB frames", signed),
        seal_case("1 KiB messages: encrypt, a new data key each", shape(1024, 64 << 10)),
        reused_seal_case("1 KiB messages: encrypt, materials reused", V2, 1024),
        batch_case("1 KiB messages: encrypt, a batch", V2, 1024),
        reused_open_case("1 KiB messages: decrypt, materials reused", V2, 1024),
    ];
    let mut speeds = vec![Vec::new(); cases.len()];
    for round in 0..=ROUNDS {
        for (case, speeds) in cases.iter_mut().zip(&mut speeds) {
            let repeats = (BYTES_PER_MEASUREMENT / case.message_len).clamp(1, 20_000);
            let start = SystemClock.elapsed();
            (0..repeats).for_each(|_| (case.run)());
            let seconds = (SystemClock.elapsed() - start).as_secs_f64();
            if round > 0 {
                speeds.push((case.message_len * repeats) as f64 / seconds / 1e6);
            }
        }
    }
    let ratio = |index: usize, limit: usize| {
        let ratios = speeds[index].iter().zip(&speeds[limit]).map(|(speed, limit)| speed / limit).collect();
        median(ratios)
    };
    println!(
        "| work, on one thread unless said, medians of {ROUNDS} interleaved rounds | MB/s | of the limit | a second |"
    );
    println!("|---|---:|---:|---:|");
    for (index, case) in cases.iter().enumerate() {
        let limit = usize::from(case.name.contains("open") || case.name.contains("decrypt"));
        let speed = median(speeds[index].clone());
        let rate = speed * 1e6 / case.message_len as f64;
        println!("| {} | {speed:.0} | {:.2} | {rate:.0} |", case.name, ratio(index, limit));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
