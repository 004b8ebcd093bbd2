//! The contract of `wit/plugin.wit` as Rust, generated once. Nothing is written by hand here.
//!
//! This is the world `chaos-plugin`; [`crate::subject_bindings`] has what `eval-subject` adds to it, so that a component exports either.
//! A component that leaves some of the imports unused does not import them.

wit_bindgen::generate!({
    path: "../../wit",
    world: "chaos-plugin",
    pub_export_macro: true,
    additional_derives: [PartialEq],
});
