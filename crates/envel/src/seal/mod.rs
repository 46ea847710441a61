//! The frame engine: keys and frames in, bytes out. Synchronous and without I/O, so that every driver shares it.

pub(crate) mod derive;
pub(crate) mod footer;
pub(crate) mod frame;
pub(crate) mod header;
pub(crate) mod sequence;

pub(crate) use derive::DerivedKeys;
pub(crate) use footer::{MessageSigner, MessageVerifier};
pub(crate) use frame::{FrameOpener, FrameSealer};
pub(crate) use sequence::{FrameSequence, FrameTickets};
