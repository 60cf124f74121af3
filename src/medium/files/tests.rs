use super::*;
use crate::medium::Site;

#[test]
fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    for mode in [None, Some(WriteMode::Positioned)] {
        let files = RealFiles::new(&dir.path().join(format!("{mode:?}/store")), mode);
        files.create_root().unwrap();
        assert_eq!(files.write_mode(), mode.unwrap_or(WriteMode::Mapped));
        let mut writer = files.create_region("x", 1 << 20).unwrap();
        let region = writer.region().clone();
        region.reserve(0, 1 << 20).unwrap();
        region.populate(0, 1 << 20).unwrap();
        writer.write(Site::Body, 4096, b"hello").unwrap();
        writer.publish(4101);
        assert_eq!(region.bytes(4096, 4101), b"hello");
        region.store_word(16, 7).unwrap();
        assert_eq!(region.load_word(16), 7);
        region.sync_range(4096, 4101).unwrap();
        region.sync_file().unwrap();
    }
}
