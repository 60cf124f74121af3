//! Items of a commit, and the one kind of them that is known: a mark, the progress of a consumer that is committed with events.

use super::layout::{u8_at, u16_at, u32_at};

/// Kind of an item that is a mark.
const MARK: u8 = 1;
/// Flag: who doesn't know the kind may pass over the item.
const MAY_BE_IGNORED: u8 = 1;
/// Bytes of an item before what it holds.
const HEAD_BYTES: usize = 8;

/// An item of a commit.
pub(crate) struct Item<'a> {
    pub(crate) kind: u8,
    pub(crate) may_be_ignored: bool,
    pub(crate) bytes: &'a [u8],
}

/// The items in these bytes; `Err` with what is left where one doesn't lie within them.
pub(crate) fn items(mut rest: &[u8]) -> impl Iterator<Item = Result<Item<'_>, usize>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = HEAD_BYTES.saturating_add(u32_at(rest, 4) as usize);
        let (Some(item), true) = (rest.get(..end), rest.len() >= HEAD_BYTES) else {
            let left = rest.len();
            rest = &[];
            return Some(Err(left));
        };
        rest = &rest[end..];
        let may_be_ignored = u8_at(item, 1) & MAY_BE_IGNORED != 0;
        Some(Ok(Item { kind: item[0], may_be_ignored, bytes: &item[HEAD_BYTES..] }))
    })
}

impl<'a> Item<'a> {
    /// Consumer and progress of a mark; `None` if it is another kind of item.
    pub(crate) fn mark(&self) -> Option<Result<(&'a str, &'a [u8]), ()>> {
        (self.kind == MARK).then(|| {
            let name_end = 2 + usize::from(u16_at(self.bytes, 0));
            let name = self.bytes.get(2..name_end).ok_or(())?;
            let name = std::str::from_utf8(name).map_err(drop)?;
            Ok((name, &self.bytes[name_end..]))
        })
    }
}

/// The items of a commit with one mark, their length before them.
pub(crate) fn encode_mark(consumer: &str, progress: &[u8], items: &mut Vec<u8>) {
    let bytes = 2 + consumer.len() + progress.len();
    items.clear();
    items.extend_from_slice(&((HEAD_BYTES + bytes) as u32).to_le_bytes());
    items.extend_from_slice(&[MARK, MAY_BE_IGNORED, 0, 0]);
    items.extend_from_slice(&(bytes as u32).to_le_bytes());
    items.extend_from_slice(&(consumer.len() as u16).to_le_bytes());
    items.extend_from_slice(consumer.as_bytes());
    items.extend_from_slice(progress);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_the_bytes_of_the_format() {
        let mut bytes = vec![9; 99];
        encode_mark("mailer", b"\x07\x08", &mut bytes);
        assert_eq!(bytes, b"\x12\0\0\0\x01\x01\0\0\x0A\0\0\0\x06\0mailer\x07\x08");
        let found: Vec<_> = items(&bytes[4..]).map(|item| item.expect("whole")).collect();
        let [item] = &found[..] else { panic!("there is one") };
        assert!(item.kind == 1 && item.may_be_ignored);
        assert_eq!(item.mark(), Some(Ok(("mailer", &b"\x07\x08"[..]))));
    }

    #[test]
    fn what_does_not_lie_within_is_told() {
        let mut bytes = Vec::new();
        encode_mark("mailer", b"12", &mut bytes);
        for length in 1..bytes.len() - 4 {
            let found: Vec<_> = items(&bytes[4..4 + length]).map(|item| item.is_err()).collect();
            assert_eq!(found, [true], "{length} bytes");
        }
        let cut = Item { kind: MARK, may_be_ignored: true, bytes: b"\x03\0ab" };
        assert_eq!(cut.mark(), Some(Err(())));
        let no_text = Item { kind: MARK, may_be_ignored: true, bytes: b"\x01\0\xFF" };
        assert_eq!(no_text.mark(), Some(Err(())));
        assert_eq!(Item { kind: 2, may_be_ignored: true, bytes: b"" }.mark(), None);
    }
}
