//! `envel`: files encrypted and decrypted with envelope encryption, in the format of the AWS Encryption SDK.
//!
//! Three layers: [`args`] is what can be typed, [`config`] what that means here and now, [`command`] what is done, by the
//! library. [`exit`] alone knows exit codes.

mod args;
mod armor;
mod command;
mod config;
mod exit;
mod interrupt;
mod output;

use std::process::ExitCode;

use clap::Parser;

use args::{Command, CommandLine};
use config::Settings;
use exit::{Exit, Failure};
use output::human::Console;

fn main() -> ExitCode {
    let command_line = match CommandLine::try_parse() {
        Ok(command_line) => command_line,
        Err(error) => return ended(exit::of_parsing(&error)),
    };
    let console = Console::new(&command_line.global);
    let outcome = run(&command_line);
    if let Err(failure) = &outcome {
        console.fail(failure);
    }
    ended(outcome.unwrap_or_else(|failure| failure.exit))
}

fn run(command_line: &CommandLine) -> Result<Exit, Failure> {
    interrupt::clean_up_on_signals()?;
    let settings = || Settings::resolve(&command_line.global);
    match &command_line.command {
        Command::Encrypt(arguments) => return command::encrypt::run(&settings()?, arguments),
        Command::Decrypt(arguments) => return command::decrypt::run(&settings()?, arguments),
        Command::Verify(arguments) => return command::verify::run(&settings()?, arguments),
        Command::Inspect(arguments) => command::inspect::run(Console::new(&command_line.global), arguments)?,
        Command::Key(command) => command::key::run(&settings()?, command)?,
        Command::Kms(command) => command::kms::run(&settings()?, command)?,
        Command::Completions { shell } => command::completions::completions(*shell)?,
        Command::Man => command::completions::man()?,
    }
    Ok(Exit::Done)
}

fn ended(exit: Exit) -> ExitCode {
    ExitCode::from(exit.code())
}
