//! The client over tokio's `AsyncRead`.

use tokio::io::AsyncRead;

use super::Client;
use crate::cmm::MaterialsManager;
use crate::error::Error;
use crate::options::DecryptOptions;
use crate::stream::{AsyncDecryptReader, AsyncPendingMessage};

impl Client {
    /// As [`Client::read_header`], from an asynchronous source.
    ///
    /// # Errors
    /// As for [`Client::read_header`].
    pub async fn read_header_async<R: AsyncRead + Unpin>(
        &self,
        source: R,
    ) -> Result<AsyncPendingMessage<R>, Error> {
        AsyncPendingMessage::read(source, self.settings.limits).await
    }

    /// As [`Client::open`], for an asynchronous source.
    ///
    /// # Errors
    /// As for [`Client::open`].
    pub async fn open_async<R>(
        &self,
        manager: &dyn MaterialsManager,
        pending: AsyncPendingMessage<R>,
        options: &DecryptOptions,
    ) -> Result<AsyncDecryptReader<R>, Error> {
        let opened = self.open_header(manager, pending.header, options).await?;
        let (source, input) = (pending.source, pending.input);
        Ok(AsyncDecryptReader::new(opened, options.release, source, input))
    }
}
