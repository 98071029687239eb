//! `containers.json`: the invariants of every record file. Flags of any type are accepted, and
//! labels read back as they were set.

use layerhold_schema::ContainerRecord;

/// Checks one input.
pub fn run(data: &[u8]) {
    for mut container in super::records::check::<ContainerRecord>(data) {
        drop(container.container_id());
        drop(container.image_id());
        drop(container.layer_id());
        drop(container.id_mappings());
        let options: Vec<String> = container.mount_options().map(str::to_owned).collect();
        container.set_mount_options(&options);
        assert!(
            container
                .mount_options()
                .eq(options.iter().map(String::as_str))
        );
        container.set_labels("m", "p");
        assert_eq!(
            (container.mount_label(), container.process_label()),
            ("m", "p")
        );
        container.mark_volatile();
        assert!(container.is_volatile());
    }
}
