//! redis: a subject of duress, with a fault that only it has.

// The contract, as `wit/plugin.wit` has it.
wit_bindgen::generate!({ path: "wit", world: "eval-subject" });

mod fault;
mod replication;
mod subject;

/// What the component exports. It has no state: each call gets an instance of its own.
struct Plugin;

// Natively there is no host to export to.
#[cfg(target_arch = "wasm32")]
export!(Plugin);
