//! `flagstaff validate` of 10,000 documents against the YAML library alone reading and parsing the same files on two
//! threads, alternating in one run. The bound of the design is a ratio of at most 1.5.
//!
//! Two shapes: a document per file, and 50 documents per file. Both sides read every file; the library's side only counts
//! its events.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use granit_parser::Parser;

const DOCUMENTS: usize = 10_000;
const ROUNDS: usize = 15;

#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
fn main() {
    for per_file in [1, 50] {
        let dir = tempfile::tempdir().expect("a folder");
        let files = generate(dir.path(), per_file);
        let (mut library, mut parse, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            library.push(timed(|| _ = parsed(&files)));
            let texts: Vec<String> = files.iter().map(|path| fs::read_to_string(path).expect("a file")).collect();
            parse.push(timed(|| _ = on_two_threads(texts.len(), |index| events(&texts[index]))));
            whole.push(timed(|| validate(dir.path())));
        }
        let (library, parse, whole) = (median(library), median(parse), median(whole));
        println!("{DOCUMENTS} documents, {per_file} in a file, {} files, medians of {ROUNDS}", files.len());
        println!("  library alone, two threads, reading the files too  {:7.1} ms", millis(library));
        println!("  library alone, two threads, texts in memory        {:7.1} ms", millis(parse));
        println!("  flagstaff validate, the whole process              {:7.1} ms", millis(whole));
        println!("  ratio {:.2} (texts in memory: {:.2})", ratio(whole, library), ratio(whole, parse));
    }
}

fn generate(dir: &Path, per_file: usize) -> Vec<PathBuf> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    let mut files = Vec::new();
    let names = ["flagstaff.yaml", "flagstaff/audiences.yaml", "flagstaff/templates.yaml", "flagstaff/policies.yaml"];
    fs::create_dir_all(dir.join("flagstaff/releases")).expect("a folder");
    for name in names {
        fs::copy(example.join(name), dir.join(name)).expect("the example");
        files.push(dir.join(name));
    }
    let documents: Vec<usize> = (0..DOCUMENTS).collect();
    for (number, part) in documents.chunks(per_file).enumerate() {
        let text: Vec<String> = part.iter().map(|number| release(*number)).collect();
        let path = dir.join(format!("flagstaff/releases/{number}.yaml"));
        fs::write(&path, text.join("---\n")).expect("a file");
        files.push(path);
    }
    files
}

fn release(number: usize) -> String {
    format!(
        "apiVersion: flagstaff/v1\nkind: Release\nmetadata: {{ name: release-{number}, labels: {{ team: payments }} }}\nspec:\n  \
         match: {{ service: service-{} }}\n  environments: [{{ staging: {{ template: quick }} }}, production]\n",
        number % 100
    )
}

fn parsed(files: &[PathBuf]) -> usize {
    on_two_threads(files.len(), |index| events(&fs::read_to_string(&files[index]).expect("a file")))
}

fn events(text: &str) -> usize {
    Parser::new_from_str(text).filter(Result::is_ok).count()
}

fn on_two_threads(count: usize, work: impl Fn(usize) -> usize + Sync) -> usize {
    let next = AtomicUsize::new(0);
    let drain = || {
        let mut sum = 0;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return sum;
            }
            sum += work(index);
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(drain);
        drain() + other.join().expect("the other thread")
    })
}

fn validate(dir: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flagstaff"));
    command.arg("-C").arg(dir).arg("validate").stdout(Stdio::null());
    assert!(command.status().expect("flagstaff starts").success(), "the documents are valid");
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn timed(work: impl FnOnce()) -> Duration {
    let began = std::time::Instant::now();
    work();
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn ratio(ours: Duration, theirs: Duration) -> f64 {
    ours.as_secs_f64() / theirs.as_secs_f64()
}
