//! Several tests at once.

/// Returns p-values corrected for their number (Holm, 1979), in the order in which they were given; nothing where one is not a
/// probability.
///
/// ```
/// assert_eq!(duress_statistics::holm(&[0.01, 0.04]), Some(vec![0.02, 0.04]));
/// ```
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 tests")]
pub fn holm(p_values: &[f64]) -> Option<Vec<f64>> {
    if !p_values.iter().all(|p| (0.0..=1.0).contains(p)) {
        return None;
    }
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut least: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        let tests = (p_values.len() - rank) as f64;
        least = least.max((p_values[index] * tests).min(1.0));
        corrected[index] = least;
    }
    Some(corrected)
}
