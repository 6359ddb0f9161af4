//! `kind: Audience`: a named set of people.

use crate::engine::plan::{AttributeTest, Audience, Constraint};
use crate::spec::finding::Finding;
use crate::spec::reader::{Reader, Text};

/// `kind: Audience`
#[derive(Debug, Clone)]
pub struct AudienceDoc {
    /// Its name.
    pub name: Text,
    /// Its definition.
    pub audience: Audience,
}

pub(super) fn audience(spec: &mut Reader<'_, '_>) -> Audience {
    spec.need("any");
    let mut any = Vec::new();
    for node in spec.list("any").unwrap_or_default() {
        let mut reader = Reader::new(node, "a constraint", spec.findings());
        if let Some(segment) = reader.text("segment") {
            reader.finish();
            any.push(Constraint { attribute: segment.value, is: AttributeTest::InSegment });
            continue;
        }
        let attribute = reader.need_text("attribute");
        let values = reader.texts("in").map(|texts| AttributeTest::In(texts.into_iter().map(|t| t.value).collect()));
        let ends = reader.text("ends_with").map(|text| AttributeTest::EndsWith(text.value));
        let starts = reader.text("starts_with").map(|text| AttributeTest::StartsWith(text.value));
        let contains = reader.text("contains").map(|text| AttributeTest::Contains(text.value));
        let mut tests: Vec<AttributeTest> = [values, ends, starts, contains].into_iter().flatten().collect();
        if tests.len() != 1 {
            let at = reader.at().clone();
            let message = "a constraint has one of `in`, `ends_with`, `starts_with`, `contains`, or is a `segment`";
            reader.findings().push(Finding::error("shape", &at, message));
        }
        reader.finish();
        if let (Some(attribute), Some(is)) = (attribute, tests.pop()) {
            any.push(Constraint { attribute: attribute.value, is });
        }
    }
    Audience { any }
}
