//! What a resumed run is held to, what it takes over, and what it says of damaged files.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::searches::{Search, answer, ends_with, finished, history, start};

/// A run that a trial limit ended early.
fn begun(search: &Search) -> PathBuf {
    let run = search.path("run");
    ends_with(3, search.fresh(&run).args(["--max-trials", "5"]));
    run
}

#[test]
fn a_limit_may_be_raised_and_the_run_ends_as_if_there_had_been_none() {
    let search = Search::exec("");
    let run = begun(&search);
    ends_with(0, &mut search.resume(&run, &["--max-trials", "1000"]));
    assert_eq!(search.calls(), (1..=history(&run).trials.len() as u32).collect::<Vec<_>>(), "each ran once");
    assert_eq!(answer(&run), search.undisturbed());
}

#[test]
fn changed_settings_are_refused_with_what_differs_and_leave_the_run_as_it_was() {
    let search = Search::exec("");
    let run = begun(&search);
    let journal = fs::read(run.join("journal.jsonl")).unwrap();
    for (args, named) in
        [(["--units", "type"], "units"), (["--seed", "5"], "seed"), (["--strategy", "ddmin"], "strategy")]
    {
        let said = ends_with(2, &mut search.resume(&run, &args));
        assert!(said.contains(named) && said.contains("--adopt"), "{said}");
    }
    fs::write(search.path("board.log"), fs::read(search.path("board.log")).unwrap().repeat(2)).unwrap();
    let said = ends_with(2, &mut search.resume(&run, &[]));
    assert!(said.contains("log") && said.contains("--adopt"), "{said}");
    assert_eq!(fs::read(run.join("journal.jsonl")).unwrap(), journal);
}

#[test]
fn adopted_answers_are_judged_anew_under_another_threshold() {
    let search = Search::scored();
    let run = search.path("run");
    ends_with(0, &mut search.fresh(&run));
    let (calls, earlier) = (search.calls().len(), answer(&run));
    let other = search.path("other");
    let said =
        ends_with(0, &mut search.resume(&run, &["--adopt", "--threshold", "0.85", "--out", other.to_str().unwrap()]));
    assert!(said.contains("still valid"), "{said}");
    let adopted = answer(&other);
    assert_eq!(adopted.result["threshold"].as_f64(), Some(0.85));
    assert!(adopted.subgraph.lines().count() < earlier.subgraph.lines().count(), "one type less is needed");
    let trials = history(&other).trials.len();
    assert!(search.calls().len() - calls < trials, "{trials} trials, all run again");
}

#[test]
fn a_changed_model_or_evaluator_has_nothing_to_adopt() {
    for (changed, appended) in [("board.log", "\n"), ("trial.sh", "# slower\n")] {
        let search = Search::scored();
        let run = search.path("run");
        ends_with(0, &mut search.fresh(&run));
        let text = fs::read_to_string(search.path(changed)).unwrap();
        search.file(changed, &(text + appended));
        let calls = search.calls().len();
        let other = search.path("other");
        let said = ends_with(0, &mut search.resume(&run, &["--adopt", "--out", other.to_str().unwrap()]));
        assert!(said.contains("nothing of") && said.contains("is valid any more"), "{said}");
        assert_eq!(search.calls().len() - calls, history(&other).trials.len(), "every trial ran");
    }
}

#[test]
fn a_corrected_verdict_outlives_a_crash_of_the_replay() {
    let search = Search::exec("");
    let run = search.path("run");
    ends_with(0, &mut search.fresh(&run));
    let log = ends_with(0, &mut search.other("log", &run));
    // The verification of the answer failed after all, says the user.
    let corrected: Vec<String> = log
        .lines()
        .map(|line| {
            let word = if line.contains("purpose=verification") { "fail" } else { "pass" };
            line.replacen("pass", word, 1)
        })
        .collect();
    let edited = search.file("edited.log", &corrected.join("\n"));
    let replay = search.path("replay");
    let said = ends_with(0, search.other("replay", &edited).arg("--out").arg(&replay));
    assert!(said.contains("1 of them corrected by hand"), "{said}");
    let replayed = answer(&replay);
    assert_eq!(replayed.result["verified"], false);

    // The power fails after the third event.
    let journal = fs::read_to_string(replay.join("journal.jsonl")).unwrap();
    let kept: Vec<&str> = journal.split_inclusive('\n').take(3).collect();
    fs::write(replay.join("journal.jsonl"), kept.concat()).unwrap();
    let calls = search.calls().len();
    ends_with(0, &mut search.resume(&replay, &[]));
    assert_eq!(answer(&replay), replayed);
    assert_eq!(search.calls().len(), calls, "every answer was in the log");
}

