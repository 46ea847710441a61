//! Works with secrets as a case says, and then looks for them in its own memory. See [`envel_testkit::memory`].

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    match linux::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            envel_testkit::report(&format!("scan-memory: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    envel_testkit::report("scan-memory: the memory of a process can be read on Linux alone");
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod linux {
    use std::any::Any;
    use std::io::{self, BufRead, Write};
    use std::sync::{Arc, Mutex, PoisonError, mpsc};
    use std::thread;

    use envel::{
        AlgorithmSuiteId, BoxFuture, Client, DataKey, DecryptOptions, DefaultManager, EncryptOptions, Error,
        Keyring, KeyringError, UnwrapOutcome, UnwrapRequest, WrapOutcome, WrapRequest,
    };
    use envel_testkit::memory::scan::{Patterns, wait_for_threads_to_end};
    use envel_testkit::memory::{
        BuiltKeyring, Case, Failure, Findings, Masked, Message, Scenario, client_for,
    };
    use pollster::block_on;
    use serde::Serialize;
    use serde::de::DeserializeOwned;

    /// Enough for several frames of [`FRAME_LENGTH`].
    const PLAINTEXT: &[u8] = &[b'p'; 10_000];
    const FRAME_LENGTH: u32 = 4096;

    /// What a scenario leaves: a message, and what is held on purpose.
    struct Outcome {
        message: Vec<u8>,
        refused_as: Vec<String>,
        held: Vec<Box<dyn Any>>,
    }

    pub(super) fn run() -> Result<(), Failure> {
        let case: Case = read()?;
        let scenario = case.scenario;
        let (to_worker, orders) = mpsc::channel::<Vec<Masked>>();
        let (to_main, reports) = mpsc::channel();
        // The scenario has a stack of its own, which stays as the scenario left it: nothing that this thread does overwrites
        // what may lie there.
        let worker = thread::spawn(move || {
            let Outcome { message, refused_as, mut held } = match carry_out(&case) {
                Ok(outcome) => outcome,
                Err(error) => return drop(to_main.send(Err(error))),
            };
            let _ = to_main.send(Ok((message, refused_as)));
            let Ok(plants) = orders.recv() else { return };
            held.extend(plants.iter().flat_map(Masked::unmask).map(|plant| Box::new(plant) as Box<dyn Any>));
            let _ = to_main.send(Ok(Default::default()));
            let _ = orders.recv();
            drop(held);
            let _ = to_main.send(Ok(Default::default()));
            let _ = orders.recv();
        });
        let (message, refused_as) = reports.recv()??;
        write(&Message(message))?;
        let wanted: Vec<Masked> = read()?;
        let patterns = Patterns::new(&wanted)?;
        to_worker.send(if scenario == Scenario::Planted { wanted } else { Vec::new() })?;
        reports.recv()??;
        let held = patterns.count()?;
        to_worker.send(Vec::new())?;
        reports.recv()??;
        // This thread and the scenario's, which waits.
        wait_for_threads_to_end(2)?;
        let dropped = patterns.count()?;
        drop(to_worker);
        worker.join().map_err(|_| "the scenario panicked")?;
        write(&Findings { held, dropped, refused_as })
    }

    fn read<T: DeserializeOwned>() -> Result<T, Failure> {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    fn write(value: &impl Serialize) -> Result<(), Failure> {
        Ok(writeln!(io::stdout(), "{}", serde_json::to_string(value)?)?)
    }

    fn carry_out(case: &Case) -> Result<Outcome, Failure> {
        let client = client_for(case.suite);
        let message = || case.message.as_ref().map(|message| &message.0[..]).ok_or("no message is given");
        let mut held: Vec<Box<dyn Any>> = Vec::new();
        let mut refused_as = Vec::new();
        let message = match case.scenario {
            Scenario::Planted | Scenario::EncryptOneShot => {
                let keyring = case.keyring.build(true)?;
                let output = block_on(client.encrypt(&keyring.manager(), PLAINTEXT, &options(case)?))?;
                held.push(Box::new(keyring));
                output.message
            }
            Scenario::EncryptStream => {
                let keyring = case.keyring.build(true)?;
                let encryption = block_on(client.start_encryption(&keyring.manager(), &options(case)?))?;
                let mut writer = encryption.into_writer(Vec::new());
                writer.write_all(PLAINTEXT)?;
                held.push(Box::new(keyring));
                writer.finish()?.0
            }
            Scenario::EncryptHeld => {
                let keyring = case.keyring.build(true)?;
                let keeping = Arc::new(KeepingKeyring { inner: keyring.keyring, kept: Mutex::default() });
                let manager = DefaultManager::new(keeping);
                let encryption = block_on(client.start_encryption(&manager, &options(case)?))?;
                let header = encryption.header().as_bytes().to_vec();
                held.extend([Box::new(encryption) as Box<dyn Any>, Box::new(manager), Box::new(keyring.kms)]);
                header
            }
            Scenario::DecryptOneShot => {
                let keyring = case.keyring.build(false)?;
                block_on(client.decrypt(&keyring.manager(), message()?, &DecryptOptions::new()))?;
                held.push(Box::new(keyring));
                message()?.to_vec()
            }
            Scenario::DecryptStream => {
                let keyring = case.keyring.build(false)?;
                read_stream(&client, &keyring, message()?)?;
                held.push(Box::new(keyring));
                message()?.to_vec()
            }
            Scenario::DecryptRefused => {
                let keyring = case.keyring.build(false)?;
                let (manager, options) = (keyring.manager(), DecryptOptions::new());
                let one_shot = block_on(client.decrypt(&manager, message()?, &options)).map(|_| ());
                for outcome in [one_shot, read_stream(&client, &keyring, message()?)] {
                    let error = outcome.err().ok_or("the message was not refused")?;
                    refused_as.push(format!("{:?}", error.kind()));
                }
                held.push(Box::new(keyring));
                message()?.to_vec()
            }
        };
        Ok(Outcome { message, refused_as, held })
    }

    fn options(case: &Case) -> Result<EncryptOptions, Failure> {
        let suite = AlgorithmSuiteId::from_u16(case.suite).ok_or("there is no such suite")?;
        Ok(EncryptOptions::new().algorithm_suite(suite).frame_length(FRAME_LENGTH))
    }

    fn read_stream(client: &Client, keyring: &BuiltKeyring, message: &[u8]) -> Result<(), Error> {
        let pending = client.read_header(message)?;
        let mut reader = block_on(client.open(&keyring.manager(), pending, &DecryptOptions::new()))?;
        reader.copy_to(&mut io::sink())?;
        Ok(())
    }

    /// Keeps a copy of each data key that it makes: what the library must not do.
    #[derive(Debug)]
    struct KeepingKeyring {
        inner: Arc<dyn Keyring>,
        kept: Mutex<Vec<DataKey>>,
    }

    impl Keyring for KeepingKeyring {
        fn wrap_data_key<'a>(
            &'a self,
            request: WrapRequest<'a>,
        ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>> {
            Box::pin(async move {
                let outcome = self.inner.wrap_data_key(request).await?;
                let copy = outcome.generated.as_ref().map(DataKey::duplicate_secret);
                self.kept.lock().unwrap_or_else(PoisonError::into_inner).extend(copy);
                Ok(outcome)
            })
        }

        fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome> {
            self.inner.unwrap_data_key(request)
        }
    }
}
