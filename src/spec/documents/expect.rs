//! `expect` of a policy: how its metrics are while all is well, for what `validate` computes of rules.

use crate::engine::{Decimal, Span};
use crate::spec::finding::Finding;
use crate::spec::reader::{Reader, Text, read_text};
use crate::spec::text;

/// What people expect. Nothing that decides knows of it.
#[derive(Debug, Clone, Default)]
pub struct ExpectDoc {
    /// How many requests everybody makes, exposed or not, in a while.
    pub requests: Option<(Decimal, Span)>,
    /// Shares by the name of their metric, `error_rate` or `slow(500ms)`.
    pub shares: Vec<(Text, Decimal)>,
}

pub(super) fn expect(spec: &mut Reader<'_, '_>) -> ExpectDoc {
    let mut found = ExpectDoc::default();
    let Some(node) = spec.get("expect") else { return found };
    for (name, node) in Reader::new(node, "`expect`", spec.findings()).entries() {
        let Some(value) = read_text(node, spec.findings()) else { continue };
        if name.value == "requests" {
            match text::rate(&value.value) {
                Ok(rate) => found.requests = Some(rate),
                Err(why) => {
                    let message = format!("`{}` is no number of requests in a while: {why}", value.value);
                    spec.findings()
                        .push(Finding::error("expect", &value.at, message).help("write `300/m`, `5/s` or `2000/h`"));
                }
            }
            continue;
        }
        match text::share(&value.value) {
            Ok(share) if share <= Decimal::whole(1) => found.shares.push((name, share)),
            _ => {
                let message = format!("`{}` is no share", value.value);
                let finding = Finding::error("expect", &value.at, message);
                spec.findings().push(finding.help("write the share that is healthy, like `error_rate: 0.5%`"));
            }
        }
    }
    found
}
