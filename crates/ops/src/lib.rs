//! Operations on stored messages: what envel does to many of them, as opposed to one.
//!
//! - [`store`]: where messages lie, and how one is replaced without ever being half there.
//!
//! Nothing here prints, prompts or parses arguments: a program decides what to say about an outcome.

pub mod store;
