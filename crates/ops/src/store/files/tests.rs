use super::output::open_unnamed;
use super::{
    Entry, EntryKind, FileError, OutputFile, Privacy, WritePolicy, create_directories, remove_source,
    remove_unfinished, same_file, walk,
};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use tempfile::{TempDir, tempdir};

/// Which temporary files the file system is taken to have.
#[derive(Clone, Copy, PartialEq)]
enum TemporaryKind {
    Any,
    Named,
}

const BOTH_KINDS: [TemporaryKind; 2] = [TemporaryKind::Any, TemporaryKind::Named];

fn create(path: &Path, policy: WritePolicy, kind: TemporaryKind) -> Result<OutputFile, FileError> {
    create_with_privacy(path, policy, Privacy::Shared, kind)
}

fn create_with_privacy(
    path: &Path,
    policy: WritePolicy,
    privacy: Privacy,
    kind: TemporaryKind,
) -> Result<OutputFile, FileError> {
    let open_unnamed = match kind {
        TemporaryKind::Any => open_unnamed,
        TemporaryKind::Named => |_: &File, _| Ok(None),
    };
    OutputFile::create_with(path, policy, privacy, open_unnamed)
}

fn write(path: &Path, policy: WritePolicy, kind: TemporaryKind, contents: &str) -> Result<(), FileError> {
    let mut output = create(path, policy, kind)?;
    output.write_all(contents.as_bytes()).unwrap();
    output.commit()
}

fn names(directory: &Path) -> Vec<OsString> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

mod walking {
    use super::*;

