//! Text that a component gives: short enough to be stored for each of many trials, and harmless on a terminal.

use super::GuestError;
use duress_model::text::tame;

/// The longest message that is kept of a component, in bytes.
pub const MESSAGE_LIMIT: usize = 4 << 10;

/// Returns an error whose message is tame.
pub fn tamed(error: GuestError) -> GuestError {
    let tame = |text: String| tame(&text, MESSAGE_LIMIT);
    match error {
        GuestError::Denied(text) => GuestError::Denied(tame(text)),
        GuestError::Invalid(text) => GuestError::Invalid(tame(text)),
        GuestError::Unavailable(text) => GuestError::Unavailable(tame(text)),
        GuestError::Failed(text) => GuestError::Failed(tame(text)),
        GuestError::Timeout(after) => GuestError::Timeout(after),
    }
}
