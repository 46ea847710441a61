//! The key-state machine: which states there are on the way from enabled to gone, and what each forbids.
//!
//! Enabled and disabled lead to each other and to pending deletion; cancelling a deletion leads to disabled. When the deletion
//! date is reached the key is gone.

use std::time::{Duration, SystemTime};

use envel_core::kms::KeyState;

use super::{Key, whole_milliseconds};
use crate::refusal::Refusal;

/// The days that a deletion may be pending.
pub(crate) const PENDING_WINDOW_IN_DAYS: std::ops::RangeInclusive<u32> = 7..=30;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Key {
    /// Refuses cryptography unless the key is enabled.
    pub(crate) fn check_usable(&self) -> Result<(), Refusal> {
        match self.state {
            KeyState::Enabled => Ok(()),
            KeyState::Disabled => Err(Refusal::Disabled(self.arn())),
            _ => self.check_not_pending_deletion(),
        }
    }

    /// Refuses management that a pending deletion forbids.
    pub(crate) fn check_not_pending_deletion(&self) -> Result<(), Refusal> {
        if self.state == KeyState::PendingDeletion {
            return Err(Refusal::InvalidState(format!("{} is pending deletion.", self.arn())));
        }
        Ok(())
    }

    pub(crate) fn enable(&mut self) -> Result<(), Refusal> {
        self.check_not_pending_deletion()?;
        self.state = KeyState::Enabled;
        Ok(())
    }

    pub(crate) fn disable(&mut self) -> Result<(), Refusal> {
        self.check_not_pending_deletion()?;
        self.state = KeyState::Disabled;
        Ok(())
    }

    pub(crate) fn schedule_deletion(&mut self, now: SystemTime, days: u32) -> Result<(), Refusal> {
        self.check_not_pending_deletion()?;
        self.state = KeyState::PendingDeletion;
        self.deletion_date = Some(whole_milliseconds(now) + DAY * days);
        Ok(())
    }

    pub(crate) fn cancel_deletion(&mut self) -> Result<(), Refusal> {
        if self.state != KeyState::PendingDeletion {
            return Err(Refusal::InvalidState(format!("{} is not pending deletion.", self.arn())));
        }
        self.state = KeyState::Disabled;
        self.deletion_date = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyId, KeyMaterialId, Scope};

    fn key() -> Key {
        let scope = Scope { account: "000000000000".into(), region: "local-1".into() };
        let (id, material) = (KeyId::from_bytes([1; 16]), KeyMaterialId::from_bytes([2; 32]));
        Key::new(scope, id, material, String::new(), SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn enabled_and_disabled_lead_to_each_other() {
        let mut key = key();
        assert!(key.check_usable().is_ok());
        key.disable().unwrap();
        key.disable().unwrap();
        assert!(matches!(key.check_usable(), Err(Refusal::Disabled(_))));
        key.enable().unwrap();
        key.enable().unwrap();
        assert!(key.check_usable().is_ok());
    }

    #[test]
    fn a_pending_deletion_forbids_everything_but_its_cancellation() {
        let mut key = key();
        key.schedule_deletion(SystemTime::UNIX_EPOCH, 7).unwrap();
        assert_eq!(key.deletion_date, Some(SystemTime::UNIX_EPOCH + DAY * 7));
        let before = key.clone();
        for outcome in [key.enable(), key.disable(), key.check_usable()] {
            assert!(
                matches!(outcome, Err(Refusal::InvalidState(message)) if message.ends_with("is pending deletion."))
            );
        }
        assert!(key.schedule_deletion(SystemTime::UNIX_EPOCH, 30).is_err());
        assert_eq!(key, before);
        key.cancel_deletion().unwrap();
        assert_eq!((key.state, key.deletion_date), (KeyState::Disabled, None));
        assert!(matches!(key.cancel_deletion(), Err(Refusal::InvalidState(_))));
    }
}
