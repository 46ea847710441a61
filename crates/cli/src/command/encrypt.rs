//! `envel encrypt`.

use std::io::Read;

use envel::{Client, DefaultManager, EncryptOptions, EncryptSummary, Encryption, EncryptionContext, Error};
use envel_ops::store::files::Privacy;
use pollster::block_on;

use super::batch::{Batch, End, Verb};
use super::input::{OpenInput, is_message, names_stdin};
use super::output::{OutputRules, body_failure, destination};
use super::producer::Producer;
use crate::args::{ContextPair, EncryptArguments};
use crate::armor::ArmorWriter;
use crate::config::Settings;
use crate::config::items::{Direction, Inputs, Item, Source};
use crate::exit::{Exit, Failure};
use crate::output::json::{Details, KeyUsed};
use crate::output::progress::Watched;
use crate::output::sink::Sink;

/// Encrypts every input.
///
/// # Errors
/// What fails before the first input, or the failure of a single one.
pub(crate) fn run(settings: &Settings, arguments: &EncryptArguments) -> Result<Exit, Failure> {
    let inputs = if arguments.stdin_from_command {
        Inputs::of_producer(&arguments.output)?
    } else {
        Inputs::new(Direction::Encrypt, &arguments.inputs, &arguments.output)?
    };
    let options = options(arguments)?;
    let manager = DefaultManager::new(settings.encryption_keyring(&arguments.keys)?);
    let client = Client::builder()
        .commitment_policy(arguments.commitment_policy.into())
        .max_encrypted_data_keys(Some(arguments.max_encrypted_data_keys))
        .build();
    let rules = OutputRules::new(&arguments.output, &inputs, Privacy::Shared);
    let verb = Verb { present: "encrypt", past: "encrypted" };
    let records = arguments.output.metadata_output.as_deref();
    let batch = Batch::new(verb, settings.console, &inputs, records)?;
    let command = Encrypt { settings, arguments, client, manager, options, rules };
    batch.run(|item, details| command.encrypt(item, details))
}

fn options(arguments: &EncryptArguments) -> Result<EncryptOptions, Failure> {
    let mut context = EncryptionContext::new();
    for ContextPair { name, value } in &arguments.context {
        context.insert(name, value).map_err(|error| Failure::usage(error.to_string(), "correct -c"))?;
    }
    let mut options = EncryptOptions::new().encryption_context(context).signed(arguments.sign);
    if let Some(suite) = arguments.algorithm {
        options = options.algorithm_suite(suite);
    }
    if let Some(length) = arguments.frame_length {
        options = options.frame_length(length);
    }
    if let Some(length) = arguments.expected_size {
        options = options.expected_plaintext_len(length);
    }
    Ok(options)
}

struct Encrypt<'a> {
    settings: &'a Settings,
    arguments: &'a EncryptArguments,
    client: Client,
    manager: DefaultManager,
    options: EncryptOptions,
    rules: OutputRules<'a>,
}

impl Encrypt<'_> {
    fn encrypt(&self, item: &Item, details: &mut Details) -> Result<End, Failure> {
        if let Source::File(path) = &item.source
            && item.is_from_tree
            && is_message(path)
        {
            return Ok(End::Skipped("it is a message already"));
        }
        if item.source == Source::Producer {
            let sink = match self.rules.open(item) {
                Ok(sink) => sink,
                Err(settled) => return settled,
            };
            let encryption = self.start(item, details)?;
            let producer = Producer::start(&self.arguments.producer)?;
            let watched = Watched::new(producer, None, self.settings.console.shows_progress());
            let sink = self.copy(item, encryption, watched, sink, details)?;
            return self.rules.finish(item, sink, None, words(item));
        }
        let input = OpenInput::open(&item.source, names_stdin(&self.arguments.inputs))?;
        let as_read = input.metadata.clone();
        let sink = match self.rules.open(item) {
            Ok(sink) => sink,
            Err(settled) => return settled,
        };
        let encryption = self.start(item, details)?;
        let sink = self.copy(item, encryption, input.into_reader(self.settings.console), sink, details)?;
        self.rules.finish(item, sink, as_read.as_ref(), words(item))
    }

    /// Gets the data key and its wrapped copies.
    fn start(&self, item: &Item, details: &mut Details) -> Result<Encryption, Failure> {
        let encryption = block_on(self.client.start_encryption(&self.manager, &self.options))
            .map_err(|error| Failure::message(&item.source, &error))?;
        let header = encryption.header();
        details.describe(header);
        details.keys = header
            .encrypted_data_keys()
            .iter()
            .zip(encryption.key_material_ids())
            .map(|(edk, key_material_id)| KeyUsed {
                provider_id: edk.key_provider_id.clone(),
                provider_info: edk.provider_info_for_display(),
                key_material_id: key_material_id.clone(),
            })
            .collect();
        for key in &details.keys {
            self.settings.console.explain(format_args!("{}: wrapped by {}", item.source, key.provider_info));
        }
        Ok(encryption)
    }

    fn copy(
        &self,
        item: &Item,
        encryption: Encryption,
        mut reader: impl Read,
        mut sink: Sink,
        details: &mut Details,
    ) -> Result<Sink, Failure> {
        let failed = |error: Error| body_failure(&item.source, &error);
        let EncryptSummary { plaintext_len, ciphertext_len, .. } = if self.arguments.armor {
            let mut armor = ArmorWriter::new(sink);
            let summary = encryption.copy(&mut reader, &mut armor).map_err(failed)?;
            sink = armor.finish().map_err(|error| failed(error.into()))?;
            summary
        } else {
            encryption.copy(&mut reader, &mut sink).map_err(failed)?
        };
        details.plaintext_bytes = Some(plaintext_len);
        details.ciphertext_bytes = Some(ciphertext_len);
        Ok(sink)
    }
}

fn words(item: &Item) -> String {
    format!("encrypted {} to {}", item.source, destination(item))
}
