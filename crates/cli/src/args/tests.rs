use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<CommandLine, clap::Error> {
    CommandLine::try_parse_from(line.split_whitespace())
}

fn is_usage_error(line: &str) -> bool {
    parse(line).is_err_and(|error| error.use_stderr())
}

#[test]
fn the_definition_is_consistent() {
    CommandLine::command().debug_assert();
}

#[test]
fn options_cannot_be_abbreviated() {
    assert!(parse("envel encrypt -k local:a --recursive d").is_ok());
    assert!(is_usage_error("envel encrypt -k local:a --recurs d"));
    assert!(is_usage_error("envel enc -k local:a d"));
}

#[test]
fn options_of_later_versions_are_usage_errors() {
    for line in [
        "envel encrypt -k local:a --format rewrappable f",
        "envel encrypt -k local:a --caching capacity=1 f",
        "envel encrypt -k local:a --require-regions 2 f",
        "envel verify -k local:a --without-region local-1 f",
        "envel verify -k local:a --sample 3 f",
        "envel key create --multi-region",
        "envel kms serve",
        "envel rotate plan .",
    ] {
        assert!(is_usage_error(line), "{line}");
    }
}

#[test]
fn discovery_needs_accounts_and_excludes_keys() {
    assert!(is_usage_error("envel decrypt --discovery f"));
    assert!(is_usage_error("envel decrypt --discovery --discovery-account 1 -k local:a f"));
    assert!(is_usage_error("envel decrypt --discovery-account 1 f"));
    assert!(is_usage_error("envel decrypt --discovery --discovery-account 1 --discovery-any-account f"));
    assert!(parse("envel decrypt --discovery --discovery-any-account f").is_ok());
    let Command::Decrypt(arguments) =
        parse("envel decrypt --discovery --discovery-account 1,2 --discovery-account 3 f").unwrap().command
    else {
        panic!("another command")
    };
    assert_eq!(arguments.opening.discovery_account, ["1", "2", "3"]);
    assert_eq!(arguments.opening.discovery_partition, "aws");
    assert_eq!(arguments.inputs, [PathBuf::from("f")]);
}

#[test]
fn a_producer_command_needs_its_option_and_the_other_way_round() {
    assert!(is_usage_error("envel encrypt -k local:a -o f -- cat x"));
    assert!(is_usage_error("envel encrypt -k local:a -o f --stdin-from-command"));
    let Command::Encrypt(arguments) =
        parse("envel encrypt -k local:a -o f --stdin-from-command -- cat -n x").unwrap().command
    else {
        panic!("another command")
    };
    assert_eq!(arguments.producer, ["cat", "-n", "x"]);
}

#[test]
fn deletion_waits_seven_to_thirty_days() {
    assert!(is_usage_error("envel key schedule-deletion local:a --pending-window-in-days 6"));
    assert!(is_usage_error("envel key schedule-deletion local:a --pending-window-in-days 31"));
    assert!(parse("envel key schedule-deletion local:a --pending-window-in-days 7").is_ok());
}

#[test]
fn keys_are_made_in_local_regions_alone() {
    assert!(parse("envel key create --region local-2").is_ok());
    assert!(is_usage_error("envel key create --region eu-west-1"));
}

#[test]
fn context_pairs_need_a_name() {
    assert!(is_usage_error("envel encrypt -k local:a -c purpose f"));
    assert!(is_usage_error("envel encrypt -k local:a -c =x f"));
    assert_eq!("a=b=c".parse(), Ok(ContextPair { name: "a".into(), value: "b=c".into() }));
    assert_eq!("a".parse(), Ok(ContextRequirement::Name("a".into())));
    assert_eq!(
        "a=".parse(),
        Ok(ContextRequirement::Pair(ContextPair { name: "a".into(), value: String::new() }))
    );
}
