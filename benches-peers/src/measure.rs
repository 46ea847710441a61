//! Runs operations in threads of their own and takes the time.

use std::error::Error;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use envel::{AlgorithmSuiteId, Clock, SystemClock};

/// aws-esdk recurses by the length of the message. Pages that are not touched cost nothing.
const STACK_LEN: usize = 1 << 30;

/// What to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub implementation: String,
    pub is_encrypt: bool,
    pub suite: AlgorithmSuiteId,
    pub message_len: usize,
    pub threads: usize,
}

impl Request {
    /// Reads a line: the request, and how often to do it.
    pub fn parse(line: &str) -> Option<(Self, usize)> {
        let mut words = line.split_ascii_whitespace();
        let request = Self {
            implementation: words.next()?.to_owned(),
            is_encrypt: match words.next()? {
                "encrypt" => true,
                "decrypt" => false,
                _ => return None,
            },
            suite: words.next()?.parse().ok()?,
            message_len: words.next()?.parse().ok()?,
            threads: words.next()?.parse().ok()?,
        };
        Some((request, words.next()?.parse().ok()?))
    }

    /// The plaintext that everyone encrypts.
    pub fn plaintext(&self) -> Vec<u8> {
        (0..self.message_len).map(|index| (index % 251) as u8).collect()
    }
}

/// One thread's work.
pub trait Operation {
    /// Makes what the next `repeats` runs will take for good. This is not measured.
    fn prepare(&mut self, _repeats: usize) {}

    /// Encrypts or decrypts one message.
    fn run(&mut self);
}

impl<F: FnMut()> Operation for F {
    fn run(&mut self) {
        self();
    }
}

/// Makes the operation that a request asks for, on the thread that will run it.
pub type MakeOperation = fn(&Request) -> Result<Box<dyn Operation>, Box<dyn Error>>;

/// A request, ready to be measured again and again.
pub struct Case {
    pub request: Request,
    workers: Vec<Worker>,
}

struct Worker {
    tasks: Sender<(usize, Arc<Barrier>)>,
    times: Receiver<Result<(Duration, Duration), String>>,
}

impl Case {
    /// Starts the threads, each with an operation of its own.
    pub fn start(request: Request, make: MakeOperation) -> std::io::Result<Self> {
        let workers = (0..request.threads).map(|_| Worker::start(request.clone(), make));
        Ok(Self { workers: workers.collect::<Result<_, _>>()?, request })
    }

    /// Lets every thread run its operation `repeats` times: the time from the first start to the last end.
    pub fn measure(&mut self, repeats: usize) -> Result<Duration, Box<dyn Error>> {
        let barrier = Arc::new(Barrier::new(self.workers.len()));
        for worker in &self.workers {
            worker.tasks.send((repeats, barrier.clone()))?;
        }
        let times = self.workers.iter().map(|worker| Ok(worker.times.recv()??));
        let times = times.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        let start = times.iter().map(|(start, _)| *start).min().ok_or("no thread")?;
        let end = times.iter().map(|(_, end)| *end).max().ok_or("no thread")?;
        Ok(end - start)
    }
}

impl Worker {
    fn start(request: Request, make: MakeOperation) -> std::io::Result<Self> {
        let (tasks, task_receiver) = channel::<(usize, Arc<Barrier>)>();
        let (time_sender, times) = channel();
        std::thread::Builder::new().stack_size(STACK_LEN).spawn(move || {
            let mut operation = make(&request).map_err(|error| error.to_string());
            for (repeats, barrier) in task_receiver {
                let time = match &mut operation {
                    Ok(operation) => {
                        operation.prepare(repeats);
                        barrier.wait();
                        let start = SystemClock.elapsed();
                        (0..repeats).for_each(|_| operation.run());
                        Ok((start, SystemClock.elapsed()))
                    }
                    Err(error) => Err(error.clone()),
                };
                if time_sender.send(time).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { tasks, times })
    }
}
