//! The port as the rest of flagstaff uses it, with the real patience, and the page that people read about it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use super::{Place, audiences, exposure};
use flagstaff::backend::flagd::Flagd;
use flagstaff::backend::{Backend, BackendError, Expose, Switch};
use flagstaff::engine::input::{NO_PLACE, Stamp};
use flagstaff::engine::plan::{AttributeTest, Audience, Constraint};
use flagstaff::engine::{Exposure, Percentage};

#[tokio::test]
async fn a_rollout_from_nothing_to_everybody_and_off() {
    let place = Place::new();
    assert_eq!(place.backend.place(), "flags.json");
    assert_eq!(place.backend.resolution(), Percentage::from_thousandths(1).unwrap());
    assert_eq!(place.read("f").await.revision, NO_PLACE);
    for (switch, wanted) in [
        (Switch::TurnOn, exposure(&["staff"], 0)),
        (Switch::Keep, exposure(&["staff", "beta"], 10_000)),
        (Switch::Keep, exposure(&["staff", "beta"], 100_000)),
    ] {
        place.expose("f", wanted.clone(), switch).await.unwrap();
        let seen = place.read("f").await;
        assert_eq!((seen.on, seen.exposure, seen.foreign), (true, wanted, None));
    }
    place.backend.switch_off("f").await.unwrap();
    place.backend.switch_off("f").await.unwrap();
    let seen = place.read("f").await;
    assert_eq!((seen.on, seen.shown()), (false, Exposure::nobody()));
    let grown = place.expose("f", exposure(&["staff"], 0), Switch::Keep).await;
    assert!(matches!(grown, Err(BackendError::SwitchedOff { .. })));
}

#[tokio::test]
async fn a_shutdown_waits_a_second_for_a_lock_that_is_kept() {
    let place = Place::new();
    place.expose("f", exposure(&[], 50_000), Switch::TurnOn).await.unwrap();
    let lock = fs::File::open(place.folder.path().join("flags.json.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let off = tokio::time::timeout(Duration::from_secs(4), place.backend.switch_off("f")).await;
    off.expect("in time").unwrap();
    assert!(place.read("f").await.exposure.is_nobody());
    // growth waits longer, and then gives up
    let grown = tokio::time::timeout(Duration::from_secs(15), place.expose("f", exposure(&[], 60_000), Switch::TurnOn));
    assert!(matches!(grown.await.expect("in time"), Err(BackendError::Unreachable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rollouts_share_a_file() {
    let place = Place::new();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..12 {
        // each a process of its own, as far as the file can tell
        let backend = Flagd::new(place.folder.path(), "flags.json");
        tasks.spawn(async move {
            let flag = format!("flag-{number}");
            for percent in [1, 10, 50] {
                loop {
                    let seen = backend.read(&flag, &audiences()).await.unwrap();
                    let request = Expose {
                        flag: flag.clone(),
                        exposure: Exposure::percent(Percentage::whole(percent)),
                        audiences: audiences(),
                        stickiness: "targetingKey".to_owned(),
                        stamp: Stamp { journal: "journal".to_owned(), rollout: flag.clone() },
                        switch: Switch::TurnOn,
                        revision: seen.revision,
                        take_over: false,
                    };
                    match backend.expose(&request).await {
                        Ok(()) => break,
                        // a shutdown next door withdrew it
                        Err(BackendError::Conflict { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            if number % 3 == 0 {
                backend.switch_off(&flag).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    for number in 0..12 {
        let seen = place.read(&format!("flag-{number}")).await;
        let wanted = if number % 3 == 0 { 0 } else { 50 };
        assert_eq!(seen.exposure, Exposure::percent(Percentage::whole(wanted)), "flag-{number}");
    }
}

#[tokio::test]
async fn the_page_shows_what_is_written() {
    let page = include_str!("../../../docs/backend-flagd.md");
    let shown = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let place = Place::new();
    let constraint = |attribute: &str, is| Audience { any: vec![Constraint { attribute: attribute.to_owned(), is }] };
    let request = Expose {
        flag: "checkout-v2".to_owned(),
        exposure: exposure(&["employees", "beta"], 10_000),
        audiences: BTreeMap::from([
            ("beta".to_owned(), constraint("groups", AttributeTest::Contains("beta".to_owned()))),
            ("employees".to_owned(), constraint("email", AttributeTest::EndsWith("@acme.example".to_owned()))),
        ]),
        stickiness: "targetingKey".to_owned(),
        stamp: Stamp { journal: "0a1b2c".to_owned(), rollout: "checkout-v2-1".to_owned() },
        switch: Switch::TurnOn,
        revision: NO_PLACE.to_owned(),
        take_over: false,
    };
    place.backend.expose(&request).await.unwrap();
    assert_eq!(place.text(), shown);
}
