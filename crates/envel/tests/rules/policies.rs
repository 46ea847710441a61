//! The commitment policy: on what is asked for, on what managers return, and on what a message says.

use envel::{
    AlgorithmSuiteId, Client, CommitmentPolicy, DecryptOptions, DecryptionMaterialsRequest, EncryptOptions,
    EncryptionMaterialsRequest, Error, ErrorKind, InvalidCall, MaterialsManager, Refusal,
};
use pollster::block_on;

use crate::crafted::Crafted;
use crate::scripted_managers::{Alters, MustNotBeAsked};
use crate::{COMMITTING, PLAIN, decrypt_with, manager, manager_of};

use CommitmentPolicy::{ForbidEncryptAllowDecrypt, RequireEncryptAllowDecrypt, RequireEncryptRequireDecrypt};

const POLICIES: [CommitmentPolicy; 3] =
    [ForbidEncryptAllowDecrypt, RequireEncryptAllowDecrypt, RequireEncryptRequireDecrypt];

fn client(policy: CommitmentPolicy) -> Client {
    Client::builder().commitment_policy(policy).build()
}

fn allows_encrypt(policy: CommitmentPolicy, suite: AlgorithmSuiteId) -> bool {
    // By number, not by what the library thinks of the suite.
    (suite.as_u16() >= 0x0478) == (policy != ForbidEncryptAllowDecrypt)
}

#[test]
fn nobody_is_asked_to_encrypt_with_a_suite_that_the_policy_forbids() {
    for policy in POLICIES {
        for suite in AlgorithmSuiteId::ALL {
            let options = EncryptOptions::new().algorithm_suite(suite);
            if allows_encrypt(policy, suite) {
                let output = block_on(client(policy).encrypt(&manager(), b"x", &options)).unwrap();
                assert_eq!(output.header.algorithm_suite().id, suite);
                continue;
            }
            let error = block_on(client(policy).encrypt(&MustNotBeAsked, b"x", &options)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCall);
            assert!(
                matches!(error, Error::InvalidCall(InvalidCall::CommitmentPolicy { .. })),
                "{policy}, {suite}"
            );
        }
    }
}

#[test]
fn nobody_is_asked_to_decrypt_a_suite_that_the_policy_forbids() {
    for policy in POLICIES {
        for suite in AlgorithmSuiteId::ALL {
            let crafted = Crafted::new(suite);
            let message = crafted.message(&[crafted.final_frame(1, b"x")]);
            let decrypt = |manager: &dyn MaterialsManager| {
                decrypt_with(&client(policy), manager, &message, &DecryptOptions::new())
            };
            if policy != RequireEncryptRequireDecrypt || suite.as_u16() >= 0x0478 {
                assert_eq!(decrypt(&manager()).unwrap(), b"x", "{policy}, {suite}");
                continue;
            }
            let error = decrypt(&MustNotBeAsked).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PolicyRefused);
            assert!(matches!(error, Error::Refused(Refusal::CommitmentPolicy { .. })), "{policy}, {suite}");
        }
    }
}

#[test]
fn the_default_suites_are_unsigned_and_signed_on_request() {
    let chosen = |policy, signed| {
        let options = EncryptOptions::new().signed(signed);
        let output = block_on(client(policy).encrypt(&manager(), b"x", &options)).unwrap();
        output.header.algorithm_suite().id.as_u16()
    };
    assert_eq!(
        (chosen(ForbidEncryptAllowDecrypt, false), chosen(ForbidEncryptAllowDecrypt, true)),
        (0x0178, 0x0378)
    );
    for policy in [RequireEncryptAllowDecrypt, RequireEncryptRequireDecrypt] {
        assert_eq!((chosen(policy, false), chosen(policy, true)), (0x0478, 0x0578));
    }
}

#[test]
fn asking_for_a_signature_and_a_suite_without_one_is_refused() {
    let options = EncryptOptions::new().algorithm_suite(COMMITTING).signed(true);
    let refused = block_on(Client::default().encrypt(&MustNotBeAsked, b"x", &options));
    assert!(matches!(refused, Err(Error::InvalidCall(InvalidCall::SuiteDoesNotSign { .. }))));
}

#[test]
fn the_default_manager_keeps_to_the_policy_by_itself() {
    let manager = Alters {
        underlying: manager_of(MustNotBeAsked),
        encryption: |request: &mut EncryptionMaterialsRequest<'_>| request.algorithm_suite = PLAIN.suite(),
        decryption: |request: &mut DecryptionMaterialsRequest<'_>| request.algorithm_suite = PLAIN.suite(),
    };
    let client = client(RequireEncryptRequireDecrypt);
    let refused = block_on(client.encrypt(&manager, b"x", &EncryptOptions::new()));
    assert!(matches!(refused, Err(Error::InvalidCall(InvalidCall::CommitmentPolicy { .. }))));
    let crafted = Crafted::new(COMMITTING);
    let message = crafted.message(&[crafted.final_frame(1, b"x")]);
    let refused = decrypt_with(&client, &manager, &message, &DecryptOptions::new());
    assert!(matches!(refused, Err(Error::Refused(Refusal::CommitmentPolicy { .. }))));
}

#[test]
fn readers_of_unsigned_messages_alone_ask_nobody_about_a_signed_one() {
    let options = DecryptOptions::new().unsigned_only(true);
    for suite in AlgorithmSuiteId::ALL {
        let crafted = Crafted::new(suite);
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        let client = client(RequireEncryptAllowDecrypt);
        if suite.suite().is_signed() {
            let refused = decrypt_with(&client, &MustNotBeAsked, &message, &options);
            assert!(matches!(refused, Err(Error::Refused(Refusal::Signed))), "{suite}");
        } else {
            assert_eq!(decrypt_with(&client, &manager(), &message, &options).unwrap(), b"x");
        }
    }
}
