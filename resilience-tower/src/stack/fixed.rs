//! What cannot change while a stack runs.

use std::time::Duration;

use super::Invalid;

/// A part that is built in, or is not, stays so.
pub(super) fn unless_built_in(part: &str, is: bool, shall: bool) -> Result<(), Invalid> {
    let on = |on| if on { "on" } else { "off" };
    if is == shall {
        return Ok(());
    }
    let (is, shall) = (on(is), on(shall));
    let text = format!(
        "`{part}` is {is} in this stack, and cannot be turned {shall} while it runs: make a new stack"
    );
    Err(text.into())
}

/// A value that is built in stays as it is.
pub(super) fn unless_same(field: &str, is: Duration, shall: Duration) -> Result<(), Invalid> {
    if is == shall {
        return Ok(());
    }
    let text = format!(
        "`{field}` is {is:?} in this stack, and cannot become {shall:?} while it runs: make a new stack"
    );
    Err(text.into())
}
