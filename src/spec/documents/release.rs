//! `kind: Release`: a flag on its way.

use super::layer::{Layer, layer};
use crate::spec::reader::{Reader, Text, read_text};
use crate::spec::yaml::Kind;

/// `kind: Release`
#[derive(Debug, Clone)]
pub struct ReleaseDoc {
    /// Its name.
    pub name: Text,
    /// The flag's key.
    pub flag: Text,
    /// What it says for all environments.
    pub layer: Layer,
    /// Where it goes, and what it says there.
    pub environments: Vec<(Text, Layer)>,
}

pub(super) fn release(name: Text, spec: &mut Reader<'_, '_>) -> ReleaseDoc {
    let flag = spec.text("flag").unwrap_or_else(|| name.clone());
    let mut environments = Vec::new();
    for node in spec.list("environments").unwrap_or_default() {
        match &node.kind {
            Kind::Map(_) => {
                for (name, node) in Reader::new(node, "an environment", spec.findings()).entries() {
                    let mut inner = Reader::new(node, "an environment", spec.findings());
                    let layer = layer(&mut inner);
                    inner.finish();
                    environments.push((name, layer));
                }
            }
            _ => environments.extend(read_text(node, spec.findings()).map(|name| (name, Layer::default()))),
        }
    }
    let layer = layer(spec);
    spec.later(&["after"]);
    ReleaseDoc { name, flag, layer, environments }
}
