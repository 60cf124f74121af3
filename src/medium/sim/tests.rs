//! The simulated disk against what it says of itself: what survives, what may be lost, and that both really happen.

use super::*;
use crate::medium::{Access, Files, Found, RegionWriter, Site, WriteMode};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const LEN: u64 = 16 * 1024;
const AT: u64 = 4096;

/// A disk with one durable file, mapped and ready to be stored to.
fn disk_with_file() -> (SimDisk, RegionWriter) {
    let disk = SimDisk::new(1, WriteMode::Mapped);
    let writer = file_on(&disk, "a");
    disk.sync_dir("").unwrap();
    (disk, writer)
}

fn file_on(disk: &SimDisk, path: &str) -> RegionWriter {
    disk.create_root().unwrap();
    let writer = disk.create_region(path, LEN).unwrap();
    writer.region().reserve(0, LEN).unwrap();
    writer.region().populate(0, LEN).unwrap();
    writer.region().sync_file().unwrap();
    writer
}

fn content(disk: &SimDisk) -> Vec<u8> {
    disk.peek("a").expect("the file is there")
}

#[test]
fn what_was_synced_survives_and_nothing_else_must() {
    let (disk, mut writer) = disk_with_file();
    writer.write(Site::Body, AT, &[1; 512]).unwrap();
    writer.region().sync_range(AT, AT + 512).unwrap();
    writer.write(Site::Body, AT + 512, &[2; 1024]).unwrap();
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let bytes = content(&disk.crash_image(seed, Crash::Torn));
        assert_eq!(bytes[AT as usize..][..512], [1; 512], "seed {seed}");
        let sectors = [bytes[AT as usize + 512], bytes[AT as usize + 1024]];
        assert!(sectors.iter().all(|byte| [0, 2].contains(byte)), "seed {seed}");
        seen.insert(sectors);
    }
    assert_eq!(seen.len(), 4, "each of the two sectors was kept and dropped, whatever became of the other");
}

#[test]
fn a_sector_tears_at_words() {
    let (disk, mut writer) = disk_with_file();
    writer.write(Site::Body, AT, &[3; 512]).unwrap();
    let mut torn = 0;
    for seed in 0..200 {
        let bytes = content(&disk.crash_image(seed, Crash::Torn));
        let sector = &bytes[AT as usize..][..512];
        assert!(sector.chunks(8).all(|word| word == [0; 8] || word == [3; 8]), "seed {seed}");
        torn += usize::from(sector.contains(&0) && sector.contains(&3));
    }
    assert!(torn > 10, "{torn} of 200 were torn");
}

#[test]
fn garbage_spares_synced_bytes_and_wildness_does_not() {
    let (disk, mut writer) = disk_with_file();
    writer.write(Site::Body, AT, &[1; 256]).unwrap();
    writer.region().sync_range(AT, AT + 256).unwrap();
    writer.write(Site::Body, AT + 256, &[2; 256]).unwrap();
    let image = |seed, crash| content(&disk.crash_image(seed, crash))[AT as usize..][..512].to_vec();
    let (mut spoilt, mut wild) = (0, 0);
    for seed in 0..400 {
        let bytes = image(seed, Crash::Garbage);
        assert_eq!(bytes[..256], [1; 256], "seed {seed}");
        spoilt += usize::from(bytes[256..].iter().any(|byte| ![0, 2].contains(byte)));
        wild += usize::from(image(seed, Crash::Wild)[..256] != [1; 256]);
    }
    assert!(spoilt > 5 && wild > 5, "{spoilt} and {wild} of 400");
}

