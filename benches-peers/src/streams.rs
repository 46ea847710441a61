//! Streams of any length through buffers that are reused: time a byte and memory must not depend on the length.

use std::error::Error;
use std::hint::black_box;
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use envel::{
    Client, DecryptOptions, DefaultManager, EncryptOptions, EncryptWriter, RawAesKeyring, SecretBytes,
};
use pollster::block_on;

use crate::measure::{Operation, Request};

/// So many zeros.
struct Zeros(usize);

impl Read for Zeros {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = out.len().min(self.0);
        out[..count].fill(0);
        self.0 -= count;
        Ok(count)
    }

    fn read_vectored(&mut self, outs: &mut [std::io::IoSliceMut<'_>]) -> std::io::Result<usize> {
        let mut total = 0;
        for out in outs {
            total += self.read(out)?;
        }
        Ok(total)
    }
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Bytes that one end puts in and the other takes out.
#[derive(Clone, Default)]
struct Channel(Arc<Mutex<Vec<u8>>>);

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A message of so many zeros, sealed as it is read: no thread and no pipe between.
struct Sealed {
    writer: Option<EncryptWriter<Channel>>,
    sealed: Channel,
    taken: usize,
    zeros_left: usize,
}

const PIECE_LEN: usize = 1 << 20;
static ZEROS: [u8; PIECE_LEN] = [0; PIECE_LEN];

impl Read for Sealed {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let mut sealed = self.sealed.0.lock().expect("nobody panics");
            let count = out.len().min(sealed.len() - self.taken);
            if count > 0 || self.writer.is_none() {
                out[..count].copy_from_slice(&sealed[self.taken..self.taken + count]);
                self.taken += count;
                return Ok(count);
            }
            sealed.clear();
            self.taken = 0;
            drop(sealed);
            let piece = &ZEROS[..PIECE_LEN.min(self.zeros_left)];
            self.zeros_left -= piece.len();
            if let Some(writer) = self.writer.as_mut().filter(|_| !piece.is_empty()) {
                writer.write_all(piece)?;
            } else if let Some(writer) = self.writer.take() {
                writer.finish().map_err(std::io::Error::other)?;
            }
        }
    }
}

/// `encrypt` seals zeros to nowhere; `decrypt` opens, to nowhere, what the same thread seals as it is read. One thread each.
pub fn stream(request: &Request) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    let keyring = RawAesKeyring::new("bench", "key", &SecretBytes::zeroed(32))?;
    let (client, manager) = (Client::default(), DefaultManager::new(Arc::new(keyring)));
    let options = EncryptOptions::new().algorithm_suite(request.suite).threads(NonZeroUsize::MIN);
    let message_len = request.message_len;
    if request.is_encrypt {
        return Ok(Box::new(move || {
            let encryption =
                block_on(client.start_encryption(&manager, &options)).expect("materials are there");
            encryption.copy(&mut Zeros(message_len), &mut Nowhere).expect("it is sealed");
        }));
    }
    let sealed = Channel::default();
    Ok(Box::new(move || {
        let encryption = block_on(client.start_encryption(&manager, &options)).expect("materials are there");
        sealed.0.lock().expect("nobody panics").clear();
        let writer = Some(encryption.into_writer(sealed.clone()));
        let source = Sealed { writer, sealed: sealed.clone(), taken: 0, zeros_left: message_len };
        let pending = client.read_header(source).expect("there is a header");
        let options = DecryptOptions::new().threads(NonZeroUsize::MIN);
        let mut opened = block_on(client.open(&manager, pending, &options)).expect("the header opens");
        let summary = opened.copy_to(&mut Nowhere).expect("the message opens");
        assert_eq!(summary.plaintext_len, message_len as u64);
    }))
}
