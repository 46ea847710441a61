//! The engine of one thread and small messages under criterion, which remembers the last run and says what changed.
//!
//! For ratios to the limit in one run see `throughput`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use envel::{Client, DecryptOptions, DefaultManager, EncryptOptions, RawAesKeyring, SecretBytes};
use pollster::block_on;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Messages of one frame length, encrypted and decrypted into memory that is reused.
fn bench_messages(criterion: &mut Criterion, group: &str, options: &EncryptOptions, lengths: &[usize]) {
    let client = Client::default();
    let keyring = RawAesKeyring::new("bench", "key", &SecretBytes::zeroed(32)).unwrap();
    let manager = DefaultManager::new(Arc::new(keyring));
    let mut group = criterion.benchmark_group(group);
    for &message_len in lengths {
        let plaintext = vec![3; message_len];
        let mut message = Vec::new();
        group.throughput(Throughput::Bytes(message_len as u64));
        group.bench_function(BenchmarkId::new("encrypt", message_len), |bencher| {
            bencher.iter(|| {
                let encryption = block_on(client.start_encryption(&manager, options)).unwrap();
                black_box(encryption.seal_into(&plaintext, &mut message).unwrap());
            });
        });
        let message = block_on(client.encrypt(&manager, &plaintext, options)).unwrap().message;
        let mut opened = Vec::new();
        group.bench_function(BenchmarkId::new("decrypt", message_len), |bencher| {
            bencher.iter(|| {
                let options = DecryptOptions::new();
                block_on(client.decrypt_into(&manager, &message, &mut opened, &options)).unwrap();
                // The vector keeps its length, so that the next round need not clear memory.
                opened.resize(message.len(), 0);
            });
        });
    }
    group.finish();
}

fn engine(criterion: &mut Criterion) {
    let unsigned = EncryptOptions::new().threads(NonZeroUsize::MIN);
    bench_messages(criterion, "frames-64KiB", &unsigned.clone().frame_length(64 << 10), &[MIB]);
    bench_messages(criterion, "frames-4KiB", &unsigned.clone().frame_length(4096), &[MIB]);
    bench_messages(criterion, "signed", &unsigned.signed(true), &[MIB]);
}

fn small_messages(criterion: &mut Criterion) {
    bench_messages(criterion, "small", &EncryptOptions::new(), &[0, KIB, 16 * KIB]);
    bench_messages(criterion, "small-signed", &EncryptOptions::new().signed(true), &[KIB]);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = engine, small_messages
}
criterion_main!(benches);