#[test]
fn names_and_lengths_are_lost_until_they_are_synced() {
    let disk = SimDisk::new(1, WriteMode::Mapped);
    disk.create_root().unwrap();
    let writer = disk.create_region("a", LEN).unwrap();
    let states = |disk: &SimDisk| -> BTreeSet<Option<usize>> {
        disk.crash_images_all().map(|image| image.peek("a").map(|bytes| bytes.len())).collect()
    };
    assert_eq!(states(&disk), BTreeSet::from([None, Some(0), Some(LEN as usize)]));
    writer.region().sync_file().unwrap();
    assert_eq!(states(&disk), BTreeSet::from([None, Some(LEN as usize)]));
    disk.sync_dir("").unwrap();
    assert_eq!(states(&disk), BTreeSet::from([Some(LEN as usize)]));
    disk.rename("a", "b").unwrap();
    for image in disk.crash_images_all() {
        assert_eq!(image.peek("a").is_some(), image.peek("b").is_none(), "a renaming is whole or absent");
    }
    disk.sync_dir("").unwrap();
    disk.remove("b").unwrap();
    let left: BTreeSet<bool> = disk.crash_images_all().map(|image| image.peek("b").is_some()).collect();
    assert_eq!(left.len(), 2, "a removal is lost or kept");
}

#[test]
fn a_lost_directory_takes_its_files_along() {
    let disk = SimDisk::new(1, WriteMode::Mapped);
    disk.create_root().unwrap();
    disk.create_dir("log").unwrap();
    let _writer = file_on(&disk, "log/0");
    disk.sync_dir("log").unwrap();
    let lost = disk.crash_images_all().filter(|image| image.paths().is_empty()).count();
    let kept = disk.crash_images_all().filter(|image| image.paths() == ["log/0"]).count();
    assert_eq!((lost, kept), (1, 1));
    assert_eq!(disk.list("log").unwrap().len(), 1);
    assert_eq!(disk.found("log").unwrap(), Found::Directory);
}

#[test]
fn an_emptied_file_is_old_or_new() {
    let disk = SimDisk::new(1, WriteMode::Mapped);
    disk.create_root().unwrap();
    disk.write("a", &[1; 600]).unwrap();
    disk.sync_dir("").unwrap();
    assert!((0..50).all(|seed| content(&disk.crash_image(seed, Crash::Wild)) == [1; 600]));
    let images = Arc::new(parking_lot::Mutex::new(BTreeSet::new()));
    let taken = images.clone();
    disk.watch(Some(Arc::new(move |disk: &SimDisk, hook: Hook<'_>| {
        if hook.when == When::During {
            taken.lock().extend(disk.crash_images_all().map(|image| content(&image)));
        }
    })));
    disk.write("a", &[2; 600]).unwrap();
    disk.watch(None);
    let images = images.lock();
    let has = |wanted: &[u8]| images.contains(wanted);
    assert!(has(&[1; 600]) && has(&[2; 600]) && has(&[]) && has(&[0; 600]));
    assert!((0..50).all(|seed| content(&disk.crash_image(seed, Crash::Wild)) == [2; 600]));
}

/// F32: the pages count as clean, so a later sync says `Ok` and writes nothing, until they are written again.
#[test]
fn what_a_failed_sync_did_not_write_counts_as_clean() {
    let (disk, mut writer) = disk_with_file();
    let bytes = [5; 4096];
    writer.write(Site::Body, AT, &bytes).unwrap();
    disk.fail(Fault::once(Call::SyncRange, libc::EIO));
    let failed = writer.region().sync_range(AT, AT + 4096).unwrap_err();
    assert_eq!(failed.raw_os_error(), Some(libc::EIO));
    writer.region().sync_range(AT, AT + 4096).unwrap();
    writer.region().sync_file().unwrap();
    let after = content(&disk.crash_image(1, Crash::Torn));
    assert_ne!(after[AT as usize..][..4096], bytes, "two syncs that succeeded have written nothing");
    assert_eq!(disk.undecided(), 0, "and nothing is waiting to be written");
    assert_eq!(content(&disk)[AT as usize..][..4096], bytes, "while the cache shows it");
    let evicted = (0..20).filter(|seed| content(&disk.kill_image(*seed))[AT as usize..][..4096] != bytes);
    assert!(evicted.count() > 0, "until it drops what it takes for clean");
    writer.rewrite(AT, AT + 4096).unwrap();
    writer.region().sync_range(AT, AT + 4096).unwrap();
    assert_eq!(content(&disk.crash_image(1, Crash::Torn))[AT as usize..][..4096], bytes);
}

