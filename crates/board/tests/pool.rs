//! Pools of boards under faults. Most boards here are folders of this machine; the last tests use real sshd.
#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers outside the test functions unwrap too

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use board::{
    cancel::Cancel,
    pool::{
        Answer, BoardChange, BoardConfig, Event, Golden, Health, Judgement, Pool, PoolOptions, Rung, Way, read_boards,
    },
    trial::{Artifact, Attempt, Trial},
};
use common::{LONG, Sshd};

/// Folders that play boards, and what a pool over them needs.
struct Lab {
    dir: tempfile::TempDir,
    runner: Artifact,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("results")).unwrap();
        let runner = Artifact::file("runner", &common::runner(dir.path())).unwrap();
        Self { dir, runner }
    }

    fn work(&self, board: &str) -> PathBuf {
        self.dir.path().join(board)
    }

    fn board(&self, name: &str) -> BoardConfig {
        BoardConfig {
            name: name.into(),
            way: Way::Local { local: true },
            work: self.work(name).to_str().unwrap().into(),
            soc: Some("a311d".into()),
            libraries: Vec::new(),
            driver_command: Some("echo 6.4.4.3".into()),
            reboot: Vec::new(),
            power_cycle: Vec::new(),
        }
    }

    /// A board behind each daemon.
    fn behind(&self, daemons: &[Sshd]) -> Vec<BoardConfig> {
        let board = |(index, sshd): (usize, &Sshd)| BoardConfig {
            way: Way::Ssh { ssh: "127.0.0.1".into(), options: sshd.options(), program: None },
            ..self.board(&format!("board{index}"))
        };
        daemons.iter().enumerate().map(board).collect()
    }

    /// Puts something wrong with a board; the snippet runs before each program there.
    fn spoil(&self, board: &str, snippet: &str) {
        fs::create_dir_all(self.work(board)).unwrap();
        fs::write(self.work(board).join("control"), snippet).unwrap();
    }

    /// A trial whose score is the length of its config.
    fn trial(&self, id: &str, config: &str) -> Trial {
        Trial {
            id: id.into(),
            config: Some(config.into()),
            artifacts: vec![self.runner.clone()],
            config_copies: Vec::new(),
            argv: ["./runner", "pool"].map(String::from).into(),
            env: Vec::new(),
            deadline: Duration::from_secs(20),
            wants_manifest: true,
        }
    }

    fn hang(&self, id: &str, config: &str) -> Trial {
        Trial { deadline: Duration::from_secs(1), ..self.trial(id, config) }
    }

    fn options(&self, every: u32) -> PoolOptions {
        let accept = |outcome: &Attempt| match score_of(outcome) {
            Some(6.0) => Judgement::Sound,
            other => Judgement::Unsound(format!("the golden trial gave {other:?}")),
        };
        let golden = Golden { trial: self.trial("golden", "golden"), accept: Arc::new(accept) };
        PoolOptions {
            run: "search".into(),
            results: self.dir.path().join("results"),
            health: Health { every, min_free_kb: 1, golden: Some(golden), artifacts: vec![self.runner.clone()] },
            max_attempts: 20,
            boot_patience: Duration::from_secs(10),
        }
    }

    fn pool(&self, boards: &[BoardConfig], every: u32) -> Pool {
        Pool::start(boards.to_vec(), self.options(every), &Cancel::new())
    }
}

fn score_of(outcome: &Attempt) -> Option<f64> {
    match outcome {
        Attempt::Ran(ran) => ran.manifest.as_ref()?.score,
        _ => None,
    }
}

/// What a pool said, with each trial's last answer that was not retracted.
#[derive(Default)]
struct Heard {
    answers: BTreeMap<String, Answer>,
    confirmed: BTreeSet<String>,
    changes: Vec<(String, BoardChange)>,
    events: Vec<Event>,
}

