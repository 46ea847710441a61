//! The official SDK for Rust, as its examples use it.

use std::error::Error;
use std::hint::black_box;
use std::sync::OnceLock;

use aws_esdk::client::Client;
use aws_esdk::material_providers::client::Client as ProvidersClient;
use aws_esdk::material_providers::types::AesWrappingAlg;
use aws_esdk::material_providers::types::EsdkAlgorithmSuiteId;
use aws_esdk::material_providers::types::keyring::KeyringRef;
use aws_esdk::material_providers::types::material_providers_config::MaterialProvidersConfig;
use aws_esdk::types::aws_encryption_sdk_config::AwsEncryptionSdkConfig;
use aws_smithy_types::Blob;
use envel::AlgorithmSuiteId;
use tokio::runtime::Runtime;

use crate::measure::{Operation, Request};

/// The work is done on the thread that waits, which has the stack for it; the runtime is there because the SDK wants one.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new().expect("a runtime starts"))
}

struct AwsEsdk {
    client: Client,
    keyring: KeyringRef,
    suite: EsdkAlgorithmSuiteId,
    is_encrypt: bool,
    input: Blob,
    /// The SDK takes its input for good; the copies are made before the clock starts.
    copies: Vec<Blob>,
}

pub fn operation(request: &Request) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    let providers = ProvidersClient::from_conf(MaterialProvidersConfig::builder().build()?)?;
    let keyring = runtime().block_on(
        providers
            .create_raw_aes_keyring()
            .key_namespace("bench")
            .key_name("key")
            .wrapping_key(vec![0; 32])
            .wrapping_alg(AesWrappingAlg::AlgAes256GcmIv12Tag16)
            .send(),
    )?;
    let suite = match request.suite {
        AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey => {
            EsdkAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKey
        }
        AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384 => {
            EsdkAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKeyEcdsaP384
        }
        other => return Err(format!("suite {other} is not measured").into()),
    };
    let client = Client::from_conf(AwsEncryptionSdkConfig::builder().build()?)?;
    let mut operation = AwsEsdk {
        client,
        keyring,
        suite,
        is_encrypt: true,
        input: Blob::new(request.plaintext()),
        copies: Vec::new(),
    };
    if !request.is_encrypt {
        operation.input = operation.encrypt(operation.input.clone());
        operation.is_encrypt = false;
    }
    Ok(Box::new(operation))
}

impl AwsEsdk {
    fn encrypt(&self, plaintext: Blob) -> Blob {
        let call = self
            .client
            .encrypt()
            .plaintext(plaintext)
            .keyring(self.keyring.clone())
            .algorithm_suite_id(self.suite);
        let output = runtime().block_on(call.send()).expect("aws-esdk encrypts");
        output.ciphertext.expect("there is a message")
    }

    fn decrypt(&self, message: Blob) -> Blob {
        let call = self.client.decrypt().ciphertext(message).keyring(self.keyring.clone());
        let output = runtime().block_on(call.send()).expect("aws-esdk decrypts");
        output.plaintext.expect("there is a plaintext")
    }
}

impl Operation for AwsEsdk {
    fn prepare(&mut self, repeats: usize) {
        self.copies = vec![self.input.clone(); repeats];
    }

    fn run(&mut self) {
        let input = self.copies.pop().expect("a copy was prepared");
        black_box(if self.is_encrypt { self.encrypt(input) } else { self.decrypt(input) });
    }
}
