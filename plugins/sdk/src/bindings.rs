//! The contract of `wit/plugin.wit` as Rust, generated once, for the world with everything in it.
//!
//! A component that leaves some of the imports unused does not import them. Nothing is written by hand here.

wit_bindgen::generate!({
    path: "../../wit",
    world: "eval-subject",
    pub_export_macro: true,
    additional_derives: [PartialEq],
});
