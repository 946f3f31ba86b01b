//! The name of a policy, and what may be one.

use std::fmt;

use super::NameError;

/// They become values of labels.
pub(super) const LONGEST: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    pub(super) pipeline: String,
    pub(super) policy: String,
}

impl Name {
    pub(super) fn checked(pipeline: &str, policy: &str) -> Result<Self, NameError> {
        check("pipeline", pipeline)?;
        check("policy", policy)?;
        Ok(Self::unchecked(pipeline, policy))
    }

    /// To look for it: one that is not allowed will not be found.
    pub(super) fn unchecked(pipeline: &str, policy: &str) -> Self {
        Self { pipeline: pipeline.to_owned(), policy: policy.to_owned() }
    }
}

fn check(part: &'static str, name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { part });
    }
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    if let Some((index, character)) = name.chars().enumerate().find(|&(_, character)| !allowed(character)) {
        return Err(NameError::Character { part, character, position: index + 1 });
    }
    if name.len() > LONGEST {
        return Err(NameError::TooLong { part, length: name.len() });
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pipeline, self.policy)
    }
}
