//! The floor of delivering: a log of words in memory with one end that a writer publishes, and cursors that walk it. A record is
//! its length in bytes and its payload. Nothing is checked, nothing is kept.

use super::scan::Passed;
use std::sync::atomic::{AtomicU64, Ordering};

pub struct SharedLog {
    words: Vec<AtomicU64>,
    /// Words that readers may read.
    end: AtomicU64,
}

impl SharedLog {
    /// Room for so many records of so many bytes, a multiple of 8.
    pub fn new(records: u64, bytes: usize) -> Self {
        let words = records as usize * (1 + bytes / 8);
        Self { words: (0..words).map(|_| AtomicU64::new(0)).collect(), end: AtomicU64::new(0) }
    }

    pub fn append(&self, payload: &[u8]) {
        let end = self.end.load(Ordering::Relaxed) as usize;
        self.words[end].store(payload.len() as u64, Ordering::Relaxed);
        let (chunks, _) = payload.as_chunks::<8>();
        for (word, chunk) in self.words[end + 1..].iter().zip(chunks) {
            word.store(u64::from_le_bytes(*chunk), Ordering::Relaxed);
        }
        self.end.store((end + 1 + chunks.len()) as u64, Ordering::Release);
    }

    /// Reads on from a word until so many records were passed, whenever they come. Each is summed.
    pub fn follow(&self, records: u64) -> Passed {
        let (mut passed, mut at) = (Passed::default(), 0);
        while passed.events < records {
            let end = self.end.load(Ordering::Acquire) as usize;
            if at == end {
                std::thread::yield_now();
            }
            while at < end {
                let words = self.words[at].load(Ordering::Relaxed) as usize / 8;
                let payload = &self.words[at + 1..at + 1 + words];
                let sum =
                    payload.iter().fold(0, |sum: u64, word| sum.wrapping_add(word.load(Ordering::Relaxed)));
                passed.events += 1;
                passed.sum = passed.sum.wrapping_add(sum);
                at += 1 + words;
            }
        }
        passed
    }
}
