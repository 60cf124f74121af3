//! The closing table. A bench prints its own rows and leaves them under `target`; the last bench, `summary`, prints those
//! of all and removes them, so that no row of an earlier run is shown again.

use super::measure::{Samples, median, quantile, ratios};
use super::run::data_dir;
use std::fs;
use std::path::PathBuf;

const TITLES: [&str; 7] = ["row", "orchestrix", "base", "ratio", "middle half", "target", ""];

/// What a ratio has to be.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// Shown, not judged.
    None,
}

/// Rows of one bench, as the cells that are printed.
pub struct Rows {
    bench: &'static str,
    rows: Vec<[String; 7]>,
}

impl Rows {
    /// None yet, for the bench of this name. Forgets what an earlier run left.
    pub fn of(bench: &'static str) -> Self {
        let _ = fs::remove_file(file(bench));
        Self { bench, rows: Vec::new() }
    }

    /// How fast against the base: the ratio is that of the rates.
    pub fn rate(&mut self, name: &str, ours: &Samples, base: &Samples, target: Target) {
        let cells = [rate(median(ours)), rate(median(base))];
        self.push(name, cells, &ratios(base, ours), target);
    }

    /// How slow against the base: the ratio is that of the times.
    pub fn time(&mut self, name: &str, ours: &Samples, base: &Samples, target: Target) {
        let cells = [time(median(ours)), time(median(base))];
        self.push(name, cells, &ratios(ours, base), target);
    }

    /// How many bytes on disk for how many of payload.
    pub fn bytes(&mut self, name: &str, ours: u64, payload: u64, target: Target) {
        let cells = [mebibytes(ours), mebibytes(payload)];
        self.push(name, cells, &[ours as f64 / payload as f64], target);
    }

    /// How many bytes for each of so many.
    pub fn bytes_each(&mut self, name: &str, ours: u64, count: u64, target: Target) {
        let cells = [mebibytes(ours), format!("{:.2} M", count as f64 / 1e6)];
        self.push(name, cells, &[ours as f64 / count as f64], target);
    }

    fn push(&mut self, name: &str, [ours, base]: [String; 2], ratios: &[f64], target: Target) {
        let ratio = median(ratios);
        let (bound, met) = match target {
            Target::AtLeast(bound) => (format!("at least {bound}"), ratio >= bound),
            Target::AtMost(bound) => (format!("at most {bound}"), ratio <= bound),
            Target::None => (String::new(), true),
        };
        let verdict = match (target, met) {
            (Target::None, _) => "",
            (_, true) => "met",
            (_, false) => "NOT MET",
        };
        let spread = match ratios.len() {
            1 => String::new(),
            _ => format!("{:.2} to {:.2}", quantile(ratios, 0.25), quantile(ratios, 0.75)),
        };
        let name = format!("{}: {name}", self.bench);
        self.rows.push([name, ours, base, format!("{ratio:.2}"), spread, bound, verdict.into()]);
    }

    /// Prints the rows and leaves them for `summary`.
    pub fn finish(self) {
        print(&self.rows);
        let lines: Vec<String> = self.rows.iter().map(|row| row.join("\t")).collect();
        let path = file(self.bench);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder below target");
        fs::write(path, lines.join("\n")).expect("leave the rows");
    }
}

/// Takes what a bench has left; nothing if it left nothing.
pub fn take(bench: &str) -> Vec<[String; 7]> {
    let text = fs::read_to_string(file(bench)).unwrap_or_default();
    let _ = fs::remove_file(file(bench));
    text.lines()
        .filter_map(|line| line.split('\t').map(String::from).collect::<Vec<_>>().try_into().ok())
        .collect()
}

/// Prints rows as a table.
pub fn print(rows: &[[String; 7]]) {
    let titles = TITLES.map(String::from);
    let width = |column: usize| {
        rows.iter().chain([&titles]).map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |row: &[String; 7]| {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(column, (cell, width))| match column {
                1..=3 => format!("{cell:>width$}"),
                _ => format!("{cell:<width$}"),
            })
            .collect();
        println!("{}", cells.join("  ").trim_end());
    };
    println!();
    line(&titles);
    line(&widths.map(|width| "-".repeat(width)));
    rows.iter().for_each(line);
    println!();
}

fn file(bench: &str) -> PathBuf {
    data_dir().join("bench-rows").join(bench)
}

fn rate(nanoseconds: f64) -> String {
    match 1e9 / nanoseconds {
        rate if rate >= 1e5 => format!("{:.2} M/s", rate / 1e6),
        rate => format!("{rate:.0} /s"),
    }
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        long if long >= 1e6 => format!("{:.2} ms", long / 1e6),
        short if short >= 1e3 => format!("{:.1} us", short / 1e3),
        tiny => format!("{tiny:.1} ns"),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}
