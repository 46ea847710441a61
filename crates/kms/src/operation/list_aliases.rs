//! ListAliases.

use envel_core::kms::AliasListEntry;

use super::limits::check_key_id;
use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct ListAliases {
    pub(crate) key_id: Option<String>,
}

impl Call for ListAliases {
    const OPERATION: Operation = Operation::ListAliases;
    const ACCESS: Access = Access::Read;
    /// The key whose aliases are asked for, if one is named.
    type Keys = Vec<Key>;
    type Answer = Vec<AliasListEntry>;

    fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    fn validate(&self) -> Result<(), Refusal> {
        self.key_id.as_ref().map_or(Ok(()), |key_id| check_key_id("keyId", key_id))
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<Vec<Key>, Refusal> {
        self.key_id.iter().map(|key_id| workspace.key_by_id(key_id)).collect()
    }

    fn operate(self, keys: Vec<Key>, workspace: &mut Workspace<'_>) -> Result<Self::Answer, Refusal> {
        let aliases = workspace.transaction.aliases(&workspace.scope, keys.first().map(|key| key.id))?;
        let mut entries = Vec::with_capacity(aliases.len());
        for alias in aliases {
            if workspace.existing_key(alias.target)?.is_some() {
                let arn = alias.scope.alias_arn(&alias.name);
                entries.push(AliasListEntry::new(alias.name.as_str(), arn, Some(alias.target.to_string())));
            }
        }
        Ok(entries)
    }
}
