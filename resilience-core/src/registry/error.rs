//! Why a policy has no name, or a name no policy.

use std::{error::Error, fmt};

use super::name::LONGEST;

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameError {
    /// There is none.
    Empty {
        /// Which of the two: `pipeline` or `policy`.
        part: &'static str,
    },
    /// It has a character that is not allowed.
    Character {
        /// Which of the two: `pipeline` or `policy`.
        part: &'static str,
        /// The first one.
        character: char,
        /// Where it is, from 1.
        position: usize,
    },
    /// It has more than 64 characters.
    TooLong {
        /// Which of the two: `pipeline` or `policy`.
        part: &'static str,
        /// How many it has.
        length: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty { part } => write!(f, "the {part} has no name"),
            Self::Character { part, character, position } => write!(
                f,
                "the name of the {part} has {character:?} at position {position}, \
                 allowed are ASCII letters, digits, `_`, `-` and `.`"
            ),
            Self::TooLong { part, length } => {
                write!(f, "the name of the {part} has {length} characters, it may have {LONGEST}")
            }
        }
    }
}

impl Error for NameError {}

/// Why a policy was not registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegisterError {
    /// A name is not allowed.
    Name(NameError),
    /// There is a policy of that name, whose registration has not been dropped.
    Taken {
        /// The name: pipeline, slash, policy.
        name: String,
        /// What has it: see [`Policy::kind`](super::Policy::kind).
        kind: &'static str,
    },
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(_) => f.write_str("the policy was not registered"),
            Self::Taken { name, kind } => {
                write!(f, "a policy named `{name}` is registered already, of the kind `{kind}`")
            }
        }
    }
}

impl Error for RegisterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Name(error) => Some(error),
            Self::Taken { .. } => None,
        }
    }
}

impl From<NameError> for RegisterError {
    fn from(error: NameError) -> Self {
        Self::Name(error)
    }
}

/// Why there is no such handle.
///
/// It does not repeat the name that was asked for, which may come from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LookupError {
    /// No policy of that name is registered.
    Unknown,
    /// The policy of that name is another.
    OtherKind {
        /// What it is: see [`Policy::kind`](super::Policy::kind).
        is: &'static str,
        /// What was asked for. The two are the same where two types are of one kind, such as two keyed tables.
        wanted: &'static str,
    },
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("no policy of that name is registered"),
            Self::OtherKind { is, wanted } if is == wanted => {
                write!(f, "the policy of that name was registered as another type of the kind `{is}`")
            }
            Self::OtherKind { is, wanted } => {
                write!(f, "the policy of that name is of the kind `{is}`, not `{wanted}`")
            }
        }
    }
}

impl Error for LookupError {}
