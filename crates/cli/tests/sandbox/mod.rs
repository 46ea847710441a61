//! A directory of its own for each test, with a key store in it, and the program run there.

#![allow(dead_code, reason = "each test binary uses some of this")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The program under test.
pub(crate) const ENVEL: &str = env!("CARGO_BIN_EXE_envel");

pub(crate) struct Sandbox {
    directory: TempDir,
    home: PathBuf,
}

impl Sandbox {
    /// Nothing but an empty directory: there is no store.
    pub(crate) fn empty() -> Self {
        let directory = TempDir::new().unwrap();
        let home = directory.path().join("home");
        Self { directory, home }
    }

    /// A store with the key `local:demo`.
    pub(crate) fn with_demo_key() -> Self {
        let sandbox = Self::empty();
        sandbox.write("seed", b"");
        sandbox.run(["encrypt", "-q", "-k", "local:demo", "seed"]).succeeds();
        fs::remove_file(sandbox.path("seed")).unwrap();
        fs::remove_file(sandbox.path("seed.envel")).unwrap();
        sandbox
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Where the store is, as messages name it.
    pub(crate) fn store(&self) -> String {
        self.home.join("kms").display().to_string()
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn exists(&self, name: impl AsRef<Path>) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    pub(crate) fn mode(&self, name: impl AsRef<Path>) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    /// Every name in the directory, hidden ones too, but for the store's.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "home")
            .collect();
        names.sort();
        names
    }

    /// The program, to be run in the directory, with no variable of ours but the store's place.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.prepared(Command::new(ENVEL), arguments)
    }

    /// As [`Self::command`], with the signals that end a program as they are by default: whoever runs the tests in the background of a
    /// script has them ignored, and the program respects that.
    pub(crate) fn interruptible_command<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let mut env = Command::new("env");
        env.args(["--default-signal=HUP,INT,TERM", ENVEL]);
        self.prepared(env, arguments)
    }

    fn prepared<A: AsRef<OsStr>>(
        &self,
        mut command: Command,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ENVEL_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.root()).env("ENVEL_HOME", &self.home).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with_stdin<A: AsRef<OsStr>>(
        &self,
        stdin: &[u8],
        arguments: impl IntoIterator<Item = A>,
    ) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        feed(&mut child, stdin.to_vec());
        Ran(child.wait_with_output().unwrap())
    }

    /// A message of `plaintext` in the file `name`.
    pub(crate) fn message(&self, name: &str, plaintext: &[u8], options: &[&str]) {
        let arguments = ["encrypt", "-q", "-k", "local:demo", "-o", name];
        self.run_with_stdin(plaintext, arguments.iter().chain(options)).succeeds();
    }
}

/// Writes to a child's stdin from a thread. A child that does not read to the end is no error.
pub(crate) fn feed(child: &mut Child, bytes: Vec<u8>) {
    let mut stdin = child.stdin.take().unwrap();
    std::thread::spawn(move || stdin.write_all(&bytes));
}

/// A run that has ended.
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().expect("the program was not killed")
    }

    pub(crate) fn stdout(&self) -> &[u8] {
        &self.0.stdout
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code(), 0, "{}", self.stderr());
        self
    }

    /// Ended with this exit code and exactly these lines on stderr, and nothing on stdout.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, stderr: &str) -> Self {
        assert_eq!(self.stderr(), stderr);
        assert_eq!(self.code(), code);
        assert_eq!(self.stdout(), b"", "data on stdout");
        self
    }

    /// Ended with this exit code, and stderr has these words.
    #[track_caller]
    pub(crate) fn fails_saying(self, code: i32, words: &str) -> Self {
        assert!(self.stderr().contains(words), "{words:?} is not in:\n{}", self.stderr());
        assert_eq!(self.code(), code, "{}", self.stderr());
        self
    }
}
