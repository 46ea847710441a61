//! What leaves the program: words for people, JSON for programs, and the data itself.

pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod progress;
pub(crate) mod sink;