#[test]
fn a_torn_record_is_cut_off_and_asked_again() {
    let search = Search::exec("");
    let run = begun(&search);
    let journal = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    let fourth = journal.find("\"event\":\"trial_answered\",\"trial\":4").unwrap();
    fs::write(run.join("journal.jsonl"), &journal[..fourth + 20]).unwrap();
    let said = ends_with(0, &mut search.resume(&run, &["--max-trials", "1000"]));
    assert!(said.contains("torn by the crash") && said.contains("cut off"), "{said}");
    assert_eq!(answer(&run), search.undisturbed());
}

#[test]
fn damage_that_no_crash_explains_is_located_and_left_alone() {
    let search = Search::exec("");
    let run = begun(&search);
    let mut journal = fs::read(run.join("journal.jsonl")).unwrap();
    let third = journal.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(1).unwrap().0 + 1;
    journal[third + 40] ^= 1;
    fs::write(run.join("journal.jsonl"), &journal).unwrap();
    for command in [&mut search.resume(&run, &[]), &mut search.other("log", &run)] {
        let said = ends_with(2, command);
        assert!(said.contains(&format!("line 3 (byte {third})")), "{said}");
    }
    assert_eq!(fs::read(run.join("journal.jsonl")).unwrap(), journal);
}

/// Kills the search with trial 4 in flight.
fn crash_in_trial_4(command: &mut Command, [started, go]: &[PathBuf; 2]) {
    let (mut child, _stderr) = start(command);
    fs::read(started).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(go, "\n").unwrap(); // lets go of the orphan
}

/// From its fourth trial on, this command says that it runs and waits to be let go, unless `GATE` is `open`.
pub(crate) fn gated() -> (Search, [PathBuf; 2]) {
    let mut search = Search::exec(
        "[ \"$GATE\" = open ] || [ \"$NPU_BISECT_TRIAL\" -lt 4 ] || { echo > \"$STARTED\"; read _ < \"$GO\"; }",
    );
    let pipes = search.pipes(["started", "go"]);
    search.set("STARTED", pipes[0].to_str().unwrap());
    search.set("GO", pipes[1].to_str().unwrap());
    (search, pipes)
}

#[test]
fn a_trial_that_ran_at_two_crashes_in_a_row_is_unresolved_until_the_user_says_otherwise() {
    let (mut search, pipes) = gated();
    let run = search.path("run");
    crash_in_trial_4(&mut search.fresh(&run), &pipes);
    crash_in_trial_4(&mut search.resume(&run, &[]), &pipes);

    search.set("GATE", "open");
    let said = ends_with(0, &mut search.resume(&run, &[]));
    assert!(said.contains("trial 4 was running at two crashes in a row"), "{said}");
    let log = ends_with(0, &mut search.other("log", &run));
    assert!(log.contains("unresolved 4 ") && log.contains("cause=two_crashes"), "{log}");

    ends_with(0, &mut search.resume(&run, &["--retry-lost"]));
    assert!(!ends_with(0, &mut search.other("log", &run)).contains("two_crashes"));
    assert_eq!(answer(&run).subgraph, search.undisturbed().subgraph);
}

#[test]
fn a_running_search_can_be_looked_at_and_is_locked_against_a_second_one() {
    let (search, [started, go]) = gated();
    let run = search.path("run");
    let (mut child, _stderr) = start(&mut search.fresh(&run));
    fs::read(&started).unwrap();
    let log = ends_with(0, &mut search.other("log", &run));
    assert!(log.contains("ask 4 "), "{log}");
    let said = ends_with(2, &mut search.resume(&run, &[]));
    assert!(said.contains(&format!("process {}", child.id())), "{said}");
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(&go, "\n").unwrap();
}

