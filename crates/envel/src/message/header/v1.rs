//! What version 1 has of its own.

use super::{ContentType, IV_LEN, Tail};
use crate::message::codec::{Cursor, MalformedMessage, ParseError};

/// Version and type: customer authenticated encrypted data.
pub(super) const START: [u8; 2] = [0x01, 0x80];

const IV_LENGTH_FIELD: u8 = 12;

pub(super) fn parse_type(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    match cursor.u8()? {
        0x80 => Ok(()),
        other => Err(MalformedMessage::UnknownType(other).into()),
    }
}

pub(super) fn parse_tail(cursor: &mut Cursor<'_>) -> Result<Tail, ParseError> {
    let content_type = ContentType::from_byte(cursor.u8()?)?;
    if cursor.u32()? != 0 {
        return Err(MalformedMessage::ReservedNotZero.into());
    }
    let iv_length = cursor.u8()?;
    if iv_length != IV_LENGTH_FIELD {
        return Err(MalformedMessage::IvLength(iv_length).into());
    }
    let frame_length = cursor.u32()?;
    content_type.check_frame_length(frame_length)?;
    Ok(Tail {
        content_type,
        frame_length,
        commit_key: None,
        body_len: cursor.position(),
        iv: cursor.array()?,
        tag: cursor.array()?,
        total_len: cursor.position(),
    })
}

/// Appends content type (framed), reserved bytes, IV length and frame length.
pub(super) fn write_tail(bytes: &mut Vec<u8>, frame_length: u32) {
    debug_assert_eq!(usize::from(IV_LENGTH_FIELD), IV_LEN);
    bytes.extend_from_slice(&[2, 0, 0, 0, 0, IV_LENGTH_FIELD]);
    bytes.extend_from_slice(&frame_length.to_be_bytes());
}
