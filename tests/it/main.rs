//! The tests of partest at its boundary: descriptors in; events, reports and exit codes out.

mod captures;
#[cfg(feature = "harness")]
mod cargo_harness;
mod check;
mod completions;
mod conditions;
mod config;
#[cfg(feature = "http")]
mod download;
#[cfg(feature = "http")]
mod download_rest;
mod ending;
mod expansion;
#[cfg(feature = "harness")]
mod faults_bounds;
mod faults_harness;
mod faults_journal;
mod faults_limits;
mod faults_logs;
mod faults_matrix;
mod faults_output;
mod faults_paths;
mod faults_places;
mod faults_processes;
mod faults_signals;
mod faults_soak;
mod faults_surroundings;
mod faults_tree;
mod faults_unkillable;
mod faults_watchdog;
mod file_large;
mod file_steps;
mod golden;
mod history;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_curl;
#[cfg(feature = "http")]
mod http_cut;
#[cfg(feature = "http")]
mod http_early;
#[cfg(feature = "http")]
mod http_hostile;
#[cfg(feature = "http")]
mod http_proxy;
#[cfg(feature = "http")]
mod httpbin;
mod init;
mod interfere;
mod interruption;
mod late;
mod layers;
mod leniency;
mod manual;
mod matchers;
mod output;
mod outputs;
mod planning;
mod polling;
mod properties;
mod real_input;
mod record;
mod repeat;
mod reports;
mod resources;
mod resume;
mod schema;
mod selection;
mod services;
mod shards;
mod slots;
mod source;
#[cfg(feature = "postgres")]
mod sql_postgres;
mod sql_steps;
mod steps;
mod stress;
mod suite_hooks;
mod support;
mod tidy;
mod verdicts;
mod workers;
