//! A live Unleash.

use std::sync::Arc;

use flagstaff::backend::Backend;
use flagstaff::backend::unleash::{Access, Unleash};
use flagstaff::http::Certificates;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Hand, Place};
use crate::support::gate::Gate;
use crate::unleash::proxy::{Fate, Proxy};
use crate::unleash::saying;
use crate::unleash::server::{TOKEN, environment, server};

/// A live Unleash.
pub(in crate::conformance) struct Live {
    flag: String,
    shared: bool,
}

impl Live {
    pub(in crate::conformance) fn new(case: &str) -> Live {
        Live { flag: format!("conforms-{}", case.replace('_', "-")), shared: false }
    }

    /// Others have a strategy in the same flag, which is on.
    pub(in crate::conformance) fn shared(case: &str) -> Live {
        let live = Live { flag: format!("shared-{}", case.replace('_', "-")), shared: true };
        if case != "a_flag_that_is_not_there_is_off_and_nobody" {
            let body = json!({ "name": live.flag, "type": "release" });
            server().person("POST", "/api/admin/projects/default/features", Some(&body));
            let theirs = json!({ "name": "flexibleRollout", "title": "theirs", "parameters": { "rollout": "3" } });
            server().person("POST", &format!("{}/strategies", environment(&live.flag)), Some(&theirs));
            server().person("POST", &format!("{}/on", environment(&live.flag)), None);
        }
        live
    }

    fn way_at(&self, url: &str) -> Arc<dyn Backend> {
        let access = Access { token: Some(saying(TOKEN)), certificates: Certificates::default() };
        Arc::new(Unleash::new(url, "default", "production", self.shared, access))
    }

    fn patch(&self, kind: &str, path: &str, value: Value) {
        let environment = environment(&self.flag);
        let shown = server().ours("GET", &environment, None);
        let ours = |found: &&Value| found["title"].as_str().is_some_and(|title| title.contains(kind));
        let found = shown["strategies"].as_array().unwrap().iter().find(ours).unwrap().clone();
        let patch = json!([{ "op": "replace", "path": path, "value": value }]);
        let path = format!("{environment}/strategies/{}", found["id"].as_str().unwrap());
        server().person("PATCH", &path, Some(&patch));
    }
}

impl Place for Live {
    fn flag(&self) -> String {
        self.flag.clone()
    }

    fn backend(&self) -> Arc<dyn Backend> {
        self.way_at(&server().url)
    }

    fn stepping(&self, gate: Gate) -> BoxFuture<'_, Arc<dyn Backend>> {
        Box::pin(async move {
            let proxy = Proxy::before(&server().url, move |_| {
                let gate = gate.clone();
                async move { if gate.pass().await { Fate::Pass } else { Fate::Lose } }
            });
            self.way_at(&proxy.await.url)
        })
    }

    fn kept(&self) -> String {
        let path = format!("/api/admin/search/events?feature=IS:{}&limit=1", self.flag);
        let newest = server().ours("GET", &path, None);
        format!("{} {}", newest["total"], server().ours("GET", &environment(&self.flag), None))
    }

    fn hand_sets(&self, percent: u32) {
        self.patch(":percentage", "/parameters/rollout", percent.to_string().into());
    }

    fn hand_widens_audience(&self) {
        self.patch(":audience:", "/constraints", json!([]));
    }

    fn hand_switches_off(&self) -> Hand {
        if self.shared {
            return Hand::Nothing;
        }
        server().person("POST", &format!("{}/off", environment(&self.flag)), None);
        Hand::Switch
    }

    fn hand_removes(&self) {
        server().person("DELETE", &format!("/api/admin/projects/default/features/{}", self.flag), None);
    }

    fn knows_hands(&self) -> bool {
        true
    }

    fn has_switch(&self) -> bool {
        !self.shared
    }

    fn writes_in_parts(&self) -> bool {
        true
    }

    fn turns(&self) -> usize {
        // a shutdown is one call; of ours alone it is many, and the server takes its time
        if self.shared { 1 } else { usize::MAX }
    }
}
