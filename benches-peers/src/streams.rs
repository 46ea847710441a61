//! Streams of any length through buffers that are reused: time a byte and memory must not depend on the length.

use std::error::Error;
use std::hint::black_box;
use std::io::{Read, Write, pipe};
use std::num::NonZeroUsize;
use std::sync::Arc;

use envel::{Client, DecryptOptions, DefaultManager, EncryptOptions, RawAesKeyring, SecretBytes};
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

/// `encrypt` seals zeros to nowhere; `decrypt` opens, to nowhere, what another thread seals into a pipe meanwhile. One thread
/// each.
pub fn stream(request: &Request) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    let keyring = RawAesKeyring::new("bench", "key", &SecretBytes::zeroed(32))?;
    let (client, manager) = (Client::default(), DefaultManager::new(Arc::new(keyring)));
    let options = EncryptOptions::new().algorithm_suite(request.suite).threads(NonZeroUsize::MIN);
    let message_len = request.message_len;
    let seal = move |manager: &DefaultManager, writer: &mut dyn Write| {
        let encryption = block_on(client.start_encryption(manager, &options)).expect("materials are there");
        encryption.copy(&mut Zeros(message_len), writer).expect("it is sealed")
    };
    if request.is_encrypt {
        return Ok(Box::new(move || {
            seal(&manager, &mut Nowhere);
        }));
    }
    Ok(Box::new(move || {
        let (reader, mut writer) = pipe().expect("a pipe opens");
        std::thread::scope(|scope| {
            let (seal, manager) = (&seal, &manager);
            scope.spawn(move || seal(manager, &mut writer));
            let pending = client.read_header(reader).expect("there is a header");
            let options = DecryptOptions::new().threads(NonZeroUsize::MIN);
            let mut opened = block_on(client.open(manager, pending, &options)).expect("the header opens");
            let summary = opened.copy_to(&mut Nowhere);
            assert_eq!(summary.expect("the message opens").plaintext_len, message_len as u64);
        });
    }))
}
