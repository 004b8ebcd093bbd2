//! What the world `eval-subject` adds to [`crate::bindings`], as Rust. The component's encoder joins both.

wit_bindgen::generate!({
    path: "../../wit",
    inline: "
        package duress:sdk;

        world subject-exports {
            import duress:plugin/stack@0.1.1;
            export duress:plugin/subject@0.1.1;
        }
    ",
    world: "subject-exports",
    pub_export_macro: true,
    additional_derives: [PartialEq],
    with: {
        "duress:plugin/types@0.1.1": crate::bindings::duress::plugin::types,
        "duress:plugin/stack@0.1.1": generate,
        "duress:plugin/subject@0.1.1": generate,
    },
});
