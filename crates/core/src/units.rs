//! Numbers as people read them, in every output.

use std::time::Duration;

use jiff::Timestamp;

/// A size with three significant digits: `1.21 GiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog2() / 10).min(6);
    let value = bytes as f64 / 1024f64.powi(power.cast_signed());
    let digits = if value >= 100.0 { 0 } else { 1 + usize::from(value < 10.0) };
    format!("{value:.digits$} {}iB", ["", "K", "M", "G", "T", "P", "E"][power as usize])
}

/// A count with its thousands apart: `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 table`, `1,234 tables`.
#[must_use]
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A duration with its two largest units: `1h 05m`, `3m 20s`, `4.2 s`.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let secs = duration.as_secs();
    match secs {
        0..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{}m {:02}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h {:02}m", secs / 3600, secs / 60 % 60),
        _ => format!("{}d {:02}h", secs / 86_400, secs / 3600 % 24),
    }
}

/// The same of seconds that were measured; what is no duration, such as a negative number, is none at all.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// How long ago something was, in its largest unit: `3 days`.
#[must_use]
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let secs = (now.as_second() - then.as_second()).max(0);
    let (number, unit) = match secs {
        0..60 => (secs, "second"),
        60..3600 => (secs / 60, "minute"),
        3600..172_800 => (secs / 3600, "hour"),
        _ => (secs / 86_400, "day"),
    };
    counted(number.unsigned_abs(), unit)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::{age, count, counted, duration, size};

    #[test]
    fn sizes_have_three_digits() {
        let cases =
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (15_000, "14.6 KiB"), (1_300_000_000, "1.21 GiB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(u64::MAX), "16.0 EiB");
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!([1, 1234].map(|number| counted(number, "row")), ["1 row", "1,234 rows"]);
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn durations_and_ages_use_their_largest_units() {
        let secs = [4, 200, 3900, 200_000].map(|secs| duration(Duration::from_secs(secs)));
        assert_eq!(secs, ["4.0 s", "3m 20s", "1h 05m", "2d 07h"]);
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(age(at(0), at(1)), "1 second");
        assert_eq!(age(at(0), at(90_000)), "25 hours");
        assert_eq!(age(at(0), at(260_000)), "3 days");
        assert_eq!(age(at(10), at(0)), "0 seconds");
    }
}
