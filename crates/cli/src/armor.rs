//! Base64 text around a message, in constant memory.

use std::io::{self, BufReader, BufWriter, Read, Write};

use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::read::DecoderReader;
use base64::write::EncoderWriter;

/// Digits in a line, as MIME and coreutils have it.
const LINE_LEN: usize = 76;

/// The base64 library reads and writes a kilobyte at a time; files like more.
const BUFFER_LEN: usize = 64 << 10;

/// How base64 text of a message begins: version 1 is `01 80`, version 2 is `02`.
const BEGINNINGS: [[u8; 2]; 2] = [*b"AY", *b"Ag"];

/// Writes base64 in lines of 76 digits, each ended by a newline.
pub(crate) struct ArmorWriter<W: Write>(EncoderWriter<'static, GeneralPurpose, Lines<W>>);

impl<W: Write> ArmorWriter<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self(EncoderWriter::new(
            Lines { inner: BufWriter::with_capacity(BUFFER_LEN, inner), column: 0 },
            &STANDARD,
        ))
    }

    /// Writes what is left and the last newline, and gives the inner writer back.
    ///
    /// # Errors
    /// The inner writer's.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        let Lines { mut inner, column } = self.0.finish()?;
        if column > 0 {
            inner.write_all(b"\n")?;
        }
        inner.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl<W: Write> Write for ArmorWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Breaks what passes into lines.
struct Lines<W: Write> {
    inner: BufWriter<W>,
    column: usize,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(LINE_LEN - self.column));
            self.inner.write_all(line)?;
            self.column += line.len();
            if self.column == LINE_LEN {
                self.inner.write_all(b"\n")?;
                self.column = 0;
            }
            rest = after;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads a message from binary or base64, told apart by the first two bytes: no message in binary begins like one in base64.
///
/// # Errors
/// The reader's.
pub(crate) fn message_reader<'r>(mut reader: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut beginning = Vec::with_capacity(2);
    reader.by_ref().take(2).read_to_end(&mut beginning)?;
    let is_armored = is_armored(&beginning);
    let whole = io::Cursor::new(beginning).chain(reader);
    Ok(if is_armored {
        let digits = Digits(BufReader::with_capacity(BUFFER_LEN, whole));
        Box::new(DecoderReader::new(digits, &STANDARD))
    } else {
        Box::new(whole)
    })
}

/// Whether a message that begins like this is in base64.
pub(crate) fn is_armored(beginning: &[u8]) -> bool {
    BEGINNINGS.iter().any(|digits| beginning.starts_with(digits))
}

/// Leaves white space out.
struct Digits<R>(R);

impl<R: Read> Read for Digits<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(buffer)?;
            let mut kept = 0;
            for index in 0..read {
                if !buffer[index].is_ascii_whitespace() {
                    buffer[kept] = buffer[index];
                    kept += 1;
                }
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armored(bytes: &[u8]) -> Vec<u8> {
        let mut writer = ArmorWriter::new(Vec::new());
        // Odd pieces, so that digits and lines straddle writes.
        for piece in bytes.chunks(7) {
            writer.write_all(piece).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        message_reader(bytes).unwrap().read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn lines_have_76_digits_and_end_with_a_newline() {
        let text = String::from_utf8(armored(&[2; 100])).unwrap();
        let lengths: Vec<_> = text.split('\n').map(str::len).collect();
        assert_eq!(lengths, [76, 60, 0]);
        assert_eq!(armored(&[2; 57]).len(), 77, "a full line gets one newline");
    }

    #[test]
    fn armored_and_binary_messages_read_the_same() {
        for length in [2, 3, 56, 57, 58, 5000, 100_000] {
            let mut message: Vec<u8> = (0u8..251).cycle().take(length).collect();
            for beginning in [[1, 0x80], [2, 0x04]] {
                message[..2].copy_from_slice(&beginning);
                assert_eq!(read(&message), message);
                let text = armored(&message);
                assert_eq!(read(&text), message);
                let crlf = String::from_utf8(text).unwrap().replace('\n', "\r\n");
                assert_eq!(read(crlf.as_bytes()), message);
            }
        }
    }

    #[test]
    fn short_inputs_pass_unchanged() {
        for bytes in [&b""[..], b"A", b"\x02"] {
            assert_eq!(read(bytes), bytes);
        }
    }

    #[test]
    fn cut_base64_is_an_error() {
        let text = armored(&[2; 100]);
        let mut out = Vec::new();
        assert!(message_reader(&text[..50]).unwrap().read_to_end(&mut out).is_err());
    }
}
