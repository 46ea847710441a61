//! `envel completions` and `envel man`: what a packager installs.

use clap::CommandFactory;
use clap_complete::Shell;

use super::print;
use crate::args::CommandLine;
use crate::exit::Failure;

/// Prints the completion script of a shell.
///
/// # Errors
/// Of stdout.
pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "envel", &mut script);
    print(script)
}

/// Prints one manual page that covers every command.
///
/// # Errors
/// Of stdout.
pub(crate) fn man() -> Result<(), Failure> {
    let mut command = CommandLine::command();
    command.build();
    let mut page = Vec::new();
    let failed = |error: std::io::Error| Failure::io("stdout", &error);
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    render_subcommands(&command, &mut page).map_err(failed)?;
    print(page)
}

/// Appends a section for each command: its synopsis, its words and its options.
fn render_subcommands(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let name = subcommand.get_bin_name().unwrap_or_else(|| subcommand.get_name());
        page.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase().replace('-', "\\-")).as_bytes());
        let section = clap_mangen::Man::new(subcommand.clone());
        section.render_description_section(page)?;
        section.render_synopsis_section(page)?;
        if subcommand.get_arguments().next().is_some() {
            section.render_options_section(page)?;
        }
        render_subcommands(subcommand, page)?;
    }
    Ok(())
}
