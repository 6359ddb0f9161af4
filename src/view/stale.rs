//! Flags and what became of them: as a table, as markdown, as SARIF, and for machines.

use comfy_table::{ContentArrangement, Table, TableStyle};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::printer::{Printer, Tone};
use super::safe::safe;
use crate::control::stale::Flag;
use crate::control::stale::verdict::{Life, Place, Verdict};
use crate::spec::documents::FlagDoc;

/// What `stale` answers.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub struct StaleAnswer {
    /// Flags: those that can go first.
    pub flags: Vec<FlagRow>,
}

/// A flag.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "StaleFlag")]
pub struct FlagRow {
    /// Its key.
    pub flag: String,
    /// Its type.
    pub kind: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where its document is: file and line.
    pub file: Option<String>,
    /// The line of that.
    pub line: Option<usize>,
    /// Its releases.
    pub releases: Vec<String>,
    /// Where it is in its life.
    pub life: Life,
    /// What to do.
    pub verdict: Verdict,
    /// What code can go by once it is gone; none while environments differ or anything is open.
    pub value: Option<bool>,
    /// Why.
    pub reasons: Vec<String>,
    /// When a rollout was first started on it, RFC 3339.
    pub born: Option<String>,
    /// How long it was to live, seconds.
    pub expected_lifetime: u64,
    /// Where it is released, in order.
    pub environments: Vec<PlaceRow>,
}

/// A flag in one environment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "StalePlace")]
pub struct PlaceRow {
    /// The environment.
    pub environment: String,
    /// What is allowed there.
    pub exposure: String,
    /// Whether it was started there.
    pub started: bool,
    /// Since when nothing has changed, RFC 3339.
    pub since: Option<String>,
    /// What is served, where that is not what is allowed.
    pub serves: Option<String>,
}

impl Answer for StaleAnswer {
    const NAME: &'static str = "stale";
}

impl Verdict {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Ready => "ready",
            Verdict::Candidate => "candidate",
            Verdict::Blocked => "blocked",
            Verdict::Keep => "keep",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Verdict::Ready => Tone::Good,
            Verdict::Blocked => Tone::Warn,
            Verdict::Candidate => Tone::Strong,
            Verdict::Keep => Tone::Dim,
        }
    }
}

impl Life {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Life::Defined => "defined",
            Life::Developing => "developing",
            Life::Releasing => "releasing",
            Life::Live => "live",
            Life::Completed => "completed",
            Life::Off => "off",
        }
    }
}

fn line(document: &FlagDoc) -> usize {
    document.name.at.file.line(document.name.at.start).0 + 1
}

fn place(place: &Place) -> PlaceRow {
    PlaceRow {
        environment: place.environment.clone(),
        exposure: place.allowed.to_string(),
        started: place.phase.is_some(),
        since: place.since.map(|since| since.to_string()),
        serves: place.serves.clone(),
    }
}

/// The answer.
pub fn answer(flags: &[Flag]) -> StaleAnswer {
    let row = |flag: &Flag| {
        let document = flag.document.as_ref();
        let text = |of: &dyn Fn(&FlagDoc) -> Option<String>| document.and_then(of);
        FlagRow {
            flag: flag.key.clone(),
            kind: flag.facts.kind.clone(),
            owner: text(&|flag| flag.owner.as_ref().map(|owner| owner.value.clone())),
            file: text(&|flag| Some(flag.name.at.file.name.clone())),
            line: document.map(line),
            releases: flag.releases.clone(),
            life: flag.judgement.life,
            verdict: flag.judgement.verdict,
            value: flag.judgement.value,
            reasons: flag.judgement.reasons.clone(),
            born: flag.facts.born.map(|born| born.to_string()),
            expected_lifetime: flag.facts.lifetime.0 / 1000,
            environments: flag.facts.places.iter().map(place).collect(),
        }
    };
    StaleAnswer { flags: flags.iter().map(row).collect() }
}

/// The table for people.
pub fn print(printer: &Printer, answer: &StaleAnswer) {
    if answer.flags.is_empty() {
        printer.out("no flags");
        return;
    }
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(printer.width).unwrap_or(u16::MAX));
    table.set_header(["FLAG", "VERDICT", "LIFE", "WHY"]);
    for row in &answer.flags {
        let reasons: Vec<String> = row.reasons.iter().map(|reason| safe(reason)).collect();
        table.add_row([&safe(&row.flag), row.verdict.word(), row.life.word(), &reasons.join("; ")]);
    }
    // the first line is the header; the lines of a row that is broken have the tone of its first
    let (mut rows, mut tone) = (answer.flags.iter(), None);
    for (index, line) in table.lines().enumerate() {
        let line = line.strip_prefix(' ').unwrap_or(&line).trim_end();
        if index > 0 && line.starts_with(|c: char| !c.is_whitespace()) {
            tone = rows.next().map(|row| row.verdict.tone());
        }
        printer.out(&tone.map_or_else(|| line.to_owned(), |tone| printer.tone(line, tone)));
    }
    let ready = answer.flags.iter().filter(|row| row.verdict == Verdict::Ready);
    for row in ready {
        if let Some(value) = row.value {
            printer.note(&format!("{}: code can go by {value}", safe(&row.flag)));
        }
    }
}

/// A table for a comment or a page.
pub fn markdown(answer: &StaleAnswer) -> String {
    let cell = |text: &str| safe(text).replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;");
    let mut lines = vec!["| flag | verdict | life | owner | why |".to_owned(), "|---|---|---|---|---|".to_owned()];
    for row in &answer.flags {
        let reasons: Vec<String> = row.reasons.iter().map(|reason| cell(reason)).collect();
        lines.push(format!(
            "| {} | {} | {} | {} | {} |",
            cell(&row.flag),
            row.verdict.word(),
            row.life.word(),
            cell(row.owner.as_deref().unwrap_or("")),
            reasons.join("; ")
        ));
    }
    lines.join("\n")
}

/// What is not to be kept, as SARIF 2.1.0, for places that show findings of many tools.
pub fn sarif(answer: &StaleAnswer) -> Value {
    let result = |row: &FlagRow| {
        let level = if row.verdict == Verdict::Ready { "warning" } else { "note" };
        let message = format!("flag {}: {}: {}", row.flag, row.verdict.word(), row.reasons.join("; "));
        let mut result = json!({
            "ruleId": format!("flag-{}", row.verdict.word()),
            "level": level,
            "message": { "text": message },
        });
        if let Some(file) = &row.file {
            let region = json!({ "startLine": row.line.unwrap_or(1) });
            let at = json!({ "physicalLocation": { "artifactLocation": { "uri": file }, "region": region } });
            result["locations"] = json!([at]);
        }
        result
    };
    let rule = |verdict: Verdict, what: &str| json!({ "id": format!("flag-{}", verdict.word()), "shortDescription": { "text": what } });
    let rules = [
        rule(Verdict::Ready, "The flag is over everywhere, and nothing stands against its removal"),
        rule(Verdict::Candidate, "The flag is over everywhere, but not for long"),
        rule(Verdict::Blocked, "The flag should be gone, and something stands against its removal"),
    ];
    let found: Vec<Value> = answer.flags.iter().filter(|row| row.verdict != Verdict::Keep).map(result).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "flagstaff", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": found,
        }],
    })
}
