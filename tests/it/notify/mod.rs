//! Others are told when a rollout becomes something else: each time once, in order, and never at the cost of a rollout.

mod documents;
mod kit;
mod never_in_the_way;
mod once_each;
mod what_is_told;
