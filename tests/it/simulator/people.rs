//! What people write, and what they do: documents, commands at any moment, edits at the backend itself.

use std::collections::BTreeSet;
use std::path::Path;

use flagstaff::control::{StartOptions, StopKind};
use flagstaff::engine::input::Observed;
use flagstaff::engine::{Command, Exposure, Percentage, Timestamp};
use flagstaff::spec::{self, Loaded};

use super::world::Rng;

pub(super) const ENVIRONMENT: &str = "production";

/// The employees and a share, as a template's stage has it.
pub(super) fn exposure(percent: u32) -> Exposure {
    Exposure { audiences: BTreeSet::from(["employees".to_owned()]), percentage: Percentage::whole(percent) }
}

/// The documents of a life, and what somebody else's checkout of them looks like.
#[derive(Clone)]
pub(super) struct Documents {
    pub(super) current: Loaded,
    /// The release of the first flag has another name there.
    pub(super) renamed: Loaded,
    /// The template bakes longer there.
    pub(super) edited: Loaded,
    /// Releases with their flags.
    pub(super) releases: Vec<(String, String)>,
}

struct Choices {
    then: &'static str,
    for_line: &'static str,
    blame: &'static str,
    no_data: &'static str,
    approval: &'static str,
    first: &'static str,
    releases: usize,
    window: String,
}

/// The release of lives with a window grows in the first half of each hour.
pub(super) const OPEN_MINUTES: i64 = 30;

fn every_hour() -> String {
    let windows = (0..24).map(|hour| format!("\"daily {hour:02}:00-{hour:02}:{OPEN_MINUTES} UTC\""));
    format!(", window: [{}]", windows.collect::<Vec<_>>().join(", "))
}

impl Documents {
    /// Four stages with short bakes; what the rules do is up to the seed. `windows`: whether there are hours for growth.
    pub(super) fn write(dir: &Path, rng: &mut Rng, windows: bool) -> Documents {
        let choices = Choices {
            then: rng.pick(&["pause", "shutdown", "{ rollback: previous }", "{ rollback: internal }"]),
            for_line: if rng.chance(700) { ", for: 30s" } else { "" },
            blame: if rng.chance(300) {
                r#"    - { name: blame, when: "error_rate > 3 * baseline(error_rate)", for: 60s, then: pause }"#
            } else {
                ""
            },
            no_data: if rng.chance(500) { "  no_data: { after: 5m, then: pause }" } else { "" },
            approval: if rng.chance(300) { ", approval: { count: 1 }" } else { "" },
            first: rng.pick(&[
                "bake: 30s",
                "bake: 30s",
                "bake: 30s, samples: 10, idle: bake",
                "bake: 30s, samples: 20",
            ]),
            releases: if rng.chance(300) { 2 } else { 1 },
            window: if windows { every_hour() } else { String::new() },
        };
        let current = text(&choices, "checkout-v2", "90s");
        let renamed = text(&choices, "checkout-v3", "90s");
        let edited = text(&choices, "checkout-v2", "2m");
        let flags = ["checkout", "search"];
        let names = ["checkout-v2", "search"];
        let releases = names.iter().zip(flags).take(choices.releases);
        Documents {
            current: load(dir, &current),
            renamed: load(dir, &renamed),
            edited: load(dir, &edited),
            releases: releases.map(|(name, flag)| ((*name).to_owned(), flag.to_owned())).collect(),
        }
    }
}

fn load(dir: &Path, text: &str) -> Loaded {
    std::fs::write(dir.join("flagstaff.yaml"), text).expect("a folder of our own");
    let loaded = spec::load(dir);
    assert!(!loaded.has_errors(), "{:?}", loaded.findings);
    loaded
}

