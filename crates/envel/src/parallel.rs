//! Many threads at one message.
//!
//! Frames are independent once their numbers are given out, so batches of them are sealed and opened by whoever is free, and go on
//! in their order. Numbers are given out before the work is: no order of working can give two frames one number. The first
//! failure, in the order of the message, ends everything.
//!
//! Threads live no longer than a call. Only the synchronous interface uses them, and only where there is enough to do.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, Scope};

use envel_core::SecretBytes;

use crate::error::Error;
use crate::message::frame::REGULAR_OVERHEAD;
use crate::message::layout::RegularFrames;
use crate::seal::{FrameOpener, FrameSealer, FrameSequence, FrameTickets, MessageSigner};
use crate::stream::{
    BATCH_LEN, Decryptor, EncryptSummary, Encryption, EncryptionParts, FrameBatch, InputBuffer,
};

/// As many threads as the machine has cores for this process. Asked once: the answer comes from files of the system and takes longer
/// than a short message.
pub(crate) fn all_cores() -> NonZeroUsize {
    static CORES: OnceLock<NonZeroUsize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

/// Batches that one thread does faster than others can be started.
const LONE_BATCHES: usize = 8;

/// The most bytes of batches that threads may have under way, where frames are long.
const MAX_IN_FLIGHT: usize = 256 << 20;

/// As many of the threads as keep to [`MAX_IN_FLIGHT`], with two batches of this length for each.
fn affordable(threads: NonZeroUsize, batch_len: usize) -> NonZeroUsize {
    let most = MAX_IN_FLIGHT / (2 * batch_len.max(1));
    NonZeroUsize::new(most).map_or(NonZeroUsize::MIN, |most| threads.min(most))
}

/// Frames that one task takes: at least [`BATCH_LEN`] bytes, or one frame.
fn frames_per_task(frame_length: usize) -> usize {
    BATCH_LEN.div_ceil(frame_length.max(1))
}

/// Seals consecutive regular frames of a plaintext in memory, as many as there are tickets, into `out`.
pub(crate) fn seal_slice<'a>(
    sealer: &FrameSealer,
    mut tickets: FrameTickets,
    frame_length: usize,
    plaintext: &[u8],
    out: &'a mut [u8],
    mut signer: Option<&mut MessageSigner>,
    threads: NonZeroUsize,
) -> Result<(), Error> {
    let per_task = frames_per_task(frame_length);
    let tasks = tickets.len().div_ceil(per_task);
    if threads.get() == 1 || tasks < LONE_BATCHES {
        sealer.seal_frames(tickets, frame_length, plaintext, out)?;
        if let Some(signer) = signer {
            signer.update(out);
        }
        return Ok(());
    }
    let pieces = plaintext
        .chunks(per_task * frame_length)
        .zip(out.chunks_mut(per_task * (frame_length + REGULAR_OVERHEAD)))
        .map(|(plaintext, out)| (tickets.split_off_first(per_task), plaintext, out))
        .enumerate();
    let queue = Mutex::new(pieces);
    let (done, sealed) = mpsc::channel();
    let work = |done: Sender<(usize, Result<&'a [u8], Error>)>| {
        while let Some((index, (tickets, plaintext, out))) = next_of(&queue) {
            let outcome = sealer.seal_frames(tickets, frame_length, plaintext, out);
            if done.send((index, outcome.map(|()| &*out))).is_err() {
                break;
            }
        }
    };
    thread::scope(|scope| {
        // The signature needs the frames in order, so this thread hashes while the others seal.
        let sealing = if signer.is_some() { threads.get() } else { threads.get() - 1 };
        let started = start_workers(scope, sealing.min(tasks), || {
            let (work, done) = (&work, done.clone());
            move || work(done)
        });
        if signer.is_none() || started == 0 {
            work(done);
        } else {
            drop(done);
        }
        in_order(sealed, |frames: &[u8]| {
            if let Some(signer) = &mut signer {
                signer.update(frames);
            }
        })
    })
}

