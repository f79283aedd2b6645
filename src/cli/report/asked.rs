//! What `--cause` asks for: a cause, or a warning.

use crate::view::report::{self, Cause, Warned};
use crate::words::nearest;

/// A value of `--cause`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Cause(Cause),
    Warning(Warned),
}

/// A code that is both is asked for as a cause.
pub(super) fn code(text: &str) -> Result<Asked, String> {
    if let Ok(cause) = report::cause(text) {
        return Ok(Asked::Cause(cause));
    }
    if let Ok(warned) = report::warning(text) {
        return Ok(Asked::Warning(warned));
    }
    let known = report::Filter::KEYS.iter().filter(|key| matches!(key.name, "cause" | "warning"));
    let known = known.flat_map(|key| (key.values)());
    Err(match nearest(text, known) {
        Some(near) => format!("no cause or warning has this code; did you mean {near}?"),
        None => {
            "no cause or warning has this code; tcp_refused and cert_expires_soon are two that there are".to_owned()
        }
    })
}

/// The causes and the warnings that are asked for. A row must have one of each kind, so both at once find hardly any.
pub(super) fn apart(asked: &[Asked]) -> anyhow::Result<(Vec<Cause>, Vec<Warned>)> {
    let (mut causes, mut warnings) = (Vec::new(), Vec::new());
    for asked in asked {
        match asked {
            Asked::Cause(cause) => causes.push(*cause),
            Asked::Warning(warned) => warnings.push(*warned),
        }
    }
    if !causes.is_empty() && !warnings.is_empty() {
        anyhow::bail!("--cause takes several causes or several warnings, but not causes and warnings at once");
    }
    Ok((causes, warnings))
}
