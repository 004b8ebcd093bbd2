//! Whether a component fits this host and its own manifest: told to a person, before anything of it is run.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::manifest::PluginManifest;
use duress_capability::Ctx;
use duress_model::{Error, Result};

/// The interface package, as imports and exports name it.
const PACKAGE: &str = "duress:plugin/";
/// What every plugin exports, without the version.
const CHAOS: &str = "duress:plugin/chaos@";
/// The version of it that this host offers.
pub const WIT_VERSION: &str = "0.1.1";

/// Looks at what it imports and exports.
///
/// # Errors
/// `Input`, with what to change.
pub(super) fn check(
    linker: &Linker<Ctx>,
    component: &Component,
    manifest: &PluginManifest,
) -> Result<()> {
    check_names(linker, component, &manifest.wit)?;
    check_requests(linker, component, manifest)
}

/// Returns whether a component exports an interface of the package.
pub(super) fn exports(component: &Component, engine: &wasmtime::Engine, interface: &str) -> bool {
    let begin = format!("{PACKAGE}{interface}@");
    let ty = component.component_type();
    ty.exports(engine).any(|(name, _)| name.starts_with(&begin))
}

/// What a person needs to know and the linker's own errors do not say: the version, and what is missing.
fn check_names(linker: &Linker<Ctx>, component: &Component, said: &str) -> Result<()> {
    let engine = linker.engine();
    let ty = component.component_type();
    let exports: Vec<&str> = ty.exports(engine).map(|(name, _)| name).collect();
    let names = ty
        .imports(engine)
        .map(|(name, _)| name)
        .chain(exports.iter().copied());
    for name in names {
        if let Some(version) = name
            .starts_with(PACKAGE)
            .then(|| name.split_once('@'))
            .flatten()
            .map(|(_, v)| v)
            && !compatible(version)
        {
            return Err(Error::input(format!(
                "it was built for version {version} of the plugin interface; this host supports {WIT_VERSION}"
            ))
            .hint("build it again against this host's wit/, or use a duress of that version"));
        }
    }
    let built_for = exports.iter().find_map(|name| name.strip_prefix(CHAOS));
    if let Some(version) = built_for.filter(|version| *version != said) {
        return Err(Error::input(format!(
            "it was built for version {version} of the plugin interface, and its plugin.yaml says {said}"
        ))
        .hint(format!("say so in plugin.yaml: wit: {version}")));
    }
    let has = |interface: &str| {
        exports
            .iter()
            .any(|name| name.starts_with(&format!("{PACKAGE}{interface}@")))
    };
    if !has("chaos") {
        return Err(Error::input(format!(
            "it exports no `{PACKAGE}chaos`, so it is not a plugin of duress"
        ))
        .hint("a plugin targets the world `eval-subject` or `chaos-plugin` of wit/plugin.wit"));
    }
    if has("workload") && !has("subject") {
        return Err(
            Error::input("it exports `workload`, which is for subjects alone")
                .hint("remove the export, or export `subject` too: the world `workload-subject`"),
        );
    }
    let stack = ty
        .imports(engine)
        .any(|(name, _)| name.starts_with(&format!("{PACKAGE}stack@")));
    if stack && !has("subject") {
        return Err(Error::input(
            "it imports `stack`, which is for subjects alone",
        ));
    }
    Ok(())
}

/// What a component imports and what its manifest asks for must agree: what it cannot use it need not ask for, and what it would only
/// be refused later is told now.
fn check_requests(
    linker: &Linker<Ctx>,
    component: &Component,
    manifest: &PluginManifest,
) -> Result<()> {
    let engine = linker.engine();
    let ty = component.component_type();
    // Of some interfaces it needs the types alone, to speak of them in another's calls.
    let calls = |item: &ComponentItem| match item {
        ComponentItem::ComponentInstance(instance) => instance
            .exports(engine)
            .any(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_))),
        _ => false,
    };
    let imports: Vec<&str> = ty
        .imports(engine)
        .filter(|(_, item)| calls(&item.ty))
        .map(|(name, _)| name)
        .collect();
    let permissions = &manifest.permissions;
    let changes =
        !permissions.actions.is_empty() || !permissions.programs.network_of_container.is_empty();
    for (interface, asked, line) in [
        ("http", !permissions.http.is_empty(), "http: [stack]"),
        ("tcp", !permissions.tcp.is_empty(), "tcp: [stack]"),
        ("stack", permissions.stack, "stack: true"),
    ] {
        let imported = imports
            .iter()
            .any(|name| name.starts_with(&format!("{PACKAGE}{interface}@")));
        if imported && !asked {
            return Err(Error::input(format!(
                "it imports `{interface}`, and plugin.yaml does not request it"
            ))
            .hint(format!("add to `permissions` in plugin.yaml: {line}")));
        }
        if asked && !imported {
            return Err(Error::input(format!(
                "plugin.yaml asks for `{interface}`, which the component does not import"
            ))
            .hint(format!(
                "remove `{interface}` from `permissions` in plugin.yaml"
            )));
        }
    }
    let imports_changes = imports.iter().any(|name| {
        // Of these a library imports whatever any of its plugins may use; each call is checked.
        ["changes", "checks", "effects", "files", "programs"]
            .iter()
            .any(|interface| name.starts_with(&format!("{PACKAGE}{interface}@")))
    });
    if changes && !imports_changes {
        return Err(Error::input(
            "plugin.yaml asks for `actions`, and the component imports none of the interfaces to make them by: `changes`, `checks`, `effects`, `files`, `programs`",
        )
        .hint("remove `actions` from `permissions` in plugin.yaml"));
    }
    Ok(())
}

/// Within 0.1.x and within 1.x, versions fit each other.
fn compatible(version: &str) -> bool {
    let series = |text: &str| {
        let mut parts = text.split('.').map(str::to_owned);
        let major = parts.next();
        let minor = parts.next();
        if major.as_deref() == Some("0") {
            (major, minor)
        } else {
            (major, None)
        }
    };
    series(version) == series(WIT_VERSION)
}
