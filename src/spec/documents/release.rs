//! `kind: Release`: a flag on its way.

use super::calendar::{AfterDoc, after};
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
    pub environments: Vec<EntryDoc>,
    /// What it waits for, where its entry for an environment says nothing of it.
    pub after: Option<Vec<AfterDoc>>,
}

/// What a release says for one of its environments.
#[derive(Debug, Clone)]
pub struct EntryDoc {
    /// The environment.
    pub name: Text,
    /// What it says there.
    pub layer: Layer,
    /// What it waits for there.
    pub after: Option<Vec<AfterDoc>>,
}

impl ReleaseDoc {
    /// What it waits for in an environment.
    pub fn after(&self, environment: &str) -> &[AfterDoc] {
        let entry = self.environments.iter().find(|entry| entry.name.value == environment);
        let said = entry.and_then(|entry| entry.after.as_ref()).or(self.after.as_ref());
        said.map(Vec::as_slice).unwrap_or_default()
    }
}

pub(super) fn release(name: Text, spec: &mut Reader<'_, '_>) -> ReleaseDoc {
    let flag = spec.text("flag").unwrap_or_else(|| name.clone());
    let mut environments = Vec::new();
    for node in spec.list("environments").unwrap_or_default() {
        match &node.kind {
            Kind::Map(_) => {
                for (name, node) in Reader::new(node, "an environment", spec.findings()).entries() {
                    let mut inner = Reader::new(node, "an environment", spec.findings());
                    let (layer, after) = (layer(&mut inner), after(&mut inner));
                    inner.finish();
                    environments.push(EntryDoc { name, layer, after });
                }
            }
            _ => {
                let name = read_text(node, spec.findings());
                environments.extend(name.map(|name| EntryDoc { name, layer: Layer::default(), after: None }));
            }
        }
    }
    let (layer, after) = (layer(spec), after(spec));
    ReleaseDoc { name, flag, layer, environments, after }
}
