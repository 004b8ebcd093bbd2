//! redis: a subject of duress, with a fault that only it has.

mod fault;
mod replication;
mod subject;
mod workload;

// What the component exports. It has no state: each call gets an instance of its own. A panic's message goes to the trial's log.
duress_sdk::export_subject!(subject::Redis);
duress_sdk::export_workload!(workload::operations);