#[test]
fn a_sync_covers_what_was_there_when_it_began() {
    let (disk, writer) = disk_with_file();
    let writer = Arc::new(parking_lot::Mutex::new(writer));
    let during = writer.clone();
    disk.watch(Some(Arc::new(move |_: &SimDisk, hook: Hook<'_>| {
        if (hook.call, hook.when) == (Call::SyncRange, When::During) {
            during.lock().write(Site::Body, AT + 8, &[7; 8]).unwrap();
        }
    })));
    writer.lock().write(Site::Body, AT, &[6; 8]).unwrap();
    let region = writer.lock().region().clone();
    region.sync_range(AT, AT + 16).unwrap();
    disk.watch(None);
    let images: Vec<_> =
        disk.crash_images_all().map(|image| content(&image)[AT as usize..][..16].to_vec()).collect();
    let (first, both) = ([[6; 8], [0; 8]].concat(), [[6; 8], [7; 8]].concat());
    assert_eq!(images, [first, both], "the later store to the same sector is kept or lost");
}

#[test]
fn the_death_of_the_process_loses_nothing_and_syncs_nothing() {
    let (disk, mut writer) = disk_with_file();
    writer.write(Site::Body, AT, &[8; 700]).unwrap();
    disk.fail(Fault::gone());
    let killed = disk.kill_image(3);
    assert_eq!(content(&killed), content(&disk));
    assert_eq!(killed.boot_id(), disk.boot_id());
    assert_eq!(killed.undecided(), 2);
    let crashed = killed.crash_image(4, Crash::Torn);
    assert_ne!(crashed.boot_id(), disk.boot_id());
    assert_eq!(crashed.undecided(), 0);
    let reader = killed.open_region("a", Access::Read).unwrap();
    assert_eq!(reader.bytes(AT, AT + 700), [8; 700]);
}

#[test]
fn space_runs_out_and_comes_back() {
    let disk = SimDisk::new(1, WriteMode::Positioned);
    disk.create_root().unwrap();
    disk.set_space(Some(3 * 4096));
    let mut writer = disk.create_region("a", LEN).unwrap();
    let full = writer.region().reserve(0, LEN).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
    let full = writer.write(Site::Body, LEN - 8, &[1; 8]).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(disk.create_region("b", LEN).err().and_then(|e| e.raw_os_error()), Some(libc::ENOSPC));
    assert_eq!(disk.write("c", b"c").unwrap_err().raw_os_error(), Some(libc::ENOSPC));
    assert_eq!(disk.bytes_on_disk().unwrap(), 3 * 4096);
    writer.punch(AT, AT + 4096).unwrap();
    writer.write(Site::Body, LEN - 8, &[1; 8]).unwrap();
    assert_eq!(writer.region().next_data(AT).unwrap(), Some(LEN - 4096));
    disk.set_space(None);
    writer.region().reserve(0, LEN).unwrap();
    assert_eq!(disk.bytes_on_disk().unwrap(), LEN);
}

#[test]
#[should_panic(expected = "could raise SIGBUS")]
fn a_store_to_blocks_that_were_not_reserved_panics() {
    let disk = SimDisk::new(1, WriteMode::Mapped);
    disk.create_root().unwrap();
    let mut writer = disk.create_region("a", LEN).unwrap();
    drop(writer.write(Site::Body, AT, &[1; 8]));
}

#[test]
fn faults_come_when_they_were_told_to() {
    let (disk, mut writer) = disk_with_file();
    disk.fail(Fault::once(Call::OpenRegion, libc::EMFILE).after(1));
    assert!(disk.open_region("a", Access::Read).is_ok());
    assert_eq!(disk.open_region("a", Access::Read).err().and_then(|e| e.raw_os_error()), Some(libc::EMFILE));
    assert!(disk.open_region("a", Access::Read).is_ok());
    disk.set_read_only(true);
    assert_eq!(disk.remove("a").unwrap_err().raw_os_error(), Some(libc::EROFS));
    assert!(disk.read("a", 8).is_ok());
    disk.set_read_only(false);
    disk.fail(Fault::gone());
    assert!(disk.read("a", 8).is_err() && disk.read("a", 8).is_err());
    assert!(writer.region().sync_file().is_err());
    assert!(!disk.heal());
    writer.write(Site::Body, AT, &[1; 8]).unwrap();
    assert!(writer.region().sync_file().is_ok() && disk.heal());
}

