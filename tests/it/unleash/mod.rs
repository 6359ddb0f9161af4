//! The Unleash backend against a real server.
#![allow(clippy::disallowed_methods, reason = "a real server takes real time")]

mod apply;
mod clients;
mod end_to_end;
mod faults;
mod impact;
mod page;
mod port;
pub(crate) mod proxy;
mod races;
pub(crate) mod server;
mod stops;
mod tls;

use std::collections::BTreeMap;

use flagstaff::backend::unleash::{Access, Unleash};
use flagstaff::backend::{Backend, BackendError, Expose, Switch};
use flagstaff::engine::input::{Observed, Stamp};
use flagstaff::engine::plan::{AttributeTest, Audience, Constraint};
use flagstaff::engine::{Exposure, Percentage};
use flagstaff::http::{Certificates, Credential};

use self::server::{TOKEN, server};

/// The server keeps one set of labels for a metric: of two services that count the same under other flags' labels, its page
/// shows now the one and now the other. So one of them runs at a time.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static SERVICE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    SERVICE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What says a token.
pub(crate) fn saying(token: &str) -> Credential {
    Credential::Command(["echo", token].map(str::to_owned).to_vec(), std::env::temp_dir())
}

/// A way to a server with a token.
fn backend_at(url: &str, token: &str, own_only: bool) -> Unleash {
    let access = Access { token: Some(saying(token)), certificates: Certificates::default() };
    Unleash::new(url, "default", "production", own_only, access)
}

fn backend() -> Unleash {
    backend_at(&server().url, TOKEN, false)
}

fn stamp(rollout: &str) -> Stamp {
    Stamp { journal: "journal".to_owned(), rollout: rollout.to_owned() }
}

fn exposure(audiences: &[&str], percent: u32) -> Exposure {
    Exposure {
        audiences: audiences.iter().map(|name| (*name).to_owned()).collect(),
        percentage: Percentage::whole(percent),
    }
}

fn audiences() -> BTreeMap<String, Audience> {
    let constraint = |attribute: &str, is| Constraint { attribute: attribute.to_owned(), is };
    let staff = constraint("email", AttributeTest::EndsWith("@acme.example".to_owned()));
    let named = constraint("userId", AttributeTest::In(vec!["user-17".to_owned(), "user-18".to_owned()]));
    let north = constraint("region", AttributeTest::StartsWith("north-".to_owned()));
    BTreeMap::from([
        ("staff".to_owned(), Audience { any: vec![staff, named] }),
        ("beta".to_owned(), Audience { any: vec![north] }),
    ])
}

async fn read(backend: &dyn Backend, flag: &str) -> Observed {
    backend.read(flag, &audiences()).await.unwrap()
}

fn request(flag: &str, exposure: Exposure, switch: Switch, revision: String) -> Expose {
    Expose {
        flag: flag.to_owned(),
        exposure,
        audiences: audiences(),
        stickiness: "userId".to_owned(),
        stamp: stamp("rollout"),
        switch,
        revision,
        take_over: false,
    }
}

/// Reads, and sets an exposure on what was read.
async fn expose(backend: &dyn Backend, flag: &str, exposure: Exposure, switch: Switch) -> Result<(), BackendError> {
    let revision = read(backend, flag).await.revision;
    backend.expose(&request(flag, exposure, switch, revision)).await
}
