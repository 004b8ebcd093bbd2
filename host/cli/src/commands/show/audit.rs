//! Every host call of a trial's plugins, and every action of its changes.

use clap::Args;
use duress_journal::change::Change;
use duress_store::{AuditRow, ChangeRow, Store};

use crate::ui::print::{print_line, say};
use crate::ui::{format, style};

/// Which calls are shown.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Also print every host call of the trial's plugins, allowed or denied
    #[arg(long)]
    pub(super) audit: bool,
    /// With --audit, only calls made in this function, e.g. `inject` [default: all but `health`]
    #[arg(long, value_name = "NAME", requires = "audit")]
    function: Option<String>,
    /// With --audit, only calls of this plugin
    #[arg(long, value_name = "NAME", requires = "audit")]
    plugin: Option<String>,
}

impl Filter {
    /// Returns whether a call is shown. Health checks are many, and seldom what one looks for.
    fn wants(&self, call: &AuditRow) -> bool {
        let short = call.function.rsplit('.').next().unwrap_or_default();
        let function = match &self.function {
            Some(wanted) => *wanted == call.function || wanted == short,
            None => short != "health",
        };
        let plugin = self.plugin.as_ref();
        function && plugin.is_none_or(|wanted| *wanted == call.plugin)
    }

    /// Returns the calls to show, where the audit is wanted, and how many others there are.
    pub(super) async fn calls(
        &self,
        store: &Store,
        trial: &str,
    ) -> duress_model::Result<(Option<Vec<AuditRow>>, usize)> {
        if !self.audit {
            return Ok((None, 0));
        }
        let mut calls = store.audit(trial).await?;
        let all = calls.len();
        calls.retain(|call| self.wants(call));
        let left_out = all - calls.len();
        Ok((Some(calls), left_out))
    }
}

/// Prints calls, a line each.
pub(super) fn print(calls: &[AuditRow], left_out: usize, filter: &Filter) {
    for call in calls {
        let detail = call.detail.as_deref().map(|detail| format!(": {detail}"));
        print_line!(
            "{} {:<8} {} {} {} {}{}",
            format::time(call.at),
            call.verdict,
            call.plugin,
            style::FAINT.paint(format_args!("in {}", call.function)),
            call.call,
            call.arguments,
            detail.unwrap_or_default()
        );
    }
    if left_out > 0 {
        let others = format::count(left_out, "other call");
        match filter.function {
            Some(_) => say!("{others} not shown."),
            None => say!("{others} not shown; `--function health` shows those of health checks."),
        }
    }
}

/// Prints what a change did, and what its rollback does, action by action.
pub(super) fn print_actions(change: &ChangeRow) {
    // One that an older version wrote may have another form.
    let Ok(whole) = serde_json::from_value::<Change>(change.change.clone()) else {
        return;
    };
    print_line!();
    print_line!("{} on {}", change.summary, change.container_name);
    for (verb, actions) in [("apply", &whole.apply), ("revert", &whole.revert)] {
        for action in actions {
            print_line!(
                "  {} {action}",
                style::FAINT.paint(format_args!("{verb:<6}"))
            );
        }
    }
}
