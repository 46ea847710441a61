//! Messages, opened: what `decrypt` and `verify` share.

use std::fs::File;
use std::io::Read;

use envel::{
    Client, DecryptOptions, DecryptReader, DefaultManager, EncryptionContext, Error, KeyringError,
    KmsErrorKind, MessageHeader, OpenMessage, OpenedBy, PendingMessage, ReleasePolicy, UnwrapError,
};
use pollster::block_on;

use super::context_check::{check_context, reproduced_context_failure};
use crate::args::{ContextRequirement, OpeningArguments};
use crate::armor::message_reader;
use crate::config::Settings;
use crate::exit::Failure;
use crate::output::human::Console;
use crate::output::json::{Details, KeyUsed};

/// Opens messages with the keys and rules of a command.
#[derive(Debug)]
pub(super) struct Opener<'a> {
    client: Client,
    manager: DefaultManager,
    requirements: &'a [ContextRequirement],
    unresolved: Vec<Failure>,
    console: Console,
}

impl<'a> Opener<'a> {
    /// Makes the keyring.
    ///
    /// # Errors
    /// No key can be used.
    pub(super) fn new(settings: &Settings, arguments: &'a OpeningArguments) -> Result<Self, Failure> {
        let keys = settings.decryption_keyring(arguments)?;
        let client = Client::builder()
            .commitment_policy(arguments.commitment_policy.into())
            .max_encrypted_data_keys(Some(arguments.max_encrypted_data_keys))
            .build();
        let manager = DefaultManager::new(keys.keyring);
        Ok(Self {
            client,
            manager,
            requirements: &arguments.context,
            unresolved: keys.unresolved,
            console: settings.console,
        })
    }

    /// Reads a header, binary or base64.
    ///
    /// # Errors
    /// It is no message, or one that the limits refuse.
    pub(super) fn read_header<'r>(
        &self,
        reader: impl Read + 'r,
    ) -> Result<PendingMessage<Box<dyn Read + 'r>>, Error> {
        self.client.read_header(message_reader(reader)?)
    }

    /// Checks the context, unwraps the data key and verifies the header.
    ///
    /// # Errors
    /// The context is not what is required, no key opens it, or it does not verify.
    pub(super) fn open<R: Read>(
        &self,
        item: &str,
        pending: PendingMessage<R>,
        release: ReleasePolicy,
        details: &mut Details,
    ) -> Result<DecryptReader<R>, Failure> {
        let reproduced = self.check_header(item, pending.header(), details)?;
        let options = DecryptOptions::new().encryption_context(reproduced.clone()).release(release);
        let opened = block_on(self.client.open(&self.manager, pending, &options))
            .map_err(|error| self.unopened(item, &reproduced, &error))?;
        self.tell_key(item, opened.opened_by(), details);
        Ok(opened)
    }

    /// As [`Self::read_header`] and [`Self::open`], of a binary file of which ranges are to be read.
    ///
    /// # Errors
    /// Likewise; the message is signed and that is not allowed, or it has no frames.
    pub(super) fn open_at(
        &self,
        item: &str,
        file: File,
        allow_unverified_signature: bool,
        details: &mut Details,
    ) -> Result<OpenMessage<File>, Failure> {
        let pending = self.client.read_header(&file).map_err(|error| Failure::message(item, &error))?;
        let reproduced = self.check_header(item, pending.header(), details)?;
        let options = DecryptOptions::new()
            .encryption_context(reproduced.clone())
            .allow_unverified_signature(allow_unverified_signature);
        let opened = block_on(self.client.open_at(&self.manager, file, &options))
            .map_err(|error| self.unopened(item, &reproduced, &error))?;
        // The header was read a second time: it is this one that must hold.
        self.check_header(item, opened.header(), details)?;
        self.tell_key(item, opened.opened_by(), details);
        Ok(opened)
    }

    /// Notes what a header says, and checks its context; returns the pairs that it does not store.
    fn check_header(
        &self,
        item: &str,
        header: &MessageHeader,
        details: &mut Details,
    ) -> Result<EncryptionContext, Failure> {
        details.describe(header);
        check_context(item, self.requirements, header.encryption_context())
    }

    fn tell_key(&self, item: &str, opened_by: &OpenedBy, details: &mut Details) {
        self.console.explain(format_args!("{item}: opened with {}", opened_by.key_provider_info));
        details.keys = vec![KeyUsed {
            provider_id: opened_by.key_provider_id.clone(),
            provider_info: opened_by.key_provider_info.clone(),
            key_material_id: opened_by.key_material_id.clone(),
        }];
    }

    /// The failure of a message that did not open: pairs that it does not store may be the reason, or a key that was given and could
    /// not be found.
    fn unopened(&self, item: &str, reproduced: &EncryptionContext, error: &Error) -> Failure {
        if !reproduced.is_empty() && may_be_of_context(error) {
            return reproduced_context_failure(item, reproduced);
        }
        let failure = Failure::message(item, error);
        if !matches!(error, Error::Unwrap(_)) {
            return failure;
        }
        with_unresolved(failure, &self.unresolved)
    }
}

/// The failure of a message that no key opened, where other keys could not even be asked.
fn with_unresolved(failure: Failure, unresolved: &[Failure]) -> Failure {
    unresolved.iter().fold(failure, |failure, unresolved| {
        let exit = if unresolved.is_retryable() { unresolved.exit } else { failure.exit };
        let failure = failure.and_help(&format!("a key that was given is not there: {}", unresolved.error));
        Failure { exit, ..failure }
    })
}

/// Whether a wrong encryption context can be why a message does not open.
fn may_be_of_context(error: &Error) -> bool {
    match error {
        Error::HeaderUnauthentic => true,
        Error::Unwrap(UnwrapError { attempts, .. }) => attempts.iter().any(|attempt| match &attempt.error {
            KeyringError::DoesNotOpen => true,
            KeyringError::Kms(error) => error.kind == KmsErrorKind::WrongCiphertext,
            _ => false,
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_retry_can_help_if_any_key_can_be_asked_later() {
        let failure = |exit| Failure::new(exit, "e", "h");
        let missing = failure(Exit::KeyUnavailable);
        let exit = |unresolved: &[Failure]| with_unresolved(missing.clone(), unresolved).exit;
        assert_eq!(exit(&[]), Exit::KeyUnavailable);
        assert_eq!(exit(std::slice::from_ref(&missing)), Exit::KeyUnavailable);
        assert_eq!(exit(&[failure(Exit::Retryable), missing.clone()]), Exit::Retryable);
    }
}
