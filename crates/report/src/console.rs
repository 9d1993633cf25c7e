//! The console of a running search: a status that stays below the lines of finished trials, plain lines for a pipe, or the events for
//! another program.

use std::fmt::Write;

use trial_store::{BoardState, Entry, Event, Indices, Lever, Purpose, Timestamp, TrialAsked, Verdict};
use unicode_width::UnicodeWidthChar;

use crate::Progress;

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A line per finished trial, and a status below that is drawn again and again: for terminals.
    Live,
    /// A line per finished trial: for pipes and files.
    Plain,
    /// Nothing.
    Quiet,
    /// Each event as a line of JSON: for programs.
    Json,
}

/// Turns the events of a run into text, to be printed as it is.
#[derive(Clone, Debug)]
pub struct Console {
    mode: Mode,
    colors: bool,
    progress: Progress,
    status: Status,
    /// Lines of the status on the screen.
    drawn: usize,
}

/// What the status says.
#[derive(Clone, Debug, Default)]
struct Status {
    units: Vec<String>,
    lever: Lever,
    began: Option<Timestamp>,
    now: Option<Timestamp>,
    done: usize,
    running: Vec<TrialAsked>,
    best: Option<(Indices, Option<f64>)>,
    /// Units of the best placement that failed to go back.
    necessary: usize,
    last: Option<(u32, Verdict)>,
    told: Option<(Option<u32>, Option<u32>)>,
    quarantined: usize,
    boards: usize,
}

impl Console {
    /// For a run with these units to move, by their names for people. Colours are for terminals whose user has not set `NO_COLOR`.
    pub fn new(mode: Mode, units: Vec<String>, colors: bool) -> Self {
        let progress = Progress::new(units.len());
        Self { mode, colors, progress, status: Status { units, ..Status::default() }, drawn: 0 }
    }

    /// For a search with this lever; without it, the units of a placement move to the CPU.
    pub fn with_lever(mut self, lever: Lever) -> Self {
        self.progress = self.progress.with_lever(lever);
        self.status.lever = lever;
        self
    }

    /// What to print for an event on a screen of so many columns: on standard output for [`Mode::Json`], else on standard error.
    pub fn show(&mut self, entry: &Entry, columns: usize) -> String {
        match self.mode {
            Mode::Quiet => String::new(),
            Mode::Json => serde_json::to_string(entry).map(|json| json + "\n").unwrap_or_default(),
            Mode::Plain => self.progress.line(&entry.event).map(|line| line + "\n").unwrap_or_default(),
            Mode::Live => {
                self.status.apply(entry);
                let mut text = self.erase();
                if let Some(line) = self.progress.line(&entry.event) {
                    text += &self.paint(&fit(&line, columns), &entry.event);
                    text.push('\n');
                }
                if !matches!(entry.event, Event::Stopped(_) | Event::Finished(_)) {
                    let lines = self.status.lines(columns);
                    self.drawn = lines.len();
                    for line in lines {
                        text.push_str(&line);
                        text.push('\n');
                    }
                }
                text
            }
        }
    }

    /// What takes the status off the screen.
    pub fn erase(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\x1b[J"),
        }
    }

    fn paint(&self, line: &str, event: &Event) -> String {
        let Event::TrialAnswered(answered) = event else { return line.to_owned() };
        let verdict = answered.answer.verdict;
        let color = match verdict {
            Verdict::Pass => 32,
            Verdict::Fail => 31,
            Verdict::Unresolved => 33,
        };
        let word = format!(" {} ", word(verdict));
        if self.colors { line.replacen(&word, &format!("\x1b[{color}m{word}\x1b[0m"), 1) } else { line.to_owned() }
    }
}

impl Status {
    fn apply(&mut self, entry: &Entry) {
        self.began.get_or_insert(entry.at);
        self.now = Some(entry.at);
        match &entry.event {
            Event::RunStarted(started) => self.boards = started.boards.len(),
            Event::TrialAsked(asked) => {
                self.running.retain(|running| running.trial != asked.trial);
                self.running.push(asked.clone());
            }
            Event::TrialAnswered(answered) => {
                let verdict = answered.answer.verdict;
                let tests =
                    |running: &TrialAsked| running.trial == answered.trial && running.purpose == Purpose::Necessity;
                self.necessary += usize::from(verdict != Verdict::Pass && self.running.iter().any(tests));
                self.running.retain(|running| running.trial != answered.trial);
                self.done += 1;
                self.last = Some((answered.trial, verdict));
            }
            Event::BestImproved(best) => {
                self.best = Some((best.units.clone(), best.score));
                self.necessary = 0;
            }
            Event::Decision(decision) => self.told = Some((decision.remaining_at_least, decision.remaining_at_most)),
            Event::BoardChanged(changed) if changed.state == BoardState::Quarantined => self.quarantined += 1,
            _ => {}
        }
    }

