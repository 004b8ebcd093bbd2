//! What the world `workload-subject` adds to [`crate::subject_bindings`], as Rust. The component's encoder joins them.

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package duress:sdk;

        world workload-exports {
            export duress:plugin/workload@0.1.1;
        }
    ",
    world: "workload-exports",
    pub_export_macro: true,
    additional_derives: [PartialEq],
    with: {
        "duress:plugin/types@0.1.1": crate::bindings::duress::plugin::types,
        "duress:plugin/workload@0.1.1": generate,
    },
});
