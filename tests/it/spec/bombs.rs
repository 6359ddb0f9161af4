//! Hostile files, given to the real binary: each is refused, or read, with a place and within 100 MB.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::example;

/// Runs `validate` and gives its findings as `file:line:column code`. The child's own greatest memory is what the kernel
/// counted, in KiB; a run of more than a minute is a hang.
fn validate(dir: &Path) -> (Vec<String>, u64) {
    let script = "import os,sys,signal\n\
                  pid=os.spawnv(os.P_NOWAIT,sys.argv[1],sys.argv[1:])\n\
                  signal.signal(signal.SIGALRM,lambda *_:os.kill(pid,signal.SIGKILL))\n\
                  signal.alarm(60)\n\
                  _,status,usage=os.wait4(pid,0)\n\
                  print(usage.ru_maxrss,usage.ru_utime+usage.ru_stime,file=sys.stderr)\n\
                  sys.exit(os.waitstatus_to_exitcode(status) if status>=0 else 1)";
    let flagstaff = env!("CARGO_BIN_EXE_flagstaff");
    let output = Command::new("python3")
        .args(["-c", script, flagstaff, "-o", "json", "-C"])
        .arg(dir)
        .arg("validate")
        .output()
        .expect("python3 starts");
    let told = String::from_utf8_lossy(&output.stderr);
    let memory = told.split_whitespace().next().and_then(|text| text.parse().ok());
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
    let findings = answer["findings"].as_array().expect("findings").iter().map(|finding| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        format!("{}:{}:{} {}", text("file"), finding["line"], finding["column"], text("code"))
    });
    (findings.collect(), memory.unwrap_or_else(|| panic!("no memory in: {told}")))
}

/// One file beside the example's project document, and the finding it must give.
fn bomb(name: &str, write: impl FnOnce(&Path), expected: &str) {
    let dir = tempfile::tempdir().expect("a folder");
    fs::copy(example().join("flagstaff.yaml"), dir.path().join("flagstaff.yaml")).expect("the project");
    let path = dir.path().join("flagstaff").join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    write(&path);
    let (told, memory) = validate(dir.path());
    assert!(
        told.iter().any(|line| line == expected),
        "{name}: `{expected}` is not in {:?}",
        &told[..told.len().min(20)]
    );
    assert!(memory < 100 * 1024, "{name}: {memory} KiB");
}

fn text(name: &str, text: &str, expected: &str) {
    bomb(name, |path| fs::write(path, text).expect("a file"), expected);
}

#[test]
fn what_grows_when_it_is_read() {
    let alias = format!("a: &a [x,x]\n{}", (0..50).map(|n| format!("b{n}: [*a,*a]\n")).collect::<String>());
    text("alias.yaml", &alias, "flagstaff/alias.yaml:1:7 yaml-anchor");
    text("flow.yaml", &"[".repeat(100_000), "flagstaff/flow.yaml:1:33 yaml-limit");
    text("braces.yaml", &"{a: ".repeat(100_000), "flagstaff/braces.yaml:1:129 yaml-limit");
    text("block.yaml", &"- ".repeat(100_000), "flagstaff/block.yaml:1:65 yaml-limit");
    // a million keys are more than 4 MiB, whatever they are
    let keys: String = (0..1_000_000).map(|n| format!("{n:x}:\n")).collect();
    text("keys.yaml", &keys, "flagstaff/keys.yaml:1:1 file");
    let keys: String = (0..400_000).map(|n| format!("{n:x}:\n")).collect();
    text("fewer.yaml", &keys, "flagstaff/fewer.yaml:100001:1 yaml-limit");
    let same = "a: 1\n".repeat(60_000);
    text("same.yaml", &same, "flagstaff/same.yaml:2:1 duplicate-key");
    let unknown: String = (0..60_000).map(|n| format!("k{n}: 1\n")).collect();
    text("unknown.yaml", &unknown, "flagstaff/unknown.yaml:1:1 unknown-key");
    let broken = "---\n}\n".repeat(600_000);
    text("broken.yaml", &broken, "flagstaff/broken.yaml:2:1 yaml-syntax");
}

#[test]
fn what_is_too_much() {
    let sparse =
        |size: u64| move |path: &Path| fs::File::create(path).and_then(|file| file.set_len(size)).expect("a file");
    bomb("giga.yaml", sparse(1 << 30), "flagstaff/giga.yaml:1:1 file");
    bomb("zeros.yaml", sparse(4 << 20), "flagstaff/zeros.yaml:1:1 file");
    text("line.yaml", &format!("apiVersion: {}", "x".repeat((4 << 20) - 20)), "flagstaff/line.yaml:1:13 api-version");
    let list = format!("apiVersion: flagstaff/v1\nkind: [{}]\n", "a, ".repeat(150_000));
    text("list.yaml", &list, "flagstaff/list.yaml:2:7 shape");
    let many = |path: &Path| {
        fs::create_dir_all(path).expect("a folder");
        (0..50_001).for_each(|number| _ = fs::File::create(path.join(format!("{number}.yaml"))).expect("a file"));
    };
    bomb("many", many, "flagstaff:1:1 file");
}

#[test]
fn what_is_no_file_or_no_text() {
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
    bomb("fifo.yaml", fifo, "flagstaff/fifo.yaml:1:1 file");
    bomb("zero.yaml", |path| symlink("/dev/zero", path).expect("a link"), "flagstaff/zero.yaml:1:1 file");
    bomb("out.yaml", |path| symlink("/etc/passwd", path).expect("a link"), "flagstaff/out.yaml:1:1 file");
    bomb("loop.yaml", |path| symlink(path, path).expect("a link"), "flagstaff/loop.yaml:1:1 file");
    bomb("gone.yaml", |path| symlink("nowhere", path).expect("a link"), "flagstaff/gone.yaml:1:1 file");
    let bytes = |bytes: &'static [u8]| move |path: &Path| fs::write(path, bytes).expect("a file");
    bomb("latin.yaml", bytes(b"kind: caf\xe9\n"), "flagstaff/latin.yaml:1:10 file");
    bomb("wide.yaml", bytes(b"\xff\xfek\0i\0n\0d\0"), "flagstaff/wide.yaml:1:1 file");
    bomb("nul.yaml", bytes(b"apiVersion: flagstaff/v1\nkind: \0\n"), "flagstaff/nul.yaml:2:7 file");
    // a mark at the beginning is no fault, and counts for no column
    bomb("bom.yaml", bytes(b"\xef\xbb\xbfkinds: x\n"), "flagstaff/bom.yaml:1:1 unknown-key");
}

#[test]
fn a_link_within_the_project_is_followed() {
    let write = |path: &Path| {
        fs::write(path.with_file_name("real.txt"), "kinds: x\n").expect("a file");
        symlink("real.txt", path).expect("a link");
    };
    bomb("link.yaml", write, "flagstaff/link.yaml:1:1 unknown-key");
}
