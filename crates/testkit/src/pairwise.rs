//! Rows of test cases in which every pair of choices meets, without trying every combination.

/// Chooses rows of level numbers, one per factor, so that every two levels of two factors that any allowed row unites are united
/// in one of the rows chosen.
///
/// `levels` says how many levels each factor has. The same arguments give the same rows.
///
/// # Cost
/// Looks at the full product once per row chosen: meant for thousands of combinations, not millions.
pub fn pairwise(levels: &[usize], allowed: impl Fn(&[usize]) -> bool) -> Vec<Vec<usize>> {
    let candidates: Vec<Vec<usize>> = product(levels).into_iter().filter(|row| allowed(row)).collect();
    let mut missing: std::collections::BTreeSet<_> = candidates.iter().flat_map(|row| pairs(row)).collect();
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        let gain = |row: &&Vec<usize>| pairs(row).filter(|pair| missing.contains(pair)).count();
        // The first of the best, so that the outcome is the same every time.
        let Some(best) = candidates.iter().rev().max_by_key(gain) else { break };
        for pair in pairs(best) {
            missing.remove(&pair);
        }
        chosen.push(best.clone());
    }
    chosen
}

fn product(levels: &[usize]) -> Vec<Vec<usize>> {
    levels.iter().fold(vec![Vec::new()], |rows, &count| {
        let extend = |row: &Vec<usize>, level| row.iter().copied().chain([level]).collect();
        rows.iter().flat_map(|row| (0..count).map(move |level| extend(row, level))).collect()
    })
}

/// The pairs that a row unites: (factor, level, factor, level).
fn pairs(row: &[usize]) -> impl Iterator<Item = (usize, usize, usize, usize)> {
    row.iter().enumerate().flat_map(move |(first, &left)| {
        row.iter().enumerate().skip(first + 1).map(move |(second, &right)| (first, left, second, right))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_meets_in_fewer_rows_than_the_product() {
        let levels = [4, 3, 3, 2];
        let rows = pairwise(&levels, |_| true);
        assert!(rows.len() < 4 * 3 * 3, "{} rows", rows.len());
        for (first, &left_count) in levels.iter().enumerate() {
            for (second, &right_count) in levels.iter().enumerate().skip(first + 1) {
                for (left, right) in
                    (0..left_count).flat_map(|left| (0..right_count).map(move |right| (left, right)))
                {
                    assert!(rows.iter().any(|row| row[first] == left && row[second] == right));
                }
            }
        }
    }

    #[test]
    fn forbidden_rows_are_never_chosen_and_cost_no_other_pair() {
        let rows = pairwise(&[3, 3, 2], |row| !(row[0] == 0 && row[1] == 0));
        assert!(rows.iter().all(|row| !(row[0] == 0 && row[1] == 0)));
        for (left, right) in (0..3).flat_map(|left| (0..3).map(move |right| (left, right))) {
            let met = rows.iter().any(|row| row[0] == left && row[1] == right);
            assert_eq!(met, (left, right) != (0, 0));
        }
    }
}
