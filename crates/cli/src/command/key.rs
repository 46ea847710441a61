//! `envel key ...`, on the embedded KMS.

use std::io::{IsTerminal, Write, stderr, stdin};

use envel::kms::KeyState;
use envel::{KmsControl, KmsKeyArn, KmsKeyIdentifier};
use envel_kms::RegionClient;
use pollster::block_on;

use super::print;
use crate::args::{
    CreateArguments, DescribeArguments, KeyCommand, KeySpelling, ListArguments, LocalRegion, OneKeyArguments,
    ScheduleDeletionArguments, alias_name,
};
use crate::config::Settings;
use crate::config::home::create_key;
use crate::exit::{Exit, Failure};
use crate::output::human::{key_description, key_table};
use crate::output::json::{self, Key};

/// Runs a command about keys.
///
/// # Errors
/// Of the store or the KMS; a refusal to delete.
pub(crate) fn run(settings: &Settings, command: &KeyCommand) -> Result<(), Failure> {
    match command {
        KeyCommand::Create(arguments) => create(settings, arguments),
        KeyCommand::List(arguments) => list(settings, arguments),
        KeyCommand::Describe(arguments) => describe(settings, arguments),
        KeyCommand::Disable(arguments) => {
            let Found { client, key } = find(settings, arguments)?;
            block_on(client.disable_key(key.arn.clone()))?;
            settings
                .console
                .say(format_args!("disabled {}: nothing opens with it until it is enabled", key.arn));
            Ok(())
        }
        KeyCommand::Enable(arguments) => {
            let Found { client, key } = find(settings, arguments)?;
            block_on(client.enable_key(key.arn.clone()))?;
            settings.console.say(format_args!("enabled {}", key.arn));
            Ok(())
        }
        KeyCommand::ScheduleDeletion(arguments) => schedule_deletion(settings, arguments),
        KeyCommand::CancelDeletion(arguments) => {
            let Found { client, key } = find(settings, arguments)?;
            block_on(client.cancel_key_deletion(key.arn.clone()))?;
            settings
                .console
                .say(format_args!("saved {}: it is disabled; `envel key enable` switches it on", key.arn));
            Ok(())
        }
    }
}

fn create(settings: &Settings, arguments: &CreateArguments) -> Result<(), Failure> {
    let alias = arguments
        .alias
        .as_deref()
        .map(|name| {
            alias_name(name).map_err(|reason| {
                Failure::usage(format!("--alias {name}: {reason}"), "for example --alias backup")
            })
        })
        .transpose()?;
    let client = client_of(settings, &arguments.region.region)?;
    let arn = create_key(&client, &arguments.description, alias.as_deref())?;
    print(format!("{arn}\n"))
}

fn list(settings: &Settings, arguments: &ListArguments) -> Result<(), Failure> {
    let client = client_of(settings, &arguments.region.region)?;
    let mut keys = Vec::new();
    for entry in block_on(client.list_keys())? {
        keys.push(described(settings, &client, &KmsKeyIdentifier::KeyArn(entry.arn))?);
    }
    keys.sort_by(|left, right| (&left.aliases, &left.arn).cmp(&(&right.aliases, &right.arn)));
    print(if arguments.json { json::document(&keys)? } else { key_table(&keys) })
}

fn describe(settings: &Settings, arguments: &DescribeArguments) -> Result<(), Failure> {
    let Found { key, .. } = find(settings, &arguments.key)?;
    print(if arguments.json { json::document(&key)? } else { key_description(&key) })
}

fn schedule_deletion(settings: &Settings, arguments: &ScheduleDeletionArguments) -> Result<(), Failure> {
    let Found { client, key } = find(settings, &arguments.key)?;
    if key.key_state == KeyState::Enabled.as_str() && !arguments.force {
        return Err(Failure::new(
            Exit::Refused,
            format!("{} is not disabled, so it may be in use", key.arn),
            "disable it first and see what breaks: `envel key disable KEY`; --force deletes it all the same",
        ));
    }
    if !arguments.yes {
        confirm(&key.arn, arguments.pending_window_in_days)?;
    }
    let answer = block_on(client.schedule_key_deletion(key.arn.clone(), arguments.pending_window_in_days))?;
    let when = answer.deletion_date.map_or_else(String::new, |date| format!(" on {}", json::date(date)));
    settings.console.say(format_args!(
        "{} will be deleted{when}; until then `envel key cancel-deletion` saves it",
        key.arn
    ));
    Ok(())
}

/// Asks before what cannot be undone in the end.
fn confirm(arn: &str, days: u32) -> Result<(), Failure> {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Err(Failure::usage(
            format!("nobody is there to ask whether {arn} shall be deleted"),
            "give --yes if it shall",
        ));
    }
    // An unseen question gets no answer.
    let _ = write!(
        stderr(),
        "Delete {arn} in {days} days? Everything encrypted under it alone is lost then. Type yes: "
    );
    let mut answer = String::new();
    stdin().read_line(&mut answer).map_err(|error| Failure::io("stdin", &error))?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::new(Exit::Other, format!("{arn} is not deleted"), "type yes to delete it"))
}

/// A key and the client of its Region.
struct Found {
    client: RegionClient,
    key: Key,
}

fn find(settings: &Settings, arguments: &OneKeyArguments) -> Result<Found, Failure> {
    let KeySpelling::Embedded(identifier) = arguments.key.parse()? else {
        return Err(Failure::usage(
            format!("{} is not a key of a KMS", arguments.key),
            "give local:NAME or the ARN that `envel key list` shows",
        ));
    };
    let region = identifier.arn().map(KmsKeyArn::region).unwrap_or_default();
    let region: LocalRegion =
        region.parse().map_err(|reason: &str| Failure::usage(reason, "correct the key"))?;
    let client = client_of(settings, &region)?;
    let key = described(settings, &client, &identifier)?;
    Ok(Found { client, key })
}

fn described(settings: &Settings, client: &RegionClient, key: &KmsKeyIdentifier) -> Result<Key, Failure> {
    let metadata = settings.home.describe_key(client, key)?;
    let aliases = block_on(client.alias_names(metadata.arn.as_str().to_owned()))?;
    Ok(Key::new(metadata, aliases))
}

/// The client of a Region, its store named on stderr.
fn client_of(settings: &Settings, region: &LocalRegion) -> Result<RegionClient, Failure> {
    let store = settings.home.open_store()?;
    settings
        .console
        .say(format_args!("embedded KMS at {}, Region {region}", settings.home.store_directory().display()));
    Ok(store.client(region.as_str()))
}
