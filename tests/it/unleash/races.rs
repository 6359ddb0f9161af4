//! Every place at which a writer can be, when another one shuts down or it dies: off wins, and nobody is exposed who was
//! neither before nor was to be.

use std::sync::Arc;

use flagstaff::backend::{Backend as _, Switch};
use flagstaff::engine::Exposure;
use tokio::sync::Notify;

use super::proxy::{Fate, Proxy};
use super::server::{TOKEN, environment, server};
use super::{backend_at, expose, exposure, read};

/// Each grows or shrinks in a way of its own: the share alone, an audience of two tests, everything at once, everybody.
fn steps() -> Vec<(Exposure, Exposure)> {
    vec![
        (exposure(&["beta"], 10), exposure(&["beta"], 25)),
        (exposure(&["beta"], 0), exposure(&["beta", "staff"], 10)),
        (exposure(&["beta"], 10), exposure(&[], 100)),
        (exposure(&[], 100), exposure(&["beta", "staff"], 10)),
    ]
}

/// A gate that a writer reaches at a call: it says that it is there, and waits.
#[derive(Default)]
struct Gate {
    reached: Notify,
    opened: Notify,
}

impl Gate {
    async fn pass(&self) {
        self.reached.notify_one();
        self.opened.notified().await;
    }

    /// Also for one who comes later: it is one writer's.
    fn open(&self) {
        self.opened.notify_one();
    }
}

/// A proxy that stops at the call of this number.
async fn gated(number: usize) -> (Proxy, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let judge = gate.clone();
    let proxy = Proxy::before(&server().url, move |call| {
        let gate = judge.clone();
        async move {
            if call.number == number {
                gate.pass().await;
            }
            Fate::Pass
        }
    });
    (proxy.await, gate)
}

/// The places of a growth at which a gate tells anything new: between two reads nothing of its own happens.
async fn places(flag: &str, from: &Exposure, to: &Exposure, own_only: bool) -> Vec<usize> {
    let direct = backend_at(&server().url, TOKEN, own_only);
    expose(&direct, flag, from.clone(), Switch::TurnOn).await.unwrap();
    let proxy = Proxy::open(&server().url).await;
    expose(&backend_at(&proxy.url, TOKEN, own_only), flag, to.clone(), Switch::Keep).await.unwrap();
    telling(&proxy)
}

fn telling(proxy: &Proxy) -> Vec<usize> {
    let calls = proxy.calls();
    let tells = |number: &usize| *number == 0 || calls[*number].writes() || calls[number - 1].writes();
    // and once after all of them
    (0..calls.len()).filter(tells).chain([calls.len() - 1]).collect()
}

