//! A proposal for people: what `apply` would do at backends, what drifted there, what it means for rollouts.

use super::{AppliedRow, DeclaredRow, DeclaredWord, DriftRow, FlagAction, FlagChangeRow, ProposalAnswer};
use crate::control::apply::Asked;
use crate::view::plan::DifferenceRow;
use crate::view::printer::{Printer, Tone};
use crate::view::safe::safe;

/// Names of releases that were never started are listed up to here, and counted beyond.
const NAMES_AT_MOST: usize = 12;

/// Prints a proposal. Where starts are asked for, releases that were never started are what is about to happen.
pub fn proposal(printer: &Printer, answer: &ProposalAnswer, asked: Asked) {
    flags(printer, &answer.flags);
    drift(printer, &answer.drift);
    rollouts(printer, &answer.rollouts, asked.start);
    let count = |action: FlagAction| answer.flags.iter().filter(|row| row.action == action).count();
    let on = |row: &&FlagChangeRow| row.reaches.is_some() && row.action != FlagAction::Adopt;
    let exposed = answer.flags.iter().filter(on).count();
    let waiting = answer.rollouts.iter().filter(|row| row.declared == DeclaredWord::NotStarted).count();
    let differ = answer.rollouts.iter().filter(|row| row.declared != DeclaredWord::NotStarted).count();
    let words = [
        (if asked.start { waiting } else { 0 }, "to START"),
        (count(FlagAction::Create), "to create"),
        (count(FlagAction::Change), "to change"),
        (count(FlagAction::Adopt), "to adopt"),
        (exposed, "ON without a rollout"),
        (count(FlagAction::Blocked), "blocked"),
        (count(FlagAction::Unknown), "could not be asked for"),
        (answer.drift.len(), "drifted"),
        (differ, "by another plan than the documents'"),
    ];
    let told: Vec<String> =
        words.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    match told.is_empty() {
        true => printer.out(&format!("nothing to do: {} as the documents say", flags_are(answer.unchanged))),
        false => printer.out(&told.join(", ")),
    }
}

fn flags_of(count: usize) -> String {
    format!("{count} flag{}", if count == 1 { "" } else { "s" })
}

fn flags_are(count: usize) -> String {
    match count {
        1 => "1 flag is".to_owned(),
        count => format!("{count} flags are"),
    }
}

fn flags(printer: &Printer, rows: &[FlagChangeRow]) {
    let (mut heading, mut silent) = (None, None);
    for row in rows {
        let place = (&row.environment, &row.backend);
        if heading != Some(place) {
            heading = Some(place);
            let title = format!("{}  {}", safe(&row.environment), safe(&row.backend));
            printer.out(&printer.tone(&title, Tone::Strong));
        }
        if row.action == FlagAction::Unknown {
            // a backend that does not answer says so once, whatever is asked for there
            let told = (&row.environment, &row.trouble);
            if silent == Some(told) {
                continue;
            }
            silent = Some(told);
            let of_it = |other: &&FlagChangeRow| (&other.environment, &other.trouble) == told;
            let why = safe(row.trouble.as_deref().unwrap_or_default());
            let what = flags_of(rows.iter().filter(of_it).count());
            printer.hung(
                &format!("  {} {what}  {why}; flagstaff doctor says what to do", printer.tone("x", Tone::Bad)),
                6,
            );
            continue;
        }
        let name = safe(&row.flag);
        if let (Some(whom), true) = (&row.reaches, row.action != FlagAction::Adopt) {
            let on = printer.tone("ON", Tone::Bad);
            let off = format!("flagstaff abort {name} -e {}", safe(&row.environment));
            let text =
                format!("  {} {name}  {on} for {}; `{off}` switches it off", printer.tone("!", Tone::Bad), safe(whom));
            printer.hung(&text, 6);
        }
        let (sign, what, tone) = match row.action {
            FlagAction::Nothing => continue,
            FlagAction::Create => ("+", "create it, off, for nobody".to_owned(), Tone::Good),
            FlagAction::Change if row.fields.is_empty() => {
                ("~", "prepare it for this environment".to_owned(), Tone::Good)
            }
            FlagAction::Change => ("~", fields(row), Tone::Good),
            FlagAction::Adopt => ("!", adopt(row), if row.reaches.is_some() { Tone::Bad } else { Tone::Warn }),
            FlagAction::Blocked | FlagAction::Unknown => {
                ("x", safe(row.trouble.as_deref().unwrap_or_default()), Tone::Bad)
            }
        };
        printer.hung(&format!("  {} {name}  {what}", printer.tone(sign, tone)), 6);
    }
}

fn fields(row: &FlagChangeRow) -> String {
    let each = row.fields.iter().map(|field| match &field.from {
        Some(from) => format!("{}: `{}` becomes `{}`", field.field, safe(from), safe(&field.to)),
        None => format!("{}: `{}`", field.field, safe(&field.to)),
    });
    each.collect::<Vec<_>>().join("; ")
}