/// Opens consecutive regular frames of a message in memory into `out`.
pub(crate) fn open_slice(
    opener: &FrameOpener,
    frames: &RegularFrames,
    body: &[u8],
    out: &mut [u8],
    threads: NonZeroUsize,
) -> Result<(), Error> {
    let per_task = frames_per_task(frames.frame_length());
    let tasks = frames.count().div_ceil(per_task);
    if threads.get() == 1 || tasks < LONE_BATCHES {
        return opener.open_frames(frames, body, out);
    }
    let pieces = frames
        .split(per_task)
        .zip(body.chunks(per_task * (frames.frame_length() + REGULAR_OVERHEAD)))
        .zip(out.chunks_mut(per_task * frames.frame_length()))
        .enumerate();
    let queue = Mutex::new(pieces);
    let (done, opened) = mpsc::channel();
    let is_failed = AtomicBool::new(false);
    let work = |done: Sender<(usize, Result<(), Error>)>| {
        while !is_failed.load(Ordering::Relaxed) {
            let Some((index, ((frames, body), out))) = next_of(&queue) else { break };
            let outcome = opener.open_frames(&frames, body, out);
            let failed = outcome.is_err();
            if done.send((index, outcome)).is_err() || failed {
                is_failed.store(true, Ordering::Relaxed);
                break;
            }
        }
    };
    thread::scope(|scope| {
        start_workers(scope, threads.get().min(tasks) - 1, || {
            let (work, done) = (&work, done.clone());
            move || work(done)
        });
        work(done);
        in_order(opened, |()| ())
    })
}

/// Starts so many workers, or as many as the system allows, and says how many those are.
fn start_workers<'scope, W: FnOnce() + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    wanted: usize,
    mut worker: impl FnMut() -> W,
) -> usize {
    (0..wanted).take_while(|_| thread::Builder::new().spawn_scoped(scope, worker()).is_ok()).count()
}

fn next_of<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// Takes results as they come and uses them in their order, to the last or to the first that failed. Senders notice when this
/// returns.
fn in_order<T>(results: Receiver<(usize, Result<T, Error>)>, mut each: impl FnMut(T)) -> Result<(), Error> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (index, result) in results {
        waiting.insert(index, result);
        while let Some(result) = waiting.remove(&next) {
            each(result?);
            next += 1;
        }
    }
    Ok(())
}

/// Jobs that workers do, and results that are used in the order of the jobs. The first jobs are done when they are handed over, and
/// all of them if there is one thread.
struct Pipeline<'scope, 'env, J, T, W, F> {
    scope: &'scope Scope<'scope, 'env>,
    threads: NonZeroUsize,
    /// How many more jobs are done when they are handed over.
    alone: usize,
    work: W,
    finish: F,
    workers: Option<Workers<J, T>>,
    /// What can be used for other jobs.
    free: Vec<T>,
}

struct Workers<J, T> {
    jobs: SyncSender<(usize, J)>,
    results: Receiver<(usize, Result<T, Error>)>,
    waiting: BTreeMap<usize, Result<T, Error>>,
    submitted: usize,
    finished: usize,
    most_in_flight: usize,
}

impl<'scope, 'env, J, T, W, F> Pipeline<'scope, 'env, J, T, W, F>
where
    J: Send + 'scope,
    T: Send + 'scope,
    W: Fn(J) -> Result<T, Error> + Copy + Send + 'scope,
    F: FnMut(T) -> Result<T, Error>,
{
    /// `work` does a job; `finish` uses its result, and gives back what can be used for another job.
    fn new(scope: &'scope Scope<'scope, 'env>, threads: NonZeroUsize, work: W, finish: F) -> Self {
        let alone = if threads.get() == 1 { usize::MAX } else { LONE_BATCHES };
        Self { scope, threads, alone, work, finish, workers: None, free: Vec::new() }
    }

    /// Hands a job over, and uses the results that are ready, in order. Where enough are under way, waits for the next. Gives back
    /// what is free again.
    fn submit(&mut self, job: J) -> Result<Option<T>, Error> {
        if self.alone == 0 && self.workers.is_none() {
            self.workers = Workers::start(self.scope, self.threads, self.work);
            if self.workers.is_none() {
                self.alone = usize::MAX;
            }
        }
        let Some(workers) = &mut self.workers else {
            self.alone -= 1;
            return (self.finish)((self.work)(job)?).map(Some);
        };
        if workers.submitted - workers.finished >= workers.most_in_flight {
            self.free.push((self.finish)(workers.next_result()?)?);
        }
        workers.jobs.send((workers.submitted, job)).map_err(|_| lost_worker())?;
        workers.submitted += 1;
        while let Some(result) = workers.ready_result() {
            self.free.push((self.finish)(result?)?);
        }
        Ok(self.free.pop())
    }

    /// Waits for every job, and uses the results.
    fn drain(&mut self) -> Result<(), Error> {
        if let Some(workers) = &mut self.workers {
            while workers.finished < workers.submitted {
                (self.finish)(workers.next_result()?)?;
            }
        }
        Ok(())
    }
}

