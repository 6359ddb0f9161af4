//! Ref.