    fn found(root: &Path) -> Vec<(String, EntryKind)> {
        walk(root)
            .map(|entry| {
                let Entry { path, kind } = entry.unwrap();
                (path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), kind)
            })
            .collect()
    }

    #[test]
    fn a_tree_is_listed_in_the_order_of_names_without_its_directories() {
        let root = tempdir().unwrap();
        for directory in ["b/y", "b/x", "empty"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        for file in ["c", "a", "b/z", "b/x/2", "b/x/1", "b/y/3", "B", ".hidden"] {
            fs::write(root.path().join(file), "").unwrap();
        }
        let expected = [".hidden", "B", "a", "b/x/1", "b/x/2", "b/y/3", "b/z", "c"];
        assert_eq!(found(root.path()), expected.map(|name| (name.to_owned(), EntryKind::File)));
        assert_eq!(found(root.path()), found(root.path()));
    }

    #[test]
    fn links_and_special_files_are_reported_and_not_followed() {
        let root = tempdir().unwrap();
        fs::create_dir(root.path().join("tree")).unwrap();
        fs::write(root.path().join("tree/file"), "").unwrap();
        symlink("tree", root.path().join("to-tree")).unwrap();
        symlink("..", root.path().join("tree/up")).unwrap();
        symlink("nowhere", root.path().join("dangling")).unwrap();
        fifo(&root.path().join("pipe"));
        let _socket = UnixListener::bind(root.path().join("socket")).unwrap();
        let expected = [
            ("dangling", EntryKind::SymbolicLink),
            ("pipe", EntryKind::Special),
            ("socket", EntryKind::Special),
            ("to-tree", EntryKind::SymbolicLink),
            ("tree/file", EntryKind::File),
            ("tree/up", EntryKind::SymbolicLink),
        ];
        assert_eq!(found(root.path()), expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn a_root_may_be_a_file_or_a_link() {
        let root = tempdir().unwrap();
        let file = root.path().join("tree/file");
        fs::create_dir(root.path().join("tree")).unwrap();
        fs::write(&file, "").unwrap();
        assert_eq!(found(&file), [(String::new(), EntryKind::File)]);
        let link = root.path().join("link");
        symlink("tree", &link).unwrap();
        assert_eq!(found(&link), [("file".to_owned(), EntryKind::File)]);
        let link_to_file = root.path().join("link-to-file");
        symlink("tree/file", &link_to_file).unwrap();
        assert_eq!(found(&link_to_file), [(String::new(), EntryKind::File)]);
    }

    #[test]
    fn an_entry_that_cannot_be_read_does_not_stop_the_walk() {
        let root = tempdir().unwrap();
        for directory in ["a", "b", "c"] {
            fs::create_dir(root.path().join(directory)).unwrap();
            fs::write(root.path().join(directory).join("file"), "").unwrap();
        }
        let mut entries = walk(root.path());
        assert_eq!(entries.next().unwrap().unwrap().path, root.path().join("a/file"));
        // The walk knows of the directory, which is gone when it gets there: this fails for the superuser too.
        fs::remove_dir_all(root.path().join("b")).unwrap();
        let error = entries.next().unwrap().unwrap_err().to_string();
        assert!(error.contains(root.path().join("b").to_str().unwrap()), "{error}");
        assert_eq!(entries.next().unwrap().unwrap().path, root.path().join("c/file"));
        assert!(entries.next().is_none());
    }

    #[test]
    fn a_missing_root_is_one_error() {
        let items: Vec<_> = walk(Path::new("/no/such/place")).collect();
        assert_eq!(items.len(), 1);
        let error = items[0].as_ref().unwrap_err().to_string();
        assert!(error.starts_with("cannot read /no/such/place: "), "{error}");
    }
}

mod writing {
    use super::*;

    #[test]
    fn nothing_shows_before_the_commit_and_only_the_file_after_it() {
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            let path = directory.path().join("new");
            let mut output = create(&path, WritePolicy::Refuse, kind).unwrap();
            output.write_all(b"contents").unwrap();
            assert!(!output.is_direct());
            assert!(!path.exists());
            output.commit().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"contents");
            assert_eq!(names(directory.path()), ["new"]);
        }
    }

    #[test]
    fn without_a_commit_nothing_remains_and_the_old_file_stays() {
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            let path = directory.path().join("old");
            fs::write(&path, "old").unwrap();
            let mut output = create(&path, WritePolicy::Replace, kind).unwrap();
            output.write_all(b"new").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
            drop(output);
            assert_eq!(fs::read(&path).unwrap(), b"old");
            assert_eq!(names(directory.path()), ["old"]);
        }
    }

    #[test]
    fn an_existing_target_is_refused_kept_or_replaced_by_policy() {
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            let path = directory.path().join("old");
            fs::write(&path, "old").unwrap();
            let refused = write(&path, WritePolicy::Refuse, kind, "new").unwrap_err();
            assert!(matches!(refused, FileError::TargetExists { .. }), "{refused}");
            let kept = write(&path, WritePolicy::Keep, kind, "new").unwrap_err();
            assert!(matches!(kept, FileError::TargetKept { .. }), "{kept}");
            assert_eq!(fs::read(&path).unwrap(), b"old");
            write(&path, WritePolicy::Replace, kind, "new").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(names(directory.path()), ["old"]);
        }
    }

    #[test]
    fn a_target_that_appears_meanwhile_is_treated_like_one_that_existed() {
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            let path = directory.path().join("target");
            let start = |policy| {
                let mut output = create(&path, policy, kind).unwrap();
                output.write_all(b"new").unwrap();
                output
            };
            let [refuse, keep, replace] =
                [WritePolicy::Refuse, WritePolicy::Keep, WritePolicy::Replace].map(start);
            fs::write(&path, "from elsewhere").unwrap();
            assert!(matches!(refuse.commit(), Err(FileError::TargetExists { .. })));
            assert!(matches!(keep.commit(), Err(FileError::TargetKept { .. })));
            assert_eq!(fs::read(&path).unwrap(), b"from elsewhere");
            replace.commit().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(names(directory.path()), ["target"]);
        }
    }

    #[test]
    fn of_writers_racing_for_a_new_name_exactly_one_wins() {
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            for round in 0..50 {
                let path = directory.path().join(format!("round-{round}"));
                let barrier = Barrier::new(4);
                let outcomes: Vec<_> = std::thread::scope(|scope| {
                    let writers: Vec<_> = (0..4)
                        .map(|writer: u8| {
                            let (path, barrier) = (&path, &barrier);
                            scope.spawn(move || {
                                let mut output = create(path, WritePolicy::Refuse, kind).unwrap();
                                output.write_all(&[writer]).unwrap();
                                barrier.wait();
                                output.commit()
                            })
                        })
                        .collect();
                    writers.into_iter().map(|writer| writer.join().unwrap()).collect()
                });
                let winner = usize::from(fs::read(&path).unwrap()[0]);
                for (writer, outcome) in outcomes.into_iter().enumerate() {
                    match outcome {
                        Ok(()) => assert_eq!(writer, winner),
                        Err(FileError::TargetExists { .. }) => assert_ne!(writer, winner),
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            assert_eq!(names(directory.path()).len(), 50);
        }
    }

    #[test]
    fn writers_that_replace_one_file_at_once_all_succeed_and_one_of_them_lasts() {
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            let path = directory.path().join("target");
            std::thread::scope(|scope| {
                for writer in 0..4u8 {
                    let path = &path;
                    scope.spawn(move || {
                        for _ in 0..25 {
                            let contents = char::from(b'a' + writer).to_string().repeat(1000);
                            write(path, WritePolicy::Replace, kind, &contents).unwrap();
                        }
                    });
                }
            });
            let contents = fs::read(&path).unwrap();
            assert_eq!(contents.len(), 1000);
            assert!(contents.iter().all(|byte| *byte == contents[0]));
            assert_eq!(names(directory.path()), ["target"]);
        }
    }

    #[test]
    fn plaintext_is_private_ciphertext_follows_the_umask_and_a_replaced_file_keeps_its_mode() {
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            let commit = |name: &str, privacy| {
                let path = directory.path().join(name);
                create_with_privacy(&path, WritePolicy::Replace, privacy, kind).unwrap().commit().unwrap();
                mode(&path)
            };
            File::create(directory.path().join("ordinary")).unwrap();
            assert_eq!(commit("plaintext", Privacy::Private), 0o600);
            assert_eq!(commit("ciphertext", Privacy::Shared), mode(&directory.path().join("ordinary")));
            for old_mode in [0o640, 0o444, 0o755] {
                let old = directory.path().join(format!("old-{old_mode:o}"));
                fs::write(&old, "old").unwrap();
                fs::set_permissions(&old, Permissions::from_mode(old_mode)).unwrap();
                let name = old.file_name().unwrap().to_str().unwrap();
                assert_eq!(commit(name, Privacy::Private), old_mode);
                assert_eq!(commit(name, Privacy::Shared), old_mode);
            }
        }
    }

    #[test]
    fn a_replacement_is_private_until_it_is_put_in_place() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("old");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        for kind in BOTH_KINDS {
            let output = create(&path, WritePolicy::Replace, kind).unwrap();
            assert_eq!(output.file().metadata().unwrap().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_link_is_written_through_and_stays() {
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            fs::create_dir(directory.path().join("elsewhere")).unwrap();
            let file = directory.path().join("elsewhere/file");
            fs::write(&file, "old").unwrap();
            symlink("elsewhere/file", directory.path().join("inner")).unwrap();
            let link = directory.path().join("link");
            symlink("inner", &link).unwrap();
            assert!(matches!(
                write(&link, WritePolicy::Refuse, kind, "new"),
                Err(FileError::TargetExists { .. })
            ));
            write(&link, WritePolicy::Replace, kind, "new").unwrap();
            assert!(link.is_symlink());
            assert_eq!(fs::read(&file).unwrap(), b"new");
            assert_eq!(names(&directory.path().join("elsewhere")), ["file"]);
        }
    }

    #[test]
    fn a_dangling_link_exists_for_refusal_and_is_written_through_by_replacement() {
        let directory = tempdir().unwrap();
        let link = directory.path().join("link");
        symlink("missing", &link).unwrap();
        let any = TemporaryKind::Any;
        assert!(matches!(write(&link, WritePolicy::Refuse, any, "new"), Err(FileError::TargetExists { .. })));
        assert!(matches!(write(&link, WritePolicy::Keep, any, "new"), Err(FileError::TargetKept { .. })));
        write(&link, WritePolicy::Replace, any, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(directory.path().join("missing")).unwrap(), b"new");
    }

    #[test]
    fn a_link_to_itself_is_an_error() {
        let directory = tempdir().unwrap();
        let link = directory.path().join("loop");
        symlink("loop", &link).unwrap();
        let error = create(&link, WritePolicy::Replace, TemporaryKind::Any).unwrap_err();
        assert!(error.to_string().contains(link.to_str().unwrap()), "{error}");
    }

    #[test]
    fn what_cannot_hold_an_output_is_named() {
        let directory = tempdir().unwrap();
        let _socket = UnixListener::bind(directory.path().join("socket")).unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        for (name, expected) in [
            ("", "is a directory, not a file"),
            ("socket", "is a socket, not a file"),
            ("missing/", "is the path of a directory, not a file"),
            ("missing/file", "cannot open the directory"),
            ("file/below", "Not a directory"),
        ] {
            let path = directory.path().join(name);
            let error = create(&path, WritePolicy::Replace, TemporaryKind::Any).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
            assert!(error.contains(directory.path().to_str().unwrap()), "{name}: {error}");
        }
        assert_eq!(names(directory.path()), ["file", "socket"]);
    }

    #[test]
    fn a_name_of_the_greatest_length_is_no_obstacle() {
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            let path = directory.path().join(format!("x{}", "é".repeat(127)));
            write(&path, WritePolicy::Refuse, kind, "1").unwrap();
            write(&path, WritePolicy::Replace, kind, "2").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"2");
            assert_eq!(names(directory.path()).len(), 1);
        }
    }

    #[test]
    fn hidden_names_left_by_a_crash_do_not_disturb() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("target");
        // Whatever numbers come next, for tests in other threads draw from them too.
        for counter in 0..500 {
            let name = format!(".target.envel-{:x}-{counter:x}.tmp", std::process::id());
            fs::write(directory.path().join(name), "debris").unwrap();
        }
        write(&path, WritePolicy::Refuse, TemporaryKind::Named, "new").unwrap();
        assert_eq!(names(directory.path()).len(), 501);
    }
}

