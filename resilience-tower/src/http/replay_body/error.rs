use std::{error, fmt};

use resilience_core::BoxError;

/// Why a [`ReplayBody`](super::ReplayBody) ended too early.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplayError {
    /// A later attempt has begun to send the body. Whoever is told so sends for an attempt that is over.
    Superseded,
    /// What an earlier attempt has sent was not kept: it was more than the cap, or the body had failed.
    Incomplete,
    /// The body itself has failed.
    Body(BoxError),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superseded => "the request body was superseded by a later attempt",
            Self::Incomplete => "the request body is not complete any more",
            Self::Body(_) => "the request body failed",
        })
    }
}

/// The source is the error of the body.
impl error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Body(error) => Some(&**error),
            Self::Superseded | Self::Incomplete => None,
        }
    }
}