impl<J, T> Workers<J, T> {
    /// Starts workers that live as long as the scope, or as long as these are kept; none if the system allows none.
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        threads: NonZeroUsize,
        work: impl Fn(J) -> Result<T, Error> + Copy + Send + 'scope,
    ) -> Option<Self>
    where
        J: Send + 'scope,
        T: Send + 'scope,
    {
        let most_in_flight = 2 * threads.get();
        let (jobs, queue) = mpsc::sync_channel::<(usize, J)>(most_in_flight);
        let (done, results) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let started = start_workers(scope, threads.get(), || {
            let (queue, done) = (queue.clone(), done.clone());
            move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok((index, job)) = job else { break };
                    // A panic that nobody answered for would leave the others waiting for ever.
                    let outcome = panic::catch_unwind(AssertUnwindSafe(|| work(job)));
                    if done.send((index, outcome.unwrap_or_else(|_| Err(lost_worker())))).is_err() {
                        break;
                    }
                }
            }
        });
        let (waiting, submitted, finished) = (BTreeMap::new(), 0, 0);
        Some(Self { jobs, results, waiting, submitted, finished, most_in_flight }).filter(|_| started > 0)
    }

    /// Waits for the next result in order.
    fn next_result(&mut self) -> Result<T, Error> {
        loop {
            if let Some(result) = self.take_next() {
                return result;
            }
            let (index, result) = self.results.recv().map_err(|_| lost_worker())?;
            self.waiting.insert(index, result);
        }
    }

    /// The next result in order, if it is there.
    fn ready_result(&mut self) -> Option<Result<T, Error>> {
        self.waiting.extend(self.results.try_iter());
        self.take_next()
    }

    fn take_next(&mut self) -> Option<Result<T, Error>> {
        let result = self.waiting.remove(&self.finished)?;
        self.finished += 1;
        Some(result)
    }
}

fn lost_worker() -> Error {
    io::Error::other("a worker thread failed").into()
}

