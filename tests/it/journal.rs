//! The journal: appends at an expected sequence, survives being killed, and its chain shows every kind of tampering.

use flagstaff::engine::Timestamp;
use flagstaff::journal::spool::{Spool, Spooled};
use flagstaff::journal::sqlite::SqliteJournal;
use flagstaff::journal::verify::{Damage, verify};
use flagstaff::journal::{Journal, JournalError, NewRecord, Sequence};
use proptest::prelude::*;

fn record(number: i64) -> NewRecord {
    NewRecord {
        at: Timestamp(1_700_000_000_000 + number),
        stream: format!("checkout@production#{}", number % 3),
        kind: "fold".to_owned(),
        body: format!(r#"{{"n":{number}}}"#),
    }
}

fn filled(path: &std::path::Path, count: i64) -> SqliteJournal {
    let mut journal = SqliteJournal::open(path).unwrap();
    let records: Vec<NewRecord> = (1..=count).map(record).collect();
    journal.append(Sequence(0), &records).unwrap();
    journal
}

#[test]
fn two_writers_one_wins_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/journal.db");
    let mut first = filled(&path, 2);
    let mut second = SqliteJournal::open(&path).unwrap();
    assert_eq!(first.id(), second.id());
    second.append(Sequence(2), &[record(3)]).unwrap();
    let refused = first.append(Sequence(2), &[record(4)]).unwrap_err();
    assert!(matches!(refused, JournalError::Conflict { head } if head.sequence == Sequence(3)));
    let bodies: Vec<String> =
        first.load(Sequence(1), usize::MAX).unwrap().into_iter().map(|record| record.new.body).collect();
    assert_eq!(bodies, [r#"{"n":2}"#, r#"{"n":3}"#]);
}

#[test]
fn sql_cannot_change_or_remove_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    filled(&path, 3);
    let sql = rusqlite::Connection::open(&path).unwrap();
    assert!(sql.execute("UPDATE records SET body = '{}' WHERE sequence = 2", []).is_err());
    assert!(sql.execute("DELETE FROM records", []).is_err());
    let time: String = sql.query_row("SELECT time FROM log WHERE sequence = 1", [], |row| row.get(0)).unwrap();
    assert_eq!(time, "2023-11-14T22:13:20.001Z");
}

#[test]
fn a_journal_that_cannot_be_used_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is no database, however long one looks at it").unwrap();
    let error = SqliteJournal::open(&text).unwrap_err().to_string();
    assert!(error.contains("no SQLite database"), "{error}");

    let path = folder.path().join("journal.db");
    let mut journal = filled(&path, 1);
    std::fs::remove_file(&path).unwrap();
    let error = journal.append(Sequence(1), &[record(2)]).unwrap_err().to_string();
    assert!(error.contains("deleted"), "{error}");
}

#[test]
fn a_newer_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    filled(&path, 1);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    assert!(matches!(SqliteJournal::open(&path), Err(JournalError::Format { found: 2, known: 1, .. })));
}

#[test]
fn a_lock_is_not_waited_for_longer_than_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    drop(filled(&path, 1));
    let mut journal = SqliteJournal::open_within(&path, std::time::Duration::from_millis(50)).unwrap();
    let holder = rusqlite::Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = journal.append(Sequence(1), &[record(2)]).unwrap_err().to_string();
    assert!(error.contains("another process holds its lock"), "{error}");
}

#[test]
fn a_journal_that_was_deleted_or_replaced_swallows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut journal = filled(&path, 1);
    std::fs::rename(&path, folder.path().join("moved.db")).unwrap();
    let error = journal.append(Sequence(1), &[record(2)]).unwrap_err().to_string();
    assert!(error.contains("it was deleted"), "{error}");
    drop(filled(&path, 1));
    let error = journal.append(Sequence(1), &[record(2)]).unwrap_err().to_string();
    assert!(error.contains("another file stands in its place"), "{error}");
}

#[test]
fn what_waits_is_read_oldest_first_and_what_cannot_be_read_is_no_matter_to_go_past() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::beside(&folder.path().join("journal.db"));
    for number in [2, 1] {
        let body = serde_json::json!({ "n": number });
        spool.put(&Spooled { id: format!("spool-{number}"), at: Timestamp(number), body }).unwrap();
    }
    std::fs::write(spool.folders()[0].join("half.json"), "{\"id\":").unwrap();
    let error = spool.pending().unwrap_err().to_string();
    assert!(error.contains("half.json"), "it may be a stop: {error}");
    std::fs::remove_file(spool.folders()[0].join("half.json")).unwrap();
    let waiting: Vec<String> = spool.pending().unwrap().into_iter().map(|(_, record)| record.id).collect();
    assert_eq!(waiting, ["spool-1", "spool-2"]);
}

#[test]
fn a_cut_tail_is_seen_with_a_head_that_was_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = filled(&folder.path().join("journal.db"), 5);
    let head = journal.head().unwrap();
    let mut records = journal.load(Sequence(0), usize::MAX).unwrap();
    assert_eq!(verify(journal.id(), &records, Some(&head)), Ok(head.clone()));
    records.truncate(3);
    assert!(verify(journal.id(), &records, None).is_ok(), "a shorter chain is a chain");
    assert!(matches!(verify(journal.id(), &records, Some(&head)), Err(Damage::Cut { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_tampering_is_named(place in 0usize..8, kind in 0u8..7, byte in 0usize..6) {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = filled(&folder.path().join("journal.db"), 10);
        let mut records = journal.load(Sequence(0), usize::MAX).unwrap();
        match kind {
            0 => records[place].new.body.replace_range(byte..=byte, "~"),
            1 => records[place].new.at.0 += 1,
            2 => records[place].new.stream.replace_range(byte..=byte, "~"),
            3 => records[place].new.kind.push(' '),
            4 => { records.remove(place); }
            5 => records.swap(place, place + 1),
            _ => { let copy = records[place].clone(); records.insert(place + 1, copy); }
        }
        let damage = verify(journal.id(), &records, None).unwrap_err();
        let named = match damage {
            Damage::Changed { sequence, .. } => sequence.0,
            Damage::Removed { from, .. } => from.0,
            Damage::Cut { .. } => unreachable!("no anchor was given"),
        };
        let first = place as u64 + 1;
        prop_assert!(named >= first && named <= first + 1, "tampered at {first}, named {named}");
    }
}
