//! The thread that owns the service, and the channel to it.
//!
//! SQLite and files block; futures must not. So one thread does all of that, and a future only waits for its answer.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use envel_core::kms::KmsErrorKind;
use envel_core::{Clock, KmsError};
use futures_channel::oneshot;

use crate::operation::Call;
use crate::service::Service;
use crate::store::StoreError;

type Job = Box<dyn FnOnce(&mut Service) + Send>;

/// How long the last handle waits for the store to close. A call that nobody waits for any more may be waiting for another process.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle to the worker thread. The drop of the last one closes the store and ends the thread.
#[derive(Clone)]
pub(crate) struct Worker {
    thread: Arc<WorkerThread>,
    clock: Arc<dyn Clock>,
}

struct WorkerThread {
    /// `None` from the beginning of the end on.
    jobs: Option<mpsc::Sender<Job>>,
    is_closing: Arc<AtomicBool>,
    /// Disconnected once the store is closed.
    closed: Mutex<mpsc::Receiver<()>>,
    handle: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    pub(crate) fn start(service: Service, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let (jobs, incoming) = mpsc::channel::<Job>();
        let (closing, closed) = mpsc::channel();
        let is_closing = Arc::new(AtomicBool::new(false));
        let skips_jobs = Arc::clone(&is_closing);
        let handle = thread::Builder::new()
            .name("envel-kms".to_owned())
            .spawn(move || {
                // Dropped in the opposite order: first the service with its store, then the sender that tells.
                let _closing: mpsc::Sender<()> = closing;
                let mut service = service;
                for job in incoming {
                    if !skips_jobs.load(Ordering::Relaxed) {
                        job(&mut service);
                    }
                }
            })
            .map_err(|_| StoreError::WorkerGone)?;
        let thread =
            WorkerThread { jobs: Some(jobs), is_closing, closed: Mutex::new(closed), handle: Some(handle) };
        Ok(Self { thread: Arc::new(thread), clock })
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
            worker.thread.send(Box::new(job)).map_err(|_| gone())?;
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
        self.thread.send(job)?;
        answered.recv().map_err(|_| StoreError::WorkerGone)?
    }
}

impl WorkerThread {
    fn send(&self, job: Job) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or(StoreError::WorkerGone)?;
        jobs.send(job).map_err(|_| StoreError::WorkerGone)
    }
}

impl Drop for WorkerThread {
    fn drop(&mut self) {
        // Whoever waits for an answer has a handle: nobody does, and what is still in the queue need not be done.
        self.is_closing.store(true, Ordering::Relaxed);
        self.jobs = None;
        let Some(handle) = self.handle.take() else { return };
        if handle.thread().id() == thread::current().id() {
            return;
        }
        let closed = self.closed.get_mut().unwrap_or_else(PoisonError::into_inner);
        if closed.recv_timeout(CLOSING_TIMEOUT) == Err(RecvTimeoutError::Disconnected) {
            // A job that panicked has told its caller already.
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use envel_core::SystemClock;

    use super::*;
    use crate::calls::CallCounter;
    use crate::store::MemoryStore;

    #[test]
    fn the_last_handle_can_be_dropped_on_the_worker_thread() {
        let clock = Arc::new(SystemClock);
        let store = Box::<MemoryStore>::default();
        let service = Service::new(store, "000000000000".into(), clock.clone(), CallCounter::default());
        let worker = Worker::start(service, clock).unwrap();
        let (go, waiting) = mpsc::channel::<()>();
        let (done, is_done) = mpsc::channel();
        let last = worker.clone();
        let job: Job = Box::new(move |_| {
            waiting.recv().unwrap();
            drop(last);
            done.send(()).unwrap();
        });
        worker.thread.send(job).unwrap();
        drop(worker);
        go.send(()).unwrap();
        is_done.recv_timeout(CLOSING_TIMEOUT / 2).unwrap();
    }
}