    fn lines(&self, columns: usize) -> Vec<String> {
        let mut first = format!("{} done", self.done);
        if let Some(remaining) = self.remaining() {
            let _ = write!(first, ", {remaining} more"); // writing to a string cannot fail
        }
        if let Some(seconds) = self.seconds() {
            let _ = write!(first, "  {}:{:02}", seconds / 60, seconds % 60);
        }
        if let Some((trial, verdict)) = self.last {
            let _ = write!(first, "  last: {trial} {}", word(verdict));
        }
        if let [running, ..] = &self.running[..] {
            let also = if self.running.len() > 1 { format!(" +{}", self.running.len() - 1) } else { String::new() };
            let _ = write!(first, "  running: {}{also}", running.trial);
        }
        let mut second = match &self.best {
            Some((units, score)) => {
                let score = score.map(|score| format!(", score {score:.4}")).unwrap_or_default();
                let (best, all) = (units.len(), self.units.len());
                let place = self.lever.place();
                format!("best so far: {best} of {all} units {place}{score}{}", self.shown())
            }
            None => "no placement has passed yet".to_owned(),
        };
        if self.boards > 0 {
            let busy = self.running.len().min(self.boards);
            let _ = write!(second, "  boards: {busy} of {} busy", self.boards);
            if self.quarantined > 0 {
                let _ = write!(second, ", {} quarantined", self.quarantined);
            }
        }
        let lines = [Some(first), Some(second), self.culprits()];
        lines.into_iter().flatten().map(|line| fit(&line, columns)).collect()
    }

    /// The units of the best placement by name, once they are few enough to be read.
    fn culprits(&self) -> Option<String> {
        const FEW: usize = 8;
        let (units, _) = self.best.as_ref().filter(|(units, _)| (1..=FEW).contains(&units.len()))?;
        let names: Vec<&str> = units.iter().filter_map(|unit| Some(self.units.get(unit as usize)?.as_str())).collect();
        Some(format!("culprits so far: {}", names.join(", ")))
    }

    fn shown(&self) -> String {
        if self.necessary > 0 { format!(", {} of them shown necessary", self.necessary) } else { String::new() }
    }

    /// The trials that may still come. What the strategy says, where it can tell; else one (the verification) to what halving among the units
    /// of the best placement and trying each of them costs: c·log2(b/c) for c culprits among b units, at most 0.53·b, and b.
    fn remaining(&self) -> Option<String> {
        if let Some((least, most)) = self.told {
            return Some(match (least, most) {
                (Some(least), Some(most)) => format!("{least} to {most}"),
                (Some(least), None) => format!("at least {least}"),
                (None, Some(most)) => format!("at most {most}"),
                (None, None) => return None,
            });
        }
        let (units, _) = self.best.as_ref()?;
        Some(format!("1 to about {}", (units.len() as f64 * 1.53).ceil() as usize + 1))
    }

    fn seconds(&self) -> Option<u64> {
        Some(self.now?.as_millis().saturating_sub(self.began?.as_millis()) / 1000)
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Unresolved => "refused",
    }
}

/// The text cut to so many columns, with a mark where something is missing; control characters would move the cursor and are shown as marks.
fn fit(text: &str, columns: usize) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let width = |c: char| c.width().unwrap_or(1);
    let total: usize = text.chars().map(clean).map(width).sum();
    let room = if total <= columns { columns } else { columns.saturating_sub(1) };
    let mut used = 0;
    let mut shown: String = text
        .chars()
        .map(clean)
        .take_while(|&c| {
            used += width(c);
            used <= room
        })
        .collect();
    if total > columns && columns > 0 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    proptest! {
        #[test]
        fn a_line_never_wraps_and_never_moves_the_cursor(text in any::<String>(), columns in 1_usize..120) {
            let shown = fit(&text, columns);
            prop_assert!(shown.chars().map(|c| c.width().unwrap_or(1)).sum::<usize>() <= columns, "{:?}", shown);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(fit("量化模型", 8), "量化模型");
        assert_eq!(fit("量化模型", 7), "量化模…");
        assert_eq!(fit("量化模型", 7).width(), 7);
    }
}
