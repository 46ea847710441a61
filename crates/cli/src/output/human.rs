//! Words for people, on stderr; tables for people, on stdout.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr};

use crate::args::GlobalArguments;
use crate::exit::Failure;
use crate::output::json::{Key, Message};

/// Says on stderr what the user wants to hear.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Console {
    quiet: bool,
    verbose: bool,
}

impl Console {
    pub(crate) fn new(arguments: &GlobalArguments) -> Self {
        Self { quiet: arguments.quiet, verbose: arguments.verbose }
    }

    /// What must not be missed: said even with `-q`, with control characters escaped but for ends of lines.
    pub(crate) fn warn(self, text: impl Display) {
        let lines: Vec<_> = text.to_string().split('\n').map(printable).collect();
        // If stderr is gone, nobody is left to be told.
        let _ = writeln!(stderr(), "{}", lines.join("\n"));
    }

    /// What is said unless `-q`.
    pub(crate) fn say(self, text: impl Display) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// What is said with `-v`.
    pub(crate) fn explain(self, text: impl Display) {
        if self.verbose {
            self.warn(text);
        }
    }

    /// What happened, to which item, and what to do next.
    pub(crate) fn fail(self, failure: &Failure) {
        if !failure.is_silent() {
            self.warn(format_args!(
                "error: {}\nhelp: {}",
                printable(&failure.error),
                printable(&failure.help)
            ));
        }
    }

    /// Whether somebody watches who wants to see progress.
    pub(crate) fn shows_progress(self) -> bool {
        !self.quiet && stderr().is_terminal()
    }
}

/// Text that a terminal shows in one line and takes no orders from: control characters are escaped. Whoever made a file, a key or
/// a message chose the text in it.
///
/// # Security
/// Everything that is shown to people and was not written by this program goes through here.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
        shown
    })
}

/// Keys, one a line.
pub(crate) fn key_table(keys: &[Key]) -> String {
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let names: Vec<_> =
                key.aliases.iter().map(|alias| alias.strip_prefix("alias/").unwrap_or(alias)).collect();
            let state = match &key.deletion_date {
                Some(date) => format!("{} {date}", key.key_state),
                None => key.key_state.to_owned(),
            };
            [names.join(","), state, key.creation_date.clone(), key.arn.clone(), key.description.clone()]
        })
        .collect();
    table(["NAME", "STATE", "CREATED", "ARN", "DESCRIPTION"], &rows)
}

/// One key, one property a line.
pub(crate) fn key_description(key: &Key) -> String {
    let aliases: Vec<_> = key.aliases.iter().map(String::as_str).collect();
    let mut lines = vec![
        ("ARN", key.arn.clone()),
        ("aliases", aliases.join(", ")),
        ("state", key.key_state.to_owned()),
        ("description", key.description.clone()),
        ("created", key.creation_date.clone()),
    ];
    lines.extend(key.deletion_date.clone().map(|date| ("will be deleted", date)));
    lines.extend([("spec", key.key_spec.clone()), ("origin", key.origin.clone())]);
    lines.extend(key.current_key_material_id.clone().map(|id| ("key material", id)));
    properties(&lines)
}

/// A message, one property a line; names and values in it are quoted, since anybody may have written them.
pub(crate) fn message_description(message: &Message) -> String {
    let suite = &message.algorithm_suite;
    let mut lines = vec![
        (
            "verified",
            "nothing: anybody may have written this; `envel verify` checks it with a key".to_owned(),
        ),
        ("format", format!("version {}", message.format_version)),
        ("message ID", message.message_id.clone()),
        ("algorithm suite", format!("{} {}", suite.id, suite.name)),
        ("key commitment", yes_or_no(message.is_committing)),
        ("signed", yes_or_no(message.is_signed)),
    ];
    let context = &message.encryption_context;
    lines.push(("context", if context.is_empty() { "none".to_owned() } else { String::new() }));
    lines.extend(context.iter().map(|(name, value)| ("", format!("{name:?} = {value:?}"))));
    lines.push(("data keys", message.encrypted_data_keys.len().to_string()));
    lines.extend(message.encrypted_data_keys.iter().map(|edk| {
        ("", format!("{:?} {:?}, {} bytes", edk.provider_id, edk.provider_info, edk.ciphertext_bytes))
    }));
    lines.push(("header", format!("{} bytes", message.header_bytes)));
    if message.is_framed {
        lines.push(("frame length", format!("{} bytes", message.frame_length)));
        lines.extend(message.frames.map(|frames| ("frames", frames.to_string())));
    } else {
        lines.push(("body", "not framed".to_owned()));
    }
    lines.extend(message.plaintext_bytes.map(|bytes| ("plaintext", format!("{bytes} bytes"))));
    lines.extend(message.body_bytes.map(|bytes| ("body", format!("{bytes} bytes"))));
    lines.extend(
        message.footer_bytes.filter(|bytes| *bytes > 0).map(|bytes| ("footer", format!("{bytes} bytes"))),
    );
    properties(&lines)
}

fn yes_or_no(answer: bool) -> String {
    if answer { "yes" } else { "no" }.to_owned()
}

/// Names and values, one pair a line.
fn properties(lines: &[(&str, String)]) -> String {
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    lines.iter().fold(String::new(), |text, (name, value)| {
        text + format!("{name:width$}  {}", printable(value)).trim_end() + "\n"
    })
}

/// Left-aligned columns, as wide as their widest cell.
fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> =
        rows.iter().map(|row| std::array::from_fn(|column| printable(&row[column]))).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).chain([header[column].len()]).max().unwrap_or(0)
    });
    let line = |cells: [&str; N]| {
        let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let body = rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    std::iter::once(line(header)).chain(body).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_nothing_else() {
        assert_eq!(printable("a\u{1b}[2J\u{7f}\u{9b}2J\n\r\t"), r"a\u{1b}[2J\u{7f}\u{9b}2J\n\r\t");
        assert_eq!(printable("Grüße \\ \"日本\""), "Grüße \\ \"日本\"");
        assert_eq!(table(["K"], &[["\u{1b}c".to_owned()]]), "K\n\\u{1b}c\n");
        assert_eq!(properties(&[("k", "\n\u{9b}".to_owned())]), "k  \\n\\u{9b}\n");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a".to_owned(), "é".to_owned()], ["bbbb".to_owned(), String::new()]];
        assert_eq!(table(["K", "VALUE"], &rows), "K     VALUE\na     é\nbbbb\n");
    }
}