#[test]
fn a_run_directory_is_for_its_owner_alone_and_follows_no_link() {
    let search = Search::exec("");
    let run = begun(&search);
    assert_eq!(fs::metadata(&run).unwrap().permissions().mode() & 0o777, 0o700);
    let outside = search.path("outside");
    fs::create_dir(&outside).unwrap();
    fs::remove_dir_all(run.join("trials")).unwrap();
    std::os::unix::fs::symlink(&outside, run.join("trials")).unwrap();
    let said = ends_with(2, &mut search.resume(&run, &["--max-trials", "1000"]));
    assert!(said.contains("it is a symbolic link"), "{said}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// The journal's lines up to and with one that holds this text, for the n-th time.
fn up_to(journal: &str, text: &str, n: usize) -> String {
    let mut seen = 0;
    let kept = journal.split_inclusive('\n').take_while(|line| {
        let wanted = seen < n;
        seen += usize::from(line.contains(text));
        wanted
    });
    kept.collect()
}

/// What a crash after this much of the journal leaves of a finished run.
fn crashed(search: &Search, finished: &Path, journal: &str, name: &str) -> PathBuf {
    let run = search.path(name);
    assert!(Command::new("cp").arg("-a").arg(finished).arg(&run).status().unwrap().success());
    for written_later in ["result.json", "trials.jsonl"] {
        fs::remove_file(run.join(written_later)).unwrap();
    }
    fs::write(run.join("journal.jsonl"), journal).unwrap();
    run
}

/// Resumes and sees that the run ends as the undisturbed one, with the trials that were on disk as they were.
fn goes_on(search: &Search, run: &Path, undisturbed: &Path) {
    let before = finished(&history(run));
    ends_with(0, &mut search.resume(run, &[]));
    assert_eq!(answer(run), answer(undisturbed));
    let (after, expected) = (history(run), history(undisturbed));
    let kept = finished(&after);
    assert!(before.iter().all(|trial| kept.contains(trial)), "a finished trial was lost or repeated");
    let questions = |history: &trial_store::History| -> Vec<trial_store::Question> {
        history.trials.values().map(|trial| trial.question.clone()).collect()
    };
    assert_eq!(questions(&after), questions(&expected), "the same trials in the same order");
}

#[test]
fn a_trial_that_was_decided_early_is_not_run_again_and_its_verdict_stands() {
    let search = Search::simulated();
    let data = fs::read_to_string(search.path("data.toml")).unwrap();
    search.file("data.toml", &data.replace("samples = 2", "samples = 48"));
    let whole = search.path("whole");
    ends_with(0, &mut search.fresh(&whole));
    let journal = fs::read_to_string(whole.join("journal.jsonl")).unwrap();
    let early: Vec<&str> = journal
        .lines()
        .filter(|line| line.contains("\"event\":\"trial_answered\"") && line.contains("\"samples_used\":16,"))
        .collect();
    assert!(!early.is_empty(), "no trial was decided early");
    for (n, answered) in early.iter().enumerate() {
        let run = crashed(&search, &whole, &up_to(&journal, answered, 1), &format!("crashed-{n}"));
        goes_on(&search, &run, &whole);
    }
}

#[test]
fn a_sweep_over_goals_goes_on_where_it_was() {
    let search = Search::scored().and(&["--pareto"]);
    let whole = search.path("whole");
    ends_with(0, &mut search.fresh(&whole));
    let journal = fs::read_to_string(whole.join("journal.jsonl")).unwrap();
    let sweeps = journal.lines().filter(|line| line.contains("\"purpose\":\"sweep\"")).count();
    assert!(sweeps > 2, "only {sweeps} trials of other goals");
    let calls = search.calls().len();
    for n in [1, sweeps / 2, sweeps] {
        let run = crashed(&search, &whole, &up_to(&journal, "\"purpose\":\"sweep\"", n), &format!("crashed-{n}"));
        let missing = history(&whole).trials.len() - finished(&history(&run)).len();
        let calls = search.calls().len();
        goes_on(&search, &run, &whole);
        assert_eq!(search.calls().len() - calls, missing, "only what had no answer ran");
        let front = |run: &Path| fs::read_to_string(run.join("pareto/pareto.json")).unwrap();
        assert_eq!(front(&run), front(&whole));
    }
    assert!(search.calls().len() > calls);
}
