//! One contract for every backend: the same cases on the flag file, on a live Unleash (with the flag for ourselves, and where
//! others share it), and on the simulator's model of a backend. What a backend cannot do it says ([`places::Place`]), and
//! the case says what it does instead: none is left out.

mod cases;
mod interrupted;
mod orders;
mod places;
mod writers;

macro_rules! conforms {
    ($($file:ident::$case:ident),+ $(,)?) => {
        conforms!(at flag_file, FlagFile::new, $($file::$case),+);
        conforms!(at unleash, Live::new, $($file::$case),+);
        conforms!(at unleash_shared, Live::shared, $($file::$case),+);
        conforms!(at model, Modelled::new, $($file::$case),+);
    };
    (at $place:ident, $kind:ident::$new:ident, $($file:ident::$case:ident),+) => {
        mod $place {
            use super::{cases, interrupted, places::$kind};
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    $file::$case(&$kind::$new(stringify!($case))).await;
                }
            )+
        }
    };
}

conforms!(
    cases::a_flag_that_is_not_there_is_off_and_nobody,
    cases::growing_and_shrinking_is_read_back,
    cases::off_is_off_whatever_was_there_and_stays_off,
    cases::what_is_done_twice_is_done_once,
    cases::a_stale_revision_writes_nothing,
    cases::another_stamp_may_be_switched_off_and_nothing_else,
    cases::a_new_rollout_of_the_same_journal_begins_where_the_old_one_was_stopped,
    cases::another_hand_is_seen_and_makes_what_was_read_stale,
    cases::a_change_of_what_is_ours_is_told,
    cases::what_a_hand_switched_off_stays_off,
    cases::a_flag_that_was_taken_away_is_not_made_again_by_a_growth,
    cases::what_cannot_be_said_is_refused_and_writes_nothing,
    cases::a_share_is_as_fine_as_it_can_be_or_refused,
    cases::a_switch_is_not_turned_by_a_growth,
    cases::of_one_who_grows_and_one_who_shuts_down_the_latter_wins,
    interrupted::a_death_between_any_two_steps_exposes_nobody_new_and_the_same_request_completes_it,
    interrupted::a_start_that_dies_anywhere_is_off_or_as_asked,
    interrupted::a_shutdown_that_dies_anywhere_leaves_no_more_and_the_next_one_is_off,
    interrupted::off_wins_in_every_order_of_the_steps_of_a_growth_and_a_shutdown,
    interrupted::a_preparation_that_dies_anywhere_changes_nobody,
    interrupted::off_wins_in_every_order_of_the_steps_of_a_preparation_and_a_shutdown,
    cases::an_examination_finds_it_well_and_changes_nothing,
    cases::a_prepared_flag_is_for_nobody_and_a_release_starts_on_it,
);