impl Heard {
    fn listen(&mut self, pool: &Pool, what: &str, enough: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LONG;
        while !enough(self) {
            assert!(Instant::now() < end, "waited in vain for {what}: {:#?}", self.events);
            let Some(event) = pool.next_event(Duration::from_secs(1)) else { continue };
            match &event {
                Event::Answered { trial, answer, .. } => {
                    self.answers.insert(trial.clone(), answer.clone());
                }
                Event::Confirmed { trials } => self.confirmed.extend(trials.iter().cloned()),
                Event::Retracted { trials, .. } => trials.iter().for_each(|trial| {
                    assert!(!self.confirmed.contains(trial), "a confirmed answer was retracted");
                    self.answers.remove(trial);
                }),
                Event::Board { board, change } => self.changes.push((board.clone(), change.clone())),
                _ => {}
            }
            self.events.push(event);
        }
    }

    fn answers(pool: &Pool, count: usize) -> Self {
        let mut heard = Self::default();
        heard.listen(pool, "answers", |heard| heard.answers.len() == count);
        heard
    }

    /// Waits until each of so many answers is confirmed. What a board loses in its check is asked again, and needs a check of its own.
    fn settle(&mut self, pool: &Pool, count: usize) {
        while self.confirmed.len() < count {
            self.listen(pool, "answers", |heard| heard.answers.len() == count);
            let retractions = self.retractions();
            pool.confirm();
            self.listen(pool, "confirmation", |heard| {
                heard.confirmed.len() == count || heard.retractions() > retractions
            });
        }
    }

    fn retractions(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Retracted { .. })).count()
    }

    fn score(&self, trial: &str) -> Option<f64> {
        match &self.answers[trial] {
            Answer::Done(outcome) => score_of(outcome),
            Answer::Hung { .. } => None,
        }
    }

    fn changed(&self, board: &str, wanted: impl Fn(&BoardChange) -> bool) -> bool {
        self.changes.iter().any(|(name, change)| name == board && wanted(change))
    }
}

fn is_quarantine(change: &BoardChange) -> bool {
    *change == BoardChange::Quarantined
}

#[test]
fn candidates_that_run_fail_crash_and_hang_are_told_apart_on_any_number_of_boards() {
    for boards in [&["one"][..], &["one", "two", "three"]] {
        let lab = Lab::new();
        let configs: Vec<_> = boards.iter().map(|name| lab.board(name)).collect();
        let pool = lab.pool(&configs, 3);
        for id in 0..6 {
            pool.ask(lab.trial(&format!("t{id}"), &"x".repeat(id + 1)));
        }
        pool.ask(lab.trial("crash", "crash"));
        pool.ask(lab.trial("bad", "bad"));
        pool.ask(lab.hang("hang", "hang"));
        let heard = Heard::answers(&pool, 9);
        for id in 0..6_u8 {
            assert_eq!(heard.score(&format!("t{id}")), Some(f64::from(id) + 1.0));
        }
        assert!(matches!(&heard.answers["crash"], Answer::Done(Attempt::Crashed { signal: 6, .. })));
        assert!(matches!(&heard.answers["bad"], Answer::Done(Attempt::Failed { code: 1, .. })));
        let Answer::Hung { boards: hung_on, .. } = &heard.answers["hang"] else {
            panic!("{:?}", heard.answers["hang"])
        };
        let distinct: BTreeSet<_> = hung_on.iter().collect();
        assert_eq!(distinct.len(), boards.len().min(2), "hung on {hung_on:?}");
    }
}

#[test]
fn a_candidate_that_hangs_once_is_tried_again_and_judged_by_what_it_does_then() {
    let lab = Lab::new();
    let pool = lab.pool(&[lab.board("one")], 10);
    // The second time it has to end in time, on a busy machine too.
    pool.ask(Trial { deadline: Duration::from_secs(5), ..lab.trial("flaky", "once") });
    assert_eq!(Heard::answers(&pool, 1).score("flaky"), Some(4.0));
}

