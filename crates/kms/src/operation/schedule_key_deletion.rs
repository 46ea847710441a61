//! ScheduleKeyDeletion.

use envel_core::kms::ScheduleKeyDeletionResponse;

use super::limits::{check_key_id, check_number};
use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::{Key, PENDING_WINDOW_IN_DAYS};
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct ScheduleKeyDeletion {
    pub(crate) key_id: String,
    pub(crate) pending_window_in_days: u32,
}

impl Call for ScheduleKeyDeletion {
    const OPERATION: Operation = Operation::ScheduleKeyDeletion;
    const ACCESS: Access = Access::Write;
    type Keys = [Key; 1];
    type Answer = ScheduleKeyDeletionResponse;

    fn key_id(&self) -> Option<&str> {
        Some(&self.key_id)
    }

    fn validate(&self) -> Result<(), Refusal> {
        check_key_id("keyId", &self.key_id)?;
        check_number("pendingWindowInDays", self.pending_window_in_days, &PENDING_WINDOW_IN_DAYS)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        Ok([workspace.key_by_id(&self.key_id)?])
    }

    fn operate(self, [mut key]: [Key; 1], workspace: &mut Workspace<'_>) -> Result<Self::Answer, Refusal> {
        key.schedule_deletion(workspace.now, self.pending_window_in_days)?;
        workspace.transaction.update_key(&key)?;
        Ok(ScheduleKeyDeletionResponse::new(key.arn(), key.deletion_date, key.state))
    }
}