mod direct_outputs {
    use super::*;

    #[test]
    fn a_device_is_written_to_directly_and_stays_one() {
        let null = Path::new("/dev/null");
        let mut output = OutputFile::create(null, WritePolicy::Refuse, Privacy::Private).unwrap();
        assert!(output.is_direct());
        output.write_all(b"gone").unwrap();
        output.commit().unwrap();
        assert!(fs::metadata(null).unwrap().file_type().is_char_device());
    }

    #[test]
    fn a_fifo_carries_each_write_at_once() {
        let directory = tempdir().unwrap();
        let path = directory.path().join("pipe");
        fifo(&path);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut received = String::new();
                File::open(&path).unwrap().read_to_string(&mut received).unwrap();
                received
            });
            let mut output = OutputFile::create(&path, WritePolicy::Refuse, Privacy::Private).unwrap();
            assert!(output.is_direct());
            output.write_all(b"through").unwrap();
            output.commit().unwrap();
            assert_eq!(reader.join().unwrap(), "through");
        });
        assert_eq!(names(directory.path()), ["pipe"]);
    }

    #[test]
    fn a_full_medium_names_the_file_and_prevents_the_commit() {
        let full = Path::new("/dev/full");
        let mut output = OutputFile::create(full, WritePolicy::Refuse, Privacy::Private).unwrap();
        let error = output.write_all(b"too much").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert!(error.to_string().starts_with("cannot write to /dev/full: No space left"), "{error}");
        assert!(matches!(output.commit(), Err(FileError::Incomplete { .. })));
    }
}

