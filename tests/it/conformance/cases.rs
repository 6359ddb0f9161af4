//! What every backend does.

use flagstaff::backend::{BackendError, Card, Prepare, Standing, Switch};
use flagstaff::checkup::Health;
use flagstaff::clock::SystemClock;
use flagstaff::engine::{Exposure, Percentage};

use super::places::{Hand, Place};
use super::writers::{Writer, exposure};

pub(super) async fn a_flag_that_is_not_there_is_off_and_nobody(place: &dyn Place) {
    let writer = Writer::new(place);
    let seen = writer.read().await;
    assert!(seen.is_missing() && seen.other_hand.is_none(), "{}", seen.revision);
    assert_eq!((seen.on, seen.exposure, seen.foreign, seen.stamp), (false, Exposure::nobody(), None, None));
    writer.off().await;
    let grown = writer.set(exposure(&[], 10), Switch::Keep).await;
    assert!(matches!(grown, Err(BackendError::SwitchedOff { .. })), "{grown:?}");
}

pub(super) async fn growing_and_shrinking_is_read_back(place: &dyn Place) {
    let writer = Writer::new(place);
    let mut switch = Switch::TurnOn;
    for wanted in [
        exposure(&["beta"], 0),
        exposure(&["beta", "staff"], 0),
        exposure(&["beta", "staff"], 10),
        exposure(&["beta", "staff"], 99),
        exposure(&[], 100),
        exposure(&["beta", "staff"], 50),
        exposure(&["beta"], 50),
        exposure(&["beta"], 0),
        exposure(&["staff"], 1),
    ] {
        writer.set(wanted.clone(), switch).await.unwrap();
        // as another process sees it too
        let seen = Writer::new(place).read().await;
        assert_eq!((seen.on, seen.exposure, seen.foreign), (true, wanted, None));
        assert_eq!((seen.stamp.as_ref(), seen.other_hand), (Some(&writer.stamp), None));
        switch = Switch::Keep;
    }
}

pub(super) async fn off_is_off_whatever_was_there_and_stays_off(place: &dyn Place) {
    let writer = Writer::new(place);
    for wanted in [exposure(&["staff"], 10), exposure(&[], 100)] {
        writer.set(wanted, Switch::TurnOn).await.unwrap();
        // another process, which knows nothing
        Writer::stamped(place, "other", "other").off().await;
        writer.off().await;
        assert!(writer.read().await.shown().is_nobody() && !writer.read().await.reaches_by_foreign());
        for grown in [exposure(&["staff"], 20), exposure(&["staff"], 1)] {
            let grown = writer.set(grown, Switch::Keep).await;
            assert!(matches!(grown, Err(BackendError::SwitchedOff { .. })), "{grown:?}");
        }
        assert!(writer.read().await.shown().is_nobody());
    }
}

pub(super) async fn what_is_done_twice_is_done_once(place: &dyn Place) {
    let writer = Writer::new(place);
    writer.set(exposure(&["staff"], 10), Switch::TurnOn).await.unwrap();
    let once = writer.read().await;
    let kept = place.kept();
    writer.set(exposure(&["staff"], 10), Switch::Keep).await.unwrap();
    writer.set(exposure(&["staff"], 10), Switch::TurnOn).await.unwrap();
    // no event, and not a byte
    assert_eq!((writer.read().await, place.kept()), (once, kept));
    writer.off().await;
    let (once, kept) = (writer.read().await, place.kept());
    Writer::new(place).off().await;
    writer.off().await;
    // a shutdown needs no read, so that where off-markers are, a second one makes its own
    assert_eq!((writer.read().await.shown(), place.kept()), (once.shown(), kept));
}

