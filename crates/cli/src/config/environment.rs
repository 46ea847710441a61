//! The environment variables.

use std::env;
use std::path::PathBuf;

use crate::exit::{Exit, Failure};

/// A variable that is set and not empty.
fn path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

pub(super) fn configuration_file() -> Option<PathBuf> {
    path("ENVEL_CONFIG")
}

/// `$ENVEL_HOME`, or the platform's directory for a user's data.
pub(super) fn home() -> Result<PathBuf, Failure> {
    let in_user_home = |below: &str| path("HOME").map(|home| home.join(below));
    let of_platform = || {
        if cfg!(target_os = "macos") {
            in_user_home("Library/Application Support/envel")
        } else {
            // The XDG specification says to ignore relative paths.
            path("XDG_DATA_HOME")
                .filter(|directory| directory.is_absolute())
                .map(|directory| directory.join("envel"))
                .or_else(|| in_user_home(".local/share/envel"))
        }
    };
    path("ENVEL_HOME").or_else(of_platform).ok_or_else(|| {
        Failure::new(Exit::Other, "there is no directory for keys: HOME is not set", "set ENVEL_HOME to one")
    })
}

/// Whether `encrypt` may make a store.
pub(super) fn allows_creation() -> bool {
    env::var_os("ENVEL_AUTO_CREATE").is_none_or(|value| value != "0")
}
