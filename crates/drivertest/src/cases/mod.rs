//! The cases, by subject.

mod acls;
mod contents;
mod differences;
mod lifecycle;
mod mapping;
mod mounting;
mod owners;
mod owners_model;
mod trees;
mod staging;

use crate::case::Case;

/// Makes the list of cases, and the macro that turns each into a test.
macro_rules! cases {
    ($dollar:tt; $($module:ident: $($name:ident),+;)+) => {
        /// All cases.
        pub const CASES: &[Case] = &[
            $($(Case { name: stringify!($name), body: $module::$name },)+)+
        ];

        /// Makes a `#[test]` of every case, for the factory an expression gives.
        #[macro_export]
        macro_rules! conformance {
            ($dollar factory:expr) => {
                $($(
                    #[test]
                    fn $name() {
                        $crate::run_case(stringify!($name), &$dollar factory);
                    }
                )+)+
            };
        }
    };
}

cases! { $;
    lifecycle:
        create_exists_list_remove,
        unknown_layers_are_reported,
        commit_to_a_taken_id_keeps_the_stage,
        remove_while_a_process_reads,
        remove_leaves_siblings_and_children_alone,
        usage_counts_each_inode_once,
        own_files_are_those_that_usage_counts,
        read_only_home_is_left_as_it_is,
        sync_and_cleanup_keep_layers;
    staging:
        staged_layers_are_invisible,
        dropped_stage_leaves_nothing,
        failed_stage_leaves_nothing,
        staged_on_staged,
        staged_on_foreign_is_refused,
        template_gives_contents,
        concurrent_staging,
        stale_areas_are_recovered,
        live_areas_survive_recovery,
        root_full_disk_leaves_nothing_and_can_be_emptied;
    trees:
        trees_become_contents,
        dropped_trees_leave_nothing,
        foreign_trees_are_refused;
    contents:
        child_starts_as_its_parent,
        root_child_keeps_every_attribute,
        sparse_files_stay_sparse,
        siblings_do_not_share_writes,
        recorded_files_are_read,
        deep_chain,
        deep_directories,
        hard_links_across_directories;
    differences:
        changes_are_exact,
        diff_apply_round_trip,
        root_diff_apply_round_trip_of_every_kind,
        diff_without_parent,
        whiteouts_take_effect,
        apply_to_an_existing_layer,
        nothing_changed;
    mounting:
        mounts_are_counted,
        read_only_mounts,
        looking_is_no_use;
    mapping:
        root_mapped_root_owner,
        root_remap_staged,
        root_remap_committed,
        root_remap_refuses_unmapped_owners,
        root_mapped_diff_has_container_owners,
        root_mapped_copy_has_no_changes;
    owners:
        root_owners_imported_under_maps,
        root_owners_rewritten,
        root_owners_shifted;
    acls:
        root_lists_above_the_store_are_not_inherited,
        root_lists_of_the_image_are_not_passed_on;
}
