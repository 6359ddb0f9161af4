//! YAML with spans. The only module that knows the YAML libraries.
//!
//! Documents are read as a tree of nodes, each with its place, so that every structural fault of a document can be told
//! in one go and at the exact characters. Anchors, aliases and tags are refused: what is meant must stand where it is read.

use std::sync::Arc;

use granit_parser::{Event, Parser, ScalarStyle};

use super::finding::{At, Finding, SourceFile};

/// Nesting deeper than this is refused.
const DEPTH_AT_MOST: usize = 32;
/// More nodes in one file than this are refused.
const NODES_AT_MOST: usize = 200_000;

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
    /// A scalar: its text after unescaping, and whether it was quoted.
    Scalar {
        /// The text.
        text: String,
        /// Whether it stood in quotes or a block: then it is a text and nothing else.
        quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order; duplicates still in it.
    Map(Vec<(Node, Node)>),
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
    let mut documents = Vec::new();
    let mut from = 0;
    while let Some(rest) = file.text.get(from..).filter(|rest| !rest.is_empty()) {
        let mut builder =
            Builder { file, from, offsets: CharOffsets::new(rest), open: Vec::new(), documents: Vec::new(), nodes: 0 };
        let broken = builder.read(rest);
        documents.append(&mut builder.documents);
        let Some(finding) = broken else { break };
        let limit = finding.code == "yaml-limit";
        let broken_at = finding.at.start.max(from);
        findings.push(finding);
        // a bomb is not looked into any further
        let next = file.text.get(broken_at..).and_then(|after| after.find("\n---")).filter(|_| !limit);
        let Some(next) = next else { break };
        from = broken_at + next + 1;
    }
    documents
}

/// From characters, which the parser counts, to bytes, which everything else does. Positions ascend nearly always.
struct CharOffsets<'t> {
    text: &'t str,
    ascii: bool,
    bytes: Vec<u32>,
}

impl<'t> CharOffsets<'t> {
    fn new(text: &'t str) -> CharOffsets<'t> {
        let ascii = text.is_ascii();
        let bytes = if ascii { Vec::new() } else { text.char_indices().map(|(byte, _)| byte as u32).collect() };
        CharOffsets { text, ascii, bytes }
    }

    fn byte(&self, character: usize) -> usize {
        if self.ascii {
            return character.min(self.text.len());
        }
        self.bytes.get(character).map_or(self.text.len(), |byte| *byte as usize)
    }
}

struct Builder<'t> {
    file: &'t Arc<SourceFile>,
    /// Where in the file the text that is read begins.
    from: usize,
    offsets: CharOffsets<'t>,
    /// Collections that are being read, with the key that waits for its value.
    open: Vec<(Node, Option<Node>)>,
    documents: Vec<Node>,
    nodes: usize,
}

impl Builder<'_> {
    /// Reads to the end or to the first fault.
    fn read(&mut self, text: &str) -> Option<Finding> {
        for event in Parser::new_from_str(text) {
            let (event, span) = match event {
                Ok((event, span)) => (event, span),
                Err(error) => {
                    let at = self.at(error.marker().index(), error.marker().index() + 1);
                    return Some(Finding::error("yaml-syntax", &at, error.info().to_owned()));
                }
            };
            let at = self.at(span.start.index(), span.end.index());
            if let Err(finding) = self.take(event, at) {
                return Some(finding);
            }
        }
        None
    }

    fn at(&self, start: usize, end: usize) -> At {
        let (start, end) = (self.from + self.offsets.byte(start), self.from + self.offsets.byte(end));
        At { file: self.file.clone(), start, end: end.max(start) }
    }

    fn take(&mut self, event: Event<'_>, at: At) -> Result<(), Finding> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                refuse_decoration(anchor, tag.is_some(), &at)?;
                let quoted = style != ScalarStyle::Plain;
                self.add(Node { at, kind: Kind::Scalar { text: text.into_owned(), quoted } })
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
