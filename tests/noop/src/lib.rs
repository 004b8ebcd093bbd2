//! A subject that does nothing, and misbehaves when it is asked to, for the host's own tests
