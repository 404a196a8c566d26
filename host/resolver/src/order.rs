//! The order in which servers of SRV records are tried (RFC 2782).

/// One SRV record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    /// Lower ones are tried first.
    pub priority: u16,
    /// Its share among those of the same priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; empty for the root, which says that the service is not offered.
    pub target: String,
}

/// The records in the order to try them: by priority, within a priority drawn by weight. `draw(n)` gives a number from
/// 0 to `n`, both included, each as likely as the others.
pub fn order(mut records: Vec<Srv>, mut draw: impl FnMut(u32) -> u32) -> Vec<Srv> {
    // Those of weight 0 stand first in their priority, so that they still have a small chance (RFC 2782, "Weight").
    records.sort_by_key(|r| (r.priority, r.weight > 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|r| r.priority) {
        let same = records.iter().take_while(|r| r.priority == priority);
        let total: u32 = same.map(|r| u32::from(r.weight)).sum();
        let drawn = draw(total).min(total);
        let mut sum = 0;
        let at = records.iter().position(|r| {
            sum += u32::from(r.weight);
            sum >= drawn
        });
        ordered.push(records.remove(at.unwrap_or(0)));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.to_owned() }
    }

    fn ordered(records: &[Srv], numbers: &[u32]) -> String {
        let mut numbers = numbers.iter().copied();
        let found = order(records.to_vec(), |_| numbers.next().unwrap_or(0));
        found.iter().map(|r| r.target.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn priority_first_then_the_drawn_one_by_running_sum() {
        let records = [srv(20, 5, "late"), srv(10, 1, "a"), srv(10, 3, "b"), srv(10, 0, "zero")];
        // The running sums of priority 10 are zero=0, a=1, b=4.
        assert_eq!(ordered(&records, &[0, 0, 0, 0]), "zero a b late");
        assert_eq!(ordered(&records, &[1, 0, 0, 0]), "a zero b late");
        assert_eq!(ordered(&records, &[2, 1, 0, 0]), "b a zero late");
        assert_eq!(ordered(&records, &[4, 4, 4, 4]), "b a zero late");
        assert_eq!(ordered(&[], &[]), "");
    }

    #[test]
    fn a_number_out_of_bounds_does_no_harm() {
        let records = [srv(1, 65_535, "a"), srv(1, 65_535, "b")];
        assert_eq!(ordered(&records, &[u32::MAX, u32::MAX]), "b a");
    }

    #[test]
    fn weights_share_the_first_place() {
        let records = [srv(1, 1, "one"), srv(1, 3, "three")];
        let mut first: BTreeMap<String, u32> = BTreeMap::new();
        // Every number that can be drawn, once: 0 and 1 fall to the first, 2 to 4 to the second.
        for number in 0..=4 {
            let found = order(records.to_vec(), |bound| number.min(bound));
            *first.entry(found[0].target.clone()).or_default() += 1;
        }
        assert_eq!((first["one"], first["three"]), (2, 3));
    }
}
