//! The streams over tokio.

use std::io;

use envel::{Client, DecryptOptions, EncryptOptions, Error, MaterialsManager};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

use super::STREAM_STEP;

/// Long frames go to the blocking pool of the runtime.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().build()
}

pub(super) fn encrypt(
    client: &Client,
    manager: &dyn MaterialsManager,
    plaintext: &[u8],
    options: &EncryptOptions,
) -> Result<Vec<u8>, Error> {
    runtime()?.block_on(async {
        let mut writer = client.start_encryption(manager, options).await?.into_async_writer(Vec::new());
        for part in plaintext.chunks(STREAM_STEP) {
            writer.write_all(part).await.map_err(Error::from_io)?;
        }
        let (message, _) = writer.finish().await?;
        Ok(message)
    })
}

pub(super) fn decrypt(
    client: &Client,
    manager: &dyn MaterialsManager,
    message: &[u8],
    options: &DecryptOptions,
) -> Result<Vec<u8>, Error> {
    runtime()?.block_on(async {
        let pending = client.read_header_async(message).await?;
        let mut reader = client.open_async(manager, pending, options).await?;
        let mut plaintext = Vec::new();
        reader.read_to_end(&mut plaintext).await.map_err(Error::from_io)?;
        Ok(plaintext)
    })
}
