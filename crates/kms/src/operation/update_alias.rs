//! UpdateAlias.

use super::create_alias::{check_alias_and_target, check_alias_count};
use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::{AliasName, Key, whole_milliseconds};
use crate::refusal::Refusal;
use crate::resolve::alias_not_found;
use crate::store::Access;

pub(crate) struct UpdateAlias {
    pub(crate) alias_name: String,
    pub(crate) target_key_id: String,
}

impl Call for UpdateAlias {
    const OPERATION: Operation = Operation::UpdateAlias;
    const ACCESS: Access = Access::Write;
    /// The key that the alias stood for, and the one that it is to stand for.
    type Keys = [Key; 2];
    type Answer = ();

    fn key_id(&self) -> Option<&str> {
        Some(&self.target_key_id)
    }

    fn validate(&self) -> Result<(), Refusal> {
        check_alias_and_target(&self.alias_name, &self.target_key_id)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 2], Refusal> {
        Ok([workspace.key(&self.alias_name)?, workspace.key_by_id(&self.target_key_id)?])
    }

    fn operate(self, [before, key]: [Key; 2], workspace: &mut Workspace<'_>) -> Result<(), Refusal> {
        key.check_not_pending_deletion()?;
        if before.id != key.id {
            check_alias_count(workspace, &key)?;
        }
        let name = AliasName::parse(&self.alias_name)?;
        let alias = workspace.transaction.alias(&workspace.scope, &name)?;
        let mut alias = alias.ok_or_else(|| alias_not_found(&workspace.scope, &name))?;
        alias.target = key.id;
        alias.last_updated_date = whole_milliseconds(workspace.now);
        Ok(workspace.transaction.put_alias(&alias)?)
    }
}
