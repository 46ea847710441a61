//! A KMS key: what is known of it, its state, its key material and its aliases.

mod alias;
mod id;
mod material;
mod state;

use std::time::{Duration, SystemTime};

use envel_core::KmsKeyArn;
use envel_core::kms::{KeyMetadata, KeyState};

pub(crate) use alias::{Alias, AliasName};
pub(crate) use id::{KeyId, KeyMaterialId};
pub(crate) use material::KeyMaterial;
pub(crate) use state::PENDING_WINDOW_IN_DAYS;

/// The account and the Region in which keys and aliases live.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Scope {
    pub(crate) fn key_arn(&self, id: KeyId) -> KmsKeyArn {
        self.arn(&format!("key/{id}"))
    }

    pub(crate) fn alias_arn(&self, name: &AliasName) -> KmsKeyArn {
        self.arn(name.as_str())
    }

    /// The partition that AWS puts this Region in.
    pub(crate) fn partition(&self) -> &'static str {
        match () {
            () if self.region.starts_with("cn-") => "aws-cn",
            () if self.region.starts_with("us-gov-") => "aws-us-gov",
            () => "aws",
        }
    }

    fn arn(&self, resource: &str) -> KmsKeyArn {
        format!("arn:{}:kms:{}:{}:{resource}", self.partition(), self.region, self.account)
            .parse()
            .expect("a Region name, an account and a resource were each checked when they came in")
    }
}

/// A customer managed symmetric key, without its key material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) scope: Scope,
    pub(crate) id: KeyId,
    pub(crate) state: KeyState,
    pub(crate) description: String,
    pub(crate) creation_date: SystemTime,
    /// Set while the deletion is pending.
    pub(crate) deletion_date: Option<SystemTime>,
    /// The key material that new calls use; older ones go on decrypting.
    pub(crate) current_material: KeyMaterialId,
}

impl Key {
    /// A new key, enabled.
    pub(crate) fn new(
        scope: Scope,
        id: KeyId,
        material: KeyMaterialId,
        description: String,
        now: SystemTime,
    ) -> Self {
        Self {
            scope,
            id,
            state: KeyState::Enabled,
            description,
            creation_date: whole_milliseconds(now),
            deletion_date: None,
            current_material: material,
        }
    }

    pub(crate) fn arn(&self) -> KmsKeyArn {
        self.scope.key_arn(self.id)
    }

    pub(crate) fn metadata(&self) -> KeyMetadata {
        let mut metadata = KeyMetadata::new(self.arn(), self.creation_date);
        metadata.key_state = self.state;
        metadata.description.clone_from(&self.description);
        metadata.deletion_date = self.deletion_date;
        metadata.current_key_material_id = Some(self.current_material.to_string());
        metadata
    }
}

/// The time as stores keep it: in whole milliseconds since the Unix epoch.
pub(crate) fn whole_milliseconds(time: SystemTime) -> SystemTime {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH
        + Duration::from_secs(since_epoch.as_secs())
        + Duration::from_millis(since_epoch.subsec_millis().into())
}
