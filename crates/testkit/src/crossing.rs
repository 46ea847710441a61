//! Messages that cross between envel and an official SDK, in both directions.

use std::sync::Arc;

use envel::context::{MAX_SERIALIZED_LEN, PUBLIC_KEY_NAME};
use envel::primitives::ecdsa::EcdsaAlgorithm;
use envel::{
    AlgorithmSuiteId, Client, CommitmentPolicy, DecryptOptions, DefaultManager, EncryptOptions,
    EncryptionContext, MaterialsManager,
};

use crate::every_way::{decrypt_every_way, encrypt_every_way};
use crate::keyring::KeyringDescription;
use crate::pairwise::pairwise;
use crate::peer::{Peer, PeerOutput, Terms};

/// What the context of a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextKind {
    /// No pairs.
    Empty,
    /// A few pairs of ASCII, an empty value among them.
    Ascii,
    /// Names that sort differently by UTF-8 than by UTF-16.
    MultiByte,
    /// As many bytes as the header can hold, the public key of a signed suite included.
    Largest,
}

/// How long a plaintext is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaintextLen {
    /// This many bytes.
    Bytes(usize),
    /// This many frames, and a byte less, none or a byte more.
    Frames(usize, isize),
}

impl PlaintextLen {
    /// The length in bytes.
    ///
    /// # Panics
    /// If that is negative or beyond the address space.
    pub fn bytes(self, frame_length: u32) -> usize {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Frames(frames, more) => usize::try_from(frame_length)
                .ok()
                .and_then(|frame_length| frame_length.checked_mul(frames)?.checked_add_signed(more))
                .expect("a test's plaintext fits the memory"),
        }
    }
}

/// One message to be made.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Algorithm suite.
    pub suite: AlgorithmSuiteId,
    /// Keyring.
    pub keyring: KeyringDescription,
    /// Encryption context.
    pub context: ContextKind,
    /// Frame length.
    pub frame_length: u32,
    /// Length of the plaintext.
    pub plaintext_len: PlaintextLen,
}

const CONTEXTS: [ContextKind; 4] =
    [ContextKind::Empty, ContextKind::Ascii, ContextKind::MultiByte, ContextKind::Largest];

const TEN_MIB: PlaintextLen = PlaintextLen::Bytes(10 << 20);

const PLAINTEXT_LENGTHS: [PlaintextLen; 7] = [
    PlaintextLen::Bytes(0),
    PlaintextLen::Bytes(1),
    PlaintextLen::Frames(1, -1),
    PlaintextLen::Frames(1, 0),
    PlaintextLen::Frames(1, 1),
    PlaintextLen::Frames(2, 0),
    TEN_MIB,
];

/// Recipes in which every suite, keyring, kind of context, frame length and plaintext length meets every other.
/// Ten MiB are made with frames of 4096 bytes and more only.
pub fn recipes(keyrings: &[KeyringDescription], frame_lengths: &[u32]) -> Vec<Recipe> {
    let suites = AlgorithmSuiteId::ALL;
    let levels = [suites.len(), keyrings.len(), CONTEXTS.len(), frame_lengths.len(), PLAINTEXT_LENGTHS.len()];
    let recipe = |row: &[usize]| Recipe {
        suite: suites[row[0]],
        keyring: keyrings[row[1]].clone(),
        context: CONTEXTS[row[2]],
        frame_length: frame_lengths[row[3]],
        plaintext_len: PLAINTEXT_LENGTHS[row[4]],
    };
    let rows = pairwise(&levels, |row| PLAINTEXT_LENGTHS[row[4]] != TEN_MIB || frame_lengths[row[3]] >= 4096);
    rows.iter().map(|row| recipe(row)).collect()
}

impl Recipe {
    /// The encryption context.
    ///
    /// # Panics
    /// Never: the pairs are fixed.
    pub fn encryption_context(&self) -> EncryptionContext {
        match self.context {
            ContextKind::Empty => EncryptionContext::new(),
            ContextKind::Ascii => pairs(&[("tenant", "42"), ("purpose", "backup"), ("empty", "")]),
            ContextKind::MultiByte => pairs(&[
                ("\u{10000}", "\u{1f511}"),
                ("\u{ff61}", ""),
                ("é", "ü"),
                ("e\u{301}", "日本語"),
                ("", "–"),
            ]),
            ContextKind::Largest => context_of_len(self.suite, MAX_SERIALIZED_LEN),
        }
    }

    /// The plaintext: no two neighbouring frames are alike.
    pub fn plaintext(&self) -> Vec<u8> {
        plaintext(self.plaintext_len.bytes(self.frame_length))
    }

    /// The terms for a peer.
    pub fn terms(&self) -> Terms {
        Terms {
            commitment_policy: policy_for(self.suite),
            algorithm_suite: Some(self.suite),
            encryption_context: self.encryption_context(),
            frame_length: Some(self.frame_length),
            ..Terms::new(self.keyring.clone())
        }
    }

