//! `--range A..B`.

use std::ops::Range;
use std::str::FromStr;

/// Bytes of a plaintext: from the start up to, and not with, the end. Without an end: all there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange(pub(crate) Range<u64>);

impl FromStr for ByteRange {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "it must be A..B, A.. or ..B, in bytes counted from 0";
        let position = |digits: &str, absent| match digits {
            "" => Ok(absent),
            _ if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse().map_err(|_| SHAPE),
            _ => Err(SHAPE),
        };
        let (start, end) = text.split_once("..").filter(|_| text != "..").ok_or(SHAPE)?;
        let range = position(start, 0)?..position(end, u64::MAX)?;
        if range.start > range.end {
            return Err("it ends before it starts");
        }
        Ok(Self(range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Range<u64>, &'static str> {
        text.parse::<ByteRange>().map(|range| range.0)
    }

    #[test]
    fn either_end_can_be_left_out() {
        assert_eq!(parse("3..10"), Ok(3..10));
        assert_eq!(parse("3..3"), Ok(3..3));
        assert_eq!(parse("3.."), Ok(3..u64::MAX));
        assert_eq!(parse("..10"), Ok(0..10));
        assert_eq!(parse("18446744073709551615.."), Ok(u64::MAX..u64::MAX));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in
            ["", "..", "3", "3-10", "3...10", "3..=10", "-3..10", "+3..10", "0x3..", "3 ..10", "3..10k"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("0..18446744073709551616").is_err());
        assert_eq!(parse("10..3"), Err("it ends before it starts"));
    }
}
