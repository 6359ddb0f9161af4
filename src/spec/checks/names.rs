//! Names are typed as arguments, stand in addresses like `release@environment`, and are shown on terminals.

use crate::spec::documents::{Body, Document};
use crate::spec::finding::Finding;
use crate::spec::reader::Text;

/// Longer names are refused; flag backends refuse them too.
const LENGTH_AT_MOST: usize = 100;

pub(super) fn check(documents: &[Document], findings: &mut Vec<Finding>) {
    for document in documents {
        let (_, name) = document.name();
        let mut named = |name: &Text, more: &str| findings.extend(finding(name, more));
        named(name, "");
        match &document.body {
            Body::Project(project) => {
                project.environments.iter().for_each(|environment| named(&environment.name, ""));
                project.sources.iter().for_each(|source| named(&source.name, ""));
                project.freezes.iter().for_each(|freeze| named(&freeze.name, ""));
                project.signals.iter().for_each(|signal| named(&signal.name, ""));
                project.notifications.iter().for_each(|notification| named(&notification.name, ""));
            }
            Body::Template(template) => template.stages.iter().for_each(|stage| named(&stage.name, "")),
            Body::Policy(policy) => policy.safeguards.iter().for_each(|rule| named(&rule.name, "")),
            // a flag that is the release's name has been judged
            Body::Release(release) if release.flag.at.start != release.name.at.start => named(&release.flag, ":/"),
            Body::Release(_) | Body::Audience(_) | Body::Flag(_) => {}
        }
    }
}

/// Letters, digits, `-`, `_`, `.` and what more is allowed; a letter or digit first, so that no name looks like an option.
fn finding(name: &Text, more: &str) -> Option<Finding> {
    let text = name.value.as_str();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || more.contains(c);
    let good =
        text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits) && text.len() <= LENGTH_AT_MOST;
    (!good).then(|| {
        let help = format!("letters, digits, `-`, `_` and `.`, a letter or digit first, at most {LENGTH_AT_MOST}");
        Finding::error("name", &name.at, "this cannot be a name").help(help)
    })
}
