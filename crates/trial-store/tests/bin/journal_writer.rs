//! Works on a run as a search does, for tests that kill it: asks four trials at a time, answers them, and prints the
//! number of each event once it is on disk.
//!
//! Usage: `journal-writer RUN TRIALS`. Creates the run, or resumes it and asks only what has no answer.

use std::{env, error::Error, io::Write, path::Path};

use trial_store::{
    Answer, Event, Indices, Manifest, Measurement, Purpose, Question, RunDir, StopReason, Stopped, StoreError,
    TrialAnswered, TrialAsked, Verdict, system_clock,
};

const WORKERS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (run, trials) = arguments.next().zip(arguments.next()).ok_or("usage: journal-writer RUN TRIALS")?;
    work(Path::new(&run), trials.parse()?)
}

fn work(path: &Path, trials: u32) -> Result<(), Box<dyn Error>> {
    let run = match RunDir::open_existing(path, system_clock) {
        Err(StoreError::NotARun(_)) => RunDir::create(path, Manifest::new("journal-writer", 7), system_clock)?,
        opened => opened?.0,
    };
    let history = run.history();
    let open = |number: &u32| history.trials.get(number).is_none_or(|trial| trial.answer.is_none());
    let numbers: Vec<u32> = (1..=trials).filter(open).collect();
    for at_once in numbers.chunks(WORKERS) {
        for &number in at_once {
            let attempt = history.trials.get(&number).map_or(1, trial_store::Trial::next_attempt);
            append(
                &run,
                Event::TrialAsked(TrialAsked { attempt, ..TrialAsked::new(number, question(number), Purpose::Search) }),
            )?;
        }
        for &number in at_once {
            append(&run, Event::TrialAnswered(TrialAnswered::new(number, answer(number))))?;
        }
        run.write("subgraph.txt", format!("{:?}\n", at_once.last()).as_bytes())?;
    }
    append(&run, Event::Stopped(Stopped { reason: StopReason::Converged, detail: String::new() }))
}

fn append(run: &RunDir, event: Event) -> Result<(), Box<dyn Error>> {
    let entry = run.append(event)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", entry.seq)?;
    Ok(out.flush()?)
}

fn question(number: u32) -> Question {
    Question { backend: "timvx".into(), cpu_ops: (number..2 * number).collect::<Indices>(), samples: 8, repeat: 0 }
}

fn answer(number: u32) -> Answer {
    let score = f64::from(number).sqrt().fract();
    let verdict = if score > 0.5 { Verdict::Pass } else { Verdict::Fail };
    Answer::measured(verdict, Measurement { score: Some(score), ..Measurement::default() })
}
