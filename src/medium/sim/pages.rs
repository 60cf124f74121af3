//! Bytes of a file as pages that images share until one of them changes its copy. A page that is absent reads as zeros.

use std::sync::Arc;

pub(super) const PAGE: usize = 4096;
pub(super) const SECTOR: usize = 512;
/// A cut within a sector falls on a multiple of this.
pub(super) const WORD: usize = 8;

pub(super) type Page = [u8; PAGE];
pub(super) type Sector = [u8; SECTOR];

const _: () = {
    assert!(PAGE.is_multiple_of(SECTOR));
    assert!(SECTOR.is_multiple_of(WORD));
};

static ZEROS: Sector = [0; SECTOR];

/// A sparse file. It may hold bytes past its length: blocks that were written while the length was not.
#[derive(Clone, Default)]
pub(super) struct Pages {
    pub(super) len: u64,
    pages: Vec<Option<Arc<Page>>>,
}

impl Pages {
    /// These bytes. Pages that are all zeros are holes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let pages = bytes.chunks(PAGE).map(|chunk| {
            let mut page = [0; PAGE];
            page[..chunk.len()].copy_from_slice(chunk);
            chunk.iter().any(|byte| *byte != 0).then(|| Arc::new(page))
        });
        Self { len: bytes.len() as u64, pages: pages.collect() }
    }

    /// How many pages can differ from zeros.
    pub(super) fn page_count(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn page(&self, number: usize) -> Option<&Arc<Page>> {
        self.pages.get(number)?.as_ref()
    }

    pub(super) fn set_page(&mut self, number: usize, page: Option<Arc<Page>>) {
        if self.pages.len() <= number {
            self.pages.resize(number + 1, None);
        }
        self.pages[number] = page;
    }

    pub(super) fn sector(&self, number: u64) -> &Sector {
        let at = number as usize * SECTOR;
        match self.page(at / PAGE) {
            Some(page) => {
                page[at % PAGE..][..SECTOR].try_into().expect("a slice of a page, as long as a sector")
            }
            None => &ZEROS,
        }
    }

    pub(super) fn set_sector(&mut self, number: u64, bytes: &Sector) {
        let at = number as usize * SECTOR;
        self.page_mut(at / PAGE)[at % PAGE..][..SECTOR].copy_from_slice(bytes);
    }

    /// Writes bytes; the length grows if they pass it.
    pub(super) fn write(&mut self, at: u64, bytes: &[u8]) {
        let mut place = at as usize;
        let mut rest = bytes;
        while !rest.is_empty() {
            let within = place % PAGE;
            let (now, later) = rest.split_at(rest.len().min(PAGE - within));
            self.page_mut(place / PAGE)[within..][..now.len()].copy_from_slice(now);
            place += now.len();
            rest = later;
        }
        self.len = self.len.max(place as u64);
    }

    /// The first `bytes_max` bytes of the file.
    pub(super) fn head(&self, bytes_max: usize) -> Vec<u8> {
        let mut bytes = vec![0; bytes_max.min(self.len as usize)];
        for (number, chunk) in bytes.chunks_mut(PAGE).enumerate() {
            if let Some(page) = self.page(number) {
                chunk.copy_from_slice(&page[..chunk.len()]);
            }
        }
        bytes
    }

    /// Sets the length; what lies past it is gone.
    pub(super) fn cut(&mut self, len: u64) {
        self.len = len;
        let kept = (len as usize).div_ceil(PAGE);
        self.pages.truncate(kept);
        let within = len as usize % PAGE;
        if within != 0 && self.page(kept - 1).is_some_and(|page| page[within..].iter().any(|b| *b != 0)) {
            self.page_mut(kept - 1)[within..].fill(0);
        }
    }

    fn page_mut(&mut self, number: usize) -> &mut Page {
        if self.pages.len() <= number {
            self.pages.resize(number + 1, None);
        }
        Arc::make_mut(self.pages[number].get_or_insert_with(|| Arc::new([0; PAGE])))
    }
}
