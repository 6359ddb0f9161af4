//! A flag file.

use std::path::PathBuf;
use std::sync::Arc;

use flagstaff::backend::Backend;
use flagstaff::backend::flagd::Flagd;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Hand, Place};
use crate::support::gate::Gate;

/// A flag file.
pub(in crate::conformance) struct FlagFile {
    folder: tempfile::TempDir,
    flag: String,
}

impl FlagFile {
    pub(in crate::conformance) fn new(case: &str) -> FlagFile {
        // in memory, where there is such a folder: many orders of steps need not wait for a disk
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        FlagFile { folder, flag: case.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("flags.json")
    }

    fn edit(&self, edit: impl FnOnce(&mut Value)) {
        self.edit_file(|file| edit(&mut file["flags"][&self.flag]));
    }

    fn edit_file(&self, edit: impl FnOnce(&mut Value)) {
        let mut file: Value = serde_json::from_str(&std::fs::read_to_string(self.path()).unwrap()).unwrap();
        edit(&mut file);
        std::fs::write(self.path(), file.to_string()).unwrap();
    }
}

impl Place for FlagFile {
    fn flag(&self) -> String {
        self.flag.clone()
    }

    fn backend(&self) -> Arc<dyn Backend> {
        Arc::new(Flagd::new(self.folder.path(), "flags.json"))
    }

    fn stepping(&self, gate: Gate) -> BoxFuture<'_, Arc<dyn Backend>> {
        // a panic in its thread stands for the end of the process
        let at = move |step: &'static str| assert!(gate.pass_blocking(), "died at: {step}");
        Box::pin(async move { Arc::new(Flagd::new(self.folder.path(), "flags.json").stepping(at)) as Arc<dyn Backend> })
    }

    fn kept(&self) -> String {
        let about = std::fs::metadata(self.path()).unwrap();
        let mut files: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            // whoever works takes the lock, and a marker is made anew
            .filter(|path| !path.to_string_lossy().contains(".lock"))
            .map(|path| format!("{}", path.display()))
            .collect();
        files.sort();
        format!("{:?} {files:?} {}", about.modified().unwrap(), std::fs::read_to_string(self.path()).unwrap())
    }

    fn hand_sets(&self, percent: u32) {
        self.edit(|flag| {
            let branches = flag["targeting"]["if"].as_array_mut().unwrap();
            let share = json!({ "fractional": [["on", percent * 1000], ["off", 100_000 - percent * 1000]] });
            *branches.last_mut().unwrap() = share;
            flag["metadata"]["percentage"] = (percent * 1000).into();
        });
    }

    fn hand_widens_audience(&self) {
        self.edit(|flag| flag["targeting"]["if"][0] = true.into());
    }

    fn hand_switches_off(&self) -> Hand {
        // off-markers are ours; a state DISABLED leaves every caller to its own default
        self.edit(|flag| flag["targeting"] = json!({}));
        Hand::Body
    }

    fn hand_removes(&self) {
        self.edit_file(|file| _ = file["flags"].as_object_mut().unwrap().shift_remove(&self.flag));
    }

    fn knows_hands(&self) -> bool {
        false
    }

    fn writes_in_parts(&self) -> bool {
        false
    }

    fn turns(&self) -> usize {
        // the unit tests of the file go through more, with each order as a test of its own
        2
    }
}
