//! DeleteAlias.

use super::{Call, Room};
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

    fn resolve(&self, room: &Room<'_>) -> Result<[Key; 1], Refusal> {
        Ok([room.key(&self.alias_name)?])
    }

    fn operate(self, [_key]: [Key; 1], room: &mut Room<'_>) -> Result<(), Refusal> {
        let name = AliasName::parse(&self.alias_name)?;
        Ok(room.transaction.delete_alias(&room.scope, &name)?)
    }
}