#[test]
fn a_board_that_starts_to_compute_nonsense_loses_its_answers_since_the_last_good_check() {
    let lab = Lab::new();
    let pool = lab.pool(&[lab.board("good"), lab.board("bad")], 4);
    let mut heard = Heard::default();
    heard.listen(&pool, "both boards", |heard| heard.changes.len() == 2);
    lab.spoil("bad", "DRIFT=1");
    // So that the bad one gets its share.
    lab.spoil("good", "SLOW=0.1");
    for id in 0..16 {
        pool.ask(lab.trial(&format!("t{id}"), "abc"));
    }
    heard.settle(&pool, 16);
    for id in 0..16 {
        assert_eq!(heard.score(&format!("t{id}")), Some(3.0), "an answer of the bad board was confirmed");
    }
    assert!(heard.changed("bad", is_quarantine));
    assert_eq!(pool.boards(), ["good"]);
}

#[test]
fn the_ladder_is_climbed_from_the_bottom_and_a_board_that_comes_back_works_on() {
    let lab = Lab::new();
    let mut board = lab.board("one");
    let control = lab.work("one").join("control");
    board.reboot = vec!["/bin/false".into()];
    board.power_cycle = vec!["/bin/rm".into(), control.to_str().unwrap().into()];
    let pool = lab.pool(&[board], 1);
    let mut heard = Heard::default();
    heard.listen(&pool, "the board", |heard| heard.changes.len() == 1);
    lab.spoil("one", "DRIFT=1");
    pool.ask(lab.trial("t", "abc"));
    heard.listen(&pool, "a confirmed answer", |heard| heard.confirmed.contains("t"));
    assert_eq!(heard.score("t"), Some(3.0));
    let treated: Vec<_> = heard
        .changes
        .iter()
        .filter_map(|(_, change)| if let BoardChange::Treated(rung) = change { Some(*rung) } else { None })
        .collect();
    assert_eq!(treated, [Rung::Reconnect, Rung::Reboot, Rung::PowerCycle]);
    assert!(heard.changed("one", |change| *change == BoardChange::Recovered));
}

#[test]
fn boards_that_are_not_alike_are_not_used_together() {
    let lab = Lab::new();
    let mut other_driver = lab.board("other-driver");
    other_driver.driver_command = Some("echo 6.4.6.5".into());
    let library = lab.dir.path().join("lib.so");
    fs::write(&library, "v1").unwrap();
    let mut boards = vec![other_driver, lab.board("one"), lab.board("two"), lab.board("sick")];
    boards[2].soc = Some("a311d".into());
    lab.spoil("sick", "exit 75");
    let mut pool = lab.pool(&boards, 5);
    let mut heard = Heard::default();
    heard.listen(&pool, "all boards", |heard| {
        heard.changed("other-driver", |change| matches!(change, BoardChange::Refused(_)))
            && heard.changed("sick", is_quarantine)
            && heard.changed("two", |change| matches!(change, BoardChange::Joined(_)))
    });
    let mut other_library = lab.board("other-library");
    other_library.libraries = vec![library.to_str().unwrap().into()];
    pool.join(other_library);
    heard.listen(&pool, "the refusal", |heard| {
        heard.changed("other-library", |change| matches!(change, BoardChange::Refused(_)))
    });
    assert_eq!(pool.boards(), ["one", "two"]);
}

#[test]
fn boards_join_and_leave_in_mid_search_and_a_deserted_pool_says_so() {
    let lab = Lab::new();
    let mut pool = lab.pool(&[lab.board("one")], 5);
    pool.ask(lab.trial("first", "abc"));
    let mut heard = Heard::answers(&pool, 1);
    pool.leave("one");
    heard.listen(&pool, "the farewell", |heard| heard.changed("one", |change| *change == BoardChange::Left));
    assert!(heard.confirmed.contains("first"), "a board's answers are checked before it goes");
    pool.ask(lab.trial("second", "abcd"));
    heard.listen(&pool, "desertion", |heard| heard.events.contains(&Event::Deserted));
    pool.join(lab.board("two"));
    heard.listen(&pool, "the second answer", |heard| heard.answers.len() == 2);
    assert_eq!(heard.score("second"), Some(4.0));
}

