//! `envel completions` and `envel man`: what a packager installs.

use std::io;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

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
    print(manual_page().map_err(|error| Failure::io("the manual page", &error))?)
}

fn manual_page() -> io::Result<String> {
    let mut command = CommandLine::command();
    command.build();
    let mut page = Vec::new();
    let whole = Man::new(command.clone());
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    whole.render_options_section(&mut page)?;
    render_commands(&command, &mut page)?;
    whole.render_extra_section(&mut page)?;
    whole.render_version_section(&mut page)?;
    Ok(keep_indented_lines(&String::from_utf8_lossy(&page)))
}

/// Appends a section for each command, with its own sections below it.
fn render_commands(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let name = subcommand.get_bin_name().unwrap_or_else(|| subcommand.get_name());
        let mut section = Vec::new();
        let man = Man::new(subcommand.clone());
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        if subcommand.get_arguments().next().is_some() {
            man.render_options_section(&mut section)?;
        }
        if subcommand.get_after_help().is_some() {
            man.render_extra_section(&mut section)?;
        }
        let title = name.to_uppercase().replace('-', "\\-");
        let section = String::from_utf8_lossy(&section).replace("\n.SH ", "\n.SS ");
        page.extend_from_slice(
            format!(".SH \"{title}\"\n{}", section.replacen(".SH ", ".SS ", 1)).as_bytes(),
        );
        render_commands(subcommand, page)?;
    }
    Ok(())
}

/// Keeps lines that begin with spaces, which are examples and tables, from being filled into paragraphs.
fn keep_indented_lines(page: &str) -> String {
    let mut kept = String::with_capacity(page.len());
    let mut is_filling = true;
    for line in page.lines() {
        if line.starts_with("  ") == is_filling {
            kept.push_str(if is_filling { ".nf\n" } else { ".fi\n" });
            is_filling = !is_filling;
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}
