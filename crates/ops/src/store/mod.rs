//! The places where messages lie.

pub mod files;
