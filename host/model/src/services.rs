//! Sets of services, as people and plugins write them.

/// A set of services: names, or prefixes with `*` behind them. Nothing stands for "any" but `*` itself.
///
/// ```
/// let services = duress_model::Services::new(["tikv*", "pd0"]);
/// assert!(services.contains("tikv2"));
/// assert!(!services.contains("pd1"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Services(Vec<String>);

impl Services {
    /// Returns the set of these patterns.
    pub fn new<S: Into<String>>(patterns: impl IntoIterator<Item = S>) -> Self {
        Self(patterns.into_iter().map(Into::into).collect())
    }

    /// Returns whether a service is one of them.
    pub fn contains(&self, service: &str) -> bool {
        self.0
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(prefix) => service.starts_with(prefix),
                None => service == pattern,
            })
    }

    /// Returns the patterns.
    pub fn patterns(&self) -> &[String] {
        &self.0
    }
}
