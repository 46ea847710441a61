//! The scan itself: every readable byte of this process, except for the scanner's own buffer.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use super::{Failure, MASK, Masked};

const CHUNK_LEN: usize = 1 << 20;

/// Patterns to look for, still masked.
#[derive(Debug)]
pub struct Patterns {
    masked: Vec<Vec<u8>>,
    /// Which patterns begin with a byte.
    by_first_byte: Vec<Vec<usize>>,
    longest: usize,
}

impl Patterns {
    /// Takes patterns as they crossed from the test.
    ///
    /// # Errors
    /// If one is empty or not a [`Masked`].
    pub fn new(patterns: &[Masked]) -> Result<Self, Failure> {
        let mut masked = Vec::new();
        let mut by_first_byte = vec![Vec::new(); 256];
        for (index, Masked(digits)) in patterns.iter().enumerate() {
            let bytes = (0..digits.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(digits.get(at..at + 2).unwrap_or_default(), 16))
                .collect::<Result<Vec<u8>, _>>()?;
            let first = *bytes.first().ok_or("a pattern is empty")?;
            by_first_byte[usize::from(first ^ MASK)].push(index);
            masked.push(bytes);
        }
        let longest = masked.iter().map(Vec::len).max().ok_or("there is no pattern")?;
        Ok(Self { masked, by_first_byte, longest })
    }

    /// How often each pattern stands in this process's readable memory, now. Other threads must stand still.
    ///
    /// # Errors
    /// If a readable mapping cannot be read: what was not looked at is not known to be clean.
    pub fn count(&self) -> Result<Vec<usize>, Failure> {
        let mut counts = vec![0; self.masked.len()];
        let memory = File::open("/proc/self/mem")?;
        let mut chunk = vec![0; CHUNK_LEN];
        let own = chunk.as_ptr() as u64..chunk.as_ptr() as u64 + CHUNK_LEN as u64;
        for mapping in readable_mappings(&fs::read_to_string("/proc/self/maps")?)? {
            for part in [mapping.start..mapping.end.min(own.start), mapping.start.max(own.end)..mapping.end] {
                self.count_in(&memory, part, &mut chunk, &mut counts)?;
            }
        }
        Ok(counts)
    }

    fn count_in(
        &self,
        memory: &File,
        part: Range<u64>,
        chunk: &mut [u8],
        counts: &mut [usize],
    ) -> io::Result<()> {
        let mut position = part.start;
        while position < part.end {
            let length = usize::try_from(part.end - position).map_or(CHUNK_LEN, |rest| rest.min(CHUNK_LEN));
            let bytes = &mut chunk[..length];
            memory.read_exact_at(bytes, position)?;
            // Chunks overlap by what a pattern across their edge needs; a match counts where it begins.
            let is_last = position + length as u64 == part.end;
            let starts = if is_last { length } else { length - (self.longest - 1) };
            for start in 0..starts {
                for &index in &self.by_first_byte[usize::from(bytes[start])] {
                    let pattern = &self.masked[index];
                    let rest = &bytes[start..];
                    let is_here = rest.len() >= pattern.len()
                        && rest.iter().zip(pattern).all(|(byte, masked)| byte ^ MASK == *masked);
                    counts[index] += usize::from(is_here);
                }
            }
            position += starts as u64;
        }
        Ok(())
    }
}

/// The readable address ranges of `/proc/self/maps`.
fn readable_mappings(maps: &str) -> Result<Vec<Range<u64>>, Failure> {
    let mut mappings = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (range, access) = fields.next().zip(fields.next()).ok_or("a mapping has too few fields")?;
        // The kernel's own pages for the time and for old system calls cannot be read as memory.
        let is_kernels = ["[vvar", "[vsyscall]"].iter().any(|name| line.contains(name));
        if access.starts_with('r') && !is_kernels {
            let (start, end) = range.split_once('-').ok_or("a mapping has no range")?;
            mappings.push(u64::from_str_radix(start, 16)?..u64::from_str_radix(end, 16)?);
        }
    }
    Ok(mappings)
}

/// Waits until this process has no more threads than `expected`.
///
/// # Errors
/// If it still has after ten seconds.
pub fn wait_for_threads_to_end(expected: usize) -> Result<(), Failure> {
    for _ in 0..1000 {
        if fs::read_dir("/proc/self/task")?.count() <= expected {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err("a thread does not end".into())
}
