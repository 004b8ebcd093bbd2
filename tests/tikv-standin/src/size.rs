//! Sizes as PD writes them.

/// e.g. `195GiB`, `33.11MiB`: at most four digits that say something.
pub fn text(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = if value >= 100.0 || value.fract() == 0.0 {
        0
    } else {
        2
    };
    format!("{value:.digits$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn sizes_have_the_largest_unit_that_fits() {
        assert_eq!(text(0), "0B");
        assert_eq!(text(1536), "1.50KiB");
        assert_eq!(text(64 << 20), "64MiB");
        assert_eq!(text(195 << 30), "195GiB");
    }
}