fn text(choices: &Choices, first_release: &str, ten_bakes: &str) -> String {
    let Choices { then, for_line, blame, no_data, approval, first, releases, window } = choices;
    let second = "---\napiVersion: flagstaff/v1\nkind: Release\nmetadata: { name: search }\nspec: { flag: search }\n";
    let second = if *releases > 1 { second } else { "" };
    format!(
        r#"apiVersion: flagstaff/v1
kind: Project
metadata: {{ name: shop }}
spec:
  journal: {{ sqlite: journal.db }}
  sources:
    model:
      scrape: {{ targets: ["http://127.0.0.1:1/metrics"], every: 5s }}
      arms: {{ flag: flag, variant: variant, exposed: ["on"], control: ["off"] }}
  environments:
    production: {{ backend: {{ flagd: {{ path: flags.json }} }}, match: {{ env: production }} }}
  defaults: {{ environments: [production], source: model, template: standard, policy: web{window} }}
---
apiVersion: flagstaff/v1
kind: Audience
metadata: {{ name: employees }}
spec: {{ any: [ {{ attribute: email, ends_with: "@acme.example" }} ] }}
---
apiVersion: flagstaff/v1
kind: ReleaseTemplate
metadata: {{ name: standard }}
spec:
  stages:
    - {{ name: internal, audiences: [employees], {first} }}
    - {{ name: ten, percentage: 10%, bake: {ten_bakes}{approval} }}
    - {{ name: half, percentage: 50%, bake: 60s, samples: 10 }}
    - {{ name: most, percentage: 99%, bake: 30s }}
---
apiVersion: flagstaff/v1
kind: ThresholdPolicy
metadata: {{ name: web }}
spec:
  every: 30s
  window: 30s
  metrics:
    error_rate: {{ ratio: {{ of: 'failed_total', over: 'all_total' }} }}
    requests: {{ count: 'all_total' }}
  healthy: [ "error_rate < 2%" ]
  safeguards:
    - {{ name: errors, when: "error_rate > 5%"{for_line}, then: {then} }}
{blame}
{no_data}
---
apiVersion: flagstaff/v1
kind: Release
metadata: {{ name: {first_release} }}
spec: {{ flag: checkout }}
{second}"#
    )
}

/// What a person does.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Start(StartOptions),
    Order(Command),
    Stop(StopKind),
    /// The environment, or the release alone; for so many minutes.
    Freeze(bool, u64),
    Lift,
    /// Takes over the edited documents.
    Adopt,
}

impl Deed {
    pub(super) fn word(&self) -> String {
        match self {
            Deed::Start(options) => format!("start again {} take-over {}", options.again, options.take_over),
            Deed::Order(command) => command.word().to_owned(),
            Deed::Stop(StopKind::Abort) => "abort".to_owned(),
            Deed::Stop(StopKind::Pause) => "pause".to_owned(),
            Deed::Freeze(..) => "freeze".to_owned(),
            Deed::Lift => "lift".to_owned(),
            Deed::Adopt => "adopt".to_owned(),
        }
    }
}

pub(super) fn start(again: bool, take_over: bool) -> Deed {
    Deed::Start(StartOptions {
        again,
        take_over,
        at_stage: None,
        reason: Some("because freeze-environment-production".to_owned()),
        saw: None,
        plan: None,
    })
}

/// Any deed at any moment.
pub(super) fn deed(rng: &mut Rng, now: Timestamp) -> Deed {
    match rng.below(100) {
        0..23 => start(rng.chance(500), false),
        23..25 => start(true, true),
        25..27 => {
            let Deed::Start(options) = start(true, false) else { unreachable!("a start") };
            Deed::Start(StartOptions { at_stage: Some("ten".to_owned()), ..options })
        }
        27..42 => Deed::Stop(StopKind::Pause),
        42..62 => Deed::Order(Command::Resume),
        62..67 => Deed::Stop(StopKind::Abort),
        67..76 => Deed::Order(Command::Approve),
        76..83 => Deed::Order(Command::Force { stage: usize::try_from(rng.below(4)).expect("small") }),
        83..89 => Deed::Order(Command::Rollback { stage: None }),
        89..92 => Deed::Freeze(rng.chance(500), rng.below(20) + 1),
        92..94 => Deed::Lift,
        94..96 => Deed::Adopt,
        _ => {
            let until = now.plus(flagstaff::engine::Span::minutes(rng.below(20) + 1));
            Deed::Order(Command::Mute { rule: "errors".to_owned(), until })
        }
    }
}

/// Any edit at the backend itself.
pub(super) fn edit(rng: &mut Rng) -> impl FnOnce(&mut Observed) + use<> {
    let what = rng.below(6);
    let percent = rng.pick(&[0, 5, 10, 50, 99]);
    move |flag: &mut Observed| match what {
        0 | 1 => flag.on = false,
        2 => flag.on = true,
        3 | 4 => flag.exposure = exposure(percent),
        _ => flag.foreign = Some("another strategy".to_owned()),
    }
}
