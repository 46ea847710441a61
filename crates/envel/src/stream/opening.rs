//! Opens a message: from a parsed header and materials to a verified header and a readable body.

use envel_core::primitives::constant_time_eq;

use super::body::BodyReader;
use crate::error::{Error, Refusal};
use crate::materials::{DecryptionMaterials, OpenedBy};
use crate::message::{ContentType, MessageHeader};
use crate::seal::derive::Derivation;
use crate::seal::{DerivedKeys, FrameOpener, MessageVerifier, header};
use crate::suite::CommitmentPolicy;

/// The rules by which a message is opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) commitment_policy: CommitmentPolicy,
    pub(crate) max_frame_length: u32,
    pub(crate) max_non_framed_len: u64,
    pub(crate) net_v4_retry: bool,
    pub(crate) unsigned_only: bool,
}

/// A message of which the header is verified.
#[derive(Debug)]
pub(crate) struct OpenedHeader {
    pub(crate) header: MessageHeader,
    pub(crate) opened_by: OpenedBy,
    pub(crate) body: BodyReader,
}

impl Opening {
    /// Checks what can be checked before any key is asked for.
    pub(crate) fn check_header(&self, header: &MessageHeader) -> Result<(), Error> {
        let suite = header.algorithm_suite();
        let policy = self.commitment_policy;
        if !policy.allows_decrypt(&suite) {
            return Err(Refusal::CommitmentPolicy { policy, suite: suite.id }.into());
        }
        if self.unsigned_only && suite.is_signed() {
            return Err(Refusal::Signed.into());
        }
        let (frame_length, max) = (header.frame_length(), self.max_frame_length);
        if frame_length > max {
            return Err(Refusal::FrameLength { frame_length, max }.into());
        }
        Ok(())
    }

    /// Verifies the header with the data key, which is not needed afterwards.
    ///
    /// # What is verified
    /// The commitment to the data key, before the derived key is used for anything; then the header's tag over its bytes as they
    /// came and the pairs that the caller supplied.
    pub(crate) fn open(
        &self,
        header: MessageHeader,
        materials: &DecryptionMaterials,
    ) -> Result<OpenedHeader, Error> {
        let suite = header.algorithm_suite();
        if materials.algorithm_suite() != suite {
            return Err(Error::InvalidMaterials("the materials are for another algorithm suite"));
        }
        self.check_header(&header)?;
        let required_only = materials.required_only();
        let derive =
            |derivation| DerivedKeys::derive(&suite, materials.data_key(), header.message_id(), derivation);
        let mut derived = derive(Derivation::Specified)?;
        // Only the comparison itself may look at the commit key before it is known to be right.
        let is_committed = match (&derived.commit_key, header.commit_key()) {
            (Some(derived), Some(stored)) => constant_time_eq(derived, stored),
            (None, None) => true,
            _ => false,
        };
        if !is_committed {
            return Err(Error::HeaderUnauthentic);
        }
        let verified = header::verify(&derived.message_key, &header, required_only);
        if let Err(refused) = verified {
            if !self.net_v4_retry {
                return Err(refused);
            }
            derived = derive(Derivation::NetV4)?;
            header::verify_as_net_v4(&derived.message_key, &header, required_only)?;
        }
        let is_framed = header.content_type() == ContentType::Framed;
        let opener = FrameOpener::new(derived.message_key, *header.message_id(), is_framed);
        let verifier = materials.verification_key().map(|key| {
            let mut verifier = MessageVerifier::new(key.clone());
            verifier.update(header.as_bytes());
            verifier
        });
        let frame_length = header.frame_length();
        let body = BodyReader::new(opener, verifier, is_framed, frame_length, self.max_non_framed_len);
        Ok(OpenedHeader { header, opened_by: materials.opened_by().clone(), body })
    }
}