pub(super) async fn a_stale_revision_writes_nothing(place: &dyn Place) {
    let writer = Writer::new(place);
    writer.set(exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let old = writer.read().await.revision;
    writer.set(exposure(&[], 20), Switch::Keep).await.unwrap();
    for to in [exposure(&[], 30), exposure(&[], 10), exposure(&[], 20)] {
        let stale = writer.backend.expose(&writer.request(to, Switch::Keep, old.clone())).await;
        assert!(matches!(stale, Err(BackendError::Conflict { .. })), "{stale:?}");
    }
    assert_eq!(writer.read().await.shown(), exposure(&[], 20));
}

pub(super) async fn another_stamp_may_be_switched_off_and_nothing_else(place: &dyn Place) {
    let (ours, theirs) = (Writer::new(place), Writer::stamped(place, "other", "rollout"));
    ours.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    for (to, switch) in [
        (exposure(&["beta"], 20), Switch::Keep),
        (exposure(&["beta"], 20), Switch::TurnOn),
        (exposure(&["beta"], 5), Switch::Keep),
    ] {
        let written = theirs.set(to, switch).await;
        assert!(matches!(written, Err(BackendError::ForeignStamp { .. })), "{written:?}");
    }
    assert_eq!(ours.read().await.shown(), exposure(&["beta"], 10));
    theirs.off().await;
    assert!(ours.read().await.shown().is_nobody());
    let mut taken = theirs.request(exposure(&["beta"], 20), Switch::TurnOn, theirs.read().await.revision);
    assert!(matches!(theirs.backend.expose(&taken).await, Err(BackendError::ForeignStamp { .. })));
    taken.take_over = true;
    theirs.backend.expose(&taken).await.unwrap();
    let seen = theirs.read().await;
    assert_eq!((seen.shown(), seen.stamp), (exposure(&["beta"], 20), Some(theirs.stamp.clone())));
}

pub(super) async fn a_new_rollout_of_the_same_journal_begins_where_the_old_one_was_stopped(place: &dyn Place) {
    let old = Writer::stamped(place, "journal", "rollout-1");
    old.set(exposure(&["beta", "staff"], 50), Switch::TurnOn).await.unwrap();
    let new = Writer::stamped(place, "journal", "rollout-2");
    let early = new.set(exposure(&["staff"], 0), Switch::TurnOn).await;
    assert!(matches!(early, Err(BackendError::ForeignStamp { .. })), "{early:?}");
    old.off().await;
    new.set(exposure(&["staff"], 0), Switch::TurnOn).await.unwrap();
    let seen = new.read().await;
    assert_eq!((seen.shown(), seen.stamp, seen.foreign), (exposure(&["staff"], 0), Some(new.stamp.clone()), None));
}

pub(super) async fn another_hand_is_seen_and_makes_what_was_read_stale(place: &dyn Place) {
    let writer = Writer::new(place);
    writer.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    let before = writer.read().await;
    place.hand_sets(30);
    let seen = writer.read().await;
    assert!(seen.foreign.is_some() || seen.shown() == exposure(&["beta"], 30), "{seen:?}");
    assert_eq!(seen.other_hand.is_some(), place.knows_hands());
    for to in [exposure(&["beta"], 40), exposure(&["beta"], 10)] {
        let stale = writer.backend.expose(&writer.request(to, Switch::Keep, before.revision.clone())).await;
        assert!(matches!(stale, Err(BackendError::Conflict { .. })), "{stale:?}");
    }
    writer.off().await;
    assert!(writer.read().await.shown().is_nobody());
}

pub(super) async fn a_change_of_what_is_ours_is_told(place: &dyn Place) {
    let writer = Writer::new(place);
    writer.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    place.hand_widens_audience();
    assert!(writer.read().await.reaches_by_foreign());
    let grown = writer.set(exposure(&["beta"], 20), Switch::Keep).await;
    assert!(matches!(grown, Err(BackendError::Refused { .. })), "{grown:?}");
    // a person who has seen it sets it right
    writer.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    let seen = writer.read().await;
    assert_eq!((seen.shown(), seen.foreign), (exposure(&["beta"], 10), None));
}

pub(super) async fn what_cannot_be_said_is_refused_and_writes_nothing(place: &dyn Place) {
    let writer = Writer::new(place);
    writer.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    let before = writer.read().await;
    let mut strange = writer.request(exposure(&["nobody-knows"], 10), Switch::Keep, before.revision.clone());
    assert!(matches!(writer.backend.expose(&strange).await, Err(BackendError::Refused { .. })));
    strange = writer.request(exposure(&["beta"], 20), Switch::Keep, before.revision.clone());
    strange.stickiness = String::new();
    assert!(matches!(writer.backend.expose(&strange).await, Err(BackendError::Refused { .. })));
    assert_eq!(writer.read().await, before);
}

pub(super) async fn a_share_is_as_fine_as_it_can_be_or_refused(place: &dyn Place) {
    let writer = Writer::new(place);
    writer.set(exposure(&["beta"], 1), Switch::TurnOn).await.unwrap();
    let before = writer.read().await;
    let fine = Percentage::from_thousandths(1_500).unwrap();
    let wanted = Exposure { percentage: fine, ..exposure(&["beta"], 0) };
    let grown = writer.set(wanted.clone(), Switch::Keep).await;
    if writer.backend.resolution() < Percentage::whole(1) {
        grown.unwrap();
        assert_eq!(writer.read().await.shown(), wanted);
    } else {
        // never rounded
        assert!(matches!(grown, Err(BackendError::Refused { .. })), "{grown:?}");
        assert_eq!(writer.read().await, before);
    }
}

pub(super) async fn what_a_hand_switched_off_stays_off(place: &dyn Place) {
    let writer = Writer::new(place);
    writer.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    let before = writer.read().await;
    let hand = place.hand_switches_off();
    if hand == Hand::Nothing {
        assert_eq!(writer.read().await, before);
        return;
    }
    let seen = writer.read().await;
    assert!(!seen.reaches_anybody(), "{seen:?}");
    let growth = |revision| writer.request(exposure(&["beta"], 20), Switch::Keep, revision);
    let grown = writer.backend.expose(&growth(before.revision)).await;
    assert!(matches!(grown, Err(BackendError::Conflict { .. } | BackendError::SwitchedOff { .. })), "{grown:?}");
    assert_eq!(writer.read().await, seen);
    if hand == Hand::Switch {
        let grown = writer.backend.expose(&growth(seen.revision.clone())).await;
        assert!(matches!(grown, Err(BackendError::SwitchedOff { .. })), "{grown:?}");
        assert_eq!(writer.read().await, seen);
    }
    // a person who resumes it has seen that
    writer.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    assert_eq!(writer.read().await.shown(), exposure(&["beta"], 10));
}

pub(super) async fn a_flag_that_was_taken_away_is_not_made_again_by_a_growth(place: &dyn Place) {
    let writer = Writer::new(place);
    writer.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    let before = writer.read().await;
    place.hand_removes();
    let seen = writer.read().await;
    assert!(!seen.reaches_anybody() && seen.revision != before.revision, "{seen:?}");
    for revision in [before.revision, seen.revision] {
        let grown = writer.backend.expose(&writer.request(exposure(&["beta"], 20), Switch::Keep, revision)).await;
        assert!(grown.is_err(), "{grown:?}");
    }
    writer.off().await;
    assert!(!writer.read().await.reaches_anybody());
}

pub(super) async fn a_switch_is_not_turned_by_a_growth(place: &dyn Place) {
    let writer = Writer::new(place);
    writer.set(exposure(&[], 10), Switch::TurnOn).await.unwrap();
    let on = writer.read().await;
    writer.off().await;
    // what was read before the shutdown does not help
    let grown = writer.backend.expose(&writer.request(exposure(&[], 20), Switch::Keep, on.revision)).await;
    assert!(matches!(grown, Err(BackendError::SwitchedOff { .. } | BackendError::Conflict { .. })), "{grown:?}");
    assert!(writer.read().await.shown().is_nobody());
}

pub(super) async fn of_one_who_grows_and_one_who_shuts_down_the_latter_wins(place: &dyn Place) {
    for round in 0..6_u64 {
        let writer = Writer::new(place);
        writer.set(exposure(&["beta"], 1), Switch::TurnOn).await.unwrap();
        let (grower, stopper) = (Writer::new(place), Writer::new(place));
        let growing = tokio::spawn(async move {
            for percent in 2..6 {
                if grower.set(exposure(&["beta", "staff"], percent), Switch::Keep).await.is_err() {
                    return;
                }
            }
        });
        tokio::time::sleep(std::time::Duration::from_millis(round * 17)).await;
        stopper.off().await;
        growing.await.unwrap();
        let seen = writer.read().await;
        assert!(seen.shown().is_nobody() && !seen.reaches_by_foreign(), "round {round}: {seen:?}");
    }
}

/// Whoever only looks whether it would do changes nothing of what is there.
pub(super) async fn an_examination_finds_it_well_and_changes_nothing(place: &dyn Place) {
    let writer = Writer::new(place);
    for expose in [false, true] {
        if expose {
            let revision = writer.read().await.revision;
            let request = writer.request(exposure(&["beta"], 10), Switch::TurnOn, revision);
            writer.backend.expose(&request).await.unwrap();
        }
        let before = writer.read().await;
        let checks = writer.backend.examine(&SystemClock).await;
        assert!(!checks.is_empty() && checks.iter().all(|check| check.health == Health::Fine), "{checks:?}");
        assert_eq!(writer.read().await, before);
    }
}

pub(super) async fn a_prepared_flag_is_for_nobody_and_a_release_starts_on_it(place: &dyn Place) {
    let writer = Writer::new(place);
    let before = writer.backend.standing(&writer.flag).await.unwrap();
    // where others share the flag, somebody else made it
    let (missing, adopt) = (before == Standing::Missing, matches!(before, Standing::Theirs { .. }));
    let card = Card { description: Some("made beforehand".to_owned()), ..Card::default() };
    let (flag, stickiness) = (writer.flag.clone(), "userId".to_owned());
    let request = Prepare { flag, card, stickiness, missing, adopt };
    writer.backend.prepare(&request).await.unwrap();
    let prepared = writer.read().await;
    assert!(!prepared.reaches_anybody() && prepared.stamp.is_none(), "{prepared:?}");
    let standing = writer.backend.standing(&writer.flag).await.unwrap();
    assert!(matches!(standing, Standing::Ours { prepared: true, .. }), "{standing:?}");
    // once it is there, nothing is written
    let kept = place.kept();
    writer.backend.prepare(&Prepare { missing: false, ..request.clone() }).await.unwrap();
    assert_eq!(place.kept(), kept);
    // another journal than that of whoever prepared it may start on it, and what is exposed stays
    writer.set(exposure(&["beta"], 10), Switch::TurnOn).await.unwrap();
    writer.backend.prepare(&Prepare { missing: false, ..request }).await.unwrap();
    assert_eq!(writer.read().await.shown(), exposure(&["beta"], 10));
    writer.off().await;
}
