//! The thread that owns the service, and the channel to it.
//!
//! SQLite and files block; futures must not. So one thread does all of that, and a future only waits for its answer.

use std::future::Future;
use std::sync::{Arc, mpsc};
use std::thread;

use envel_core::kms::KmsErrorKind;
use envel_core::{Clock, KmsError};
use futures_channel::oneshot;

use crate::operation::Call;
use crate::service::Service;
use crate::store::StoreError;

type Job = Box<dyn FnOnce(&mut Service) + Send>;

/// A handle to the worker thread, which ends when the last handle is gone.
#[derive(Clone)]
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
    clock: Arc<dyn Clock>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(mut service: Service, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let (jobs, incoming) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("envel-kms".to_owned())
            .spawn(move || incoming.into_iter().for_each(|job| job(&mut service)))
            .map_err(|_| StoreError::WorkerGone)?;
        Ok(Self { jobs, clock })
    }

    /// Has the worker answer a call. Nothing is sent before the first poll.
    pub(crate) fn call<C: Call>(
        &self,
        region: Arc<str>,
        call: C,
    ) -> impl Future<Output = Result<C::Answer, KmsError>> + Send + 'static {
        let worker = self.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let asked = worker.clock.elapsed();
            let job = {
                let region = Arc::clone(&region);
                move |service: &mut Service| {
                    // A caller who has gone needs no answer.
                    let _ = answer.send(service.answer(&region, asked, call));
                }
            };
            let gone = || {
                let message = StoreError::WorkerGone.to_string();
                KmsError::new(KmsErrorKind::Internal, C::OPERATION.as_str(), "KMSInternalException", message)
                    .with_region(&*region)
            };
            worker.jobs.send(Box::new(job)).map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        }
    }

    /// Has the worker do something that is no call, and blocks until it is done.
    #[cfg(feature = "sqlite")]
    pub(crate) fn block_on<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Service) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |service| {
            let _ = answer.send(job(service));
        });
        self.jobs.send(job).map_err(|_| StoreError::WorkerGone)?;
        answered.recv().map_err(|_| StoreError::WorkerGone)?
    }
}
