//! A KMS that answers from a script, and remembers what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use envel::kms::{
    DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse, GenerateDataKeyRequest,
    GenerateDataKeyResponse, GenerateDataKeyWithoutPlaintextResponse, KeyMetadata, ReEncryptRequest,
    ReEncryptResponse,
};
use envel::{
    BoxFuture, DataKey, EncryptionContext, KmsClient, KmsClients, KmsError, KmsErrorKind, SecretBytes,
};

/// The next answer: of this key with this plaintext, or a failure.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Key(String, Vec<u8>),
    Fails(KmsErrorKind),
}

/// An answer of this key, with a data key of this many bytes.
pub(crate) fn key(arn: &str, data_key_len: usize) -> Answer {
    Answer::Key(arn.to_owned(), vec![0xd4; data_key_len])
}

/// The ciphertext of every answer.
pub(crate) const CIPHERTEXT: &[u8] = b"CiphertextBlob";

/// The key material of every answer that names one.
pub(crate) const KEY_MATERIAL_ID: &str = "material 1";

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) operation: &'static str,
    pub(crate) key_id: String,
    pub(crate) encryption_context: EncryptionContext,
    pub(crate) grant_tokens: Vec<String>,
    /// Length of the data key asked for, plaintext, or ciphertext.
    pub(crate) input: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct ScriptedKms {
    region: String,
    answers: Mutex<VecDeque<Answer>>,
    calls: Mutex<Vec<Call>>,
}

impl ScriptedKms {
    /// Answers so, and panics when it is asked once more.
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Self::in_region("eu-west-1", answers)
    }

    pub(crate) fn in_region(region: &str, answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        let answers = Mutex::new(answers.into_iter().collect());
        Arc::new(Self { region: region.to_owned(), answers, calls: Mutex::default() })
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    #[expect(clippy::result_large_err, reason = "what a KMS client returns")]
    fn answer(&self, call: Call) -> Result<(String, Vec<u8>), KmsError> {
        let operation = call.operation;
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or_else(|| panic!("{call:?} is not in the script"));
        self.calls.lock().unwrap().push(call);
        match answer {
            Answer::Key(arn, plaintext) => Ok((arn, plaintext)),
            Answer::Fails(kind) => Err(KmsError::new(kind, operation, format!("{kind:?}"), "")),
        }
    }
}

impl KmsClient for ScriptedKms {
    fn region(&self) -> &str {
        &self.region
    }

    fn generate_data_key(
        &self,
        request: GenerateDataKeyRequest,
    ) -> BoxFuture<'_, Result<GenerateDataKeyResponse, KmsError>> {
        let answer = self.answer(Call {
            operation: "GenerateDataKey",
            key_id: request.key_id,
            encryption_context: request.encryption_context,
            grant_tokens: request.grant_tokens,
            input: request.number_of_bytes.to_be_bytes().to_vec(),
        });
        Box::pin(std::future::ready(answer.map(|(arn, plaintext)| {
            let data_key = DataKey::new(SecretBytes::from_vec(plaintext));
            GenerateDataKeyResponse::new(arn, data_key, CIPHERTEXT.to_vec())
                .key_material_id(Some(KEY_MATERIAL_ID.to_owned()))
        })))
    }

    fn generate_data_key_without_plaintext(
        &self,
        request: GenerateDataKeyRequest,
    ) -> BoxFuture<'_, Result<GenerateDataKeyWithoutPlaintextResponse, KmsError>> {
        panic!("no keyring asks for this: {request:?}")
    }

    fn encrypt(&self, request: EncryptRequest) -> BoxFuture<'_, Result<EncryptResponse, KmsError>> {
        let answer = self.answer(Call {
            operation: "Encrypt",
            key_id: request.key_id,
            encryption_context: request.encryption_context,
            grant_tokens: request.grant_tokens,
            input: request.plaintext.expose_secret().to_vec(),
        });
        let response = answer.map(|(arn, _)| EncryptResponse::new(arn, CIPHERTEXT.to_vec()));
        Box::pin(std::future::ready(response))
    }

    fn decrypt(&self, request: DecryptRequest) -> BoxFuture<'_, Result<DecryptResponse, KmsError>> {
        let answer = self.answer(Call {
            operation: "Decrypt",
            key_id: request.key_id.expect("a keyring always pins the key"),
            encryption_context: request.encryption_context,
            grant_tokens: request.grant_tokens,
            input: request.ciphertext_blob,
        });
        Box::pin(std::future::ready(answer.map(|(arn, plaintext)| {
            let plaintext = SecretBytes::from_vec(plaintext);
            DecryptResponse::new(arn, plaintext, Some(KEY_MATERIAL_ID.to_owned()))
        })))
    }

    fn re_encrypt(&self, request: ReEncryptRequest) -> BoxFuture<'_, Result<ReEncryptResponse, KmsError>> {
        panic!("no keyring asks for this: {request:?}")
    }

    fn describe_key(&self, key_id: String) -> BoxFuture<'_, Result<KeyMetadata, KmsError>> {
        panic!("no keyring asks for this: {key_id}")
    }
}

/// The Regions of a scripted KMS; others are out of reach.
#[derive(Debug)]
pub(crate) struct ScriptedRegions {
    clients: BTreeMap<String, Arc<ScriptedKms>>,
    asked: Mutex<Vec<String>>,
}

impl ScriptedRegions {
    pub(crate) fn new(clients: impl IntoIterator<Item = Arc<ScriptedKms>>) -> Arc<Self> {
        let clients = clients.into_iter().map(|client| (client.region.clone(), client)).collect();
        Arc::new(Self { clients, asked: Mutex::default() })
    }

    /// The Regions asked for, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl KmsClients for ScriptedRegions {
    fn client_for_region(&self, region: &str) -> BoxFuture<'_, Result<Arc<dyn KmsClient>, KmsError>> {
        self.asked.lock().unwrap().push(region.to_owned());
        let found = self.clients.get(region).cloned().map(|client| client as Arc<dyn KmsClient>);
        let unreachable = KmsError::new(KmsErrorKind::Unreachable, "Decrypt", "DarkRegion", region);
        Box::pin(std::future::ready(found.ok_or(unreachable)))
    }

    fn default_region(&self) -> Option<&str> {
        None
    }
}