mod sources {
    use super::*;

    fn source(directory: &TempDir) -> (PathBuf, fs::Metadata) {
        let path = directory.path().join("source");
        fs::write(&path, "contents").unwrap();
        let as_read = File::open(&path).unwrap().metadata().unwrap();
        (path, as_read)
    }

    #[test]
    fn the_file_that_was_read_is_removed() {
        let directory = tempdir().unwrap();
        let (path, as_read) = source(&directory);
        remove_source(&path, &as_read).unwrap();
        assert!(names(directory.path()).is_empty());
        assert!(matches!(remove_source(&path, &as_read), Err(FileError::System { .. })));
    }

    #[test]
    fn a_file_that_was_written_to_or_replaced_since_stays() {
        let directory = tempdir().unwrap();
        let (path, as_read) = source(&directory);
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b" and more").unwrap();
        assert!(matches!(remove_source(&path, &as_read), Err(FileError::SourceChanged { .. })));

        let (path, as_read) = source(&directory);
        write(&path, WritePolicy::Replace, TemporaryKind::Any, "contents").unwrap();
        assert!(matches!(remove_source(&path, &as_read), Err(FileError::SourceChanged { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"contents");
    }

    #[test]
    fn a_link_to_the_source_is_not_mistaken_for_it() {
        let directory = tempdir().unwrap();
        let (path, as_read) = source(&directory);
        let link = directory.path().join("link");
        symlink("source", &link).unwrap();
        assert!(matches!(remove_source(&link, &as_read), Err(FileError::NotAFile { .. })));
        assert!(link.is_symlink() && path.exists());
    }

    #[test]
    fn one_file_is_the_same_by_any_name() {
        let directory = tempdir().unwrap();
        let (path, _) = source(&directory);
        let [link, hard, other, missing] =
            ["link", "hard", "other", "missing"].map(|name| directory.path().join(name));
        symlink("source", &link).unwrap();
        fs::hard_link(&path, &hard).unwrap();
        fs::write(&other, "contents").unwrap();
        for same in [&path, &link, &hard, &directory.path().join("./source")] {
            assert!(same_file(&path, same).unwrap(), "{}", same.display());
        }
        assert!(!same_file(&path, &other).unwrap());
        assert!(!same_file(&path, &missing).unwrap());
        assert!(!same_file(&missing, &missing).unwrap());
        assert!(same_file(&path, &path.join("below")).is_err());
    }
}

/// Tests that need a process of their own run themselves again in one, told by this variable which directory to use.
mod processes {
    use super::*;

    const DIRECTORY: &str = "ENVEL_OPS_TEST_DIRECTORY";
    const NAMED: &str = "ENVEL_OPS_TEST_NAMED";

    fn child_directory() -> Option<PathBuf> {
        std::env::var_os(DIRECTORY).map(PathBuf::from)
    }

    fn child_kind() -> TemporaryKind {
        if std::env::var_os(NAMED).is_some() { TemporaryKind::Named } else { TemporaryKind::Any }
    }

    fn prepare(command: &mut Command, test: &str, directory: &Path, kind: TemporaryKind) {
        command.args(["--exact", &format!("store::files::tests::processes::{test}"), "--nocapture"]);
        command.env(DIRECTORY, directory).stdin(Stdio::null()).stdout(Stdio::piped());
        if kind == TemporaryKind::Named {
            command.env(NAMED, "1");
        }
    }

    fn child(test: &str, directory: &Path, kind: TemporaryKind) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        prepare(&mut command, test, directory, kind);
        command.spawn().unwrap()
    }

    /// Waits for the child to print the word.
    fn wait_for(child: &mut Child, word: &str) {
        let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains(word)), "the child ended without {word:?}");
    }

    /// Writes a part of a new and of an old file, says so, and waits to be killed.
    fn write_half_and_wait(directory: &Path) -> ! {
        let half = |name: &str, policy| {
            let mut output = create(&directory.join(name), policy, child_kind()).unwrap();
            output.write_all(&[b'x'; 1 << 20]).unwrap();
            output
        };
        let _outputs = [half("new", WritePolicy::Refuse), half("old", WritePolicy::Replace)];
        println!("half written");
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn a_killed_writer_leaves_the_old_file_and_no_new_one() {
        if let Some(directory) = child_directory() {
            write_half_and_wait(&directory);
        }
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            fs::write(directory.path().join("old"), "old").unwrap();
            let mut child =
                child("a_killed_writer_leaves_the_old_file_and_no_new_one", directory.path(), kind);
            wait_for(&mut child, "half written");
            let is_unnamed = names(directory.path()).len() == 1;
            child.kill().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(9));

            assert_eq!(fs::read(directory.path().join("old")).unwrap(), b"old");
            assert!(!directory.path().join("new").exists());
            let debris: Vec<_> = names(directory.path()).into_iter().filter(|name| name != "old").collect();
            if is_unnamed {
                assert!(debris.is_empty(), "{debris:?}");
            } else {
                let is_hidden = |name: &OsString| {
                    let name = name.to_str().unwrap();
                    name.starts_with('.') && name.contains(".envel-") && name.ends_with(".tmp")
                };
                assert!(debris.len() == 2 && debris.iter().all(is_hidden), "{debris:?}");
            }
            // What is left does not stand in the way of a new attempt.
            write(&directory.path().join("new"), WritePolicy::Refuse, kind, "new").unwrap();
        }
    }

    #[test]
    fn a_program_that_ends_on_a_signal_removes_its_unfinished_files() {
        if let Some(directory) = child_directory() {
            let start =
                |name: &str| create(&directory.join(name), WritePolicy::Replace, TemporaryKind::Named);
            let outputs = [start("a").unwrap(), start("b").unwrap()];
            let new_directories = create_directories(&directory.join("c/d")).unwrap();
            assert_eq!(names(&directory).len(), 3);
            remove_unfinished();
            assert!(names(&directory).is_empty());
            // A thread that has not noticed yet neither finishes a file nor starts one.
            for output in outputs {
                assert!(matches!(output.commit(), Err(FileError::System { .. })));
            }
            assert!(matches!(start("c"), Err(FileError::System { .. })));
            drop(new_directories);
            assert!(matches!(create_directories(&directory.join("e")), Err(FileError::System { .. })));
            assert!(names(&directory).is_empty());
            println!("removed");
            return;
        }
        let directory = tempdir().unwrap();
        let test = "a_program_that_ends_on_a_signal_removes_its_unfinished_files";
        let mut child = child(test, directory.path(), TemporaryKind::Named);
        wait_for(&mut child, "removed");
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_write_that_fails_midway_names_the_file_and_leaves_the_old_one() {
        if let Some(directory) = child_directory() {
            let path = directory.join("old");
            let mut output = create(&path, WritePolicy::Replace, child_kind()).unwrap();
            let error = output.write_all(&[b'x'; 1 << 20]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::FileTooLarge);
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
            assert!(matches!(output.commit(), Err(FileError::Incomplete { .. })));
            println!("refused");
            return;
        }
        for kind in BOTH_KINDS {
            let directory = tempdir().unwrap();
            fs::write(directory.path().join("old"), "old").unwrap();
            // The limit on file sizes stands in for a full disk, which takes privileges to make.
            let mut command = Command::new("sh");
            command.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]);
            command.arg(std::env::current_exe().unwrap());
            prepare(
                &mut command,
                "a_write_that_fails_midway_names_the_file_and_leaves_the_old_one",
                directory.path(),
                kind,
            );
            let mut child = command.spawn().unwrap();
            wait_for(&mut child, "refused");
            assert!(child.wait().unwrap().success());
            assert_eq!(fs::read(directory.path().join("old")).unwrap(), b"old");
            assert_eq!(names(directory.path()), ["old"]);
        }
    }
}

#[test]
fn new_directories_last_only_if_they_are_kept_or_used() {
    let scratch = tempdir().unwrap();
    let path = scratch.path().join("a/b/c");
    drop(create_directories(&path).unwrap());
    assert!(names(scratch.path()).is_empty());

    create_directories(&path).unwrap().keep();
    assert!(path.is_dir());
    let below = create_directories(&path.join("d/e")).unwrap();
    fs::write(path.join("d/file"), "").unwrap();
    drop(below);
    assert_eq!(names(&path.join("d")), ["file"], "what is in use stays, what is empty goes");

    drop(create_directories(&path).unwrap());
    assert!(path.is_dir(), "a directory that existed is not removed");
    let error = create_directories(&path.join("d/file/g")).unwrap_err();
    assert!(matches!(error, FileError::System { .. }), "{error}");
}
