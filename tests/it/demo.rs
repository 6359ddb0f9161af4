//! The demo ends as the README says, and can be kept.

use std::process::Command;

use crate::support::schema::check;

#[test]
fn the_demo_ends_as_described() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let flagstaff = env!("CARGO_BIN_EXE_flagstaff");
    let done = Command::new(flagstaff).args(["demo", "-o", "jsonl", "--keep"]).arg(&kept).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}\n{err}");
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<String> = lines.iter().map(check).collect();
    let (last, events) = names.split_last().unwrap();
    assert!(last == "progress" && events.iter().all(|name| name == "event"), "{names:?}");
    let has = |address: &str, event: &str| {
        lines.iter().any(|line| line["address"] == address && line["event"].get(event).is_some())
    };
    assert!(has("checkout-v2@shop", "completed"), "{out}");
    assert!(has("search-rank@shop", "stopped"), "{out}");
    assert!(has("wish-list@shop", "paused"), "{out}");
    assert!(!has("wish-list@shop", "stopped") && !has("search-rank@shop", "completed"));

    let file = std::fs::read_to_string(kept.join("flags.flagd.json")).unwrap();
    let flags: serde_json::Value = serde_json::from_str(&file).unwrap();
    assert_eq!(flags["flags"]["search-rank"]["defaultVariant"], "off");
    assert!(flags["flags"]["search-rank"].get("targeting").is_none(), "{file}");
    assert_eq!(flags["flags"]["checkout-v2"]["defaultVariant"], "on");
    for what in [["audit", "verify"], ["audit", "replay"]] {
        let proven = Command::new(flagstaff).arg("-C").arg(&kept).args(what).status().unwrap();
        assert!(proven.success(), "{what:?}");
    }
    // what completed yesterday can still be taken away
    let off = Command::new(flagstaff).arg("-C").arg(&kept).args(["abort", "checkout-v2"]).output().unwrap();
    assert!(off.status.success() && String::from_utf8_lossy(&off.stdout).contains("OFF"), "{off:?}");
}
