//! The table that is printed.

const TITLES: [&str; 5] = ["row", "peer", "events/s", "to Orchestrix", "a commit survives"];

/// Rows of it, in the order in which they came.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 5]>,
}

impl Table {
    /// Rows of one workload: for each peer its name, nanoseconds an event, and what a commit survives. The ratio is that of
    /// the rates.
    pub fn rates(&mut self, row: &str, peers: &[(&str, f64, &str)]) {
        let ours = peers[0].1;
        self.extend(row, peers, |time| (rate(time), ours / time));
    }

    /// How long it took; the ratio is that of the times.
    pub fn times(&mut self, row: &str, peers: &[(&str, f64, &str)]) {
        let ours = peers[0].1;
        self.extend(row, peers, |time| (format!("{:.2} ms", time / 1e6), time / ours));
    }

    /// Bytes on disk for a byte of payload.
    pub fn bytes(&mut self, row: &str, peers: &[(&str, f64, &str)]) {
        let ours = peers[0].1;
        self.extend(row, peers, |bytes| (format!("{bytes:.2}"), bytes / ours));
    }

    fn extend(&mut self, row: &str, peers: &[(&str, f64, &str)], show: impl Fn(f64) -> (String, f64)) {
        for (peer, value, survives) in peers {
            let (shown, ratio) = show(*value);
            self.rows.push([row, peer, &shown, &format!("{ratio:.2}"), survives].map(String::from));
        }
    }

    pub fn print(&self) {
        let titles = TITLES.map(String::from);
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&titles]).map(|row| row[column].chars().count());
            cells.max().unwrap_or_default()
        };
        let widths: [usize; 5] = std::array::from_fn(width);
        let mut above = "";
        for row in [&titles].into_iter().chain(&self.rows) {
            if row[0] != above {
                println!();
            }
            above = &row[0];
            let cell = |column: usize| match (column, widths[column]) {
                (2 | 3, width) => format!("{:>width$}", row[column]),
                (_, width) => format!("{:<width$}", row[column]),
            };
            println!("{}", (0..5).map(cell).collect::<Vec<_>>().join("  ").trim_end());
        }
    }
}

/// Events a second.
fn rate(nanoseconds: f64) -> String {
    match 1e9 / nanoseconds {
        rate if rate >= 1e5 => format!("{:.2} M/s", rate / 1e6),
        rate => format!("{rate:.0} /s"),
    }
}
