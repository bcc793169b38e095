//! Spans of time and amounts of memory, read and written.

use lockstep_model::time::Span;

const TIME_UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("T", 1 << 40),
];

/// Reads a span: `300ms`, `1.5s`, `2min`, `1h`.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    let value = amount(text, TIME_UNITS).map_err(|wrong| match wrong {
        Wrong::Negative => "must not be negative",
        Wrong::Unreadable => "expected a number with a unit: 300ms, 1.5s, 2min, 1h or 1d",
        Wrong::Broken => "expected whole milliseconds",
        Wrong::TooLarge => "too long, expected at most 213503982334d",
    })?;
    Ok(Span(value))
}

/// Reads a number of bytes: `500MB`, `4GiB`, `4G`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let value = amount(text, SIZE_UNITS).map_err(|wrong| match wrong {
        Wrong::Negative => "must not be negative",
        Wrong::Unreadable => "expected a number with a unit: 500MB, 1.5GB, 4GiB or 4G (= 4GiB)",
        Wrong::Broken => "expected whole bytes",
        Wrong::TooLarge => "too large, expected at most 16777215TiB",
    })?;
    Ok(value)
}

/// Reads a number of threads.
pub(crate) fn threads(text: &str) -> Result<u16, String> {
    let number = text.trim().parse().ok();
    let allowed = number.filter(|number| (1..=THREADS_MAX).contains(number));
    allowed.ok_or_else(|| format!("expected a positive number, at most {THREADS_MAX}"))
}

/// Reads a number of seconds of a simulated clock, which has no unit.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let number = text.trim().parse().ok();
    number.ok_or_else(|| "expected a whole number of seconds, such as 300".to_owned())
}

/// Reads parts per million.
pub(crate) fn parts_per_million(text: &str) -> Result<u32, String> {
    let text = text.trim();
    if text.starts_with('-') {
        return Err("must not be negative".to_owned());
    }
    let number = text.parse().ok();
    number.ok_or_else(|| format!("expected a whole number, at most {}", u32::MAX))
}

/// The most threads of a search.
const THREADS_MAX: u16 = 64;

/// Why a text is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// It is less than nothing.
    Negative,
    /// It is no decimal number with one of the units.
    Unreadable,
    /// It is no whole number of the least unit.
    Broken,
    /// It is more than 2^64 − 1 of the least unit.
    TooLarge,
}

/// A decimal number times its unit.
fn amount(text: &str, units: &[(&str, u64)]) -> Result<u64, Wrong> {
    let text = text.trim();
    let negative = text.starts_with(['-', '−']);
    let text = text.trim_start_matches(['-', '−']);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.ok_or(Wrong::Unreadable)?);
    let mut units = units.iter();
    let known = units.find(|(name, _)| *name == unit.trim());
    let (_, factor) = known.ok_or(Wrong::Unreadable)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(fraction) || fraction.len() > 18 {
        return Err(Wrong::Unreadable);
    }
    if negative {
        return Err(Wrong::Negative);
    }
    // Only digits are left, so what can't be parsed is too large.
    let parse = |digits: &str| match digits {
        "" => Ok(0),
        digits => digits.parse::<u128>().map_err(|_| Wrong::TooLarge),
    };
    let of = 10_u128.pow(fraction.len() as u32);
    exactly(parse(whole)?, parse(fraction)?, of, (*factor).into())
}

/// (whole + part/of) · factor, if that is a whole number.
fn exactly(whole: u128, part: u128, of: u128, factor: u128) -> Result<u64, Wrong> {
    let scaled = part * factor;
    let whole = whole.checked_mul(factor).ok_or(Wrong::TooLarge)?;
    let total = whole.checked_add(scaled / of).ok_or(Wrong::TooLarge)?;
    let total = u64::try_from(total).map_err(|_| Wrong::TooLarge)?;
    if !scaled.is_multiple_of(of) {
        return Err(Wrong::Broken);
    }
    Ok(total)
}

/// `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.5 GiB`.
pub(crate) fn bytes(number: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && value < 100.0);
    format!("{value:.decimals$} {}", units[unit])
}

/// `0.42 s`, `73 s`, `1 h 02 min`.
pub(crate) fn elapsed(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..10 => format!("{seconds:.2} s"),
        10..120 => format!("{whole} s"),
        120..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact() {
        for (text, ms) in [
            ("300ms", 300),
            ("1.5s", 1500),
            ("2 min", 120_000),
            ("0s", 0),
        ] {
            assert_eq!(span(text), Ok(Span(ms)), "{text}");
        }
        for text in [
            "", "5", "s", "1.5", "1,5s", "1.2.3s", "-1s", "0.5ms", "5 weeks", "1e3s",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_too_large_is_said_to_be() {
        let long = format!("{}h", "9".repeat(60));
        for text in ["99999999999999999999h", "213503982335d", &long] {
            assert_eq!(amount(text, TIME_UNITS), Err(Wrong::TooLarge), "{text}");
        }
        assert!(span("213503982334d").is_ok());
        assert_eq!(amount("16777216TiB", SIZE_UNITS), Err(Wrong::TooLarge));
        assert!(size("16777215TiB").is_ok());
    }

    #[test]
    fn what_is_negative_is_said_to_be() {
        assert_eq!(amount("-5s", TIME_UNITS), Err(Wrong::Negative));
        assert_eq!(amount("--json", TIME_UNITS), Err(Wrong::Unreadable));
        assert!(parts_per_million("-1").is_err_and(|text| text.contains("negative")));
        assert!(threads("-1").is_err_and(|text| text.contains("positive")));
        assert_eq!((threads("64"), parts_per_million("0")), (Ok(64), Ok(0)));
    }

    #[test]
    fn sizes_are_exact() {
        for (text, bytes) in [
            ("1B", 1),
            ("1.5kB", 1500),
            ("4G", 4 << 30),
            ("2MiB", 2 << 20),
            ("2T", 2 << 40),
            ("2TiB", 2 << 40),
            ("0.5TB", 500_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        assert!(size("0.1B").is_err());
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(elapsed(3723.0), "1 h 02 min");
    }
}
