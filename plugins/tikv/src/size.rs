//! Sizes as PD writes them: a number and a unit, in some versions with a space between.

/// Units and how many bytes each is; the longest first, because all end in `B`.
const UNITS: [(&str, f64); 6] = [
    ("PiB", 1_125_899_906_842_624.0),
    ("TiB", 1_099_511_627_776.0),
    ("GiB", 1_073_741_824.0),
    ("MiB", 1_048_576.0),
    ("KiB", 1024.0),
    ("B", 1.0),
];

/// Returns the size in bytes, as exact as the text; `None` if it is not a size.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let (number, unit) = UNITS
        .iter()
        .find_map(|(name, unit)| Some((text.trim().strip_suffix(name)?, unit)))?;
    let number: f64 = number.trim().parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some((number * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_space() {
        assert_eq!(parse("195GiB"), Some(195 << 30));
        assert_eq!(parse("64 MiB"), Some(64 << 20));
        assert_eq!(parse("1.5KiB"), Some(1536));
        assert_eq!(parse("0B"), Some(0));
        assert_eq!(parse("2 TiB"), Some(2 << 40));
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in ["", "GiB", "12", "-1B", "NaN B", "ten MiB"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