#[test]
fn trouble_without_end_is_reported_and_is_no_verdict() {
    let lab = Lab::new();
    let mut options = lab.options(50);
    options.max_attempts = 3;
    options.health.golden = None;
    lab.spoil("one", "exit 75");
    let pool = Pool::start(vec![lab.board("one")], options, &Cancel::new());
    pool.ask(lab.trial("t", "abc"));
    let mut heard = Heard::default();
    heard.listen(&pool, "the end of patience", |heard| {
        heard.events.iter().any(|event| matches!(event, Event::Unanswered { trial, .. } if trial == "t"))
    });
    assert!(heard.answers.is_empty());
}

#[test]
fn dropping_a_pool_ends_what_runs_on_its_boards_and_removes_its_trials() {
    let lab = Lab::new();
    let pool = lab.pool(&[lab.board("one")], 5);
    let mut endless = lab.hang("endless", "hang");
    // Marks that no other run of this test has.
    let seconds = 8_000_000_000 + u64::from(std::process::id());
    endless.deadline = Duration::from_secs(seconds);
    let mark = lab.dir.path().join("endless").display().to_string();
    endless.argv.push(mark.clone());
    pool.ask(endless);
    common::eventually("the trial runs", || !common::running_with(&mark).is_empty());
    drop(pool);
    common::eventually("the trial is gone", || {
        common::running_with(&mark).is_empty() && common::running_with(&seconds.to_string()).is_empty()
    });
    assert!(!lab.work("one").join("search").exists());
    assert!(!lab.work("one").join("lock").exists());
}

#[test]
fn a_board_that_is_rebooting_when_the_pool_ends_is_left_clean() {
    let lab = Lab::new();
    let test = "a_board_that_is_rebooting_when_the_pool_ends_is_left_clean";
    let Some(sshd) = Sshd::start_respawning(test, "") else { return };
    let way = Way::Ssh { ssh: "127.0.0.1".into(), options: sshd.options(), program: None };
    let pool = lab.pool(&[BoardConfig { way, ..lab.board("one") }], 5);
    let mut endless = lab.hang("endless", "hang");
    endless.deadline = Duration::from_secs(1000);
    pool.ask(endless);
    common::eventually("the trial runs", || lab.work("one").join("lock/job").exists());
    sshd.signal("-KILL");
    drop(pool);
    assert!(!lab.work("one").join("lock").exists());
    assert!(!lab.work("one").join("search").exists());
    let folder = lab.dir.path().to_str().unwrap();
    common::eventually("the trial is gone", || common::running_with(folder).is_empty());
}

/// Three trials in ten meet a fault, told by the first digits of their nonce.
const FAULTS: &str = r#"
case $(cut -c1-2 nonce) in
  0*) kill -KILL $$ ;;
  1*) exit 75 ;;
  2[0-7]) report 00000000000000000000000000000000 "$config" '"score":1'; exit 0 ;;
  2[89a-f]) head -c 500 /dev/urandom >result.json; exit 0 ;;
  3*) printf '{"version":1,' >result.json; exit 0 ;;
  4[0-9a-c])
    # The connection's sshd dies; without one, as here and there, the trial just goes on.
    pid=$PPID
    while [ "$pid" -gt 1 ]; do
      case $(cat /proc/$pid/comm) in sshd*) kill -KILL "$pid"; sleep 1; break ;; esac
      pid=$(cut -d' ' -f4 /proc/$pid/stat)
    done ;;
esac
"#;

fn ask_and_compare(lab: &Lab, pool: &Pool, count: usize) {
    for id in 0..count {
        pool.ask(lab.trial(&format!("t{id}"), &"x".repeat(id % 7 + 1)));
    }
    pool.ask(lab.trial("crash", "crash"));
    let mut heard = Heard::default();
    heard.settle(pool, count + 1);
    for id in 0..count {
        assert_eq!(heard.score(&format!("t{id}")), Some((id % 7 + 1) as f64));
    }
    assert!(matches!(&heard.answers["crash"], Answer::Done(Attempt::Crashed { signal: 6, .. })));
    assert!(heard.events.iter().any(|event| matches!(event, Event::Troubled { .. })), "no fault was injected");
}

