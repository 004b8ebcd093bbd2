//! Resuming a campaign that was interrupted: by what it began with, and by nothing else.

use std::collections::BTreeMap;
use std::path::Path;

use similar::TextDiff;

use super::Prepared;
use super::prepare::with_plan;
use duress_campaign::Plan;
use duress_model::{Error, Result};
use duress_plugin::Catalog;
use duress_store::{CampaignRow, Store, StoredCampaign};

/// Prepares a campaign of the store to be resumed: every trial of it, from the stored definition.
///
/// Nothing is created and nothing is touched.
///
/// # Errors
/// `Input` when it was a dry run, or when what decides what its trials do is not what it was; as for [`super::prepare`] otherwise.
pub async fn resume(
    campaign: &CampaignRow,
    stored: StoredCampaign,
    catalog: &Catalog,
) -> Result<Prepared> {
    let id = &campaign.id;
    if stored.dry_run {
        return Err(
            Error::input(format!("{id} was a dry run: there is nothing to resume"))
                .hint("run it again without --dry-run"),
        );
    }
    let plan: Plan = serde_json::from_value(stored.definition).map_err(|error| {
        Error::input(format!(
            "the stored definition of {id} cannot be read: {error}"
        ))
        .hint(format!(
            "resume it with duress {}, which started it",
            stored.version
        ))
    })?;
    let prepared = with_plan(plan, catalog, false).await?;
    let changed = changed(&stored.digests, &prepared.digests);
    if changed.is_empty() {
        return Ok(prepared);
    }
    Err(Error::input(format!(
        "cannot resume {id}: its inputs changed, so results would not be comparable: {}",
        changed.join("; ")
    ))
    .hint("put back what it began with, or run it anew"))
}

/// Whether a campaign's file still says what it said when the campaign began.
///
/// # Errors
/// `Input` when it does not, with the difference.
pub fn check_source(campaign: &str, stored: &StoredCampaign, path: &Path, now: &str) -> Result<()> {
    let Some(before) = stored.source.as_deref() else {
        return Ok(());
    };
    if before == now {
        return Ok(());
    }
    let diff = TextDiff::from_lines(before, now);
    let diff = diff
        .unified_diff()
        .context_radius(2)
        .header(
            &format!("{campaign}, as it began"),
            &path.display().to_string(),
        )
        .to_string();
    Err(Error::input(format!(
        "{} was changed since {campaign} began, so that its later trials would not be like its earlier ones:\n{}",
        path.display(),
        diff.trim_end()
    )))
}

/// Returns the newest campaign that was begun from a file.
///
/// # Errors
/// `Input` if it does not exist.
pub async fn campaign_of_file(store: &Store, file: &Path) -> Result<CampaignRow> {
    let path = file.display().to_string();
    store.campaign_of_file(&path).await?.ok_or_else(|| {
        Error::input(format!(
            "no campaign in {} was begun from {path}",
            store.path().display()
        ))
        .hint("leave --resume out to begin one; `duress list` lists those that there are")
    })
}

/// Returns what is not as it was, a phrase each.
fn changed(before: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Vec<String> {
    let short = |digest: &str| digest.chars().take(19).collect::<String>();
    before
        .iter()
        .filter(|(name, digest)| now.get(*name) != Some(digest))
        .map(|(name, digest)| match now.get(name) {
            Some(now) => format!("{name} was {} and is {}", short(digest), short(now)),
            None => format!("{name} is not used any more"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_and_the_rest_is_not() {
        let digests = |etcd: &str| {
            BTreeMap::from([
                ("plugins/etcd".to_owned(), etcd.to_owned()),
                ("plugins/faults".to_owned(), "sha256:1".to_owned()),
            ])
        };
        let (before, now) = (digests("sha256:2"), digests("sha256:3"));
        assert_eq!(changed(&before, &before), [""; 0]);
        assert_eq!(
            changed(&before, &now),
            ["plugins/etcd was sha256:2 and is sha256:3"]
        );
        assert_eq!(
            changed(&before, &BTreeMap::new()).len(),
            2,
            "what is gone is a change too"
        );
    }

    #[test]
    fn a_changed_file_is_refused_with_the_difference() {
        let stored = StoredCampaign {
            definition: serde_json::Value::Null,
            source: Some("name: a\ntrials_per_combination: 1\n".into()),
            source_path: None,
            digests: BTreeMap::new(),
            dry_run: false,
            version: String::new(),
        };
        let path = Path::new("/c.yaml");
        let same = stored.source.clone().expect("a text");
        check_source("campaign-1", &stored, path, &same).expect("the same");
        let error = check_source(
            "campaign-1",
            &stored,
            path,
            "name: a\ntrials_per_combination: 9\n",
        )
        .expect_err("another");
        let text = error.to_string();
        assert!(
            text.contains("-trials_per_combination: 1\n+trials_per_combination: 9"),
            "{text}"
        );
    }
}
