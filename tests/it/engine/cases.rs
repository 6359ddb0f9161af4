//! The timelines behind the engine's semantics: each broke an earlier draft. Named after the case or the sentence.

mod advancing;
mod backend;
mod breaker;
mod burning;
mod counting;
mod people;
mod proving;
mod rules;
mod splitting;
