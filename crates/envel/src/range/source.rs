//! Where messages are read from at any position.

use std::fs::File;
use std::io;
use std::sync::Arc;

use envel_core::BoxFuture;

/// A message that can be read at any position: a slice, a file.
///
/// # Security
/// Every read must see the same message. Ranges of a file that changes in between are still authentic, each by itself, but may
/// fail to verify.
pub trait ReadAt {
    /// Reads from `position` on until `out` is full or the source ends, and says how many bytes there were.
    ///
    /// # Errors
    /// Whatever the source says. Interruptions are not errors: go on.
    fn read_at(&self, position: u64, out: &mut [u8]) -> io::Result<usize>;

    /// Bytes of the source.
    ///
    /// # Errors
    /// Whatever the source says.
    fn source_len(&self) -> io::Result<u64>;
}

impl ReadAt for [u8] {
    fn read_at(&self, position: u64, out: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(position).ok().and_then(|position| self.get(position..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn source_len(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, position: u64, out: &mut [u8]) -> io::Result<usize> {
        self.as_slice().read_at(position, out)
    }

    fn source_len(&self) -> io::Result<u64> {
        self.as_slice().source_len()
    }
}

/// Positioned reads, which several threads can do at once. The file must be a regular one: others have no length.
#[cfg(any(unix, windows))]
impl ReadAt for File {
    fn read_at(&self, position: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < out.len() {
            match read_file_at(self, position.saturating_add(filled as u64), &mut out[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn source_len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

#[cfg(unix)]
fn read_file_at(file: &File, position: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, position)
}

#[cfg(windows)]
fn read_file_at(file: &File, position: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, position)
}

/// An object store's object, or anything else that is read at any position and makes the reader wait.
///
/// # Security
/// Implementers pin the object: each read must name the ETag or the version that the first one saw, and fail when the object was
/// replaced. Otherwise a range may be put together from two messages; it would not verify, but the error would not say why.
pub trait AsyncReadAt: Send + Sync {
    /// Reads from `position` on until `out` is full or the object ends, and says how many bytes there were.
    ///
    /// # Errors
    /// Whatever the store says. Reads are not repeated: whoever wants that does it here.
    fn read_at<'a>(&'a self, position: u64, out: &'a mut [u8]) -> BoxFuture<'a, io::Result<usize>>;

    /// Bytes of the object. Asked once, after the first read, of which the answer mostly says it (`Content-Range`).
    ///
    /// # Errors
    /// Whatever the store says.
    fn source_len(&self) -> BoxFuture<'_, io::Result<u64>>;
}

/// The same source behind a pointer.
macro_rules! through_pointers {
    ($($pointer:ty),*) => {$(
        impl<S: ReadAt + ?Sized> ReadAt for $pointer {
            fn read_at(&self, position: u64, out: &mut [u8]) -> io::Result<usize> {
                (**self).read_at(position, out)
            }

            fn source_len(&self) -> io::Result<u64> {
                (**self).source_len()
            }
        }

        impl<S: AsyncReadAt + ?Sized> AsyncReadAt for $pointer {
            fn read_at<'a>(&'a self, position: u64, out: &'a mut [u8]) -> BoxFuture<'a, io::Result<usize>> {
                (**self).read_at(position, out)
            }

            fn source_len(&self) -> BoxFuture<'_, io::Result<u64>> {
                (**self).source_len()
            }
        }
    )*};
}

through_pointers!(&S, Arc<S>, Box<S>);
