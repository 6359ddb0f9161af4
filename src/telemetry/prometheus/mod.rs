//! Source: a Prometheus server.
