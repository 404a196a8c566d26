//! Which server comes first: priority, then chance by weight (RFC 2782).

use model::{IdSource, TrunkServer};

/// The servers in the order to try them, as indexes.
pub(crate) fn order(servers: &[TrunkServer], ids: &mut IdSource) -> Vec<usize> {
    let mut left: Vec<usize> = (0..servers.len()).collect();
    let priority = |i: &usize| servers.get(*i).map_or(u16::MAX, |s| s.priority);
    let weight = |i: &usize| servers.get(*i).map_or(1, |s| u32::from(s.weight.max(1)));
    left.sort_by_key(priority);
    let mut order = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let level = priority(first);
        let equals = left.iter().take_while(|i| priority(i) == level).count();
        let total: u32 = left.iter().take(equals).map(weight).sum();
        let mut draw = if equals > 1 { ids.u32() % total.max(1) } else { 0 };
        let chosen = left.iter().take(equals).position(|i| {
            let lucky = draw < weight(i);
            draw = draw.saturating_sub(weight(i));
            lucky
        });
        order.push(left.remove(chosen.unwrap_or(0)));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(priority: u16, weight: u16) -> TrunkServer {
        TrunkServer { host: "h".to_owned(), port: None, transport: None, priority, weight }
    }

    #[test]
    fn priority_rules_and_weights_share_in_proportion() {
        let mut ids = IdSource::new([3; 32]);
        let servers = [server(2, 1), server(1, 1), server(1, 2), server(0, 9)];
        let mut firsts = [0_u32; 4];
        for _ in 0..3_000 {
            let order = order(&servers, &mut ids);
            assert_eq!((order[0], order[3]), (3, 0), "{order:?}");
            firsts[order[1]] += 1;
        }
        // 1 to 2, as the weights say.
        assert!((900..1_100).contains(&firsts[1]) && (1_900..2_100).contains(&firsts[2]), "{firsts:?}");
        assert_eq!(order(&[], &mut ids), Vec::<usize>::new());
    }
}
