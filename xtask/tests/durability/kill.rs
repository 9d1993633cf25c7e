//! `kill -9` at any moment costs no finished trial and does not change the answer.

use std::{
    env, fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use crate::searches::{Search, answer, ends_with, finished, history, in_flight};

/// How many kills a test makes; the variable `NPU_BISECT_KILLS` asks for more.
fn kills(usual: u32) -> u32 {
    env::var("NPU_BISECT_KILLS").map_or(usual, |count| count.parse().unwrap())
}

/// What the kills of a test hit.
#[derive(Debug, Default)]
struct Hits {
    before_the_run_began: u32,
    trials_in_flight: usize,
    after_the_end: u32,
}

/// Kills so many running searches at random moments, each time in a new run, and resumes each to its end.
fn kill_and_resume(search: &Search, count: u32) -> Hits {
    let started = Instant::now();
    let undisturbed = search.undisturbed();
    let mut duration = started.elapsed();
    let (mut hits, mut kill) = (Hits::default(), 0);
    while kill < count {
        let run = search.path(&format!("killed-{kill}"));
        let mut child = search.fresh(&run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moment is what is random here; nothing is waited for.
        thread::sleep(duration.mul_f64(getrandom_fraction()));
        if child.try_wait().unwrap().is_some() {
            // Too late: the machine is quicker than it was. Such a run is resumed too, but is no kill.
            hits.after_the_end += 1;
            duration = duration.mul_f64(0.95);
        } else {
            kill += 1;
        }
        child.kill().unwrap();
        child.wait().unwrap();

        if !run.join("run.json").exists() {
            hits.before_the_run_began += 1;
            ends_with(0, &mut search.fresh(&run));
            assert_eq!(answer(&run), undisturbed);
            continue;
        }
        let before = history(&run);
        hits.trials_in_flight += in_flight(&before);
        check_resumed(search, &run, &finished(&before));
        assert_eq!(answer(&run), undisturbed, "after kill {kill}");
        fs::remove_dir_all(&run).unwrap();
    }
    hits
}

/// Resumes a run and sees that its finished trials stay as they are, with no further attempt.
fn check_resumed(search: &Search, run: &Path, finished_before: &[(u32, usize, String)]) {
    ends_with(0, &mut search.resume(run, &[]));
    let after = history(run);
    let kept = finished(&after);
    assert!(finished_before.iter().all(|trial| kept.contains(trial)), "a finished trial was lost or repeated");
    for trial in after.trials.values() {
        assert!(trial.answer.is_some(), "trial {} was left behind", trial.number);
        assert!(trial.asks.len() <= 2, "trial {} was asked {} times for one kill", trial.number, trial.asks.len());
    }
}

/// Between 0 and 1.1: some kills come too late on purpose.
fn getrandom_fraction() -> f64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).unwrap();
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX) * 1.1
}

#[test]
fn a_simulated_search_survives_every_kill() {
    let count = kills(30);
    let hits = kill_and_resume(&Search::simulated(), count);
    eprintln!("{count} kills: {hits:?}");
    assert!(hits.trials_in_flight > 0, "no kill hit a trial in flight: {hits:?}");
}

#[test]
fn a_search_with_a_command_per_trial_survives_every_kill_and_calls_it_no_more_than_needed() {
    let count = kills(30) / 3;
    let search = Search::exec("sleep 0.02").and(&["--jobs", "4"]);
    let hits = kill_and_resume(&search, count);
    eprintln!("{count} kills: {hits:?}");
    assert!(hits.trials_in_flight > 0, "no kill hit a trial in flight: {hits:?}");
    let trials = search.undisturbed_trials();
    // Beyond one call a trial and run: at most the four in flight at each kill, and runs that had to start anew.
    let runs = count + hits.after_the_end + 1;
    let most = trials * runs + 4 * count + trials * hits.before_the_run_began;
    let calls = search.calls().len() as u32;
    assert!(calls <= most, "{calls} calls, at most {most} were due: {hits:?}");
}

#[test]
fn a_search_that_is_killed_over_and_over_gets_there_when_lost_trials_are_retried() {
    let search = Search::simulated();
    let started = Instant::now();
    let undisturbed = search.undisturbed();
    let duration = started.elapsed();
    let run = search.path("run");
    let mut command = search.fresh(&run);
    for _ in 0..kills(30) / 3 {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(duration.mul_f64(0.3 + 0.4 * getrandom_fraction()));
        child.kill().unwrap();
        child.wait().unwrap();
        if run.join("run.json").exists() {
            history(&run);
            command = search.resume(&run, &["--retry-lost"]);
        }
    }
    ends_with(0, &mut command);
    history(&run);
    assert_eq!(answer(&run), undisturbed);
}

impl Search {
    fn undisturbed_trials(&self) -> u32 {
        history(&self.path("undisturbed")).trials.len() as u32
    }
}

/// The time that a person would take to notice; only there to fail instead of hanging.
pub(crate) const SOON: Duration = Duration::from_secs(20);
