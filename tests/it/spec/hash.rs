//! A plan's hash: the same meaning gives the same hash, in any order, any file and any directory.

use std::sync::Arc;

use flagstaff::spec::finding::SourceFile;
use flagstaff::spec::yaml::{Kind, Node, Style};
use flagstaff::spec::{self, yaml};
use proptest::prelude::*;

use super::{example, example_files, project_dir, told};

/// The plans of the example. A change of these changes every pinned plan: it belongs into the change log.
const GOLDEN: [(&str, &str, &str); 3] = [
    ("checkout-v2", "staging", "9b70a16c7a3b05b37c297dac890be4296158bd074e17db652dda824bfa2f30c2"),
    ("checkout-v2", "production", "7193a8434113ea1d4663a78f0426e33bea4e29365a1be0ea3abb45c516f1c0f1"),
    ("search-rank", "production", "f33626513dc76952341a996345bffa06c119ff594871c78d332a67efb6b88387"),
];

#[test]
fn the_examples_hashes_are_the_same_on_every_machine() {
    let loaded = spec::load(&example());
    let found = GOLDEN.map(|(release, environment, _)| {
        (release, environment, loaded.plan(release, environment).expect("a plan").hash)
    });
    assert_eq!(found, GOLDEN.map(|(release, environment, hash)| (release, environment, hash.to_owned())));
}

#[test]
fn the_hash_depends_on_the_meaning_alone() {
    let before = spec::load(&example()).plan("checkout-v2", "production").unwrap().hash;
    let merged: String = example_files().iter().rev().map(|(_, text)| format!("---\n{text}\n")).collect();
    let shuffled = merged
        .replace("{ name: half, percentage: 50%, bake: 24h,", "{ percentage: 50%, bake: 1d, name: 'half',")
        .replace("  every: 30s\n  window: 5m\n", "  window: 300s\n  every: 30s\n");
    assert_ne!(merged, shuffled);
    let dir = project_dir(&[("flagstaff.yaml", &shuffled)]);
    let loaded = spec::load(dir.path());
    assert_eq!(told(&loaded), Vec::<String>::new());
    assert_eq!(loaded.plan("checkout-v2", "production").unwrap().hash, before);
    let other = shuffled.replace("error_rate > 2%", "error_rate > 3%");
    let dir = project_dir(&[("flagstaff.yaml", &other)]);
    assert_ne!(spec::load(dir.path()).plan("checkout-v2", "production").unwrap().hash, before);
}

/// Writes a node again, its keys in another order. The order of environments is that of promotion: it means something.
fn shuffled(node: &Node, ordered: bool, dice: &mut impl FnMut(usize) -> usize) -> String {
    match &node.kind {
        Kind::Scalar { text, style: Style::Plain } => text.clone(),
        Kind::Scalar { text, .. } => serde_json::to_string(text).expect("a text"),
        Kind::List(items) => {
            let items: Vec<String> = items.iter().map(|item| shuffled(item, false, dice)).collect();
            format!("[ {} ]", items.join(", "))
        }
        Kind::Map(entries) => {
            let mut written = Vec::new();
            for (key, value) in entries {
                let key = shuffled(key, false, dice);
                let value = shuffled(value, key == "environments", dice);
                let place = if ordered { written.len() } else { dice(written.len() + 1) };
                written.insert(place, format!("{key}: {value}"));
            }
            format!("{{ {} }}", written.join(", "))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn order_files_and_folders_mean_nothing(dice in prop::collection::vec(any::<u16>(), 200..400)) {
        let mut next = dice.iter().cycle();
        let mut dice = |sides: usize| usize::from(*next.next().expect("endless")) % sides;
        let mut files: Vec<(String, String)> = Vec::new();
        for (name, text) in example_files() {
            let file: Arc<SourceFile> = SourceFile::new(name, text);
            for document in yaml::parse(&file, &mut Vec::new()) {
                let text = format!("---\n{}\n", shuffled(&document, false, &mut dice));
                let name = format!("flagstaff/{}/{}.yaml", dice(2), dice(3));
                match files.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, other)) if dice(2) == 0 => other.insert_str(0, &text),
                    Some((_, other)) => other.push_str(&text),
                    None => files.push((name, text)),
                }
            }
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let dir = project_dir(&files);
        let loaded = spec::load(dir.path());
        prop_assert_eq!(told(&loaded), Vec::<String>::new());
        for (release, environment, hash) in GOLDEN {
            prop_assert_eq!(loaded.plan(release, environment).expect("a plan").hash, hash);
        }
    }
}