/// Reads plaintext to its end and writes the message, sealing batches with so many threads, of which none is started for a short
/// message.
///
/// In memory are up to two batches a thread, and two more.
pub(crate) fn encrypt(
    encryption: Encryption,
    reader: &mut (impl Read + ?Sized),
    writer: &mut (impl Write + ?Sized),
    threads: NonZeroUsize,
) -> Result<EncryptSummary, Error> {
    let EncryptionParts { header_bytes, sealer, mut signer, frame_length, limits } = encryption.into_parts();
    let mut sequence = FrameSequence::new();
    let mut plaintext_len = 0;
    let mut ciphertext_len = header_bytes.len() as u64;
    let new_batch = || FrameBatch::new(frame_length, limits.expected_plaintext_len);
    let mut fill = |batch: &mut FrameBatch| -> Result<(), Error> {
        while !batch.is_full() && batch.read_from(reader)? {
            limits.check(plaintext_len + batch.gathered() as u64)?;
        }
        plaintext_len += batch.gathered() as u64;
        Ok(())
    };
    writer.write_all(&header_bytes)?;
    let mut last = new_batch();
    fill(&mut last)?;
    if last.is_full() {
        let threads = affordable(threads, last.gathered());
        let sealer = &sealer;
        let seal = |(mut batch, tickets): (FrameBatch, FrameTickets)| {
            let sealed_len = batch.seal_regular(sealer, tickets)?.len();
            Ok((batch, sealed_len))
        };
        let finish = |(batch, sealed_len): (FrameBatch, usize)| {
            let frames = batch.sealed(sealed_len);
            if let Some(signer) = &mut signer {
                signer.update(frames);
            }
            writer.write_all(frames)?;
            ciphertext_len += sealed_len as u64;
            Ok((batch, sealed_len))
        };
        last = thread::scope(|scope| {
            let mut pipeline = Pipeline::new(scope, threads, seal, finish);
            let mut free = None;
            // A full batch is kept until more plaintext is known to follow it: its last frame may be the final one.
            let mut full = last;
            loop {
                let mut batch = free.take().map_or_else(new_batch, |(batch, _)| batch);
                batch.clear();
                fill(&mut batch)?;
                if batch.is_empty() {
                    pipeline.drain()?;
                    return Ok::<_, Error>(full);
                }
                let tickets = sequence.next_regular(full.slots())?;
                free = pipeline.submit((full, tickets))?;
                if !batch.is_full() {
                    pipeline.drain()?;
                    return Ok(batch);
                }
                full = batch;
            }
        })?;
    }
    let frames = last.seal_end(&sealer, &mut sequence)?;
    let footer = signer.map(|signer| signer.finish_after(frames)).transpose()?.unwrap_or_default();
    writer.write_all(frames)?;
    writer.write_all(&footer)?;
    ciphertext_len += (frames.len() + footer.len()) as u64;
    Ok(EncryptSummary { plaintext_len, ciphertext_len })
}

/// Some frames of a message, and room for their plaintext.
struct OpeningJob {
    frames: RegularFrames,
    body: Vec<u8>,
    plaintext: SecretBytes,
}

/// Opens the regular frames of a message with so many threads and writes their plaintext, until only the end of the message is
/// left in the input, for the decryptor itself.
///
/// In memory are up to two batches a thread and two more, as ciphertext and as plaintext.
pub(crate) fn decrypt_regular_frames(
    decryptor: &mut Decryptor,
    input: &mut InputBuffer,
    source: &mut impl Read,
    writer: &mut (impl Write + ?Sized),
    threads: NonZeroUsize,
) -> Result<(), Error> {
    let whole_batch = decryptor.whole_batch();
    let threads = affordable(threads, whole_batch.body_len() + whole_batch.plaintext_len());
    let (opener, mut body) = decryptor.split();
    let open = |mut job: OpeningJob| {
        let plaintext = &mut job.plaintext.expose_secret_mut()[..job.frames.plaintext_len()];
        opener.open_frames(&job.frames, &job.body, plaintext)?;
        Ok(job)
    };
    let mut released = 0;
    let finish = |job: OpeningJob| {
        writer.write_all(&job.plaintext.expose_secret()[..job.frames.plaintext_len()])?;
        released += job.frames.plaintext_len() as u64;
        Ok(job)
    };
    let outcome = thread::scope(|scope| {
        let mut pipeline = Pipeline::new(scope, threads, open, finish);
        let mut free: Option<OpeningJob> = None;
        loop {
            input.want(whole_batch.body_len());
            input.fill(source, whole_batch.body_len())?;
            let Some(frames) = body.take(input.available(), whole_batch.body_len()) else { break };
            let (spare, plaintext) = match free.take() {
                Some(job) => (job.body, job.plaintext),
                None => (Vec::new(), SecretBytes::zeroed(whole_batch.plaintext_len())),
            };
            let body = input.take(frames.body_len(), spare);
            free = pipeline.submit(OpeningJob { frames, body, plaintext })?;
        }
        pipeline.drain()
    });
    decryptor.released_elsewhere(released, outcome.is_err());
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_frames_take_fewer_threads_so_that_memory_is_bounded() {
        let threads = NonZeroUsize::new(64).unwrap();
        assert_eq!(affordable(threads, BATCH_LEN), threads);
        assert_eq!(affordable(threads, 64 << 20).get(), 2);
        assert_eq!(affordable(threads, 1 << 30).get(), 1);
    }
}
