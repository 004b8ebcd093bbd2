//! What `wit/plugin.wit` says, as Rust types and traits. Generated; nothing else belongs here.
#![expect(
    missing_docs,
    reason = "generated: the documentation is in wit/plugin.wit"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "workload-subject",
    imports: {
        // Quick and without an effect: no need to suspend the guest.
        "duress:plugin/host.log": trappable,
        "duress:plugin/host.now": trappable,
        "duress:plugin/host.deadline": trappable,
        "duress:plugin/host.random": trappable,
        "duress:plugin/host.settings": trappable,
        default: async | trappable,
    },
    exports: { default: async },
    with: {
        "duress:plugin/tcp.connection": crate::tcp::Connection,
        "duress:plugin/checks.check": duress_journal::comparison::Comparison,
        "duress:plugin/files.file-replacement": crate::replacements::FileReplacement,
        "duress:plugin/programs.lasting-program": crate::programs::LastingProgram,
        "duress:plugin/deployment.replacement": crate::deployment::Replacement,
        "duress:plugin/deployment.scaling": crate::deployment::Scaling,
        "duress:plugin/deployment.offline-programs": crate::deployment::OfflinePrograms,
        "duress:plugin/effects.packets": duress_network::Packets,
        "duress:plugin/effects.impairment": duress_network::Impairment,
        "duress:plugin/effects.draft": duress_network::Draft,
    },
});
