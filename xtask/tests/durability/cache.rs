//! What earlier runs measured is not measured again, and never served for other content.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::searches::{Search, answer, ends_with, history};

/// Runs the search in a new directory; returns how many trials came from the cache.
fn cached(search: &Search, run: &str, more: &[&str]) -> u64 {
    let run = search.path(run);
    ends_with(0, search.fresh(&run).args(more));
    let result = answer(&run).result;
    assert_eq!(result["verified"], true);
    check_fresh(&run);
    result["trials_cached"].as_u64().unwrap()
}

/// Baselines and the verification are always run.
fn check_fresh(run: &Path) {
    for trial in history(run).trials.values() {
        let source = trial.answer.as_ref().unwrap().1.source;
        let may_be_cached = matches!(trial.purpose, trial_store::Purpose::Search | trial_store::Purpose::Necessity);
        assert!(may_be_cached || source == trial_store::Source::Measured, "trial {} is {source:?}", trial.number);
    }
}

#[test]
fn a_simulated_search_is_remembered_until_its_content_changes() {
    let search = Search::simulated_remembering();
    assert_eq!(cached(&search, "first", &[]), 0);
    assert!(cached(&search, "second", &[]) > 0);
    assert_eq!(answer(&search.path("second")).subgraph, answer(&search.path("first")).subgraph);
    let mode = fs::metadata(search.path("cache/npu-bisect")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);

    assert_eq!(cached(&search, "not asked", &["--no-cache"]), 0);
    assert_eq!(cached(&search, "other metric", &["--metric", "cosine", "--threshold", "0.9999"]), 0);
    assert_eq!(cached(&search, "other device", &["--cpu", "float"]), 0);
    let data = fs::read_to_string(search.path("data.toml")).unwrap();
    search.file("data.toml", &data.replace("samples = 2", "samples = 3"));
    assert_eq!(cached(&search, "other data", &[]), 0);
}

#[test]
fn a_users_program_is_remembered_only_where_that_is_asked_for() {
    let search = Search::scored();
    cached(&search, "first", &[]);
    assert_eq!(cached(&search, "second", &[]), 0, "the program may depend on anything");

    assert_eq!(cached(&search, "third", &["--cache"]), 0);
    let calls = search.calls().len();
    assert!(cached(&search, "fourth", &["--cache"]) > 0);
    assert_eq!(search.calls().len() - calls, 3, "two baselines and the verification");

    // Scores are kept, not verdicts.
    cached(&search, "other goal", &["--cache", "--threshold", "0.85"]);
    let fewer = |run: &str| answer(&search.path(run)).subgraph.lines().count();
    assert!(fewer("other goal") < fewer("fourth"));

    let script = fs::read_to_string(search.path("trial.sh")).unwrap();
    search.file("trial.sh", &(script + "# changed\n"));
    assert_eq!(cached(&search, "other program", &["--cache"]), 0);
    let log = fs::read_to_string(search.path("board.log")).unwrap();
    search.file("board.log", &(log + "\n"));
    assert_eq!(cached(&search, "other log", &["--cache"]), 0);
}

#[test]
fn a_damaged_cache_is_set_aside_and_a_search_does_without() {
    let search = Search::scored();
    fs::create_dir_all(search.path("cache/npu-bisect")).unwrap();
    search.file("cache/npu-bisect/trials.redb", "no database");
    let said = ends_with(0, search.fresh(&search.path("run")).arg("--cache"));
    assert!(said.contains("the cache was damaged"), "{said}");
    assert!(cached(&search, "second", &["--cache"]) > 0);
}
