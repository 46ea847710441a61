//! Messages that were cut, altered or added to.

use envel::{Error, ErrorKind, RangeProof};

use crate::{PROOFS, V1, V2, encrypted, open, plaintext, read};

const FRAME_LENGTH: u32 = 16;

/// Four full frames and one of five bytes.
const PLAINTEXT_LEN: usize = 4 * 16 + 5;

#[test]
fn a_message_cut_anywhere_never_gives_other_bytes_nor_an_end() {
    let plaintext = plaintext(PLAINTEXT_LEN);
    for suite in [V1, V2] {
        let message = encrypted(suite, &plaintext, FRAME_LENGTH);
        for end in 0..message.len() {
            let cut = &message[..end];
            for range in [0..1, 20..40, 60..69, 0..69, 60..u64::MAX, 69..69] {
                let expected = &plaintext[range.start as usize..range.end.min(69) as usize];
                if let Ok(found) = read(suite, cut, range.clone(), RangeProof::FramesOnly) {
                    assert!(!found.is_empty() && found == expected, "{range:?} cut at {end}");
                    assert!(range.end < 64, "the final frame is gone");
                }
                let error = read(suite, cut, range, RangeProof::WithEnd).unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unauthentic), "{error}");
            }
        }
    }
}

#[test]
fn a_message_that_was_added_to_never_gives_other_bytes_nor_an_end() {
    let plaintext = plaintext(PLAINTEXT_LEN);
    for suite in [V1, V2] {
        let message = encrypted(suite, &plaintext, FRAME_LENGTH);
        for count in 1..=150 {
            let tail_of_itself = &message[message.len() - count.min(message.len())..];
            for added in [&vec![0; count][..], tail_of_itself] {
                let longer = [&message, added].concat();
                for range in [0..1, 20..40, 60..69, 0..69, 60..u64::MAX, 69..69, 70..75] {
                    match read(suite, &longer, range.clone(), RangeProof::FramesOnly) {
                        Ok(found) => assert!(
                            range.end <= 64 && found == plaintext[range.start as usize..range.end as usize],
                            "{range:?} with {count} more"
                        ),
                        Err(error) => assert!(
                            matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unauthentic),
                            "{range:?} with {count} more: {error}"
                        ),
                    }
                    read(suite, &longer, range, RangeProof::WithEnd).unwrap_err();
                }
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_noticed_in_the_frames_that_were_asked_for_and_in_the_final_one_with_the_end() {
    let plaintext = plaintext(PLAINTEXT_LEN);
    for suite in [V1, V2] {
        let message = encrypted(suite, &plaintext, FRAME_LENGTH);
        let header_len = open(suite, &message).unwrap().header().header_len();
        let frame = |index: usize| header_len + index * 48..header_len + (index + 1) * 48;
        let final_frame = header_len + 4 * 48..message.len();
        for bit in 0..message.len() * 8 {
            let at = bit / 8;
            let mut altered = message.clone();
            altered[at] ^= 1 << (bit % 8);
            if at < header_len {
                assert!(open(suite, &altered).is_err(), "bit {bit} of the header");
                continue;
            }
            for proof in PROOFS {
                // Frames 1 and 2 hold it.
                let outcome = read(suite, &altered, 20..40, proof);
                let is_noticed = frame(1).contains(&at)
                    || frame(2).contains(&at)
                    || (proof == RangeProof::WithEnd && final_frame.contains(&at));
                match outcome {
                    Ok(found) => assert!(!is_noticed && found == plaintext[20..40], "bit {bit}, {proof:?}"),
                    Err(error) => {
                        let is_right = matches!(error.kind(), ErrorKind::Malformed | ErrorKind::Unauthentic);
                        assert!(is_noticed && is_right, "bit {bit}, {proof:?}: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn after_a_frame_that_fails_nothing_is_left_of_those_before() {
    let message = encrypted(V2, &plaintext(PLAINTEXT_LEN), FRAME_LENGTH);
    let header_len = open(V2, &message).unwrap().header().header_len();
    for frame in 0..5 {
        let mut altered = message.clone();
        altered[header_len + frame * 48 + 30] ^= 1;
        let opened = open(V2, &altered[..]).unwrap();
        let mut out = [0xee; PLAINTEXT_LEN];
        let error = opened.decrypt_range_into(0, &mut out, RangeProof::FramesOnly).unwrap_err();
        let Error::FrameUnauthentic { sequence_number } = error else { panic!("{error}") };
        assert_eq!(sequence_number as usize, frame + 1);
        assert_eq!(out, [0; PLAINTEXT_LEN]);
        let outcome = opened.decrypt_ranges(&[0..1, 0..69, 68..69], RangeProof::FramesOnly);
        outcome.expect_err("one bad frame fails the whole batch");
    }
}

#[test]
fn swapped_frames_are_refused() {
    let message = encrypted(V2, &plaintext(PLAINTEXT_LEN), FRAME_LENGTH);
    let header_len = open(V2, &message).unwrap().header().header_len();
    let mut swapped = message.clone();
    let (first, second) = swapped[header_len..].split_at_mut(48);
    first.swap_with_slice(&mut second[..48]);
    assert_eq!(read(V2, &swapped, 0..1, PROOFS[0]).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(read(V2, &swapped, 40..50, PROOFS[0]).unwrap(), plaintext(50)[40..]);
    // With the number put right, the tag is wrong.
    swapped[header_len + 3] = 1;
    assert_eq!(read(V2, &swapped, 0..1, PROOFS[0]).unwrap_err().kind(), ErrorKind::Unauthentic);
}
