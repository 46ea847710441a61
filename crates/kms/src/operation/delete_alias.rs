//! DeleteAlias.

use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::{AliasName, Key};
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct DeleteAlias {
    pub(crate) alias_name: String,
}

impl Call for DeleteAlias {
    const OPERATION: Operation = Operation::DeleteAlias;
    const ACCESS: Access = Access::Write;
    type Keys = [Key; 1];
    type Answer = ();

    fn key_id(&self) -> Option<&str> {
        Some(&self.alias_name)
    }

    fn validate(&self) -> Result<(), Refusal> {
        AliasName::parse(&self.alias_name).map(|_| ())
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        Ok([workspace.key(&self.alias_name)?])
    }

    fn operate(self, [_key]: [Key; 1], workspace: &mut Workspace<'_>) -> Result<(), Refusal> {
        let name = AliasName::parse(&self.alias_name)?;
        Ok(workspace.transaction.delete_alias(&workspace.scope, &name)?)
    }
}
