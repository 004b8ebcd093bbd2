//! A plugin as it lies there, looked at before anybody has granted it anything: it is compiled, linked and asked what it brings, and
//! reaches nothing.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::built_in::BuiltIn;
use super::component::Kind;
use super::manifest::PluginManifest;
use super::plugin::Plugin;
use super::runtime::Runtime;
use duress_engine::Requirement;
use duress_model::{FaultType, Result};

impl Runtime {
    /// Looks at the plugin of a folder.
    ///
    /// # Errors
    /// `Input` when its manifest or its component is wrong.
    pub async fn examine(&self, folder: &Path) -> Result<Plugin> {
        let (manifest, document) =
            duress_yaml::load::<PluginManifest>(&folder.join("plugin.yaml"))?;
        let component = self.load(&manifest, folder)?;
        Plugin::new(
            manifest,
            document.text(),
            component,
            Some(folder.to_owned()),
        )
        .await
    }

    /// Looks at a plugin that belongs to the program.
    ///
    /// # Errors
    /// `Environment` when this program lacks it.
    pub async fn examine_built_in(&self, built_in: BuiltIn) -> Result<Plugin> {
        let manifest = built_in.manifest()?;
        let component = self.load_bytes(&manifest, &manifest.component, built_in.component()?)?;
        Plugin::new(manifest, built_in.manifest_text(), component, None).await
    }
}

/// A compose service's name, a beginning of one with `*` behind it, or `*`.
fn is_service_pattern(pattern: &str) -> bool {
    let name = pattern.strip_suffix('*').unwrap_or(pattern);
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !pattern.is_empty()
        && name.len() <= 64
        && name.chars().all(fit)
        && !name.starts_with(['.', '-'])
}

impl Plugin {
    /// Returns what its author should fix, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        problems_of(&self.faults, self.kind())
    }
}

/// Returns what a run would refuse of these faults, and what their readers would miss.
fn problems_of(faults: &[Arc<FaultType>], kind: Kind) -> Vec<String> {
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    // A subject may leave all faults to the general ones.
    if faults.is_empty() && kind == Kind::Chaos {
        problems.push("it brings no fault".to_owned());
    }
    for fault in faults {
        let mut found = |why: String| problems.push(format!("fault `{}`: {why}", fault.name));
        if !names.insert(&fault.name) {
            found("there are two of that name".into());
        }
        if !duress_model::form::is_fault_name(&fault.name) {
            found("campaigns cannot name it: a name is 1 to 64 lower-case letters, digits, `-` and `_`, a letter or a digit first".into());
        }
        if fault.summary.trim().is_empty() {
            found("it has no summary".into());
        }
        if let Err(why) = jsonschema::meta::validate(&fault.parameters) {
            found(format!(
                "its parameter schema is not valid JSON Schema: {why}"
            ));
        } else if fault.parameters["type"] != "object" {
            found("the schema of its parameters is not one of an object".into());
        }
        for (name, schema) in fault.parameters["properties"]
            .as_object()
            .into_iter()
            .flatten()
        {
            if schema["description"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
            {
                found(format!("its parameter `{name}` has no description"));
            }
        }
        for (name, default) in crate::defaults::wrong_defaults(&fault.parameters) {
            found(format!(
                "the default of its parameter `{name}` is {default}, which its schema does not allow"
            ));
        }
        for service in &fault.services {
            if !is_service_pattern(service) {
                found(format!(
                    "it may hurt the service `{}`, which is neither a service's name nor a beginning with `*` behind it",
                    service.escape_debug()
                ));
            }
        }
        for requirement in &fault.requires {
            if let Err(why) = requirement.parse::<Requirement>() {
                found(format!("it requires `{requirement}`: {why}"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use duress_model::Choice;

    fn fault(name: &str, parameters: Value) -> FaultType {
        FaultType {
            plugin: "theirs".into(),
            name: name.into(),
            summary: "Break it.".into(),
            parameters,
            requires: Vec::new(),
            services: Vec::new(),
            choice: Choice::ByHost,
        }
    }

    fn schema(property: Value) -> Value {
        json!({ "type": "object", "properties": { "percent": property } })
    }

    fn is_told(fault: FaultType, expected: &str) {
        let problems = problems_of(&[fault.into()], Kind::Chaos);
        assert!(
            problems.len() == 1 && problems[0].contains(expected),
            "{expected}: {problems:?}"
        );
    }

    #[test]
    fn a_fault_that_a_run_accepts_has_no_problems() {
        let percent = json!({
            "type": "integer", "minimum": 1, "maximum": 100, "default": 50, "description": "d",
        });
        let mut fine = fault("a-fault_2", schema(percent));
        fine.services = ["db", "db*", "*", "a.b_c-1"].map(str::to_owned).into();
        fine.requires = vec!["helper".into()];
        assert_eq!(problems_of(&[fine.into()], Kind::Chaos), [""; 0]);
        assert_eq!(problems_of(&[], Kind::Subject), [""; 0]);
        assert_eq!(problems_of(&[], Kind::Chaos), ["it brings no fault"]);
    }

    #[test]
    fn a_fault_that_a_run_refuses_is_a_problem() {
        let none = || json!({ "type": "object" });
        for name in ["Kill", "kill it", "-kill", "", "k\u{e9}", &"k".repeat(65)] {
            is_told(fault(name, none()), "campaigns cannot name it");
        }
        for default in [json!(0), json!(101), json!("50"), json!(1.5)] {
            let percent = json!({
                "type": "integer", "minimum": 1, "maximum": 100, "default": default,
                "description": "d",
            });
            let expected = format!("the default of its parameter `percent` is {default}");
            is_told(fault("kill", schema(percent)), &expected);
        }
        for service in [
            "",
            "*db",
            "d*b",
            "a b",
            "-db",
            ".db",
            "db\n",
            &"d".repeat(65),
        ] {
            let mut odd = fault("kill", none());
            odd.services = vec![service.into()];
            is_told(odd, "neither a service's name nor a beginning");
        }
        let mut odd = fault("kill", none());
        odd.requires = vec!["a miracle".into()];
        is_told(odd, "it requires `a miracle`");
        is_told(
            fault("kill", json!({ "type": "string" })),
            "not one of an object",
        );
        is_told(
            fault("kill", schema(json!({ "type": "integer" }))),
            "has no description",
        );
        let twice = [fault("kill", none()), fault("kill", none())];
        let problems = problems_of(&twice.map(Arc::new), Kind::Chaos);
        assert_eq!(problems, ["fault `kill`: there are two of that name"]);
    }
}