fn enabled(flag: &str) -> bool {
    server().ours("GET", &environment(flag), None)["enabled"].as_bool().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn off_wins_wherever_a_growth_is() {
    let mut interleavings = 0;
    for (index, (from, to)) in steps().into_iter().enumerate() {
        let flag = format!("off-wins-{index}");
        for number in places(&flag, &from, &to, false).await {
            let direct = backend_at(&server().url, TOKEN, false);
            expose(&direct, &flag, from.clone(), Switch::TurnOn).await.unwrap();
            let (proxy, gate) = gated(number).await;
            let (grower, to, named) = (backend_at(&proxy.url, TOKEN, false), to.clone(), flag.clone());
            let mut growing = tokio::spawn(async move { expose(&grower, &named, to, Switch::Keep).await });
            tokio::select! {
                _ = &mut growing => continue,
                () = gate.reached.notified() => {}
            }
            direct.switch_off(&flag).await.unwrap();
            gate.open();
            let grown = growing.await.unwrap();
            assert!(!enabled(&flag), "{from} to {to_text}, at call {number}: {grown:?}", to_text = steps()[index].1);
            assert!(!read(&direct, &flag).await.on);
            interleavings += 1;
        }
    }
    assert!(interleavings > 15, "{interleavings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn off_wins_wherever_a_resume_of_what_is_on_is() {
    let mut interleavings = 0;
    for (index, (from, to)) in
        [(exposure(&["beta"], 10), exposure(&["beta"], 10)), steps()[1].clone()].iter().enumerate()
    {
        let flag = format!("off-wins-resume-{index}");
        let direct = backend_at(&server().url, TOKEN, false);
        expose(&direct, &flag, from.clone(), Switch::TurnOn).await.unwrap();
        let proxy = Proxy::open(&server().url).await;
        expose(&backend_at(&proxy.url, TOKEN, false), &flag, to.clone(), Switch::TurnOn).await.unwrap();
        // from after its own look on: what comes before that is seen by it
        for number in 2..proxy.calls().len() {
            expose(&direct, &flag, from.clone(), Switch::TurnOn).await.unwrap();
            let (proxy, gate) = gated(number).await;
            let (resumer, to, named) = (backend_at(&proxy.url, TOKEN, false), to.clone(), flag.clone());
            let mut resuming = tokio::spawn(async move { expose(&resumer, &named, to, Switch::TurnOn).await });
            tokio::select! {
                _ = &mut resuming => continue,
                () = gate.reached.notified() => {}
            }
            direct.switch_off(&flag).await.unwrap();
            gate.open();
            let resumed = resuming.await.unwrap();
            assert!(!enabled(&flag), "{from}, at call {number}: {resumed:?}");
            interleavings += 1;
        }
    }
    assert!(interleavings > 5, "{interleavings}");
}

/// A start, and a person who switches on and off again at the call that would switch on.
#[tokio::test(flavor = "multi_thread")]
async fn who_switches_off_while_a_start_is_under_way_has_the_last_word() {
    let flag = "off-beside-a-start";
    let direct = backend_at(&server().url, TOKEN, false);
    expose(&direct, flag, exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    let mut interleavings = 0;
    for number in 2.. {
        direct.switch_off(flag).await.unwrap();
        let (proxy, gate) = gated(number).await;
        let starter = backend_at(&proxy.url, TOKEN, false);
        let mut starting =
            tokio::spawn(async move { expose(&starter, flag, exposure(&["beta"], 10), Switch::TurnOn).await });
        tokio::select! {
            _ = &mut starting => break,
            () = gate.reached.notified() => {}
        }
        for position in ["on", "off"] {
            server().person("POST", &format!("{}/{position}", environment(flag)), None);
        }
        gate.open();
        let started = starting.await.unwrap();
        let before_its_look = started.is_ok();
        assert!(before_its_look || !enabled(flag), "at call {number}: {started:?}");
        interleavings += usize::from(!before_its_look);
    }
    assert!(interleavings > 1, "{interleavings}");
}

/// Two journals that start one flag at once: neither writes anything live below the other's switch.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_starts_at_once_no_more_than_one_exposes_anybody() {
    let mut interleavings = 0;
    for number in 2.. {
        let flag = format!("two-starts-{number}");
        let (proxy, gate) = gated(number).await;
        let (late, named) = (backend_at(&proxy.url, TOKEN, false), flag.clone());
        let mut starting = tokio::spawn(async move {
            let seen = late.read(&named, &super::audiences()).await?;
            let mut request = super::request(&named, exposure(&[], 50), Switch::TurnOn, seen.revision);
            request.stamp.journal = "another".to_owned();
            late.expose(&request).await
        });
        tokio::select! {
            _ = &mut starting => break,
            () = gate.reached.notified() => {}
        }
        let direct = backend_at(&server().url, TOKEN, false);
        let first = expose(&direct, &flag, exposure(&[], 1), Switch::TurnOn).await;
        gate.open();
        let second = starting.await.unwrap();
        let seen = read(&direct, &flag).await;
        let is_one = seen.shown() == exposure(&[], 1) || seen.shown() == exposure(&[], 50) || !seen.on;
        assert!(is_one && seen.foreign.is_none(), "at {number}: {first:?} {second:?} {seen:?}");
        assert!(first.is_err() || second.is_err() || !is_one, "at {number}: {seen:?}");
        interleavings += 1;
    }
    assert!(interleavings > 3, "{interleavings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_off_wins_wherever_both_are() {
    let shared = |flag: &str| {
        let theirs =
            serde_json::json!({ "name": "flexibleRollout", "title": "theirs", "parameters": { "rollout": "3" } });
        let body = serde_json::json!({ "name": flag, "type": "release" });
        server().person("POST", "/api/admin/projects/default/features", Some(&body));
        server().person("POST", &format!("{}/strategies", environment(flag)), Some(&theirs));
        server().person("POST", &format!("{}/on", environment(flag)), None);
    };
    shared("ours-off-wins");
    let (flag, from, to) = ("ours-off-wins".to_owned(), exposure(&["beta"], 10), exposure(&["beta", "staff"], 25));
    let direct = backend_at(&server().url, TOKEN, true);
    let growths = places(&flag, &from, &to, true).await;
    let proxy = Proxy::open(&server().url).await;
    backend_at(&proxy.url, TOKEN, true).switch_off(&flag).await.unwrap();
    let offs = telling(&proxy);
    let mut interleavings = 0;
    for number in growths {
        for off_number in offs.clone() {
            expose(&direct, &flag, from.clone(), Switch::TurnOn).await.unwrap();
            // the growth waits at its call, the shutdown at its own; the growth ends first
            let (proxy, gate) = gated(number).await;
            let (grower, named) = (backend_at(&proxy.url, TOKEN, true), flag.clone());
            let to = to.clone();
            let mut growing = tokio::spawn(async move { expose(&grower, &named, to, Switch::Keep).await });
            tokio::select! {
                _ = &mut growing => continue,
                () = gate.reached.notified() => {}
            }
            let (off_proxy, off_gate) = gated(off_number).await;
            let (stopper, named) = (backend_at(&off_proxy.url, TOKEN, true), flag.clone());
            let mut stopping = tokio::spawn(async move { stopper.switch_off(&named).await });
            let ended = tokio::select! {
                _ = &mut stopping => true,
                () = off_gate.reached.notified() => false,
            };
            gate.open();
            let grown = growing.await.unwrap();
            off_gate.open();
            if !ended {
                stopping.await.unwrap().unwrap();
            }
            let seen = read(&direct, &flag).await;
            assert!(
                !seen.on && seen.shown().is_nobody(),
                "growth at {number}, off at {off_number}: {grown:?} {seen:?}"
            );
            interleavings += 1;
        }
    }
    assert!(interleavings > 30, "{interleavings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_anywhere_exposes_nobody_new_and_is_mended_by_the_next() {
    let mut deaths = 0;
    for (index, (from, to)) in steps().into_iter().enumerate() {
        let flag = format!("death-{index}");
        let numbers = places(&flag, &from, &to, false).await;
        for arrives in [false, true] {
            for number in numbers.clone() {
                let direct = backend_at(&server().url, TOKEN, false);
                expose(&direct, &flag, from.clone(), Switch::TurnOn).await.unwrap();
                let proxy = Proxy::before(&server().url, move |call| async move {
                    match call.number.cmp(&number) {
                        std::cmp::Ordering::Less => Fate::Pass,
                        std::cmp::Ordering::Equal if arrives => Fate::Cut,
                        _ => Fate::Lose,
                    }
                });
                let proxy = proxy.await;
                let dying = backend_at(&proxy.url, TOKEN, false);
                let grown = match dying.read(&flag, &super::audiences()).await {
                    Ok(seen) => dying.expose(&super::request(&flag, to.clone(), Switch::Keep, seen.revision)).await,
                    Err(error) => Err(error),
                };
                assert!(grown.is_err() || number + 1 >= proxy.calls().len(), "{grown:?}");
                let seen = read(&direct, &flag).await;
                let allowed = Exposure {
                    audiences: from.audiences.union(&to.audiences).cloned().collect(),
                    percentage: from.percentage.max(to.percentage),
                };
                assert!(seen.shown().within(&allowed), "{from} to {to}, at {number}: {seen:?}");
                expose(&direct, &flag, to.clone(), Switch::TurnOn).await.unwrap();
                let seen = read(&direct, &flag).await;
                assert_eq!((seen.shown(), seen.foreign), (to.clone(), None), "{from} to {to}, at {number}");
                deaths += 1;
            }
        }
    }
    assert!(deaths > 30, "{deaths}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_dies_anywhere_is_off_or_as_asked_and_never_everybody() {
    for arrives in [false, true] {
        for number in 0.. {
            let flag = format!("start-death-{number}-{arrives}");
            let to = exposure(&["staff"], 10);
            let proxy = Proxy::before(&server().url, move |call| async move {
                match call.number.cmp(&number) {
                    std::cmp::Ordering::Less => Fate::Pass,
                    std::cmp::Ordering::Equal if arrives => Fate::Cut,
                    _ => Fate::Lose,
                }
            });
            let proxy = proxy.await;
            let dying = backend_at(&proxy.url, TOKEN, false);
            let started = match dying.read(&flag, &super::audiences()).await {
                Ok(seen) => dying.expose(&super::request(&flag, to.clone(), Switch::TurnOn, seen.revision)).await,
                Err(error) => Err(error),
            };
            if proxy.calls().len() <= number {
                started.unwrap();
                break;
            }
            let direct = backend_at(&server().url, TOKEN, false);
            let seen = read(&direct, &flag).await;
            assert!(!seen.on || (seen.shown() == to && seen.foreign.is_none()), "at {number}: {seen:?}");
            expose(&direct, &flag, to.clone(), Switch::TurnOn).await.unwrap();
            assert_eq!(read(&direct, &flag).await.shown(), to);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_growth_that_lands_after_the_shutdown_lands_below_the_switch() {
    let flag = "late-landing";
    let direct = backend_at(&server().url, TOKEN, false);
    expose(&direct, flag, exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let proxy = Proxy::before(&server().url, |call| async move {
        match call.method.as_str() {
            "PUT" => Fate::Later(std::time::Duration::from_secs(4)),
            _ => Fate::Pass,
        }
    });
    let late = backend_at(&proxy.await.url, TOKEN, false);
    let grown = expose(&late, flag, exposure(&[], 50), Switch::Keep).await;
    assert!(matches!(grown, Err(flagstaff::backend::BackendError::Unreachable { .. })), "{grown:?}");
    assert_eq!(read(&direct, flag).await.shown(), exposure(&[], 10));
    direct.switch_off(flag).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let seen = read(&direct, flag).await;
    assert_eq!((seen.on, seen.exposure, seen.other_hand), (false, exposure(&[], 50), None));
    assert!(!enabled(flag));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_twice_adds_nobody() {
    let flag = "twice-arrived";
    let proxy = Proxy::before(&server().url, |call| async move {
        if call.writes() && call.method != "DELETE" && !call.path.ends_with("/features") {
            Fate::Twice
        } else {
            Fate::Pass
        }
    });
    let twice = backend_at(&proxy.await.url, TOKEN, false);
    for (switch, to) in [
        (Switch::TurnOn, exposure(&["beta"], 10)),
        (Switch::Keep, exposure(&["beta", "staff"], 25)),
        (Switch::Keep, exposure(&["beta"], 5)),
    ] {
        expose(&twice, flag, to.clone(), switch).await.unwrap();
        let seen = read(&twice, flag).await;
        assert_eq!((seen.shown(), seen.foreign), (to, None));
    }
    twice.switch_off(flag).await.unwrap();
    assert!(!enabled(flag));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_writes_between_our_look_and_our_write_keeps_what_they_wrote() {
    for (from, to, theirs, left) in [(10, 25, 3, 3), (10, 25, 80, 25), (50, 10, 3, 3), (50, 10, 80, 10)] {
        a_person_between(from, to, theirs, left).await;
    }
}

/// A growth or a shrink, and a person who sets the share at every place of it after its look.
async fn a_person_between(from: u32, to: u32, theirs: u32, left: u32) {
    let mut between = false;
    for number in 2.. {
        let flag = format!("between-{from}-{theirs}");
        let direct = backend_at(&server().url, TOKEN, false);
        expose(&direct, &flag, exposure(&[], from), Switch::TurnOn).await.unwrap();
        let (proxy, gate) = gated(number).await;
        let (grower, named) = (backend_at(&proxy.url, TOKEN, false), flag.clone());
        let mut growing = tokio::spawn(async move { expose(&grower, &named, exposure(&[], to), Switch::Keep).await });
        tokio::select! {
            _ = &mut growing => break,
            () = gate.reached.notified() => {}
        }
        let shown = server().ours("GET", &environment(&flag), None);
        let id = shown["strategies"][0]["id"].as_str().unwrap().to_owned();
        let patch =
            serde_json::json!([{ "op": "replace", "path": "/parameters/rollout", "value": theirs.to_string() }]);
        server().person("PATCH", &format!("{}/strategies/{id}", environment(&flag)), Some(&patch));
        gate.open();
        let grown = growing.await.unwrap();
        // who comes before our look, or after our write, has the last word anyway
        let shown = read(&direct, &flag).await.shown();
        let is_known = shown == exposure(&[], left) || shown == exposure(&[], theirs);
        assert!(is_known, "at {number}: {shown} {grown:?}");
        between |= shown == exposure(&[], left);
    }
    assert!(between, "{from} to {to}, and {theirs} in between");
}