#[test]
fn one_writer_at_a_time_holds_the_lock() {
    let (disk, _writer) = disk_with_file();
    let lock = disk.try_lock("lock").unwrap();
    assert_eq!(disk.try_lock("lock").err().map(|e| e.kind()), Some(std::io::ErrorKind::WouldBlock));
    assert!(disk.kill_image(1).try_lock("lock").is_ok(), "the dead hold nothing");
    drop(lock);
    assert!(disk.try_lock("lock").is_ok());
    let mark = disk.mark_writer("a").unwrap();
    assert!(disk.writer_lives("a").unwrap() && !disk.kill_image(1).writer_lives("a").unwrap());
    assert!(disk.mark_writer("a").is_err());
    drop(mark);
    assert!(!disk.writer_lives("a").unwrap());
}

/// The same calls on a disk of the same seed, with a flusher at work and syncs that fail.
fn busy(seed: u64) -> (u64, Vec<Vec<u8>>) {
    let disk = SimDisk::new(seed, WriteMode::Mapped);
    disk.set_flusher(30);
    disk.fail(Fault::once(Call::SyncRange, libc::EIO).after(3));
    let hooks = Arc::new(AtomicU64::new(0));
    let counted = hooks.clone();
    disk.watch(Some(Arc::new(move |_: &SimDisk, _: Hook<'_>| {
        counted.fetch_add(1, Ordering::Relaxed);
    })));
    let mut writer = file_on(&disk, "a");
    disk.sync_dir("").unwrap();
    for n in 0..40 {
        writer.write(Site::Body, AT + n * 200, &[n as u8 + 1; 200]).unwrap();
        drop(writer.region().sync_range(AT, AT + n * 100));
    }
    let images = [Crash::Torn, Crash::Garbage, Crash::Wild].map(|crash| disk.crash_image(seed, crash));
    let images = images.iter().map(|image| image.peek("a").unwrap_or_default()).collect();
    (hooks.load(Ordering::Relaxed), images)
}

#[test]
fn everything_follows_from_the_seed() {
    assert!((0..20).all(|seed| busy(seed) == busy(seed)));
    let different: BTreeSet<_> = (0..20).map(busy).collect();
    assert!(different.len() > 15, "{} different outcomes of 20 seeds", different.len());
}

#[test]
fn time_and_jobs_move_only_when_told() {
    use crate::medium::{Entropy, Job, Jobs, TimeSource};
    use std::time::Duration;
    struct Ticks(AtomicU64);
    impl Job for Ticks {
        fn step(&self) -> Option<Duration> {
            (self.0.fetch_add(1, Ordering::Relaxed) < 2).then_some(Duration::from_millis(10))
        }
    }
    let time = Arc::new(SimTime::new(1));
    let jobs = SimJobs::new(time.clone());
    let ticks = Arc::new(Ticks(AtomicU64::new(0)));
    jobs.schedule(Duration::from_millis(5), ticks.clone());
    assert_eq!(jobs.run_due(10), 0);
    time.sleep(Duration::from_millis(6));
    assert_eq!((jobs.run_due(10), jobs.waiting()), (1, 1));
    let now = time.now();
    let mut rng = Rng::new(1);
    assert!(jobs.run_one(&mut rng) && time.now() >= now + 9_000_000);
    assert!(jobs.run_one(&mut rng) && !jobs.run_one(&mut rng));
    assert_eq!(ticks.0.load(Ordering::Relaxed), 3);
    time.jump(-1_000_000_000);
    assert!(time.now() < now + 1_000_000_000);
    assert_ne!(time.u64(), time.u64());
    assert_eq!(time.next_life(9).u64(), SimTime::new(9).u64());
}
