//! Which inputs there are, and where the output of each goes.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::iter;
use std::path::{Component, Path, PathBuf};

use envel_ops::store::files::{self, Entry, EntryKind, FileIdentity};

use crate::args::OutputArguments;
use crate::exit::Failure;
use crate::output::human::printable;

/// What is done with the inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Encrypt,
    Decrypt,
}

/// Where one input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    File(PathBuf),
    /// The output of a command.
    Producer,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("stdin"),
            Self::File(path) => f.write_str(&printable(&path.to_string_lossy())),
            Self::Producer => f.write_str("the command's output"),
        }
    }
}

/// Where the output of one input goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    File {
        path: PathBuf,
        /// Directories between the output directory and the file come into being with it.
        makes_directories: bool,
    },
    Stdout {
        was_asked_for: bool,
    },
    Nowhere,
    /// A file of a tree whose name gives none for its output: a failure if it is a message at all.
    Unnamed(Failure),
}

impl Target {
    /// A file in a directory that exists.
    fn beside(path: PathBuf) -> Self {
        Self::File { path, makes_directories: false }
    }
}

/// One input and its output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) source: Source,
    pub(crate) target: Target,
    /// Found in a tree: what does not fit the command is skipped, not an error.
    pub(crate) is_from_tree: bool,
}

/// What looking for inputs comes upon.
#[derive(Debug)]
pub(crate) enum Found {
    Item(Item),
    Skipped { path: PathBuf, reason: &'static str },
    Failed { path: PathBuf, failure: Failure },
}

/// The inputs of a command.
#[derive(Debug)]
pub(crate) struct Inputs {
    paths: Vec<PathBuf>,
    recursive: bool,
    naming: Naming,
    /// The files among `paths`, looked up once.
    named: OnceCell<HashSet<FileIdentity>>,
}

/// How outputs are named.
#[derive(Debug)]
struct Naming {
    direction: Direction,
    suffix: OsString,
    output: Output,
}

#[derive(Debug)]
enum Output {
    /// Beside each input; what comes from stdin goes to stdout.
    Beside,
    Stdout,
    File(PathBuf),
    Directory(PathBuf),
    Nowhere,
}

impl Inputs {
    /// The inputs of `encrypt` and `decrypt`.
    ///
    /// # Errors
    /// Options that contradict each other.
    pub(crate) fn new(
        direction: Direction,
        paths: &[PathBuf],
        arguments: &OutputArguments,
    ) -> Result<Self, Failure> {
        if arguments.suffix.is_empty() || arguments.suffix.contains('/') {
            return Err(Failure::usage("--suffix must be the end of a name", "for example --suffix .envel"));
        }
        let stdin_alone = [PathBuf::from("-")];
        let paths = if paths.is_empty() { &stdin_alone[..] } else { paths };
        let from_stdin = paths.iter().filter(|path| is_dash(path)).count();
        if from_stdin > 1 {
            return Err(Failure::usage("stdin is named twice", "give `-` once"));
        }
        if from_stdin > 0 && arguments.remove_source {
            return Err(Failure::usage("--remove-source cannot remove stdin", "name files, or leave it out"));
        }
        let is_single = paths.len() == 1 && !arguments.recursive;
        let output = match &arguments.output {
            None => Output::Beside,
            Some(path) if is_dash(path) && is_single => Output::Stdout,
            Some(path) if is_dash(path) => {
                return Err(Failure::usage(
                    "several outputs do not go to one stdout",
                    "leave -o out, or name a directory with -o",
                ));
            }
            Some(path) if is_single && !path.is_dir() && !ends_with_slash(path) => Output::File(path.clone()),
            Some(path) => Output::Directory(path.clone()),
        };
        if arguments.remove_source && matches!(output, Output::Stdout) {
            return Err(Failure::usage(
                "--remove-source needs an output that is a file",
                "give -o FILE, or leave --remove-source out",
            ));
        }
        let naming = Naming { direction, suffix: arguments.suffix.clone().into(), output };
        Ok(Self::with(paths.to_vec(), arguments.recursive, naming))
    }

    /// The output of a command as the one input of `encrypt`.
    ///
    /// # Errors
    /// The output is not a file: what went to stdout could not be taken back.
    pub(crate) fn of_producer(arguments: &OutputArguments) -> Result<Self, Failure> {
        let Some(path) = arguments.output.as_ref().filter(|path| !is_dash(path)) else {
            return Err(Failure::withheld_output_needed());
        };
        let naming = Naming {
            direction: Direction::Encrypt,
            suffix: arguments.suffix.clone().into(),
            output: Output::File(path.clone()),
        };
        Ok(Self::with(Vec::new(), false, naming))
    }