#[test]
fn three_faults_in_ten_trials_lose_nothing_and_change_no_answer_over_four_boards_behind_sshd() {
    let test = "three_faults_in_ten_trials_lose_nothing_and_change_no_answer_over_four_boards_behind_sshd";
    let lab = Lab::new();
    let Some(boards) = (0..4).map(|_| Sshd::start(test)).collect::<Option<Vec<_>>>() else { return };
    let configs = lab.behind(&boards);
    for config in &configs {
        lab.spoil(&config.name, FAULTS);
    }
    let pool = lab.pool(&configs, 10);
    ask_and_compare(&lab, &pool, 40);
    drop(pool);
    for sshd in &boards {
        common::eventually("every session ends", || sshd.processes().len() == 1);
    }
    for config in &configs {
        assert!(!lab.work(&config.name).join("lock").exists());
        assert!(!lab.work(&config.name).join("search").exists());
    }
}

/// Figures, not a test of time: `cargo test --package board --test pool -- --ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn throughput_of_four_boards_behind_ssh_with_trials_of_200_ms() {
    let lab = Lab::new();
    let daemons = [0; 4].map(|_| Sshd::start("throughput").unwrap());
    let configs = lab.behind(&daemons);
    for config in &configs {
        lab.spoil(&config.name, "SLOW=0.2");
    }
    let [one, four] = [1, 4].map(|boards| {
        let pool = lab.pool(&configs[..boards], 25);
        let (started, count) = (Instant::now(), 50 * boards);
        for id in 0..count {
            pool.ask(lab.trial(&format!("t{id}"), "abc"));
        }
        Heard::answers(&pool, count);
        let rate = count as f64 / started.elapsed().as_secs_f64();
        println!("{boards} board(s): {rate:.2} trials a second");
        rate
    });
    println!("four boards: {:.2} times the throughput of one", four / one);
}

#[test]
fn a_board_that_freezes_is_quarantined_and_the_others_take_its_trials() {
    let lab = Lab::new();
    let Some(sshd) = Sshd::start("a_board_that_freezes_is_quarantined_and_the_others_take_its_trials") else { return };
    let mut options = sshd.options();
    // Ahead of the transport's own, slower, choice.
    options.extend(["-o", "ServerAliveInterval=1", "-o", "ConnectTimeout=1"].map(String::from));
    let frozen =
        BoardConfig { way: Way::Ssh { ssh: "127.0.0.1".into(), options, program: None }, ..lab.board("frozen") };
    let pool = lab.pool(&[frozen, lab.board("sound")], 5);
    let mut heard = Heard::default();
    heard.listen(&pool, "both boards", |heard| heard.changes.len() == 2);
    sshd.signal("-STOP");
    for id in 0..8 {
        pool.ask(lab.trial(&format!("t{id}"), "abc"));
    }
    heard.listen(&pool, "answers", |heard| heard.answers.len() == 8);
    heard.listen(&pool, "quarantine", |heard| heard.changed("frozen", is_quarantine));
    sshd.signal("-CONT");
}

