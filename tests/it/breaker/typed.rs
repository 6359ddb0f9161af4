//! The breaker with the real binary.
