//! Commits a second of the journal against raw SQLite with the same durability and bytes, interleaved in one run.
//!
//! `cargo bench --bench journal`. The bound of the design is a ratio of at least 0.80.

use std::path::Path;
use std::time::Instant;

use flagstaff::engine::Timestamp;
use flagstaff::journal::sqlite::SqliteJournal;
use flagstaff::journal::{Journal, NewRecord, Sequence};
use rusqlite::{Connection, TransactionBehavior, params};

const ROUNDS: usize = 60;

fn record(number: i64) -> NewRecord {
    NewRecord {
        at: Timestamp(1_700_000_000_000 + number),
        stream: "checkout-v2@production#1".to_owned(),
        kind: "fold".to_owned(),
        body: format!(r#"{{"n":{number},"readings":["{}"]}}"#, "0.0123".repeat(30)),
    }
}

fn raw(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE r (sequence INTEGER PRIMARY KEY, at INTEGER, stream TEXT, kind TEXT, body TEXT, hash TEXT) STRICT;",
        )
        .expect("a table");
    connection
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench measures time and says it")]
fn main() {
    for batch in [1, 100] {
        let folder = tempfile::tempdir_in(".").expect("a folder");
        let mut journal = SqliteJournal::open(&folder.path().join("journal.db")).expect("a journal");
        let mut other = raw(&folder.path().join("raw.db"));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut number = 0;
        let commits = if batch == 1 { 20 } else { 5 };
        for _ in 0..ROUNDS {
            let records: Vec<Vec<NewRecord>> =
                (0..commits).map(|_| (0..batch).map(|n| record(number + n)).collect()).collect();
            let began = Instant::now();
            for records in &records {
                let head = journal.head().expect("a head");
                journal.append(head.sequence, records).expect("an append");
            }
            ours.push(began.elapsed().as_secs_f64());
            let began = Instant::now();
            for records in &records {
                let transaction = other.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
                for record in records {
                    transaction
                        .prepare_cached("INSERT INTO r (at, stream, kind, body, hash) VALUES (?1, ?2, ?3, ?4, ?5)")
                        .expect("a statement")
                        .execute(params![record.at.0, record.stream, record.kind, record.body, "0".repeat(64)])
                        .expect("inserts");
                }
                transaction.commit().expect("commits");
            }
            theirs.push(began.elapsed().as_secs_f64());
            number += batch;
        }
        // a disk that stumbles once is not to decide: the middle round of each side, and the middle ratio
        let ratios: Vec<f64> = theirs.iter().zip(&ours).map(|(theirs, ours)| theirs / ours).collect();
        let rate = |rounds: Vec<f64>| commits as f64 / median(rounds);
        let head = journal.head().expect("a head");
        assert_eq!(head.sequence, Sequence((ROUNDS * commits) as u64 * batch as u64));
        println!(
            "{batch} records a commit: {:.0} commits/s, raw SQLite {:.0}: ratio {:.2}",
            rate(ours),
            rate(theirs),
            median(ratios)
        );
    }
}
