//! YAML with spans. The only module that knows the YAML libraries.
//!
//! Documents are read as a tree of nodes, each with its place, so that every structural fault of a document can be told
//! in one go and at the exact characters. Anchors, aliases and tags are refused: what is meant must stand where it is read.

use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError};

use super::finding::{At, Finding, SourceFile};

/// Nesting deeper than this is refused.
const DEPTH_AT_MOST: usize = 32;
/// More nodes in one file than this are refused.
const NODES_AT_MOST: usize = 200_000;
/// After so many broken documents in one file it is some other file, and not read on.
const BROKEN_AT_MOST: usize = 100;

/// A node with its place.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it stands.
    pub at: At,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A scalar: its text after unescaping, and how it was written.
    Scalar {
        /// The text.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order; duplicates still in it.
    Map(Vec<(Node, Node)>),
}

/// How a scalar was written. Only what is plain can mean anything else than a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is.
    Plain,
    /// Between quotes of either kind.
    Quoted,
    /// As an indented block, behind `|` or `>`.
    Block,
}

impl Node {
    /// What it is, for messages.
    pub fn what(&self) -> &'static str {
        match self.kind {
            Kind::Scalar { .. } => "a value",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }
}

/// The documents of a file. What cannot be read becomes a finding; reading goes on at the next line that begins a
/// document, so that one broken document hides no other.
pub fn parse(file: &Arc<SourceFile>, findings: &mut Vec<Finding>) -> Vec<Node> {
    let mut builder = Builder { file, from: 0, began: 0, open: Vec::new(), documents: Vec::new(), nodes: 0 };
    let mut broken = 0;
    while let Some(finding) = builder.read() {
        // a bomb is not looked into any further
        let limit = finding.code == "yaml-limit";
        findings.push(finding);
        broken += 1;
        // what is broken may have swallowed the lines behind it: an open quote or brace reaches to the end
        let next = next_document(&file.text, builder.began);
        match next {
            Some(next) if !limit && broken < BROKEN_AT_MOST => builder.restart(next),
            _ => break,
        }
    }
    builder.documents
}

/// Where the next document begins behind a place: at a line with `---`, which cannot stand inside any value.
fn next_document(text: &str, behind: usize) -> Option<usize> {
    let rest = text.get(behind..)?;
    let found = rest.match_indices("\n---").map(|(at, _)| behind + at + 1);
    let mut found = found.filter(|at| text[at + 3..].chars().next().is_none_or(char::is_whitespace));
    found.next()
}

struct Builder<'t> {
    file: &'t Arc<SourceFile>,
    /// Where in the file the text that is read begins.
    from: usize,
    /// Where the document that is being read began.
    began: usize,
    /// Collections that are being read, with the key that waits for its value.
    open: Vec<(Node, Option<Node>)>,
    documents: Vec<Node>,
    nodes: usize,
}

impl Builder<'_> {
    fn restart(&mut self, at: usize) {
        (self.from, self.began) = (at, at);
        self.open.clear();
    }

    /// Reads to the end or to the first fault.
    fn read(&mut self) -> Option<Finding> {
        let options = granit_parser::options! { flow_nesting_limit: DEPTH_AT_MOST, block_nesting_limit: DEPTH_AT_MOST };
        let file = self.file;
        for event in Parser::new_from_str_with_options(&file.text[self.from..], options) {
            let (event, span) = match event {
                Ok((event, span)) => (event, span),
                Err(error) => return Some(self.broken(&error)),
            };
            let bytes = span.byte_range().unwrap_or_default();
            let at = self.at(bytes.start, bytes.end);
            if let Err(finding) = self.take(event, at) {
                return Some(finding);
            }
        }
        None
    }

    fn broken(&self, error: &ScanError) -> Finding {
        let start = self.file.boundary(self.from + error.marker().byte_offset().unwrap_or_default());
        // where the text ends too early the last character is what can be shown
        let start = if start == self.file.text.len() { self.file.boundary(start.saturating_sub(1)) } else { start };
        let length = self.file.text[start..].chars().next().map_or(0, char::len_utf8);
        let at = At { file: self.file.clone(), start, end: start + length };
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return Finding::error("yaml-limit", &at, format!("nested deeper than {DEPTH_AT_MOST} levels"));
        }
        Finding::error("yaml-syntax", &at, error.info())
    }

    fn at(&self, start: usize, end: usize) -> At {
        let (start, end) = (self.file.boundary(self.from + start), self.file.boundary(self.from + end));
        At { file: self.file.clone(), start, end: end.max(start) }
    }

    fn take(&mut self, event: Event<'_>, at: At) -> Result<(), Finding> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_decoration(anchor, tag.is_some(), &at)?;
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                self.add(Node { at, kind: Kind::Scalar { text: text.into_owned(), style } })
            }
            Event::SequenceStart(_, anchor, tag) => {
                refuse_decoration(anchor, tag.is_some(), &at)?;
                self.enter(Node { at, kind: Kind::List(Vec::new()) })
            }
            Event::MappingStart(_, anchor, tag) => {
                refuse_decoration(anchor, tag.is_some(), &at)?;
                self.enter(Node { at, kind: Kind::Map(Vec::new()) })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some((mut node, _)) => {
                    node.at.end = node.at.end.max(at.start);
                    self.add(node)
                }
                None => Ok(()),
            },
            Event::DocumentStart(..) => {
                self.began = at.start;
                Ok(())
            }
            Event::Alias(_) => refuse_decoration(1, false, &at),
            _ => Ok(()),
        }
    }

    fn enter(&mut self, node: Node) -> Result<(), Finding> {
        if self.open.len() >= DEPTH_AT_MOST {
            return Err(Finding::error("yaml-limit", &node.at, format!("nested deeper than {DEPTH_AT_MOST} levels")));
        }
        self.open.push((node, None));
        Ok(())
    }

    fn add(&mut self, node: Node) -> Result<(), Finding> {
        self.nodes += 1;
        if self.nodes > NODES_AT_MOST {
            return Err(Finding::error("yaml-limit", &node.at, format!("more than {NODES_AT_MOST} values in a file")));
        }
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some((Node { kind: Kind::List(items), .. }, _)) => items.push(node),
            Some((Node { kind: Kind::Map(entries), .. }, key)) => match key.take() {
                None => *key = Some(node),
                Some(known) => entries.push((known, node)),
            },
            Some(_) => {}
        }
        Ok(())
    }
}

fn refuse_decoration(anchor: usize, tagged: bool, at: &At) -> Result<(), Finding> {
    if anchor != 0 {
        let finding = Finding::error("yaml-anchor", at, "anchors and aliases are not used in these documents");
        return Err(finding.help("write the value where it is meant; templates and policies are there to be shared"));
    }
    if tagged {
        return Err(Finding::error("yaml-tag", at, "tags are not used in these documents").help("leave the `!…` out"));
    }
    Ok(())
}

/// Writes a value as YAML.
///
/// # Errors
/// A value that has no YAML form.
pub fn to_string<T: serde::Serialize>(value: &T) -> Result<String, String> {
    serde_yaml::to_string(value).map_err(|error| error.to_string())
}
