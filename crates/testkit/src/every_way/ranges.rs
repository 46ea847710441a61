//! A message by ranges, which must be those of its plaintext.

use std::io;
use std::ops::Range;

use envel::{
    AsyncReadAt, BoxFuture, Client, ContentType, DecryptOptions, Error, InvalidCall, MaterialsManager,
    MessageHeader, RangeProof, ReadAt, Refusal, VerifiedRange,
};
use pollster::block_on;

/// Reads one message by ranges.
pub(super) struct RangeReader<'a> {
    pub(super) client: &'a Client,
    pub(super) manager: &'a dyn MaterialsManager,
    pub(super) message: &'a [u8],
    pub(super) options: &'a DecryptOptions,
}

impl RangeReader<'_> {
    /// Compares ranges with the plaintext, by both drivers and with either proof. Messages of which no range can be read, or may
    /// be read unless told, must be refused.
    pub(super) fn compare(&self, header: &MessageHeader, plaintext: &[u8]) -> Result<(), String> {
        let is_framed = header.content_type() == ContentType::Framed;
        let is_signed = header.algorithm_suite().is_signed();
        match block_on(self.client.open_at(self.manager, self.message, self.options)).err() {
            Some(Error::InvalidCall(InvalidCall::RangeOfNonFramed)) if !is_framed => return Ok(()),
            Some(Error::Refused(Refusal::UnverifiableSignature)) if is_framed && is_signed => {}
            None if is_framed && !is_signed => {}
            other => return Err(format!("opened for ranges: {other:?}")),
        }
        let expected = Expected { plaintext, is_signed };
        let ranges = expected.ranges(u64::from(header.frame_length()));
        for proof in [RangeProof::FramesOnly, RangeProof::WithEnd] {
            self.compare_ranges(&expected, &ranges, proof).map_err(|error| format!("ranges: {error}"))??;
        }
        Ok(())
    }

    /// The inner error says what differs. Each way opens the message anew: once the end is verified, it is known from then on.
    fn compare_ranges(
        &self,
        expected: &Expected<'_>,
        ranges: &[Range<u64>],
        proof: RangeProof,
    ) -> Result<Result<(), String>, Error> {
        let Self { client, manager, message, .. } = *self;
        let options = self.options.clone().allow_unverified_signature(true);
        let open = || block_on(client.open_at(manager, message, &options));

        let one_by_one = open()?;
        let asynchronous = block_on(client.open_at_async(manager, Memory(message), &options))?;
        let mut read = Vec::new();
        for range in ranges {
            read.push((range.clone(), one_by_one.decrypt_range(range.clone(), proof)?));
            read.push((range.clone(), block_on(asynchronous.decrypt_range(range.clone(), proof))?));
        }
        let at_once = open()?.decrypt_ranges(ranges, proof)?;
        read.extend(ranges.iter().cloned().zip(at_once));
        for (range, output) in read {
            if let Err(difference) = expected.compare(&range, proof, &output.plaintext, &output.verified) {
                return Ok(Err(difference));
            }
        }

        let to_the_end = 0..u64::MAX;
        let mut copied = Vec::new();
        let verified = open()?.copy_range_to(to_the_end.clone(), proof, &mut copied)?;
        let beyond = expected.plaintext_len() + 1;
        Ok(match open()?.decrypt_range(beyond..u64::MAX, proof) {
            Err(Error::InvalidCall(InvalidCall::RangeBeyondEnd { start, plaintext_len }))
                if (start, plaintext_len) == (beyond, expected.plaintext_len()) =>
            {
                expected.compare(&to_the_end, proof, &copied, &verified)
            }
            other => Err(format!("from byte {beyond}: {other:?}")),
        })
    }

    /// Reads a message that the other ways refuse as one range, which must fail as well. Signed messages are refused whatever
    /// they hold.
    pub(super) fn expect_refusal(&self) -> Result<(), String> {
        let Self { client, manager, message, options } = *self;
        let (whole, proof) = (0..u64::MAX, RangeProof::WithEnd);
        let opened = block_on(client.open_at(manager, message, options));
        let read = opened.and_then(|opened| opened.decrypt_range(whole.clone(), proof));
        let opened = block_on(client.open_at_async(manager, Memory(message), options));
        let read_async = opened.and_then(|opened| block_on(opened.decrypt_range(whole, proof)));
        if read.is_ok() || read_async.is_ok() {
            return Err("read as one range it opens, and by no other way".to_owned());
        }
        Ok(())
    }
}

/// What ranges must give.
struct Expected<'a> {
    plaintext: &'a [u8],
    is_signed: bool,
}

impl Expected<'_> {
    fn plaintext_len(&self) -> u64 {
        self.plaintext.len() as u64
    }

    /// The first byte, the last one, some in the middle, across the edges of frames, nothing, all, and more than there is; what is far
    /// from the end comes first.
    fn ranges(&self, frame_length: u64) -> Vec<Range<u64>> {
        let length = self.plaintext_len();
        let edge_before = |position: u64| position / frame_length * frame_length;
        let across = |edge: u64| edge.saturating_sub(1)..edge + 1;
        let mut ranges = vec![
            0..1,
            across(frame_length),
            length / 2..length / 2 + 1000,
            across(edge_before(length / 2)),
            across(edge_before(length.saturating_sub(1))),
            length.saturating_sub(1)..length,
            0..length,
            0..u64::MAX,
            0..0,
            length..length,
        ];
        ranges.retain(|range| range.start <= length);
        ranges
    }

    /// Compares what was read of a range, and what is said to be verified.
    fn compare(
        &self,
        asked: &Range<u64>,
        proof: RangeProof,
        read: &[u8],
        verified: &VerifiedRange,
    ) -> Result<(), String> {
        let length = self.plaintext_len();
        let range = asked.start..asked.end.min(length);
        let bytes = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
        let is_plaintext = bytes.is_some_and(|(start, end)| self.plaintext.get(start..end) == Some(read));
        let needs_end = proof == RangeProof::WithEnd || asked.end >= length || asked.is_empty();
        let is_length = match verified.plaintext_len {
            Some(verified) => verified == length,
            None => !needs_end,
        };
        if is_plaintext
            && is_length
            && verified.range == range
            && verified.unverified_signature == self.is_signed
        {
            return Ok(());
        }
        Err(format!("{asked:?} of {length} bytes, {proof:?}: {} bytes, {verified:?}", read.len()))
    }
}

/// An object of an object store, in memory.
struct Memory<'a>(&'a [u8]);

impl AsyncReadAt for Memory<'_> {
    fn read_at<'a>(&'a self, position: u64, out: &'a mut [u8]) -> BoxFuture<'a, io::Result<usize>> {
        Box::pin(async move { ReadAt::read_at(self.0, position, out) })
    }

    fn source_len(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(async { ReadAt::source_len(self.0) })
    }
}
