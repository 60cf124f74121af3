//! The content types that have a code of their own, and the text of each code.

/// Code of "none".
pub(crate) const NONE: u8 = 0;
/// Code of `application/json`.
pub(crate) const JSON: u8 = 1;
/// Code of `application/vnd.orchestrix.bincode`.
pub(crate) const BINCODE: u8 = 4;
/// Code of "in the metadata".
pub(crate) const IN_METADATA: u8 = 255;

/// Text of the codes from 1 on.
const KNOWN: [&str; 4] =
    ["application/json", "application/octet-stream", "text/plain", "application/vnd.orchestrix.bincode"];

const _: () = assert!(JSON == 1 && BINCODE as usize == KNOWN.len());

/// The code of a content type, [`IN_METADATA`] if it has none.
pub(crate) fn code_of(content_type: &str) -> u8 {
    match KNOWN.iter().position(|known| *known == content_type) {
        Some(place) => place as u8 + 1,
        None => IN_METADATA,
    }
}

/// The text of a code other than [`NONE`] and [`IN_METADATA`]. A later version's code has one that names it.
pub(crate) fn text_of(code: u8) -> &'static str {
    match KNOWN.get(usize::from(code).wrapping_sub(1)) {
        Some(known) => known,
        None => {
            let (text, bytes) = &UNKNOWN[usize::from(code)];
            text.get(..*bytes).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or(UNKNOWN_PREFIX)
        }
    }
}

const UNKNOWN_PREFIX: &str = "application/x-orchestrix-";
const UNKNOWN_BYTES: usize = UNKNOWN_PREFIX.len() + 3;

static UNKNOWN: [([u8; UNKNOWN_BYTES], usize); 256] = {
    let mut all = [([0; UNKNOWN_BYTES], 0); 256];
    let mut code = 0;
    while code < all.len() {
        let (text, bytes) = &mut all[code];
        while *bytes < UNKNOWN_PREFIX.len() {
            text[*bytes] = UNKNOWN_PREFIX.as_bytes()[*bytes];
            *bytes += 1;
        }
        let mut unit = if code >= 100 {
            100
        } else if code >= 10 {
            10
        } else {
            1
        };
        while unit > 0 {
            text[*bytes] = b'0' + (code / unit % 10) as u8;
            *bytes += 1;
            unit /= 10;
        }
        code += 1;
    }
    all
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_text() {
        assert_eq!(text_of(JSON), "application/json");
        assert_eq!(text_of(BINCODE), "application/vnd.orchestrix.bincode");
        assert_eq!(text_of(5), "application/x-orchestrix-5");
        assert_eq!(text_of(70), "application/x-orchestrix-70");
        assert_eq!(text_of(254), "application/x-orchestrix-254");
        for code in 1..=4 {
            assert_eq!(code_of(text_of(code)), code);
        }
        assert_eq!(code_of("application/JSON"), IN_METADATA);
    }
}
