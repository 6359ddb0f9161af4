//! The flagd definition file.