    /// The one input of `decrypt --range`.
    ///
    /// # Errors
    /// There is another number of inputs, one that has no positions to read at, or no name for the output: a part of a plaintext must
    /// not go by the name of the whole.
    pub(crate) fn of_range(paths: &[PathBuf], arguments: &OutputArguments) -> Result<Self, Failure> {
        let path = match paths {
            [path] if !is_dash(path) => path,
            [] | [_] => {
                return Err(Failure::usage(
                    "--range cannot read stdin, which has no positions",
                    "name the file of the message, or decrypt the whole of it",
                ));
            }
            _ => return Err(Failure::usage("--range reads one message", "name one file")),
        };
        if path.is_dir() {
            return Err(Failure::usage(
                format!("{} is a directory, and --range reads one message", path.display()),
                "name one file",
            ));
        }
        let output = match &arguments.output {
            Some(output) if is_dash(output) => Output::Stdout,
            Some(output) => Output::File(output.clone()),
            None => {
                return Err(Failure::usage(
                    "--range needs a name for the part that it decrypts",
                    "name a file with -o, or give -o - for stdout",
                ));
            }
        };
        let naming =
            Naming { direction: Direction::Decrypt, suffix: arguments.suffix.clone().into(), output };
        Ok(Self::with(vec![path.clone()], false, naming))
    }

    /// The inputs of `verify`, which writes nothing and walks every directory.
    pub(crate) fn to_verify(paths: &[PathBuf], suffix: &str) -> Self {
        let naming = Naming { direction: Direction::Decrypt, suffix: suffix.into(), output: Output::Nowhere };
        Self::with(paths.to_vec(), true, naming)
    }

    fn with(paths: Vec<PathBuf>, recursive: bool, naming: Naming) -> Self {
        Self { paths, recursive, naming, named: OnceCell::new() }
    }

    /// What is done with them.
    pub(crate) fn direction(&self) -> Direction {
        self.naming.direction
    }

    /// Whether a file is named as an input, by whatever path.
    ///
    /// # Errors
    /// It cannot be looked up.
    pub(crate) fn name(&self, file: &Path) -> Result<bool, Failure> {
        // An input that cannot be looked up fails when its turn comes.
        let look_up = |path: &PathBuf| FileIdentity::at(path).ok().flatten();
        let named = self.named.get_or_init(|| self.paths.iter().filter_map(look_up).collect());
        Ok(FileIdentity::at(file)?.is_some_and(|identity| named.contains(&identity)))
    }

    /// Whether a file that exists lies where a named directory is walked.
    pub(crate) fn walk_over(&self, file: &Path) -> bool {
        let Ok(file) = file.canonicalize() else { return false };
        self.recursive
            && self.paths.iter().filter(|path| path.is_dir()).any(|root| {
                let outputs = self.naming.output_directory_below(root);
                let is_output = outputs
                    .and_then(|outputs| outputs.canonicalize().ok())
                    .is_some_and(|outputs| file.starts_with(outputs));
                root.canonicalize().is_ok_and(|root| file.starts_with(root)) && !is_output
            })
    }

    /// Whether there is one input, whose failure is the command's own.
    pub(crate) fn is_single(&self) -> bool {
        match &self.paths[..] {
            [] => true,
            [path] => !(self.recursive && path.is_dir()),
            _ => false,
        }
    }

    /// Whether an input need not be a message: it was found in a tree, and its name does not say that it is one.
    pub(crate) fn may_skip(&self, item: &Item) -> bool {
        match &item.source {
            Source::File(path) => item.is_from_tree && without_suffix(path, &self.naming.suffix).is_none(),
            Source::Stdin | Source::Producer => false,
        }
    }

    /// Looks for the inputs, one after the other.
    pub(crate) fn find(&self) -> impl Iterator<Item = Found> {
        let producer = self.paths.is_empty().then(|| self.unnamed(Source::Producer));
        producer.into_iter().chain(self.paths.iter().flat_map(|path| self.find_at(path)))
    }

    fn find_at<'a>(&'a self, path: &'a Path) -> Box<dyn Iterator<Item = Found> + 'a> {
        if is_dash(path) {
            return Box::new(iter::once(self.unnamed(Source::Stdin)));
        }
        if !path.is_dir() {
            let name = Path::new(path.file_name().unwrap_or(path.as_os_str()));
            return Box::new(iter::once(self.file(path.to_owned(), name, false)));
        }
        if !self.recursive {
            let failure = Failure::usage(
                format!("{} is a directory", path.display()),
                "give -r to take every file below it",
            );
            return Box::new(iter::once(Found::Failed { path: path.to_owned(), failure }));
        }
        let outputs = self.naming.output_directory_below(path);
        let is_output =
            move |entry: &Entry| outputs.as_deref().is_some_and(|out| entry.path.starts_with(out));
        Box::new(files::walk(path).filter(move |entry| !entry.as_ref().is_ok_and(&is_output)).map(
            move |entry| match entry {
                Ok(Entry { path: found, kind: EntryKind::File }) => {
                    let below = found.strip_prefix(path).unwrap_or(&found).to_owned();
                    self.file(found, &below, true)
                }
                Ok(Entry { path, kind: EntryKind::SymbolicLink }) => {
                    Found::Skipped { path, reason: "it is a symbolic link" }
                }
                Ok(Entry { path, kind: EntryKind::Special }) => {
                    Found::Skipped { path, reason: "it is a device, FIFO or socket" }
                }
                Err(error) => Found::Failed { path: path.to_owned(), failure: error.into() },
            },
        ))
    }

