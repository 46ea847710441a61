//! Which key a request means.
//!
//! A key is a key ARN, a key ID, an alias ARN or an alias name. Nothing of another Region or account is ever found, and neither is
//! a key whose deletion date has come.

use envel_core::arn::KmsResourceType;
use envel_core::{KmsKeyArn, KmsKeyIdentifier};

use crate::key::{AliasName, Key, KeyId, Scope};
use crate::operation::Workspace;
use crate::refusal::Refusal;

impl Workspace<'_> {
    /// The key of any spelling.
    pub(crate) fn key(&self, text: &str) -> Result<Key, Refusal> {
        match parse(text)? {
            KmsKeyIdentifier::AliasName(name) => self.key_of_alias(&AliasName::unchecked(name)),
            KmsKeyIdentifier::AliasArn(arn) => {
                self.check_arn(&arn)?;
                self.key_of_alias(&AliasName::unchecked(format!("alias/{}", arn.resource_id())))
            }
            KmsKeyIdentifier::KeyArn(_) | KmsKeyIdentifier::KeyId(_) => self.key_by_id(text),
        }
    }

    /// The key of a key ARN or a key ID: operations that manage a key take no alias.
    pub(crate) fn key_by_id(&self, text: &str) -> Result<Key, Refusal> {
        let id = match parse(text)? {
            KmsKeyIdentifier::KeyId(id) => id,
            KmsKeyIdentifier::KeyArn(arn) => {
                self.check_arn(&arn)?;
                arn.resource_id().to_owned()
            }
            KmsKeyIdentifier::AliasName(_) | KmsKeyIdentifier::AliasArn(_) => {
                return Err(invalid_key_id(text));
            }
        };
        let id = KeyId::parse(&id).ok_or_else(|| invalid_key_id(text))?;
        self.existing_key(id)?
            .ok_or_else(|| Refusal::NotFound(format!("Key '{}' does not exist", self.scope.key_arn(id))))
    }

    /// The key of an ID, if it exists at this moment.
    pub(crate) fn existing_key(&self, id: KeyId) -> Result<Option<Key>, Refusal> {
        let key = self.transaction.key(&self.scope, id)?;
        Ok(key.filter(|key| self.exists(key)))
    }

    /// Whether the deletion date of a key has not come. The store may still hold it when it has.
    pub(crate) fn exists(&self, key: &Key) -> bool {
        key.deletion_date.is_none_or(|date| date > self.now)
    }

    fn key_of_alias(&self, name: &AliasName) -> Result<Key, Refusal> {
        let target = match self.transaction.alias(&self.scope, name)? {
            Some(alias) => self.existing_key(alias.target)?,
            None => None,
        };
        target.ok_or_else(|| alias_not_found(&self.scope, name))
    }

    fn check_arn(&self, arn: &KmsKeyArn) -> Result<(), Refusal> {
        if arn.region() != self.scope.region || arn.partition() != self.scope.partition() {
            return Err(Refusal::NotFound(format!("Invalid arn {}", arn.region())));
        }
        if arn.account() != self.scope.account {
            let resource = match arn.resource_type() {
                KmsResourceType::Key => "Key",
                KmsResourceType::Alias => "Alias",
            };
            return Err(Refusal::NotFound(format!("{resource} '{arn}' does not exist")));
        }
        Ok(())
    }
}

/// The refusal of an alias that is not there.
pub(crate) fn alias_not_found(scope: &Scope, name: &AliasName) -> Refusal {
    // The name may be of any form, so this is text rather than an ARN.
    let (partition, region, account) = (scope.partition(), &scope.region, &scope.account);
    Refusal::NotFound(format!("Alias arn:{partition}:kms:{region}:{account}:{name} is not found."))
}

fn parse(text: &str) -> Result<KmsKeyIdentifier, Refusal> {
    text.parse().map_err(|_| match text.starts_with("arn:") {
        true => Refusal::NotFound(format!("Invalid arn {text}")),
        false => invalid_key_id(text),
    })
}

fn invalid_key_id(text: &str) -> Refusal {
    Refusal::NotFound(format!("Invalid keyId '{text}'"))
}
