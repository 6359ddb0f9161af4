//! One contract for every backend: the same cases on the flag file and on a live Unleash.

mod cases;
mod places;

macro_rules! conforms {
    ($($case:ident),+ $(,)?) => {
        mod flag_file {
            use super::{cases, places::FlagFile};
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    cases::$case(&FlagFile::new(stringify!($case))).await;
                }
            )+
        }

        mod unleash {
            use super::{cases, places::Live};
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    cases::$case(&Live::new(stringify!($case))).await;
                }
            )+
        }

        mod unleash_shared {
            use super::{cases, places::Live};
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    cases::$case(&Live::shared(stringify!($case))).await;
                }
            )+
        }
    };
}

conforms!(
    a_flag_that_is_not_there_is_off_and_nobody,
    growing_and_shrinking_is_read_back,
    off_is_off_whatever_was_there_and_stays_off,
    what_is_done_twice_is_done_once,
    a_stale_revision_writes_nothing,
    another_stamp_may_be_switched_off_and_nothing_else,
    a_new_rollout_of_the_same_journal_begins_where_the_old_one_was_stopped,
    another_hand_is_seen_and_makes_what_was_read_stale,
    a_change_of_what_is_ours_is_told,
    what_cannot_be_said_is_refused_and_writes_nothing,
    a_switch_is_not_turned_by_a_growth,
    of_one_who_grows_and_one_who_shuts_down_the_latter_wins,
    an_examination_finds_it_well_and_changes_nothing,
);