    /// envel's options to encrypt with.
    pub fn encrypt_options(&self) -> EncryptOptions {
        EncryptOptions::new()
            .algorithm_suite(self.suite)
            .frame_length(self.frame_length)
            .encryption_context(self.encryption_context())
    }
}

/// Bytes that do not repeat within a frame's length.
pub fn plaintext(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// The strictest policy under which a suite can be written and read.
pub fn policy_for(suite: AlgorithmSuiteId) -> CommitmentPolicy {
    match suite.suite().is_committing() {
        true => CommitmentPolicy::RequireEncryptRequireDecrypt,
        false => CommitmentPolicy::ForbidEncryptAllowDecrypt,
    }
}

/// A context that takes this many bytes in the header of a message with this suite, its public key included.
///
/// # Panics
/// If that is too short for a pair.
pub fn context_of_len(suite: AlgorithmSuiteId, serialized_len: usize) -> EncryptionContext {
    const NAME: &str = "largest";
    // Two lengths of two bytes, the name and the Base64 of a compressed point.
    let public_key_len = match suite.suite().signature {
        None => 0,
        Some(EcdsaAlgorithm::P256Sha256) => 4 + PUBLIC_KEY_NAME.len() + 44,
        Some(EcdsaAlgorithm::P384Sha384) => 4 + PUBLIC_KEY_NAME.len() + 68,
    };
    let value_len = serialized_len - 2 - public_key_len - 4 - NAME.len();
    let mut context = EncryptionContext::new();
    context.insert(NAME, "v".repeat(value_len)).expect("one name, not reserved");
    context
}

/// A context of these pairs.
///
/// # Panics
/// If they are no context.
pub fn pairs(pairs: &[(&str, &str)]) -> EncryptionContext {
    EncryptionContext::try_from_pairs(pairs.iter().copied()).expect("pairs of a test")
}

/// A client of this policy that takes any number of encrypted data keys.
pub fn client(policy: CommitmentPolicy) -> Client {
    Client::builder().commitment_policy(policy).max_encrypted_data_keys(None).build()
}

/// The default materials manager over a described keyring.
///
/// # Panics
/// If envel refuses the keyring.
pub fn manager(keyring: &KeyringDescription) -> Arc<dyn MaterialsManager> {
    Arc::new(DefaultManager::new(keyring.build().expect("a keyring of a test")))
}

/// Encrypts with envel, in every way, and decrypts with the peer. Returns how many messages crossed.
///
/// # Panics
/// If a message does not come out as it went in.
pub fn cross_to_peer(peer: &Peer, recipe: &Recipe) -> usize {
    let plaintext = recipe.plaintext();
    let manager = manager(&recipe.keyring);
    let messages = encrypt_every_way(
        &client(policy_for(recipe.suite)),
        &*manager,
        &plaintext,
        &recipe.encrypt_options(),
    )
    .unwrap_or_else(|error| unexpected(recipe, &error));
    for message in &messages {
        let opened =
            peer.decrypt(&recipe.terms(), message).unwrap_or_else(|error| unexpected(recipe, &error));
        assert!(opened.bytes == plaintext, "another plaintext: {recipe:?}");
        assert_stored_context(&opened, &recipe.encryption_context());
    }
    messages.len()
}

/// Encrypts with the peer and decrypts with envel, in every way. Returns how many messages crossed.
///
/// # Panics
/// If a message does not come out as it went in.
pub fn cross_from_peer(peer: &Peer, recipe: &Recipe) -> usize {
    let plaintext = recipe.plaintext();
    let message =
        peer.encrypt(&recipe.terms(), &plaintext).unwrap_or_else(|error| unexpected(recipe, &error));
    let manager = manager(&recipe.keyring);
    let options = DecryptOptions::new().encryption_context(recipe.encryption_context());
    let opened = decrypt_every_way(&client(policy_for(recipe.suite)), &*manager, &message.bytes, &options)
        .unwrap_or_else(|error| unexpected(recipe, &error));
    assert!(opened.plaintext == plaintext, "another plaintext: {recipe:?}");
    assert_eq!(opened.header.algorithm_suite().id, recipe.suite);
    assert_eq!(opened.header.frame_length(), recipe.frame_length);
    1
}

/// Checks the pairs that a peer found in a header, the public key aside.
///
/// # Panics
/// If they are others.
pub fn assert_stored_context(output: &PeerOutput, expected: &EncryptionContext) {
    let stored: Vec<(&str, &str)> = output
        .header_context
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| *name != PUBLIC_KEY_NAME)
        .collect();
    assert_eq!(stored, expected.iter().collect::<Vec<_>>());
}

fn unexpected(recipe: &Recipe, error: &dyn std::error::Error) -> ! {
    #[expect(clippy::panic, reason = "this is the assertion")]
    {
        panic!("{error}: {recipe:?}")
    }
}
