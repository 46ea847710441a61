//! A fixed set of work to count the instructions of: `make bench-instructions` runs it under callgrind.
//!
//! Without arguments it prints the names. With a name and a number it does that work once, so that what is set up once does
//! not count, and then so many times in [`counted`], of which callgrind takes note by its name.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;

use envel::primitives::aead::{AeadAlgorithm, AeadKey};
use envel::{
    Client, DecryptOptions, DefaultManager, EncryptOptions, EncryptionContext, Keyring, MultiKeyring,
    RawAesKeyring, SecretBytes,
};
use pollster::block_on;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

#[derive(Clone, Copy)]
enum Work {
    /// AES-256-GCM of the cryptographic library in pieces of 64 KiB: what the others cannot go below.
    SealAlone,
    OpenAlone,
    Encrypt {
        signed: bool,
        message_len: usize,
        frame_length: u32,
    },
    Decrypt {
        signed: bool,
        message_len: usize,
        frame_length: u32,
    },
    /// Three encrypted data keys, three pairs.
    ParseHeader,
}

const ALL: [(&str, Work); 11] = {
    use Work::{Decrypt, Encrypt, OpenAlone, ParseHeader, SealAlone};
    [
        ("aes-gcm-seal-1MiB", SealAlone),
        ("aes-gcm-open-1MiB", OpenAlone),
        ("encrypt-1KiB", Encrypt { signed: false, message_len: KIB, frame_length: 64 << 10 }),
        ("decrypt-1KiB", Decrypt { signed: false, message_len: KIB, frame_length: 64 << 10 }),
        ("encrypt-1MiB-frames-64KiB", Encrypt { signed: false, message_len: MIB, frame_length: 64 << 10 }),
        ("decrypt-1MiB-frames-64KiB", Decrypt { signed: false, message_len: MIB, frame_length: 64 << 10 }),
        ("encrypt-1MiB-frames-4KiB", Encrypt { signed: false, message_len: MIB, frame_length: 4096 }),
        ("decrypt-1MiB-frames-4KiB", Decrypt { signed: false, message_len: MIB, frame_length: 4096 }),
        ("encrypt-1MiB-signed", Encrypt { signed: true, message_len: MIB, frame_length: 64 << 10 }),
        ("decrypt-1MiB-signed", Decrypt { signed: true, message_len: MIB, frame_length: 64 << 10 }),
        ("parse-header", ParseHeader),
    ]
};

fn keyring(name: &str) -> Arc<dyn Keyring> {
    Arc::new(RawAesKeyring::new("bench", name, &SecretBytes::zeroed(32)).unwrap())
}

fn encrypt_options(signed: bool, frame_length: u32) -> EncryptOptions {
    EncryptOptions::new().signed(signed).frame_length(frame_length).threads(NonZeroUsize::MIN)
}

impl Work {
    /// Makes ready, and says what is to be counted.
    fn prepare(self) -> Box<dyn FnMut()> {
        let (client, manager) = (Client::default(), DefaultManager::new(keyring("key")));
        match self {
            Self::SealAlone | Self::OpenAlone => {
                let key = AeadKey::new(AeadAlgorithm::Aes256Gcm, &[7; 32]).unwrap();
                let mut piece = vec![1; 64 * KIB];
                let tag = key.seal_in_place(&[0; 12], b"aad", &mut piece).unwrap();
                let mut plaintext = piece.clone();
                let is_seal = matches!(self, Self::SealAlone);
                Box::new(move || {
                    for _ in 0..MIB / piece.len() {
                        if is_seal {
                            black_box(key.seal_in_place(&[0; 12], b"aad", &mut piece).unwrap());
                        } else {
                            key.open_into(&[0; 12], b"aad", &piece, &tag, &mut plaintext).unwrap();
                        }
                    }
                })
            }
            Self::Encrypt { signed, message_len, frame_length } => {
                let options = encrypt_options(signed, frame_length);
                let (plaintext, mut message) = (vec![3; message_len], Vec::new());
                Box::new(move || {
                    let encryption = block_on(client.start_encryption(&manager, &options)).unwrap();
                    encryption.seal_into(&plaintext, &mut message).unwrap();
                })
            }
            Self::Decrypt { signed, message_len, frame_length } => {
                let options = encrypt_options(signed, frame_length);
                let output = block_on(client.encrypt(&manager, &vec![3; message_len], &options)).unwrap();
                let mut plaintext = Vec::new();
                Box::new(move || {
                    let options = DecryptOptions::new();
                    block_on(client.decrypt_into(&manager, &output.message, &mut plaintext, &options))
                        .unwrap();
                    // The vector keeps its length, so that the next round need not clear memory.
                    plaintext.resize(output.message.len(), 0);
                })
            }
            Self::ParseHeader => {
                let children = vec![keyring("second"), keyring("third")];
                let keyring = MultiKeyring::new(Some(keyring("first")), children).unwrap();
                let pairs = [("tenant", "42"), ("stage", "production"), ("purpose", "backup")];
                let context = EncryptionContext::try_from_pairs(pairs).unwrap();
                let options = EncryptOptions::new().encryption_context(context);
                let manager = DefaultManager::new(Arc::new(keyring));
                let message = block_on(client.encrypt(&manager, b"", &options)).unwrap().message;
                Box::new(move || {
                    black_box(client.read_header(&message[..]).unwrap());
                })
            }
        }
    }
}

fn main() {
    // Cargo adds an option of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [name, count] = &arguments[..] else {
        ALL.iter().for_each(|(name, _)| println!("{name}"));
        return;
    };
    let Some((_, work)) = ALL.iter().find(|(known, _)| known == name) else {
        panic!("nothing is called {name:?}");
    };
    let mut work = work.prepare();
    work();
    (0..count.parse().unwrap()).for_each(|_| counted(&mut work));
}

#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    // Keeps the call from becoming a jump, which would end the counting before it began.
    black_box(());
}
