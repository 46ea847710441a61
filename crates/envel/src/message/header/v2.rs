//! What version 2 has of its own.

use super::{COMMIT_KEY_LEN, ContentType, IV_LEN, Tail};
use crate::message::codec::{Cursor, ParseError};

/// Version.
pub(super) const START: [u8; 1] = [0x02];

pub(super) fn parse_tail(cursor: &mut Cursor<'_>) -> Result<Tail, ParseError> {
    let content_type = ContentType::from_byte(cursor.u8()?)?;
    let frame_length = cursor.u32()?;
    content_type.check_frame_length(frame_length)?;
    Ok(Tail {
        content_type,
        frame_length,
        commit_key: Some(cursor.array()?),
        body_len: cursor.position(),
        iv: [0; IV_LEN],
        tag: cursor.array()?,
        total_len: cursor.position(),
    })
}

/// Appends content type (framed), frame length and commit key.
pub(super) fn write_tail(bytes: &mut Vec<u8>, frame_length: u32, commit_key: &[u8; COMMIT_KEY_LEN]) {
    bytes.push(2);
    bytes.extend_from_slice(&frame_length.to_be_bytes());
    bytes.extend_from_slice(commit_key);
}
