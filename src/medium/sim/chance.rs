//! What a power cut does to one thing that was not synced: chance decides, or an enumeration of all cases.

use super::Rng;
use super::pages::{SECTOR, Sector, WORD};

/// What power loss may do to the sectors that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Crash {
    /// Each is there, or not, or partly: whole words of 8 bytes are new or old (F7, F8).
    Torn,
    /// As `Torn`, and bytes that were not synced may be garbage, zeros, or from another file (F10, F30).
    Garbage,
    /// As `Garbage`, and synced bytes of the same sector suffer with them: without power-safe overwrite (F11).
    Wild,
}

/// Decides the fate of one thing after another.
pub(super) struct Chance {
    pub(super) rng: Rng,
    crash: Crash,
    /// How likely a thing is kept; one number an image, so that nearly all and nearly nothing are met too.
    keep_of_thousand: u64,
    script: Option<Script>,
}

/// All cases in turn: the bits of a number say what is kept.
struct Script {
    bits: u64,
    asked: u32,
}

impl Chance {
    pub(super) fn seeded(seed: u64, crash: Crash) -> Self {
        let mut rng = Rng::new(seed);
        let keep_of_thousand = [500, 100, 900, 0, 1000, 500, 300, 970][rng.below(8) as usize];
        Self { rng, crash, keep_of_thousand, script: None }
    }

    /// The case of this number; a set bit keeps.
    pub(super) fn numbered(bits: u64) -> Self {
        let script = Some(Script { bits, asked: 0 });
        Self { rng: Rng::new(bits), crash: Crash::Torn, keep_of_thousand: 0, script }
    }

    /// How many decisions a numbered one has made.
    pub(super) fn asked(&self) -> u32 {
        self.script.as_ref().map_or(0, |script| script.asked)
    }

    /// Whether one whole thing is kept.
    pub(super) fn keeps(&mut self) -> bool {
        match &mut self.script {
            Some(script) => {
                script.asked += 1;
                script.bits >> (script.asked - 1).min(63) & 1 == 1
            }
            None => self.rng.chance(self.keep_of_thousand),
        }
    }

    /// What is left of a sector that was `old` and was being made `new`. `other` gives a sector of another file.
    pub(super) fn sector(
        &mut self,
        old: &Sector,
        new: &Sector,
        other: impl FnOnce(&mut Rng) -> Sector,
    ) -> Sector {
        if self.script.is_some() || self.rng.chance(750) {
            return if self.keeps() { *new } else { *old };
        }
        match self.crash {
            Crash::Torn => self.torn(old, new),
            _ if self.rng.coin() => self.torn(old, new),
            crash => {
                let mut spoilt = match self.rng.below(3) {
                    0 => [0; SECTOR],
                    1 => other(&mut self.rng),
                    _ => self.garbage(),
                };
                if self.rng.coin() {
                    self.tear(new, &mut spoilt);
                }
                if crash == Crash::Garbage {
                    for place in (0..SECTOR).filter(|place| old[*place] == new[*place]) {
                        spoilt[place] = old[place];
                    }
                }
                spoilt
            }
        }
    }

    fn torn(&mut self, old: &Sector, new: &Sector) -> Sector {
        let mut left = *old;
        self.tear(new, &mut left);
        left
    }

    /// Puts some words of `from` into `into`: the first ones, the last ones, or any.
    fn tear(&mut self, from: &Sector, into: &mut Sector) {
        let words = SECTOR / WORD;
        let cut = self.rng.below(words as u64 + 1) as usize * WORD;
        match self.rng.below(3) {
            0 => into[..cut].copy_from_slice(&from[..cut]),
            1 => into[cut..].copy_from_slice(&from[cut..]),
            _ => {
                for at in (0..SECTOR).step_by(WORD).filter(|_| self.rng.coin()).collect::<Vec<_>>() {
                    into[at..at + WORD].copy_from_slice(&from[at..at + WORD]);
                }
            }
        }
    }

    fn garbage(&mut self) -> Sector {
        let mut sector = [0; SECTOR];
        self.rng.fill(&mut sector);
        sector
    }
}