    /// An input that has no name to make an output's name of.
    fn unnamed(&self, source: Source) -> Found {
        let target = match &self.naming.output {
            Output::Beside => Target::Stdout { was_asked_for: false },
            Output::Stdout => Target::Stdout { was_asked_for: true },
            Output::File(path) => Target::beside(path.clone()),
            Output::Nowhere => Target::Nowhere,
            Output::Directory(directory) => {
                let failure = Failure::usage(
                    format!("stdin has no name for an output in {}", directory.display()),
                    "name a file with -o",
                );
                return Found::Failed { path: "-".into(), failure };
            }
        };
        Found::Item(Item { source, target, is_from_tree: false })
    }

    fn file(&self, path: PathBuf, below: &Path, is_from_tree: bool) -> Found {
        match self.naming.target(&path, below) {
            Ok(target) => Found::Item(Item { source: Source::File(path), target, is_from_tree }),
            Err(failure) if is_from_tree => Found::Item(Item {
                source: Source::File(path),
                target: Target::Unnamed(failure),
                is_from_tree,
            }),
            Err(failure) => Found::Failed { path, failure },
        }
    }
}

impl Naming {
    /// The output of the file at `path`, which lies at `below` within what was named.
    fn target(&self, path: &Path, below: &Path) -> Result<Target, Failure> {
        Ok(match &self.output {
            Output::Stdout => Target::Stdout { was_asked_for: true },
            Output::Nowhere => Target::Nowhere,
            Output::File(output) => Target::beside(output.clone()),
            Output::Beside => {
                Target::beside(self.renamed(path).ok_or_else(|| no_suffix(path, &self.suffix))?)
            }
            // In another directory a message without suffix can keep its name.
            Output::Directory(directory) => {
                let path = directory.join(self.renamed(below).unwrap_or_else(|| below.to_owned()));
                Target::File { path, makes_directories: true }
            }
        })
    }

    fn renamed(&self, path: &Path) -> Option<PathBuf> {
        match self.direction {
            Direction::Encrypt => {
                let mut name = path.as_os_str().to_owned();
                name.push(&self.suffix);
                Some(name.into())
            }
            Direction::Decrypt => without_suffix(path, &self.suffix),
        }
    }

    /// The output directory in the terms of a walk of `root`, if it lies in there.
    fn output_directory_below(&self, root: &Path) -> Option<PathBuf> {
        let Output::Directory(directory) = &self.output else { return None };
        let below = canonical_once_made(directory)?;
        let below = below.strip_prefix(root.canonicalize().ok()?).ok()?.to_owned();
        // The root itself is no reason to skip everything in it.
        (below != Path::new("")).then(|| root.join(below))
    }
}

/// The canonical path that a directory has, or will have once it and those above it are made.
fn canonical_once_made(directory: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(directory).ok()?;
    let (ancestor, canonical) = absolute
        .ancestors()
        .find_map(|ancestor| ancestor.canonicalize().ok().map(|canonical| (ancestor, canonical)))?;
    let missing = absolute.strip_prefix(ancestor).ok()?;
    Some(missing.components().fold(canonical, |mut path, component| {
        match component {
            // What is not there yet is no symbolic link, so `..` leads back out of it.
            Component::ParentDir => _ = path.pop(),
            component => path.push(component),
        }
        path
    }))
}

fn no_suffix(path: &Path, suffix: &OsStr) -> Failure {
    Failure::usage(
        format!("{} does not end with {}, so its output has no name", path.display(), suffix.display()),
        "name the output with -o, or give the right --suffix",
    )
}

fn without_suffix(path: &Path, suffix: &OsStr) -> Option<PathBuf> {
    let name = path.file_name()?.as_encoded_bytes().strip_suffix(suffix.as_encoded_bytes())?;
    // What remains ends where `suffix`, valid text, begins.
    let name = std::os::unix::ffi::OsStrExt::from_bytes(name);
    (name != OsStr::new("")).then(|| path.with_file_name::<&OsStr>(name))
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}
