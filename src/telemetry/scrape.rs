//! Pages read by ourselves.
