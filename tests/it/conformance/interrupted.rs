//! What every backend does while others are at work, and when one dies: a step at a time.

use flagstaff::backend::{BackendError, Switch};
use flagstaff::engine::Exposure;
use flagstaff::engine::input::Observed;

use super::orders::Orders;
use super::places::Place;
use super::writers::{Actor, Deed, Writer, exposure};

/// Each grows or shrinks in a way of its own: the share alone, an audience of two tests, everybody and back.
fn changes() -> Vec<(Exposure, Exposure)> {
    vec![
        (exposure(&["beta"], 10), exposure(&["beta"], 25)),
        (exposure(&["beta"], 0), exposure(&["beta", "staff"], 10)),
        (exposure(&["beta"], 10), exposure(&[], 100)),
        (exposure(&[], 100), exposure(&["beta", "staff"], 10)),
    ]
}

/// The larger of two exposures in each respect.
fn either(one: &Exposure, other: &Exposure) -> Exposure {
    Exposure {
        audiences: one.audiences.union(&other.audiences).cloned().collect(),
        percentage: one.percentage.max(other.percentage),
    }
}

/// Whether nothing but ours is there: all of it, or part of it where that is how it is written.
fn is_ours(place: &dyn Place, seen: &Observed) -> bool {
    seen.foreign.as_ref().is_none_or(|why| place.writes_in_parts() && why.contains("in part only"))
}

/// Lets deeds die after each number of steps, on what `before` leaves, and asks `after` what is there then. The number of
/// deaths.
async fn deaths(
    place: &dyn Place,
    deed: &Deed,
    before: impl AsyncFn(&Writer),
    after: impl AsyncFn(&Writer, usize),
) -> usize {
    for steps in 0.. {
        before(&Writer::new(place)).await;
        let mut actor = Actor::begin(place, deed.clone()).await;
        actor.steps(steps).await;
        if let Some(ended) = actor.ended() {
            assert!(ended.is_ok(), "{deed:?}: {ended:?}");
            return steps;
        }
        actor.die().await;
        // a process that knows nothing of the one that died
        after(&Writer::new(place), steps).await;
    }
    unreachable!("every deed ends")
}

pub(super) async fn a_death_between_any_two_steps_exposes_nobody_new_and_the_same_request_completes_it(
    place: &dyn Place,
) {
    for (from, to) in changes() {
        let before = async |writer: &Writer| writer.set(from.clone(), Switch::TurnOn).await.unwrap();
        let after = async |writer: &Writer, steps| {
            let seen = writer.read().await;
            let told = format!("{from} to {to}, died after {steps} steps: {seen:?}");
            assert!(seen.shown().within(&either(&from, &to)) && is_ours(place, &seen), "{told}");
            let mut again = writer.set(to.clone(), Switch::Keep).await;
            if seen.foreign.is_some() && matches!(again, Err(BackendError::Refused { .. })) {
                // by a person, who has seen that it is there in part: a rule leaves alone what may be a hand's
                assert_eq!(writer.read().await, seen, "{told}");
                again = writer.set(to.clone(), Switch::TurnOn).await;
            }
            again.unwrap_or_else(|error| panic!("{error}: {told}"));
            let seen = writer.read().await;
            assert_eq!((seen.shown(), seen.foreign), (to.clone(), None), "{told}");
            // and that was all of it
            let kept = place.kept();
            writer.set(to.clone(), Switch::Keep).await.unwrap();
            assert_eq!(place.kept(), kept, "{told}");
        };
        let deaths = deaths(place, &Deed::Set(to.clone(), Switch::Keep), before, after).await;
        assert!(deaths >= 3, "{from} to {to}: {deaths}");
    }
}

pub(super) async fn a_start_that_dies_anywhere_is_off_or_as_asked(place: &dyn Place) {
    let to = exposure(&["beta", "staff"], 10);
    let before = async |writer: &Writer| {
        writer.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
        writer.off().await;
    };
    let after = async |writer: &Writer, steps| {
        let seen = writer.read().await;
        let told = format!("died after {steps} steps: {seen:?}");
        match place.has_switch() {
            true => assert!(!seen.reaches_anybody() || seen.shown() == to, "{told}"),
            // each strategy is enabled by itself
            false => assert!(seen.shown().within(&to), "{told}"),
        }
        assert!(is_ours(place, &seen), "{told}");
        writer.set(to.clone(), Switch::TurnOn).await.unwrap_or_else(|error| panic!("{error}: {told}"));
        assert_eq!(writer.read().await.shown(), to, "{told}");
    };
    let deaths = deaths(place, &Deed::Set(to.clone(), Switch::TurnOn), before, after).await;
    assert!(deaths >= 4, "{deaths}");
}