fn adopt(row: &FlagChangeRow) -> String {
    match &row.reaches {
        Some(whom) => format!("not ours, and ON for somebody: {}; only --adopt takes it, as it is", safe(whom)),
        None => "not ours, for nobody; only --adopt takes it".to_owned(),
    }
}

/// Prints drift, worst first.
pub fn drift(printer: &Printer, rows: &[DriftRow]) {
    if !rows.is_empty() {
        printer.out(&printer.tone("drift", Tone::Strong));
    }
    for row in rows {
        let by = row.by.as_ref().map(|by| format!(", by {}", safe(by))).unwrap_or_default();
        let (how, tone) = match (row.known, row.larger) {
            (false, _) => ("nobody can tell", Tone::Warn),
            (true, true) => ("MORE than allowed", Tone::Bad),
            (true, false) => ("less than allowed", Tone::Warn),
        };
        let text = format!(
            "  {} {}  {}, allowed {}: serves {}{by}",
            printer.tone("!", tone),
            safe(&row.address),
            printer.tone(how, tone),
            safe(&row.allowed),
            safe(&row.serves)
        );
        printer.hung(&text, 6);
    }
}

fn rollouts(printer: &Printer, rows: &[DeclaredRow], starts: bool) {
    let (waiting, begun): (Vec<&DeclaredRow>, Vec<&DeclaredRow>) =
        rows.iter().partition(|row| row.declared == DeclaredWord::NotStarted);
    if !begun.is_empty() || (starts && !waiting.is_empty()) {
        printer.out(&printer.tone("rollouts", Tone::Strong));
    }
    for row in begun {
        let (what, tone) = meaning(row);
        let text = format!("  {} {}  {}, {what}", printer.tone("~", tone), safe(&row.address), row.state.text());
        printer.hung(&text, 6);
        row.differences.iter().for_each(|difference| differs(printer, difference));
    }
    if starts {
        for row in waiting {
            let first = safe(row.first.as_deref().unwrap_or_default());
            let on = printer.tone(&format!("ON for {first}"), Tone::Bad);
            printer
                .hung(&format!("  {} {}  starts: {on} at once", printer.tone("+", Tone::Bad), safe(&row.address)), 6);
        }
        return;
    }
    if !waiting.is_empty() {
        let mut names: Vec<String> = waiting.iter().take(NAMES_AT_MOST).map(|row| safe(&row.address)).collect();
        if waiting.len() > NAMES_AT_MOST {
            names.push(format!("and {} more", waiting.len() - NAMES_AT_MOST));
        }
        printer.hung(&format!("not started: {}", names.join(", ")), 2);
    }
}

fn meaning(row: &DeclaredRow) -> (String, Tone) {
    let trouble = row.trouble.as_deref().map(safe);
    match (row.declared, trouble) {
        (DeclaredWord::Differs, None) => (
            "goes on by its pinned plan; --adopt pins the documents' plan at the same stage, and bakes anew".to_owned(),
            Tone::Warn,
        ),
        (DeclaredWord::Differs, Some(why)) => {
            (format!("goes on by its pinned plan; the documents' plan cannot be adopted: {why}"), Tone::Warn)
        }
        (DeclaredWord::Gone, _) => ("no document declares it any more: it holds".to_owned(), Tone::Warn),
        (DeclaredWord::Invalid, why) => {
            (format!("goes on by its pinned plan; its documents have errors: {}", why.unwrap_or_default()), Tone::Warn)
        }
        (DeclaredWord::NotStarted, _) => ("was never started".to_owned(), Tone::Warn),
    }
}

fn differs(printer: &Printer, row: &DifferenceRow) {
    let what = match row.reaches {
        true => printer.tone(&format!("REACHES OTHERS  {}", safe(&row.what)), Tone::Bad),
        false => safe(&row.what),
    };
    let text = match (&row.from, &row.to) {
        (Some(from), Some(to)) => format!("      {what}: {} becomes {}", safe(from), safe(to)),
        (None, Some(to)) => format!("      {what}: new: {}", safe(to)),
        (Some(from), None) => format!("      {what}: gone: {}", safe(from)),
        (None, None) => format!("      {what}"),
    };
    printer.hung(&text, 8);
}

/// Prints what was done.
pub fn applied(printer: &Printer, rows: &[AppliedRow]) {
    for row in rows {
        let address = safe(&row.address);
        match &row.trouble {
            None => printer.out(&format!("  {} {address}", row.action.word())),
            Some(why) => {
                let not = printer.tone(&format!("NOT {}", row.action.word()), Tone::Bad);
                printer.hung(&format!("  {not} {address}: {}", safe(why)), 6);
            }
        }
    }
}
