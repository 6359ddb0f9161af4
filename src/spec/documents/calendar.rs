//! Windows, freezes by date, and what a release waits for.

use crate::calendar::{self, End, Fault, window};
use crate::engine::Timestamp;
use crate::engine::calendar::Window;
use crate::spec::finding::{At, Finding};
use crate::spec::reader::{Reader, Text, first_line, read_texts};
use crate::spec::yaml::{Kind, Node};

/// More windows in one place are refused: every tick asks each of them.
const WINDOWS_AT_MOST: usize = 50;

/// When rules may grow, as a layer says it.
#[derive(Debug, Clone)]
pub struct WindowDoc {
    /// While any of these is open; always where there is none.
    pub windows: Vec<Window>,
    /// Where it stands.
    pub at: At,
}

/// Another release that must be far enough.
#[derive(Debug, Clone)]
pub struct AfterDoc {
    /// The release.
    pub release: Text,
    /// The environment, where it is another one than that of the release that waits.
    pub environment: Option<Text>,
    /// The stage that it must have reached; none where it must be completed.
    pub reached: Option<Text>,
}

/// A freeze by date.
#[derive(Debug, Clone)]
pub struct FreezeDoc {
    /// Its name.
    pub name: Text,
    /// The first instant at which it holds.
    pub from: Timestamp,
    /// The first instant at which it holds no more.
    pub to: Timestamp,
    /// What is frozen; all environments if none is named.
    pub environments: Vec<Text>,
    /// What is frozen; all releases if none is named.
    pub releases: Vec<Text>,
    /// Why.
    pub reason: Option<String>,
    /// Where it stands.
    pub at: At,
}

pub(super) fn windows(reader: &mut Reader<'_, '_>) -> Option<WindowDoc> {
    let node = reader.get("window")?;
    let at = reader.key_at("window")?;
    let mut windows = Vec::new();
    for (number, text) in read_texts(node, reader.findings()).into_iter().enumerate() {
        if number >= WINDOWS_AT_MOST {
            let message = format!("more than {WINDOWS_AT_MOST} windows in one place");
            reader.findings().push(Finding::error("yaml-limit", &text.at, message));
            break;
        }
        match window::parse(&text.value) {
            Ok(window) => windows.push(window),
            Err(fault) => reader.findings().push(told("window", &text, &fault)),
        }
    }
    Some(WindowDoc { windows, at })
}

fn told(code: &'static str, text: &Text, fault: &Fault) -> Finding {
    let at = text.part(fault.start, fault.end);
    if fault.is_zone {
        return unknown_zone(text.value.get(fault.start..fault.end).unwrap_or_default(), &at, &fault.help);
    }
    Finding::error(code, &at, fault.message.clone()).help(fault.help.clone())
}

fn unknown_zone(name: &str, at: &At, help: &str) -> Finding {
    let names: Vec<String> = calendar::zones().collect();
    let finding = Finding::error("unknown-zone", at, format!("there is no time zone `{name}`"));
    let finding = finding.did_you_mean(name, names.iter().map(String::as_str));
    let is_near = finding.help.as_ref().is_some_and(|help| help.starts_with("did you mean"));
    // six hundred names would help nobody
    if is_near { finding } else { finding.help(help) }
}

/// What a release, or its entry for an environment, waits for: one mapping or a list of them.
pub(super) fn after(reader: &mut Reader<'_, '_>) -> Option<Vec<AfterDoc>> {
    let node = reader.get("after")?;
    Some(match &node.kind {
        Kind::Map(_) => one_after(node, reader.findings()).into_iter().collect(),
        _ => {
            let items = reader.list("after").unwrap_or_default();
            items.iter().filter_map(|item| one_after(item, reader.findings())).collect()
        }
    })
}

fn one_after(node: &Node, findings: &mut Vec<Finding>) -> Option<AfterDoc> {
    let mut reader = Reader::new(node, "an item of `after`", findings);
    let release = reader.need_text("release");
    let environment = reader.text("environment");
    let reached = reader.text("reached");
    let completed = reader.flag("completed");
    let is_one = reader.key_at("reached").is_some() != reader.key_at("completed").is_some();
    if !reader.is_empty() && (!is_one || completed == Some(false)) {
        let at = reader.at().part(0, first_line(reader.at()));
        let finding = Finding::error("after", &at, "says not, in one way, how far the other release must be");
        reader.findings().push(finding.help("write `reached: STAGE`, or `completed: true`"));
    }
    reader.finish();
    Some(AfterDoc { release: release?, environment, reached })
}

/// The freezes of the project, and where something of them could not be read: whoever asks holds then.
pub(super) fn freezes(reader: &mut Reader<'_, '_>) -> (Vec<FreezeDoc>, Option<At>) {
    if reader.get("freezes").is_none() {
        return (Vec::new(), None);
    }
    let before = reader.findings().len();
    let items = reader.list("freezes").unwrap_or_default();
    let freezes: Vec<FreezeDoc> = items.iter().filter_map(|item| freeze(item, reader.findings())).collect();
    let is_faulty = reader.findings().len() > before;
    (freezes, reader.key_at("freezes").filter(|_| is_faulty))
}

fn freeze(node: &Node, findings: &mut Vec<Finding>) -> Option<FreezeDoc> {
    let mut reader = Reader::new(node, "a freeze", findings);
    let name = reader.need_text("name");
    let (from, to) = (reader.need_text("from"), reader.need_text("to"));
    let zone = reader.need_text("zone");
    // a list that names nothing could be meant as none, or as all
    let environments = some(&mut reader, "environments");
    let releases = some(&mut reader, "releases");
    let reason = reader.text("reason").map(|reason| reason.value);
    let at = reader.at().clone();
    reader.finish();
    let zone = zone?;
    if !calendar::is_zone(&zone.value) {
        findings.push(unknown_zone(&zone.value, &zone.at, "write `UTC`, or an IANA name like `Europe/Madrid`"));
        return None;
    }
    let mut moment = |text: Option<Text>, end| {
        let text = text?;
        let at = calendar::moment(&text.value, &zone.value, end);
        at.map_err(|fault| findings.push(told("date", &text, &fault))).ok().map(|at| (at, text))
    };
    let (from, to) = (moment(from, End::From), moment(to, End::To));
    let ((from, _), (to, to_text)) = (from?, to?);
    if from >= to {
        let finding = Finding::error("date", &to_text.at, "the freeze would be over before it begins");
        findings.push(finding.help("`to` is its last day, or the time at which it ends"));
        return None;
    }
    Some(FreezeDoc { name: name?, from, to, environments, releases, reason, at })
}

fn some(reader: &mut Reader<'_, '_>, key: &'static str) -> Vec<Text> {
    let names = reader.texts(key);
    if names.as_ref().is_some_and(Vec::is_empty)
        && let Some(at) = reader.key_at(key)
    {
        let finding = Finding::error("shape", &at, format!("`{key}` names nothing"));
        reader.findings().push(finding.help("leave it out where all are frozen"));
    }
    names.unwrap_or_default()
}