#[test]
fn a_board_that_goes_down_is_rebooted_and_works_on() {
    let lab = Lab::new();
    let Some(sshd) = Sshd::start("a_board_that_goes_down_is_rebooted_and_works_on") else { return };
    let pid_file = sshd.dir.path().join("second-daemon");
    // Its boot: a daemon of its own, with everything that was pushed gone.
    let boot = format!(
        "rm -rf '{}/store'; /usr/sbin/sshd -f '{}/config' -o PidFile='{2}'; until [ -s '{2}' ]; do sleep 0.05; done",
        lab.work("one").display(),
        sshd.dir.path().display(),
        pid_file.display()
    );
    let board = BoardConfig {
        way: Way::Ssh { ssh: "127.0.0.1".into(), options: sshd.options(), program: None },
        reboot: ["/bin/sh", "-c", &boot].map(String::from).into(),
        ..lab.board("one")
    };
    let pool = lab.pool(&[board], 5);
    pool.ask(lab.trial("before", "ab"));
    let mut heard = Heard::answers(&pool, 1);
    sshd.signal("-KILL");
    pool.ask(lab.trial("after", "abc"));
    heard.listen(&pool, "both answers", |heard| heard.answers.len() == 2);
    assert!(heard.changed("one", |change| *change == BoardChange::Recovered));
    // A reboot casts doubt on what came before it, so that was asked again.
    assert!(heard.events.iter().any(|event| matches!(event, Event::Retracted { .. })));
    assert_eq!((heard.score("before"), heard.score("after")), (Some(2.0), Some(3.0)));
    drop(pool);
    let pid = fs::read_to_string(pid_file).unwrap();
    assert!(std::process::Command::new("kill").arg(pid.trim()).status().unwrap().success());
}

#[test]
fn trouble_that_lasts_as_long_as_a_connection_does_not_lose_a_board_that_was_rebooted() {
    let lab = Lab::new();
    let test = "trouble_that_lasts_as_long_as_a_connection_does_not_lose_a_board_that_was_rebooted";
    let Some(sshd) = Sshd::start(test) else { return };
    let daemons = [sshd];
    let mut boards = lab.behind(&daemons);
    // Its boot: whatever runs over the first connection from now on meets a sick machine.
    let sick_at_first = "[ -f ../../first ] || echo \"$SSH_CONNECTION\" >../../first
        [ \"$(cat ../../first)\" != \"$SSH_CONNECTION\" ] || exit 75";
    let rebooted = lab.dir.path().join("rebooted");
    fs::write(&rebooted, sick_at_first).unwrap();
    let control = lab.work("board0").join("control");
    boards[0].reboot = ["/bin/cp", rebooted.to_str().unwrap(), control.to_str().unwrap()].map(String::from).into();
    let pool = lab.pool(&boards, 1);
    let mut heard = Heard::default();
    heard.listen(&pool, "the board", |heard| heard.changes.len() == 1);
    lab.spoil("board0", "DRIFT=1");
    pool.ask(lab.trial("t", "abc"));
    heard.listen(&pool, "the board's fate", |heard| {
        heard.confirmed.contains("t") || heard.changed("board0", is_quarantine)
    });
    assert!(heard.changed("board0", |change| *change == BoardChange::Recovered), "{:#?}", heard.events);
    assert!(lab.work("board0").join("first").exists(), "the first connection after the reboot met no trouble");
}

#[test]
fn boards_toml_is_read_and_mistakes_in_it_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("boards.toml");
    let read = |text: &str| {
        fs::write(&path, text).unwrap();
        read_boards(&path).map_err(|error| error.to_string().replace(dir.path().to_str().unwrap(), ""))
    };
    let boards = read(
        r#"
        [[board]]
        name = "desk"
        way = { ssh = "root@127.0.0.1", options = ["-p", "2222"] }
        work = "/userdata/npu"
        reboot = ["ssh", "root@127.0.0.1", "reboot"]
        [[board]]
        name = "here"
        way = { local = true }
        "#,
    )
    .unwrap();
    assert_eq!(boards.len(), 2);
    assert_eq!(Path::new(&boards[1].work), Path::new("/data/local/tmp/npu-bisect"));
    let desk = "[[board]]\nname = \"desk\"\nway = { local = true }\n";
    for (text, mistake) in [
        (desk.repeat(2), "another board has the same name"),
        (desk.replace("desk", "../x"), "letters, digits"),
        (desk.replace("true", "false"), "can only be true"),
        (format!("{desk}work = \"relative\"\n"), "absolute"),
        (format!("{desk}sock = \"x\"\n"), "unknown field `sock`"),
        ("[[board]\n".into(), "line 1"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(mistake), "{error:?} does not say {mistake:?}");
    }
}