pub(super) async fn a_shutdown_that_dies_anywhere_leaves_no_more_and_the_next_one_is_off(place: &dyn Place) {
    let from = exposure(&["beta", "staff"], 10);
    let before = async |writer: &Writer| writer.set(from.clone(), Switch::TurnOn).await.unwrap();
    let after = async |writer: &Writer, steps| {
        let seen = writer.read().await;
        assert!(seen.shown().within(&from) && is_ours(place, &seen), "died after {steps} steps: {seen:?}");
        writer.off().await;
        assert!(!writer.read().await.reaches_anybody(), "died after {steps} steps");
    };
    let deaths = deaths(place, &Deed::Off, before, after).await;
    assert!(deaths >= 1, "{deaths}");
}

pub(super) async fn off_wins_in_every_order_of_the_steps_of_a_growth_and_a_shutdown(place: &dyn Place) {
    for (from, to) in changes() {
        let mut orders = Orders::of(place.turns());
        let mut count = 0;
        // what an earlier growth leaves below the switch is there in each order
        let writer = Writer::new(place);
        writer.set(to.clone(), Switch::TurnOn).await.unwrap();
        writer.off().await;
        loop {
            let writer = Writer::new(place);
            writer.set(from.clone(), Switch::TurnOn).await.unwrap();
            let deeds = [Deed::Set(to.clone(), Switch::Keep), Deed::Off];
            let mut actors = Vec::new();
            for deed in deeds {
                actors.push(Actor::begin(place, deed).await);
            }
            while let Some(next) = orders.next_of([actors[0].ended().is_none(), actors[1].ended().is_none()]) {
                actors[next].step().await;
                if actors[1].ended().is_some() && place.has_switch() {
                    let seen = writer.read().await;
                    assert!(!seen.reaches_anybody(), "{from} to {to}, {orders}: {seen:?}");
                }
            }
            let (grown, off) = (actors[0].ended().unwrap(), actors[1].ended().unwrap());
            assert!(off.is_ok(), "{from} to {to}, {orders}: {off:?}");
            let seen = writer.read().await;
            assert!(!seen.reaches_anybody(), "{from} to {to}, {orders}: {grown:?} {seen:?}");
            let later = writer.set(to.clone(), Switch::Keep).await;
            assert!(matches!(later, Err(BackendError::SwitchedOff { .. })), "{from} to {to}, {orders}: {later:?}");
            count += 1;
            if !orders.another() {
                break;
            }
        }
        assert!(count >= 8, "{from} to {to}: only {count} orders");
    }
}

pub(super) async fn a_preparation_that_dies_anywhere_changes_nobody(place: &dyn Place) {
    let to = exposure(&["beta"], 10);
    let before = async |writer: &Writer| {
        writer.set(to.clone(), Switch::TurnOn).await.unwrap();
        writer.prepare("as it was").await.unwrap();
    };
    let after = async |writer: &Writer, steps| {
        let seen = writer.read().await;
        assert_eq!((seen.shown(), &seen.foreign), (to.clone(), &None), "died after {steps} steps: {seen:?}");
        writer.prepare("as it is to be").await.unwrap();
        assert_eq!(writer.read().await.shown(), to, "died after {steps} steps");
    };
    let deaths = deaths(place, &Deed::Prepare("as it is to be"), before, after).await;
    assert!(deaths >= 1, "{deaths}");
}

pub(super) async fn off_wins_in_every_order_of_the_steps_of_a_preparation_and_a_shutdown(place: &dyn Place) {
    let mut orders = Orders::of(place.turns());
    let mut count = 0;
    loop {
        let writer = Writer::new(place);
        writer.set(exposure(&["beta", "staff"], 10), Switch::TurnOn).await.unwrap();
        writer.prepare("as it was").await.unwrap();
        let mut actors = Vec::new();
        for deed in [Deed::Prepare("as it is to be"), Deed::Off] {
            actors.push(Actor::begin(place, deed).await);
        }
        while let Some(next) = orders.next_of([actors[0].ended().is_none(), actors[1].ended().is_none()]) {
            actors[next].step().await;
            if actors[1].ended().is_some() {
                let seen = writer.read().await;
                assert!(!seen.reaches_anybody(), "{orders}: {seen:?}");
            }
        }
        let (prepared, off) = (actors[0].ended().unwrap(), actors[1].ended().unwrap());
        assert!(off.is_ok(), "{orders}: {off:?}");
        let seen = writer.read().await;
        assert!(!seen.reaches_anybody(), "{orders}: {prepared:?} {seen:?}");
        count += 1;
        if !orders.another() {
            break;
        }
    }
    assert!(count >= 2, "only {count} orders");
}
