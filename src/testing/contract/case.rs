//! The list of cases.

use super::check::{Broken, Check};
use super::{appends, bounds, conditions, extras, following, queries, reads, transactions, writers};
use crate::pending::Pending;
use crate::store::{AnyStore, Capabilities};

/// One case: its name, what a store must claim for it, and what it does.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) needs: Capabilities,
    pub(super) start: fn(AnyStore) -> Pending<(), Broken>,
}

fn begin(case: impl Future<Output = Check> + Send + 'static) -> Pending<(), Broken> {
    Pending::new(case)
}

/// Cases by their functions: `file::{case, ..}`, after what they need.
macro_rules! cases {
    ($($needs:expr => $file:ident::{$($case:ident),* $(,)?}),* $(,)?) => {
        &[$($(Case {
            name: stringify!($case),
            needs: $needs,
            start: |store| begin($file::$case(store)),
        }),*),*]
    };
}

const NOTHING: Capabilities = Capabilities {
    contiguous_positions: false,
    multi_stream: false,
    query_conditions: false,
    progress: false,
    snapshots: false,
    committed_watermark: false,
    resume: false,
    lag: false,
    checkpoints: false,
    leases: false,
    partitions: false,
    dead_letters: false,
    requests: false,
};
const CONTIGUOUS: Capabilities = Capabilities { contiguous_positions: true, ..NOTHING };
const MULTI_STREAM: Capabilities = Capabilities { multi_stream: true, ..NOTHING };
const CONDITIONS: Capabilities = Capabilities { query_conditions: true, ..NOTHING };
const BOTH: Capabilities = Capabilities { multi_stream: true, query_conditions: true, ..NOTHING };
const PROGRESS: Capabilities = Capabilities { progress: true, ..NOTHING };
const COMMITTED: Capabilities = Capabilities { committed_watermark: true, ..NOTHING };
const RESUME: Capabilities = Capabilities { resume: true, ..NOTHING };
const LAG: Capabilities = Capabilities { lag: true, ..NOTHING };
const CHECKPOINTS: Capabilities = Capabilities { checkpoints: true, ..NOTHING };
const LEASES: Capabilities = Capabilities { leases: true, ..NOTHING };
const PARTITIONS: Capabilities = Capabilities { leases: true, partitions: true, ..NOTHING };
const DEAD_LETTERS: Capabilities = Capabilities { dead_letters: true, ..NOTHING };
const REQUESTS: Capabilities = Capabilities { requests: true, ..NOTHING };
const SNAPSHOTS: Capabilities = Capabilities { snapshots: true, ..NOTHING };

pub(super) const CASES: &[Case] = cases! {
    NOTHING => appends::{
        an_event_is_read_as_it_was_appended,
        an_expectation_is_met_or_conflicts_with_the_facts,
        revisions_are_contiguous_and_positions_increase,
        a_commit_is_whole_or_absent,
        what_may_not_be_written_is_refused,
        a_repeat_has_the_first_receipt,
        only_the_same_ids_in_the_same_place_are_a_repeat,
        the_head_is_the_newest_event,
    },
    NOTHING => reads::{
        an_empty_store_has_nothing,
        a_stream_is_read_both_ways,
        a_limit_makes_a_part,
        a_read_says_how_far_it_has_seen,
        a_cursor_gives_each_event_once,
        beyond_is_ready_once_something_stands_there,
    },
    NOTHING => bounds::{ a_read_keeps_to_its_bounds, pages_go_on_where_a_batch_ended },
    NOTHING => queries::{
        a_stream_and_a_category_are_found_by_their_whole_names,
        any_of_the_types_is_enough,
        all_of_the_tags_are_needed,
        a_correlation_id_is_found,
        an_event_that_matches_twice_is_given_once,
    },
    NOTHING => writers::{
        of_fifty_writers_one_wins_each_revision,
        a_reader_sees_whole_commits,
        who_waits_is_woken,
    },
    NOTHING => following::{
        a_subscription_gives_each_event_once,
        a_subscription_begins_where_it_is_asked_to,
        a_subscriber_that_waits_is_woken,
    },
    NOTHING => extras::{ what_is_not_claimed_is_refused },
    CONTIGUOUS => extras::{ positions_are_contiguous },
    MULTI_STREAM => transactions::{
        a_transaction_is_all_or_nothing,
        an_expectation_sees_what_the_transaction_adds,
        a_repeated_transaction_has_the_first_receipt,
    },
    CONDITIONS => conditions::{
        a_condition_fails_on_what_it_matches,
        a_condition_counts_from_its_position,
        a_repeat_comes_before_its_condition,
        an_expectation_and_a_condition_must_both_hold,
        of_decisions_on_one_state_one_is_committed,
    },
    BOTH => conditions::{ a_condition_holds_for_all_streams_or_none },
    PROGRESS => extras::{ progress_comes_with_its_commit },
    RESUME => following::{ a_subscription_goes_on_from_its_token },
    COMMITTED => following::{ what_is_committed_is_seen_at_once },
    LAG => following::{ who_is_behind_knows_how_far },
    CHECKPOINTS => extras::{ the_checkpoint_is_the_one_saved_last },
    LEASES => extras::{ a_consumer_runs_once_at_a_time },
    PARTITIONS => extras::{ processes_share_a_consumer },
    DEAD_LETTERS => extras::{ dead_letters_are_kept_apart },
    REQUESTS => extras::{ a_request_is_kept_until_it_is_removed },
    SNAPSHOTS => extras::{ the_snapshot_is_the_one_saved_last },
};
