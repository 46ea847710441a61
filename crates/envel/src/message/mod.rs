//! The bytes of a message: parsed and written, never encrypted or decrypted.
//!
//! Parsing is incremental: what is not there yet is [`ParseError::Incomplete`], what can never become right is
//! [`ParseError::Malformed`]. No length in a message makes anything here allocate more than the bytes that have arrived.
//!
//! # Specification
//! `data-format/message.md` and its neighbours.
#![deny(clippy::indexing_slicing)]

pub(crate) mod body_aad;
pub(crate) mod codec;
pub(crate) mod context;
pub(crate) mod encrypted_data_keys;
pub(crate) mod footer;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod layout;

pub(crate) use codec::ParseError;
pub use codec::{HeaderLimitExceeded, MalformedMessage};
pub use header::{ContentType, HeaderLimits, MessageHeader, MessageId};
