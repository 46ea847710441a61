//! What the caller wants of an encryption context, held against what a header says, before any key is asked.

use envel::EncryptionContext;

use crate::args::{ContextPair, ContextRequirement};
use crate::exit::{Exit, Failure};

/// Checks the context that a header stores. The pairs given that it does not store are returned: the message may have been made
/// with them without storing them, which only its key can tell.
///
/// # Errors
/// A pair with another value; a name that is neither stored nor given; a name given twice with two values.
pub(super) fn check_context(
    item: &str,
    requirements: &[ContextRequirement],
    stored: &EncryptionContext,
) -> Result<EncryptionContext, Failure> {
    let refused = |error: String| Failure::new(Exit::Refused, error, HELP);
    let mut reproduced = EncryptionContext::new();
    let pairs = requirements.iter().filter_map(|requirement| match requirement {
        ContextRequirement::Pair(pair) => Some(pair),
        ContextRequirement::Name(_) => None,
    });
    for ContextPair { name, value } in pairs {
        match stored.value(name) {
            Some(found) if found == value => {}
            Some(found) => {
                return Err(refused(format!(
                    "{item}: the encryption context has {name}={found} where {name}={value} is required"
                )));
            }
            None if reproduced.value(name) == Some(value) => {}
            None => reproduced
                .insert(name, value)
                .map_err(|error| Failure::usage(error.to_string(), "correct -c"))?,
        }
    }
    for requirement in requirements {
        if let ContextRequirement::Name(name) = requirement
            && !stored.contains_name(name)
            && !reproduced.contains_name(name)
        {
            return Err(refused(format!("{item}: the encryption context has no {name}, which is required")));
        }
    }
    Ok(reproduced)
}

/// The failure of a message that does not open with pairs that its header does not store.
pub(super) fn reproduced_context_failure(item: &str, reproduced: &EncryptionContext) -> Failure {
    let pairs: Vec<_> = reproduced.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Failure::new(
        Exit::Refused,
        format!("{item}: the message does not store {}, and does not open with it either", pairs.join(", ")),
        HELP,
    )
}

const HELP: &str = "`envel inspect FILE` shows the context that the message stores; correct -c, or ask where the message comes from";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(requirements: &[&str]) -> Result<EncryptionContext, Failure> {
        let stored = EncryptionContext::try_from_pairs([("tenant", "42"), ("empty", "")]).unwrap();
        let requirements: Vec<_> = requirements.iter().map(|text| text.parse().unwrap()).collect();
        check_context("m", &requirements, &stored)
    }

    #[test]
    fn stored_pairs_must_match() {
        assert!(check(&["tenant=42", "tenant", "empty=", "empty"]).unwrap().is_empty());
        let failure = check(&["tenant=43"]).unwrap_err();
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(failure.error, "m: the encryption context has tenant=42 where tenant=43 is required");
        assert!(check(&["tenant=42", "tenant=43"]).is_err());
    }

    #[test]
    fn names_must_be_stored_or_given() {
        assert_eq!(
            check(&["purpose"]).unwrap_err().error,
            "m: the encryption context has no purpose, which is required"
        );
        assert!(check(&["purpose", "purpose=x"]).is_ok());
    }

    #[test]
    fn pairs_that_are_not_stored_are_handed_on() {
        let reproduced = check(&["tenant=42", "purpose=x", "purpose=x"]).unwrap();
        assert_eq!(reproduced.iter().collect::<Vec<_>>(), [("purpose", "x")]);
        assert_eq!(check(&["purpose=x", "purpose=y"]).unwrap_err().exit, Exit::Usage);
    }
}
