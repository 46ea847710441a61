//! The pipeline that every call goes through: resolve, authorise, throttle, operate, audit, answer.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use envel_core::primitives::rand;
use envel_core::{Clock, KmsError};

use crate::calls::{CallCounter, Operation};
use crate::key::{Key, Scope};
use crate::operation::{Call, Workspace};
use crate::refusal::Refusal;
use crate::store::{Access, KmsStore, StoreError};

/// The longest Region name in characters.
const MAX_REGION_LEN: usize = 64;

/// Who calls. In process it is the root of the account, to whom the default key policy permits everything.
#[derive(Debug)]
struct Caller {
    account: String,
}

/// The KMS itself. It belongs to one thread.
#[derive(Debug)]
pub(crate) struct Service {
    store: Box<dyn KmsStore>,
    caller: Caller,
    clock: Arc<dyn Clock>,
    counter: CallCounter,
}

impl Service {
    pub(crate) fn new(
        store: Box<dyn KmsStore>,
        account: String,
        clock: Arc<dyn Clock>,
        counter: CallCounter,
    ) -> Self {
        Self { store, caller: Caller { account }, clock, counter }
    }

    /// The store, for what is no call: backups.
    #[cfg(feature = "sqlite")]
    pub(crate) fn store(&mut self) -> &mut dyn KmsStore {
        self.store.as_mut()
    }

    /// Wipes the keys whose deletion date has come, if that is possible now. If not, they are hidden, and the next call tries again.
    pub(crate) fn try_to_delete_keys_due(&mut self) {
        // A full disk or another writer is no reason to refuse a read of other keys.
        let _ = self.delete_keys_due(Access::WriteUnlessBusy);
    }

    fn delete_keys_due(&mut self, access: Access) -> Result<(), StoreError> {
        let now = self.clock.now();
        let next = self.store.begin(Access::Read)?.next_deletion_date()?;
        if next.is_some_and(|date| date <= now) {
            let mut transaction = self.store.begin(access)?;
            transaction.delete_keys_due(now)?;
            transaction.commit()?;
        }
        Ok(())
    }

    /// Answers one call that was made at `asked`, in the clock's elapsed time.
    #[expect(clippy::result_large_err, reason = "it is the error of the interface that this answers")]
    pub(crate) fn answer<C: Call>(
        &mut self,
        region: &str,
        asked: Duration,
        call: C,
    ) -> Result<C::Answer, KmsError> {
        self.counter.count(C::OPERATION);
        let key_id = call.key_id().map(str::to_owned);
        // Every outcome passes here, once: the place where calls are recorded.
        self.carry_out(region, asked, call).map_err(|refusal| {
            let (refusal, key_id) = refusal.into_parts(key_id);
            let mut error =
                KmsError::new(refusal.kind(), C::OPERATION.as_str(), refusal.code(), with_causes(&refusal))
                    .with_region(region);
            error.key = key_id;
            error.request_id = request_id();
            error
        })
    }

    fn carry_out<C: Call>(&mut self, region: &str, asked: Duration, call: C) -> Result<C::Answer, Refusal> {
        if call.deadline().is_some_and(|deadline| self.clock.elapsed().saturating_sub(asked) >= deadline) {
            return Err(Refusal::DeadlineExceeded);
        }
        check_region(region)?;
        call.validate()?;
        match C::ACCESS {
            Access::Read => self.try_to_delete_keys_due(),
            access => self.delete_keys_due(access)?,
        }
        let mut workspace = Workspace {
            scope: Scope { account: self.caller.account.clone(), region: region.to_owned() },
            now: self.clock.now(),
            transaction: self.store.begin(C::ACCESS)?,
        };
        let keys = call.resolve(&workspace)?;
        admit(&self.caller, C::OPERATION, keys.as_ref())?;
        let answer = call.operate(keys, &mut workspace)?;
        workspace.transaction.commit()?;
        Ok(answer)
    }
}

/// Authorises and throttles: the one place that says whether the caller may do this to these keys, now.
///
/// The account's root may do everything to the account's keys, as often as it likes.
fn admit(caller: &Caller, operation: Operation, keys: &[Key]) -> Result<(), Refusal> {
    match keys.iter().find(|key| key.scope.account != caller.account) {
        None => Ok(()),
        Some(key) => Err(Refusal::NotAuthorized {
            caller: format!("arn:{}:iam::{}:root", key.scope.partition(), caller.account),
            operation: operation.as_str(),
            resource: Box::new(key.arn()),
        }),
    }
}

/// Checks that a text can stand for a Region in an ARN.
pub(crate) fn check_region(region: &str) -> Result<(), Refusal> {
    let plain = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if region.is_empty() || region.len() > MAX_REGION_LEN || !plain {
        return Err(Refusal::Validation(format!(
            "{region:?} is not a Region name: give up to {MAX_REGION_LEN} letters, digits and dashes"
        )));
    }
    Ok(())
}

fn with_causes(refusal: &Refusal) -> String {
    let mut text = refusal.to_string();
    let mut cause = refusal.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

fn request_id() -> Option<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).ok()?;
    Some(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
}
