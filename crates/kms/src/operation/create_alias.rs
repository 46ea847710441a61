//! CreateAlias.

use super::limits::check_key_id;
use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::{Alias, AliasName, Key, whole_milliseconds};
use crate::refusal::Refusal;
use crate::store::Access;

/// The most aliases that a key may have.
const MAX_ALIASES_PER_KEY: usize = 50;

pub(crate) struct CreateAlias {
    pub(crate) alias_name: String,
    pub(crate) target_key_id: String,
}

impl Call for CreateAlias {
    const OPERATION: Operation = Operation::CreateAlias;
    const ACCESS: Access = Access::Write;
    type Keys = [Key; 1];
    type Answer = ();

    fn key_id(&self) -> Option<&str> {
        Some(&self.target_key_id)
    }

    fn validate(&self) -> Result<(), Refusal> {
        check_alias_and_target(&self.alias_name, &self.target_key_id)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        Ok([workspace.key_by_id(&self.target_key_id)?])
    }

    fn operate(self, [key]: [Key; 1], workspace: &mut Workspace<'_>) -> Result<(), Refusal> {
        key.check_not_pending_deletion()?;
        let name = AliasName::parse(&self.alias_name)?;
        if workspace.transaction.alias(&workspace.scope, &name)?.is_some() {
            return Err(Refusal::AliasExists(workspace.scope.alias_arn(&name)));
        }
        check_alias_count(workspace, &key)?;
        let now = whole_milliseconds(workspace.now);
        let scope = workspace.scope.clone();
        let alias = Alias { scope, name, target: key.id, creation_date: now, last_updated_date: now };
        Ok(workspace.transaction.put_alias(&alias)?)
    }
}

/// Checks an alias and the key that it is to stand for.
pub(super) fn check_alias_and_target(alias_name: &str, target_key_id: &str) -> Result<(), Refusal> {
    AliasName::parse(alias_name)?;
    check_key_id("targetKeyId", target_key_id)?;
    if target_key_id.starts_with("alias/") || target_key_id.contains(":alias/") {
        return Err(Refusal::Validation("Aliases must refer to keys. Not aliases".to_owned()));
    }
    Ok(())
}

/// Refuses one alias more than a key may have.
pub(super) fn check_alias_count(workspace: &Workspace<'_>, key: &Key) -> Result<(), Refusal> {
    if workspace.transaction.aliases(&workspace.scope, Some(key.id))?.len() >= MAX_ALIASES_PER_KEY {
        return Err(Refusal::LimitExceeded(format!(
            "{} has {MAX_ALIASES_PER_KEY} aliases, the most that a key may have",
            key.arn()
        )));
    }
    Ok(())
}
