//! Anything at all may stand in a file: nothing panics, and every finding marks characters that are there.

use std::sync::Arc;

use flagstaff::spec::finding::{Finding, SourceFile};
use flagstaff::spec::{self, documents, yaml};
use proptest::prelude::*;

use super::{example_files, project_dir};

fn placed(findings: &[Finding]) {
    for finding in findings {
        let (at, text) = (&finding.at, &finding.at.file.text);
        let inside = at.start <= at.end && at.end <= text.len();
        assert!(inside && text.is_char_boundary(at.start) && text.is_char_boundary(at.end), "{finding:?}");
        let (line, column) = at.line_column();
        assert!(line >= 1 && column >= 1 && line <= text.matches('\n').count() + 1, "{finding:?}");
    }
}

fn read(text: String) {
    let file: Arc<SourceFile> = SourceFile::new("any.yaml", text);
    let mut findings = Vec::new();
    for node in yaml::parse(&file, &mut findings) {
        let _ = documents::read(&node, &mut findings);
    }
    placed(&findings);
}

/// What documents are made of, and what they should not be made of.
const PIECES: [&str; 24] = [
    "%",
    "«",
    "\u{feff}",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "\n---\n",
    "\n...\n",
    "&a ",
    "*a",
    "!t ",
    "? ",
    ": ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    "\t",
    "\\u00e9",
    "😀",
    "99999999999999999999",
    "#",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text(text in any::<String>()) {
        read(text);
    }

    #[test]
    fn pieces_of_yaml(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..60)) {
        read(pieces.concat());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn mutations_of_the_example(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..6,
            prop::sample::select(&PIECES[..])), 1..6),
    ) {
        let mut files = example_files();
        for (which, place, removed, piece) in changes {
            let number = which.index(files.len());
            let text = &mut files[number].1;
            let mut start = place.index(text.len() + 1);
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            let end = text[start..].char_indices().nth(removed).map_or(text.len(), |(at, _)| start + at);
            text.replace_range(start..end, piece);
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let dir = project_dir(&files);
        let loaded = spec::load(dir.path());
        placed(&loaded.findings);
        for release in loaded.releases() {
            for environment in release.environments {
                if let Err(findings) = loaded.plan(&release.release, &environment) {
                    placed(&findings);
                }
            }
        }
    }
}
