//! Times as RFC 3339 has them, in nanoseconds since 1970-01-01 UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// What a time must be.
const RFC_3339: &str = "a time as RFC 3339 has it, such as 2024-06-19T15:22:45.5Z";
const IN_RANGE: &str = "a time between the years 1678 and 2261";

/// The canonical text of a time: in UTC, with as many digits of the second as it needs.
pub(super) fn format(nanos: i64) -> String {
    match Timestamp::from_nanosecond(nanos.into()) {
        Ok(time) => time.to_string(),
        Err(_) => unreachable!("jiff's timestamps reach further than 64 bits of nanoseconds"),
    }
}

/// The moment that a text means. Digits beyond the nanosecond are dropped; a leap second is the second before it.
///
/// # Errors
/// What the text must be and isn't.
pub(super) fn parse(text: &str) -> Result<i64, &'static str> {
    let (local, offset_seconds) = fields(text.as_bytes()).ok_or(RFC_3339)?;
    let offset = Offset::from_seconds(offset_seconds).map_err(|_| RFC_3339)?;
    let time = offset.to_timestamp(local).map_err(|_| IN_RANGE)?;
    i64::try_from(time.as_nanosecond()).map_err(|_| IN_RANGE)
}

/// The local time and the seconds by which it is ahead of UTC.
fn fields(text: &[u8]) -> Option<(DateTime, i32)> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    let separators = [4, 7, 10, 13, 16].map(|at| date_time[at].to_ascii_uppercase());
    if separators != *b"--T::" {
        return None;
    }
    let field = |start: usize, end: usize| digits(&date_time[start..end]);
    let (fraction, zone) = match rest.split_first()? {
        (b'.', rest) => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
            (rest.get(..end).filter(|fraction| !fraction.is_empty())?, &rest[end..])
        }
        _ => (&[][..], rest),
    };
    let nanos = (0..9).try_fold(0, |nanos, place| {
        Some(nanos * 10 + digits(fraction.get(place..=place).unwrap_or(b"0"))?)
    })?;
    let second = match field(17, 19)? {
        60 => 59,
        second => second,
    };
    let local = DateTime::new(
        field(0, 4)? as i16,
        field(5, 7)? as i8,
        field(8, 10)? as i8,
        field(11, 13)? as i8,
        field(14, 16)? as i8,
        second as i8,
        nanos,
    );
    Some((local.ok()?, offset_seconds(zone)?))
}

/// `Z`, or hours and minutes with a sign.
fn offset_seconds(zone: &[u8]) -> Option<i32> {
    match zone {
        b"Z" | b"z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', m1, m2] if hours.len() == 2 => {
            let (hours, minutes) = (digits(hours)?, digits(&[*m1, *m2])?);
            let seconds = hours * 3_600 + minutes * 60;
            let in_range = hours < 24 && minutes < 60;
            in_range.then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

/// A number of up to nine decimal digits.
fn digits(text: &[u8]) -> Option<i32> {
    text.iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_has_as_many_digits_as_it_needs() {
        let texts = [
            (0, "1970-01-01T00:00:00Z"),
            (500_000_000, "1970-01-01T00:00:00.5Z"),
            (1, "1970-01-01T00:00:00.000000001Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
        ];
        for (nanos, text) in texts {
            assert_eq!(format(nanos), text);
            assert_eq!(parse(text), Ok(nanos));
        }
    }

    #[test]
    fn other_texts_of_a_moment_are_understood() {
        let second = 1_718_810_565_000_000_000;
        assert_eq!(parse("2024-06-19T17:22:45+02:00"), Ok(second));
        assert_eq!(parse("2024-06-19t15:22:45.000z"), Ok(second));
        assert_eq!(parse("2024-06-19T15:22:45.1234567891234Z"), Ok(second + 123_456_789));
        assert_eq!(parse("2024-06-19T15:22:45-00:00"), Ok(second));
        assert_eq!(parse("2016-12-31T23:59:60Z"), parse("2016-12-31T23:59:59Z"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let not_one = [
            "",
            "Z",
            "2024-06-19",
            "2024-06-19T15:22:45",
            "2024-06-19 15:22:45Z",
            "2024-06-19T15:22Z",
            "2024-06-19T15:22:45.Z",
            "2024-02-30T00:00:00Z",
            "2024-06-19T24:00:00Z",
            "2024-06-19T15:22:61Z",
            "2024-06-19T15:22:45+2:00",
            "2024-06-19T15:22:45+24:00",
            "2024-06-19T15:22:45.5",
            "2024-6-19T15:22:45Z",
            "+024-06-19T15:22:45Z",
            "2024-06-19T15:22:45Zjunk",
            "2024-06-19T15:22:45[UTC]",
            "2024-06-19T15:22:45\u{e9}",
        ];
        for text in not_one {
            assert_eq!(parse(text), Err(RFC_3339), "{text:?}");
        }
        for text in [
            "1677-09-21T00:12:43Z",
            "2262-04-11T23:47:17Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-23:59",
        ] {
            assert_eq!(parse(text), Err(IN_RANGE), "{text:?}");
        }
    }
}
