//! `--dry-run` shows the plan and what it may cost, and leaves nothing behind.

use std::fs;

use crate::searches::{Search, ends_with};

/// Culprits, and trials of made-up searches for them: least, median, most.
fn cases(said: &str) -> Vec<[u64; 4]> {
    let table = said.lines().skip_while(|line| !line.trim_start().starts_with("culprits")).skip(1);
    table.map_while(|line| numbers(line).try_into().ok()).collect()
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_whitespace().take(4).map_while(|word| word.parse().ok()).collect()
}

#[test]
fn a_dry_run_tells_the_plan_and_runs_no_trial() {
    let search = Search::exec("").and(&["--jobs", "2"]);
    let run = search.path("run");
    let said = ends_with(0, search.fresh(&run).arg("--dry-run"));
    assert!(!run.exists() && search.calls().is_empty());
    for part in ["units", "strategy  auto, seed 0", "at once   2", "every op forced to the CPU", "at 10 s a trial"] {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
    let cases = cases(&said);
    assert_eq!(cases.iter().map(|case| case[0]).collect::<Vec<_>>()[..4], [1, 2, 4, 8], "{said}");
    assert!(cases.iter().all(|[_, least, median, most]| 3 < *least && least <= median && median <= most), "{said}");

    let worst = said.lines().find(|line| line.contains("worst case of auto")).unwrap();
    let worst: u64 = worst.split_whitespace().find_map(|word| word.parse().ok()).unwrap();
    assert!(cases.iter().all(|[.., most]| *most <= worst), "{said}");

    // The first trials are the ones that the search then runs.
    let undisturbed = search.undisturbed();
    let first = said.lines().find(|line| line.trim_start().starts_with("3  ")).unwrap();
    let journal = fs::read_to_string(search.path("undisturbed/trials.jsonl")).unwrap();
    let third = journal.lines().find(|line| line.contains("\"trial\":3,")).unwrap();
    let third: serde_json::Value = serde_json::from_str(third).unwrap();
    let units: usize = third["units"].as_str().unwrap().split(',').map(width).sum();
    assert!(first.contains(&format!("  {units} of ")), "{first}\n{third}");
    let trials = undisturbed.result["trials"].as_u64().unwrap();
    let [_, least, _, most] = cases[1];
    // A sample is no bound: a quarter more or less is no surprise.
    let near = 4 * trials >= 3 * least && 3 * trials <= 4 * most;
    assert!(near, "{trials} trials for two culprits, foretold were {least} to {most}");
}

/// How many numbers a range such as `3-7` or `4` holds.
fn width(range: &str) -> usize {
    match range.split_once('-') {
        Some((first, last)) => last.parse::<usize>().unwrap() + 1 - first.parse::<usize>().unwrap(),
        None => 1,
    }
}

#[test]
fn a_dry_run_on_the_simulator_times_a_trial() {
    let search = Search::simulated();
    let run = search.path("run");
    let said = ends_with(0, search.fresh(&run).arg("--dry-run"));
    assert!(!run.exists() && !search.path("cache").exists());
    assert!(said.contains(" a trial") && !said.contains("at 5 min"), "{said}");
    assert_eq!(cases(&said).len(), 5, "{said}");
}
