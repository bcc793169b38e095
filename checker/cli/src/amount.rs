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
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
];

/// Reads a span: `300ms`, `1.5s`, `2min`, `1h`.
pub(crate) fn span(text: &str) -> Result<Span, String> {
    let expected = "expected a number with a unit: 300ms, 1.5s, 2min, 1h or 1d";
    let value = amount(text, TIME_UNITS).ok_or(expected)?;
    value
        .map(Span)
        .ok_or_else(|| "expected whole milliseconds".to_owned())
}

/// Reads a number of bytes: `500MB`, `4GiB`, `4G`.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let expected = "expected a number with a unit: 500MB, 1.5GB, 4GiB or 4G (= 4GiB)";
    let value = amount(text, SIZE_UNITS).ok_or(expected)?;
    value.ok_or_else(|| "expected whole bytes".to_owned())
}

/// A decimal number times its unit; the inner `None` is for what is no whole number, or none that
/// fits.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<Option<u64>> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(fraction) || fraction.len() > 18 {
        return None;
    }
    let parse = |digits: &str| {
        if digits.is_empty() {
            Some(0)
        } else {
            digits.parse().ok()
        }
    };
    let (Some(whole), Some(part)) = (parse(whole), parse(fraction)) else {
        return Some(None);
    };
    Some(exactly(
        whole,
        part,
        10_u128.pow(fraction.len() as u32),
        *factor,
    ))
}

/// (whole + part/of) · factor, if that is a whole number.
fn exactly(whole: u128, part: u128, of: u128, factor: u64) -> Option<u64> {
    let scaled = part * u128::from(factor);
    if !scaled.is_multiple_of(of) {
        return None;
    }
    let total = whole
        .checked_mul(u128::from(factor))?
        .checked_add(scaled / of)?;
    u64::try_from(total).ok()
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
        assert!(span("99999999999999999999999h").is_err());
    }

    #[test]
    fn sizes_are_exact() {
        for (text, bytes) in [
            ("1B", 1),
            ("1.5kB", 1500),
            ("4G", 4 << 30),
            ("2MiB", 2 << 20),
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
